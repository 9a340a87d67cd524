//! From figures to places on an axis, and back to words.
//!
//! The library has an axis of its own for each kind of scale; one that is told its kind lets charts be of one type.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// From so much on an axis is logarithmic: the smaller figures would all be at its left end.
const DECADES: f64 = 20.0;
/// How far below the least figure nought is on a logarithmic axis: somewhat less than a decade.
const NOUGHT: f64 = 6.0;
const MOST_TICKS: f64 = 6.0;

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    logarithmic: bool,
    /// Whether nought has a place at the beginning of a logarithmic axis, which has none by itself.
    with_nought: bool,
    range: Range<f64>,
    /// Figures with a line and a word.
    ticks: Vec<f64>,
    words: Vec<&'static str>,
}

impl Scale {
    /// Just as wide as its figures; logarithmic, if they span decades.
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let figures: Vec<f64> = figures.collect();
        let least = figures.iter().copied().fold(f64::MAX, f64::min);
        let most = figures.iter().copied().fold(f64::MIN, f64::max);
        let positive = figures.iter().copied().filter(|figure| *figure > 0.0);
        let least_positive = positive.fold(f64::MAX, f64::min);
        if least >= 0.0 && most / least_positive >= DECADES {
            return Self::logarithmic(least_positive, most, least == 0.0);
        }
        let space = ((most - least) * 0.06)
            .max(most.abs() * 0.02)
            .max(f64::MIN_POSITIVE);
        Self::linear(least - space..most + space)
    }

    /// From nought, with room above.
    pub(super) fn from_zero(figures: impl Iterator<Item = f64>) -> Self {
        let figures: Vec<f64> = figures.collect();
        let scale = Self::of(figures.iter().copied());
        if scale.logarithmic {
            return scale;
        }
        Self::linear(0.0..figures.into_iter().fold(f64::MIN_POSITIVE, f64::max) * 1.15)
    }

    /// One place for each word.
    pub(super) fn words(words: impl Iterator<Item = &'static str>) -> Self {
        let words: Vec<_> = words.collect();
        let places: Vec<f64> = (0_u32..).map(f64::from).take(words.len()).collect();
        let end = places.last().copied().unwrap_or_default();
        Self {
            logarithmic: false,
            with_nought: false,
            range: -0.5..end + 0.5,
            ticks: places,
            words,
        }
    }

    fn linear(range: Range<f64>) -> Self {
        let step = step((range.end - range.start) / MOST_TICKS);
        let mut ticks = Vec::new();
        let mut nth = (range.start / step).ceil();
        while nth * step <= range.end {
            ticks.push(nth * step);
            nth += 1.0;
        }
        Self {
            logarithmic: false,
            with_nought: false,
            range,
            ticks,
            words: Vec::new(),
        }
    }

    fn logarithmic(least: f64, most: f64, with_nought: bool) -> Self {
        let below = if with_nought { NOUGHT } else { 1.0 };
        let range = least / 1.4 / below..most * 1.4;
        // Up to three decades have room for 2 and 5.
        let digits: &[f64] = if most / least < 1_000.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let mut ticks = Vec::new();
        if with_nought {
            ticks.push(0.0);
        }
        let mut decade = 10_f64.powf((least / 1.4).log10().floor());
        while decade <= range.end {
            let figures = digits.iter().map(|digit| decade * digit);
            ticks.extend(figures.filter(|figure| (least / 1.4..range.end).contains(figure)));
            decade *= 10.0;
        }
        Self {
            logarithmic: true,
            with_nought,
            range,
            ticks,
            words: Vec::new(),
        }
    }

    /// How far along the axis a figure is, from 0 to 1.
    fn share(&self, figure: f64) -> f64 {
        let place = |figure: f64| if self.logarithmic { figure.log10() } else { figure };
        let (start, end) = (place(self.range.start), place(self.range.end));
        let figure = if self.with_nought && figure == 0.0 {
            self.range.start * 1.4
        } else {
            figure
        };
        (place(figure) - start) / (end - start)
    }

    fn word(&self, figure: f64) -> String {
        let nth = self.ticks.iter().position(|tick| (tick - figure).abs() < 1e-9);
        match nth.and_then(|nth| self.words.get(nth)) {
            Some(word) => (*word).to_owned(),
            None => short(figure),
        }
    }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "a place on a chart is a pixel")]
    fn map(&self, figure: &f64, (start, end): (i32, i32)) -> i32 {
        let length = f64::from(end - start);
        start + (self.share(*figure) * length).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, figure: &f64) -> String {
        self.word(*figure)
    }
}

/// The next of 1, 2, 5, 10, 20, …
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    let digit = digits.into_iter().find(|digit| digit * decade >= least * 0.999);
    digit.unwrap_or(10.0) * decade
}

fn short(figure: f64) -> String {
    let (figure, unit) = match figure.abs() {
        1e6.. => (figure / 1e6, "M"),
        1e3.. => (figure / 1e3, "k"),
        _ => (figure, ""),
    };
    let digits = format!("{figure:.2}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|tick| scale.word(*tick)).collect()
    }

    #[test]
    fn decades_are_told_in_decades() {
        assert_eq!(
            words(&Scale::of([1_000.0, 1_000_000.0].into_iter())),
            ["1k", "10k", "100k", "1M"]
        );
        assert_eq!(
            words(&Scale::of([1.0, 40.0].into_iter())),
            ["1", "2", "5", "10", "20", "50"]
        );
    }

    #[test]
    fn nought_stands_before_the_decades() {
        let scale = Scale::of([0.0, 1_024.0, 65_536.0, 4_194_304.0].into_iter());

        assert_eq!(words(&scale), ["0", "1k", "10k", "100k", "1M"]);
        let places: Vec<i32> = scale
            .ticks
            .iter()
            .map(|tick| scale.map(tick, (0, 1_000)))
            .collect();
        assert!(places.is_sorted() && places[0] > 0, "{places:?}");
        assert!(places[1] - places[0] > 100, "{places:?}");
    }

    #[test]
    fn decades_are_equally_long() {
        let scale = Scale::of([10.0, 1_000.0].into_iter());

        let place = |figure: f64| scale.map(&figure, (0, 1_000));
        assert!((place(100.0) - place(10.0) - (place(1_000.0) - place(100.0))).abs() <= 1);
    }

    #[test]
    fn less_is_linear() {
        assert_eq!(words(&Scale::of([1.0, 4.0].into_iter())), ["1", "2", "3", "4"]);
        assert_eq!(
            words(&Scale::from_zero([26.0, 27.0].into_iter())),
            ["0", "10", "20", "30"]
        );
    }

    #[test]
    fn nought_and_a_single_figure_have_a_place() {
        for figures in [vec![0.0, 1e6], vec![5.0], vec![0.0]] {
            let scale = Scale::of(figures.iter().copied());
            assert!(scale.range.start < scale.range.end, "{figures:?}: {scale:?}");
            for figure in figures {
                assert!((0.0..=1.0).contains(&scale.share(figure)), "{figure}: {scale:?}");
            }
        }
    }
}

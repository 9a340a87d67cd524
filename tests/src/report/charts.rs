//! The charts, as SVG on white, so that they read alike on light and dark pages.

mod bars;
mod lines;
mod scale;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use self::bars::{Bar, Bars};
use self::lines::{Line, Lines};
use self::scale::Scale;
use super::data::{
    BFF_EMBEDDED, BFF_REDIS, CASES, CHARTS, CONTENDERS, MOD_AUTH_OPENIDC, NGINX, Named, Results, SMALL_GET,
    title,
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(31, 41, 55);
const GRID: RGBColor = RGBColor(229, 231, 235);
const TITLE_HEIGHT: u32 = 44;

/// All charts that there are figures for, by the names of their files.
pub fn draw(results: &Results) -> Result<Vec<(&'static str, String)>> {
    let mut charts = Vec::new();
    if let Some(bars) = small_get(results) {
        charts.push(("cpu", bars.draw()?));
    }
    if !results.measurements.is_empty() {
        charts.push(("bodies", bodies(results).draw()?));
    }
    for axes in &CHARTS {
        let of_chart = results.series.iter().filter(|line| line.chart == axes.id);
        let lines: Vec<_> = of_chart
            .map(|line| Line {
                contender: line.contender.clone(),
                runs: vec![line.points.clone()],
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        let points = || lines.iter().flat_map(|line| line.runs.iter().flatten());
        let lines = Lines {
            title: axes.title.to_owned(),
            x: axes.x,
            y: axes.y,
            x_scale: Scale::of(points().map(|(x, _)| *x)),
            y_scale: Scale::from_zero(points().map(|(_, y)| *y)),
            reference: None,
            lines,
        };
        charts.push((axes.id, lines.draw()?));
    }
    Ok(charts)
}

/// The main chart: what a small GET costs with whom.
fn small_get(results: &Results) -> Option<Bars> {
    let level = results.common_level(SMALL_GET)?;
    let nginx = results.find(SMALL_GET, level, NGINX)?.total_cpu_us();
    let measured = CONTENDERS
        .iter()
        .filter_map(|contender| results.find(SMALL_GET, level, contender.id));
    let bars = measured.map(|measured| {
        let total = measured.total_cpu_us();
        Bar {
            contender: measured.contender.clone(),
            own: measured.cpu_us,
            redis: measured.redis_cpu_us.unwrap_or(0.0),
            label: format!("{total:.1} µs, {:.2} x nginx", total / nginx),
        }
    });
    Some(Bars {
        title: format!("CPU of a small GET, signed in (nginx: without sign-in), {level} connections"),
        axis: "µs of processor time a request; pale: of Redis",
        bars: bars.collect(),
        reference: nginx,
    })
}

/// Kinds and sizes of bodies beside each other; a line joins the GETs and another one the POSTs.
fn bodies(results: &Results) -> Lines {
    let mut lines = Vec::new();
    for contender in CONTENDERS.iter().filter(|contender| contender.id != NGINX) {
        let point = |(at, case): (f64, &Named)| {
            let level = results.common_level(case.id)?;
            let ratio = results.cpu_to_nginx(case.id, level, contender.id)?;
            Some((at, ratio))
        };
        let run = |kind: &str| -> Vec<(f64, f64)> {
            let cases = (0_u32..).map(f64::from).zip(&CASES);
            cases
                .filter(|(_, case)| case.id.starts_with(kind))
                .filter_map(point)
                .collect()
        };
        let runs: Vec<_> = [run("get-"), run("post-")]
            .into_iter()
            .filter(|run| !run.is_empty())
            .collect();
        if !runs.is_empty() {
            lines.push(Line {
                contender: contender.id.to_owned(),
                runs,
            });
        }
    }
    let ratios = lines.iter().flat_map(|line| line.runs.iter().flatten());
    let ratios: Vec<f64> = ratios.map(|(_, ratio)| *ratio).chain([1.0]).collect();
    Lines {
        title: "CPU by kind and size of body, relative to nginx".to_owned(),
        x: "request, and the size of its body or answer",
        y: "x nginx",
        x_scale: Scale::words(CASES.iter().map(|case| case.title)),
        y_scale: Scale::of(ratios.into_iter()),
        reference: Some((1.0, "nginx")),
        lines,
    }
}

/// A white sheet with its title; draws the rest into what is left and returns the text of the file.
fn sheet(size: (u32, u32), title: &str, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE).map_err(failed)?;
        let (head, body) = root.split_vertically(TITLE_HEIGHT);
        let style = text(18, HPos::Left, VPos::Center);
        head.draw_text(title, &style, (20, 24)).map_err(failed)?;
        draw(&body)?;
        root.present().map_err(failed)?;
    }
    Ok(svg)
}

fn text(size: u32, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    let style: TextStyle<'static> = (FONT, size).into();
    style.color(&INK).pos(Pos::new(horizontal, vertical))
}

fn colour(contender: &str) -> RGBColor {
    match contender {
        NGINX => RGBColor(107, 114, 128),
        BFF_REDIS => RGBColor(194, 65, 12),
        BFF_EMBEDDED => RGBColor(245, 158, 11),
        MOD_AUTH_OPENIDC => RGBColor(29, 78, 216),
        _ => RGBColor(124, 58, 237),
    }
}

fn name(contender: &str) -> &str {
    title(&CONTENDERS, contender)
}

/// Errors of a drawing borrow what is drawn on.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a chart cannot be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn chart(results: &Results, id: &str) -> String {
        let charts = draw(results).expect("they can be drawn");
        let found = charts.into_iter().find(|(name, _)| *name == id);
        found.map(|(_, svg)| svg).expect("it is drawn")
    }

    fn texts(svg: &str) -> Vec<&str> {
        let after = svg.split("<text").skip(1);
        after
            .filter_map(|text| Some(text.split_once(">\n")?.1.split_once("\n</text>")?.0))
            .collect()
    }

    #[test]
    fn there_is_a_chart_for_whatever_was_measured_and_no_other() {
        let names = |results: &Results| -> Vec<&str> {
            let charts = draw(results).expect("they can be drawn");
            charts.into_iter().map(|(name, _)| name).collect()
        };

        assert_eq!(names(&sample::results()), ["cpu", "bodies", "sessions"]);
        assert_eq!(names(&sample::full()).len(), 2 + CHARTS.len());
        assert!(names(&Results::default()).is_empty());
    }

    #[test]
    fn the_main_chart_names_everybody_with_figure_and_ratio() {
        let svg = chart(&sample::results(), "cpu");

        let texts = texts(&svg);
        for expected in [
            "nginx, no sign-in",
            "20.0 µs, 1.00 x nginx",
            "Cloakroom, Redis",
            "26.0 µs, 1.30 x nginx",
            "mod_auth_openidc",
            "416.0 µs, 20.80 x nginx",
        ] {
            assert!(texts.contains(&expected), "{expected} in {texts:?}");
        }
    }

    #[test]
    fn charts_have_titles_and_axes_and_a_legend() {
        for axes in &CHARTS {
            let svg = chart(&sample::full(), axes.id);
            let texts = texts(&svg);
            for expected in [axes.title, axes.x, axes.y, "mod_auth_openidc"] {
                assert!(texts.contains(&expected), "{expected} in {texts:?}");
            }
        }
    }

    #[test]
    fn an_axis_over_decades_is_logarithmic() {
        let svg = chart(&sample::results(), "sessions");

        let texts = texts(&svg);
        for decade in ["1k", "10k", "100k", "1M"] {
            assert!(texts.contains(&decade), "{decade} in {texts:?}");
        }
    }
}

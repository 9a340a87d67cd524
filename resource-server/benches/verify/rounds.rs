//! Contenders that take turns.

use std::ops::Range;
use std::time::Instant;

/// One of those that are compared.
pub(crate) struct Contender<'c> {
    pub(crate) name: String,
    /// Makes these checks, which have running numbers, and tells how many nanoseconds one took.
    pub(crate) run: Box<dyn FnMut(Range<usize>) -> f64 + 'c>,
}

impl<'c> Contender<'c> {
    /// One whose work is `check` of the token with this number.
    pub(crate) fn new(name: &str, mut check: impl FnMut(usize) + 'c) -> Self {
        Self {
            name: name.to_owned(),
            run: Box::new(move |checks| {
                let number = f64::from(u32::try_from(checks.len()).expect("a small number"));
                // Whoever came before has left the caches to itself.
                check(checks.start);
                let began = Instant::now();
                checks.for_each(&mut check);
                began.elapsed().as_secs_f64() * 1e9 / number
            }),
        }
    }
}

/// What was found of one contender.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) nanoseconds: f64,
    /// Of the time of the first contender.
    pub(crate) ratio: f64,
}

/// Lets them take turns, each time in another order. The first is what the others are compared with.
///
/// A turn is shorter than what the system gives a process at a time. So most turns are not interrupted, whatever else the
/// machine does, and the median is one of those.
pub(crate) fn compare(mut contenders: Vec<Contender<'_>>, turns: usize, checks: usize) -> Vec<Found> {
    let number = contenders.len();
    let mut times = vec![Vec::with_capacity(turns); number];
    for turn in 0..turns {
        for place in 0..number {
            let who = (turn + place) % number;
            times[who].push((contenders[who].run)(turn * checks..(turn + 1) * checks));
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let found = |(contender, &nanoseconds): (Contender<'_>, &f64)| Found {
        name: contender.name,
        nanoseconds,
        ratio: nanoseconds / medians[0],
    };
    contenders.into_iter().zip(&medians).map(found).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

pub(crate) fn verdict(found: f64, most: f64) -> &'static str {
    if found <= most { "met" } else { "**missed**" }
}

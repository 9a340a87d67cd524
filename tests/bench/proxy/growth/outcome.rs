//! What is handed over.

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) chart: String,
    pub(crate) contender: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A single figure of the BFF.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

/// Lines of charts, and single figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) series: Vec<Series>,
    pub(crate) facts: Vec<Fact>,
}

impl Outcome {
    /// Adds a point to a line.
    pub(super) fn point(&mut self, chart: &str, contender: &str, x: usize, y: f64) {
        let point = (x as f64, y);
        let known = self
            .series
            .iter_mut()
            .find(|line| line.chart == chart && line.contender == contender);
        match known {
            Some(line) => line.points.push(point),
            None => self.series.push(Series {
                chart: chart.to_owned(),
                contender: contender.to_owned(),
                points: vec![point],
            }),
        }
    }

    pub(super) fn fact(&mut self, name: &str, value: f64, unit: &str) {
        self.facts.push(Fact {
            name: name.to_owned(),
            value,
            unit: unit.to_owned(),
        });
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

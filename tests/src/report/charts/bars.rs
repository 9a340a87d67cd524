//! Bars beside one line that they are compared with.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::scale::Scale;
use super::{GRID, INK, colour, failed, name, sheet, text};

const WIDTH: u32 = 860;
const BAR_HEIGHT: u32 = 46;
const AXIS_HEIGHT: u32 = 50;
const MARGIN: u32 = 12;

/// A chart of bars that lie, so that their names have room.
#[derive(Debug)]
pub(super) struct Bars {
    pub(super) title: String,
    pub(super) axis: &'static str,
    /// From top to bottom.
    pub(super) bars: Vec<Bar>,
    /// Where the line is.
    pub(super) reference: f64,
}

/// One contender.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) contender: String,
    pub(super) own: f64,
    /// Follows on the own part, paler.
    pub(super) redis: f64,
    /// At its end.
    pub(super) label: String,
}

impl Bars {
    pub(super) fn draw(&self) -> Result<String> {
        let count = u32::try_from(self.bars.len())?;
        let height = super::TITLE_HEIGHT + count * BAR_HEIGHT + AXIS_HEIGHT + MARGIN;
        let most = self
            .bars
            .iter()
            .map(|bar| bar.own + bar.redis)
            .fold(0.0, f64::max);
        let scale = Scale::from_zero([most * 1.2].into_iter());
        sheet((WIDTH, height), &self.title, |area| {
            let mut chart = ChartBuilder::on(area)
                .margin_right(20)
                .margin_bottom(MARGIN)
                .x_label_area_size(AXIS_HEIGHT)
                .y_label_area_size(180)
                .build_cartesian_2d(
                    scale,
                    // The first bar is the highest.
                    f64::from(count)..0.0,
                )
                .map_err(failed)?;
            chart
                .configure_mesh()
                // Lines would cross the figures, which are written at the bars anyway.
                .disable_mesh()
                .disable_y_axis()
                .axis_style(GRID)
                .x_desc(self.axis)
                .label_style(text(13, HPos::Left, VPos::Top))
                .axis_desc_style(text(14, HPos::Left, VPos::Top))
                .draw()
                .map_err(failed)?;
            for (bar, at) in self.bars.iter().zip((0_u32..).map(f64::from)) {
                let ink = colour(&bar.contender);
                let rectangle = |from: f64, to: f64, ink: RGBColor| {
                    Rectangle::new([(from, at + 0.2), (to, at + 0.8)], ink.filled())
                };
                let end = bar.own + bar.redis;
                let middle = (end, at + 0.5);
                let pale = RGBColor(pale(ink.0), pale(ink.1), pale(ink.2));
                chart
                    .draw_series([rectangle(0.0, bar.own, ink), rectangle(bar.own, end, pale)])
                    .map_err(failed)?;
                chart
                    .draw_series([EmptyElement::at(middle)
                        + Text::new(bar.label.clone(), (8, 0), text(14, HPos::Left, VPos::Center))])
                    .map_err(failed)?;
                chart
                    .draw_series([EmptyElement::at((0.0, at + 0.5))
                        + Text::new(
                            name(&bar.contender).to_owned(),
                            (-10, 0),
                            text(14, HPos::Right, VPos::Center),
                        )])
                    .map_err(failed)?;
            }
            let line = [(self.reference, 0.0), (self.reference, f64::from(count))];
            chart
                .draw_series(DashedLineSeries::new(line, 4, 4, INK.stroke_width(1)))
                .map_err(failed)?;
            Ok(())
        })
    }
}

/// Half-way to white.
const fn pale(channel: u8) -> u8 {
    255 - (255 - channel) / 2
}

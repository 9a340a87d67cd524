//! Lines over an axis, with their names beside them and not upon them.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::scale::Scale;
use super::{Area, GRID, INK, colour, failed, name, sheet, text};

const SIZE: (u32, u32) = (860, 420);
const LEGEND_WIDTH: u32 = 190;
const LEGEND_LINE: i32 = 26;

/// A chart of lines.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) title: String,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) x_scale: Scale,
    pub(super) y_scale: Scale,
    /// A dashed line at a height, and its name.
    pub(super) reference: Option<(f64, &'static str)>,
    pub(super) lines: Vec<Line>,
}

/// One contender.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) contender: String,
    /// Points that are joined; between two runs there is a gap.
    pub(super) runs: Vec<Vec<(f64, f64)>>,
}

impl Lines {
    pub(super) fn draw(&self) -> Result<String> {
        sheet(SIZE, &self.title, |area| {
            let (left, right) = area.split_horizontally(SIZE.0 - LEGEND_WIDTH);
            self.plot(&left)?;
            self.legend(&right)
        })
    }

    fn plot(&self, area: &Area<'_>) -> Result<()> {
        let (x, y) = (&self.x_scale, &self.y_scale);
        let mut chart = ChartBuilder::on(area)
            .margin_top(6)
            .margin_right(10)
            .margin_bottom(12)
            .margin_left(12)
            .x_label_area_size(56)
            .y_label_area_size(70)
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(failed)?;
        chart
            .configure_mesh()
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(text(13, HPos::Left, VPos::Top))
            .axis_desc_style(text(14, HPos::Left, VPos::Top))
            .draw()
            .map_err(failed)?;
        if let Some((height, _)) = self.reference {
            let line = [x.range().start, x.range().end].map(|end| (end, height));
            chart
                .draw_series(DashedLineSeries::new(line, 5, 4, INK.stroke_width(1)))
                .map_err(failed)?;
        }
        for line in &self.lines {
            let ink = colour(&line.contender);
            for run in &line.runs {
                chart
                    .draw_series(LineSeries::new(run.iter().copied(), ink.stroke_width(2)))
                    .map_err(failed)?;
                chart
                    .draw_series(run.iter().map(|point| Circle::new(*point, 4, ink.filled())))
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    fn legend(&self, area: &Area<'_>) -> Result<()> {
        let mut height = 20;
        let mut entry = |ink: RGBColor, name: &str, is_line: bool| -> Result<()> {
            let line = PathElement::new([(6, height), (30, height)], ink.stroke_width(2));
            area.draw(&line).map_err(failed)?;
            if is_line {
                area.draw(&Circle::new((18, height), 4, ink.filled()))
                    .map_err(failed)?;
            }
            area.draw_text(name, &text(14, HPos::Left, VPos::Center), (38, height))
                .map_err(failed)?;
            height += LEGEND_LINE;
            Ok(())
        };
        for line in &self.lines {
            entry(colour(&line.contender), name(&line.contender), true)?;
        }
        if let Some((_, name)) = self.reference {
            entry(INK, name, false)?;
        }
        Ok(())
    }
}

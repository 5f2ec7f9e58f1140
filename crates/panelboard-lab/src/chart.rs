//! How does a report look as a picture?
//!
//! One panel for each policy, all to one scale: what was offered, served, failed and rejected a
//! second, the calls that it took, and below it the states of the breakers. Behind it stands when
//! there was trouble.

pub(crate) mod canvas;
mod letters;

use std::{error::Error, fmt};

use plotters::{
    prelude::{ChartBuilder, DrawingBackend, PathElement, RGBColor, Rectangle, Text},
    style::{Color, ShapeStyle, WHITE},
};

use self::canvas::{Area, CLOSED, Drawn, GRID, HALF_OPEN, OPEN, Picture, TROUBLE, text};
use crate::report::{PolicyReport, Report};

const WIDTH: u32 = 1200;
const HEAD: u32 = 86;
const PANEL: u32 = 250;
/// The states of the breakers, below the axis.
const BAND: u32 = 8;
/// More points than that are not told apart on the picture.
const MOST_POINTS: usize = 600;

/// A line of the chart: its name, its colour, its width.
const LINES: [(&str, RGBColor, u32); 5] = [
    ("calls sent", RGBColor(170, 140, 210), 1),
    ("offered", RGBColor(130, 136, 148), 2),
    ("served", RGBColor(30, 140, 70), 2),
    ("failed", RGBColor(205, 50, 45), 2),
    ("rejected, turned away", RGBColor(35, 100, 200), 2),
];

/// A chart could not be drawn.
///
/// ```
/// fn is_an_error<E: std::error::Error>() {}
/// is_an_error::<panelboard_lab::ChartError>();
/// ```
#[derive(Debug)]
pub struct ChartError(String);

impl fmt::Display for ChartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot be drawn: {}", self.0)
    }
}

impl Error for ChartError {}

impl Report {
    /// The chart as SVG.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { \
    /// # kind = \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\n\
    /// # rate = 9\n";
    /// # use panelboard_lab::{Options, Scenario, simulate};
    /// # use std::ops::ControlFlow;
    /// # let scenario = Scenario::from_toml("s.toml", text)?;
    /// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(report.svg()?.starts_with("<svg "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChartError`], if the library that draws it fails. No scenario is known that makes it.
    pub fn svg(&self) -> Result<String, ChartError> {
        self.to_svg()
    }

    /// The chart as a PNG file. Its letters are drawn by this crate: the system needs no fonts.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { \
    /// # kind = \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\n\
    /// # rate = 9\n";
    /// # use panelboard_lab::{Options, Scenario, simulate};
    /// # use std::ops::ControlFlow;
    /// # let scenario = Scenario::from_toml("s.toml", text)?;
    /// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(report.png()?.starts_with(b"\x89PNG"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChartError`], if the libraries that draw and pack it fail. No scenario is known that makes
    /// them.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        self.to_png()
    }
}

impl Picture for Report {
    fn size(&self) -> (u32, u32) {
        (WIDTH, HEAD + PANEL * self.policies.len() as u32)
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let (head, panels) = area.split_vertically(HEAD);
        title(self, &head)?;
        let every = self.policies.iter().map(|policy| lines(self, policy));
        let each: Vec<_> = every.collect();
        let highest = each.iter().flatten().flatten().copied().fold(1.0, f64::max) * 1.08;
        let panels = panels.split_evenly((self.policies.len(), 1));
        for ((panel, policy), lines) in panels.iter().zip(&self.policies).zip(&each) {
            self::panel(self, policy, (lines, highest), panel)?;
        }
        area.present()
    }
}

fn title<B: DrawingBackend>(report: &Report, area: &Area<B>) -> Drawn<B> {
    let title = if report.title.is_empty() { "simulation" } else { &report.title };
    let cut: String = title.chars().take(100).collect();
    area.draw(&Text::new(cut, (16, 12), text(25)))?;
    let named = LINES.map(|(name, colour, _)| (name, colour));
    let states = [("closed", CLOSED), ("half-open", HALF_OPEN), ("open", OPEN)];
    let mut x = 16;
    for (name, colour) in named.into_iter().chain([("trouble", TROUBLE)]).chain(states) {
        area.draw(&Rectangle::new([(x, 50), (x + 18, 64)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 24, 49), text(20)))?;
        x += 46 + 10 * name.len() as i32;
    }
    Ok(())
}

/// What the lines show, a second, in the order of [`LINES`].
fn lines(report: &Report, policy: &PolicyReport) -> [Vec<f64>; LINES.len()] {
    let timeline = &policy.timeline;
    let refused: Vec<f64> =
        timeline.rejected.iter().zip(&timeline.turned_away).map(|(a, b)| a + b).collect();
    [&timeline.calls, &timeline.offered, &timeline.served, &timeline.failed, &refused].map(|line| {
        let a_second = thinned(line).into_iter().map(|count| count / report.bucket_s);
        a_second.collect()
    })
}

/// At most [`MOST_POINTS`], each the mean of those that it stands for.
fn thinned(values: &[f64]) -> Vec<f64> {
    let group = values.len().div_ceil(MOST_POINTS).max(1);
    values.chunks(group).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect()
}

fn panel<B: DrawingBackend>(
    report: &Report,
    policy: &PolicyReport,
    (lines, highest): (&[Vec<f64>; LINES.len()], f64),
    area: &Area<B>,
) -> Drawn<B> {
    area.draw(&Text::new(caption(policy), (70, 4), text(20)))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(26)
        .margin_right(20)
        .margin_bottom(8)
        .x_label_area_size(38)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..report.lasts_s, 0.0..highest)?;
    let behind = report.troubles_s.iter();
    chart.draw_series(
        behind.map(|&(from, to)| Rectangle::new([(from, 0.0), (to, highest)], TROUBLE.filled())),
    )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(12)
        .y_labels(6)
        .label_style(text(20))
        .x_label_formatter(&|seconds| format!("{seconds:.0}s"))
        .y_label_formatter(&|a_second| format!("{a_second:.0}/s"))
        .draw()?;
    for ((_, colour, width), values) in LINES.iter().zip(lines) {
        let step = report.lasts_s / values.len() as f64;
        let points = values.iter().enumerate().map(|(i, y)| ((i as f64 + 0.5) * step, *y));
        let style = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: *width };
        chart.draw_series([PathElement::new(points.collect::<Vec<_>>(), style)])?;
    }
    // The states lie between the axis and its labels.
    let (xs, ys) = chart.plotting_area().get_pixel_range();
    let base = area.get_base_pixel();
    band(policy, area, (xs.start - base.0, xs.end - base.0, ys.end - base.1 + 2))
}

/// What stands above a panel.
fn caption(policy: &PolicyReport) -> String {
    let availability = policy.estimate(crate::judge::Measure::Availability).mean;
    let served = availability.map_or(String::new(), |a| format!(": {:.1} % served", a * 100.0));
    match policy.metastable.runs {
        0 => format!("{}{served}", policy.name),
        n => format!("{}{served}, metastable failure in {n} runs", policy.name),
    }
}

fn band<B: DrawingBackend>(
    policy: &PolicyReport,
    area: &Area<B>,
    (left, right, top): (i32, i32, i32),
) -> Drawn<B> {
    if policy.timeline.state.first().is_none_or(|state| *state == "none") {
        return Ok(());
    }
    let (open, half_open) = (thinned(&policy.timeline.open), thinned(&policy.timeline.half_open));
    let step = f64::from(right - left) / open.len() as f64;
    for (i, (open, half_open)) in open.iter().zip(&half_open).enumerate() {
        let from = left + (i as f64 * step) as i32;
        let to = left + ((i + 1) as f64 * step) as i32;
        let colour = mixed(*open, *half_open);
        let place = [(from, top), (to.max(from + 1), top + BAND as i32)];
        area.draw(&Rectangle::new(place, colour.filled()))?;
    }
    Ok(())
}

/// The colour of a mixture of states.
fn mixed(open: f64, half_open: f64) -> RGBColor {
    let closed = (1.0 - open - half_open).max(0.0);
    let part = |of: fn(&RGBColor) -> u8| {
        let [open_is, half_is, closed_is] =
            [OPEN, HALF_OPEN, CLOSED].map(|colour| f64::from(of(&colour)));
        (open * open_is + half_open * half_is + closed * closed_is).clamp(0.0, 255.0) as u8
    };
    RGBColor(part(|c| c.0), part(|c| c.1), part(|c| c.2))
}

#[cfg(test)]
mod tests;

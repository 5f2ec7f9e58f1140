//! How does a search look as a picture?
//!
//! Above what was tried, by what it wastes and what it rejects wrongly, with the front, the current
//! and the recommended settings; below traffic and failures of the key with the most bad calls,
//! with the states in which breakers would have been.

use plotters::{
    prelude::{
        ChartBuilder, Circle, DrawingBackend, PathElement, Polygon, RGBColor, Rectangle, Text,
    },
    style::{Color, ShapeStyle, WHITE},
};

use super::{Tuning, Waste, table};
use crate::chart::{
    ChartError,
    canvas::{Area, CLOSED, Drawn, GRID, HALF_OPEN, INK, OPEN, Picture, TROUBLE, text},
};

const WIDTH: u32 = 1200;
const HEAD: u32 = 100;
const FRONT: u32 = 420;
const LINES: u32 = 320;
/// The states, below the time axis.
const BAND: i32 = 22;
const BANDS: u32 = 84;

const TRIED: RGBColor = RGBColor(196, 200, 208);
const BEST: RGBColor = RGBColor(35, 100, 200);
const NOW: RGBColor = RGBColor(140, 70, 180);
const BETTER: RGBColor = RGBColor(30, 140, 70);
const BAD: RGBColor = RGBColor(205, 50, 45);
const CALLS: RGBColor = RGBColor(130, 136, 148);

impl Tuning {
    /// The picture as SVG.
    ///
    /// ```
    /// # use panelboard_lab::{Recorder, TuneOptions, tune};
    /// # use std::ops::ControlFlow;
    /// let nothing = Recorder::default().finish();
    /// let tuning = tune(&nothing, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(tuning.svg()?.starts_with("<svg "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChartError`], if the library that draws it fails. No recording is known that makes it.
    pub fn svg(&self) -> Result<String, ChartError> {
        self.to_svg()
    }

    /// The picture as a PNG file. Its letters are drawn by this crate: the system needs no fonts.
    ///
    /// ```
    /// # use panelboard_lab::{Recorder, TuneOptions, tune};
    /// # use std::ops::ControlFlow;
    /// let nothing = Recorder::default().finish();
    /// let tuning = tune(&nothing, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(tuning.png()?.starts_with(b"\x89PNG"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ChartError`], if the libraries that draw and pack it fail. No recording is known that
    /// makes them.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        self.to_png()
    }

    /// What is wasted, in the unit of the axis.
    pub(super) fn wasted(&self, n: u64) -> f64 {
        match self.by {
            Waste::Calls => n as f64,
            Waste::Time => n as f64 / 1e6,
        }
    }
}

impl Picture for Tuning {
    fn size(&self) -> (u32, u32) {
        (WIDTH, HEAD + FRONT + LINES + BANDS)
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let (head, rest) = area.split_vertically(HEAD);
        let (front, below) = rest.split_vertically(FRONT);
        title(self, &head)?;
        draw_front(self, &front)?;
        draw_timeline(self, &below)?;
        area.present()
    }
}

fn title<B: DrawingBackend>(tuning: &Tuning, area: &Area<B>) -> Drawn<B> {
    area.draw(&Text::new(
        "recommended: ".to_owned() + &tuning.recommended.settings.line(),
        (16, 10),
        text(25),
    ))?;
    area.draw(&Text::new(
        "now: ".to_owned() + &tuning.current.settings.line(),
        (16, 38),
        text(20),
    ))?;
    let named = [
        ("tried", TRIED),
        ("front", BEST),
        ("now", NOW),
        ("recommended", BETTER),
        ("bad episode", TROUBLE),
        ("closed", CLOSED),
        ("half-open", HALF_OPEN),
        ("open", OPEN),
    ];
    let mut x = 16;
    for (name, colour) in named {
        area.draw(&Rectangle::new([(x, 72), (x + 18, 86)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 24, 71), text(20)))?;
        x += 46 + 10 * name.len() as i32;
    }
    Ok(())
}

/// Twice what there is now or would be, so that what is far worse does not press all that matters
/// into a corner; or the whole front, if there is nothing now.
fn reach(own: [f64; 2], front: f64) -> f64 {
    let own = own[0].max(own[1]);
    let reach = if own > 0.0 { (2.0 * own).min(front.max(1.25 * own)) } else { front };
    1.08 * reach.max(1.0)
}

fn draw_front<B: DrawingBackend>(tuning: &Tuning, area: &Area<B>) -> Drawn<B> {
    let point = |pair: &(u64, u64)| (pair.1 as f64, tuning.wasted(pair.0));
    let front: Vec<(f64, f64)> = tuning.pairs.front.iter().map(point).collect();
    let own = [&tuning.current, &tuning.recommended].map(|c| point(&c.judged));
    let most = |of: fn(&(f64, f64)) -> f64| front.iter().map(of).fold(0.0, f64::max);
    let right = reach(own.map(|point| point.0), most(|point| point.0));
    let top = reach(own.map(|point| point.1), most(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .margin_top(34)
        .margin_right(50)
        .x_label_area_size(58)
        .y_label_area_size(140)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    let wasted = match tuning.by {
        Waste::Calls => "wasted calls",
        Waste::Time => "wasted time, s",
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(10)
        .y_labels(7)
        .label_style(text(20))
        .x_label_formatter(&|n| plain(*n))
        .y_label_formatter(&|n| plain(*n))
        .draw()?;
    let seen = |point: &(f64, f64)| point.0 <= right && point.1 <= top;
    let tried = tuning.pairs.all.iter().map(point).filter(seen);
    chart.draw_series(tried.map(|at| Circle::new(at, 3, TRIED.filled())))?;
    // A front is a stair: between two of its points lies nothing that was tried.
    let mut stair: Vec<(f64, f64)> = Vec::new();
    for point in &front {
        if let Some(last) = stair.last().copied() {
            stair.push((last.0, point.1));
        }
        stair.push(*point);
    }
    let stair: Vec<(f64, f64)> =
        stair.into_iter().map(|(x, y)| (x.min(right), y.min(top))).collect();
    let style = ShapeStyle { color: BEST.to_rgba(), filled: false, stroke_width: 2 };
    chart.draw_series([PathElement::new(stair, style)])?;
    let best = front.iter().copied().filter(seen);
    chart.draw_series(best.map(|at| Circle::new(at, 4, BEST.filled())))?;
    for (at, colour) in own.into_iter().zip([NOW, BETTER]) {
        chart.draw_series([Circle::new(at, 8, colour.filled())])?;
    }
    area.draw(&Text::new(
        "wrongly rejected calls",
        (WIDTH as i32 / 2 - 60, FRONT as i32 - 26),
        text(20),
    ))?;
    area.draw(&Text::new(wasted, (140, 8), text(20)))
}

fn plain(n: f64) -> String {
    crate::report::table::number(n)
}

fn draw_timeline<B: DrawingBackend>(tuning: &Tuning, area: &Area<B>) -> Drawn<B> {
    let timeline = &tuning.timeline;
    let (lines, bands) = area.split_vertically(LINES);
    let key: String = timeline.key.chars().take(60).collect();
    let caption = format!("calls a second to {key}, and those of them that are bad");
    lines.draw(&Text::new(caption, (140, 8), text(20)))?;
    let a_second = |counts: &[u32]| -> Vec<f64> {
        counts.iter().map(|n| f64::from(*n) / timeline.step_s.max(1e-6)).collect()
    };
    let (calls, bad) = (a_second(&timeline.calls), a_second(&timeline.bad));
    let highest = 1.08 * calls.iter().copied().fold(0.1, f64::max);
    let lasts = tuning.lasts_s.max(1e-3);
    let mut chart = ChartBuilder::on(&lines)
        .margin_top(34)
        .margin_right(50)
        .x_label_area_size(40)
        .y_label_area_size(140)
        .build_cartesian_2d(0.0..lasts, 0.0..highest)?;
    let behind = timeline.episodes_s.iter();
    chart.draw_series(behind.map(|&(from, to)| {
        Rectangle::new([(from, 0.0), (to.min(lasts), highest)], TROUBLE.filled())
    }))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(10)
        .y_labels(6)
        .label_style(text(20))
        .x_label_formatter(&|seconds| table::time(seconds.round()))
        .y_label_formatter(&|n| format!("{}/s", plain(*n)))
        .draw()?;
    let points = |values: &[f64]| -> Vec<(f64, f64)> {
        let at = |i: usize| ((i as f64 + 0.5) * timeline.step_s).min(lasts);
        values.iter().enumerate().map(|(i, y)| (at(i), *y)).collect()
    };
    let line =
        |colour: &RGBColor| ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: 2 };
    chart.draw_series([PathElement::new(points(&calls), line(&CALLS))])?;
    let mut shape = points(&bad);
    if let (Some(first), Some(last)) = (shape.first().copied(), shape.last().copied()) {
        chart.draw_series([PathElement::new(shape.clone(), line(&BAD))])?;
        shape.extend([(last.0, 0.0), (first.0, 0.0)]);
        chart.draw_series([Polygon::new(shape, BAD.mix(0.25).filled())])?;
    }
    let (xs, _) = chart.plotting_area().get_pixel_range();
    let base = lines.get_base_pixel();
    let across = (xs.start - base.0, xs.end - base.0);
    let rows = [("now", &timeline.current), ("recommended", &timeline.recommended)];
    for (row, (name, changes)) in rows.into_iter().enumerate() {
        let top = 4 + row as i32 * (BAND + 12);
        bands.draw(&Text::new(name, (16, top + 2), text(20)))?;
        band(changes, lasts, (across, top), &bands)?;
    }
    Ok(())
}

/// The states of one breaker over time.
fn band<B: DrawingBackend>(
    changes: &[(f64, String)],
    lasts: f64,
    ((left, right), top): ((i32, i32), i32),
    area: &Area<B>,
) -> Drawn<B> {
    let x = |at: f64| left + (f64::from(right - left) * (at / lasts).clamp(0.0, 1.0)) as i32;
    let place = |from: i32, to: i32| [(from, top), (to, top + BAND)];
    area.draw(&Rectangle::new(place(left, right), CLOSED.filled()))?;
    for (i, (from, state)) in changes.iter().enumerate() {
        let to = changes.get(i + 1).map_or(lasts, |next| next.0);
        let colour = match state.as_str() {
            "open" => OPEN,
            "closed" => continue,
            _ => HALF_OPEN,
        };
        // What is shorter than a pixel is seen all the same.
        let (from, to) = (x(*from), x(to).max(x(*from) + 1));
        area.draw(&Rectangle::new(place(from, to), colour.filled()))?;
    }
    area.draw(&Rectangle::new(place(left, right), INK.stroke_width(1)))
}

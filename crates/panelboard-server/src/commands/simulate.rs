//! `panelboard simulate`: an outage in virtual time, as a table, a chart or JSON.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use panelboard_lab::{
    CallsWriter, ChartError, MAX_SCENARIO_BYTES, Mistakes, Options, Report, Scenario,
};

use super::bar::Bar;
use super::{complain, say};
use crate::cli::{self, exit};

/// Runs a scenario and shows what it came to.
pub(super) fn simulate(args: &cli::Simulate) -> u8 {
    let scenario = match load(&args.file) {
        Ok(scenario) => scenario,
        Err(mistakes) => return refused(mistakes),
    };
    let mut options = Options::default();
    if let Some(seed) = args.seed {
        options = options.seed(seed);
    }
    if let Some(seeds) = args.seeds {
        options = options.seeds(seeds);
    }
    if let Some(threads) = args.threads {
        options = options.threads(threads.into());
    }
    if let Some(path) = &args.calls
        && let Err(error) = write_calls(&scenario, args.seed, path)
    {
        return refused(format_args!("{}: cannot be written: {error}", path.display()));
    }
    let mut bar = Bar::new();
    let report = panelboard_lab::simulate(&scenario, options, |done| {
        bar.show(done);
        ControlFlow::Continue(())
    });
    bar.clear();
    match report {
        Ok(report) => show(args, &report),
        Err(stopped) => refused(format_args!("panelboard: {stopped}")),
    }
}

/// Writes what callers without breakers record.
fn write_calls(scenario: &Scenario, seed: Option<u64>, path: &Path) -> io::Result<()> {
    let mut writer = CallsWriter::new(BufWriter::new(File::create(path)?))?;
    let mut written = Ok(());
    let mut bar = Bar::new();
    let mut each = |call: &panelboard_lab::RecordedCall<'_>| {
        if written.is_ok() {
            written = writer.write(call);
        }
    };
    let ended = panelboard_lab::record(scenario, seed, &mut each, |done| {
        bar.show(done);
        ControlFlow::Continue(())
    });
    bar.clear();
    ended.map_err(io::Error::other)?;
    written?;
    let file = writer.finish()?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

pub(super) fn refused(why: impl Display) -> u8 {
    complain(why);
    exit::REFUSED
}

/// Reads the scenario at `path`: JSON if its name says so, or else TOML.
fn load(path: &Path) -> Result<Scenario, Mistakes> {
    let unreadable = |wrong: String| Mistakes::unreadable(path.display(), wrong);
    let cannot = |error| unreadable(format!("cannot be read: {error}"));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > MAX_SCENARIO_BYTES as u64 {
        return Err(unreadable(format!(
            "is {size} bytes long, expected at most {MAX_SCENARIO_BYTES}"
        )));
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(format!("is not UTF-8 (byte {at}), expected a TOML or JSON file"))
    })?;
    let source = path.display().to_string();
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        Scenario::from_json(&source, &text)
    } else {
        Scenario::from_toml(&source, &text)
    }
}

/// Writes the charts, then prints: so that who sees a table has the files as well.
fn show(args: &cli::Simulate, report: &Report) -> u8 {
    if let Err(code) = draw(&args.svg, &args.png, || report.svg(), || report.png()) {
        return code;
    }
    if !args.json {
        say(report.table());
        return exit::OK;
    }
    match serde_json::to_string(report) {
        Ok(json) => {
            say(json);
            exit::OK
        }
        Err(error) => refused(format_args!("panelboard: {error}")),
    }
}

/// Writes the charts that are asked for. An error has been told, and is the exit code.
pub(super) fn draw(
    svg: &Option<PathBuf>,
    png: &Option<PathBuf>,
    to_svg: impl FnOnce() -> Result<String, ChartError>,
    to_png: impl FnOnce() -> Result<Vec<u8>, ChartError>,
) -> Result<(), u8> {
    let svg = svg.as_ref().map(|path| (path, to_svg().map(String::into_bytes)));
    let png = png.as_ref().map(|path| (path, to_png()));
    for (path, drawn) in svg.into_iter().chain(png) {
        let drawn = drawn.map_err(|error| refused(format_args!("{}: {error}", path.display())))?;
        std::fs::write(path, drawn).map_err(|error| {
            refused(format_args!("{}: cannot be written: {error}", path.display()))
        })?;
    }
    Ok(())
}

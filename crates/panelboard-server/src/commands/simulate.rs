//! `panelboard simulate`: an outage in virtual time, as a table, a chart or JSON.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use panelboard_lab::{MAX_SCENARIO_BYTES, Mistakes, Options, Report, Scenario};

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

fn refused(why: impl Display) -> u8 {
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
    let svg = args.svg.as_ref().map(|path| (path, report.svg().map(String::into_bytes)));
    let png = args.png.as_ref().map(|path| (path, report.png()));
    for (path, drawn) in svg.into_iter().chain(png) {
        let drawn = match drawn {
            Ok(drawn) => drawn,
            Err(error) => return refused(format_args!("{}: {error}", path.display())),
        };
        if let Err(error) = std::fs::write(path, drawn) {
            return refused(format_args!("{}: cannot be written: {error}", path.display()));
        }
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

/// How far it is, on a terminal; nothing elsewhere.
struct Bar {
    shown: bool,
    /// Steps that are drawn already.
    steps: usize,
}

const STEPS: usize = 40;

impl Bar {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), steps: usize::MAX }
    }

    fn show(&mut self, done: f64) {
        let steps = (done * STEPS as f64) as usize;
        if !self.shown || steps == self.steps {
            return;
        }
        self.steps = steps;
        let left = STEPS.saturating_sub(steps);
        let bar = format!("\r[{}{}] {:3.0} %", "#".repeat(steps), " ".repeat(left), done * 100.0);
        self.write(&bar);
    }

    fn clear(&self) {
        if self.shown {
            self.write("\r\x1b[K");
        }
    }

    /// Whoever closed the terminal does not want it.
    fn write(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

//! `panelboard tune`: better settings for calls that were recorded, as a table, a chart or JSON.

mod read;

use std::ops::ControlFlow;
use std::path::Path;

use panelboard_lab::{Settings, TuneOptions, Tuning, Waste};
use serde::Serialize;

use self::read::Read;
use super::bar::Bar;
use super::simulate::{draw, refused};
use super::{complain, say};
use crate::cli::{self, exit};
use crate::config;

/// Reads calls, searches, and shows what came of it.
pub(super) fn tune(args: &cli::Tune) -> u8 {
    let read = match read::read(args) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let mut options = TuneOptions::default()
        .seed(args.seed)
        .candidates(args.candidates as usize)
        .by(if args.by == "time" { Waste::Time } else { Waste::Calls });
    let mut slow = args.slow;
    if let Some(file) = &args.config {
        let current = match current(file, args, &read) {
            Ok(current) => current,
            Err(code) => return code,
        };
        // What a breaker is told is slow is not good.
        slow = slow.or(current.slow_call_rate.map(|_| current.slow_call));
        options = options.current(current);
    }
    if let Some(slow) = slow {
        options = options.slow(slow);
    }
    if let Some(threads) = args.threads {
        options = options.threads(threads.into());
    }
    let mut bar = Bar::new();
    let tuning = panelboard_lab::tune(&read.recording, &options, |done| {
        bar.show(done);
        ControlFlow::Continue(())
    });
    bar.clear();
    match tuning {
        Ok(tuning) => show(args, &read, &tuning),
        Err(stopped) => refused(format_args!("panelboard: {stopped}")),
    }
}

/// The settings that the calls' breakers have in this file. An error has been told.
fn current(file: &Path, args: &cli::Tune, read: &Read) -> Result<Settings, u8> {
    let breakers = config::load_breakers(file).map_err(refused)?;
    let found = match &args.breaker {
        Some(name) => breakers.named(name),
        None => breakers
            .shared_by(read.recording.keys())
            .map_err(|wrong| format!("{wrong}: say which with --breaker, or take --provider's")),
    };
    let settings = found.map_err(|wrong| refused(format_args!("{}: {wrong}", file.display())))?;
    if settings != breakers.common {
        complain(format_args!(
            "{}: these settings are a provider's own: what is recommended goes into its \
             [provider.breaker], where what is not written is as in [breaker]",
            file.display()
        ));
    }
    Ok(settings)
}

/// Writes the charts, then prints: so that who sees a table has the files as well.
fn show(args: &cli::Tune, read: &Read, tuning: &Tuning) -> u8 {
    if let Err(code) = draw(&args.svg, &args.png, || tuning.svg(), || tuning.png()) {
        return code;
    }
    if !args.json {
        let left_out = [
            (read.skipped, "bad rows were skipped"),
            (read.rejected, "calls that a breaker had rejected were left out"),
            (read.others, "calls of other keys, models, providers or times were left out"),
        ];
        for (n, what) in left_out.into_iter().filter(|(n, _)| *n > 0) {
            complain(format_args!("{}: {n} {what}", args.file.display()));
        }
        say(tuning.table(&args.file.display().to_string()));
        return exit::OK;
    }
    let whole = Whole {
        rows: read.rows,
        skipped_rows: read.skipped,
        rejected_rows: read.rejected,
        other_rows: read.others,
        tuning,
    };
    match serde_json::to_string(&whole) {
        Ok(json) => {
            say(json);
            exit::OK
        }
        Err(error) => refused(format_args!("panelboard: {error}")),
    }
}

/// The JSON: what became of the rows, and the result.
#[derive(Serialize)]
struct Whole<'t> {
    rows: u64,
    skipped_rows: u64,
    rejected_rows: u64,
    other_rows: u64,
    #[serde(flatten)]
    tuning: &'t Tuning,
}

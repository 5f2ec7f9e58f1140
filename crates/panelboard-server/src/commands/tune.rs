//! `panelboard tune`: better settings for calls that were recorded, as a table, a chart or JSON.

use std::fs::File;
use std::ops::ControlFlow;

use panelboard_lab::{CallReader, CallsRead, Column, TuneOptions, Tuning, Waste};
use serde::Serialize;

use super::bar::Bar;
use super::simulate::{draw, refused};
use super::{complain, say};
use crate::cli::{self, exit};

/// Reads calls, searches, and shows what came of it.
pub(super) fn tune(args: &cli::Tune) -> u8 {
    let read = match read(args) {
        Ok(read) => read,
        Err(code) => return code,
    };
    let mut options = TuneOptions::default()
        .seed(args.seed)
        .candidates(args.candidates as usize)
        .by(if args.by == "time" { Waste::Time } else { Waste::Calls });
    if let Some(slow) = args.slow {
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

/// What the file says. An error has been told, and is the exit code.
fn read(args: &cli::Tune) -> Result<CallsRead, u8> {
    let source = args.file.display().to_string();
    let file = File::open(&args.file)
        .map_err(|error| refused(format_args!("{source}: cannot be read: {error}")))?;
    let mut reader = CallReader::default().skip_bad(args.skip_bad);
    let columns = [
        (Column::Time, &args.time),
        (Column::Key, &args.key_column),
        (Column::Duration, &args.duration),
        (Column::Outcome, &args.outcome),
        (Column::FirstByte, &args.first_byte),
        (Column::Model, &args.model_column),
    ];
    for (column, name) in columns {
        if let Some(name) = name {
            reader = reader.column(column, name);
        }
    }
    if let Some(key) = &args.key {
        reader = reader.key(key);
    }
    if let Some(model) = &args.model {
        reader = reader.model(model);
    }
    let is_parquet = args.file.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"));
    let read = if is_parquet { reader.parquet(&source, file) } else { reader.csv(&source, file) };
    let read = read.map_err(|error| {
        let code = refused(&error);
        if !error.rows().is_empty() {
            complain("--skip-bad leaves bad rows out");
        }
        code
    })?;
    if read.recording.calls() == 0 {
        let rows = read.rows;
        return Err(refused(format_args!("{source}: no call is left of {rows} rows")));
    }
    Ok(read)
}

/// Writes the charts, then prints: so that who sees a table has the files as well.
fn show(args: &cli::Tune, read: &CallsRead, tuning: &Tuning) -> u8 {
    if let Err(code) = draw(&args.svg, &args.png, || tuning.svg(), || tuning.png()) {
        return code;
    }
    if !args.json {
        let left_out = [
            (read.skipped, "bad rows were skipped"),
            (read.rejected, "calls that a breaker had rejected were left out"),
            (read.others, "calls of other keys or models were left out"),
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

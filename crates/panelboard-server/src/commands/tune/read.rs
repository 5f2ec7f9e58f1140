//! What does `panelboard tune` read: CSV, Parquet, or the gateway's own log of calls?
//!
//! The log is known by its first bytes, whatever the file's name. It is read a page at a time by a
//! connection that can't write, also while the gateway runs.

use std::fs::File;
use std::io::{self, Cursor, Read as _};

use panelboard_lab::{CallReader, CallsRead, Column, Recording};
use panelboard_store::CallReader as LogReader;

use super::super::calls::{before, query};
use super::super::complain;
use super::super::simulate::refused;
use crate::calls::Recorded;
use crate::cli;
use crate::clock::micros;

/// Calls, and what was left out.
pub(super) struct Read {
    pub(super) recording: Recording,
    pub(super) rows: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
    pub(super) others: u64,
}

impl From<CallsRead> for Read {
    fn from(read: CallsRead) -> Self {
        let CallsRead { recording, rows, skipped, rejected, others, .. } = read;
        Self { recording, rows, skipped, rejected, others }
    }
}

/// How a file of SQLite begins.
const DATABASE: &[u8; 16] = b"SQLite format 3\0";

/// What the file says. An error has been told, and is the exit code.
pub(super) fn read(args: &cli::Tune) -> Result<Read, u8> {
    let source = args.file.display().to_string();
    let cannot = |error| refused(format_args!("{source}: cannot be read: {error}"));
    let mut file = File::open(&args.file).map_err(cannot)?;
    let is_parquet = args.file.extension().is_some_and(|end| end.eq_ignore_ascii_case("parquet"));
    let read = if is_parquet {
        told(reader(args).parquet(&source, file))?
    } else {
        let head = head(&mut file).map_err(cannot)?;
        if head == DATABASE {
            log(args, &source)?
        } else {
            // What was looked at comes first again: a pipe can't be wound back.
            told(reader(args).csv(&source, Cursor::new(head).chain(file)))?
        }
    };
    if read.recording.calls() == 0 {
        let rows = read.rows;
        return Err(refused(format_args!("{source}: no call is left of {rows} rows")));
    }
    Ok(read)
}

/// Its first bytes, as many as there are.
fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(DATABASE.len());
    file.take(DATABASE.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn told(read: Result<CallsRead, panelboard_lab::CallsError>) -> Result<Read, u8> {
    read.map(Read::from).map_err(|error| {
        let code = refused(&error);
        if !error.rows().is_empty() {
            complain("--skip-bad leaves bad rows out");
        }
        code
    })
}

/// The columns that were named.
fn columns(args: &cli::Tune) -> impl Iterator<Item = (Column, &String)> {
    let columns = [
        (Column::Time, &args.time),
        (Column::Key, &args.key_column),
        (Column::Duration, &args.duration),
        (Column::Outcome, &args.outcome),
        (Column::FirstByte, &args.first_byte),
        (Column::Model, &args.model_column),
    ];
    columns.into_iter().filter_map(|(column, name)| Some((column, name.as_ref()?)))
}

fn reader(args: &cli::Tune) -> CallReader {
    let mut reader = CallReader::default().skip_bad(args.skip_bad);
    for (column, name) in columns(args) {
        reader = reader.column(column, name);
    }
    if let Some(key) = &args.key {
        reader = reader.key(key);
    }
    if let Some(model) = &args.model {
        reader = reader.model(model);
    }
    if let Some(provider) = &args.provider {
        reader = reader.provider(provider);
    }
    if let Some(ago) = args.since {
        reader = reader.since_us(micros(before(ago)));
    }
    if let Some(ago) = args.until {
        reader = reader.until_us(micros(before(ago)));
    }
    reader
}

/// The calls of a gateway's log.
fn log(args: &cli::Tune, source: &str) -> Result<Read, u8> {
    if let Some((_, name)) = columns(args).next() {
        let wrong = "is a log of calls, and has no columns to be named";
        return Err(refused(format_args!("{source}: {wrong}: {name:?}")));
    }
    let reader = LogReader::open(&args.file)
        .map_err(|error| refused(format_args!("panelboard: {error}")))?;
    let query = query(args.since, args.until, args.provider.as_deref());
    let mut recorded = Recorded::of(args.key.clone(), args.model.clone());
    for call in reader.calls(query) {
        let call = call.map_err(|error| refused(format_args!("{source}: {error}")))?;
        recorded
            .take(&call)
            .map_err(|unfit| refused(format_args!("{source}: line {}: {unfit}", recorded.rows)))?;
    }
    let Recorded { rows, rejected, others, .. } = recorded;
    Ok(Read { recording: recorded.finish(), rows, skipped: 0, rejected, others })
}

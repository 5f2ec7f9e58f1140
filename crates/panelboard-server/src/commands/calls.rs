//! `panelboard calls`: the log of calls, as columns for people or as CSV for programs.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, SystemTime};

use panelboard_store::{Call, CallQuery, CallReader, Calls};

use super::complain;
use crate::cli::{self, exit};
use crate::clock::{rfc3339_micros, wall};

/// The columns, in both forms.
const HEADER: [&str; 9] = [
    "time",
    "provider",
    "key",
    "model",
    "outcome",
    "duration_ms",
    "first_byte_ms",
    "input_tokens",
    "output_tokens",
];

/// So long ago. Longer ago than there are dates is the beginning.
pub(super) fn before(ago: Duration) -> SystemTime {
    wall().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The calls of a log from so long ago until so long ago, and of one provider, as far as is said.
pub(super) fn query(
    since: Option<Duration>,
    until: Option<Duration>,
    provider: Option<&str>,
) -> CallQuery {
    let mut query = CallQuery::new();
    if let Some(ago) = since {
        query = query.since(before(ago));
    }
    if let Some(ago) = until {
        query = query.until(before(ago));
    }
    if let Some(provider) = provider {
        query = query.provider(provider);
    }
    query
}

/// Reads the file and prints what is asked for.
pub(super) fn calls(args: &cli::Calls) -> u8 {
    let reader = match CallReader::open(&args.file) {
        Ok(reader) => reader,
        Err(error) => {
            complain(format_args!("panelboard: {error}"));
            return exit::REFUSED;
        }
    };
    let query = query(args.since, args.until, args.provider.as_deref());
    let mut out = BufWriter::new(io::stdout().lock());
    let print = if args.csv { print_csv } else { print_columns };
    match print(&mut out, reader.calls(query)) {
        Ok(()) => exit::OK,
        // Whoever closed the pipe has seen enough.
        Err(Stop::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => exit::OK,
        Err(Stop::Print(error)) => {
            complain(format_args!("panelboard: cannot print: {error}"));
            exit::REFUSED
        }
        Err(Stop::Read(error)) => {
            complain(format_args!("panelboard: {}: {error}", args.file.display()));
            exit::REFUSED
        }
    }
}

/// Why it ends before the log does.
enum Stop {
    Print(io::Error),
    Read(panelboard_store::ReadError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Print(error)
    }
}

/// RFC 4180, with a line feed at the end of a line.
fn print_csv(out: &mut dyn Write, calls: Calls) -> Result<(), Stop> {
    writeln!(out, "{}", HEADER.join(","))?;
    for call in calls {
        let cells = cells(&call.map_err(Stop::Read)?);
        writeln!(out, "{}", cells.map(|cell| quoted(&cell).into_owned()).join(","))?;
    }
    Ok(out.flush()?)
}

/// Widths are those that names and times usually have: the log is not read twice for them.
fn print_columns(out: &mut dyn Write, calls: Calls) -> Result<(), Stop> {
    let widths: [usize; 9] = [27, 12, 12, 24, 13, 11, 13, 12, 13];
    let mut line = |cells: [String; 9]| {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let pad = width.saturating_sub(cell.chars().count());
            let (before, after) = if i < 5 { (0, pad) } else { (pad, 0) };
            text.push_str(&format!("{}{cell}{}  ", " ".repeat(before), " ".repeat(after)));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(HEADER.map(str::to_uppercase))?;
    for call in calls {
        line(
            cells(&call.map_err(Stop::Read)?)
                .map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }),
        )?;
    }
    Ok(out.flush()?)
}

fn cells(call: &Call) -> [String; 9] {
    let tokens = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    [
        rfc3339_micros(call.at),
        call.provider.to_string(),
        call.key.to_string(),
        call.model.to_string(),
        call.outcome.to_string(),
        ms(call.took),
        call.first_byte.map(ms).unwrap_or_default(),
        tokens(call.tokens.map(|tokens| tokens.input)),
        tokens(call.tokens.map(|tokens| tokens.output)),
    ]
}

/// Milliseconds, with all that is known.
fn ms(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}

fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", cell.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_if_it_must_be() {
        for (cell, expected) in [("gpt-4o", "gpt-4o"), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\"")] {
            assert_eq!(quoted(cell), expected);
        }
    }

    #[test]
    fn times_are_milliseconds_to_the_microsecond() {
        let rows = [(0, "0.000"), (999, "0.999"), (1_234_567, "1234.567")];
        for (micros, expected) in rows {
            assert_eq!(ms(Duration::from_micros(micros)), expected);
        }
    }
}

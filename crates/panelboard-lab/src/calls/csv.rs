//! How are calls read from CSV?

use std::{
    cell::Cell as Shared,
    io::{self, Read},
    rc::Rc,
};

use csv::{ByteRecord, ErrorKind, ReaderBuilder, Trim};

use super::{
    CallReader, CallsError, CallsRead, Column,
    read::{Cells, Reading},
    values::Cell,
};

/// The longest row, and what may be read ahead of it. A row is held in memory as a whole, and a
/// quote that is never closed makes one of all that follows.
const MAX_ROW_BYTES: usize = 1 << 20;

/// Ends the reading of a row that is too long.
struct Guard<R> {
    from: R,
    /// Bytes since the last whole row.
    since: Rc<Shared<usize>>,
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > MAX_ROW_BYTES {
            return Err(io::Error::other("a row is longer than 1 MiB, or its quote is not closed"));
        }
        let read = self.from.read(into)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

pub(super) fn read(
    reader: &CallReader,
    source: &str,
    from: impl Read,
) -> Result<CallsRead, CallsError> {
    let whole = |wrong: String| CallsError::whole(source, wrong);
    // Rows of another length are told as rows, not as a file that is broken.
    let since = Rc::new(Shared::new(0));
    let from = Guard { from, since: Rc::clone(&since) };
    let mut file = ReaderBuilder::new().flexible(true).trim(Trim::Headers).from_reader(from);
    let cannot = |error: csv::Error| match error.kind() {
        ErrorKind::Io(error) => whole(format!("cannot be read: {error}")),
        _ => whole(format!("is no CSV: {error}")),
    };
    let headers = file.byte_headers().map_err(cannot)?;
    if headers.is_empty() {
        return Err(whole("is empty, expected a line with the names of the columns".to_owned()));
    }
    let fields = headers.len();
    let names: Vec<&str> =
        headers.iter().map(|header| std::str::from_utf8(header).unwrap_or("(not UTF-8)")).collect();
    let mut reading = Reading::new(reader, source, &names)?;
    let mut record = ByteRecord::new();
    while file.read_byte_record(&mut record).map_err(cannot)? {
        since.set(0);
        let line = record.position().map(csv::Position::line);
        if record.len() != fields {
            let wrong = format!("has {} fields", record.len());
            reading.broken(line, wrong, &format!("{fields}, as the first line has"));
        } else {
            match cells(&record, &reading) {
                Ok(cells) => reading.row(&cells, line)?,
                Err(column) => {
                    let wrong = format!("{column}: is not UTF-8");
                    reading.broken(line, wrong, "text in UTF-8");
                }
            }
        }
    }
    reading.finish()
}

/// The cells of a row, or the name of the column that is no text.
fn cells<'c>(record: &'c ByteRecord, reading: &Reading<'_>) -> Result<Cells<'c>, String> {
    let mut cells: Cells<'c> = [Cell::Empty; Column::ALL.len()];
    for (cell, place) in cells.iter_mut().zip(reading.places()) {
        let Some(place) = place else { continue };
        let field = record.get(place.index).unwrap_or_default();
        let text = std::str::from_utf8(field).map_err(|_| place.name.clone())?;
        *cell = Cell::Text(text);
    }
    Ok(cells)
}

//! How does a file become a recording, whatever its format?

use std::{fs::File, io::Read};

use super::{
    Column, RecordedCall, Recorder, Recording, Unfit,
    columns::Places,
    mistake::{BadRow, CallsError, TOLD},
    values::{Cell, Told, expected_time, moment, outcome, time},
};

/// Reads recorded calls from a file.
///
/// ```
/// use panelboard_lab::{CallReader, Column};
///
/// let text = "began,backend,ms,code\n2026-11-28T18:00:00Z,a,20,200\n";
/// let reader = CallReader::default()
///     .column(Column::Time, "began")
///     .column(Column::Key, "backend")
///     .column(Column::Duration, "ms")
///     .column(Column::Outcome, "code");
/// assert_eq!(reader.csv("calls.csv", text.as_bytes())?.recording.calls(), 1);
/// # Ok::<(), panelboard_lab::CallsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallReader {
    pub(super) columns: [Option<String>; Column::ALL.len()],
    skip_bad: bool,
    key: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    since_us: Option<i64>,
    until_us: Option<i64>,
}

/// What was read.
///
/// ```
/// use panelboard_lab::CallReader;
///
/// let text = "time,key,duration,outcome\n1790000000,a,20,ok\nyesterday,a,20,ok\n";
/// let read = CallReader::default().skip_bad(true).csv("calls.csv", text.as_bytes())?;
/// assert_eq!((read.rows, read.skipped, read.recording.calls()), (2, 1, 1));
/// # Ok::<(), panelboard_lab::CallsError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallsRead {
    /// The calls.
    pub recording: Recording,
    /// Rows of the file.
    pub rows: u64,
    /// Bad rows that were skipped.
    pub skipped: u64,
    /// Rows of calls that a breaker had rejected: they were never made, and say nothing.
    pub rejected: u64,
    /// Rows of other keys, models, providers or times than asked for.
    pub others: u64,
}

impl CallReader {
    /// Looks for a column under this name alone, as the file spells it.
    ///
    /// ```
    /// use panelboard_lab::{CallReader, Column};
    ///
    /// let reader = CallReader::default().column(Column::Key, "backend");
    /// let said = reader.csv("c.csv", "time,backends\n".as_bytes()).unwrap_err().to_string();
    /// assert_eq!(said, "c.csv: no column \"backend\", did you mean `backends`?");
    /// ```
    #[must_use]
    pub fn column(mut self, column: Column, name: impl Into<String>) -> Self {
        self.columns[column as usize] = Some(name.into());
        self
    }

    /// Whether bad rows are counted and left out, instead of refusing the file. Default: no.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome\n1790000000,a,20,perhaps\n";
    /// assert!(CallReader::default().csv("c.csv", text.as_bytes()).is_err());
    /// assert!(CallReader::default().skip_bad(true).csv("c.csv", text.as_bytes()).is_ok());
    /// ```
    #[must_use]
    pub fn skip_bad(mut self, yes: bool) -> Self {
        self.skip_bad = yes;
        self
    }

    /// Takes the calls of this key only.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome\n1790000000,a,20,ok\n1790000001,b,20,ok\n";
    /// let read = CallReader::default().key("b").csv("c.csv", text.as_bytes())?;
    /// assert_eq!((read.recording.calls(), read.others), (1, 1));
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Takes the calls to this model only. The file must have a column for it.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome,model\n1790000000,a,20,ok,big\n";
    /// let read = CallReader::default().model("small").csv("c.csv", text.as_bytes())?;
    /// assert_eq!((read.recording.calls(), read.others), (0, 1));
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    #[must_use]
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Takes the calls to this provider only: those whose key is the provider's name, or begins
    /// with it and a slash.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome\n1790000000,a/k,20,ok\n1790000001,ab/k,20,ok\n";
    /// let read = CallReader::default().provider("a").csv("c.csv", text.as_bytes())?;
    /// assert_eq!((read.recording.calls(), read.others), (1, 1));
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.provider = Some(name.into());
        self
    }

    /// Takes the calls only that began then or later, in microseconds since the epoch.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome\n1790000000,a,20,ok\n1790000001,a,20,ok\n";
    /// let reader = CallReader::default().since_us(1_790_000_001_000_000);
    /// assert_eq!(reader.csv("c.csv", text.as_bytes())?.recording.calls(), 1);
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    #[must_use]
    pub fn since_us(mut self, at: i64) -> Self {
        self.since_us = Some(at);
        self
    }

    /// Takes the calls only that began earlier than that, in microseconds since the epoch.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration,outcome\n1790000000,a,20,ok\n1790000001,a,20,ok\n";
    /// let reader = CallReader::default().until_us(1_790_000_001_000_000);
    /// assert_eq!(reader.csv("c.csv", text.as_bytes())?.recording.calls(), 1);
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    #[must_use]
    pub fn until_us(mut self, at: i64) -> Self {
        self.until_us = Some(at);
        self
    }

    /// Whether a call is one of those that are asked for.
    fn takes(&self, at_us: i64, key: &str, model: Option<&str>) -> bool {
        let wanted = |is: Option<&str>, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        let provider = key.split_once('/').map_or(key, |(provider, _)| provider);
        wanted(Some(key), &self.key)
            && wanted(model, &self.model)
            && wanted(Some(provider), &self.provider)
            && self.since_us.is_none_or(|since| at_us >= since)
            && self.until_us.is_none_or(|until| at_us < until)
    }

    /// Reads CSV: comma, double quotes, a header. `source` stands before each mistake: a file's
    /// name. It reads row by row and keeps 16 bytes of each.
    ///
    /// ```
    /// use panelboard_lab::CallReader;
    ///
    /// let text = "time,key,duration_ms,outcome\n1790000000.25,a,20,ok\n";
    /// assert_eq!(CallReader::default().csv("c.csv", text.as_bytes())?.rows, 1);
    /// # Ok::<(), panelboard_lab::CallsError>(())
    /// ```
    ///
    /// # Errors
    /// The file as a whole, or its first bad rows.
    pub fn csv(&self, source: &str, from: impl Read) -> Result<CallsRead, CallsError> {
        super::csv::read(self, source, from)
    }

    /// Reads Parquet: flat columns of whole numbers, floats, timestamps, texts or flags; not
    /// compressed, or by Snappy or gzip. It reads a few thousand rows at a time.
    ///
    /// ```no_run
    /// use panelboard_lab::CallReader;
    ///
    /// let file = std::fs::File::open("calls.parquet")?;
    /// let read = CallReader::default().parquet("calls.parquet", file)?;
    /// println!("{} calls", read.recording.calls());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file as a whole, or its first bad rows.
    pub fn parquet(&self, source: &str, file: File) -> Result<CallsRead, CallsError> {
        super::parquet::read(self, source, file)
    }
}

/// What is read so far.
#[derive(Debug)]
pub(super) struct Reading<'r> {
    reader: &'r CallReader,
    source: &'r str,
    places: Places,
    recorder: Recorder,
    rows: u64,
    rejected: u64,
    others: u64,
    bad: u64,
    told: Vec<BadRow>,
}

/// A row's cells, in the order of [`Column::ALL`]; empty where there is no such column.
pub(super) type Cells<'c> = [Cell<'c>; Column::ALL.len()];

impl<'r> Reading<'r> {
    pub(super) fn new(
        reader: &'r CallReader,
        source: &'r str,
        headers: &[&str],
    ) -> Result<Self, CallsError> {
        let whole = |wrong: String| CallsError::whole(source, wrong);
        let places = super::columns::find(headers, &reader.columns).map_err(whole)?;
        if reader.model.is_some() && places[Column::Model as usize].is_none() {
            return Err(whole(
                "no column for the model, and calls to one are asked for".to_owned(),
            ));
        }
        Ok(Self {
            reader,
            source,
            places,
            recorder: Recorder::default(),
            rows: 0,
            rejected: 0,
            others: 0,
            bad: 0,
            told: Vec::new(),
        })
    }

    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Takes a row.
    pub(super) fn row(&mut self, cells: &Cells<'_>, line: Option<u64>) -> Result<(), CallsError> {
        self.rows += 1;
        let joined = joined(cells);
        match self.call(cells, joined.as_deref()) {
            Ok(None) => Ok(()),
            Ok(Some(call)) => self.take(&call, cells, line),
            Err((column, expected)) => {
                self.note(line, column, cells[column as usize], expected);
                Ok(())
            }
        }
    }

    /// Notes a row that has not even cells.
    pub(super) fn broken(&mut self, line: Option<u64>, wrong: String, expected: &str) {
        self.rows += 1;
        self.bad += 1;
        if self.told.len() < TOLD {
            let (row, column) = (self.rows, String::new());
            self.told.push(BadRow { row, line, column, value: wrong, expected: expected.into() });
        }
    }

    fn note(&mut self, line: Option<u64>, column: Column, cell: Cell<'_>, expected: String) {
        self.bad += 1;
        if self.told.len() < TOLD {
            let place = self.places[column as usize].as_ref();
            let column = place.map_or(String::new(), |place| place.name.clone());
            self.told.push(BadRow { row: self.rows, line, column, value: shown(cell), expected });
        }
    }

    fn call<'c>(
        &mut self,
        cells: &Cells<'c>,
        joined: Option<&'c str>,
    ) -> Result<Option<RecordedCall<'c>>, (Column, String)> {
        let cell = |column: Column| cells[column as usize];
        let Some(key) = key(joined.map_or(cell(Column::Key), Cell::Text)) else {
            // What was passed by before a key was chosen has none.
            if let Ok(Told::Rejected) = outcome(cell(Column::Outcome)) {
                self.rejected += 1;
                return Ok(None);
            }
            return Err((Column::Key, "a text of 1 to 200 bytes".to_owned()));
        };
        let at_us =
            moment(cell(Column::Time)).map_err(|expected| (Column::Time, expected.to_owned()))?;
        let told = outcome(cell(Column::Outcome))
            .map_err(|expected| (Column::Outcome, expected.to_owned()))?;
        let took_us = match told {
            // It took no time, and often none is written.
            Told::Rejected => 0,
            Told::Ended(_) => self.time(cells, Column::Duration)?,
        };
        let first_byte_us = match cell(Column::FirstByte) {
            Cell::Empty => None,
            Cell::Text(text) if text.trim().is_empty() => None,
            _ => Some(self.time(cells, Column::FirstByte)?),
        };
        let model = match cell(Column::Model) {
            Cell::Text(text) => Some(text.trim()),
            _ => None,
        };
        if !self.reader.takes(at_us, key, model) {
            self.others += 1;
            return Ok(None);
        }
        let Told::Ended(ended) = told else {
            self.rejected += 1;
            return Ok(None);
        };
        Ok(Some(RecordedCall {
            first_byte_us,
            model,
            ..RecordedCall::new(at_us, key, took_us, ended)
        }))
    }

    fn time(&self, cells: &Cells<'_>, column: Column) -> Result<u64, (Column, String)> {
        let unit = self.places[column as usize].as_ref().map(|place| place.unit);
        let read = unit.and_then(|unit| time(cells[column as usize], unit));
        read.ok_or_else(|| (column, unit.map(expected_time).unwrap_or_default()))
    }

    /// What does not fit for its own fault is a bad row; what does not fit beside the others ends
    /// the reading.
    fn take(
        &mut self,
        call: &RecordedCall<'_>,
        cells: &Cells<'_>,
        line: Option<u64>,
    ) -> Result<(), CallsError> {
        let Err(unfit) = self.recorder.push(call) else { return Ok(()) };
        let (column, expected) = match unfit {
            Unfit::Time => (Column::Time, "a moment from 1970 to 9999"),
            Unfit::Duration => (Column::Duration, "at most a day"),
            Unfit::Key => (Column::Key, "a text of 1 to 200 bytes"),
            Unfit::Span | Unfit::Calls | Unfit::Keys => {
                let wrong = format!("row {}: {unfit}", self.rows);
                return Err(CallsError::whole(self.source, wrong));
            }
        };
        self.note(line, column, cells[column as usize], expected.to_owned());
        Ok(())
    }

    pub(super) fn finish(self) -> Result<CallsRead, CallsError> {
        if self.bad > 0 && !self.reader.skip_bad {
            return Err(CallsError::bad_rows(self.source, self.told, self.bad));
        }
        Ok(CallsRead {
            recording: self.recorder.finish(),
            rows: self.rows,
            skipped: self.bad,
            rejected: self.rejected,
            others: self.others,
        })
    }
}

fn key(cell: Cell<'_>) -> Option<&str> {
    match cell {
        Cell::Text(text) => Some(text.trim()).filter(|text| (1..=200).contains(&text.len())),
        _ => None,
    }
}

/// A value as shown in a message: short.
fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Empty => "empty".to_owned(),
        Cell::Whole(number) | Cell::Moment(number) => number.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Text(text) => {
            let short: String = text.chars().take(60).collect();
            if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
        }
    }
}

/// `provider/key`, if a row says both.
fn joined(cells: &Cells<'_>) -> Option<String> {
    match [Column::Provider, Column::Key].map(|column| cells[column as usize]) {
        [Cell::Text(provider), Cell::Text(key)] => {
            let [provider, key] = [provider.trim(), key.trim()];
            (!provider.is_empty() && !key.is_empty()).then(|| format!("{provider}/{key}"))
        }
        _ => None,
    }
}

//! Which calls were made, to whom, when, for how long, and how did they end?
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | which column is what, and what does a cell say | `columns`, `values` |
//! | how is a file of each format read | `csv`, `parquet`, `read` |
//! | how is a bad row told | `mistake` |
//! | how are calls written so that they can be read again | `write` |

mod columns;
mod csv;
mod mistake;
mod parquet;
mod read;
mod values;
mod write;

use std::{collections::HashMap, error::Error, fmt};

pub use columns::Column;
pub use mistake::{BadRow, CallsError};
pub use read::{CallReader, CallsRead};
pub use write::CallsWriter;

/// How a recorded call ended, as a breaker would have been told.
///
/// ```
/// use panelboard_lab::Ended;
///
/// assert_eq!(Ended::of("timeout"), Some(Ended::Failure));
/// assert_eq!(Ended::of("404"), Some(Ended::Ignored)); // the caller's fault
/// assert_eq!(Ended::of("maybe"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The service did its work.
    Success,
    /// It failed, or took too long.
    Failure,
    /// It says nothing about the service: the caller's own fault, or he went away.
    Ignored,
}

/// A call that was made and has ended.
///
/// ```
/// use panelboard_lab::{Ended, RecordedCall};
///
/// let at_us = 1_790_000_000_000_000;
/// let mut call = RecordedCall::new(at_us, "openai/team-a", 250_000, Ended::Success);
/// call.first_byte_us = Some(90_000);
/// assert_eq!(call.key, "openai/team-a");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedCall<'a> {
    /// When it began, in microseconds since the epoch.
    pub at_us: i64,
    /// Which breaker it would have asked.
    pub key: &'a str,
    /// From its beginning to its end, in microseconds.
    pub took_us: u64,
    /// How it ended.
    pub ended: Ended,
    /// From its beginning to the first byte of its answer. Not used by a replay: a breaker is told
    /// of a call when it ends.
    pub first_byte_us: Option<u64>,
    /// What was asked for. A reader can be told to take the calls to one model only.
    pub model: Option<&'a str>,
}

impl<'a> RecordedCall<'a> {
    /// A call of which the optional parts are not known.
    ///
    /// ```
    /// use panelboard_lab::{Ended, RecordedCall};
    ///
    /// assert_eq!(RecordedCall::new(5, "a", 3, Ended::Failure).model, None);
    /// ```
    #[must_use]
    pub fn new(at_us: i64, key: &'a str, took_us: u64, ended: Ended) -> Self {
        Self { at_us, key, took_us, ended, first_byte_us: None, model: None }
    }
}

/// The most calls of a recording. One more is refused.
pub(crate) const MAX_CALLS: u64 = 20_000_000;
/// The most keys of a recording.
const MAX_KEYS: usize = 100_000;
/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 200;
/// The longest call: a day.
const MAX_TOOK_US: u64 = 86_400_000_000;
/// The longest recording: a breaker's deadlines reach a little farther.
const MAX_SPAN_US: u64 = 4 * 365 * 86_400_000_000;
/// The last microsecond of the year 9999.
const LAST_US: i64 = 253_402_300_799_999_999;

/// A call did not fit into a recording.
///
/// ```
/// use panelboard_lab::{Ended, RecordedCall, Recorder};
///
/// let mut recorder = Recorder::default();
/// let said = recorder.push(&RecordedCall::new(-1, "a", 3, Ended::Success)).unwrap_err();
/// assert_eq!(said.to_string(), "began before 1970 or after 9999");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// It began before 1970 or after 9999.
    Time,
    /// It took longer than a day.
    Duration,
    /// Its key is empty or longer than 200 bytes.
    Key,
    /// It lies more than four years from another one.
    Span,
    /// There are 20 million already.
    Calls,
    /// There are 100,000 keys already.
    Keys,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "began before 1970 or after 9999",
            Self::Duration => "took longer than a day",
            Self::Key => "has a key that is empty or longer than 200 bytes",
            Self::Span => "lies more than four years from another call",
            Self::Calls => "is one more than the 20 million that are taken",
            Self::Keys => "has one key more than the 100,000 that are taken",
        })
    }
}

impl Error for Unfit {}

/// Takes calls from wherever they are kept, in any order.
///
/// A source of its own is a loop that calls [`push`](Self::push). Bounds: 20 million calls, 100,000
/// keys, four years. A call takes 16 bytes, and 32 while the recording grows.
///
/// ```
/// use panelboard_lab::{Ended, RecordedCall, Recorder};
///
/// let rows = [(7_000_000, "b", 20_000, true), (5_000_000, "a", 30_000, false)];
/// let mut recorder = Recorder::default();
/// for (at_us, key, took_us, good) in rows {
///     let ended = if good { Ended::Success } else { Ended::Failure };
///     recorder.push(&RecordedCall::new(at_us, key, took_us, ended))?;
/// }
/// let recording = recorder.finish();
/// assert_eq!((recording.calls(), recording.keys().collect::<Vec<_>>()), (2, vec!["a", "b"]));
/// # Ok::<(), panelboard_lab::Unfit>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    keys: Vec<KeyCalls>,
    by_name: HashMap<String, usize>,
    calls: u64,
    /// Of their beginnings.
    range: Option<(i64, i64)>,
}

impl Recorder {
    /// Takes a call. One that is refused leaves nothing behind.
    ///
    /// ```
    /// use panelboard_lab::{Ended, RecordedCall, Recorder, Unfit};
    ///
    /// let mut recorder = Recorder::default();
    /// let no_key = RecordedCall::new(5, "", 3, Ended::Success);
    /// assert_eq!(recorder.push(&no_key), Err(Unfit::Key));
    /// assert_eq!(recorder.finish().calls(), 0);
    /// ```
    ///
    /// # Errors
    /// What does not fit: see [`Unfit`].
    pub fn push(&mut self, call: &RecordedCall<'_>) -> Result<(), Unfit> {
        if !(0..=LAST_US).contains(&call.at_us) {
            return Err(Unfit::Time);
        }
        if call.took_us > MAX_TOOK_US {
            return Err(Unfit::Duration);
        }
        if !(1..=MAX_KEY_BYTES).contains(&call.key.len()) {
            return Err(Unfit::Key);
        }
        if self.calls >= MAX_CALLS {
            return Err(Unfit::Calls);
        }
        let (from, to) = self.range.unwrap_or((call.at_us, call.at_us));
        let (from, to) = (from.min(call.at_us), to.max(call.at_us));
        if from.abs_diff(to) > MAX_SPAN_US {
            return Err(Unfit::Span);
        }
        let number = match self.by_name.get(call.key) {
            Some(&number) => number,
            None if self.keys.len() >= MAX_KEYS => return Err(Unfit::Keys),
            None => {
                let number = self.keys.len();
                self.keys.push(KeyCalls { name: call.key.to_owned(), calls: Vec::new() });
                self.by_name.insert(call.key.to_owned(), number);
                number
            }
        };
        self.range = Some((from, to));
        self.calls += 1;
        self.keys[number].calls.push(Call::new(call));
        Ok(())
    }

    /// The recording: keys by name, the calls of each by their beginnings; of two that began at
    /// once the one that was pushed first comes first.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Recorder::default().finish().calls(), 0);
    /// ```
    #[must_use]
    pub fn finish(mut self) -> Recording {
        self.keys.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for key in &mut self.keys {
            if !key.calls.is_sorted_by_key(|call| call.at) {
                key.calls.sort_by_key(|call| call.at);
            }
            key.calls.shrink_to_fit();
        }
        let (from, to) = self.range.unwrap_or_default();
        Recording { keys: self.keys, calls: self.calls, from, to }
    }
}

/// Calls of some time, by key and in order: what settings are replayed against.
///
/// See [`Recorder`] and [`CallReader`] for how one is made.
///
/// ```
/// use panelboard_lab::CallReader;
///
/// let text = "time,key,duration_ms,outcome\n1790000000,a,20,ok\n1790000009,a,30,failure\n";
/// let recording = CallReader::default().csv("calls.csv", text.as_bytes())?.recording;
/// assert_eq!((recording.calls(), recording.lasts_us()), (2, 9_000_000));
/// # Ok::<(), panelboard_lab::CallsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub(crate) keys: Vec<KeyCalls>,
    calls: u64,
    /// When the first call began, and the last one.
    pub(crate) from: i64,
    to: i64,
}

impl Recording {
    /// How many calls there are.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Recorder::default().finish().calls(), 0);
    /// ```
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// From the beginning of the first call to that of the last, in microseconds.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Recorder::default().finish().lasts_us(), 0);
    /// ```
    #[must_use]
    pub fn lasts_us(&self) -> u64 {
        self.from.abs_diff(self.to)
    }

    /// The keys, by name.
    ///
    /// ```
    /// assert_eq!(panelboard_lab::Recorder::default().finish().keys().count(), 0);
    /// ```
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }
}

/// The calls of one key, in the order of their beginnings once the recording is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyCalls {
    pub(crate) name: String,
    pub(crate) calls: Vec<Call>,
}

/// A call in 16 bytes: there are millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Microseconds since the epoch.
    pub(crate) at: i64,
    /// Microseconds that it took, and in the lowest two bits how it ended.
    rest: u64,
}

impl Call {
    fn new(call: &RecordedCall<'_>) -> Self {
        let ended = match call.ended {
            Ended::Success => 0,
            Ended::Failure => 1,
            Ended::Ignored => 2,
        };
        Self { at: call.at_us, rest: call.took_us << 2 | ended }
    }

    pub(crate) fn took(self) -> u64 {
        self.rest >> 2
    }

    pub(crate) fn ended(self) -> Ended {
        match self.rest & 3 {
            0 => Ended::Success,
            1 => Ended::Failure,
            _ => Ended::Ignored,
        }
    }
}

#[cfg(test)]
mod tests;

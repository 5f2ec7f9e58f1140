//! How are calls read, while they are written, and by whom? By connections that can't write, of
//! this process or of another.
//!
//! A page is read in one short transaction. Between two pages nothing is held: a reader who takes
//! an hour delays neither the writer nor the copying of its log, and sees what has come meanwhile.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, Row, params};

use super::{
    Call, CallPage, CallPosition, CallQuery, Tokens, layout,
    names::{self, Texts},
};
use crate::{
    clock::{from_micros, to_micros},
    error::{OpenError, ReadError},
    readers::Readers,
};

/// The most calls of a page.
pub const MAX_CALLS: usize = 10_000;

/// Calls that an iterator reads at once.
const AT_ONCE: usize = 4_096;

/// Connections of one reader.
const CONNECTIONS: usize = 2;

/// How long a reader waits for a lock: of a file that is just being opened or closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a log of calls, also one that a running server writes. Cloning gives another handle.
///
/// It works on the caller's thread and waits for the disk: async code calls it where blocking is
/// allowed.
///
/// ```
/// use panelboard_store::{CallConfig, CallLog, CallQuery, CallReader};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("calls.db");
/// let log = CallLog::open(&path, CallConfig::new())?; // in some process
///
/// let reader = CallReader::open(&path)?; // in another
/// let mut by_provider = std::collections::BTreeMap::new();
/// for call in reader.calls(CallQuery::new()) {
///     *by_provider.entry(call?.provider).or_insert(0) += 1;
/// }
/// assert!(by_provider.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallReader(Arc<Readers>);

impl CallReader {
    /// Opens the file at `path` for reading. It is not changed; beside it SQLite may make its
    /// `-shm` and `-wal`, so the folder must be one that may be written, unless they are there.
    ///
    /// # Errors
    /// [`OpenError`]: the file, what is wrong with it, and what to do.
    ///
    /// ```
    /// use panelboard_store::{CallReader, OpenFault};
    /// # let folder = tempfile::tempdir()?;
    /// let why = CallReader::open(folder.path().join("calls.db")).unwrap_err();
    /// assert_eq!(why.fault, OpenFault::Missing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        layout::look(path.as_ref(), PATIENCE)?;
        Ok(Self::of(path.as_ref().to_owned()))
    }

    pub(super) fn of(path: PathBuf) -> Self {
        Self(Arc::new(Readers::new(path, CONNECTIONS, PATIENCE)))
    }

    /// Up to `limit` calls after a place, at most [`MAX_CALLS`], in the order in which they began.
    ///
    /// Cost: it reads the range of time from that place on, until it has found so many calls of the
    /// provider.
    ///
    /// # Errors
    /// [`ReadError::Failed`], [`ReadError::Degraded`] for a damaged file, [`ReadError::Busy`].
    ///
    /// ```
    /// use panelboard_store::{CallConfig, CallLog, CallQuery};
    /// # let folder = tempfile::tempdir()?;
    /// let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// let page = log.reader().page(&CallQuery::new(), None, 100)?;
    /// assert_eq!((page.items.len(), page.next), (0, None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn page(
        &self,
        query: &CallQuery,
        after: Option<CallPosition>,
        limit: usize,
    ) -> Result<CallPage, ReadError> {
        let limit = limit.clamp(1, MAX_CALLS);
        self.0.read(|connection| Ok(page(connection, query, after, limit)?))
    }

    /// All calls that `query` asks for, in the order in which they began; as many at once in memory
    /// as a page has.
    ///
    /// A call is written when it ends. One that began before the place that the iterator has come
    /// to, and ends later, is not seen: for what is whole, ask until a time that is longer ago than
    /// a call takes.
    ///
    /// ```
    /// use panelboard_store::{CallConfig, CallLog, CallQuery};
    /// # let folder = tempfile::tempdir()?;
    /// let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
    /// assert_eq!(log.reader().calls(CallQuery::new()).count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn calls(&self, query: CallQuery) -> Calls {
        let (page, after) = (Vec::new().into_iter(), None);
        Calls { reader: self.clone(), query, page, after, ended: false }
    }
}

/// Calls, one after the other. After an error there are no more.
///
/// ```
/// use panelboard_store::{CallConfig, CallLog, CallQuery, Calls};
/// # let folder = tempfile::tempdir()?;
/// let log = CallLog::open(folder.path().join("calls.db"), CallConfig::new())?;
/// let mut calls: Calls = log.reader().calls(CallQuery::new());
/// assert!(calls.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Calls {
    reader: CallReader,
    query: CallQuery,
    page: std::vec::IntoIter<Call>,
    after: Option<CallPosition>,
    ended: bool,
}

impl Iterator for Calls {
    type Item = Result<Call, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(call) = self.page.next() {
                return Some(Ok(call));
            }
            if self.ended {
                return None;
            }
            match self.reader.page(&self.query, self.after, AT_ONCE) {
                Ok(page) => {
                    (self.after, self.ended) = (page.next, page.next.is_none());
                    self.page = page.items.into_iter();
                }
                Err(why) => {
                    self.ended = true;
                    return Some(Err(why));
                }
            }
        }
    }
}

const SELECT: &str = "SELECT at, number, provider, key, model, outcome, status, took, first, \
    input, output FROM call WHERE (at, number) > (?1, ?2) AND at < ?3 AND (?4 IS NULL OR provider \
    = ?4) ORDER BY at, number LIMIT ?5";

fn page(
    connection: &Connection,
    query: &CallQuery,
    after: Option<CallPosition>,
    limit: usize,
) -> rusqlite::Result<CallPage> {
    let nothing = CallPage { items: Vec::new(), next: None };
    let provider = match &query.provider {
        None => None,
        Some(name) => match names::find(connection, name)? {
            None => return Ok(nothing),
            number => number,
        },
    };
    // Numbers begin with 1: before all calls of a moment stands its 0.
    let since = query.since.map_or(0, |at| i64::try_from(to_micros(at)).unwrap_or(i64::MAX));
    let since = CallPosition { at: since, number: 0 };
    let from = after.map_or(since, |after| after.max(since));
    let until = query.until.map_or(i64::MAX as u64, to_micros);
    let mut texts = Texts::new(connection);
    let mut read = connection.prepare_cached(SELECT)?;
    let mut rows = read.query(params![from.at, from.number, until, provider, limit as u64])?;
    let (mut items, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        last = Some(CallPosition { at: row.get(0)?, number: row.get(1)? });
        items.push(call(row, &mut texts)?);
    }
    let next = last.filter(|_| items.len() == limit);
    Ok(CallPage { items, next })
}

fn call(row: &Row<'_>, texts: &mut Texts<'_>) -> rusqlite::Result<Call> {
    let tokens: (Option<u64>, Option<u64>) = (row.get(9)?, row.get(10)?);
    Ok(Call {
        at: from_micros(row.get(0)?),
        provider: texts.of(row.get(2)?)?,
        key: texts.of(row.get(3)?)?,
        model: texts.of(row.get(4)?)?,
        outcome: texts.of(row.get(5)?)?,
        status: row.get(6)?,
        took: Duration::from_micros(row.get(7)?),
        first_byte: row.get::<_, Option<u64>>(8)?.map(Duration::from_micros),
        tokens: tokens.0.zip(tokens.1).map(|(input, output)| Tokens { input, output }),
    })
}

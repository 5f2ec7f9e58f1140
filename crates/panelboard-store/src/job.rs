//! What is known of a job, and which of them does somebody want to see?

use std::{sync::Arc, time::SystemTime};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{clock::from_micros, crc::Crc, error::ReadError, fault, page::MAX_PAGE};

/// A job as its owner has written it last.
///
/// ```
/// use panelboard_store::{Config, JobWrites, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let new = JobWrites::new().put("7", "simulation", "queued", 0, [1, 2, 3])?;
/// store.write_jobs(new)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// let job = store.job("7")?.expect("it is there");
/// assert_eq!((&*job.kind, &*job.state, job.attempt), ("simulation", "queued", 0));
/// assert_eq!(*job.body, [1, 2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its id, as its owner gave it.
    pub id: Arc<str>,
    /// What is to be done.
    pub kind: Arc<str>,
    /// Where it is.
    pub state: Arc<str>,
    /// How often it was started.
    pub attempt: u64,
    /// Everything else, in its owner's words.
    pub body: Arc<[u8]>,
    /// When it was first written. What replaces it does not change that.
    pub made: SystemTime,
    /// When it was last written.
    pub touched: SystemTime,
}

/// Which jobs to read: all of them, if nothing is said.
///
/// ```
/// let query = panelboard_store::JobQuery { state: Some("queued".into()), ..Default::default() };
/// # drop(query);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Those of this kind.
    pub kind: Option<Arc<str>>,
    /// Those in this state.
    pub state: Option<Arc<str>>,
}

/// Some jobs, and where the rest is.
///
/// ```
/// let page = panelboard_store::JobPage { jobs: Vec::new(), next: None };
/// assert!(page.jobs.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    /// In the order in which they were made.
    pub jobs: Vec<Job>,
    /// What to say as `after`, if there may be more.
    pub next: Option<u64>,
}

/// What the sum of a job is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summed<'a> {
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) state: &'a str,
    pub(crate) attempt: u64,
    pub(crate) body: &'a [u8],
    pub(crate) made: u64,
    pub(crate) touched: u64,
}

impl Summed<'_> {
    pub(crate) fn sum(&self) -> u32 {
        let crc = Crc::new().text(self.id).text(self.kind).text(self.state).number(self.attempt);
        let crc = crc.number(self.body.len() as u64).bytes(self.body);
        crc.number(self.made).number(self.touched).end()
    }
}

const COLUMNS: &str = "number, id, kind, state, attempt, body, made, touched, sum";

/// A page holds about so many bytes of bodies.
const PAGE_BYTES: usize = 8 << 20;

pub(crate) fn one(connection: &Connection, id: &str) -> Result<Option<Job>, ReadError> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE id = ?1");
    let mut find = connection.prepare_cached(&sql)?;
    let found = find.query_row([id], |row| Ok(read(row))).optional()?;
    found.map(|found| found.map(|(_, job)| job)).transpose()
}

pub(crate) fn page(
    connection: &Connection,
    query: &JobQuery,
    after: Option<u64>,
    limit: usize,
) -> Result<JobPage, ReadError> {
    let limit = limit.clamp(1, MAX_PAGE);
    let JobQuery { kind, state } = query;
    // A filter that is not there would keep SQLite from the index of the one that is.
    let by = match (kind, state) {
        (None, None) => "?2 IS NULL AND ?3 IS NULL",
        (Some(_), None) => "kind = ?2 AND ?3 IS NULL",
        (None, Some(_)) => "?2 IS NULL AND state = ?3",
        (Some(_), Some(_)) => "kind = ?2 AND state = ?3",
    };
    let sql =
        format!("SELECT {COLUMNS} FROM job WHERE number > ?1 AND {by} ORDER BY number LIMIT ?4");
    let mut select = connection.prepare_cached(&sql)?;
    let after = i64::try_from(after.unwrap_or(0)).unwrap_or(i64::MAX);
    let mut rows = select.query(params![after, kind, state, limit as u64])?;
    let (mut jobs, mut bytes, mut next) = (Vec::new(), 0, None);
    while let Some(row) = rows.next()? {
        let (number, job) = read(row)?;
        bytes += job.body.len();
        jobs.push(job);
        if jobs.len() == limit || bytes >= PAGE_BYTES {
            next = Some(number);
            break;
        }
    }
    Ok(JobPage { jobs, next })
}

/// A row that is not what was written must not look as if there were none.
fn read(row: &Row<'_>) -> Result<(u64, Job), ReadError> {
    let broken = |why: String| ReadError::degraded(format!("a job: {why}"));
    let told = |why: rusqlite::Error| broken(why.to_string());
    let number = |column| row.get::<_, u64>(column).map_err(told);
    let text = |column| crate::record::text(row, column).map_err(broken);
    let (id, kind, state) = (text(1)?, text(2)?, text(3)?);
    let body = row.get_ref(5).map_err(told)?.as_blob().map_err(|why| broken(why.to_string()))?;
    let (attempt, made, touched) = (number(4)?, number(6)?, number(7)?);
    let summed = Summed { id, kind, state, attempt, body, made, touched };
    if u64::from(summed.sum()) != number(8)? && !fault::SUM_IGNORED.planted() {
        return Err(broken(format!("{id:?} has a wrong checksum")));
    }
    let job = Job {
        id: id.into(),
        kind: kind.into(),
        state: state.into(),
        attempt,
        body: body.into(),
        made: from_micros(made),
        touched: from_micros(touched),
    };
    Ok((number(0)?, job))
}

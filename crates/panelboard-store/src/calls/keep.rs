//! Which calls are removed, and when? The oldest, at a bound that the calls themselves can come to.
//!
//! | bound | is looked at | and is then kept |
//! | --- | --- | --- |
//! | rows | in each batch, and by the upkeep | exactly |
//! | bytes | the same | of what is in use in the file: at most so many |
//! | age | by the upkeep, each hour | exactly: what is as old as the bound stays |
//!
//! The oldest rows are one piece of the tree, so removing them frees whole pages, and the next
//! batches take those. A transaction removes a bounded number, and the upkeep makes as many as it
//! needs, with the batches that have come meanwhile in between.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::{names::MAX_NAMES, writer::Writer};
use crate::{clock::to_micros, db::Broken};

/// How often the upkeep is made.
pub(super) const EVERY: Duration = Duration::from_secs(60 * 60);

/// One transaction removes so many calls at the most.
const MOST: u64 = 5_000;

/// And gives back so many pages.
const MOST_PAGES: u64 = 4_096;

/// The key of a call.
type Place = (i64, i64);

impl Writer {
    /// One step of the upkeep; answers whether there is more to do. An error is a test's crash.
    pub(super) fn upkeep(&mut self) -> Result<bool, ()> {
        match self.is_due() {
            Ok(false) => Ok(false),
            Ok(true) => {
                let mut more = false;
                let kept = self.transact(|writer| {
                    more = keep_size(writer)? | keep_age(writer)?;
                    keep_names(writer)?;
                    more |= give_back(writer)?;
                    Ok(())
                })?;
                // What fails is tried again in the next round, not at once and for ever.
                Ok(kept && more)
            }
            Err(error) => {
                let Broken::Failed(failure) = Broken::from(error) else { return Err(()) };
                self.shared.counters.failed(Some(failure));
                Ok(false)
            }
        }
    }

    fn oldest_to_stay(&self) -> u64 {
        to_micros(self.config.clock.wall()).saturating_sub(self.config.keep_us)
    }

    /// Whether there is anything to do: nothing is written if not.
    fn is_due(&self) -> rusqlite::Result<bool> {
        let connection = self.db.reading();
        let (used, whole) = sizes(connection)?;
        let oldest: Option<u64> =
            connection.query_row("SELECT min(at) FROM call", [], |row| row.get(0))?;
        Ok(self.rows > self.config.max_rows
            || used > self.config.max_bytes
            || (whole > self.config.max_bytes && whole > used)
            || oldest.is_some_and(|oldest| oldest < self.oldest_to_stay())
            || has_idle_names(connection)?)
    }
}

/// Bytes of the file: in use, and all of them.
pub(super) fn sizes(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let (page, pages, free) = (read("page_size")?, read("page_count")?, read("freelist_count")?);
    Ok((pages.saturating_sub(free) * page, pages * page))
}

/// Within a transaction: removes what is beyond the bounds of rows and bytes. Answers whether there
/// is more.
pub(super) fn keep_size(writer: &mut Writer) -> Result<bool, Broken> {
    let (max_rows, max_bytes) = (writer.config.max_rows, writer.config.max_bytes);
    let mut may = MOST;
    let beyond = writer.rows.saturating_sub(max_rows);
    may -= remove(writer, beyond.min(may))?;
    while may > 0 && writer.rows > 0 && sizes(writer.db.reading())?.0 > max_bytes {
        let share = (writer.rows / 64).clamp(64, 2_048).min(writer.rows).min(may);
        may -= remove(writer, share)?.max(1);
    }
    Ok(may == 0)
}

/// The same for those that are too old.
fn keep_age(writer: &mut Writer) -> Result<bool, Broken> {
    let stays = writer.oldest_to_stay();
    let old: u64 = {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM call WHERE at < ?1 LIMIT ?2)";
        let mut count = writer.db.reading().prepare_cached(sql)?;
        count.query_row([stays, MOST], |row| row.get(0))?
    };
    remove(writer, old)?;
    Ok(old == MOST)
}

/// Removes so many of the oldest calls; answers how many there were.
fn remove(writer: &mut Writer, count: u64) -> Result<u64, Broken> {
    let Some(last) = count.checked_sub(1) else { return Ok(0) };
    let place: Option<Place> = {
        let sql = "SELECT at, number FROM call ORDER BY at, number LIMIT 1 OFFSET ?1";
        let mut find = writer.db.reading().prepare_cached(sql)?;
        find.query_row([last], |row| Ok((row.get(0)?, row.get(1)?))).optional()?
    };
    let Some(place) = place else {
        // Fewer than were counted, as in a file that somebody else has written in.
        writer.rows = 0;
        return Ok(writer.db.execute("DELETE FROM call", [])?.min(count as usize) as u64);
    };
    let sql = "DELETE FROM call WHERE (at, number) <= (?1, ?2)";
    let removed = writer.db.execute(sql, place)? as u64;
    writer.rows = writer.rows.saturating_sub(removed);
    Ok(removed.min(count))
}

/// Names that no call has any more are removed once there are many.
fn keep_names(writer: &mut Writer) -> Result<(), Broken> {
    if !has_idle_names(writer.db.reading())? {
        return Ok(());
    }
    writer.names.forget();
    writer.db.execute(
        "DELETE FROM name WHERE id NOT IN (SELECT provider FROM call UNION SELECT key FROM call \
         UNION SELECT model FROM call UNION SELECT outcome FROM call)",
        [],
    )?;
    Ok(())
}

fn has_idle_names(connection: &Connection) -> rusqlite::Result<bool> {
    let mut count = connection.prepare_cached("SELECT count(*) FROM name")?;
    let count: u64 = count.query_row([], |row| row.get(0))?;
    if count <= MAX_NAMES as u64 {
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM name WHERE id NOT IN (SELECT provider FROM call UNION \
               SELECT key FROM call UNION SELECT model FROM call UNION SELECT outcome FROM call))";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// Gives pages back to the system, if the file is larger than its bound. Answers whether there are
/// more.
fn give_back(writer: &mut Writer) -> Result<bool, Broken> {
    let (used, whole) = sizes(writer.db.reading())?;
    if whole <= writer.config.max_bytes || whole <= used {
        return Ok(false);
    }
    writer.db.exhaust(&format!("PRAGMA incremental_vacuum({MOST_PAGES})"))?;
    let (used, after) = sizes(writer.db.reading())?;
    Ok(after < whole && after > writer.config.max_bytes && after > used)
}

//! May jobs be written so, and what changes? All of a group, or nothing of it.

use rusqlite::{OptionalExtension as _, params};

use super::{Stop, Writer, apply::nothing};
use crate::{
    error::Refusal,
    fault,
    ids::Lsn,
    job::Summed,
    ops::{JobWrite, JobWrites, PutJob, When},
    receipt::{Outcome, Written},
};

/// A job that is there.
struct Found {
    number: i64,
    state: String,
    attempt: u64,
    made: u64,
}

impl Writer {
    pub(super) fn jobs(&mut self, lsn: Lsn, jobs: &JobWrites) -> Result<Written, Stop> {
        let JobWrites { writes, key, keeps, .. } = jobs;
        if let Some(replay) = self.replay(key.as_ref())? {
            return Ok(replay);
        }
        // What one of them is refused for may be found after others have been made.
        self.db.execute("SAVEPOINT jobs", [])?;
        let count = self.rows.jobs;
        match writes.iter().try_for_each(|write| self.job(write)) {
            Ok(()) => {}
            Err(Stop::Refused(refusal)) => {
                if !fault::JOBS_HALF_WRITTEN.planted() {
                    self.db.execute("ROLLBACK TO jobs", [])?;
                    self.rows.jobs = count;
                }
                self.db.execute("RELEASE jobs", [])?;
                return Err(refusal.into());
            }
            Err(broken) => return Err(broken),
        }
        self.db.execute("RELEASE jobs", [])?;
        let written = nothing(lsn, Outcome::New);
        for key in key.iter().chain(keeps) {
            self.remember(Some(key), &written)?;
        }
        Ok(written)
    }

    fn job(&mut self, write: &JobWrite) -> Result<(), Stop> {
        match write {
            JobWrite::Put(job) => self.put_job(job),
            JobWrite::Remove { id, states } => self.remove_job(id, states),
        }
    }

    fn put_job(&mut self, job: &PutJob) -> Result<(), Stop> {
        let found = self.find_job(&job.id)?;
        match (job.when, &found) {
            (When::New, Some(_)) => return Err(Refusal::JobExists.into()),
            (When::Attempt(_), None) => return Err(Refusal::OtherAttempt { current: None }.into()),
            _ => {}
        }
        // What it was is freed with the transaction.
        self.take_room(job.body.len())?;
        let PutJob { id, kind, state, attempt, body, when } = job;
        let made = found.as_ref().map_or(self.now, |found| found.made);
        let summed = Summed { id, kind, state, attempt: *attempt, body, made, touched: self.now };
        let (sum, now) = (summed.sum(), self.now);
        let Some(Found { number, attempt: current, .. }) = found else {
            self.count_new_job()?;
            let sql = "INSERT INTO job (id, kind, state, attempt, body, made, touched, sum) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            self.db.execute(sql, params![id, kind, state, attempt, body, made, now, sum])?;
            return Ok(());
        };
        let seen = match when {
            When::Attempt(seen) if !fault::ATTEMPT_IGNORED.planted() => *seen,
            _ => current,
        };
        let sql = "UPDATE job SET kind = ?2, state = ?3, attempt = ?4, body = ?5, touched = ?6, \
                   sum = ?7 WHERE number = ?1 AND attempt = ?8";
        let values = params![number, kind, state, attempt, body, now, sum, seen];
        match self.db.execute(sql, values)? {
            0 => Err(Refusal::OtherAttempt { current: Some(current) }.into()),
            _ => Ok(()),
        }
    }

    fn remove_job(&mut self, id: &str, states: &[Box<str>]) -> Result<(), Stop> {
        let removed = if states.is_empty() {
            self.db.execute("DELETE FROM job WHERE id = ?1", [id])?
        } else {
            let mut removed = 0;
            for state in states {
                let sql = "DELETE FROM job WHERE id = ?1 AND state = ?2";
                removed += self.db.execute(sql, params![id, state])?;
            }
            removed
        };
        if removed > 0 {
            self.rows.jobs = self.rows.jobs.map(|count| count.saturating_sub(1));
            return Ok(());
        }
        match self.find_job(id)? {
            None => Ok(()),
            Some(found) => Err(Refusal::OtherState { current: found.state.into() }.into()),
        }
    }

    fn find_job(&self, id: &str) -> Result<Option<Found>, Stop> {
        let sql = "SELECT number, state, attempt, made FROM job WHERE id = ?1";
        let mut find = self.db.reading().prepare_cached(sql)?;
        let found = find.query_row([id], |row| {
            let (number, state) = (row.get(0)?, row.get(1)?);
            Ok(Found { number, state, attempt: row.get(2)?, made: row.get(3)? })
        });
        Ok(found.optional()?)
    }

    fn count_new_job(&mut self) -> Result<(), Stop> {
        let limit = self.shared.config.max_jobs;
        let count = match self.rows.jobs {
            Some(count) => count,
            None => {
                self.db.reading().query_row("SELECT count(*) FROM job", [], |row| row.get(0))?
            }
        };
        self.rows.jobs = Some(count);
        if count >= limit {
            return Err(Refusal::TooManyJobs { limit }.into());
        }
        self.rows.jobs = Some(count + 1);
        Ok(())
    }
}

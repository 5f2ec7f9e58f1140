//! Was this write made before? The idempotency keys, in the transaction of the write.

use rusqlite::{OptionalExtension as _, params};

use super::{Stop, Writer, apply::nothing};
use crate::{
    error::Refusal,
    ids::{Epoch, Lsn, Tag},
    ops::Idempotency,
    receipt::{Outcome, Written},
};

/// How many keys are removed in one write of the upkeep.
const CHUNK: u64 = 500;

impl Writer {
    /// The answer that is kept for this key; None if the write is to be made.
    pub(super) fn replay(&self, key: Option<&Idempotency>) -> Result<Option<Written>, Stop> {
        let Some(key) = key.filter(|key| !key.aside) else { return Ok(None) };
        let sql = "SELECT fingerprint = ?3, answer, lsn, epoch, era, seq FROM idempotency \
                   WHERE scope = ?1 AND key = ?2 AND made >= ?4";
        let mut find = self.db.reading().prepare_cached(sql)?;
        let values = params![key.scope, key.key, key.fingerprint, self.oldest_key()];
        let found = find.query_row(values, |row| {
            let tag = Tag { era: row.get(4)?, seq: row.get(5)? };
            let answer: Vec<u8> = row.get(1)?;
            let outcome = Outcome::Replayed(answer.into());
            let (lsn, epoch) = (Lsn(row.get(2)?), Epoch(row.get(3)?));
            Ok((row.get::<_, bool>(0)?, Written { lsn, epoch, tag, outcome }))
        });
        match found.optional()? {
            None => Ok(None),
            Some((true, written)) => Ok(Some(written)),
            Some((false, _)) => Err(Refusal::KeyReused.into()),
        }
    }

    /// Keeps the key of a write that has been made.
    pub(super) fn remember(
        &mut self,
        key: Option<&Idempotency>,
        written: &Written,
    ) -> Result<(), Stop> {
        let Some(key) = key else { return Ok(()) };
        let Idempotency { scope, key, fingerprint, answer, only_new, .. } = key;
        if *only_new && written.outcome == Outcome::Same {
            return Ok(());
        }
        // One that is over its time and not removed yet makes way.
        let gone = self.db.execute(
            "DELETE FROM idempotency WHERE scope = ?1 AND key = ?2",
            params![scope, key],
        )?;
        let sql = "INSERT INTO idempotency (scope, key, fingerprint, answer, lsn, epoch, era, seq, \
                   made) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let (lsn, epoch, Tag { era, seq }) = (written.lsn.0, written.epoch.0, written.tag);
        let values = params![scope, key, fingerprint, answer, lsn, epoch, era, seq, self.now];
        self.db.execute(sql, values)?;
        let keys = match self.rows.keys {
            Some(keys) => keys + 1 - gone as u64,
            None => self.count_keys()?,
        };
        self.rows.keys = Some(keys);
        let over = keys.saturating_sub(self.shared.config.max_idempotency_keys).min(CHUNK);
        if over > 0 {
            let sql = "DELETE FROM idempotency WHERE id IN \
                       (SELECT id FROM idempotency ORDER BY id LIMIT ?1)";
            let evicted = self.db.execute(sql, [over])? as u64;
            self.rows.keys = Some(keys - evicted);
            self.shared.counters.keys_evicted.add(evicted);
        }
        Ok(())
    }

    /// Removes some of those that are over their time; [`Outcome::Same`] if there are no more.
    pub(super) fn forget_keys(&mut self, lsn: Lsn) -> Result<Written, Stop> {
        let sql = "DELETE FROM idempotency WHERE id IN \
                   (SELECT id FROM idempotency WHERE made < ?1 ORDER BY id LIMIT ?2)";
        let gone = self.db.execute(sql, params![self.oldest_key(), CHUNK])? as u64;
        self.rows.keys = self.rows.keys.map(|keys| keys.saturating_sub(gone));
        Ok(nothing(lsn, if gone < CHUNK { Outcome::Same } else { Outcome::New }))
    }

    /// The date before which a key no longer counts.
    fn oldest_key(&self) -> u64 {
        self.now.saturating_sub(self.shared.config.idempotency_ttl_us)
    }

    fn count_keys(&self) -> Result<u64, Stop> {
        let sql = "SELECT count(*) FROM idempotency";
        Ok(self.db.reading().query_row(sql, [], |row| row.get(0))?)
    }
}

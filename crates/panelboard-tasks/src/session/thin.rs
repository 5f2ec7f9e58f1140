//! What of a log is still needed to take its session up? For whoever keeps a snapshot in place of
//! the records before it.
//!
//! | record | stays |
//! | --- | --- |
//! | of a run that has not ended, or whose end is the last record | all but what it wrote |
//! | of a run that has | its beginning, start and end, while its key or its end is known |
//! | an answer with a key | while the key is known |
//! | the order that was given last to those who wait | until the next, or a clear |
//! | the last one, the last that changed the memory, the newest run's | always |
//!
//! The end that is the last record may be that of a step that a crash has cut: what the step still
//! had to write is found by the run's other records.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    ids::RunId,
    record::{Kind, Record},
};

/// Takes out of a log what is not needed to take its session up again: of ends and of keys the
/// newest `known` stay, which must be as many as [`SessionLimits`](crate::SessionLimits) says. What
/// stays of a run that has ended, stays without its body.
///
/// A session that is taken up from the rest is the same as from the whole, and so is one that is
/// taken up from the rest and the records that came after it. `record` says where in an entry the
/// record is.
///
/// ```
/// use panelboard_tasks::{Fence, Kind, Record, RunId, RunStatus, SessionId, thin};
///
/// let run = RunId(1);
/// let session = SessionId::new("chat-1")?;
/// let record = |seq, kind| {
///     let (session, body) = (session.clone(), "text".into());
///     Record { session, seq, term: 1, fence: Fence(1), era: 0, kind, body }
/// };
/// let mut log = vec![
///     record(1, Kind::Started { run }),
///     record(2, Kind::Appended { run, name: "message".into() }),
///     record(3, Kind::Appended { run, name: "message".into() }),
///     record(4, Kind::Finished { run, status: RunStatus::Succeeded, late: false }),
/// ];
/// thin(&mut log, 100, |entry| entry);
/// assert_eq!(log.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn thin<T>(log: &mut Vec<T>, known: usize, record: impl Fn(&mut T) -> &mut Record) {
    let needed = Needed::of(log.iter_mut().map(|entry| &*record(entry)), known);
    log.retain_mut(|entry| needed.keeps(record(entry)));
}

#[derive(Default)]
struct Needed {
    /// How each run ended, and in which record.
    ended: BTreeMap<RunId, u64>,
    /// Of those that have ended, the ones that are still known.
    known: BTreeSet<RunId>,
    /// Records that stay whatever they are.
    records: BTreeSet<u64>,
    /// The last that changed the memory.
    memory: u64,
    last: u64,
}

impl Needed {
    fn of<'a>(log: impl Iterator<Item = &'a Record>, known: usize) -> Self {
        let mut needed = Self::default();
        // In the order in which they are remembered.
        let (mut ends, mut keys) = (Vec::new(), Vec::new());
        let (mut newest, mut of_last, mut of_memory) = (None, None, None);
        let mut reordered = None;
        for Record { seq, kind, .. } in log {
            (needed.last, of_last) = (*seq, kind.run());
            newest = newest.max(kind.run());
            if kind.changes_the_memory() {
                (needed.memory, of_memory) = (*seq, kind.run());
            }
            match kind {
                Kind::Created { run, key: Some(_), .. } => keys.push((Some(*run), *seq)),
                Kind::Answered { key: Some(_), .. } => keys.push((None, *seq)),
                Kind::Reordered { .. } => reordered = Some(*seq),
                Kind::Cleared => reordered = None,
                Kind::Finished { run, .. } => {
                    needed.ended.insert(*run, *seq);
                    ends.push(*run);
                }
                _ => {}
            }
        }
        // Where something stays of a run that has ended, its end does.
        needed.known.extend([newest, of_last, of_memory].into_iter().flatten());
        needed.known.extend(ends.into_iter().rev().take(known));
        for (run, seq) in keys.into_iter().rev().take(known) {
            needed.known.extend(run);
            needed.records.insert(seq);
        }
        needed.records.extend([needed.memory, needed.last]);
        needed.records.extend(reordered);
        needed
    }

    /// Whether it stays; its body goes if it is not looked at.
    fn keeps(&self, record: &mut Record) -> bool {
        let named = self.records.contains(&record.seq);
        let written = matches!(
            record.kind,
            Kind::Appended { .. } | Kind::Noted { .. } | Kind::Replaced { .. }
        );
        let run = record.kind.run();
        let is_over = run.and_then(|run| self.ended.get(&run)).is_none_or(|end| *end < self.last);
        let of_one_that_goes_on = run.is_some_and(|run| !self.ended.contains_key(&run));
        let settled = is_over && !of_one_that_goes_on;
        if written || settled {
            record.body = Bytes::new();
        }
        if !settled {
            return named || !written;
        }
        let known = run.is_some_and(|run| self.known.contains(&run));
        match &mut record.kind {
            // Nobody is to take it for one that holds the slot, or what it said for memory.
            Kind::Created { queued, .. } => {
                *queued |= record.seq != self.memory;
                named || known
            }
            Kind::Started { .. } | Kind::Finished { .. } => named || known,
            _ => named,
        }
    }
}

//! How does a command go through: lock, step, write down, unlock, wake?

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use super::{JobsUnavailable, context::JobBody, share::Share, tell::Teller};
use crate::{
    clock::Clock,
    guarded::{Guarded, LockError},
    job::{
        Command, Effect, Given, JobId, JobLimits, JobRecord, JobWrite, Reply, Start, State, Step,
        step,
    },
    job_journal::JobJournal,
    journal::Lsn,
    runtime::Runtime,
    sync::{QUIET, QuietU64},
};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limits: JobLimits,
    pub(super) lock_deadline: Duration,
    pub(super) heartbeat: Duration,
    pub(super) boot: u64,
}

pub(super) type Kinds = HashMap<Arc<str>, Arc<dyn JobBody>>;

pub(super) struct Shared {
    pub(super) settings: Settings,
    /// All jobs, so that a list and the figures are of one instant.
    pub(super) board: Guarded<Board>,
    pub(super) journal: Arc<dyn JobJournal>,
    pub(super) kinds: Kinds,
    pub(super) teller: Option<Teller>,
    pub(super) runtime: Runtime,
    pub(super) clock: Clock,
    /// Raised after each step that did something. The dispatcher and the timer wait for it; that
    /// its sender is gone is their end.
    pub(super) news: watch::Sender<u64>,
    /// Things that a thread wanted to do and no longer might.
    pub(super) stale: QuietU64,
    /// When the timer beat last, in milliseconds of the clock.
    pub(super) beat_ms: QuietU64,
}

pub(super) struct Board {
    pub(super) state: State,
    pub(super) entries: BTreeMap<JobId, Entry>,
    /// Threads that are to be started, and what must be durable before. At most as many as permits.
    pub(super) starts: VecDeque<(Start, Lsn)>,
    /// What is to be told when it is durable. Bounded by what the journal takes.
    pub(super) untold: VecDeque<(Lsn, Told)>,
    pub(super) written: Lsn,
}

/// What a job has besides its state.
pub(super) struct Entry {
    pub(super) share: Arc<Share>,
    /// Where the journal was after its last write.
    pub(super) written: Lsn,
}

/// What is told of a write.
#[derive(PartialEq)]
pub(super) enum Told {
    Record(Box<JobRecord>),
    /// Only that it has ended: nobody hears of the rest.
    End(JobId),
    Removed(JobId),
}

impl Board {
    pub(super) fn new(state: State) -> Self {
        let share = |id: &JobId| {
            let entry = Entry { share: Arc::new(Share::new()), written: Lsn(0) };
            (*id, entry)
        };
        Self {
            entries: state.jobs.keys().map(share).collect(),
            state,
            starts: VecDeque::new(),
            untold: VecDeque::new(),
            written: Lsn(0),
        }
    }

    pub(super) fn share(&self, id: JobId) -> Option<Arc<Share>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.share))
    }

    /// P2: the order of the journal is the order of the steps. Nothing is woken here.
    pub(super) fn follow(
        &mut self,
        done: Step,
        journal: &dyn JobJournal,
        tells: bool,
    ) -> (Reply, Vec<Act>) {
        let Step { reply, writes, effects } = done;
        let mut acts = Vec::new();
        let mut told = Vec::new();
        for write in &writes {
            acts.extend(self.enter(write));
            told.extend(what_is_told(write, tells));
        }
        if !writes.is_empty() {
            let ids: Vec<JobId> = writes.iter().map(JobWrite::job).collect();
            self.written = journal.append(writes);
            for id in ids {
                if let Some(entry) = self.entries.get_mut(&id) {
                    entry.written = self.written;
                }
            }
        }
        self.untold.extend(told.into_iter().map(|told| (self.written, told)));
        for effect in effects {
            match effect {
                Effect::Start(start) => self.starts.push_back((start, self.written)),
                Effect::News(id) => acts.extend(self.share(id).map(Act::Ring)),
            }
        }
        (reply, acts)
    }

    fn enter(&mut self, write: &JobWrite) -> Option<Act> {
        match write {
            JobWrite::Put(record) => {
                let id = record.row.id;
                let new = || Entry { share: Arc::new(Share::new()), written: Lsn(0) };
                let entry = self.entries.entry(id).or_insert_with(new);
                Some(Act::Changed(Arc::clone(&entry.share)))
            }
            JobWrite::Remove { job, .. } => {
                self.entries.remove(job).map(|entry| Act::Changed(entry.share))
            }
        }
    }
}

fn what_is_told(write: &JobWrite, tells: bool) -> Option<Told> {
    match write {
        JobWrite::Put(record) if tells => Some(Told::Record(record.clone())),
        JobWrite::Put(record) if record.row.state.is_terminal() => Some(Told::End(record.row.id)),
        JobWrite::Put(_) => None,
        JobWrite::Remove { job, .. } => tells.then_some(Told::Removed(*job)),
    }
}

/// What is left to do after the lock was given back.
pub(super) enum Act {
    Ring(Arc<Share>),
    Changed(Arc<Share>),
}

impl Shared {
    pub(super) fn given(&self) -> Given<'_> {
        given(self.clock, &self.settings.limits)
    }

    /// One step, and what follows from it. Answers what its reply depends on.
    pub(super) fn apply(&self, command: Command) -> Result<(Reply, Lsn), JobsUnavailable> {
        if command.grows_the_journal() && !self.journal.has_room() {
            return Err(JobsUnavailable::JournalFull);
        }
        let stepped = self.board.with(|board| {
            // Within the lock, so that the times of the steps are in their order.
            let done = step(&mut board.state, command, self.given());
            let (reply, acts) = board.follow(done, &*self.journal, self.teller.is_some());
            (reply, acts, board.written)
        });
        let (reply, acts, at) = stepped.map_err(JobsUnavailable::Lock)?;
        if reply == Reply::Taken(false) {
            self.stale.fetch_add(1, QUIET);
        }
        self.act(acts);
        Ok((reply, at))
    }

    pub(super) fn act(&self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Ring(share) => share.bell.ring(),
                Act::Changed(share) => share.changed(),
            }
        }
        self.news.send_modify(|count| *count += 1);
    }

    /// As [`apply`](Self::apply), from a thread that may wait for the lock for as long as it takes.
    /// `None`: it is not to be had any more.
    pub(super) fn insist(&self, command: &Command) -> Option<(Reply, Lsn)> {
        loop {
            match self.apply(command.clone()) {
                Ok(done) => return Some(done),
                Err(JobsUnavailable::Lock(LockError::Timeout)) => {}
                Err(_) => return None,
            }
        }
    }

    /// P3: one step, answered when what it tells would survive.
    pub(super) async fn ask(&self, command: Command) -> Result<Reply, JobsUnavailable> {
        let (reply, at) = self.apply(command)?;
        self.kept(at).await?;
        Ok(reply)
    }

    pub(super) async fn kept(&self, at: Lsn) -> Result<(), JobsUnavailable> {
        if self.journal.is_durable(at) {
            return Ok(());
        }
        self.journal.durable(at).await.map_err(|_| JobsUnavailable::NotKept)
    }

    /// Looks, and waits until what was seen would survive.
    pub(super) async fn look<R>(
        &self,
        look: impl FnOnce(&Board) -> (R, Lsn),
    ) -> Result<R, JobsUnavailable> {
        let (seen, at) = self.board.with(|board| look(board)).map_err(JobsUnavailable::Lock)?;
        self.kept(at).await?;
        Ok(seen)
    }
}

pub(super) fn given(clock: Clock, limits: &JobLimits) -> Given<'_> {
    let now = clock.now();
    Given { now, wall_ms: clock.wall_ms(now), limits }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.kinds.keys().collect();
        f.debug_struct("Jobs")
            .field("settings", &self.settings)
            .field("kinds", &kinds)
            .finish_non_exhaustive()
    }
}

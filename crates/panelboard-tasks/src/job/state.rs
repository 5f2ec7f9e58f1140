//! What do jobs remember between two steps?
//!
//! | from | what happens | to |
//! | --- | --- | --- |
//! | - | it is taken | queued |
//! | queued | it gets a permit | starting, with the next attempt |
//! | queued | stop; its time in the queue is over | stopped; expired: no body is ever entered |
//! | queued | pause, resume | queued: it keeps its place, and is held or not |
//! | starting | its thread reports in | running, or pausing if it is held |
//! | running | pause | pausing |
//! | pausing | its thread comes to a checkpoint; resume | paused, its permit given back; running |
//! | paused | resume | resuming, in the queue; running if it kept its permit |
//! | resuming | it gets a permit; pause | running; paused |
//! | any of these since starting | stop, its time is over, the program stops | stopping |
//! | any of these since starting | its thread ends | completed, failed |
//! | stopping | its thread ends | stopped; failed if it took too long |
//! | running, pausing | its lease ends with nothing heard | stopping |
//! | stopping, as its lease ended | its thread ends | queued if it may be run again, lost |
//! | stopping, as the program stops | its thread ends | queued for the next life, lost, stopped |
//! | stopping | its grace is over | stopping and stuck: its permit stays held |
//! | any of these since starting | another life of the process finds it | queued, lost, stopped |
//!
//! Invariants (numbers as in the tests)
//! - J1, J2: a permit is the field `permit` of a job, and `held` counts these. It is given in
//!   `hand_out`, and given back when the thread has ended or is parked. There is no other owner
//!   that could be dropped, cancelled or forgotten.
//! - J10: a lease that ends ends no attempt. The permit and the number of the attempt stay the
//!   thread's until it is gone, so a second never runs beside it.
//! - J4: no step changes a job that has ended, but to remove it. J5: nor one that people stopped
//!   into one that they did not.
//! - L5: who waits is found by [`Job::wants_a_permit`] after each change, and every step ends in
//!   `hand_out`: so no end forgets those who wait.
//! - What is found by another order than that of the jobs (`waiting`, `due`, `ended`, `expiring`,
//!   `counts`) is derived from them in `change`, and nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    command::Given,
    id::JobId,
    row::{Desired, JobRow, JobState},
};
use crate::fault;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// This life of the process.
    pub(crate) boot: u64,
    pub(crate) life: Life,
    pub(crate) last_number: u64,
    pub(super) last_arrival: u64,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// The keys of those jobs that have one.
    pub(super) keys: BTreeMap<Arc<str>, JobId>,
    /// J1: permits that jobs have.
    pub(crate) held: usize,
    /// Who wants a permit, in the order in which they get one.
    pub(super) waiting: BTreeSet<Place>,
    /// When something is to happen to a job by itself.
    pub(super) due: BTreeSet<(Duration, JobId)>,
    /// What may be removed, by its end.
    pub(super) ended: BTreeSet<(u64, JobId)>,
    /// The same, by when its time is over.
    pub(super) expiring: BTreeSet<(u64, JobId)>,
    /// How many are in each state.
    pub(crate) counts: [usize; JobState::ALL.len()],
}

/// What jobs are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    Serving,
    /// No new jobs, and none is started.
    Draining,
}

/// A place in the queue: first by when it came less what its priority is worth, then as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(super) rank_ms: i64,
    pub(super) arrival: u64,
    pub(super) job: JobId,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub(crate) row: JobRow,
    /// J1: it has a permit.
    pub(crate) permit: bool,
    /// Its end is durable and was told.
    pub(crate) finalised: bool,
    pub(super) place: Place,
    /// While it was not started yet.
    pub(super) expires_at: Option<Duration>,
    pub(super) not_before: Option<Duration>,
    /// Of this attempt.
    pub(super) timeout_at: Option<Duration>,
    /// Of its grace, while it is stopping.
    pub(super) deadline: Option<Duration>,
    /// How long it is known after its end.
    pub(super) keep_ms: u64,
    /// When it is looked next whether its body has said something, while a lease runs.
    pub(super) look_at: Option<Duration>,
    /// Looks in a row at which it had said nothing.
    pub(super) silent: u8,
    /// Where it stands in the orders that are derived.
    pub(super) waits: bool,
    pub(super) due: Option<Duration>,
    pub(super) removable: bool,
}

/// So many looks in a row at which nothing was heard end a lease; they are a lease's length apart
/// together. More than one, so that a process that stood still does not blame its threads for it.
pub(super) const LOOKS: u8 = 3;

impl Job {
    /// A job that nothing was derived from yet.
    pub(super) fn new(row: JobRow, place: Place, given: Given<'_>) -> Self {
        let own = row.options.retention.filter(|_| !fault::RETENTION_IGNORED.planted());
        let keep = own.unwrap_or(given.limits.retention);
        Self {
            row,
            keep_ms: u64::try_from(keep.as_millis()).unwrap_or(u64::MAX),
            look_at: None,
            silent: 0,
            permit: false,
            finalised: false,
            place,
            expires_at: None,
            not_before: None,
            timeout_at: None,
            deadline: None,
            waits: false,
            due: None,
            removable: false,
        }
    }

    /// Whether it is in the queue. One that is held is not, and comes back to its place.
    pub(super) fn wants_a_permit(&self) -> bool {
        match self.row.state {
            JobState::Queued => self.row.desired == Desired::Run && self.not_before.is_none(),
            JobState::Resuming => true,
            _ => false,
        }
    }

    /// When something happens to it by itself.
    pub(super) fn next_due(&self) -> Option<Duration> {
        match self.row.state {
            JobState::Queued => {
                let times = [self.expires_at, self.not_before];
                times.into_iter().flatten().min()
            }
            JobState::Stopping => self.deadline,
            state if state.is_terminal() => None,
            _ => self.timeout_at.into_iter().chain(self.look_at).min(),
        }
    }

    /// Its lease begins where its body begins or goes on, and rests while the body may not speak.
    pub(super) fn lease_follows(&mut self, now: Duration) {
        match self.row.state {
            JobState::Running | JobState::Pausing if self.look_at.is_some() => {}
            JobState::Running | JobState::Pausing => self.renew(now),
            _ => (self.look_at, self.silent) = (None, 0),
        }
    }

    /// The lease, if there is one, begins again.
    pub(super) fn renew(&mut self, now: Duration) {
        self.silent = 0;
        self.look_again(now);
    }

    pub(super) fn look_again(&mut self, now: Duration) {
        let lease = self.row.options.lease;
        self.look_at = lease.map(|lease| now.saturating_add(lease / u32::from(LOOKS)));
    }

    /// J7: whether it may be removed, but for its age.
    pub(super) fn is_removable(&self) -> bool {
        self.row.state.is_terminal() && self.finalised && !self.row.options.pinned
    }

    pub(super) fn ended_ms(&self) -> u64 {
        self.row.ended_ms.unwrap_or(0)
    }

    /// When its time is over.
    pub(super) fn gone_ms(&self) -> u64 {
        self.ended_ms().saturating_add(self.keep_ms)
    }

    pub(crate) fn view(&self) -> JobView {
        JobView { row: self.row.clone(), permit: self.permit }
    }
}

impl State {
    pub(crate) fn new(boot: u64) -> Self {
        Self {
            boot,
            life: Life::Serving,
            last_number: 0,
            last_arrival: 0,
            jobs: BTreeMap::new(),
            keys: BTreeMap::new(),
            held: 0,
            waiting: BTreeSet::new(),
            due: BTreeSet::new(),
            ended: BTreeSet::new(),
            expiring: BTreeSet::new(),
            counts: [0; JobState::ALL.len()],
        }
    }

    pub(crate) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id)
    }

    pub(super) fn count(&self, state: JobState) -> usize {
        self.counts[state as usize]
    }

    /// Jobs whose threads are parked, or will be at their next checkpoint.
    pub(super) fn parked(&self) -> usize {
        let parks = JobState::ALL.iter().filter(|state| state.parks());
        parks.map(|state| self.count(*state)).sum()
    }

    /// Those that have a thread.
    pub(crate) fn live(&self) -> usize {
        let live = JobState::ALL.iter().filter(|state| state.is_live());
        live.map(|state| self.count(*state)).sum()
    }

    /// When the next [`Command::Tick`](super::Command::Tick) has something to do.
    pub(crate) fn next_due(&self, given: Given<'_>) -> Option<Duration> {
        let job = self.due.first().map(|(at, _)| *at);
        let first = self.expiring.first().map(|(gone_ms, _)| {
            let left = Duration::from_millis(gone_ms.saturating_sub(given.wall_ms));
            given.now.saturating_add(left)
        });
        job.into_iter().chain(first).min()
    }

    /// The attempts whose lease is to be looked at by now.
    pub(crate) fn looked_at(&self, now: Duration) -> impl Iterator<Item = (JobId, u32)> {
        let due = self.due.iter().take_while(move |(at, _)| *at <= now);
        let jobs = due.filter_map(|(_, id)| self.jobs.get(id));
        let looked = jobs.filter(move |job| job.look_at.is_some_and(|at| at <= now));
        looked.map(|job| (job.row.id, job.row.attempt))
    }

    pub(super) fn next_place(&mut self, id: JobId, priority: u8, given: Given<'_>) -> Place {
        self.last_arrival += 1;
        let worth = given.limits.priority_step.as_millis().saturating_mul(priority.into());
        let ms = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
        let rank_ms = ms(given.now.as_millis()).saturating_sub(ms(worth));
        Place { rank_ms, arrival: self.last_arrival, job: id }
    }

    /// Changes a job, and with it all that is derived from it.
    pub(super) fn change<R>(&mut self, id: JobId, edit: impl FnOnce(&mut Job) -> R) -> Option<R> {
        let job = self.jobs.get_mut(&id)?;
        let had = (job.row.state, job.permit);
        if job.waits {
            self.waiting.remove(&job.place);
        }
        if let Some(at) = job.due.take() {
            self.due.remove(&(at, id));
        }
        if job.removable {
            self.ended.remove(&(job.ended_ms(), id));
            self.expiring.remove(&(job.gone_ms(), id));
        }
        let answer = edit(job);
        self.counts[had.0 as usize] -= 1;
        self.counts[job.row.state as usize] += 1;
        self.held = self.held + usize::from(job.permit) - usize::from(had.1);
        self.derive(id);
        Some(answer)
    }

    fn derive(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.waits = job.wants_a_permit();
        job.due = job.next_due();
        job.removable = job.is_removable();
        if job.waits {
            self.waiting.insert(job.place);
        }
        if let Some(at) = job.due {
            self.due.insert((at, id));
        }
        if job.removable {
            self.ended.insert((job.ended_ms(), id));
            self.expiring.insert((job.gone_ms(), id));
        }
    }

    /// One more job. Its id was not there.
    pub(super) fn insert(&mut self, job: Job) {
        let id = job.row.id;
        self.counts[job.row.state as usize] += 1;
        if let Some(key) = &job.row.key {
            self.keys.insert(key.name().into(), id);
        }
        self.jobs.insert(id, job);
        self.derive(id);
    }

    /// One less.
    pub(super) fn take_out(&mut self, id: JobId) {
        // What is derived from it goes by a change to one of which nothing is.
        self.change(id, |job| {
            job.permit = false;
            job.finalised = false;
            job.row.desired = Desired::Stop;
        });
        let Some(job) = self.jobs.remove(&id) else { return };
        self.counts[job.row.state as usize] -= 1;
        if let Some(at) = job.due {
            self.due.remove(&(at, id));
        }
        self.waiting.remove(&job.place);
        if let Some(key) = &job.row.key {
            self.keys.remove(key.name());
        }
    }
}

/// A job at one instant.
///
/// ```
/// use panelboard_tasks::JobView;
///
/// fn is_unwell(job: &JobView) -> bool {
///     job.row.stuck && job.permit
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobView {
    /// All that is written down of it.
    pub row: JobRow,
    /// It has a permit.
    pub permit: bool,
}

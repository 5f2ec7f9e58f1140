//! `step`: what each command does in each state. Pure and total; the only place that decides.
//!
//! # When does each thing take place?
//! At the step. A stop and the end of a body race by who is first: if the body is, it has its own
//! end and the stop changes nothing; if the stop is, the job is stopped, whatever its body answers.
//!
//! # Who gets the next permit?
//! Every step ends in `hand_out`, so a permit that was given back is given on in the same step.
//! Nobody who waits must be polled, woken or alive for that.

mod clean;
mod people;
mod submit;
mod time;
mod worker;

pub(super) use worker::requeue;

use super::{
    command::{Command, Given},
    effect::{Effect, Start},
    id::JobId,
    reply::Reply,
    row::{Desired, JobEvent, JobRecord, JobState, JobWhy, JobWrite},
    state::{Job, Life, State},
};
use crate::fault;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) reply: Reply,
    pub(crate) writes: Vec<JobWrite>,
    pub(crate) effects: Vec<Effect>,
}

/// Does `command`.
pub(crate) fn step(state: &mut State, command: Command, given: Given<'_>) -> Step {
    let mut steps = Steps { state, given, writes: Vec::new(), effects: Vec::new() };
    let reply = steps.decide(command);
    steps.hand_out();
    Step { reply, writes: steps.writes, effects: steps.effects }
}

/// A step that is under way.
pub(super) struct Steps<'a> {
    pub(super) state: &'a mut State,
    pub(super) given: Given<'a>,
    pub(super) writes: Vec<JobWrite>,
    pub(super) effects: Vec<Effect>,
}

impl Steps<'_> {
    fn decide(&mut self, command: Command) -> Reply {
        match command {
            Command::Submit(job) => self.submit(job),
            Command::Pause(job) => self.pause(job),
            Command::Resume(job) => self.resume(job),
            Command::Stop(job) => self.stop(job),
            Command::Delete(job) => self.delete(job, None),
            Command::MoveOnce { job, what, key } => self.move_once(job, what, key),
            Command::DeleteOnce { job, key } => self.delete(job, Some(key)),
            Command::Cleanup(cleanup) => self.clean_up(&cleanup),
            Command::Entered { job, attempt } => self.entered(job, attempt),
            Command::Checkpoint { job, attempt } => self.checkpoint(job, attempt),
            Command::Progress { job, attempt, progress } => self.progress(job, attempt, progress),
            Command::Save { job, attempt, saved } => self.save(job, attempt, saved),
            Command::Exit { job, attempt, outcome, told, progress } => {
                self.exit((job, attempt), outcome, told, progress)
            }
            Command::Heard(heard) => self.heard(&heard),
            Command::Tick => self.tick(),
            Command::Finalised(job) => self.finalised(job),
            Command::Drain => self.drain(),
            Command::Halt => self.halt(),
        }
    }

    /// Changes a job that is there, and writes it down.
    pub(super) fn change(&mut self, id: JobId, event: JobEvent, edit: impl FnOnce(&mut Job)) {
        let row = self.state.change(id, |job| {
            edit(job);
            job.row.seq += u64::from(event.is_numbered());
            job.row.clone()
        });
        let Some(row) = row else { return };
        self.writes.push(JobWrite::Put(Box::new(JobRecord { event, row })));
    }

    /// Moves a job that is there.
    pub(super) fn to(&mut self, id: JobId, state: JobState, edit: impl FnOnce(&mut Job)) {
        let now = self.given.now;
        self.change(id, JobEvent::State, |job| {
            job.row.state = state;
            edit(job);
            job.lease_follows(now);
        });
    }

    /// J4: the one place where a job ends.
    pub(super) fn end(&mut self, id: JobId, state: JobState, edit: impl FnOnce(&mut Job)) {
        let now = self.given.wall_ms;
        self.to(id, state, |job| {
            job.permit = false;
            job.row.ended_ms = Some(now);
            job.row.stuck = false;
            edit(job);
        });
    }

    /// L5: whoever waits gets what is free. J19: what expired or was stopped does not wait.
    fn hand_out(&mut self) {
        let permits = self.given.limits.permits + usize::from(fault::PERMIT_TOO_MANY.planted());
        while self.state.life == Life::Serving && self.state.held < permits {
            let Some(place) = self.state.waiting.first().copied() else { return };
            match self.state.job(place.job).map(|job| job.row.state) {
                Some(JobState::Resuming) => {
                    self.to(place.job, JobState::Running, |job| job.permit = true);
                    self.effects.push(Effect::News(place.job));
                }
                _ => self.start(place.job),
            }
        }
    }

    /// J3: each start has the next number, which is written down before the thread is there.
    fn start(&mut self, id: JobId) {
        let (now, wall_ms, boot) = (self.given.now, self.given.wall_ms, self.state.boot);
        self.to(id, JobState::Starting, |job| {
            job.permit = true;
            job.expires_at = None;
            job.timeout_at = job.row.options.timeout.map(|timeout| now.saturating_add(timeout));
            job.row.attempt += 1;
            job.row.boot = boot;
            job.row.started_ms = Some(wall_ms);
            job.row.not_before_ms = None;
            // J13: it is monotone within an attempt, so that begins without any.
            job.row.progress = None;
        });
        let Some(row) = self.state.job(id).map(|job| &job.row) else { return };
        self.effects.push(Effect::Start(Start {
            job: id,
            attempt: row.attempt,
            kind: row.kind.clone(),
            args: row.args.clone(),
            saved: row.saved.clone(),
        }));
    }

    /// Tells a job that has a thread to stop: wakes it if it is parked. J1: the permit that it has
    /// stays where it is until the thread has ended; one that is paused unwinds without.
    pub(super) fn tell_to_stop(&mut self, id: JobId, why: JobWhy) {
        let deadline = self.given.now.saturating_add(self.given.limits.grace);
        self.to(id, JobState::Stopping, |job| {
            job.row.why = Some(why);
            job.deadline = Some(deadline);
            // J5: the end of a program is nothing that people want of the job.
            if why == JobWhy::Asked {
                job.row.desired = Desired::Stop;
            }
            if fault::PERMIT_FREED_AT_STOP.planted() {
                job.permit = false;
            }
        });
        self.effects.push(Effect::News(id));
    }
}

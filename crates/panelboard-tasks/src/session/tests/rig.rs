//! A session by hand: commands with a clock and limits of the test's own, and the log of it.

use std::time::Duration;

use super::laws;
use crate::session::{
    CancelMode, ClearMode, Command, ConnId, Exclusive, Fence, Given, IdempotencyKey, Kind,
    OnDisconnect, Outcome, Policy, Record, Reply, RunId, RunStatus, SessionId, SessionLimits,
    State, Step, StopReason, Submission, Timer, effect::Effect, ids::Fingerprint, step,
};

pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const ABORT_GRACE: Duration = Duration::from_secs(7);

pub(super) fn limits() -> SessionLimits {
    SessionLimits {
        queue: 2,
        input_bytes: 8,
        key_bytes: 4,
        keys: 3,
        ended: 64,
        connections: 2,
        grace: GRACE,
        abort_grace: ABORT_GRACE,
        exclusive: Exclusive::Physical,
        leaving: 1,
    }
}

pub(super) fn id() -> SessionId {
    SessionId::new("s").expect("a good name")
}

pub(super) fn key(name: &str, fingerprint: u128) -> IdempotencyKey {
    IdempotencyKey::new(name, Fingerprint(fingerprint))
}

pub(super) struct Rig {
    pub(super) state: State,
    pub(super) now: Duration,
    pub(super) log: Vec<Record>,
    pub(super) effects: Vec<Effect>,
    pub(super) zombie_place: bool,
    pub(super) limits: SessionLimits,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self {
            state: State::new(id(), 1),
            now: Duration::ZERO,
            log: vec![],
            effects: vec![],
            zombie_place: true,
            limits: limits(),
        }
    }

    /// One whose slot is exclusive by fences alone.
    pub(super) fn logical() -> Self {
        let limits = SessionLimits { exclusive: Exclusive::Logical, ..limits() };
        Self { limits, ..Self::new() }
    }

    /// Does a command, and checks that the step broke no law.
    pub(super) fn command(&mut self, command: Command) -> Reply {
        let limits = self.limits.clone();
        let given = Given { now: self.now, limits: &limits, zombie_place: self.zombie_place };
        let before = self.state.clone();
        let Step { reply, records, effects } = step(&mut self.state, command.clone(), given);
        let done = Step { reply: reply.clone(), records, effects };
        laws::check(&before, &command, &done, &self.state, &limits);
        self.log.extend(done.records);
        self.effects = done.effects;
        reply
    }

    pub(super) fn submit(&mut self, policy: Policy) -> Reply {
        self.command(Command::Submit(Submission::new("in").policy(policy)))
    }

    /// A run that holds the slot, with its body entered.
    pub(super) fn running(&mut self) -> (RunId, Fence) {
        self.submit(Policy::Reject);
        let fence = self.started();
        (self.state.last_run, fence)
    }

    /// Enters the body of the run that holds the slot.
    pub(super) fn started(&mut self) -> Fence {
        let fence = self.spawned().expect("something was spawned");
        assert_eq!(self.command(Command::Spawned { fence }), Reply::Spawned(Ok(())));
        fence
    }

    /// The fence of the task that the last step spawned.
    pub(super) fn spawned(&self) -> Option<Fence> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Spawn(spawn) => Some(spawn.fence),
            _ => None,
        })
    }

    pub(super) fn exit(&mut self, fence: Fence, outcome: Outcome) -> Reply {
        self.command(Command::Exit { fence, outcome })
    }

    pub(super) fn ok(&mut self, fence: Fence) -> Reply {
        self.exit(fence, Outcome::Ok("out".into()))
    }

    pub(super) fn append(&mut self, fence: Fence) -> Reply {
        self.command(Command::Append { fence, name: "item".into(), body: "x".into() })
    }

    pub(super) fn cancel(&mut self, run: impl Into<Option<RunId>>) -> Reply {
        let run = run.into();
        self.command(Command::Cancel { run, mode: CancelMode::Graceful, rollback: false })
    }

    pub(super) fn clear(&mut self) -> Reply {
        self.command(Command::Clear(ClearMode::CancelAndClear))
    }

    pub(super) fn attach(&mut self, connection: u64) -> Reply {
        self.command(Command::Attach(ConnId(connection)))
    }

    pub(super) fn detach(&mut self, connection: u64) -> Reply {
        self.command(Command::Detach(ConnId(connection)))
    }

    /// Lets the timer of the last step come due.
    pub(super) fn elapse(&mut self) -> Reply {
        let armed = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Arm(at, timer) => Some((*at, timer.clone())),
            _ => None,
        });
        let (at, timer) = armed.expect("a timer was armed");
        self.now = self.now.max(at);
        self.command(Command::Elapsed(timer))
    }

    pub(super) fn status(&self, run: u64) -> Option<RunStatus> {
        self.state.status(RunId(run))
    }

    pub(super) fn aborts(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Abort(_)))
    }

    pub(super) fn tells(&self, reason: StopReason) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Stop(_, why) if *why == reason))
    }

    /// The names of the records from a seq on.
    pub(super) fn names(&self, after: u64) -> Vec<&'static str> {
        let newer = self.log.iter().filter(|record| record.seq > after);
        newer.map(|record| record.kind.name()).collect()
    }

    pub(super) fn lingering(&mut self, linger: Duration) -> Reply {
        let policy = OnDisconnect::CancelAfter(linger);
        self.command(Command::Submit(Submission::new("in").on_disconnect(policy)))
    }

    pub(super) fn armed(&self) -> Vec<Timer> {
        let timer = |effect: &Effect| match effect {
            Effect::Arm(_, timer) => Some(timer.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(timer).collect()
    }

    pub(super) fn finished(&self, run: u64) -> Vec<RunStatus> {
        let ends = self.log.iter().filter_map(|record| match record.kind {
            Kind::Finished { run: ended, status, .. } if ended == RunId(run) => Some(status),
            _ => None,
        });
        ends.collect()
    }
}

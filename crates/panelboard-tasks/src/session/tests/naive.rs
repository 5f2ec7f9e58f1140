//! Does a session do what a naive one does, that knows neither fences nor effects?
//!
//! The naive one below is also the shortest description of the policies.

use proptest::prelude::*;

use super::rig::Rig;
use crate::session::{
    ClearMode, Command, Fence, Outcome, Place, Policy, Refused, Reply, RunId, RunStatus,
    state::Slot,
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Submit(Policy),
    /// The body is entered.
    Enter,
    ReadSteer,
    Exit(bool),
    /// The task that gave the slot up first ends.
    Leave,
    /// Of the run so many before the newest.
    Cancel(u64),
    /// Of that one, to this place.
    Arrange(u64, Place),
    Clear(ClearMode),
    /// The timer of the stop comes due.
    Patience,
}

const QUEUE: usize = 2;

/// At most one task. Runs by number, with what has become of each.
#[derive(Default)]
struct Naive {
    status: Vec<RunStatus>,
    /// The run whose task has not ended.
    task: Option<usize>,
    /// How it ends, if it was told to stop.
    end: Option<RunStatus>,
    /// It has ended already: only its task is left.
    cleared: bool,
    aborted: bool,
    /// Runs start beside tasks that were told to stop, of which this many are left.
    logical: bool,
    leaving: usize,
    urgent: Option<usize>,
    waits: Vec<usize>,
    steers: Vec<usize>,
    /// Those who waited when somebody last gave an order, in it.
    arranged: Vec<usize>,
}

impl Naive {
    fn op(&mut self, op: Op) {
        self.do_it(op);
        self.hand_over();
    }

    fn do_it(&mut self, op: Op) {
        match op {
            Op::Submit(policy) => self.submit(policy),
            Op::Enter => {
                if let Some(run) = self.active()
                    && self.status[run] == RunStatus::Starting
                {
                    self.status[run] = RunStatus::Running;
                }
            }
            Op::ReadSteer => {
                let running = self.active().is_some_and(|it| self.status[it] == RunStatus::Running);
                if running && !self.steers.is_empty() {
                    let steer = self.steers.remove(0);
                    self.status[steer] = RunStatus::Consumed;
                }
            }
            Op::Exit(ok) => self.exit(if ok { RunStatus::Succeeded } else { RunStatus::Failed }),
            Op::Leave => self.leaving = self.leaving.saturating_sub(1),
            Op::Cancel(back) => self.cancel(back),
            Op::Arrange(back, to) => self.arrange(back, to),
            Op::Clear(mode) => {
                if mode == ClearMode::CancelAndClear || self.task.is_none() {
                    self.clear();
                }
            }
            Op::Patience => match (self.end.is_some() || self.cleared, self.aborted) {
                (true, true) => self.exit(RunStatus::Lost),
                (stopping, _) => self.aborted = stopping && self.task.is_some(),
            },
        }
    }

    fn active(&self) -> Option<usize> {
        self.task.filter(|_| !self.cleared)
    }

    /// Whether the task that was told to stop need not be waited for.
    fn may_go(&self) -> bool {
        let told = self.task.is_some() && (self.end.is_some() || self.cleared);
        self.logical && told && self.leaving == 0
    }

    fn hand_over(&mut self) {
        let waits = self.urgent.is_some() || !self.waits.is_empty() || !self.steers.is_empty();
        if waits && self.may_go() {
            self.leaving += 1;
            self.exit(RunStatus::Lost);
        }
    }

    fn submit(&mut self, policy: Policy) {
        if self.may_go() {
            self.leaving += 1;
            self.exit(RunStatus::Lost);
        }
        let full = self.waits.len() + self.steers.len() == QUEUE;
        let (run, idle) = (self.status.len(), self.task.is_none());
        if !idle && (policy == Policy::Reject) {
            return;
        }
        if !idle && full && matches!(policy, Policy::Enqueue | Policy::Steer) {
            return;
        }
        self.status.push(RunStatus::Queued);
        match policy {
            _ if idle => self.start(run),
            Policy::Interrupt | Policy::Rollback => {
                if let Some(earlier) = self.urgent.replace(run) {
                    self.status[earlier] = RunStatus::Superseded;
                }
                let rolls_back = policy == Policy::Rollback;
                let end = if rolls_back { RunStatus::RolledBack } else { RunStatus::Superseded };
                if rolls_back && self.end == Some(RunStatus::Superseded) {
                    self.end = Some(end);
                }
                self.stop(end);
            }
            Policy::Steer if self.active().is_some() && self.end.is_none() => self.steers.push(run),
            _ => self.waits.push(run),
        }
    }

    fn start(&mut self, run: usize) {
        (self.task, self.end, self.cleared, self.aborted) = (Some(run), None, false, false);
        self.status[run] = RunStatus::Starting;
    }

    fn stop(&mut self, end: RunStatus) {
        if let Some(run) = self.active()
            && self.end.is_none()
        {
            self.end = Some(end);
            self.status[run] = RunStatus::Stopping;
        }
    }

    fn exit(&mut self, own: RunStatus) {
        let Some(run) = self.task.take() else { return };
        if !self.cleared {
            self.status[run] = self.end.unwrap_or(own);
        }
        self.waits.append(&mut self.steers);
        let arranged = &self.arranged;
        self.waits.sort_by_key(|run| {
            (arranged.iter().position(|named| named == run).unwrap_or(usize::MAX), *run)
        });
        let first = |waits: &mut Vec<usize>| (!waits.is_empty()).then(|| waits.remove(0));
        if let Some(next) = self.urgent.take().or_else(|| first(&mut self.waits)) {
            self.start(next);
        }
    }

    fn cancel(&mut self, back: u64) {
        let Some(run) = (self.status.len() as u64).checked_sub(back + 1) else { return };
        let run = run as usize;
        if self.active() == Some(run) {
            self.stop(RunStatus::Cancelled);
        } else if self.status[run] == RunStatus::Queued {
            self.status[run] = RunStatus::Cancelled;
            self.urgent.take_if(|urgent| *urgent == run);
            self.waits.retain(|waits| *waits != run);
            self.steers.retain(|steer| *steer != run);
        }
    }

    fn arrange(&mut self, back: u64, to: Place) {
        let Some(run) = (self.status.len() as u64).checked_sub(back + 1) else { return };
        let run = run as usize;
        let waits = self.waits.contains(&run);
        let steers = self.steers.contains(&run);
        let reads = self.active().is_some() && self.end.is_none();
        match to {
            Place::Steer if waits && reads => {
                self.waits.retain(|one| *one != run);
                self.steers.push(run);
            }
            Place::At(at) if waits || steers => {
                self.waits.retain(|one| *one != run);
                self.steers.retain(|one| *one != run);
                self.waits.insert(at.min(self.waits.len()), run);
            }
            _ => return,
        }
        self.arranged.clone_from(&self.waits);
    }

    fn clear(&mut self) {
        self.arranged.clear();
        let active = self.active();
        let queued = self.urgent.take().into_iter().chain(self.waits.drain(..));
        for run in queued.chain(self.steers.drain(..)).chain(active) {
            self.status[run] = RunStatus::Cancelled;
        }
        // A task that is stopping keeps its patience.
        self.cleared = self.task.is_some();
    }
}

/// The same on the real one.
pub(super) fn real(rig: &mut Rig, op: Op) {
    let fence = match &rig.state.slot {
        Slot::Idle => Fence(0),
        Slot::Active(active) => active.fence,
        Slot::Draining(leaving) => leaving.fence,
    };
    match op {
        Op::Submit(policy) => {
            let reply = rig.submit(policy);
            let known = matches!(
                reply,
                Reply::Submitted(_) | Reply::Refused(Refused::Busy { .. } | Refused::QueueFull)
            );
            assert!(known, "{reply:?}");
        }
        Op::Enter => {
            // A task enters its body once.
            if rig.state.holder().is_some_and(|(_, status)| status != RunStatus::Running) {
                rig.command(Command::Spawned { fence });
            }
        }
        Op::ReadSteer => drop(rig.command(Command::TakeSteer { fence })),
        Op::Leave => {
            if let Some(fence) = rig.state.leaving.first().map(|task| task.fence) {
                rig.ok(fence);
            }
        }
        Op::Exit(true) => drop(rig.ok(fence)),
        Op::Exit(false) => drop(rig.exit(fence, Outcome::Failed("why".into()))),
        Op::Cancel(back) => {
            if let Some(run) = (rig.state.last_run.0).checked_sub(back).filter(|run| *run > 0) {
                rig.cancel(RunId(run));
            }
        }
        Op::Arrange(back, to) => {
            if let Some(run) = (rig.state.last_run.0).checked_sub(back).filter(|run| *run > 0) {
                rig.command(Command::Arrange { run: RunId(run), to });
            }
        }
        Op::Clear(mode) => drop(rig.command(Command::Clear(mode))),
        Op::Patience => {
            let left = match &rig.state.slot {
                Slot::Active(active) => match active.phase {
                    crate::session::state::Phase::Stopping { left, .. } => Some(left),
                    _ => None,
                },
                Slot::Draining(leaving) => Some(leaving.left),
                Slot::Idle => None,
            };
            if let Some(left) = left {
                rig.now = rig.now.max(left.deadline);
                let timer = crate::session::Timer::Deadline { fence, at: left.deadline };
                rig.command(Command::Elapsed(timer));
            }
        }
    }
}

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let policies =
        [Policy::Reject, Policy::Enqueue, Policy::Interrupt, Policy::Rollback, Policy::Steer];
    let place = prop_oneof![(0..3_usize).prop_map(Place::At), Just(Place::Steer)];
    let op = prop_oneof![
        5 => proptest::sample::select(policies.to_vec()).prop_map(Op::Submit),
        2 => Just(Op::Enter),
        2 => Just(Op::ReadSteer),
        3 => any::<bool>().prop_map(Op::Exit),
        1 => Just(Op::Leave),
        2 => (0..4_u64).prop_map(Op::Cancel),
        2 => (0..4_u64, place).prop_map(|(back, to)| Op::Arrange(back, to)),
        1 => Just(Op::Clear(ClearMode::CancelAndClear)),
        1 => Just(Op::Clear(ClearMode::IfIdle)),
        1 => Just(Op::Patience),
    ];
    proptest::collection::vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn a_session_does_what_a_naive_one_does(ops in ops(), logical in any::<bool>()) {
        let mut naive = Naive { logical, ..Naive::default() };
        let mut rig = if logical { Rig::logical() } else { Rig::new() };
        for op in ops {
            naive.op(op);
            real(&mut rig, op);
            for (index, status) in naive.status.iter().enumerate() {
                let run = index as u64 + 1;
                prop_assert_eq!(rig.status(run), Some(*status), "run {} after {:?}", run, op);
            }
            prop_assert_eq!(rig.state.last_run.0, naive.status.len() as u64);
            let queue: Vec<usize> =
                rig.state.queue.iter().map(|waiting| waiting.run.0 as usize - 1).collect();
            prop_assert_eq!(&queue, &naive.waits, "after {:?}", op);
        }
        for run in 1..=rig.state.last_run.0 {
            prop_assert!(rig.finished(run).len() <= 1, "one end");
        }
    }
}

//! What must be true of every step, whatever the state and the command? One sentence a function.

use std::collections::BTreeSet;

use crate::session::{
    Command, Exclusive, Fence, Kind, Reply, RunId, RunStatus, SessionLimits, State, Step,
    effect::Effect,
    state::{Life, Phase, Slot, Waiting},
    step::arrange::rank,
};

struct Case<'a> {
    before: &'a State,
    command: &'a Command,
    step: &'a Step,
    after: &'a State,
    limits: &'a SessionLimits,
}

/// Panics with the case if a law is broken.
pub(super) fn check(
    before: &State,
    command: &Command,
    step: &Step,
    after: &State,
    limits: &SessionLimits,
) {
    let case = Case { before, command, step, after, limits };
    case.the_seq_is_dense();
    case.the_fence_never_falls_and_rises_when_the_slot_changes_hands();
    case.a_clear_raises_era_and_fence_and_leaves_nothing();
    case.a_record_of_a_run_has_the_fence_of_the_holder();
    case.a_run_ends_once_and_is_then_nowhere();
    case.nothing_waits_while_the_slot_is_idle();
    case.the_queue_keeps_its_bound();
    case.an_order_keeps_who_waits();
    case.a_task_starts_when_no_other_is_left();
    case.few_tasks_are_on_their_way_out();
    case.no_run_vanishes();
    case.a_refusal_changes_nothing();
    case.a_dead_session_takes_nothing();
    case.come_and_go_touches_no_run();
}

fn holder(state: &State) -> Option<(RunId, Fence)> {
    match &state.slot {
        Slot::Active(active) => Some((active.run, active.fence)),
        _ => None,
    }
}

/// The fence of the task that the slot waits for.
fn task(state: &State) -> Option<Fence> {
    match &state.slot {
        Slot::Idle => None,
        Slot::Active(active) => Some(active.fence),
        Slot::Draining(leaving) => Some(leaving.fence),
    }
}

/// Whether the task with this fence has given the slot up.
fn leaves(state: &State, fence: Fence) -> bool {
    state.leaving.iter().any(|task| task.fence == fence)
}

/// Every run that has not ended.
fn live(state: &State) -> Vec<RunId> {
    let waiting = state.front.iter().chain(&state.queue).chain(state.inbox());
    let holder = holder(state).map(|(run, _)| run);
    waiting.map(|waiting| waiting.run).chain(holder).collect()
}

impl Case<'_> {
    fn holds(&self, law: &str, holds: bool) {
        let Self { before, command, step, after, .. } = self;
        assert!(holds, "{law}\n{before:#?}\n{command:?}\n{step:#?}\n{after:#?}");
    }

    fn ends(&self) -> impl Iterator<Item = RunId> + '_ {
        self.step.records.iter().filter_map(|record| match record.kind {
            Kind::Finished { run, .. } => Some(run),
            _ => None,
        })
    }

    /// M1.
    fn the_seq_is_dense(&self) {
        let mut next = self.before.head;
        for record in &self.step.records {
            next += 1;
            self.holds("M1: seq by one", record.seq == next);
        }
        self.holds("M1: head is the last seq", self.after.head == next);
        self.holds("the tag's seq was written", self.after.memory <= self.after.head);
    }

    /// S3.
    fn the_fence_never_falls_and_rises_when_the_slot_changes_hands(&self) {
        let (before, after) = (self.before, self.after);
        self.holds("S3: the fence never falls", after.fence >= before.fence);
        if let Some((_, fence)) = holder(after)
            && task(before) != Some(fence)
        {
            self.holds("S3: a start has a new fence", fence > before.fence);
        }
        // One that gave the slot up has an older fence already.
        let given_up = before.zombies.len() < after.zombies.len()
            && before.leaving.len() == after.leaving.len();
        self.holds("S3: an abandonment raises it", !given_up || after.fence > before.fence);
    }

    /// S7, S8.
    fn a_clear_raises_era_and_fence_and_leaves_nothing(&self) {
        let Reply::Cleared(cleared) = &self.step.reply else {
            return self.holds("only a clear changes the era", self.before.era == self.after.era);
        };
        let after = self.after;
        self.holds("S7: era by one", after.era == self.before.era + 1 && cleared.era == after.era);
        self.holds("S7: the fence rises", after.fence > self.before.fence);
        self.holds("S7: all ended", live(after).is_empty());
        self.holds("S7: its record is the last", cleared.seq == after.head);
        let last = self.step.records.last();
        let says = last.is_some_and(|it| it.kind == Kind::Cleared && it.fence == after.fence);
        self.holds("S7: it is told with the new fence", says);
    }

    /// S4.
    fn a_record_of_a_run_has_the_fence_of_the_holder(&self) {
        for record in &self.step.records {
            let own = match &record.kind {
                Kind::Started { run }
                | Kind::AwaitingInput { run, .. }
                | Kind::Answered { run, .. }
                | Kind::Stopping { run, .. }
                | Kind::Appended { run, .. } => *run,
                _ => continue,
            };
            let before = holder(self.before);
            self.holds("S4: of the holder", before == Some((own, record.fence)));
        }
    }

    /// S5.
    fn a_run_ends_once_and_is_then_nowhere(&self) {
        let mut ends: Vec<RunId> = self.ends().collect();
        ends.sort();
        let all = ends.len();
        ends.dedup();
        self.holds("S5: once in a step", ends.len() == all);
        for run in ends {
            self.holds("S5: it was live or is new", live(self.before).contains(&run));
            self.holds("S5: it is nowhere", !live(self.after).contains(&run));
        }
        let twice = |run: &RunId| self.before.ended.iter().any(|(ended, _)| ended == run);
        self.holds("S5: what has ended is not live", !live(self.after).iter().any(twice));
        for (run, status) in &self.before.ended {
            let now = self.after.status(*run);
            self.holds("S5: an end stays", now.is_none_or(|now| now == *status));
            self.holds("S5: an end is an end", status.is_terminal());
        }
    }

    /// S6.
    fn nothing_waits_while_the_slot_is_idle(&self) {
        let keeps = matches!(self.after.life, Life::Draining { .. });
        let waits = self.after.front.is_some() || !self.after.queue.is_empty();
        self.holds("S6", self.after.slot != Slot::Idle || !waits || keeps);
    }

    /// S13.
    fn the_queue_keeps_its_bound(&self) {
        self.holds("S13", self.after.waiting() <= self.limits.queue);
        let rank = |waiting: &Waiting| rank(&self.after.arranged, waiting.run);
        let sorted = self.after.queue.iter().is_sorted_by_key(rank);
        self.holds("in the order that was given, or of arrival", sorted);
        self.holds("which is bounded", self.after.arranged.len() <= self.limits.queue);
        self.holds("keys are bounded", self.after.keys.len() <= self.limits.keys);
        self.holds("ends are bounded", self.after.ended.len() <= self.limits.ended);
    }

    /// S1, S2.
    fn a_task_starts_when_no_other_is_left(&self) {
        let starts = |effect: &&Effect| matches!(effect, Effect::Spawn(_));
        let spawned = self.step.effects.iter().filter(starts).count();
        self.holds("S1: one at most", spawned <= 1);
        let Some(old) = task(self.before) else { return };
        let ends = matches!(self.command, Command::Exit { fence, .. } if *fence == old);
        let gone = ends || self.after.zombies.contains(&old) || leaves(self.after, old);
        self.holds("S2: the old task is gone or given up", spawned == 0 || gone);
        let held = task(self.after) == Some(old) || gone;
        self.holds("S2: the slot is held until then", held);
    }

    /// S2, of a slot that is exclusive by fences alone.
    fn few_tasks_are_on_their_way_out(&self) {
        let Self { before, after, limits, .. } = self;
        let most = if limits.exclusive == Exclusive::Physical { 0 } else { limits.leaving };
        self.holds("S2: few leave at once", after.leaving.len() <= most);
        for task in after.leaving.iter().filter(|task| !leaves(before, task.fence)) {
            self.holds("S2: it had the slot", self::task(before) == Some(task.fence));
            let told =
                |effect: &Effect| matches!(effect, Effect::Stop(fence, _) if *fence == task.fence);
            let told = is_stopping(before)
                || matches!(before.slot, Slot::Draining(_))
                || self.step.effects.iter().any(told);
            self.holds("S2: it was told to stop", told);
            self.holds("S2: another has the slot", after.slot != Slot::Idle);
            self.holds("S3: its fence is older", task.fence < after.fence);
        }
    }

    /// S12.
    fn no_run_vanishes(&self) {
        if self.after.life == Life::Moved {
            return;
        }
        let mut ends = self.ends().collect::<Vec<_>>();
        ends.extend(live(self.after));
        for run in live(self.before) {
            self.holds("S12: still there, or ended", ends.contains(&run));
        }
        if let Reply::Submitted(submitted) = &self.step.reply
            && !submitted.replayed
        {
            self.holds("S12: what was accepted is there", ends.contains(&submitted.run));
            self.holds("its number is new", submitted.run > self.before.last_run);
        }
    }

    /// S12, S16: an order is about places, and about nothing else.
    fn an_order_keeps_who_waits(&self) {
        let Reply::Arranged(arranged) = &self.step.reply else { return };
        let runs = |state: &State| -> BTreeSet<RunId> {
            state.queue.iter().chain(state.inbox()).map(|waiting| waiting.run).collect()
        };
        self.holds("S12: who waited waits", runs(self.before) == runs(self.after));
        let same = self.before.front == self.after.front
            && self.before.holder() == self.after.holder()
            && self.before.fence == self.after.fence;
        self.holds("nothing else is touched", same);
        let written = self.step.records.len() == usize::from(arranged.changed);
        self.holds("what changes is written", written);
        self.holds("what does not is not", arranged.changed || self.before == self.after);
    }

    fn a_refusal_changes_nothing(&self) {
        let refused = matches!(
            self.step.reply,
            Reply::Refused(_)
                | Reply::ArrangeRefused(_)
                | Reply::AnswerRefused(_)
                | Reply::ClearRefused(_)
                | Reply::WriteRefused(_)
                | Reply::Fenced(_)
                | Reply::Moved
        );
        if refused {
            self.holds("a refusal changes nothing", self.before == self.after);
            self.holds("and does nothing", self.step.effects.is_empty());
        }
    }

    /// S14.
    fn a_dead_session_takes_nothing(&self) {
        if self.before.life == Life::Dead {
            self.holds("S14", self.step.reply == Reply::Dead && self.before == self.after);
        }
    }

    /// H6, S16.
    fn come_and_go_touches_no_run(&self) {
        let (Command::Attach(connection) | Command::Detach(connection)) = self.command else {
            return;
        };
        self.holds("S16: the slot stays", self.before.slot == self.after.slot);
        self.holds("S16: nothing is written", self.step.records.is_empty());
        let others = |state: &State| {
            let mut others = state.connections.clone();
            others.remove(connection);
            others
        };
        self.holds("H6: the others stay", others(self.before) == others(self.after));
    }
}

/// The status that a reason leaves, seen from a phase.
pub(super) fn is_stopping(state: &State) -> bool {
    let stops = |phase: &Phase| matches!(phase, Phase::Stopping { .. });
    matches!(&state.slot, Slot::Active(active) if stops(&active.phase))
}

/// Whether a run has this end.
pub(super) fn ended(state: &State, status: RunStatus) -> bool {
    state.ended.iter().any(|(_, ended)| *ended == status)
}

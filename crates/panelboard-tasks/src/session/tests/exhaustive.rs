//! Do the laws hold for every command in every state that small sessions can reach?

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use super::{
    laws,
    rig::{id, key, limits},
};
use crate::session::{
    CancelMode, ClearMode, Command, ConnId, DrainMode, Exclusive, Fence, Given, OnDisconnect,
    Outcome, Place, Policy, RequestId, RunId, RunStatus, SessionLimits, State, Submission, Tag,
    Timer,
    effect::Effect,
    state::{Phase, Slot},
    step,
};

/// Every command, with each number that means something in the state and one that does not.
fn commands(state: &State, armed: &BTreeSet<Timer>) -> Vec<Command> {
    let mut commands = Vec::new();
    for policy in
        [Policy::Reject, Policy::Enqueue, Policy::Interrupt, Policy::Rollback, Policy::Steer]
    {
        commands.push(Command::Submit(Submission::new("a").policy(policy)));
    }
    let linger = OnDisconnect::CancelAfter(Duration::from_secs(1));
    let fussy = Submission::new("a").policy(Policy::Enqueue).on_disconnect(linger);
    commands.push(Command::Submit(fussy.timeout(Duration::from_secs(2)).key(key("k", 1))));
    // Refused everywhere but where it starts at once, or everywhere.
    commands.push(Command::Submit(Submission::new("a").policy(Policy::Steer).queue_limit(0)));
    commands.push(Command::Submit(Submission::new("a").only_on(Tag { era: 99, seq: 0 })));
    let waits = state.front.iter().chain(&state.queue).chain(state.inbox()).next();
    let holder = state.holder().map(|(run, _)| run);
    let runs = [None, holder, waits.map(|waiting| waiting.run), Some(RunId(99))];
    for run in runs.into_iter().collect::<BTreeSet<_>>() {
        commands.push(Command::Cancel { run, mode: CancelMode::Graceful, rollback: false });
    }
    commands.push(Command::Cancel { run: holder, mode: CancelMode::Force, rollback: true });
    let last = state.front.iter().chain(&state.queue).chain(state.inbox()).last();
    let last = last.map_or(RunId(99), |waiting| waiting.run);
    commands.push(Command::Arrange { run: last, to: Place::At(0) });
    commands.push(Command::Arrange { run: last, to: Place::Steer });
    for mode in [ClearMode::CancelAndClear, ClearMode::IfIdle] {
        commands.push(Command::Clear(mode));
    }
    let leaves = state.leaving.first().map(|task| task.fence);
    let (fence, request) = match &state.slot {
        Slot::Idle => (Fence(0), RequestId(0)),
        Slot::Draining(leaving) => (leaving.fence, RequestId(0)),
        Slot::Active(active) => match active.phase {
            Phase::AwaitingInput(request) => (active.fence, request),
            _ => (active.fence, RequestId(0)),
        },
    };
    let stale = state.zombies.first().copied().unwrap_or(Fence(99));
    for fence in [Some(fence), Some(stale), leaves].into_iter().flatten() {
        commands.push(Command::Spawned { fence });
        commands.push(Command::Append { fence, name: "n".into(), body: "b".into() });
        commands.push(Command::TakeSteer { fence });
        commands.push(Command::Exit { fence, outcome: Outcome::Ok("o".into()) });
    }
    commands.push(Command::Ask { fence, prompt: "?".into() });
    commands.push(Command::Exit { fence, outcome: Outcome::Dropped });
    let run = holder.unwrap_or(RunId(99));
    commands.push(Command::Answer { run, request, input: "y".into(), key: None });
    commands.push(Command::Attach(ConnId(1)));
    commands.push(Command::Detach(ConnId(1)));
    commands.extend(armed.iter().cloned().map(Command::Elapsed));
    commands.push(Command::Passivate { durable: state.head });
    commands.push(Command::Drain(DrainMode::KeepQueued));
    commands.push(Command::Halt);
    commands.push(Command::LoseOwnership);
    commands
}

/// Breadth first, to a depth: each state once, with the timers that are armed in it.
fn explore(depth: usize, limits: &SessionLimits) -> (usize, HashSet<RunStatus>) {
    let mut seen: HashSet<(State, BTreeSet<Timer>)> = HashSet::new();
    let mut frontier = vec![(State::new(id(), 1), BTreeSet::new())];
    let (mut steps, mut ends) = (0, HashSet::new());
    for _ in 0..depth {
        let mut next = Vec::new();
        for (state, armed) in frontier {
            for command in commands(&state, &armed) {
                let now = match &command {
                    Command::Elapsed(Timer::Deadline { at, .. }) => *at,
                    _ => Duration::ZERO,
                };
                let given = Given { now, limits, zombie_place: true };
                let mut after = state.clone();
                let done = step(&mut after, command.clone(), given);
                laws::check(&state, &command, &done, &after, limits);
                steps += 1;
                ends.extend(after.ended.iter().map(|ended| ended.1));
                let mut armed = armed.clone();
                armed.extend(done.effects.into_iter().filter_map(|effect| match effect {
                    Effect::Arm(_, timer) => Some(timer),
                    _ => None,
                }));
                let place = (after, armed);
                if !seen.contains(&place) {
                    seen.insert(place.clone());
                    next.push(place);
                }
            }
        }
        frontier = next;
    }
    (steps, ends)
}

#[test]
fn every_step_from_every_small_state_keeps_the_laws() {
    let limits = SessionLimits { queue: 1, ..limits() };
    let (steps, ends) = explore(6, &limits);
    assert!(steps > 300_000, "{steps} steps");
    every_end_was_reached(&ends);
}

#[test]
fn every_step_keeps_the_laws_where_fences_alone_keep_runs_apart() {
    let limits = SessionLimits { queue: 1, exclusive: Exclusive::Logical, ..limits() };
    let (steps, ends) = explore(6, &limits);
    assert!(steps > 300_000, "{steps} steps");
    every_end_was_reached(&ends);
}

fn every_end_was_reached(ends: &HashSet<RunStatus>) {
    // Nothing was left out for want of a way there.
    for status in [
        RunStatus::Succeeded,
        RunStatus::Cancelled,
        RunStatus::Superseded,
        RunStatus::RolledBack,
        RunStatus::Lost,
        RunStatus::Consumed,
    ] {
        assert!(ends.contains(&status), "{status}");
    }
}

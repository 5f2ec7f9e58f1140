//! The rows of the table of operations: what each does in each state of the slot.

use std::time::Duration;

use super::rig::{ABORT_GRACE, GRACE, Rig, key, limits};
use crate::{
    session::{
        AnswerRefused, CancelMode, ClearMode, ClearRefused, Command, DrainMode, Fence, Fenced,
        Kind, Outcome, Policy, Refused, Reply, RequestId, RunId, RunStatus, SessionLimits,
        StopReason, Stopped, Submission, Submitted, Tag, Timer, WriteRefused, effect::Effect,
    },
    sessions::Unavailable,
};

fn accepted(run: u64, status: RunStatus, position: Option<usize>) -> Reply {
    let run = RunId(run);
    Reply::Submitted(Submitted { run, status, position, replayed: false })
}

fn stopped(changed: bool, status: impl Into<Option<RunStatus>>) -> Reply {
    Reply::Cancelled(Stopped { changed, status: status.into() })
}

#[test]
fn on_an_idle_session_every_policy_starts() {
    for policy in
        [Policy::Reject, Policy::Enqueue, Policy::Interrupt, Policy::Rollback, Policy::Steer]
    {
        let mut rig = Rig::new();
        assert_eq!(rig.submit(policy), accepted(1, RunStatus::Starting, None));
        assert_eq!(rig.names(0), ["run.created"]);
        assert_eq!(rig.spawned(), Some(Fence(1)));
    }
}

#[test]
fn on_a_held_slot_each_policy_does_its_own() {
    let mut rig = Rig::new();
    rig.running();
    let busy = Refused::Busy { run: RunId(1), status: RunStatus::Running };
    assert_eq!(rig.submit(Policy::Reject), Reply::Refused(busy));
    assert_eq!(rig.submit(Policy::Enqueue), accepted(2, RunStatus::Queued, Some(0)));
    assert_eq!(rig.submit(Policy::Steer), accepted(3, RunStatus::Queued, None));
    assert!(matches!(rig.effects[..], [Effect::Steered(Fence(1))]));
    assert_eq!(rig.submit(Policy::Enqueue), Reply::Refused(Refused::QueueFull));
    assert_eq!(rig.submit(Policy::Steer), Reply::Refused(Refused::QueueFull));
    assert_eq!(rig.submit(Policy::Interrupt), accepted(4, RunStatus::Queued, Some(0)));
    assert!(rig.tells(StopReason::Superseded));
    assert_eq!(rig.status(1), Some(RunStatus::Stopping));
    // The place in front is one: a newer interrupt ends the older, which never started.
    assert_eq!(rig.submit(Policy::Rollback), accepted(5, RunStatus::Queued, Some(0)));
    assert_eq!(rig.status(4), Some(RunStatus::Superseded));
    rig.ok(Fence(1));
    assert_eq!(rig.status(1), Some(RunStatus::RolledBack));
    assert_eq!(rig.state.holder().map(|holder| holder.0), Some(RunId(5)));
    assert_eq!(rig.status(3), Some(RunStatus::Queued), "what was not read waits");
}

#[test]
fn a_submission_may_bear_a_shorter_queue_than_the_session_but_no_longer_one() {
    let mut rig = Rig::new();
    rig.running();
    let waits =
        |policy, limit| Command::Submit(Submission::new("in").policy(policy).queue_limit(limit));
    assert_eq!(rig.command(waits(Policy::Enqueue, 0)), Reply::Refused(Refused::QueueFull));
    let first = accepted(2, RunStatus::Queued, Some(0));
    assert_eq!(rig.command(waits(Policy::Enqueue, 1)), first);
    assert_eq!(rig.command(waits(Policy::Steer, 1)), Reply::Refused(Refused::QueueFull));
    assert_eq!(rig.command(waits(Policy::Steer, 2)), accepted(3, RunStatus::Queued, None));
    assert_eq!(rig.command(waits(Policy::Enqueue, 99)), Reply::Refused(Refused::QueueFull));
    // The place in front is none of the queue's.
    assert_eq!(rig.command(waits(Policy::Interrupt, 0)), accepted(4, RunStatus::Queued, Some(0)));
}

#[test]
fn m5_a_submission_that_was_made_for_another_memory_is_refused() {
    let mut rig = Rig::new();
    let on = |memory, name: &str| {
        let submission = Submission::new("in").policy(Policy::Enqueue).only_on(memory);
        Command::Submit(submission.key(key(name, 1)))
    };
    let empty = rig.state.tag();
    let started = rig.command(on(empty, "a"));
    assert_eq!(started, accepted(1, RunStatus::Starting, None));
    let stale = Reply::Refused(Refused::Stale(rig.state.tag()));
    assert_eq!(rig.command(on(empty, "b")), stale, "its own input is part of it");
    let replayed =
        Submitted { run: RunId(1), status: RunStatus::Starting, position: None, replayed: true };
    assert_eq!(rig.command(on(empty, "a")), Reply::Submitted(replayed), "and was accepted once");
    let now = rig.state.tag();
    assert_eq!(rig.command(on(now, "b")), accepted(2, RunStatus::Queued, Some(0)));
    // To wait changes no memory; a clear does, also an empty one.
    assert_eq!(rig.command(on(now, "c")), accepted(3, RunStatus::Queued, Some(1)));
    rig.command(Command::Clear(ClearMode::CancelAndClear));
    let stale = Reply::Refused(Refused::Stale(rig.state.tag()));
    assert_eq!(rig.command(on(now, "d")), stale);
    assert_eq!(rig.command(on(empty, "d")), stale);
}

#[test]
fn a_rollback_takes_back_what_its_run_wrote_and_an_interrupt_does_not() {
    for (policy, last) in [
        (Policy::Interrupt, vec!["run.finished", "run.starting"]),
        (Policy::Rollback, vec!["run.finished", "memory.rolled_back", "run.starting"]),
    ] {
        let mut rig = Rig::new();
        let (_, fence) = rig.running();
        rig.append(fence);
        rig.submit(policy);
        let before = rig.state.head;
        rig.ok(fence);
        assert_eq!(rig.names(before), last);
    }
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    rig.submit(Policy::Rollback);
    rig.ok(fence);
    let since = rig.log.iter().find_map(|record| match record.kind {
        Kind::RolledBack { run: whose, since } => Some((whose, since)),
        _ => None,
    });
    assert_eq!(since, Some((run, 0)), "to before its own input");
}

#[test]
fn a_key_is_replayed_before_anything_else_is_looked_at() {
    let mut rig = Rig::new();
    let submit = |fingerprint| {
        let key = key("k", fingerprint);
        Command::Submit(Submission::new("in").key(key))
    };
    assert_eq!(rig.command(submit(1)), accepted(1, RunStatus::Starting, None));
    let replayed = |status| {
        let (run, position) = (RunId(1), None);
        Reply::Submitted(Submitted { run, status, position, replayed: true })
    };
    assert_eq!(rig.command(submit(1)), replayed(RunStatus::Starting));
    assert_eq!(rig.command(submit(2)), Reply::Refused(Refused::KeyMismatch));
    rig.command(Command::Drain(DrainMode::CancelQueued));
    rig.ok(Fence(1));
    assert_eq!(rig.command(submit(1)), replayed(RunStatus::Succeeded));
    let shutting_down = Reply::Refused(Refused::Unavailable(Unavailable::ShuttingDown));
    assert_eq!(rig.submit(Policy::Reject), shutting_down);
}

#[test]
fn a_replay_is_not_too_large_though_a_new_one_would_be() {
    let mut rig = Rig::new();
    let submit = || Command::Submit(Submission::new("in").key(key("k", 1)));
    rig.command(submit());
    rig.command(Command::Spawned { fence: Fence(1) });
    let Reply::Asked(request) = rig.command(Command::Ask { fence: Fence(1), prompt: "?".into() })
    else {
        panic!("it runs");
    };
    let answer = || {
        let key = Some(key("a", 2));
        Command::Answer { run: RunId(1), request, input: "yes".into(), key }
    };
    assert_eq!(rig.command(answer()), Reply::Answered { replayed: false });
    rig.limits = SessionLimits { input_bytes: 1, key_bytes: 0, ..rig.limits };
    let Reply::Submitted(again) = rig.command(submit()) else { panic!("refused") };
    assert!(again.replayed);
    assert_eq!(rig.command(answer()), Reply::Answered { replayed: true });
    let new = Command::Submit(Submission::new("in").key(key("l", 1)));
    assert_eq!(rig.command(new), Reply::Refused(Refused::TooLarge));
}

#[test]
fn a_key_is_looked_up_again_if_it_may_have_been_forgotten_since() {
    let mut rig = Rig::new();
    let submit = |name, seen| {
        Command::Submit(
            Submission::new("in").key(key(name, 1)).policy(Policy::Interrupt).looked_up(seen),
        )
    };
    let taken = |reply| matches!(reply, Reply::Submitted(Submitted { replayed: false, .. }));
    for name in ["a", "b", "c"] {
        let head = rig.state.head;
        assert!(taken(rig.command(submit(name, head))));
    }
    // All keys that came are remembered yet: none can have been forgotten.
    rig.limits.keys += 1;
    assert!(taken(rig.command(submit("d", 0))));
    let head = rig.state.head;
    assert_eq!(rig.command(submit("e", 0)), Reply::Refused(Refused::LookAgain));
    assert_eq!(rig.command(submit("e", head - 4)), Reply::Refused(Refused::LookAgain));
    assert_eq!(rig.state.head, head, "nothing was done");
    // One that is remembered needs no look.
    assert!(matches!(rig.command(submit("d", 0)), Reply::Submitted(it) if it.replayed));
    assert!(taken(rig.command(submit("e", head - 3))));
}

#[test]
fn the_end_of_a_run_is_known_for_as_long_as_its_key() {
    let mut rig = Rig::new();
    let keyed = || Command::Submit(Submission::new("in").key(key("k", 1)));
    rig.command(keyed());
    rig.ok(Fence(1));
    for _ in 0..limits().ended {
        let (_, fence) = rig.running();
        rig.exit(fence, Outcome::Failed("why".into()));
    }
    assert_eq!(rig.status(1), None, "forgotten");
    let Reply::Submitted(again) = rig.command(keyed()) else { panic!("replayed") };
    assert_eq!((again.replayed, again.status), (true, RunStatus::Succeeded));
}

#[test]
fn what_is_too_large_is_refused() {
    let mut rig = Rig::new();
    let large = Command::Submit(Submission::new("123456789"));
    assert_eq!(rig.command(large), Reply::Refused(Refused::TooLarge));
    let long = Command::Submit(Submission::new("in").key(key("12345", 1)));
    assert_eq!(rig.command(long), Reply::Refused(Refused::TooLarge));
    let write = Command::Write { name: "n".into(), body: "123456789".into(), replaces: None };
    assert_eq!(rig.command(write), Reply::WriteRefused(WriteRefused::TooLarge));
    let (_, fence) = rig.running();
    let append = Command::Append { fence, name: "n".into(), body: "123456789".into() };
    assert_eq!(rig.command(append), Reply::Fenced(Fenced::TooLarge));
    let ask = Command::Ask { fence, prompt: "123456789".into() };
    assert_eq!(rig.command(ask), Reply::Fenced(Fenced::TooLarge));
}

#[test]
fn a_cancel_before_the_start_keeps_the_body_from_being_entered() {
    let mut rig = Rig::new();
    rig.submit(Policy::Reject);
    assert_eq!(rig.cancel(RunId(1)), stopped(true, RunStatus::Stopping));
    let fence = Fence(1);
    let spawned = rig.command(Command::Spawned { fence });
    assert_eq!(spawned, Reply::Spawned(Err(StopReason::User)));
    assert_eq!(rig.append(fence), Reply::Fenced(Fenced::Stopping));
    rig.exit(fence, Outcome::NotStarted);
    assert_eq!(rig.status(1), Some(RunStatus::Cancelled));
    assert!(!rig.names(0).contains(&"run.started"));
}

#[test]
fn a_cancel_takes_one_that_waits_out_of_wherever_it_waits() {
    let mut rig = Rig::new();
    rig.running();
    rig.submit(Policy::Enqueue);
    rig.submit(Policy::Steer);
    rig.submit(Policy::Interrupt);
    for run in [2, 3, 4] {
        assert_eq!(rig.cancel(RunId(run)), stopped(true, RunStatus::Cancelled), "{run}");
        assert_eq!(rig.cancel(RunId(run)), stopped(false, RunStatus::Cancelled), "{run}");
    }
    rig.ok(Fence(1));
    assert_eq!(rig.state.holder(), None);
}

#[test]
fn a_cancel_is_idempotent_and_only_gets_harder() {
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    assert_eq!(rig.cancel(None), stopped(true, RunStatus::Stopping));
    assert_eq!(rig.cancel(run), stopped(false, RunStatus::Stopping));
    let force = Command::Cancel { run: Some(run), mode: CancelMode::Force, rollback: false };
    assert_eq!(rig.command(force.clone()), stopped(true, RunStatus::Stopping));
    assert!(rig.aborts());
    assert_eq!(rig.command(force), stopped(false, RunStatus::Stopping));
    assert_eq!(rig.append(fence), Reply::Fenced(Fenced::Stopping), "no more after an abort");
    rig.exit(fence, Outcome::Dropped);
    assert_eq!(rig.cancel(run), stopped(false, RunStatus::Cancelled));
    assert_eq!(rig.cancel(RunId(99)), stopped(false, None));
    assert_eq!(rig.cancel(None), stopped(false, None));
}

#[test]
fn whoever_is_first_decides_how_a_run_ends() {
    let outcomes = [
        Outcome::Ok("out".into()),
        Outcome::Failed("why".into()),
        Outcome::Panicked("boom".into()),
        Outcome::Dropped,
    ];
    let own = [RunStatus::Succeeded, RunStatus::Failed, RunStatus::Failed, RunStatus::Lost];
    for (outcome, own) in outcomes.into_iter().zip(own) {
        let mut rig = Rig::new();
        let (run, fence) = rig.running();
        rig.exit(fence, outcome.clone());
        assert_eq!(rig.cancel(run), stopped(false, own));
        let (run, fence) = rig.running();
        rig.cancel(run);
        rig.exit(fence, outcome);
        assert_eq!(rig.finished(run.0), [RunStatus::Cancelled]);
    }
    let late = |rig: &Rig| match rig.log.last().expect("it ended").kind {
        Kind::Finished { late, .. } => late,
        _ => false,
    };
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    rig.cancel(run);
    rig.ok(fence);
    assert!(late(&rig), "the output is kept, apart");
}

#[test]
fn an_exit_of_another_fence_changes_nothing() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    let before = rig.state.clone();
    assert_eq!(rig.ok(Fence(fence.0 + 1)), Reply::Exited(false));
    assert_eq!(rig.ok(Fence(0)), Reply::Exited(false));
    assert_eq!(rig.state, before);
    assert_eq!(rig.ok(fence), Reply::Exited(true));
    assert_eq!(rig.ok(fence), Reply::Exited(false));
}

#[test]
fn patience_ends_twice_and_then_the_slot_is_free() {
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    rig.submit(Policy::Enqueue);
    rig.cancel(run);
    rig.elapse();
    assert!(rig.aborts());
    assert_eq!(rig.now, GRACE);
    assert_eq!(rig.status(1), Some(RunStatus::Stopping));
    rig.elapse();
    assert_eq!(rig.now, GRACE + ABORT_GRACE);
    assert_eq!(rig.status(1), Some(RunStatus::Cancelled));
    assert_eq!(rig.status(2), Some(RunStatus::Starting), "the next one starts");
    assert!(rig.effects.contains(&Effect::Abandoned(fence)));
    assert_eq!(rig.append(fence), Reply::Fenced(Fenced::Stale), "L3");
    assert_eq!(rig.ok(fence), Reply::Exited(false));
    assert!(rig.effects.contains(&Effect::ZombieEnded(fence)));
    assert_eq!(rig.finished(1), [RunStatus::Cancelled]);
}

#[test]
fn without_a_place_among_the_zombies_the_slot_stays_held() {
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    rig.cancel(run);
    rig.elapse();
    rig.zombie_place = false;
    rig.elapse();
    assert_eq!(rig.status(1), Some(RunStatus::Stopping));
    rig.elapse();
    assert_eq!(rig.status(1), Some(RunStatus::Stopping));
    rig.zombie_place = true;
    rig.elapse();
    assert_eq!(rig.status(1), Some(RunStatus::Cancelled));
    rig.zombie_place = false;
    let full = Reply::Refused(Refused::Unavailable(Unavailable::TooManyZombies));
    assert_eq!(rig.submit(Policy::Reject), full);
    rig.ok(fence);
    assert!(rig.state.zombies.is_empty());
}

#[test]
fn a_timer_of_before_does_nothing() {
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    rig.cancel(run);
    let old = rig.armed();
    let force = Command::Cancel { run: Some(run), mode: CancelMode::Force, rollback: false };
    rig.command(force);
    let before = rig.state.clone();
    for timer in old {
        rig.command(Command::Elapsed(timer));
    }
    let at = Duration::from_secs(99);
    rig.command(Command::Elapsed(Timer::Deadline { fence, at }));
    rig.command(Command::Elapsed(Timer::Deadline { fence: Fence(77), at: ABORT_GRACE }));
    assert_eq!(rig.state, before);
}

#[test]
fn a_run_that_takes_too_long_times_out() {
    let mut rig = Rig::new();
    let submission = Submission::new("in").timeout(Duration::from_secs(3));
    rig.command(Command::Submit(submission));
    let timer = rig.armed().remove(0);
    let fence = rig.started();
    rig.now = Duration::from_secs(3);
    rig.command(Command::Elapsed(timer));
    assert!(rig.tells(StopReason::TimedOut));
    rig.ok(fence);
    assert_eq!(rig.status(1), Some(RunStatus::TimedOut));
}

#[test]
fn a_clear_ends_all_and_the_next_run_waits_for_the_old_task() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.append(fence);
    rig.submit(Policy::Enqueue);
    rig.submit(Policy::Steer);
    rig.submit(Policy::Interrupt);
    let busy = ClearRefused::Busy { run: RunId(1), status: RunStatus::Stopping };
    let if_idle = rig.command(Command::Clear(ClearMode::IfIdle));
    assert_eq!(if_idle, Reply::ClearRefused(busy));
    rig.clear();
    for run in 1..=4 {
        assert_eq!(rig.finished(run), [RunStatus::Cancelled], "{run}");
    }
    assert_eq!(rig.append(fence), Reply::Fenced(Fenced::Stale));
    assert_eq!(rig.submit(Policy::Enqueue), accepted(5, RunStatus::Queued, Some(0)));
    assert_eq!(rig.spawned(), None, "the old task is not gone");
    rig.ok(fence);
    assert_eq!(rig.status(5), Some(RunStatus::Starting));
    assert_eq!(rig.finished(1), [RunStatus::Cancelled], "its exit is no second end");
}

#[test]
fn one_answer_is_taken_and_a_repeated_one_replayed() {
    let mut rig = Rig::new();
    let (run, fence) = rig.running();
    let answer = |request, name: Option<&str>| Command::Answer {
        run,
        request: RequestId(request),
        input: "yes".into(),
        key: name.map(|name| key(name, 1)),
    };
    let refused = Reply::AnswerRefused;
    assert_eq!(rig.command(answer(3, None)), refused(AnswerRefused::NotAwaiting));
    let asked = rig.command(Command::Ask { fence, prompt: "?".into() });
    assert_eq!(asked, Reply::Asked(RequestId(3)));
    assert_eq!(rig.status(1), Some(RunStatus::AwaitingInput));
    let busy = Refused::Busy { run, status: RunStatus::AwaitingInput };
    assert_eq!(rig.submit(Policy::Reject), Reply::Refused(busy));
    assert_eq!(rig.command(answer(2, None)), refused(AnswerRefused::NotAwaiting));
    assert_eq!(rig.command(answer(3, Some("a"))), Reply::Answered { replayed: false });
    assert_eq!(rig.status(1), Some(RunStatus::Running));
    assert_eq!(rig.command(answer(3, Some("a"))), Reply::Answered { replayed: true });
    assert_eq!(rig.command(answer(3, Some("b"))), refused(AnswerRefused::AlreadyAnswered));
    assert_eq!(rig.command(answer(4, Some("a"))), refused(AnswerRefused::KeyMismatch));
}

#[test]
fn a_steer_is_read_once_or_runs_on_its_own() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.submit(Policy::Steer);
    rig.submit(Policy::Steer);
    let steer = Some((RunId(2), "in".into()));
    assert_eq!(rig.command(Command::TakeSteer { fence }), Reply::Steer(steer));
    assert_eq!(rig.status(2), Some(RunStatus::Consumed));
    rig.ok(fence);
    assert_eq!(rig.status(3), Some(RunStatus::Starting));
    let fence = rig.started();
    assert_eq!(rig.command(Command::TakeSteer { fence }), Reply::Steer(None));
}

#[test]
fn unread_steers_go_back_among_the_others_by_their_arrival() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.submit(Policy::Steer);
    rig.submit(Policy::Enqueue);
    rig.ok(fence);
    assert_eq!(rig.status(2), Some(RunStatus::Starting), "it came first");
    assert_eq!(rig.status(3), Some(RunStatus::Queued));
}

#[test]
fn a_run_that_nobody_wants_is_cancelled_after_its_linger_and_not_before() {
    let linger = Duration::from_secs(30);
    let mut rig = Rig::new();
    rig.attach(1);
    rig.lingering(linger);
    rig.started();
    rig.detach(1);
    let old = rig.armed().remove(0);
    rig.attach(2);
    rig.command(Command::Elapsed(old));
    assert_eq!(rig.status(1), Some(RunStatus::Running), "somebody is there again");
    rig.detach(1);
    assert!(rig.armed().is_empty(), "the other is still there");
    rig.detach(2);
    rig.elapse();
    assert!(rig.tells(StopReason::Disconnected));
    assert_eq!(rig.status(1), Some(RunStatus::Stopping));
}

#[test]
fn one_that_starts_when_everybody_has_gone_lingers_from_its_start() {
    let mut rig = Rig::new();
    rig.attach(1);
    let (_, first) = rig.running();
    let linger = crate::session::OnDisconnect::CancelAfter(Duration::from_secs(1));
    let waits = Submission::new("in").policy(Policy::Enqueue).on_disconnect(linger);
    rig.command(Command::Submit(waits));
    rig.detach(1);
    rig.ok(first);
    assert_eq!(rig.armed().len(), 1);
    rig.elapse();
    assert_eq!(rig.status(2), Some(RunStatus::Stopping));
}

#[test]
fn a_session_is_given_up_only_when_it_is_quiet() {
    let mut rig = Rig::new();
    let quiet = |rig: &mut Rig| rig.command(Command::Passivate { durable: rig.state.head });
    let (_, fence) = rig.running();
    assert_eq!(quiet(&mut rig), Reply::Passivated(false));
    rig.ok(fence);
    rig.attach(1);
    assert_eq!(quiet(&mut rig), Reply::Passivated(false));
    rig.detach(1);
    let not_durable = Command::Passivate { durable: rig.state.head - 1 };
    assert_eq!(rig.command(not_durable), Reply::Passivated(false));
    assert_eq!(quiet(&mut rig), Reply::Passivated(true));
    assert_eq!(rig.submit(Policy::Reject), Reply::Dead);
}

#[test]
fn connections_are_bounded_and_none_is_counted_twice() {
    let mut rig = Rig::new();
    assert_eq!(rig.attach(1), Reply::Attached(true));
    assert_eq!(rig.attach(1), Reply::Attached(true));
    assert_eq!(rig.attach(2), Reply::Attached(true));
    assert_eq!(rig.attach(3), Reply::Attached(false));
    assert_eq!(rig.attach(2), Reply::Attached(true));
}

#[test]
fn a_drain_starts_or_keeps_what_waits() {
    for (mode, next) in
        [(DrainMode::CancelQueued, RunStatus::Starting), (DrainMode::KeepQueued, RunStatus::Queued)]
    {
        let mut rig = Rig::new();
        let (_, fence) = rig.running();
        rig.submit(Policy::Enqueue);
        rig.command(Command::Drain(mode));
        rig.ok(fence);
        assert_eq!(rig.status(2), Some(next));
    }
}

#[test]
fn the_end_of_a_drain_loses_what_runs_and_cancels_what_waits() {
    for (mode, waits) in [
        (DrainMode::CancelQueued, RunStatus::Cancelled),
        (DrainMode::KeepQueued, RunStatus::Queued),
    ] {
        let mut rig = Rig::new();
        let (_, fence) = rig.running();
        rig.submit(Policy::Enqueue);
        rig.command(Command::Drain(mode));
        rig.command(Command::Halt);
        assert!(rig.tells(StopReason::Shutdown));
        rig.ok(fence);
        assert_eq!(rig.status(1), Some(RunStatus::Lost));
        assert_eq!(rig.status(2), Some(waits));
    }
}

#[test]
fn a_session_that_moved_writes_nothing_and_tells_its_run_to_stop() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.submit(Policy::Enqueue);
    let head = rig.state.head;
    rig.command(Command::LoseOwnership);
    assert!(rig.tells(StopReason::Moved));
    assert_eq!(rig.submit(Policy::Enqueue), Reply::Moved);
    assert_eq!(rig.append(fence), Reply::Moved);
    assert_eq!(rig.cancel(None), Reply::Moved);
    rig.ok(fence);
    assert_eq!(rig.state.head, head);
    let gone = rig.command(Command::Passivate { durable: head });
    assert_eq!(gone, Reply::Passivated(true));
}

#[test]
fn a_task_of_a_session_that_moved_is_given_up_without_a_record() {
    let mut rig = Rig::new();
    let (_, fence) = rig.running();
    rig.command(Command::LoseOwnership);
    let head = rig.state.head;
    rig.elapse();
    assert!(rig.aborts());
    rig.elapse();
    assert_eq!(rig.state.head, head);
    assert_eq!(rig.state.zombies.len(), 1);
    rig.ok(fence);
    assert!(rig.state.zombies.is_empty());
}

#[test]
fn a_write_that_replaces_needs_the_tag_of_the_memory_that_there_is() {
    let mut rig = Rig::new();
    let write = |replaces| Command::Write { name: "n".into(), body: "b".into(), replaces };
    rig.command(write(None));
    let tag = Tag { era: 0, seq: 1 };
    let (_, fence) = rig.running();
    let now = rig.state.tag();
    assert_ne!(now, tag, "the input is part of the memory");
    assert_eq!(rig.command(write(Some(tag))), Reply::WriteRefused(WriteRefused::Stale(now)));
    assert!(matches!(rig.command(write(Some(now))), Reply::Written(_)));
    assert_eq!(rig.names(rig.state.head - 1), ["memory.replaced"]);
    rig.append(fence);
    rig.clear();
    let cleared = Tag { era: 1, seq: rig.state.head };
    assert_eq!(rig.state.tag(), cleared);
}

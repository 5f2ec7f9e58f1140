//! The table of transitions, row by row.

use std::time::Duration;

use super::rig::{GRACE, RETENTION, Rig, id, progress};
use crate::{
    job::{
        Cleanup, Command, Desired, JobDeleteRefused, JobMoveRefused, JobMoved, JobOptions,
        JobRefused, JobState, JobWhy, NewJob, OnShutdown, Outcome, Park, Reply,
    },
    session::{Fingerprint, IdempotencyKey},
};

fn moved(changed: bool, state: JobState, desired: Desired) -> Reply {
    Reply::Moved(JobMoved { changed, state, desired })
}

fn plain() -> JobOptions {
    JobOptions::default()
}

#[test]
fn j2_the_permit_goes_from_one_to_the_next_in_the_order_of_arrival() {
    let mut rig = Rig::new();
    let jobs = [rig.queued(), rig.queued(), rig.queued()];
    for job in jobs {
        assert_eq!(rig.at(job), JobState::Starting);
        rig.enter(job);
        rig.ok(job);
        assert_eq!(rig.at(job), JobState::Completed);
        assert_eq!(rig.row(job).output.as_deref(), Some(&b"out"[..]));
    }
    assert_eq!(rig.state.held, 0);
}

#[test]
fn l5_urgent_jobs_go_first_and_no_job_waits_for_ever() {
    let mut rig = Rig::new();
    let first = rig.queued();
    let patient = rig.queued();
    let urgent = rig.submit(JobOptions { priority: 1, ..plain() });
    rig.enter(first);
    rig.ok(first);
    assert_eq!(rig.at(urgent), JobState::Starting);
    // It has waited for longer than a step of urgency is worth.
    rig.now += rig.limits.priority_step + Duration::from_millis(1);
    let late = rig.submit(JobOptions { priority: 1, ..plain() });
    rig.enter(urgent);
    rig.ok(urgent);
    assert_eq!((rig.at(patient), rig.at(late)), (JobState::Starting, JobState::Queued));
}

#[test]
fn j6_a_stop_of_a_job_that_waits_is_its_end() {
    let mut rig = Rig::new();
    let first = rig.queued();
    let second = rig.queued();
    let stopped = moved(true, JobState::Stopped, Desired::Stop);
    assert_eq!(rig.command(Command::Stop(second)), stopped);
    rig.enter(first);
    rig.ok(first);
    assert!(rig.started().is_empty());
    assert_eq!((rig.at(second), rig.attempt(second)), (JobState::Stopped, 0));
    let again = moved(false, JobState::Stopped, Desired::Stop);
    assert_eq!(rig.command(Command::Stop(second)), again);
}

#[test]
fn j5_a_stop_before_the_thread_reports_in_keeps_the_body_from_being_entered() {
    let mut rig = Rig::new();
    let job = rig.queued();
    let stopping = moved(true, JobState::Stopping, Desired::Stop);
    assert_eq!(rig.command(Command::Stop(job)), stopping);
    assert_eq!(rig.enter(job), Reply::Entered(false));
    rig.exit(job, Outcome::NotStarted, false);
    assert_eq!((rig.at(job), rig.state.held), (JobState::Stopped, 0));
}

#[test]
fn j4_an_output_that_comes_after_the_stop_is_kept_and_is_no_result() {
    let mut rig = Rig::new();
    let job = rig.running(plain());
    rig.command(Command::Stop(job));
    assert_eq!(rig.state.held, 1, "J1: its thread has not ended");
    rig.ok(job);
    assert_eq!((rig.at(job), rig.row(job).late), (JobState::Stopped, true));
    assert_eq!(rig.row(job).output.as_deref(), Some(&b"out"[..]));
    // The other way round the stop comes too late.
    let job = rig.running(plain());
    rig.ok(job);
    let late = moved(false, JobState::Completed, Desired::Run);
    assert_eq!(rig.command(Command::Stop(job)), late);
}

#[test]
fn j3_what_another_attempt_says_changes_nothing() {
    let mut rig = Rig::new();
    let job = rig.running(JobOptions { retry_on_lost: true, ..plain() });
    rig.crash();
    rig.tick_after(Duration::from_secs(100));
    assert_eq!((rig.at(job), rig.attempt(job)), (JobState::Starting, 2));
    rig.enter(job);
    let zombie = |outcome| Command::Exit { job, attempt: 1, outcome, told: false, progress: None };
    assert_eq!(rig.command(zombie(Outcome::Ok("old".into()))), Reply::Taken(false));
    let late = Command::Progress { job, attempt: 1, progress: progress(9) };
    assert_eq!(rig.command(late), Reply::Taken(false));
    assert_eq!(rig.command(Command::Entered { job, attempt: 1 }), Reply::Entered(false));
    let at = rig.command(Command::Checkpoint { job, attempt: 1 });
    assert_eq!(at, Reply::Checkpoint(Park::Stop));
    let saved = Command::Save { job, attempt: 1, saved: "x".into() };
    assert_eq!(rig.command(saved), Reply::Taken(false));
    assert_eq!((rig.at(job), rig.state.held), (JobState::Running, 1));
}

#[test]
fn l7_a_paused_job_gives_its_permit_back_and_waits_for_another() {
    let mut rig = Rig::new();
    let first = rig.running(plain());
    let second = rig.queued();
    let pausing = moved(true, JobState::Pausing, Desired::Pause);
    assert_eq!(rig.command(Command::Pause(first)), pausing);
    assert!(rig.wakes(first));
    assert_eq!(rig.at(second), JobState::Queued, "the first has not come to a checkpoint");
    assert_eq!(rig.checkpoint(first), Park::HoldOn);
    assert_eq!((rig.at(first), rig.at(second)), (JobState::Paused, JobState::Starting));
    let resuming = moved(true, JobState::Resuming, Desired::Run);
    assert_eq!(rig.command(Command::Resume(first)), resuming);
    assert_eq!(rig.checkpoint(first), Park::HoldOn, "J26: it waits");
    rig.enter(second);
    rig.ok(second);
    assert!(rig.wakes(first));
    assert_eq!((rig.at(first), rig.checkpoint(first)), (JobState::Running, Park::Continue));
}

#[test]
fn j1_a_job_that_holds_its_permit_goes_on_at_once() {
    let mut rig = Rig::new();
    let first = rig.paused(JobOptions { hold_permit: true, ..plain() });
    let second = rig.queued();
    assert_eq!(rig.at(second), JobState::Queued);
    let running = moved(true, JobState::Running, Desired::Run);
    assert_eq!(rig.command(Command::Resume(first)), running);
    assert!(rig.wakes(first));
}

#[test]
fn j04_pause_and_resume_where_there_is_nothing_to_change_change_nothing() {
    let mut rig = Rig::new();
    let job = rig.running(plain());
    let goes_on = moved(false, JobState::Running, Desired::Run);
    assert_eq!(rig.command(Command::Resume(job)), goes_on);
    rig.command(Command::Pause(job));
    let pausing = moved(false, JobState::Pausing, Desired::Pause);
    assert_eq!(rig.command(Command::Pause(job)), pausing);
    // Before it came to a checkpoint: as if nothing had been.
    let running = moved(true, JobState::Running, Desired::Run);
    assert_eq!(rig.command(Command::Resume(job)), running);
    assert_eq!(rig.checkpoint(job), Park::Continue);
    rig.ok(job);
    let refused = |state| Reply::MoveRefused(JobMoveRefused::InvalidTransition { state });
    for command in [Command::Pause(job), Command::Resume(job)] {
        assert_eq!(rig.command(command), refused(JobState::Completed));
    }
    assert_eq!(rig.wants(job), Desired::Run, "no hidden flag");
    let nobody = Reply::MoveRefused(JobMoveRefused::NotFound);
    assert_eq!(rig.command(Command::Stop(id(99))), nobody);
    let job = rig.running(plain());
    rig.command(Command::Stop(job));
    assert_eq!(rig.command(Command::Resume(job)), refused(JobState::Stopping));
}

#[test]
fn a_job_that_is_held_keeps_its_place() {
    let mut rig = Rig::new();
    let first = rig.running(plain());
    let [second, third] = [rig.queued(), rig.queued()];
    let held = moved(true, JobState::Queued, Desired::Pause);
    assert_eq!(rig.command(Command::Pause(second)), held);
    assert_eq!(rig.command(Command::Pause(third)), held);
    rig.ok(first);
    assert_eq!(rig.state.held, 0);
    rig.command(Command::Resume(third));
    assert_eq!(rig.at(third), JobState::Starting);
    rig.command(Command::Resume(second));
    assert_eq!(rig.at(second), JobState::Queued);
    // Both waited: the second came before a fourth.
    let fourth = rig.queued();
    rig.enter(third);
    rig.ok(third);
    assert_eq!((rig.at(second), rig.at(fourth)), (JobState::Starting, JobState::Queued));
    // One that is held before its thread reports in begins by holding on.
    rig.command(Command::Pause(second));
    rig.enter(second);
    assert_eq!(rig.at(second), JobState::Pausing);
}

#[test]
fn j03_a_stop_of_a_paused_job_wakes_it_and_takes_no_permit() {
    let mut rig = Rig::new();
    let first = rig.paused(plain());
    let second = rig.running(plain());
    rig.command(Command::Stop(first));
    assert!(rig.wakes(first));
    assert_eq!((rig.checkpoint(first), rig.state.held), (Park::Stop, 1));
    rig.told(first);
    assert_eq!((rig.at(first), rig.at(second)), (JobState::Stopped, JobState::Running));
    // So it is with one that waits to go on.
    let third = rig.queued();
    rig.ok(second);
    rig.enter(third);
    rig.command(Command::Pause(third));
    rig.checkpoint(third);
    let fourth = rig.running(plain());
    rig.command(Command::Resume(third));
    rig.command(Command::Stop(third));
    rig.ok(fourth);
    assert_eq!(rig.state.held, 0, "it is not in the queue any more");
}

#[test]
fn there_is_a_bound_to_what_is_parked() {
    let mut rig = Rig::new();
    let parked = [rig.paused(plain()), rig.paused(plain())];
    let third = rig.running(plain());
    let refused = Reply::MoveRefused(JobMoveRefused::TooManyPaused);
    assert_eq!(rig.command(Command::Pause(third)), refused);
    rig.command(Command::Stop(parked[0]));
    rig.command(Command::Pause(third));
    assert_eq!(rig.at(third), JobState::Pausing);
    // What waits for a permit to go on may be held again.
    rig.command(Command::Resume(parked[1]));
    let paused = moved(true, JobState::Paused, Desired::Pause);
    assert_eq!(rig.command(Command::Pause(parked[1])), paused);
}

#[test]
fn j23_one_that_does_not_stop_is_stuck_and_keeps_its_permit() {
    let mut rig = Rig::new();
    let job = rig.running(plain());
    let next = rig.queued();
    rig.command(Command::Stop(job));
    rig.tick_after(GRACE - Duration::from_millis(1));
    assert!(!rig.row(job).stuck);
    rig.tick_after(Duration::from_millis(1));
    assert!(rig.row(job).stuck);
    assert_eq!((rig.state.held, rig.at(next)), (1, JobState::Queued));
    rig.told(job);
    assert_eq!((rig.at(job), rig.at(next)), (JobState::Stopped, JobState::Starting));
    assert!(!rig.row(job).stuck);
}

#[test]
fn j19_a_job_that_waited_for_too_long_expires_and_never_starts() {
    let mut rig = Rig::new();
    let ttl = Some(Duration::from_secs(3));
    let first = rig.running(plain());
    let second = rig.submit(JobOptions { queue_ttl: ttl, ..plain() });
    rig.tick_after(Duration::from_secs(3));
    assert_eq!(rig.at(second), JobState::Expired);
    rig.ok(first);
    assert!(rig.started().is_empty());
    // One that was started in time has no such end.
    let third = rig.submit(JobOptions { queue_ttl: ttl, ..plain() });
    rig.tick_after(Duration::from_secs(3));
    assert_eq!(rig.at(third), JobState::Starting);
}

#[test]
fn a_job_that_takes_too_long_has_failed_whatever_it_answers() {
    let mut rig = Rig::new();
    let job = rig.running(JobOptions { timeout: Some(Duration::from_secs(2)), ..plain() });
    rig.tick_after(Duration::from_secs(2));
    assert_eq!((rig.at(job), rig.wants(job)), (JobState::Stopping, Desired::Run));
    let late = moved(false, JobState::Stopping, Desired::Run);
    assert_eq!(rig.command(Command::Stop(job)), late);
    rig.ok(job);
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Failed, Some(JobWhy::TimedOut)));
}

#[test]
fn errors_panics_and_too_much_are_failures() {
    let mut rig = Rig::new();
    for (outcome, why) in [
        (Outcome::Failed("no".into()), JobWhy::Errored),
        (Outcome::Panicked("no".into()), JobWhy::Panicked),
        (Outcome::Ok("nine bytes".into()), JobWhy::TooLarge),
        (Outcome::NotStarted, JobWhy::NotStarted),
    ] {
        let job = rig.running(plain());
        rig.exit(job, outcome, false);
        assert_eq!((rig.at(job), rig.row(job).why), (JobState::Failed, Some(why)));
        rig.command(Command::Finalised(job));
    }
    assert_eq!(rig.state.held, 0);
}

#[test]
fn j13_the_last_progress_is_written_with_the_end() {
    let mut rig = Rig::new();
    let job = rig.running(plain());
    rig.progress(job, 4);
    rig.progress(job, 2);
    assert_eq!(rig.row(job).progress, Some(progress(4)));
    let (outcome, last) = (Outcome::Ok("".into()), Some(progress(10)));
    rig.command(Command::Exit { job, attempt: 1, outcome, told: false, progress: last });
    assert_eq!(rig.row(job).progress, Some(progress(10)));
}

#[test]
fn j17_a_key_makes_one_job_and_goes_with_it() {
    let mut rig = Rig::new();
    let keyed = |print| {
        let key = IdempotencyKey::new("key", Fingerprint(print));
        Command::Submit(NewJob::new("kind", "args").key(key))
    };
    let Reply::Submitted(first) = rig.command(keyed(1)) else { panic!("taken") };
    let Reply::Submitted(again) = rig.command(keyed(1)) else { panic!("known") };
    assert_eq!((first.id, again.id, again.replayed), (id(1), id(1), true));
    assert_eq!(rig.command(keyed(2)), Reply::Refused(JobRefused::KeyMismatch));
    rig.crash();
    let Reply::Submitted(again) = rig.command(keyed(1)) else { panic!("known") };
    assert_eq!((again.id, again.state), (id(1), JobState::Lost));
    rig.command(Command::Finalised(id(1)));
    assert_eq!(rig.command(Command::Delete(id(1))), Reply::Deleted);
    let Reply::Submitted(new) = rig.command(keyed(2)) else { panic!("taken") };
    assert!(!new.replayed && new.id > again.id, "no id is used twice");
}

#[test]
fn everything_has_a_bound() {
    let mut rig = Rig::new();
    let large = Command::Submit(NewJob::new("kind", "nine bytes"));
    assert_eq!(rig.command(large), Reply::Refused(JobRefused::TooLarge));
    let key = IdempotencyKey::new("five!", Fingerprint(1));
    let long = Command::Submit(NewJob::new("kind", "").key(key));
    assert_eq!(rig.command(long), Reply::Refused(JobRefused::TooLarge));
    let first = rig.running(plain());
    (0..3).for_each(|_| {
        rig.queued();
    });
    let one_more = || Command::Submit(NewJob::new("kind", ""));
    assert_eq!(rig.command(one_more()), Reply::Refused(JobRefused::QueueFull));
    let saved = Command::Save { job: first, attempt: 1, saved: "nine bytes".into() };
    assert_eq!(rig.command(saved), Reply::Taken(false));
    // Six are known at most; the one that ended first makes place.
    rig.limits.queue = 10;
    rig.queued();
    rig.queued();
    assert_eq!(rig.command(one_more()), Reply::Refused(JobRefused::TooManyJobs));
    rig.ok(first);
    assert_eq!(rig.command(one_more()), Reply::Refused(JobRefused::TooManyJobs));
    rig.command(Command::Finalised(first));
    rig.queued();
    assert!(rig.state.job(first).is_none());
}

#[test]
fn j7_only_what_has_ended_was_told_and_is_not_pinned_is_removed() {
    let mut rig = Rig::new();
    let mut ended = |options| {
        let job = rig.running(options);
        rig.ok(job);
        job
    };
    let jobs = [ended(plain()), ended(JobOptions { pinned: true, ..plain() }), ended(plain())];
    rig.command(Command::Finalised(jobs[0]));
    rig.command(Command::Finalised(jobs[1]));
    let active = rig.running(plain());
    let at = |state| Reply::DeleteRefused(JobDeleteRefused::NotEnded { state });
    assert_eq!(rig.command(Command::Delete(active)), at(JobState::Running));
    assert_eq!(rig.command(Command::Delete(jobs[2])), at(JobState::Completed), "it is not told");
    let cleanup = |older_ms, states: &[JobState], dry_run| {
        let older_than = Duration::from_millis(older_ms);
        Command::Cleanup(Cleanup { older_than, states: states.into(), dry_run })
    };
    rig.now += Duration::from_millis(10);
    assert_eq!(rig.command(cleanup(11, &[], false)), Reply::Cleaned(0), "not as old as that");
    assert_eq!(rig.command(cleanup(10, &[JobState::Failed], false)), Reply::Cleaned(0));
    assert_eq!(rig.command(cleanup(10, &[JobState::Completed], true)), Reply::Cleaned(1));
    assert_eq!(rig.command(cleanup(10, &[], false)), Reply::Cleaned(1));
    assert_eq!(rig.command(cleanup(10, &[], false)), Reply::Cleaned(0), "once");
    assert!(rig.state.job(jobs[0]).is_none() && rig.state.job(jobs[1]).is_some());
    // One that is pinned goes when a person names it.
    assert_eq!(rig.command(Command::Delete(jobs[1])), Reply::Deleted);
    // By its age.
    rig.command(Command::Finalised(jobs[2]));
    let due = rig.state.next_due(rig.given());
    assert_eq!(due, Some(RETENTION));
    rig.tick_after(RETENTION - Duration::from_millis(11));
    assert!(rig.state.job(jobs[2]).is_some());
    rig.tick_after(Duration::from_millis(1));
    assert!(rig.state.job(jobs[2]).is_none() && rig.state.job(active).is_some());
    assert_eq!(rig.rows.len(), 1, "the journal knows it too");
}

#[test]
fn j22_the_end_of_a_program_is_no_failure_and_no_attempt() {
    let on = |on_shutdown| JobOptions { on_shutdown, ..plain() };
    let mut rig = Rig::new();
    rig.limits = crate::job::JobLimits { permits: 5, records: 9, ..rig.limits };
    let [wait, checkpoint, stop, retry] = [
        rig.running(plain()),
        rig.running(on(OnShutdown::Checkpoint)),
        rig.running(on(OnShutdown::Stop)),
        rig.running(JobOptions { retry_on_lost: true, ..plain() }),
    ];
    let paused = rig.paused(on(OnShutdown::Checkpoint));
    let starting = rig.queued();
    let waiting = rig.queued();
    rig.command(Command::Save { job: checkpoint, attempt: 1, saved: "here".into() });
    rig.command(Command::Drain);
    assert_eq!((rig.at(wait), rig.at(retry)), (JobState::Running, JobState::Running));
    let told = |rig: &Rig, job| rig.at(job) == JobState::Stopping;
    assert!(told(&rig, checkpoint) && told(&rig, stop) && told(&rig, paused));
    let refused = rig.command(Command::Submit(NewJob::new("kind", "")));
    assert!(matches!(refused, Reply::Refused(JobRefused::Unavailable(_))));
    rig.told(checkpoint);
    rig.told(stop);
    rig.told(paused);
    assert_eq!((rig.at(checkpoint), rig.row(checkpoint).drains), (JobState::Queued, 1));
    assert_eq!((rig.at(paused), rig.wants(paused)), (JobState::Queued, Desired::Pause));
    assert_eq!(rig.at(stop), JobState::Stopped);
    assert!(rig.started().is_empty(), "nothing is started any more");
    rig.command(Command::Halt);
    rig.told(wait);
    rig.told(retry);
    rig.exit(starting, Outcome::NotStarted, false);
    assert_eq!((rig.at(wait), rig.row(wait).why), (JobState::Lost, Some(JobWhy::Shutdown)));
    assert_eq!((rig.at(retry), rig.at(starting)), (JobState::Queued, JobState::Queued));
    rig.crash();
    let states = [checkpoint, retry, starting, waiting].map(|job| rig.at(job));
    assert_eq!(states, [JobState::Starting; 4]);
    assert_eq!(rig.at(paused), JobState::Queued);
    let resumed = rig.started().into_iter().find(|start| start.job == checkpoint);
    let resumed = resumed.expect("it goes on");
    assert_eq!((resumed.attempt, resumed.saved.as_deref()), (2, Some(&b"here"[..])));
}

#[test]
fn a_body_that_answers_before_it_was_told_has_its_own_end_in_a_drain() {
    let mut rig = Rig::new();
    let job = rig.running(JobOptions { on_shutdown: OnShutdown::Checkpoint, ..plain() });
    rig.command(Command::Drain);
    rig.ok(job);
    assert_eq!(rig.at(job), JobState::Completed);
    // And one that a person stops in the drain does not go on after it.
    let mut rig = Rig::new();
    let job = rig.running(JobOptions { on_shutdown: OnShutdown::Checkpoint, ..plain() });
    rig.command(Command::Drain);
    let stopping = moved(true, JobState::Stopping, Desired::Stop);
    assert_eq!(rig.command(Command::Stop(job)), stopping);
    rig.told(job);
    assert_eq!(rig.at(job), JobState::Stopped);
}

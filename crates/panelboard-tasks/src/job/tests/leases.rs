//! Is a body that says nothing for too long told to stop, and no other; and is it never run beside
//! itself?

use std::time::Duration;

use super::rig::{GRACE, Rig};
use crate::job::{
    Command, Desired, JobId, JobMoved, JobOptions, JobState, JobWhy, Outcome, Park, Reply,
};

const LEASE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(10);

fn leased() -> JobOptions {
    JobOptions { lease: Some(LEASE), ..JobOptions::default() }
}

fn retries() -> JobOptions {
    JobOptions { retry_on_lost: true, max_attempts: 2, ..leased() }
}

impl Rig {
    fn heard(&mut self, job: JobId) {
        let attempt = self.attempt(job);
        self.command(Command::Heard(vec![(job, attempt)]));
    }

    fn looks(&mut self, times: u32) {
        (0..times).for_each(|_| self.tick_after(LOOK));
    }

    /// A job whose lease has ended.
    fn silent(&mut self, options: JobOptions) -> JobId {
        let job = self.running(options);
        self.looks(3);
        assert_eq!((self.at(job), self.row(job).why), (JobState::Stopping, lease_expired()));
        job
    }
}

fn lease_expired() -> Option<JobWhy> {
    Some(JobWhy::LeaseExpired)
}

#[test]
fn j10_who_speaks_keeps_its_lease_and_who_does_not_is_told_to_stop() {
    let mut rig = Rig::new();
    let job = rig.running(leased());
    assert_eq!(rig.state.next_due(rig.given()), Some(LOOK));
    for _ in 0..10 {
        rig.looks(2);
        rig.now += LOOK;
        rig.heard(job);
        rig.command(Command::Tick);
        assert_eq!(rig.at(job), JobState::Running);
    }
    rig.looks(2);
    assert_eq!(rig.at(job), JobState::Running);
    rig.looks(1);
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Stopping, lease_expired()));
    assert!(rig.wakes(job) && rig.state.held == 1);
    assert_eq!(rig.wants(job), Desired::Run, "J5: nobody has stopped it");
}

#[test]
fn j10_time_in_which_nobody_looked_ends_no_lease() {
    let mut rig = Rig::new();
    let job = rig.running(leased());
    // As after a process was stopped for a day: nobody could say anything in it.
    rig.tick_after(Duration::from_secs(86_400));
    assert_eq!(rig.at(job), JobState::Running);
    rig.looks(1);
    assert_eq!(rig.at(job), JobState::Running);
}

#[test]
fn a_job_without_a_lease_may_be_silent_for_ever_and_so_may_one_that_can_not_speak() {
    let mut rig = Rig::new();
    let plain = rig.running(JobOptions::default());
    rig.looks(100);
    assert_eq!(rig.at(plain), JobState::Running);
    rig.ok(plain);
    // While it is parked it has nothing to say; what it had been silent for before is forgotten.
    let job = rig.running(leased());
    rig.looks(2);
    rig.command(Command::Pause(job));
    assert_eq!(rig.checkpoint(job), Park::HoldOn);
    rig.looks(100);
    assert_eq!(rig.at(job), JobState::Paused);
    rig.command(Command::Resume(job));
    rig.looks(2);
    assert_eq!(rig.at(job), JobState::Running);
    rig.looks(1);
    assert_eq!(rig.at(job), JobState::Stopping);
}

#[test]
fn l6_one_that_comes_to_no_checkpoint_to_be_paused_is_told_to_stop() {
    let mut rig = Rig::new();
    let job = rig.running(leased());
    rig.looks(1);
    rig.command(Command::Pause(job));
    rig.looks(2);
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Stopping, lease_expired()));
}

#[test]
fn j10_its_permit_and_its_attempt_are_its_threads_until_that_has_ended() {
    let mut rig = Rig::new();
    let job = rig.silent(retries());
    let waits = rig.queued();
    rig.tick_after(GRACE);
    assert!(rig.row(job).stuck, "L6");
    assert_eq!((rig.state.held, rig.at(waits)), (1, JobState::Queued), "J1");
    assert_eq!(rig.attempt(job), 1);
    // What it answers after all came too late.
    rig.ok(job);
    assert_eq!((rig.at(job), rig.row(job).output.as_ref()), (JobState::Queued, None));
    assert_eq!(rig.at(waits), JobState::Starting);
    rig.enter(waits);
    rig.ok(waits);
    assert_eq!(rig.at(job), JobState::Queued, "it waits for its back-off");
    rig.tick_after(Duration::from_secs(100));
    assert_eq!((rig.at(job), rig.attempt(job)), (JobState::Starting, 2));
    // J11: as often as after crashes.
    assert_eq!(rig.enter(job), Reply::Entered(true));
    rig.looks(3);
    rig.told(job);
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Lost, lease_expired()));
}

#[test]
fn j11_what_an_attempt_says_whose_lease_has_ended_renews_nothing() {
    let mut rig = Rig::new();
    let job = rig.silent(leased());
    rig.heard(job);
    assert_eq!(rig.at(job), JobState::Stopping);
    assert_eq!(rig.checkpoint(job), Park::Stop);
    rig.exit(job, Outcome::Ok("late".into()), true);
    let row = rig.row(job);
    assert_eq!((row.state, row.why), (JobState::Lost, lease_expired()));
    assert!(row.late && row.output.as_deref() == Some(b"late"), "kept, and no result");
}

#[test]
fn j20_a_stop_of_a_job_whose_lease_has_ended_is_final() {
    let mut rig = Rig::new();
    let job = rig.silent(retries());
    let stopping = JobMoved { changed: true, state: JobState::Stopping, desired: Desired::Stop };
    assert_eq!(rig.command(Command::Stop(job)), Reply::Moved(stopping));
    rig.told(job);
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Stopped, Some(JobWhy::Asked)));
}

#[test]
fn j13_a_crash_after_a_lease_has_ended_is_one_try_and_not_two() {
    let mut rig = Rig::new();
    let job = rig.silent(retries());
    rig.crash();
    assert_eq!((rig.at(job), rig.attempt(job)), (JobState::Queued, 1));
    rig.tick_after(Duration::from_secs(100));
    rig.enter(job);
    rig.crash();
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Lost, Some(JobWhy::Crashed)));
}

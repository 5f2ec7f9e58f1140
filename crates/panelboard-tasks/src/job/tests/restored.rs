//! What becomes of jobs whose process died?

use std::{collections::BTreeSet, time::Duration};

use super::rig::{Rig, id};
use crate::job::{
    Command, Desired, JobOptions, JobState, JobWhy, OnShutdown, Reply, State, restore::backoff_of,
};

fn plain() -> JobOptions {
    JobOptions::default()
}

fn retries(max_attempts: u32) -> JobOptions {
    JobOptions { retry_on_lost: true, max_attempts, ..plain() }
}

#[test]
fn j08_whatever_had_a_thread_is_lost_and_what_waited_waits() {
    let mut rig = Rig::new();
    rig.limits = crate::job::JobLimits { permits: 3, paused: 9, ..rig.limits };
    let paused = rig.paused(plain());
    let resumed = rig.paused(plain());
    let running = rig.running(plain());
    let pausing = rig.running(plain());
    rig.command(Command::Pause(pausing));
    let starting = rig.queued();
    rig.command(Command::Resume(resumed));
    let waiting = rig.queued();
    assert_eq!(rig.at(resumed), JobState::Resuming);
    rig.crash();
    for job in [paused, resumed, running, pausing, starting] {
        assert_eq!((rig.at(job), rig.row(job).why), (JobState::Lost, Some(JobWhy::Crashed)));
        assert_eq!(rig.rows[&job].state, JobState::Lost, "it is written");
    }
    assert_eq!((rig.at(waiting), rig.state.held), (JobState::Starting, 1));
}

#[test]
fn j20_a_stop_of_a_job_whose_process_died_is_its_end() {
    let mut rig = Rig::new();
    let job = rig.running(retries(9));
    rig.command(Command::Stop(job));
    rig.crash();
    assert_eq!((rig.at(job), rig.wants(job)), (JobState::Stopped, Desired::Stop));
    // And a time-out is a failure, not a retry.
    let job = rig.running(JobOptions { timeout: Some(Duration::from_secs(1)), ..retries(9) });
    rig.tick_after(Duration::from_secs(1));
    rig.crash();
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Failed, Some(JobWhy::TimedOut)));
}

#[test]
fn j13_a_job_that_kills_its_process_does_so_as_often_as_it_may() {
    let mut rig = Rig::new();
    let job = rig.running(retries(3));
    for attempt in 2..=3 {
        rig.crash();
        assert_eq!((rig.at(job), rig.state.held), (JobState::Queued, 0), "it backs off");
        rig.tick_after(Duration::from_secs(100));
        rig.enter(job);
        assert_eq!((rig.at(job), rig.attempt(job)), (JobState::Running, attempt));
    }
    rig.crash();
    assert_eq!((rig.at(job), rig.row(job).why), (JobState::Lost, Some(JobWhy::Crashed)));
    rig.tick_after(Duration::from_secs(100));
    assert!(rig.started().is_empty());
}

#[test]
fn j22_what_was_told_to_stop_by_a_drain_and_killed_in_it_has_burned_no_attempt() {
    let mut rig = Rig::new();
    let job = rig.running(JobOptions { on_shutdown: OnShutdown::Checkpoint, ..plain() });
    for drains in 1..=5 {
        rig.command(Command::Drain);
        rig.crash();
        rig.enter(job);
        assert_eq!((rig.at(job), rig.row(job).drains), (JobState::Running, drains));
    }
    rig.crash();
    assert_eq!(rig.at(job), JobState::Lost, "that was a crash");
}

#[test]
fn j12_another_life_is_another_one_whatever_it_is_called() {
    let mut rig = Rig::new();
    let job = rig.running(plain());
    let rows: Vec<_> = rig.rows.values().cloned().collect();
    assert_eq!(State::restore(1, rows.clone(), rig.given()).err(), Some(1));
    let (state, _) = State::restore(2, rows, rig.given()).expect("a new life");
    assert_eq!(state.job(job).map(|job| job.row.state), Some(JobState::Lost));
}

#[test]
fn j14_what_comes_back_is_spread() {
    let rig = Rig::new();
    let waits: Vec<Duration> =
        (1..=1_000).map(|number| backoff_of(id(number), 1, 1, rig.given())).collect();
    let base = rig.limits.retry;
    assert!(waits.iter().all(|wait| (base / 2..=base * 3 / 2).contains(wait)));
    // Ten equal parts of the time get about a tenth each.
    for part in 0..10 {
        let from = base / 2 + base * part / 10;
        let within = waits.iter().filter(|wait| (from..from + base / 10).contains(wait)).count();
        assert!((60..=140).contains(&within), "{within} in part {part}");
    }
    let most = rig.limits.retry_most;
    let later: BTreeSet<Duration> =
        (1..=40).map(|tries| backoff_of(id(1), tries, tries, rig.given())).collect();
    assert!(later.last() <= Some(&(most * 3 / 2)) && later.last() >= Some(&most));
}

#[test]
fn a_time_in_the_queue_goes_on_over_a_crash() {
    let mut rig = Rig::new();
    rig.limits.permits = 0;
    let job = rig.submit(JobOptions { queue_ttl: Some(Duration::from_secs(10)), ..plain() });
    rig.now = Duration::from_secs(6);
    rig.crash();
    rig.tick_after(Duration::from_secs(3));
    assert_eq!(rig.at(job), JobState::Queued);
    rig.tick_after(Duration::from_secs(1));
    assert_eq!(rig.at(job), JobState::Expired);
    assert_eq!(rig.command(Command::Delete(job)), {
        let state = JobState::Expired;
        Reply::DeleteRefused(crate::job::JobDeleteRefused::NotEnded { state })
    });
}

//! Is what has a key done once, and each job kept for its own time, also over a crash?

use std::{sync::Arc, time::Duration};

use super::rig::{RETENTION, Rig};
use crate::job::{
    Command, Desired, JobDeleteRefused, JobId, JobMove, JobMoveRefused, JobMoved, JobOptions,
    JobState, JobWrite, Reply,
};

impl Rig {
    fn once(&mut self, job: JobId, what: JobMove, key: &str) -> Reply {
        self.command(Command::MoveOnce { job, what, key: key.into() })
    }
}

fn moved(changed: bool, state: JobState, desired: Desired) -> Reply {
    Reply::Moved(JobMoved { changed, state, desired })
}

#[test]
fn a_move_with_a_key_is_done_once_and_answered_the_same_by_the_next_life() {
    let mut rig = Rig::new();
    let options = JobOptions { retry_on_lost: true, ..JobOptions::default() };
    let job = rig.running(options);
    let pausing = moved(true, JobState::Pausing, Desired::Pause);
    assert_eq!(rig.once(job, JobMove::Pause, "k"), pausing);
    assert_eq!(rig.written.len(), 1, "in the very write of the pause");
    let running = moved(true, JobState::Running, Desired::Run);
    assert_eq!(rig.once(job, JobMove::Resume, "k"), running, "each move has its own keys");
    // Sent again, by whom the answer did not reach: it is not paused again.
    assert_eq!(rig.once(job, JobMove::Pause, "k"), pausing);
    assert_eq!((rig.at(job), rig.written.len()), (JobState::Running, 0));
    // What changed nothing is told so again, although now it would.
    let nothing = moved(false, JobState::Running, Desired::Run);
    assert_eq!(rig.once(job, JobMove::Resume, "k2"), nothing);
    assert_eq!(rig.written.len(), 1);
    rig.command(Command::Pause(job));
    assert_eq!(rig.once(job, JobMove::Resume, "k2"), nothing);
    assert_eq!(rig.at(job), JobState::Pausing);
    rig.crash();
    assert_eq!(rig.at(job), JobState::Queued);
    for _ in 0..2 {
        assert_eq!(rig.once(job, JobMove::Pause, "k"), pausing);
        assert_eq!(rig.once(job, JobMove::Resume, "k2"), nothing);
    }
}

#[test]
fn a_stop_with_a_key_that_is_an_end_is_told_as_one() {
    let mut rig = Rig::new();
    let first = rig.queued();
    let waits = rig.queued();
    let stopped = moved(true, JobState::Stopped, Desired::Stop);
    assert_eq!(rig.once(waits, JobMove::Stop, "k"), stopped);
    assert_eq!(rig.once(waits, JobMove::Stop, "k"), stopped);
    let late = moved(false, JobState::Stopped, Desired::Stop);
    assert_eq!(rig.once(waits, JobMove::Stop, "k2"), late);
    assert!(rig.written.is_empty(), "J4: an end never changes");
    rig.crash();
    assert_eq!(rig.once(waits, JobMove::Stop, "k"), stopped);
    assert_eq!(rig.once(waits, JobMove::Stop, "k2"), late);
    let nobody = Reply::MoveRefused(JobMoveRefused::NotFound);
    assert_eq!(rig.once(JobId { boot: 1, number: 99 }, JobMove::Stop, "k"), nobody);
    assert_eq!(rig.at(first), JobState::Lost);
}

#[test]
fn what_is_refused_keeps_no_key_and_keys_have_a_bound() {
    let mut rig = Rig::new();
    rig.limits.paused = 0;
    let job = rig.running(JobOptions::default());
    let full = Reply::MoveRefused(JobMoveRefused::TooManyPaused);
    assert_eq!(rig.once(job, JobMove::Pause, "k"), full);
    rig.limits.paused = 1;
    let pausing = moved(true, JobState::Pausing, Desired::Pause);
    assert_eq!(rig.once(job, JobMove::Pause, "k"), pausing);
    for key in ["", "five!"] {
        let bad = Reply::MoveRefused(JobMoveRefused::BadKey);
        assert_eq!(rig.once(job, JobMove::Pause, key), bad);
        let delete = Command::DeleteOnce { job, key: key.into() };
        assert_eq!(rig.command(delete), Reply::DeleteRefused(JobDeleteRefused::BadKey));
    }
    rig.limits.answers = 3;
    for key in ["a", "b", "c"] {
        rig.once(job, JobMove::Pause, key);
    }
    let keys: Vec<&str> = rig.row(job).answers.iter().map(|answer| &*answer.key).collect();
    assert_eq!(keys, ["a", "b", "c"], "the oldest is forgotten");
}

#[test]
fn the_key_of_a_removal_is_written_with_it() {
    let mut rig = Rig::new();
    let job = rig.running(JobOptions::default());
    rig.ok(job);
    let delete = || Command::DeleteOnce { job, key: "k".into() };
    let state = JobState::Completed;
    let refused = Reply::DeleteRefused(JobDeleteRefused::NotEnded { state });
    assert_eq!(rig.command(delete()), refused, "its end is not told");
    rig.command(Command::Finalised(job));
    assert_eq!(rig.command(delete()), Reply::Deleted);
    let key: Arc<str> = "k".into();
    assert_eq!(rig.written, [JobWrite::Remove { job, key: Some(key) }]);
}

#[test]
fn j7_each_job_is_known_for_its_own_time_also_over_a_crash() {
    let mut rig = Rig::new();
    let mut ended = |retention: Option<u64>| {
        let retention = retention.map(Duration::from_secs);
        let job = rig.running(JobOptions { retention, ..JobOptions::default() });
        rig.ok(job);
        rig.command(Command::Finalised(job));
        job
    };
    let long = ended(Some(2 * RETENTION.as_secs()));
    let usual = ended(None);
    let short = ended(Some(5));
    let known = |rig: &Rig| [long, usual, short].map(|job| rig.state.job(job).is_some());
    assert_eq!(rig.state.next_due(rig.given()), Some(Duration::from_secs(5)));
    rig.tick_after(Duration::from_secs(4));
    assert_eq!(known(&rig), [true; 3]);
    rig.tick_after(Duration::from_secs(1));
    assert_eq!(known(&rig), [true, true, false]);
    rig.tick_after(RETENTION - Duration::from_secs(6));
    assert_eq!(known(&rig), [true, true, false]);
    rig.crash();
    assert_eq!(known(&rig), [true, true, false]);
    rig.tick_after(Duration::from_secs(1));
    assert_eq!(known(&rig), [true, false, false]);
    rig.tick_after(RETENTION);
    assert_eq!(known(&rig), [false; 3]);
    assert!(rig.rows.is_empty(), "the journal knows it too");
}

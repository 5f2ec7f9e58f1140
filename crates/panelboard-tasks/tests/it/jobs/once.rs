//! Is what has a key done once, wherever the process dies?

use panelboard_tasks::{
    Desired, FaultyJobJournal, JobDeleteRefused, JobMove, JobMoveRefused, JobOptions, NewJob,
};

use super::support::{Rig, limits};

#[tokio::test]
async fn a_crash_at_any_write_leaves_a_move_with_its_key_or_neither() {
    // A job that waits is held and let go, each under a key; then both are sent again.
    for kept in 1..=3 {
        let held = FaultyJobJournal::held();
        let rig = Rig::with(held, |jobs| jobs.limits(limits(0))).await;
        let asks = rig.spawn(|jobs| async move {
            let id = jobs.submit(NewJob::new("echo", "")).await.expect("taken").id;
            let held = jobs.move_once(id, JobMove::Pause, "k").await.expect("held");
            let freed = jobs.move_once(id, JobMove::Resume, "k").await.expect("let go");
            assert!(held.changed && freed.changed);
        });
        for _ in 0..kept {
            while !rig.journal.commit_one() {
                tokio::task::yield_now().await;
            }
        }
        let next = rig.next_life(2, |jobs| jobs.limits(limits(0))).await;
        let id = next.journal.rows()[0].id;
        // The first is known if it was kept, and is done now if it was not: held once, either way.
        let again = next.jobs.move_once(id, JobMove::Pause, "k").await.expect("held");
        assert!(again.changed && again.desired == Desired::Pause, "{kept} writes");
        let wanted = next.view(id).await.row.desired;
        let freed = kept == 3;
        assert_eq!(wanted, if freed { Desired::Run } else { Desired::Pause }, "{kept} writes");
        let again = next.jobs.move_once(id, JobMove::Resume, "k").await.expect("let go");
        assert!(again.changed && again.desired == Desired::Run, "{kept} writes");
        assert_eq!(next.view(id).await.row.desired, Desired::Run);
        while !asks.is_finished() {
            rig.journal.commit();
            tokio::task::yield_now().await;
        }
        asks.await.expect("no panic");
    }
}

#[tokio::test]
async fn a_removal_with_a_key_is_known_by_whoever_made_it_also_after_a_crash() {
    let rig = Rig::new(1).await;
    let id = rig.submit("echo", JobOptions::default()).await;
    rig.ended(id).await;
    while rig.jobs.delete_once(id, "k").await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.jobs.delete_once(id, "k").await, Ok(()));
    assert_eq!(rig.jobs.delete_once(id, "other").await, Err(JobDeleteRefused::NotFound));
    let gone = rig.jobs.move_once(id, JobMove::Stop, "k").await;
    assert_eq!(gone, Err(JobMoveRefused::NotFound));
    let next = rig.next_life(2, |jobs| jobs).await;
    assert_eq!(next.jobs.delete_once(id, "k").await, Ok(()));
    assert_eq!(next.jobs.delete_once(id, "other").await, Err(JobDeleteRefused::NotFound));
}

#[tokio::test]
async fn a_removal_that_is_not_durable_is_not_told_to_who_sends_it_again() {
    let rig = Rig::with(FaultyJobJournal::held(), |jobs| jobs.limits(limits(1))).await;
    let id = {
        let taken = rig.spawn(|jobs| async move {
            let id = jobs.submit(NewJob::new("echo", "")).await.expect("taken").id;
            jobs.finished(id).await.expect("available");
            id
        });
        while !taken.is_finished() {
            rig.journal.commit();
            tokio::task::yield_now().await;
        }
        taken.await.expect("no panic")
    };
    // Not removed before its end was told.
    let first = loop {
        rig.journal.commit();
        let jobs = rig.jobs.clone();
        let first = tokio::spawn(async move { jobs.delete_once(id, "k").await });
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
        if !first.is_finished() {
            break first;
        }
    };
    let again = rig.spawn(|jobs| async move { jobs.delete_once(id, "k").await });
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    assert!(!first.is_finished() && !again.is_finished());
    rig.journal.commit();
    assert_eq!(first.await.expect("no panic"), Ok(()));
    assert_eq!(again.await.expect("no panic"), Ok(()));
}

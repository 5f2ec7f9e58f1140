//! The eight scenarios of many callers at once, on two threads, with the server's count as judge.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use panelboard_vault::{Cause, Error, ErrorKind, Found, Stage, State, Write};

use super::{
    rig::{S, all, fails, for_secrets, rig, until, within},
    scripted::{Reply, gate, held, say},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c1_twenty_mixed_outcomes_at_once_are_each_counted_once() {
    let (good, bad) = (gate(), gate());
    let sent = AtomicU64::new(0);
    let (its_good, its_bad) = (good.clone(), bad.clone());
    let script = for_secrets(move |_| match sent.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => held(&its_good, usual_secret()),
        _ => held(&its_bad, fails()),
    });
    let rig = rig(script, |b| b.max_attempts(1).failure_threshold(20).max_concurrent(20)).await;
    let reads = rig.spawn_reads(20);
    rig.server.arrived("/secret/", 20).await;
    assert_eq!(rig.vault.health().queue.running, 20, "all are out at once");
    let ended =
        |count| move |reads: &[Read]| reads.iter().filter(|r| r.is_finished()).count() == count;
    // Both at once: each is counted, and a row of failures is as long as it came out.
    bad.add_permits(5);
    good.add_permits(5);
    until(|| ended(10)(&reads)).await;
    assert_eq!(rig.vault.health().breakers[0].1.counts.failures, 5);
    assert!(rig.failures() <= 5);
    // Apart, the row is exact: one success ends it, and failures alone make another.
    for (gate, count, in_all, row) in [(&good, 1, 11, 0), (&bad, 5, 16, 5), (&good, 4, 20, 0)] {
        gate.add_permits(count);
        until(|| ended(in_all)(&reads)).await;
        assert_eq!(rig.failures(), row);
    }
    let results = all(reads).await;
    let answered = results.iter().filter(|result| result.is_ok()).count();
    let failed = results.iter().filter(|r| r.as_ref().is_err_and(|e| e.attempts == 1)).count();
    let counts = rig.vault.health().breakers[0].1.counts;
    assert_eq!((answered, failed, rig.requests()), (10, 10, 20));
    assert_eq!((counts.failures, counts.late, counts.rejected), (10, 0, 0));
    assert_eq!((rig.failures(), rig.state()), (0, State::Closed));
}

type Read = tokio::task::JoinHandle<Result<Option<Found>, Error>>;

fn usual_secret() -> Reply {
    say(200, super::rig::SECRET)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c2_fifty_successes_at_once_leave_it_closed_with_nothing_counted() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |_| held(&its, usual_secret()));
    let rig = rig(script, |b| b.max_concurrent(50)).await;
    let reads = rig.spawn_reads(50);
    rig.server.arrived("/secret/", 50).await;
    assert_eq!(rig.server.most_at_once(), 50, "all are out at once");
    hold.add_permits(50);
    assert!(all(reads).await.iter().all(Result::is_ok));
    assert_eq!((rig.state(), rig.failures(), rig.requests()), (State::Closed, 0, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c3_ten_failures_at_once_trip_at_the_fifth_and_once() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, fails()))
    };
    let rig = rig(script, |b| b.max_attempts(1).max_concurrent(10)).await;
    let mut events = rig.vault.events();
    let reads = rig.spawn_reads(10);
    rig.server.arrived("/secret/", 10).await;
    hold.add_permits(4);
    until(|| reads.iter().filter(|read| read.is_finished()).count() == 4).await;
    assert_eq!((rig.state(), rig.failures()), (State::Closed, 4));
    hold.add_permits(6);
    drop(all(reads).await);
    let told: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    assert_eq!((rig.state(), told.len()), (State::Open, 1));
    assert!(told[0].as_ref().is_ok_and(|event| event.cause == Cause::Failures));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c4_thirty_writes_some_of_which_fail_reach_the_server_once_each() {
    let hold = gate();
    let its = hold.clone();
    let version = AtomicU64::new(0);
    let script = for_secrets(move |_| {
        let answer = match version.fetch_add(1, Ordering::Relaxed) {
            n if n % 3 == 2 => fails(),
            n => say(200, &format!(r#"{{"data":{{"version":{n}}}}}"#)),
        };
        held(&its, answer)
    });
    let rig = rig(script, |b| b.max_attempts(3).failure_threshold(20).max_concurrent(15)).await;
    let writes: Vec<_> = (0..30)
        .map(|n| {
            let kv = rig.vault.kv2("secret");
            tokio::spawn(async move {
                kv.write(&format!("p{n}"), &[("n", n.to_string())], Write::default()).await
            })
        })
        .collect();
    // Half of them are out, and half of them wait for a turn.
    rig.server.arrived("/secret/", 15).await;
    until(|| rig.vault.health().queue.waiting == 15).await;
    hold.add_permits(30);
    let results = all(writes).await;
    assert_eq!(rig.server.most_at_once(), 15);
    let mut versions: Vec<u64> = results.iter().filter_map(|r| r.as_ref().ok().copied()).collect();
    versions.sort_unstable();
    versions.dedup();
    let unsure = results.iter().filter(|r| r.as_ref().is_err_and(|e| e.maybe_done)).count();
    assert_eq!((versions.len(), unsure, rig.requests()), (20, 10, 30));
    let mut paths: Vec<_> = rig.server.seen("/secret/").into_iter().map(|s| s.path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 30, "none was sent for another one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_twenty_health_checks_while_it_trips_send_nothing_and_are_each_of_one_moment() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |_| held(&its, fails()));
    let rig = Arc::new(rig(script, |b| b.max_attempts(1).max_concurrent(20)).await);
    let reads = rig.spawn_reads(20);
    rig.server.arrived("/secret/", 20).await;
    let seen = Arc::new([(); 2].map(|()| AtomicUsize::new(0)));
    // Each looks until it has seen it closed and open, whatever the others do meanwhile.
    let checks: Vec<_> = (0..20)
        .map(|_| {
            let (vault, seen) = (rig.vault.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut own = [false; 2];
                while own != [true; 2] {
                    let now = vault.health().breakers[0].1;
                    // The states that one generation can be in: a mix of two would show here.
                    let (fits, state) = match now.state {
                        State::Closed => (now.generation == 0 && now.consecutive_failures < 5, 0),
                        State::Open => (now.generation == 1 && now.retry_after.is_some(), 1),
                        _ => (false, 0),
                    };
                    assert!(fits, "{now:?}");
                    if !std::mem::replace(&mut own[state], true) {
                        seen[state].fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    // It trips once all have seen it closed, in the middle of their looks.
    until(|| seen[0].load(Ordering::Relaxed) == 20).await;
    hold.add_permits(20);
    drop(all(reads).await);
    drop(all(checks).await);
    assert_eq!((rig.state(), seen[1].load(Ordering::Relaxed)), (State::Open, 20));
    assert_eq!((rig.requests(), rig.server.count("health")), (20, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c6_a_shutdown_with_ten_operations_in_flight_ends_each_of_them_once() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, say(200, super::rig::SECRET)))
    };
    let rig = rig(script, |b| b).await;
    let reads = rig.spawn_reads(10);
    rig.server.arrived("/secret/", 10).await;
    let ending = {
        let vault = rig.vault.clone();
        tokio::spawn(async move { vault.shutdown(S).await })
    };
    // Its limit counts from when it begins.
    until(|| rig.vault.health().stage == Stage::Draining).await;
    hold.add_permits(3);
    until(|| reads.iter().filter(|read| read.is_finished()).count() == 3).await;
    rig.hand.advance(2 * S);
    let ended = within(ending).await.expect("no panic");
    let results = all(reads).await;
    let good = results.iter().filter(|result| result.is_ok()).count();
    let gone =
        results.iter().filter(|r| r.as_ref().is_err_and(|e| e.kind == ErrorKind::ShuttingDown));
    assert_eq!((good, gone.count(), ended.cancelled), (3, 7, 7));
    let health = rig.vault.health();
    assert_eq!((rig.state(), rig.failures(), health.tasks), (State::Closed, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c7_twenty_five_operations_in_a_pool_of_five_all_end_and_never_more_than_five_run() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, say(200, super::rig::SECRET)))
    };
    let rig = rig(script, |b| b.max_concurrent(5).queue_multiplier(4)).await;
    let reads = rig.spawn_reads(25);
    rig.server.arrived("/secret/", 5).await;
    until(|| rig.vault.health().queue.waiting == 20).await;
    // One answer lets one more out, and no more.
    for round in 1..=25_usize {
        hold.add_permits(1);
        rig.server.arrived("/secret/", (5 + round).min(25)).await;
        assert!(rig.requests() <= 5 + round);
    }
    assert!(all(reads).await.iter().all(Result::is_ok));
    assert_eq!(rig.server.most_at_once(), 5);
    let queue = rig.vault.health().queue;
    assert_eq!((queue.running, queue.waiting, queue.refused, rig.requests()), (0, 0, 0, 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c8_a_hundred_failures_at_once_again_and_again_open_it_exactly_once_a_time() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |_| held(&its, fails()));
    let rig = rig(script, |b| b.max_attempts(1).max_concurrent(10).queue_multiplier(9)).await;
    let mut events = rig.vault.events();
    let mut told = || -> Vec<_> {
        std::iter::from_fn(|| events.try_next()).map(|event| event.map(|e| e.to)).collect()
    };
    // Ten are out, ninety wait; none of those is sent once the fifth has failed.
    let reads = rig.spawn_reads(100);
    rig.server.arrived("/secret/", 10).await;
    until(|| rig.vault.health().queue.waiting == 90).await;
    hold.add_permits(100);
    drop(all(reads).await);
    assert_eq!((rig.state(), told()), (State::Open, vec![Ok(State::Open)]));
    assert!((10..=14).contains(&rig.requests()), "{}", rig.requests());
    hold.forget_permits(100);
    for _ in 0..9 {
        let sent = rig.requests();
        rig.hand.advance(70 * S);
        let reads = rig.spawn_reads(100);
        // One probe is out, which the ninety-nine others are refused for.
        rig.server.arrived("/secret/", sent + 1).await;
        until(|| reads.iter().filter(|read| read.is_finished()).count() == 99).await;
        hold.add_permits(1);
        drop(all(reads).await);
        assert_eq!(told(), [Ok(State::HalfOpen), Ok(State::Open)]);
        assert_eq!((rig.state(), rig.requests()), (State::Open, sent + 1));
    }
}

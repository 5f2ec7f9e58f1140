//! Known faults of other gateways, 16 to 19: clients that leave, and counts that must come back.

use std::{sync::Arc, time::Duration};

use panelboard::State;
use panelboard_llm::Outcome;
use tokio::task::JoinSet;

use crate::{
    rig::{Rig, body, next, one, provider, settings},
    scripted::{Gate, Reply, Scripted},
};

/// Whatever the client was doing, within a second the provider knows that it has left.
async fn cancelled_within_a_second(server: &Scripted, key: &str, aborted: usize) {
    let known = server.wait_until(key, |seen| seen.aborted == aborted && seen.in_flight == 0);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), known).await.is_ok(),
        "{:?}",
        server.stats(key)
    );
}

#[tokio::test]
async fn fault_16_leaving_before_a_whole_answer_cancels_it() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.always("k1", Reply::chat("late").behind(&gate));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let client = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    client.abort();
    cancelled_within_a_second(&server, "k1", 1).await;
    assert_eq!(*rig.told.calls.lock().expect("no panic"), [(Outcome::ClientGone, 499)]);
    rig.at_rest();
}

#[tokio::test]
async fn fault_16_leaving_before_the_first_token_cancels_the_stream() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.always("k1", Reply::stream().role().gate(&gate).word("late"));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let client = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.ask(&body(true)).await }
    });
    gate.reached(1).await;
    client.abort();
    cancelled_within_a_second(&server, "k1", 1).await;
    rig.at_rest();
}

#[tokio::test]
async fn fault_16_leaving_in_the_middle_cancels_the_stream() {
    let server = Scripted::start().await;
    server.always("k1", Reply::stream().role().word("one").hang());
    let rig = one(server.base_url(), &["k1"]);
    let mut stream = rig.stream().await;
    assert!(next(&mut stream).await.is_some());
    drop(stream);
    cancelled_within_a_second(&server, "k1", 1).await;
    let seen = rig.seen("a/k1");
    assert_eq!((seen.state, seen.counts.failures, seen.counts.cancelled), (State::Closed, 0, 1));
    rig.at_rest();
}

#[tokio::test]
async fn fault_16_leaving_during_a_later_attempt_cancels_that_one() {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    let gate = Gate::new();
    a.always("a1", Reply::error(500, "server_error", "no"));
    b.always("b1", Reply::chat("late").behind(&gate));
    let rig = Rig::new(settings(vec![
        provider("a", a.base_url(), &["a1"]),
        provider("b", b.base_url(), &["b1"]),
    ]));
    let rig = Arc::new(rig);
    let client = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    assert_eq!(rig.gateway.calls()[0].attempt, 2);
    client.abort();
    cancelled_within_a_second(&b, "b1", 1).await;
    rig.at_rest();
}

#[tokio::test]
async fn fault_16_leaving_while_waiting_for_a_key_ends_the_call() {
    let server = Scripted::start().await;
    server.on("k1", Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "30"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(60));
    let rig = Arc::new(Rig::new(settings));
    let client = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    server.wait_until("k1", |seen| seen.ended == 1).await;
    client.abort();
    rig.told.calls_ended(1).await;
    rig.at_rest();
    assert_eq!(server.stats("k1").hits, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_17_abandoned_streams_leave_nothing_behind() {
    let server = Scripted::start().await;
    server.always("k1", Reply::stream().role().word("one").hang());
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // 50 at once: a full queue of the listener drops connections.
    for round in 1..=20 {
        let mut calls = JoinSet::new();
        for _ in 0..50 {
            let rig = Arc::clone(&rig);
            calls.spawn(async move {
                let mut stream = rig.stream().await;
                assert!(next(&mut stream).await.is_some());
            });
        }
        while let Some(call) = calls.join_next().await {
            call.expect("no panic");
        }
        server.wait_until("k1", |seen| seen.aborted == round * 50 && seen.in_flight == 0).await;
    }
    rig.at_rest();
    assert_eq!(rig.seen("a/k1").counts.cancelled, 1000);
    // The provider's tasks end after it has counted; ours are its connections' other ends.
    let ended = async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok(), "tasks are left");
}

#[tokio::test]
async fn fault_18_every_end_frees_the_place_before_the_answer_ends() {
    let server = Scripted::start().await;
    let rig = one(server.base_url(), &["k1"]);
    // Whole answers: free when the client sees them.
    for reply in [
        Reply::chat("well"),
        Reply::error(400, "bad", "bad"),
        Reply::error(500, "server_error", "no"),
        Reply::chat("cut").forged_length(10_000).cut(),
        Reply::garbage("nonsense"),
    ] {
        server.on("k1", reply);
        rig.whole().await;
        rig.at_rest();
        rig.gateway.panel().reset_all();
    }
    // Streams: free when the client sees the end mark or the error, not only when it has read on.
    for reply in [
        Reply::stream_of(&["well"]),
        Reply::stream().role().word("so").cut(),
        Reply::stream().role().word("so").data(r#"{"error":{"message":"no"}}"#),
    ] {
        server.on("k1", reply);
        let mut stream = rig.stream().await;
        loop {
            let piece = next(&mut stream).await.expect("an end mark or an error");
            let text = String::from_utf8_lossy(&piece);
            if text.contains("[DONE]") || text.contains("error") {
                break;
            }
        }
        rig.at_rest();
        assert!(next(&mut stream).await.is_none());
        rig.gateway.panel().reset_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_19_counts_are_even_after_chaos() {
    let server = Scripted::start().await;
    server.decide(|request| {
        let stream = request.json()["stream"] == true;
        Some(match (request.n % 7, stream) {
            (0, _) => Reply::error(500, "server_error", "no"),
            (1, _) => Reply::error(400, "bad", "bad"),
            (2, _) => Reply::garbage("nonsense"),
            (3, true) => Reply::stream().role().word("so").cut(),
            (4, true) => Reply::stream().role().data(r#"{"error":{"message":"no"}}"#),
            (5, true) => Reply::stream().role().word("so").hang(),
            (_, true) => Reply::stream_of(&["well"]),
            (_, false) => Reply::chat("well"),
        })
    });
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1", "k2", "k3"])]);
    let config = panelboard::Config::builder().failure_threshold(1_000_000);
    settings.breaker = config.build().expect("a good configuration");
    let rig = Arc::new(Rig::new(settings));
    let mut calls = JoinSet::new();
    // No more at once than a listener's queue holds: a full one drops connections.
    let at_once = Arc::new(tokio::sync::Semaphore::new(64));
    for n in 0..1000 {
        let (rig, at_once) = (Arc::clone(&rig), Arc::clone(&at_once));
        calls.spawn(async move {
            let _place = at_once.acquire().await;
            if n % 2 == 0 {
                rig.whole().await;
            } else if let panelboard_llm::AnswerBody::Stream(mut stream) =
                rig.ask(&body(true)).await.body
            {
                next(&mut stream).await; // and away
            }
        });
    }
    while let Some(call) = calls.join_next().await {
        call.expect("no panic");
    }
    rig.told.calls_ended(1000).await;
    rig.at_rest();
    assert_eq!(rig.told.calls.lock().expect("no panic").len(), 1000, "each call ended once");
    let total = server.total();
    let attempts = rig.told.attempts.lock().expect("no panic").len();
    assert_eq!(attempts, total.hits, "each attempt ended once");
}

//! Known faults of other gateways, 1 to 15: keys that cool, trip, probe and recover.

use std::{sync::Arc, time::Duration};

use panelboard::{Cause, State};
use panelboard_llm::Timeouts;
use tokio::task::JoinSet;

use crate::{
    means::pair,
    rig::{self, Rig, body, one, provider, settings},
    scripted::{Gate, Reply, Scripted},
};

const SECOND: Duration = Duration::from_secs(1);

fn limited(seconds: &str) -> Reply {
    Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", seconds)
}

fn broken() -> Reply {
    Reply::error(500, "server_error", "no")
}

#[tokio::test]
async fn fault_01_a_second_refusal_while_cooling_extends_the_deadline() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.on("k1", limited("60").behind(&gate));
    server.on("k1", limited("1"));
    server.always("k1", Reply::chat("well"));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let slow = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    assert_eq!(rig.whole().await.header("retry-after"), "1");
    gate.pass_all();
    assert_eq!(slow.await.expect("no panic").header("retry-after"), "60");
    for wait in [SECOND, Duration::from_secs(58)] {
        rig.hand.advance(wait);
        assert_eq!(rig.whole().await.status, 429);
    }
    assert_eq!(server.stats("k1").hits, 2);
    rig.hand.advance(SECOND);
    assert_eq!(rig.whole().await.said(), "well");
}

#[tokio::test]
async fn fault_01_a_shorter_refusal_does_not_shorten_the_deadline() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.on("k1", limited("1").behind(&gate));
    server.on("k1", limited("60"));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let late = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    rig.whole().await;
    gate.pass_all();
    assert_eq!(late.await.expect("no panic").header("retry-after"), "60");
    rig.hand.advance(Duration::from_secs(59));
    assert_eq!(rig.whole().await.header("retry-after"), "1");
    assert_eq!(server.stats("k1").hits, 2);
}

#[tokio::test]
async fn fault_02_a_cooling_key_gets_no_call_at_all() {
    let pair = pair(&["a1"]).await;
    pair.a.on("a1", limited("10"));
    for _ in 0..100 {
        assert_eq!(pair.rig.whole().await.said(), "b");
        pair.rig.hand.advance(Duration::from_millis(99)); // 9.9 s in all
    }
    assert_eq!(pair.a.stats("a1").hits, 1);
}

#[tokio::test]
async fn fault_03_the_nth_failure_trips_exactly_also_with_one_key() {
    for n in [1, 3, 7] {
        let server = Scripted::start().await;
        server.always("k1", broken());
        let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
        let config = panelboard::Config::builder().failure_threshold(n).jitter(0.0);
        settings.providers[0].breaker = Some(config.build().expect("a good configuration"));
        let rig = Rig::new(settings);
        for i in 1..=n + 5 {
            assert_eq!(rig.whole().await.status, 503);
            let expected = if i < n { State::Closed } else { State::Open };
            assert_eq!(rig.state("a/k1"), expected, "after {i} of {n}");
        }
        assert_eq!(server.stats("k1").hits, n as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_04_half_open_lets_one_through() {
    let server = Scripted::start().await;
    server.on("k1", limited("5"));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    rig.whole().await;
    let gate = Gate::new();
    server.always("k1", Reply::chat("well").behind(&gate));
    rig.hand.advance(Duration::from_secs(5));
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let rig = Arc::clone(&rig);
        calls.spawn(async move { rig.whole().await.status });
    }
    let mut refused = 0;
    while refused < 999 {
        assert_eq!(calls.join_next().await.expect("999 of them").expect("no panic"), 503);
        refused += 1;
    }
    assert_eq!(server.stats("k1").hits, 1 + 1, "the one that cooled it, and one probe");
    gate.pass_all();
    assert_eq!(calls.join_next().await.expect("the probe").expect("no panic"), 200);
    assert_eq!(rig.state("a/k1"), State::Closed);
    rig.at_rest();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_04_the_rest_go_to_the_next_key_and_not_to_an_error() {
    let pair = pair(&["a1"]).await;
    pair.a.on("a1", limited("5"));
    pair.rig.whole().await;
    let gate = Gate::new();
    pair.a.always("a1", Reply::chat("a").behind(&gate));
    pair.rig.hand.advance(Duration::from_secs(5));
    let rig = Arc::new(pair.rig);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let rig = Arc::clone(&rig);
        calls.spawn(async move { rig.whole().await.said() });
    }
    for _ in 0..99 {
        assert_eq!(calls.join_next().await.expect("99").expect("no panic"), "b");
    }
    gate.pass_all();
    assert_eq!(calls.join_next().await.expect("the probe").expect("no panic"), "a");
}

/// A key whose next call is a probe.
async fn ready_to_probe(server: &Scripted) -> Arc<Rig> {
    server.on("k1", limited("5"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.providers[0].timeouts =
        Some(Timeouts { first_byte: Duration::from_millis(400), ..Timeouts::default() });
    let rig = Arc::new(Rig::new(settings));
    rig.whole().await;
    rig.hand.advance(Duration::from_secs(5));
    rig
}

#[tokio::test]
async fn fault_05_a_probe_that_is_answered_400_frees_its_place() {
    let server = Scripted::start().await;
    let rig = ready_to_probe(&server).await;
    server.on("k1", Reply::error(400, "bad", "bad")).on("k1", Reply::chat("well"));
    assert_eq!(rig.whole().await.status, 400);
    assert_eq!(rig.state("a/k1"), State::HalfOpen);
    assert_eq!(rig.seen("a/k1").probes_in_flight, 0);
    assert_eq!(rig.whole().await.said(), "well");
}

#[tokio::test]
async fn fault_05_a_probe_whose_client_leaves_frees_its_place() {
    for stream in [false, true] {
        let server = Scripted::start().await;
        let rig = ready_to_probe(&server).await;
        let gate = Gate::new();
        server.on("k1", Reply::chat("never").behind(&gate)).on("k1", Reply::chat("well"));
        let client = tokio::spawn({
            let rig = Arc::clone(&rig);
            async move { rig.ask(&body(stream)).await }
        });
        gate.reached(1).await;
        assert_eq!(rig.seen("a/k1").probes_in_flight, 1);
        client.abort();
        rig.told.calls_ended(2).await;
        assert_eq!(rig.seen("a/k1").probes_in_flight, 0);
        assert_eq!(rig.whole().await.said(), "well");
    }
}

#[tokio::test]
async fn fault_05_a_probe_that_hangs_ends_at_its_limit_and_by_lease_at_the_latest() {
    let server = Scripted::start().await;
    let rig = ready_to_probe(&server).await;
    server.on("k1", Reply::silence());
    assert_eq!(rig.whole().await.status, 504);
    assert_eq!((rig.state("a/k1"), rig.seen("a/k1").probes_in_flight), (State::Open, 0));

    // The backstop: a permit that is leaked loses its place after the lease.
    rig.hand.advance(Duration::from_secs(60));
    let leaked =
        rig.gateway.panel().get("a/k1").expect("a breaker").acquire_owned().expect("a probe");
    std::mem::forget(leaked);
    server.always("k1", Reply::chat("well"));
    assert_eq!(rig.whole().await.status, 503);
    rig.hand.advance(Duration::from_secs(60));
    assert_eq!(rig.whole().await.said(), "well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_06_clients_that_leave_are_no_failures() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.always("k1", Reply::chat("late").behind(&gate));
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let rig = Arc::clone(&rig);
        calls.spawn(async move { rig.whole().await.status });
    }
    gate.reached(100).await;
    calls.shutdown().await;
    rig.told.calls_ended(100).await;
    let seen = rig.seen("a/k1");
    assert_eq!(
        (seen.state, seen.consecutive_failures, seen.counts.failures),
        (State::Closed, 0, 0)
    );
    assert_eq!(seen.counts.cancelled, 100);
    server.wait_until("k1", |seen| seen.aborted == 100 && seen.in_flight == 0).await;
    rig.at_rest();
}

#[tokio::test]
async fn fault_06_a_deadline_of_the_client_is_no_failure_either() {
    let server = Scripted::start().await;
    server.always("k1", Reply::silence());
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..5 {
        let mut request = panelboard_llm::CallRequest::new(body(false).to_string());
        request.deadline = Some(Duration::from_millis(10));
        let answer = rig.gateway.call(panelboard_llm::Endpoint::ChatCompletions, request).await;
        let reply = rig::read(answer).await;
        assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    }
    assert_eq!((rig.state("a/k1"), rig.seen("a/k1").counts.failures), (State::Closed, 0));
}

#[tokio::test]
async fn fault_07_oversized_prompts_do_not_open_the_breaker() {
    let server = Scripted::start().await;
    server.on_times("k1", 50, &Reply::error(400, "context_length_exceeded", "too long"));
    server.always("k1", Reply::chat("well"));
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..50 {
        assert_eq!(rig.whole().await.status, 400);
    }
    assert_eq!((rig.state("a/k1"), rig.seen("a/k1").counts.failures), (State::Closed, 0));
    assert_eq!(rig.whole().await.said(), "well");
}

#[tokio::test]
async fn fault_08_a_400_is_no_success_either() {
    let server = Scripted::start().await;
    let rig = ready_to_probe(&server).await;
    server.on("k1", Reply::error(400, "bad", "bad"));
    rig.whole().await;
    assert_eq!(rig.state("a/k1"), State::HalfOpen, "not closed by it");
    server.on("k1", Reply::chat("well"));
    rig.whole().await;

    for _ in 0..3 {
        server.on("k1", Reply::error(400, "bad", "bad")).on("k1", broken());
        rig.whole().await;
        rig.whole().await;
    }
    assert_eq!(rig.state("a/k1"), State::Open, "the failures count in a row");
}

#[tokio::test]
async fn fault_09_a_poisonous_request_counts_for_the_first_key_only() {
    let server = Scripted::start().await;
    let keys = ["k1", "k2", "k3"];
    for key in keys {
        server.always(key, broken());
    }
    let rig = one(server.base_url(), &keys);
    assert_eq!(rig.whole().await.status, 503);
    assert_eq!(server.total().hits, 3, "it was tried at every key");
    let failures: Vec<u64> = keys.map(|key| rig.seen(&format!("a/{key}")).counts.failures).into();
    assert_eq!(failures.iter().sum::<u64>(), 1, "{failures:?}");
    assert_eq!(rig.seen("a").counts.failures, 2, "the others are the provider's");
}

#[tokio::test]
async fn fault_10_a_full_queue_is_no_death() {
    for (status, code) in [(429, "rate_limit_exceeded"), (503, "upstream_unavailable")] {
        let server = Scripted::start().await;
        server.on("k1", Reply::error(status, "busy", "queue full").header("retry-after", "3"));
        server.always("k1", Reply::chat("well"));
        let rig = one(server.base_url(), &["k1"]);
        for _ in 0..3 {
            let reply = rig.whole().await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code));
            assert_eq!(reply.header("retry-after"), "3");
        }
        let seen = rig.seen("a/k1");
        assert!(matches!(seen.cause, Some(Cause::OpenFor(_))), "cooled: {seen:?}");
        assert_eq!((seen.counts.failures, rig.seen("a").counts.failures), (0, 0), "not tripped");
        rig.hand.advance(Duration::from_secs(3));
        assert_eq!(rig.whole().await.said(), "well");
    }
}

#[tokio::test]
async fn fault_11_the_walk_past_dead_keys_is_not_bounded_by_re_sends() {
    let server = Scripted::start().await;
    let keys: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
    for key in &keys[..9] {
        server.always(key, Reply::error(401, "invalid_api_key", "no"));
    }
    server.always("k9", Reply::chat("well"));
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut settings = settings(vec![provider("a", server.base_url(), &names)]);
    settings.limits.max_resends = 1;
    let rig = Rig::new(settings);
    for _ in 0..20 {
        assert_eq!(rig.whole().await.said(), "well");
    }
    assert!(server.total().hits <= 20 + 9);
}

#[tokio::test]
async fn fault_12_a_dead_key_is_hit_once_in_sixty_calls() {
    dead_key_is_hit_once(401, "invalid_api_key").await;
}

#[tokio::test]
async fn fault_13_so_is_one_that_is_forbidden_or_out_of_money() {
    dead_key_is_hit_once(403, "permission_error").await;
    dead_key_is_hit_once(402, "billing_error").await;
}

async fn dead_key_is_hit_once(status: u16, code: &str) {
    let server = Scripted::start().await;
    server.always("k1", Reply::error(status, code, "no"));
    server.always("k2", Reply::chat("well"));
    let rig = one(server.base_url(), &["k1", "k2"]);
    for _ in 0..60 {
        assert_eq!(rig.whole().await.said(), "well");
    }
    assert!(server.stats("k1").hits <= 1, "{status}: {}", server.stats("k1").hits);
}

#[tokio::test]
async fn fault_14_all_cooling_names_the_earliest_time_the_keys_and_why() {
    let server = Scripted::start().await;
    server.always("k1", limited("30")).always("k2", limited("7"));
    let rig = one(server.base_url(), &["k1", "k2"]);
    let first = rig.whole().await;
    assert_eq!((first.status, first.header("retry-after")), (429, "7"));
    rig.hand.advance(Duration::from_millis(1500));
    let reply = rig.whole().await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(reply.header("retry-after"), "6", "5.5 s, rounded up");
    assert_eq!(reply.header("x-panelboard-attempts"), "0");
    let error = reply.json()["error"].take();
    assert_eq!(error["type"], "rate_limit_error");
    let mut keys: Vec<String> =
        error["keys"].as_array().expect("a list").iter().map(ToString::to_string).collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            r#"{"key":"a/k1","reason":"rate limited","retry_after_ms":28500}"#,
            r#"{"key":"a/k2","reason":"rate limited","retry_after_ms":5500}"#
        ]
    );
    assert_eq!(server.total().hits, 2);
}

#[tokio::test]
async fn fault_14_open_keys_give_503_with_the_time() {
    let server = Scripted::start().await;
    server.always("k1", broken());
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..3 {
        let reply = rig.whole().await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "upstream_unavailable"));
        assert!(
            reply.json()["error"]["message"].as_str().is_some_and(|m| m.contains("status 500: no")),
            "{}",
            reply.text
        );
    }
    let reply = rig.whole().await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, "10"));
    assert_eq!(reply.json()["error"]["keys"][0]["reason"], "failures");
    assert_eq!(server.stats("k1").hits, 3);
}

#[tokio::test]
async fn fault_15_own_refusals_leave_the_breaker_alone() {
    let server = Scripted::start().await;
    server.always("k1", limited("30"));
    let rig = one(server.base_url(), &["k1"]);
    rig.whole().await;
    let before = rig.seen("a/k1");
    for _ in 0..50 {
        assert_eq!(rig.whole().await.status, 429);
    }
    let after = rig.seen("a/k1");
    assert_eq!(after.generation, before.generation);
    assert_eq!(after.retry_after, before.retry_after);
    assert_eq!(after.counts.failures, 0);
}

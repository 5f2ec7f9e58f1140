//! Known faults of other gateways, 25 to 40: budgets, mix-ups, waits, connections, secrets.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use panelboard::Cause;
use panelboard_llm::{Key, Secret};
use tokio::task::JoinSet;

use crate::{
    means::pair,
    rig::{Rig, body, key, one, provider, read, settings},
    scripted::{Reply, Scripted},
};

fn broken() -> Reply {
    Reply::error(500, "server_error", "no")
}

#[tokio::test]
async fn fault_25_attempts_are_bounded_by_re_sends_and_budget() {
    let server = Scripted::start().await;
    let names: Vec<String> = (0..10).map(|n| format!("k{n}")).collect();
    for name in &names {
        server.always(name, broken());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut settings = settings(vec![provider("a", server.base_url(), &names)]);
    let config = panelboard::Config::builder().failure_threshold(1_000_000);
    settings.breaker = config.build().expect("a good configuration");
    let rig = Rig::new(settings);
    let reply = rig.whole().await;
    assert_eq!((reply.status, server.total().hits), (503, 1 + 3), "one try and three re-sends");
    assert_eq!(reply.header("x-panelboard-attempts"), "4");
    for _ in 1..200 {
        rig.whole().await;
    }
    // 200 calls: a fifth of them is 40 re-sends, more than three a second for ten seconds.
    assert_eq!(server.total().hits, 200 + 40);
    assert!(rig.gateway.retry_budget_remaining() < 1.0);
}

#[tokio::test]
async fn fault_25_a_call_without_time_left_is_not_sent_again() {
    let pair = pair(&["a1"]).await;
    pair.b.always("b1", Reply::chat("b"));
    // The second provider is known to take longer than the client will wait.
    let gate = crate::scripted::Gate::new();
    pair.a.on("a1", broken());
    pair.b.on("b1", Reply::chat("slow").behind(&gate));
    let slow = tokio::spawn({
        let gateway = pair.rig.gateway.clone();
        async move {
            gateway
                .call(
                    panelboard_llm::Endpoint::ChatCompletions,
                    panelboard_llm::CallRequest::new(body(false).to_string()),
                )
                .await
        }
    });
    gate.reached(1).await;
    // The slow answer's time to the first byte.
    tokio::time::sleep(Duration::from_millis(250)).await;
    gate.pass_all();
    slow.await.expect("no panic");
    pair.a.on("a1", broken());
    let mut request = panelboard_llm::CallRequest::new(body(false).to_string());
    request.deadline = Some(Duration::from_millis(200));
    let reply =
        read(pair.rig.gateway.call(panelboard_llm::Endpoint::ChatCompletions, request).await).await;
    assert_eq!((reply.status, reply.attempts.len(), pair.b.stats("b1").hits), (503, 1, 1));
}

// 26: `faults_protocol::fault_26_ten_thousand_answers_each_match_their_question`

#[tokio::test]
async fn fault_27_the_very_first_failure_is_hidden() {
    for reply in [
        broken(),
        Reply::hang_up(),
        Reply::garbage("x"),
        Reply::error(429, "x", "x"),
        Reply::error(401, "x", "x"),
        Reply::error(403, "x", "x"),
        Reply::error(529, "x", "x"),
    ] {
        let pair = pair(&["a1"]).await;
        pair.a.always("a1", reply);
        let first = pair.rig.whole().await;
        assert_eq!((first.status, first.said().as_str()), (200, "b"));
        assert_eq!(first.header("x-panelboard-attempts"), "2");
        assert_eq!(first.header("x-panelboard-provider"), "b");
    }
}

// 28: `means::what_can_not_be_reached_is_a_failure_of_the_provider_and_fails_over`

#[tokio::test]
async fn fault_29_retry_after_in_all_its_forms() {
    let date = httpdate::fmt_http_date(wall() + Duration::from_secs(90));
    let day = 24 * 3600;
    for (name, value, least, most) in [
        ("retry-after", "7", 7, 7),
        ("retry-after", date.as_str(), 85, 91),
        ("retry-after-ms", "1500", 2, 2),
        ("x-ms-retry-after-ms", "2500", 3, 3),
        ("retry-after", "soon", 5, 5),
        ("retry-after", "-7", 5, 5),
        ("retry-after", "315360000", day, day),
    ] {
        let server = Scripted::start().await;
        server.always("k1", Reply::error(429, "rate_limit_exceeded", "slower").header(name, value));
        let rig = one(server.base_url(), &["k1"]);
        let reply = rig.whole().await;
        let told: u64 = reply.header("retry-after").parse().expect("seconds");
        assert!((least..=most).contains(&told), "{name}: {value} became {told}");
    }
}

#[tokio::test]
async fn fault_29_of_the_limits_the_one_that_is_used_up_counts() {
    let server = Scripted::start().await;
    let reply = Reply::error(429, "rate_limit_exceeded", "slower")
        .header("x-ratelimit-remaining-requests", "59")
        .header("x-ratelimit-reset-requests", "1s")
        .header("x-ratelimit-remaining-tokens", "0")
        .header("x-ratelimit-reset-tokens", "1m30s");
    server.always("k1", reply);
    let rig = one(server.base_url(), &["k1"]);
    assert_eq!(rig.whole().await.header("retry-after"), "90");
}

#[expect(clippy::disallowed_methods, reason = "a date in a header is wall time")]
fn wall() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

#[tokio::test]
async fn fault_29_nobody_comes_earlier_than_asked() {
    let server = Scripted::start().await;
    server.always(
        "k1",
        Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "20"),
    );
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    let config = panelboard::Config::builder().jitter(0.5);
    settings.breaker = config.build().expect("a good configuration");
    for _ in 0..10 {
        let rig = Rig::new(settings.clone());
        rig.whole().await;
        let wait = rig.seen("a/k1").retry_after.expect("open");
        assert!(wait >= Duration::from_secs(20), "jitter only lengthens: {wait:?}");
    }
}

#[tokio::test]
async fn fault_30_keys_of_one_quota_group_cool_together() {
    for (reply, cause) in [
        (
            Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "9"),
            "rate limited",
        ),
        (Reply::error(429, "insufficient_quota", "pay"), "quota"),
    ] {
        let server = Scripted::start().await;
        for name in ["k1", "k2", "k3"] {
            server.always(name, reply.clone());
        }
        server.always("k4", Reply::chat("well"));
        let mut settings = settings(vec![provider("a", server.base_url(), &["k4"])]);
        let grouped = |name| Key { quota_group: Some("org".into()), ..key(name) };
        settings.providers[0].keys.extend(["k1", "k2", "k3"].map(grouped));
        let rig = Rig::new(settings);
        for _ in 0..40 {
            assert_eq!(rig.whole().await.said(), "well");
        }
        assert_eq!(server.total().hits, 40 + 1, "one of the group spoke for all");
        for name in ["a/k1", "a/k2", "a/k3"] {
            assert_eq!(rig.seen(name).cause, Some(Cause::OpenFor(cause)));
        }
    }
}

#[tokio::test]
async fn fault_32_a_key_that_fails_fast_is_not_preferred_and_a_new_key_is_tried() {
    let server = Scripted::start().await;
    server.always("k1", broken()).always("k2", Reply::chat("2")).always("k3", Reply::chat("3"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1", "k2", "k3"])]);
    let config = panelboard::Config::builder().failure_threshold(1_000_000);
    settings.breaker = config.build().expect("a good configuration");
    let rig = Rig::new(settings.clone());
    for _ in 0..100 {
        assert_eq!(rig.whole().await.status, 200);
    }
    assert!(
        server.stats("k1").hits <= 2,
        "{} calls ran to the failing key",
        server.stats("k1").hits
    );
    settings.providers[0].keys.push(key("k4"));
    server.always("k4", Reply::chat("4"));
    rig.gateway.reload(settings).expect("good settings");
    for _ in 0..200 {
        rig.whole().await;
    }
    assert!(server.stats("k4").hits >= 5, "only {} for the new one", server.stats("k4").hits);
}

#[tokio::test]
async fn fault_34_a_stale_connection_is_no_error_for_the_client() {
    for stale in [Reply::chat("well").then_stale(), Reply::chat("well").then_close()] {
        let server = Scripted::start().await;
        server.always("k1", stale);
        let rig = one(server.base_url(), &["k1"]);
        for _ in 0..30 {
            let reply = rig.whole().await;
            assert_eq!((reply.status, reply.header("x-panelboard-attempts")), (200, "1"));
        }
        assert_eq!(rig.seen("a/k1").counts.failures, 0);
    }
}

#[tokio::test]
async fn fault_34_silence_on_a_new_connection_is_an_attempt_that_failed() {
    let server = Scripted::start().await;
    server.on("k1", Reply::hang_up());
    server.always("k1", Reply::chat("well"));
    let rig = one(server.base_url(), &["k1"]);
    let reply = rig.whole().await;
    assert_eq!((reply.status, reply.attempts.len(), server.stats("k1").hits), (503, 1, 1));
}

#[tokio::test]
async fn fault_34_what_was_begun_is_not_sent_again() {
    let server = Scripted::start().await;
    server.on("k1", Reply::chat("well"));
    server.on("k1", Reply::default().raw("HTTP/1.1 20").reset());
    server.always("k1", Reply::chat("again"));
    let rig = one(server.base_url(), &["k1"]);
    rig.whole().await;
    assert_eq!(rig.whole().await.status, 503, "part of an answer was received");
    assert_eq!(server.stats("k1").hits, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_39_concurrent_first_uses_make_one_breaker_and_lose_no_failure() {
    let server = Scripted::start().await;
    server.always("k1", broken());
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    let config = panelboard::Config::builder().failure_threshold(1_000_000);
    settings.breaker = config.build().expect("a good configuration");
    let rig = Arc::new(Rig::new(settings));
    let at_once = Arc::new(tokio::sync::Semaphore::new(64));
    let mut calls = JoinSet::new();
    for _ in 0..1000 {
        let (rig, at_once) = (Arc::clone(&rig), Arc::clone(&at_once));
        calls.spawn(async move {
            let _place = at_once.acquire().await;
            rig.whole().await.status
        });
    }
    while let Some(status) = calls.join_next().await {
        assert_eq!(status.expect("no panic"), 503);
    }
    assert_eq!(rig.gateway.panel().len(), 2, "the provider's and the key's");
    assert_eq!(rig.seen("a/k1").counts.failures, 1000);
}

#[tokio::test]
async fn fault_36_a_key_shows_nowhere() {
    const CANARY: &str = "sk-canary-0123456789abcdef";
    let shown = Arc::new(Mutex::new(String::new()));
    let server = Scripted::start().await;
    // A provider that repeats the key in every way it can.
    let echo = |status| {
        Reply::error(status, CANARY, &format!("the key {CANARY} is not good"))
            .header("x-ratelimit-x", "1")
    };
    for status in [400, 401, 403, 404, 429, 500, 503] {
        server.on(CANARY, echo(status));
    }
    let in_stream = format!(r#"{{"error":{{"message":"{CANARY}","code":"{CANARY}"}}}}"#);
    server.on(CANARY, Reply::stream().role().data(&in_stream));
    server.on(CANARY, Reply::stream().role().word("so").data(&in_stream));
    server.on(CANARY, Reply::garbage(format!("HTTP/1.1 {CANARY}\r\n\r\n")));
    let mut settings = settings(vec![provider("a", server.base_url(), &[])]);
    settings.providers[0].keys.push(Key { secret: Secret::new(CANARY.into()), ..key("k1") });
    let fingerprint = settings.providers[0].keys[0].secret.fingerprint();
    shown.lock().expect("no panic").push_str(&format!("{settings:?}"));
    let rig = Rig::new(settings);
    for n in 0..10 {
        let reply = if (7..9).contains(&n) { rig.streamed().await } else { rig.whole().await };
        let figures = rig.gateway.keys();
        let line = format!(
            "{reply:?} {figures:?} {:?} {:?} {:?}",
            rig.gateway,
            rig.gateway.panel().snapshot(),
            rig.told
        );
        shown.lock().expect("no panic").push_str(&line);
        rig.gateway.panel().reset_all();
        rig.hand.advance(Duration::from_secs(7200));
    }
    let shown = shown.lock().expect("no panic");
    assert_eq!(server.stats(CANARY).hits, 10, "every way was taken");
    assert!(!shown.contains("canary") && !shown.contains("0123456789abcdef"), "{shown}");
    assert!(shown.contains(&fingerprint));
}

// 37: `faults_fuzz::fault_37_no_answer_panics_or_harms_another_call`

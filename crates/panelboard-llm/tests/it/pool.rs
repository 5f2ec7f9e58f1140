//! What becomes of a call when a pool is empty: it waits, a probe goes out early, or it is told.

use std::{sync::Arc, time::Duration};

use panelboard::{Cause, Clock, State};
use panelboard_llm::{Gateway, Kind, Model, Stage, Target};
use serde_json::json;

use crate::{
    rig::{Rig, body, one, provider, read, settings},
    scripted::{Gate, Reply, Scripted},
};

fn broken() -> Reply {
    Reply::error(500, "server_error", "no")
}

#[tokio::test]
async fn a_call_may_wait_for_the_earliest_key() {
    let server = Scripted::start().await;
    server.on(
        "k1",
        Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after-ms", "40"),
    );
    server.always("k1", Reply::chat("well"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(5));
    let gateway = Gateway::builder(settings).clock(Clock::system()).build().expect("good settings");
    let request = panelboard_llm::CallRequest::new(body(false).to_string());
    let reply = read(gateway.call(panelboard_llm::Endpoint::ChatCompletions, request).await).await;
    assert_eq!((reply.status, reply.said().as_str()), (200, "well"));
    assert_eq!(reply.attempts, ["k1 rate_limited", "k1 success"]);
}

#[tokio::test]
async fn a_call_that_waits_does_not_ask_for_ever() {
    let server = Scripted::start().await;
    let reply = Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after-ms", "1");
    server.always("k1", reply);
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(60));
    let gateway = Gateway::builder(settings).clock(Clock::system()).build().expect("good settings");
    let request = panelboard_llm::CallRequest::new(body(false).to_string());
    let answer = gateway.call(panelboard_llm::Endpoint::ChatCompletions, request).await;
    assert_eq!((answer.status.as_u16(), server.stats("k1").hits), (429, 100));
}

#[tokio::test]
async fn a_call_does_not_wait_for_what_comes_too_late() {
    let server = Scripted::start().await;
    server.always(
        "k1",
        Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "30"),
    );
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(29));
    let rig = Rig::new(settings);
    assert_eq!(rig.whole().await.header("retry-after"), "30");
}

#[tokio::test]
async fn a_waiting_call_goes_on_when_somebody_resets_the_breaker() {
    let server = Scripted::start().await;
    server.on("k1", Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "30"));
    server.always("k1", Reply::chat("well"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(60));
    let rig = Arc::new(Rig::new(settings));
    let call = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    server.wait_until("k1", |seen| seen.ended == 1).await;
    while !rig.gateway.calls().iter().any(|call| call.stage == Stage::Waiting && call.attempt == 1)
    {
        tokio::task::yield_now().await;
    }
    rig.gateway.panel().get("a/k1").expect("a breaker").reset();
    let woken = tokio::time::timeout(Duration::from_secs(10), call).await;
    assert_eq!(woken.expect("it was woken").expect("no panic").said(), "well");
}

#[tokio::test]
async fn a_call_that_waits_does_not_go_back_to_a_key_that_failed() {
    let server = Scripted::start().await;
    let limited = Reply::error(429, "rate_limit_exceeded", "slower");
    server.always("k1", broken());
    server.on("k2", limited.header("retry-after-ms", "20"));
    server.always("k2", Reply::chat("well"));
    let mut settings = settings(vec![
        provider("a", server.base_url(), &["k1"]),
        provider("b", server.base_url(), &["k2"]),
    ]);
    settings.wait_up_to = Some(Duration::from_secs(20));
    let gateway = Gateway::builder(settings).clock(Clock::system()).build().expect("good settings");
    let request = panelboard_llm::CallRequest::new(body(false).to_string());
    let reply = read(gateway.call(panelboard_llm::Endpoint::ChatCompletions, request).await).await;
    assert_eq!(reply.attempts, ["k1 server_error", "k2 rate_limited", "k2 success"]);
}

/// A single key that is open for the second time in a row, for 20 s, of which 10 s have passed.
async fn open_again(server: &Scripted) -> Rig {
    server.always("k1", broken());
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..3 {
        rig.whole().await;
    }
    rig.hand.advance(Duration::from_millis(9_999));
    rig.whole().await;
    assert_eq!(server.stats("k1").hits, 3, "the first open time is waited for");
    rig.hand.advance(Duration::from_millis(1));
    rig.whole().await;
    assert_eq!(server.stats("k1").hits, 4);
    assert_eq!(rig.seen("a/k1").retry_after, Some(Duration::from_secs(20)));
    rig.hand.advance(Duration::from_millis(9_999));
    rig.whole().await;
    assert_eq!(server.stats("k1").hits, 4, "not before half of the second one");
    rig.hand.advance(Duration::from_millis(1));
    rig
}

#[tokio::test]
async fn an_empty_pool_probes_the_nearest_key_early_and_closes_it() {
    let server = Scripted::start().await;
    let rig = open_again(&server).await;
    let gate = Gate::new();
    server.always("k1", Reply::chat("well").behind(&gate));
    let rig = Arc::new(rig);
    let early = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    assert_eq!(rig.whole().await.status, 503, "one at a time");
    gate.pass_all();
    assert_eq!(early.await.expect("no panic").said(), "well");
    assert_eq!(rig.state("a/k1"), State::Closed);
    assert_eq!(server.stats("k1").hits, 5);
}

#[tokio::test]
async fn an_early_probe_that_fails_changes_nothing() {
    let server = Scripted::start().await;
    let rig = open_again(&server).await;
    assert_eq!(rig.whole().await.status, 503);
    assert_eq!(server.stats("k1").hits, 5);
    let seen = rig.seen("a/k1");
    assert_eq!((seen.state, seen.retry_after), (State::Open, Some(Duration::from_secs(10))));
    rig.at_rest();
}

#[tokio::test]
async fn nothing_is_probed_early_that_was_told_a_time_or_set_by_hand() {
    let server = Scripted::start().await;
    let rig = open_again(&server).await;
    let breaker = rig.gateway.panel().get("a/k1").expect("a breaker");
    breaker.force_open();
    rig.whole().await;
    assert_eq!(server.stats("k1").hits, 4);
    breaker.automatic();
    rig.hand.advance(Duration::from_secs(10));
    server.always(
        "k1",
        Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "100"),
    );
    rig.whole().await;
    assert_eq!(rig.seen("a/k1").cause, Some(Cause::OpenFor("rate limited")));
    rig.hand.advance(Duration::from_secs(99));
    rig.whole().await;
    assert_eq!(server.stats("k1").hits, 5);
}

#[tokio::test]
async fn a_pool_that_is_not_empty_probes_nothing_early() {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    a.always("a1", broken());
    b.always("b1", Reply::chat("b"));
    let rig = Rig::new(settings(vec![
        provider("a", a.base_url(), &["a1"]),
        provider("b", b.base_url(), &["b1"]),
    ]));
    for _ in 0..3 {
        rig.whole().await;
    }
    rig.hand.advance(Duration::from_secs(10));
    rig.whole().await;
    rig.hand.advance(Duration::from_secs(19));
    rig.whole().await;
    assert_eq!(a.stats("a1").hits, 4);
}

#[tokio::test]
async fn isolated_keys_are_passed_by_and_said() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("1")).always("k2", Reply::chat("2"));
    let rig = one(server.base_url(), &["k1", "k2"]);
    let panel = rig.gateway.panel();
    panel.get("a/k1").expect("a breaker").force_open();
    for _ in 0..10 {
        assert_eq!(rig.whole().await.said(), "2");
    }
    panel.get("a").expect("a breaker").force_open();
    let reply = rig.whole().await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, ""));
    assert_eq!(
        reply.json()["error"]["keys"],
        json!([{"key": "a", "reason": "isolated", "retry_after_ms": null}])
    );
    assert_eq!(rig.gateway.ready(), [("fast".to_owned(), false)]);
}

#[tokio::test]
async fn weights_share_the_load_of_a_provider() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server
        .always("k1", Reply::chat("1").behind(&gate))
        .always("k2", Reply::chat("2").behind(&gate));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1", "k2"])]);
    settings.providers[0].keys[0].weight = 3;
    let rig = Arc::new(Rig::new(settings));
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.whole().await.status })
        })
        .collect();
    gate.reached(40).await;
    let (one, two) = (server.stats("k1").in_flight, server.stats("k2").in_flight);
    assert!((28..=32).contains(&one), "{one} to {two}");
    let listed = rig.gateway.calls();
    assert_eq!(listed.len(), 40);
    assert!(
        listed.iter().all(|call| call.stage == Stage::FirstByte
            && call.model == "fast"
            && call.attempt == 1)
    );
    assert_eq!(rig.gateway.figures("a/k1").expect("a key").in_flight, one);
    assert_eq!(rig.gateway.figures("a").expect("a provider").in_flight, 40);
    gate.pass_all();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 200);
    }
    rig.at_rest();
}

#[tokio::test]
async fn a_request_that_one_api_can_not_say_goes_to_another() {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    b.always("b1", Reply::chat("b"));
    let mut settings = settings(vec![
        provider("a", a.base_url(), &["a1", "a2"]),
        provider("b", b.base_url(), &["b1"]),
    ]);
    settings.providers[0].kind = Kind::Anthropic;
    let target = Target { provider: "a".into(), model: "claude".into() };
    settings.models.push(Model { name: "claude".into(), targets: vec![target] });
    let rig = Rig::new(settings);
    let mut twice = body(false);
    twice["n"] = 2.into();
    assert_eq!(read(rig.ask(&twice).await).await.said(), "b");
    twice["model"] = "claude".into();
    let refused = read(rig.ask(&twice).await).await;
    assert_eq!((refused.status, &refused.json()["error"]["param"]), (400, &json!("n")));
    assert_eq!((a.total().hits, rig.seen("a/a1").counts.failures), (0, 0));
    rig.at_rest();
}

#[tokio::test]
async fn anthropics_answers_come_in_openais_shape() {
    let server = Scripted::start().await;
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [{"type": "text", "text": "bonjour"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 5}});
    server.on("k1", Reply::json(200, &message));
    let error =
        json!({"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}});
    server.on("k1", Reply::json(400, &error));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.providers[0].kind = Kind::Anthropic;
    let rig = Rig::new(settings);
    let reply = rig.whole().await;
    assert_eq!(
        (reply.said().as_str(), &reply.json()["usage"]["total_tokens"]),
        ("bonjour", &json!(8))
    );
    let sent = server.stats("k1").last().clone();
    assert_eq!(
        (sent.path.as_str(), sent.header("anthropic-version")),
        ("/v1/messages", Some("2023-06-01"))
    );
    assert_eq!((sent.header("x-api-key"), sent.header("authorization")), (Some("k1"), None));
    assert_eq!(sent.json()["model"], "m");
    let refused = rig.whole().await;
    assert_eq!(
        (refused.status, refused.json()["error"]["message"].clone()),
        (400, json!("too long"))
    );
}

#[tokio::test]
async fn a_long_stream_as_the_probe_of_a_provider_frees_it_at_its_first_output() {
    let server = Scripted::start().await;
    let rig = one(server.base_url(), &["k1", "k2"]);
    rig.gateway.panel().get("a").expect("a breaker").open_for(Duration::from_secs(5), "overloaded");
    rig.hand.advance(Duration::from_secs(5));
    let gate = Gate::new();
    let reply = Reply::stream().role().word("so").gate(&gate).finish();
    server.always("k1", reply.clone()).always("k2", reply);
    let stream = rig.stream().await;
    assert_eq!(rig.state("a"), State::Closed);
    assert_eq!(rig.ask(&body(true)).await.status, 200);
    gate.pass_all();
    assert!(crate::rig::rest(stream).await.ends_with(b"[DONE]\n\n"));
    rig.at_rest();
}

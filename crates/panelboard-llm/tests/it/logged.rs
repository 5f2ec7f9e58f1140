//! Is each attempt told once, with all that is known of it, whatever becomes of it?

use std::{sync::Arc, time::Duration};

use panelboard_llm::Stage;
use serde_json::json;

use crate::{
    rig::{Rig, body, next, one, provider, read, rest, settings},
    scripted::{Gate, Refusing, Reply, Scripted},
};

/// Providers `a` and `b`, of which `b` is well.
async fn pair() -> (Scripted, Scripted, Rig) {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    b.always("b1", Reply::chat("b"));
    let rig = Rig::new(settings(vec![
        provider("a", a.base_url(), &["a1"]),
        provider("b", b.base_url(), &["b1"]),
    ]));
    (a, b, rig)
}

const B_IS_WELL: &str = "b/b1 m: success heard 200 1+1";

#[tokio::test]
async fn a_good_answer_is_told_with_its_tokens() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("well"));
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..3 {
        rig.whole().await;
    }
    assert_eq!(rig.told.records(), ["a/k1 m: success heard 200 1+1"; 3]);
    assert_eq!(server.stats("k1").hits, 3);
}

#[tokio::test]
async fn each_attempt_of_a_call_is_told_for_itself() {
    let (a, _b, rig) = pair().await;
    for (reply, told) in [
        (Reply::error(500, "server_error", "no"), "a/a1 m: server_error heard 500"),
        (Reply::hang_up(), "a/a1 m: cut silent"),
    ] {
        a.always("a1", reply);
        rig.whole().await;
        assert_eq!(rig.told.records(), [told, B_IS_WELL]);
    }
    a.always("a1", Reply::error(404, "model_not_found", "what?"));
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a/a1 m: request heard 404"]);
}

#[tokio::test]
async fn silence_and_a_refused_connection_are_told_without_a_first_byte() {
    let server = Scripted::start().await;
    server.always("a1", Reply::silence());
    let refusing = Refusing::start();
    let mut settings = settings(vec![
        provider("a", server.base_url(), &["a1"]),
        provider("b", refusing.base_url(), &["b1"]),
    ]);
    settings.timeouts.first_byte = Duration::from_millis(20);
    let rig = Rig::new(settings);
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a/a1 m: timeout silent", "b/b1 m: connect silent"]);
}

#[tokio::test]
async fn a_stream_is_told_at_its_end_with_the_tokens_that_it_counted() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}});
    let reply = Reply::stream().role().word("one").gate(&gate).data(&usage.to_string()).finish();
    server.always("k1", reply);
    let rig = one(server.base_url(), &["k1"]);
    let mut stream = rig.stream().await;
    assert!(next(&mut stream).await.is_some());
    assert_eq!(rig.told.records(), [""; 0], "it has not ended");
    gate.pass_all();
    rest(stream).await;
    assert_eq!(rig.told.records(), ["a/k1 m: success heard 200 5+2"]);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_told_once_with_what_it_had_counted() {
    let server = Scripted::start().await;
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}});
    server.always("k1", Reply::stream().role().word("one").data(&usage.to_string()).cut());
    let rig = one(server.base_url(), &["k1"]);
    rig.streamed().await;
    assert_eq!(rig.told.records(), ["a/k1 m: cut heard 200 5+2"]);
}

#[tokio::test]
async fn a_client_that_leaves_is_told_once_before_an_answer_and_in_the_midst_of_it() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.on("k1", Reply::chat("late").behind(&gate));
    server.on("k1", Reply::stream().role().word("one").hang());
    let rig = Arc::new(one(server.base_url(), &["k1"]));
    let client = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.whole().await }
    });
    gate.reached(1).await;
    client.abort();
    rig.told.calls_ended(1).await;
    assert_eq!(rig.told.records(), ["a/k1 m: client_gone silent"]);
    let mut stream = rig.stream().await;
    assert!(next(&mut stream).await.is_some());
    drop(stream);
    assert_eq!(rig.told.records(), ["a/k1 m: client_gone heard"]);
    assert_eq!(server.stats("k1").hits, 2);
}

#[tokio::test]
async fn a_target_that_is_passed_by_is_told_as_rejected() {
    let (a, b, rig) = pair().await;
    a.always("a1", Reply::error(500, "server_error", "no"));
    for _ in 0..3 {
        rig.whole().await;
    }
    assert_eq!(rig.told.records().len(), 6);
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a m: rejected", B_IS_WELL]);
    // Of a key that is cooling, too; and if nobody is left, of all.
    let limited = Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "9");
    b.always("b1", limited);
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a m: rejected", "b/b1 m: rate_limited heard 429"]);
    assert_eq!(rig.whole().await.status, 429);
    assert_eq!(rig.told.records(), ["a m: rejected", "b m: rejected"]);
    assert_eq!((a.stats("a1").hits, b.stats("b1").hits), (3, 5));
}

#[tokio::test]
async fn a_key_that_failed_in_this_call_is_not_told_as_rejected_by_it() {
    let (a, b, rig) = pair().await;
    let cooling = Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "9");
    a.always("a1", cooling.clone());
    b.always("b1", cooling);
    rig.whole().await;
    let told = ["a/a1 m: rate_limited heard 429", "b/b1 m: rate_limited heard 429"];
    assert_eq!(rig.told.records(), told);
}

#[tokio::test]
async fn what_a_call_only_waits_for_is_not_told_as_rejected() {
    let server = Scripted::start().await;
    let limited = Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "30");
    server.on("k1", limited);
    server.always("k1", Reply::chat("well"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.wait_up_to = Some(Duration::from_secs(60));
    let rig = Arc::new(Rig::new(settings));
    let call = || {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.whole().await })
    };
    // One has been told to wait, the other finds the key cooling.
    let first = call();
    let told = |call: &panelboard_llm::CallInFlight| (call.stage, call.attempt);
    while rig.gateway.calls().first().map(told) != Some((Stage::Waiting, 1)) {
        tokio::task::yield_now().await;
    }
    let second = call();
    while rig.gateway.calls().len() < 2 {
        tokio::task::yield_now().await;
    }
    rig.gateway.panel().get("a/k1").expect("a breaker").reset();
    for call in [first, second] {
        let answered = tokio::time::timeout(Duration::from_secs(10), call).await;
        assert_eq!(answered.expect("it was woken").expect("no panic").said(), "well");
    }
    let mut told = rig.told.records();
    told.sort_unstable();
    let well = "a/k1 m: success heard 200 1+1";
    assert_eq!(told, ["a/k1 m: rate_limited heard 429", well, well]);
}

#[tokio::test]
async fn a_key_that_is_probed_early_is_told_as_asked() {
    let server = Scripted::start().await;
    server.always("k1", Reply::error(500, "server_error", "no"));
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..3 {
        rig.whole().await;
    }
    rig.hand.advance(Duration::from_secs(10));
    rig.whole().await;
    rig.told.records();
    rig.hand.advance(Duration::from_millis(9_999));
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a m: rejected"], "too early for that");
    rig.hand.advance(Duration::from_millis(1));
    rig.whole().await;
    assert_eq!(rig.told.records(), ["a/k1 m: server_error heard 500"]);
    assert_eq!(server.stats("k1").hits, 5);
}

#[tokio::test]
async fn a_request_that_a_provider_has_no_words_for_is_no_attempt() {
    let server = Scripted::start().await;
    let mut claude = provider("a", server.base_url(), &["k1"]);
    claude.kind = panelboard_llm::Kind::Anthropic;
    let rig = Rig::new(settings(vec![claude]));
    let mut body = body(false);
    body["n"] = json!(2);
    let reply = read(rig.ask(&body).await).await;
    assert_eq!(reply.status, 400, "{}", reply.text);
    assert_eq!(rig.told.records(), [""; 0]);
}

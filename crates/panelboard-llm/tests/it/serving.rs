//! Does a call come through, whole and as a stream, and does a second key hide the first one's
//! fault?

use panelboard::State;

use crate::{
    rig::{Rig, body, one, provider, read, settings},
    scripted::{Reply, Scripted},
};

#[tokio::test]
async fn a_whole_answer_comes_through_unchanged() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("hello"));
    let rig = one(server.base_url(), &["k1"]);
    let answer = rig.whole().await;
    assert_eq!((answer.status, answer.said().as_str()), (200, "hello"));
    assert_eq!(answer.header("x-panelboard-provider"), "a");
    assert_eq!(answer.header("x-panelboard-key"), "k1");
    assert_eq!(answer.header("x-panelboard-attempts"), "1");
    assert!(answer.header("x-request-id").starts_with("req-"));
    assert!(answer.header("server-timing").starts_with("upstream;dur="));
    assert_eq!(answer.header("content-type"), "application/json");
    rig.at_rest();
}

#[tokio::test]
async fn a_stream_comes_through_byte_for_byte() {
    let server = Scripted::start().await;
    server.always("k1", Reply::stream_of(&["one", " two"]));
    let rig = one(server.base_url(), &["k1"]);
    let answer = rig.streamed().await;
    assert_eq!((answer.status, answer.words().as_str(), answer.is_done()), (200, "one two", true));
    assert_eq!(answer.header("content-type"), "text/event-stream");
    rig.at_rest();
}

#[tokio::test]
async fn only_the_models_name_changes_on_the_way() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("hello"));
    let rig = one(server.base_url(), &["k1"]);
    let mut sent = body(false);
    sent["unknown"] = serde_json::json!({"b": 1, "a": [1.5, null]});
    rig.ask(&sent).await;
    let got = server.stats("k1").last().json();
    sent["model"] = "m".into();
    assert_eq!(got.to_string(), sent.to_string(), "also in the same order");
}

#[tokio::test]
async fn the_second_key_hides_the_first_ones_fault() {
    let server = Scripted::start().await;
    server.always("k1", Reply::error(500, "server_error", "no"));
    server.always("k2", Reply::chat("hello"));
    let rig = one(server.base_url(), &["k1", "k2"]);
    for _ in 0..12 {
        assert_eq!(rig.whole().await.said(), "hello");
    }
    assert!(server.stats("k1").hits <= 3, "{}", server.stats("k1").hits);
}

#[tokio::test]
async fn a_second_provider_takes_over_and_the_first_comes_back() {
    let (one, two) = (Scripted::start().await, Scripted::start().await);
    one.always("k1", Reply::error(500, "server_error", "no"));
    two.always("k2", Reply::chat("two"));
    let rig = Rig::new(settings(vec![
        provider("a", one.base_url(), &["k1"]),
        provider("b", two.base_url(), &["k2"]),
    ]));
    for _ in 0..5 {
        assert_eq!(rig.whole().await.said(), "two");
    }
    assert_eq!(one.stats("k1").hits, 3, "it trips at the third failure");
    assert_eq!(rig.state("a/k1"), State::Open);
    one.always("k1", Reply::chat("one"));
    rig.hand.advance(std::time::Duration::from_secs(10));
    assert_eq!(rig.whole().await.said(), "one");
    assert_eq!(rig.state("a/k1"), State::Closed);
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("hello"));
    let rig = one(server.base_url(), &["k1"]);
    for _ in 0..20 {
        read(rig.ask(&body(false)).await).await;
    }
    assert_eq!(server.connections(), 1);
    server.always("k1", Reply::stream_of(&["a"]));
    for _ in 0..20 {
        assert!(rig.streamed().await.is_done());
    }
    assert!(server.connections() <= 3, "{}", server.connections());
}

#[tokio::test]
async fn the_observer_is_told_of_each_attempt_and_of_each_call_once() {
    let server = Scripted::start().await;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    server.on("k1", Reply::chat("hello"));
    server.on("k1", Reply::stream().role().word("so").data(usage).data("[DONE]"));
    server.on("k1", Reply::stream().role().word("so").cut());
    server.on("k1", Reply::error(400, "bad", "bad"));
    server.on("k1", Reply::error(500, "server_error", "no"));
    server.on("k1", Reply::stream().role().word("so").hang());
    let rig = one(server.base_url(), &["k1"]);
    rig.whole().await;
    rig.streamed().await;
    rig.streamed().await;
    rig.whole().await;
    rig.whole().await;
    drop(rig.stream().await);
    read(rig.ask(&serde_json::json!({"model": "gone", "messages": []})).await).await;
    assert_eq!(
        *rig.told.lines.lock().expect("no panic"),
        [
            "chat fast by a/k1/m: succeeded 1 false false Some((1, 1))",
            "chat fast by a/k1/m: succeeded 1 true true Some((3, 4))",
            "chat fast by a/k1/m: cut 1 true true None",
            "chat fast by a/k1/m: request_fault 1 false false None",
            "chat fast by a/k1/m: failed 1 false false None",
            "chat fast by a/k1/m: client_gone 1 true true None",
            "chat gone by //: request_fault 0 false false None",
        ]
    );
    let ends = ["success", "success", "cut", "request", "server_error", "client_gone"];
    let ends = ends.map(|end| format!("a/k1 {end}"));
    assert_eq!(*rig.told.attempts.lock().expect("no panic"), ends);
}

#[tokio::test]
async fn a_key_that_may_be_back_is_probed_by_the_next_call_however_slow_it_was() {
    let server = Scripted::start().await;
    server.always("k1", Reply::error(500, "server_error", "no")).always("k2", Reply::chat("2"));
    let rig = one(server.base_url(), &["k1", "k2"]);
    // Its failures made it the slower of the two, so chance alone would never take it again.
    for _ in 0..3 {
        rig.gateway.panel().get("a/k2").expect("a breaker").force_open();
        rig.whole().await;
        rig.gateway.panel().get("a/k2").expect("a breaker").automatic();
        rig.whole().await;
    }
    assert_eq!(rig.state("a/k1"), State::Open);
    server.always("k1", Reply::chat("1"));
    rig.hand.advance(std::time::Duration::from_secs(10));
    assert_eq!(rig.whole().await.said(), "1");
    assert_eq!(rig.state("a/k1"), State::Closed);
}

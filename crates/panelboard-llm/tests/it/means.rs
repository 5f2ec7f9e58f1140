//! What providers mean by their errors: what does the gateway do about each?
//!
//! One test for each row of the table in the documentation of `verdict`. Provider `a` has the
//! error, provider `b` is well.

use std::time::Duration;

use panelboard::{Cause, State};
use panelboard_llm::{Kind, Model, Target, Timeouts};
use serde_json::json;

use crate::{
    rig::{Rig, body, key, provider, read, settings},
    scripted::{Deaf, Refusing, Reply, Scripted},
};

/// Providers `a` (keys a1, a2) and `b` (key b1), which is well.
pub(crate) struct Pair {
    pub(crate) a: Scripted,
    pub(crate) b: Scripted,
    pub(crate) rig: Rig,
}

pub(crate) async fn pair(keys_of_a: &[&str]) -> Pair {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    b.always("b1", Reply::chat("b"));
    let rig = Rig::new(settings(vec![
        provider("a", a.base_url(), keys_of_a),
        provider("b", b.base_url(), &["b1"]),
    ]));
    Pair { a, b, rig }
}

impl Pair {
    /// Each of `n` calls is served, by `b`.
    async fn served_by_b(&self, n: usize) {
        for _ in 0..n {
            let reply = self.rig.whole().await;
            assert_eq!((reply.status, reply.said().as_str()), (200, "b"), "{}", reply.text);
        }
        self.rig.at_rest();
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn request_faults_are_passed_on_unchanged_once_and_are_neutral() {
    let pair = pair(&["a1"]).await;
    for (status, code) in [
        (400, "context_length_exceeded"),
        (404, "model_not_found"),
        (413, "too_large"),
        (422, "unprocessable"),
    ] {
        pair.a.on(
            "a1",
            Reply::error(status, code, "it is the request")
                .header("x-ratelimit-limit-requests", "9"),
        );
        let before = pair.a.stats("a1").hits;
        let reply = pair.rig.whole().await;
        let error =
            json!({"message": "it is the request", "type": code, "param": null, "code": code});
        let sent = json!({ "error": error });
        assert_eq!((reply.status, reply.json()), (status, sent));
        assert_eq!(reply.header("x-ratelimit-limit-requests"), "9");
        assert_eq!(reply.header("x-panelboard-key"), "a1");
        assert_eq!(pair.a.stats("a1").hits, before + 1);
    }
    let seen = pair.rig.seen("a/a1");
    assert_eq!((seen.state, seen.consecutive_failures, seen.counts.ignored), (State::Closed, 0, 4));
    assert_eq!(pair.b.stats("b1").hits, 0);
    pair.rig.at_rest();
}

#[tokio::test]
async fn a_dead_key_is_out_until_a_rare_probe_and_the_next_key_serves_at_once() {
    let pair = pair(&["a1"]).await;
    pair.a.always("a1", Reply::error(401, "invalid_api_key", "who are you?"));
    pair.served_by_b(5).await;
    assert_eq!(pair.a.stats("a1").hits, 1);
    assert_eq!(pair.rig.seen("a/a1").cause, Some(Cause::OpenFor("credentials")));
    // 5 min, doubling to an hour.
    for (minutes, hits) in [(5, 2), (10, 3), (20, 4), (40, 5), (60, 6), (60, 7)] {
        pair.rig.hand.advance(Duration::from_secs(60 * minutes) - SECOND);
        pair.served_by_b(1).await;
        assert_eq!(pair.a.stats("a1").hits, hits - 1, "not before {minutes} min");
        pair.rig.hand.advance(SECOND);
        pair.served_by_b(2).await;
        assert_eq!(pair.a.stats("a1").hits, hits, "one probe after {minutes} min");
    }
    pair.a.always("a1", Reply::chat("a"));
    pair.rig.hand.advance(Duration::from_secs(3600));
    assert_eq!(pair.rig.whole().await.said(), "a");
}

#[tokio::test]
async fn an_account_without_money_is_out_for_a_quarter_of_an_hour_doubling() {
    for reply in [
        Reply::error(402, "billing_error", "pay"),
        Reply::error(429, "insufficient_quota", "pay").header("retry-after", "1"),
        Reply::error(429, "credit_balance_exhausted", "pay"),
        Reply::error(429, "organization_spend_limit_exceeded", "pay"),
        Reply::error(429, "project_spend_limit_exceeded", "pay"),
        Reply::error(429, "organization_usage_limit_exceeded", "pay"),
    ] {
        let pair = pair(&["a1"]).await;
        pair.a.always("a1", reply);
        pair.served_by_b(3).await;
        assert_eq!(pair.rig.seen("a/a1").cause, Some(Cause::OpenFor("quota")));
        for (minutes, hits) in [(15, 2), (30, 3), (60, 4), (120, 5), (240, 6), (360, 7), (360, 8)] {
            pair.rig.hand.advance(Duration::from_secs(60 * minutes) - SECOND);
            pair.served_by_b(1).await;
            assert_eq!(pair.a.stats("a1").hits, hits - 1, "not before {minutes} min");
            pair.rig.hand.advance(SECOND);
            pair.served_by_b(1).await;
            assert_eq!(pair.a.stats("a1").hits, hits, "after {minutes} min");
        }
    }
}

#[tokio::test]
async fn anthropics_spend_limits_are_money_too() {
    let limit = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "limit",
        "details": {"error_code": "enforced_spend_limit_reached"}}});
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    a.always("a1", Reply::json(429, &limit));
    b.always("b1", Reply::chat("b"));
    let mut settings =
        settings(vec![provider("a", a.base_url(), &["a1"]), provider("b", b.base_url(), &["b1"])]);
    settings.providers[0].kind = Kind::Anthropic;
    let rig = Rig::new(settings);
    assert_eq!(rig.whole().await.said(), "b");
    assert_eq!(rig.seen("a/a1").cause, Some(Cause::OpenFor("quota")));
    assert!(a.stats("a1").last().path.ends_with("/v1/messages"));
}

#[tokio::test]
async fn a_key_that_may_not_use_a_model_is_benched_for_it_and_whole_after_two() {
    let a = Scripted::start().await;
    a.decide(|request| {
        let forbidden = request.json()["model"] != "allowed";
        forbidden.then(|| Reply::error(403, "permission_error", "not for you"))
    });
    a.always("a1", Reply::chat("a"));
    let mut settings = settings(vec![provider("a", a.base_url(), &["a1"])]);
    settings.models = ["one", "two", "allowed"]
        .map(|name| {
            let target = Target { provider: "a".into(), model: name.into() };
            Model { name: name.into(), targets: vec![target] }
        })
        .into();
    let rig = Rig::new(settings);
    let ask = async |model: &str| {
        let mut body = body(false);
        body["model"] = model.into();
        read(rig.ask(&body).await).await
    };
    for _ in 0..3 {
        let reply = ask("one").await;
        assert_eq!((reply.status, reply.code().as_str()), (502, "upstream_credentials_rejected"));
        assert_eq!(reply.header("retry-after"), "300");
        assert_eq!(ask("allowed").await.status, 200, "the key serves other models");
    }
    assert_eq!(a.stats("a1").hits, 1 + 3, "the benched model was asked for once");
    let ready = [("one", false), ("two", true), ("allowed", true)];
    assert_eq!(rig.gateway.ready(), ready.map(|(model, ready)| (model.to_owned(), ready)));
    assert_eq!(rig.gateway.figures("a/a1").expect("a key").benched_models, ["one"]);
    assert_eq!(ask("two").await.status, 502);
    assert_eq!(rig.seen("a/a1").cause, Some(Cause::OpenFor("permission")));
    assert_eq!(ask("allowed").await.status, 502, "two models: the whole key is out");
    assert_eq!(a.stats("a1").hits, 5);
    rig.hand.advance(Duration::from_secs(300));
    assert_eq!(ask("allowed").await.status, 200);
    assert_eq!(ask("one").await.status, 502);
    assert_eq!(a.stats("a1").hits, 7, "one try after five minutes");
    rig.at_rest();
}

#[tokio::test]
async fn a_rate_limit_cools_the_key_until_retry_after_and_is_no_failure() {
    for code in ["rate_limit_exceeded", "slow_down", "rate_limit_error"] {
        let pair = pair(&["a1"]).await;
        pair.a.on("a1", Reply::error(429, code, "slower").header("retry-after", "7"));
        pair.a.always("a1", Reply::chat("a"));
        pair.served_by_b(3).await;
        let seen = pair.rig.seen("a/a1");
        assert_eq!((seen.cause, seen.counts.failures), (Some(Cause::OpenFor("rate limited")), 0));
        pair.rig.hand.advance(Duration::from_millis(6_999));
        pair.served_by_b(1).await;
        assert_eq!(pair.a.stats("a1").hits, 1);
        pair.rig.hand.advance(Duration::from_millis(1));
        assert_eq!(pair.rig.whole().await.said(), "a");
    }
}

#[tokio::test]
async fn a_rate_limit_without_a_time_cools_for_five_seconds_doubling_to_a_minute() {
    let pair = pair(&["a1"]).await;
    pair.a.always("a1", Reply::error(429, "rate_limit_exceeded", "slower"));
    pair.served_by_b(2).await;
    for (seconds, hits) in [(5, 2), (10, 3), (20, 4), (40, 5), (60, 6), (60, 7)] {
        pair.rig.hand.advance(Duration::from_secs(seconds) - Duration::from_millis(1));
        pair.served_by_b(1).await;
        assert_eq!(pair.a.stats("a1").hits, hits - 1);
        pair.rig.hand.advance(Duration::from_millis(1));
        pair.served_by_b(1).await;
        assert_eq!(pair.a.stats("a1").hits, hits);
    }
}

#[tokio::test]
async fn server_errors_are_failures_of_the_key_and_fail_over() {
    for status in [408, 409, 500, 502, 504, 520, 599] {
        let pair = pair(&["a1"]).await;
        pair.a.always("a1", Reply::error(status, "server_error", "no"));
        pair.served_by_b(5).await;
        assert_eq!(pair.a.stats("a1").hits, 3, "{status}: out at the third");
        let seen = pair.rig.seen("a/a1");
        assert_eq!(
            (seen.state, seen.cause, seen.counts.failures),
            (State::Open, Some(Cause::Failures), 3)
        );
    }
}

#[tokio::test]
async fn what_can_not_be_reached_is_a_failure_of_the_provider_and_fails_over() {
    let (refusing, deaf, plain) = (Refusing::start(), Deaf::start().await, Scripted::start().await);
    for (what, base_url) in [
        ("refused", refusing.base_url()),
        ("no such name", "http://nobody.invalid/v1".to_owned()),
        ("no TLS there", plain.base_url().replace("http:", "https:")),
        ("no answer to a connection", deaf.base_url()),
    ] {
        let b = Scripted::start().await;
        b.always("b1", Reply::chat("b"));
        let mut settings = settings(vec![
            provider("a", base_url, &["a1", "a2"]),
            provider("b", b.base_url(), &["b1"]),
        ]);
        let connect = Duration::from_millis(40);
        settings.providers[0].timeouts = Some(Timeouts { connect, ..Timeouts::default() });
        let rig = Rig::new(settings);
        for _ in 0..5 {
            assert_eq!(rig.whole().await.said(), "b", "{what}");
        }
        let seen = rig.seen("a");
        assert_eq!((seen.state, seen.counts.failures), (State::Open, 3), "{what}: once a call");
        assert_eq!(
            rig.seen("a/a1").counts.failures + rig.seen("a/a2").counts.failures,
            0,
            "{what}"
        );
        let error = rig.gateway.figures("a").and_then(|f| f.last_error).expect("an error");
        assert_eq!(error.class.as_str(), "connect", "{what}: {}", error.message);
        rig.at_rest();
    }
}

#[tokio::test]
async fn silence_is_a_failure_and_fails_over() {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    a.always("a1", Reply::silence());
    b.always("b1", Reply::chat("b"));
    let mut settings =
        settings(vec![provider("a", a.base_url(), &["a1"]), provider("b", b.base_url(), &["b1"])]);
    settings.providers[0].timeouts =
        Some(Timeouts { first_byte: Duration::from_millis(30), ..Timeouts::default() });
    let rig = Rig::new(settings);
    for _ in 0..4 {
        assert_eq!(rig.whole().await.said(), "b");
    }
    assert_eq!((a.stats("a1").hits, rig.state("a/a1")), (3, State::Open));
    a.wait_until("a1", |seen| seen.in_flight == 0).await;
}

#[tokio::test]
async fn a_full_provider_is_held_against_the_provider_and_not_against_its_keys() {
    for status in [503, 529] {
        let pair = pair(&["a1", "a2"]).await;
        for key in ["a1", "a2"] {
            pair.a.always(key, Reply::error(status, "overloaded_error", "full"));
        }
        pair.served_by_b(1).await;
        assert_eq!(pair.a.total().hits, 1, "{status}: once a call, not once a key");
        pair.served_by_b(4).await;
        assert_eq!(pair.a.total().hits, 3, "{status}");
        assert_eq!(pair.rig.state("a"), State::Open);
        for key in ["a/a1", "a/a2"] {
            let seen = pair.rig.seen(key);
            assert_eq!((seen.state, seen.counts.failures), (State::Closed, 0), "{status} {key}");
        }
    }
}

#[tokio::test]
async fn a_full_provider_that_names_a_time_is_left_alone_until_then() {
    let pair = pair(&["a1", "a2"]).await;
    for key in ["a1", "a2"] {
        pair.a.always(key, Reply::error(503, "overloaded", "full").header("retry-after", "20"));
    }
    pair.served_by_b(6).await;
    assert_eq!(pair.a.total().hits, 2, "each key said it once");
    assert_eq!(
        pair.rig.seen("a").cause,
        Some(Cause::OpenFor("overloaded")),
        "the second one spoke for all"
    );
    assert_eq!(pair.rig.seen("a").counts.failures, 0);
    pair.a.always("a1", Reply::chat("a")).always("a2", Reply::chat("a"));
    pair.rig.hand.advance(Duration::from_millis(19_999));
    pair.served_by_b(1).await;
    pair.rig.hand.advance(Duration::from_millis(1));
    assert_eq!(pair.rig.whole().await.said(), "a");
}

#[tokio::test]
async fn one_full_key_of_two_is_hidden_by_the_other() {
    for with_time in [false, true] {
        let a = Scripted::start().await;
        let full = Reply::error(503, "overloaded", "full");
        a.always("a1", if with_time { full.header("retry-after", "9") } else { full });
        a.always("a2", Reply::chat("a2"));
        let rig = crate::rig::one(a.base_url(), &["a1", "a2"]);
        for _ in 0..20 {
            assert_eq!(rig.whole().await.said(), "a2");
        }
    }
}

#[tokio::test]
async fn an_error_in_a_stream_before_text_is_classed_as_if_it_were_the_status() {
    for (data, cause) in [
        (
            r#"{"error":{"message":"slower","code":"rate_limit_exceeded"}}"#,
            Some(Cause::OpenFor("rate limited")),
        ),
        (
            r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#,
            Some(Cause::OpenFor("quota")),
        ),
        (r#"{"error":{"message":"no","code":"server_error"}}"#, None),
    ] {
        let pair = pair(&["a1"]).await;
        pair.a.always("a1", Reply::stream().role().data(data));
        pair.b.always("b1", Reply::stream_of(&["b"]));
        let reply = pair.rig.streamed().await;
        assert_eq!((reply.words().as_str(), reply.is_done()), ("b", true), "{}", reply.text);
        assert!(!reply.text.contains("error"), "nothing of the first try is seen: {}", reply.text);
        let seen = pair.rig.seen("a/a1");
        assert_eq!((seen.cause, seen.consecutive_failures), (cause, u32::from(cause.is_none())));
    }
}

#[tokio::test]
async fn an_error_in_anthropics_stream_before_text_fails_over_and_after_it_is_told() {
    let (a, b) = (Scripted::start().await, Scripted::start().await);
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({"id": "m", "model": "c", "role": "assistant", "content": [],
        "usage": usage});
    let start = json!({"type": "message_start", "message": message});
    let empty = json!({"type": "text", "text": ""});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": empty});
    let delta = json!({"type": "text_delta", "text": "so"});
    let text = json!({"type": "content_block_delta", "index": 0, "delta": delta});
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let begin = Reply::stream().event("message_start", &start).event("content_block_start", &block);
    a.on("a1", begin.clone().event("error", &error));
    a.on("a1", begin.event("content_block_delta", &text).event("error", &error));
    b.always("b1", Reply::stream_of(&["b"]));
    let mut settings =
        settings(vec![provider("a", a.base_url(), &["a1"]), provider("b", b.base_url(), &["b1"])]);
    settings.providers[0].kind = Kind::Anthropic;
    let rig = Rig::new(settings);
    assert_eq!(rig.streamed().await.words(), "b");
    assert_eq!(rig.seen("a").consecutive_failures, 1, "the provider is full");
    let told = rig.streamed().await;
    assert_eq!((told.words().as_str(), told.is_done()), ("so", false));
    let error = told.events().pop().expect("an event")["error"].take();
    assert_eq!(error["code"], "upstream_unavailable");
    assert_eq!(error["attempts"][0]["outcome"], "overloaded");
}

#[tokio::test]
async fn a_stream_that_ends_without_its_mark_is_a_failure_before_text_and_after() {
    let pair = pair(&["a1"]).await;
    pair.a.on("a1", Reply::stream().role());
    pair.a.on("a1", Reply::stream().role().cut());
    pair.b.always("b1", Reply::stream_of(&["b"]));
    assert_eq!(pair.rig.streamed().await.words(), "b");
    assert_eq!(pair.rig.streamed().await.words(), "b");
    assert_eq!(pair.rig.seen("a/a1").consecutive_failures, 2);
    pair.a.on("a1", Reply::stream().role().word("so"));
    let told = pair.rig.streamed().await;
    assert_eq!((told.words().as_str(), told.is_done()), ("so", false));
    assert_eq!(told.events().last().expect("an event")["error"]["code"], "upstream_stream_cut");
    assert_eq!(pair.rig.state("a/a1"), State::Open, "the third failure");
}

#[tokio::test]
async fn keys_without_a_secret_send_none() {
    let server = Scripted::start().await;
    server.decide(|_| Some(Reply::chat("hello")));
    let mut nameless = key("");
    nameless.name = "none".into();
    let mut settings = settings(vec![provider("a", server.base_url(), &[])]);
    settings.providers[0].keys.push(nameless);
    let rig = Rig::new(settings);
    assert_eq!(rig.whole().await.said(), "hello");
    assert_eq!(server.total().last().header("authorization"), None);
}

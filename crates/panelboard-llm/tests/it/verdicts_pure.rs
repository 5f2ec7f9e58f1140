//! Does each answer of a provider mean what its documentation says? One row an answer.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use panelboard_llm::Kind;
use panelboard_llm::sse::Reader;
use panelboard_llm::verdict::{
    Class, MESSAGE_CHARS_MAX, Verdict, of_event, of_status, of_stream_error,
};
use proptest::prelude::*;

use Class::*;
use Kind::{Anthropic, OpenAi, OpenAiCompatible};

fn verdict(kind: Kind, status: u16, retry_after: &'static str, body: &str) -> Verdict {
    let mut headers = HeaderMap::new();
    if !retry_after.is_empty() {
        headers.insert("retry-after", HeaderValue::from_static(retry_after));
    }
    of_status(kind, status, &headers, body.as_bytes(), SystemTime::UNIX_EPOCH)
}

fn check(kind: Kind, status: u16, body: &str, want: Class) {
    assert_eq!(verdict(kind, status, "", body).class, want, "{status} {body}");
}

/// As `{"error": {"type", "code"}}` of OpenAI.
fn openai(kind: &str, code: &str) -> String {
    format!(r#"{{"error":{{"message":"m","type":"{kind}","param":null,"code":"{code}"}}}}"#)
}

/// As Anthropic writes it.
fn anthropic(kind: &str, message: &str) -> String {
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"r"}}"#
    )
}

#[test]
fn the_request_is_wrong() {
    check(OpenAi, 400, &openai("invalid_request_error", "context_length_exceeded"), RequestFault);
    check(OpenAi, 404, &openai("invalid_request_error", "model_not_found"), RequestFault);
    check(
        Anthropic,
        400,
        &anthropic("invalid_request_error", "max_tokens: field required"),
        RequestFault,
    );
    check(Anthropic, 413, &anthropic("request_too_large", "m"), RequestFault);
    check(OpenAi, 422, "", RequestFault);
    check(OpenAiCompatible, 405, "", RequestFault);
    check(OpenAiCompatible, 415, "not JSON", RequestFault);
}

#[test]
fn the_key_is_dead() {
    check(OpenAi, 401, &openai("invalid_request_error", "invalid_api_key"), Credentials);
    check(Anthropic, 401, &anthropic("authentication_error", "invalid x-api-key"), Credentials);
    check(OpenAi, 401, "", Credentials);
    let google = concat!(
        r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","#,
        r#""details":[{"reason":"API_KEY_INVALID"}]}}]"#,
    );
    check(OpenAiCompatible, 400, google, Credentials);
}

#[test]
fn the_key_may_not() {
    check(Anthropic, 403, &anthropic("permission_error", "m"), Permission);
    check(
        OpenAi,
        403,
        &openai("request_forbidden", "unsupported_country_region_territory"),
        Permission,
    );
}

#[test]
fn the_money_is_gone() {
    for code in [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    ] {
        check(OpenAi, 429, &openai("insufficient_quota", code), Quota);
        check(OpenAi, 429, &openai("requests", code), Quota);
    }
    // The type alone is enough for codes that do not exist yet.
    check(OpenAi, 429, &openai("insufficient_quota", "some_new_limit"), Quota);
    check(OpenAi, 400, &openai("invalid_request_error", "billing_hard_limit_reached"), Quota);
    check(Anthropic, 402, &anthropic("billing_error", "m"), Quota);
    check(OpenAiCompatible, 402, "", Quota);
    check(Anthropic, 403, &anthropic("billing_error", "m"), Quota);
    let spent =
        "You have reached your specified API usage limits. You will regain access on 2026-12-01";
    check(Anthropic, 400, &anthropic("invalid_request_error", spent), Quota);
    let spent = "You have reached your specified workspace API usage limits.";
    check(Anthropic, 400, &anthropic("invalid_request_error", spent), Quota);
    check(
        Anthropic,
        400,
        &anthropic("invalid_request_error", "Your credit balance is too low to access"),
        Quota,
    );
    // Of another provider the words mean nothing.
    check(OpenAi, 400, &anthropic("invalid_request_error", spent), RequestFault);
}

#[test]
fn an_enforced_spend_limit_is_money_only_without_retry_after() {
    let body = concat!(
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","#,
        r#""details":{"error_code":"enforced_spend_limit_reached"}}}"#,
    );
    check(Anthropic, 429, body, Quota);
    let told = verdict(Anthropic, 429, "60", body);
    assert_eq!((told.class, told.wait), (RateLimited, Some(Duration::from_secs(60))));
    assert_eq!(told.code.as_deref(), Some("enforced_spend_limit_reached"));
}

#[test]
fn the_key_must_slow_down() {
    check(OpenAi, 429, &openai("requests", "rate_limit_exceeded"), RateLimited);
    check(OpenAi, 429, &openai("tokens", "slow_down"), RateLimited);
    check(Anthropic, 429, &anthropic("rate_limit_error", "m"), RateLimited);
    check(OpenAiCompatible, 429, "slow", RateLimited);
}

#[test]
fn the_provider_or_the_road_failed() {
    for status in [409, 425, 500, 501, 502, 505, 520, 521, 530, 599] {
        check(OpenAi, status, "", Server);
    }
    for status in [408, 504, 524] {
        check(OpenAi, status, "", Timeout);
    }
    for status in [503, 529] {
        check(OpenAi, status, "", Overloaded);
    }
    check(Anthropic, 529, &anthropic("overloaded_error", "Overloaded"), Overloaded);
    check(Anthropic, 500, &anthropic("overloaded_error", "Overloaded"), Overloaded);
    check(Anthropic, 500, &anthropic("api_error", "m"), Server);
    for status in [0, 100, 101, 199, 301, 302, 399, 600, 999] {
        check(OpenAi, status, "", Garbage);
    }
}

#[test]
fn a_success_may_be_an_error_in_disguise() {
    check(OpenAi, 200, r#"{"choices":[]}"#, Success);
    check(OpenAi, 204, "", Success);
    check(OpenAi, 200, r#"{"choices":[],"error":null}"#, Success);
    check(
        OpenAi,
        200,
        r#"{"choices":[{"message":{"content":"an \"error\" {\"error\":1}"}}]}"#,
        Success,
    );
    check(OpenAiCompatible, 200, r#"{"error":{"message":"m","code":502}}"#, Server);
    check(OpenAiCompatible, 200, r#"{"error":{"message":"m","code":429}}"#, RateLimited);
    check(OpenAiCompatible, 200, r#"{"error":{"message":"m","code":400}}"#, RequestFault);
}

#[test]
fn the_wait_is_read_where_it_means_something() {
    for (status, want) in [(429, true), (503, true), (529, true), (500, true), (408, true)] {
        assert_eq!(verdict(OpenAi, status, "7", "").wait.is_some(), want, "{status}");
    }
    for status in [400, 401, 402, 403, 404] {
        assert_eq!(verdict(OpenAi, status, "7", "").wait, None, "{status}");
    }
    assert_eq!(verdict(OpenAi, 429, "7", &openai("insufficient_quota", "x")).wait, None);
    assert_eq!(verdict(OpenAi, 429, "-7", "").wait, None);
}

#[test]
fn resets_of_limits_say_when_only_for_a_429() {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-reset-tokens", HeaderValue::from_static("1m30s"));
    headers.insert("x-ratelimit-remaining-tokens", HeaderValue::from_static("0"));
    let wait = |status| of_status(OpenAi, status, &headers, b"", SystemTime::UNIX_EPOCH).wait;
    assert_eq!(wait(429), Some(Duration::from_secs(90)));
    assert_eq!(wait(503), None);
}

fn check_stream(kind: Kind, data: &str, want: Class) {
    assert_eq!(of_stream_error(kind, data.as_bytes()).class, want, "{data}");
}

#[test]
fn an_error_in_a_stream_means_what_its_status_would() {
    check_stream(OpenAi, &openai("server_error", "x"), Server);
    check_stream(OpenAi, &openai("requests", "rate_limit_exceeded"), RateLimited);
    check_stream(OpenAi, &openai("insufficient_quota", "x"), Quota);
    check_stream(OpenAi, &openai("invalid_request_error", "context_length_exceeded"), RequestFault);
    check_stream(OpenAi, &openai("invalid_request_error", "invalid_api_key"), Credentials);
    check_stream(Anthropic, &anthropic("overloaded_error", "Overloaded"), Overloaded);
    check_stream(Anthropic, &anthropic("rate_limit_error", "m"), RateLimited);
    check_stream(Anthropic, &anthropic("api_error", "m"), Server);
    check_stream(Anthropic, &anthropic("authentication_error", "m"), Credentials);
    check_stream(Anthropic, &anthropic("permission_error", "m"), Permission);
    check_stream(Anthropic, &anthropic("billing_error", "m"), Quota);
    check_stream(Anthropic, &anthropic("not_found_error", "m"), RequestFault);
    check_stream(Anthropic, &anthropic("timeout_error", "m"), Timeout);
    check_stream(OpenAiCompatible, r#"{"error":{"code":502,"message":"m"}}"#, Server);
    check_stream(OpenAiCompatible, r#"{"error":{"code":"529","message":"m"}}"#, Overloaded);
    check_stream(
        OpenAiCompatible,
        r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
        RequestFault,
    );
    check_stream(OpenAiCompatible, r#"{"error":"out of memory"}"#, Server);
    check_stream(OpenAiCompatible, r#"{"error":{}}"#, Server);
    check_stream(OpenAiCompatible, "{\"error\":", Garbage);
}

#[test]
fn an_event_is_an_error_only_if_it_says_so_at_its_top() {
    let rows = [
        ("data: {\"error\":{\"message\":\"m\",\"code\":500}}\n\n", Some(Server)),
        ("event: error\ndata: {\"error\":{\"type\":\"overloaded_error\"}}\n\n", Some(Overloaded)),
        ("event: error\ndata: oops\n\n", Some(Garbage)),
        ("data: {\"object\":\"error\",\"message\":\"m\",\"code\":503}\n\n", Some(Overloaded)),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"{\\\"error\\\":1}\"}}]}\n\n", None),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"x\",\"error\":1}}]}\n\n", None),
        ("data: {\"choices\":[],\"error\":null}\n\n", None),
        ("data: [DONE]\n\n", None),
        (": \"error\"\n\n", None),
    ];
    for (stream, want) in rows {
        let mut reader = Reader::new();
        reader.feed(stream.as_bytes());
        let event = reader.next().expect("whole").expect("short");
        assert_eq!(
            of_event(OpenAiCompatible, &event).map(|verdict| verdict.class),
            want,
            "{stream}"
        );
    }
}

#[test]
fn code_and_message_come_from_every_shape() {
    let rows = [
        (r#"{"error":{"message":"no","type":"t","code":"c"}}"#, Some("c"), "no"),
        (r#"{"error":{"message":"no","type":"t","code":null}}"#, Some("t"), "no"),
        (r#"{"error":{"message":"no","code":402}}"#, Some("402"), "no"),
        (r#"{"type":"error","error":{"type":"t","message":"no"}}"#, Some("t"), "no"),
        (r#"{"message":"no","type":"t"}"#, Some("t"), "no"),
        (r#"{"detail":"no"}"#, None, "no"),
        (r#"{"error":"no"}"#, None, "no"),
        ("upstream connect error\n or  disconnect", None, "upstream connect error or disconnect"),
        ("<html><body>502</body></html>", None, "an HTML page in place of JSON"),
        (r#"{"error":{"message":7,"type":[],"code":{}}}"#, None, ""),
        ("", None, ""),
        ("\u{0}\u{1b}[31mred", None, "[31mred"),
    ];
    for (body, code, message) in rows {
        let got = verdict(OpenAi, 500, "", body);
        assert_eq!((got.code.as_deref(), got.message.as_str()), (code, message), "{body}");
    }
}

#[test]
fn a_message_is_short_and_shows_no_key() {
    let long = verdict(OpenAi, 500, "", &"ü".repeat(100_000)).message;
    assert_eq!(long.chars().count(), MESSAGE_CHARS_MAX);
    let long = verdict(OpenAi, 500, "", &"ab ".repeat(100_000)).message;
    assert_eq!(long.chars().count(), MESSAGE_CHARS_MAX);
    let body = openai("x", "invalid_api_key").replace(
        "\"m\"",
        concat!(
            r#""Incorrect API key provided: sk-abc***wxyz. (key=AbCdEfGhIjKlMnOp12345) "#,
            r#"model gpt-4o-mini-2024-07-18""#,
        ),
    );
    let shown = verdict(OpenAi, 401, "", &body).message;
    assert_eq!(shown, "Incorrect API key provided: [hidden] [hidden] model gpt-4o-mini-2024-07-18");
    let plain = Verdict::new(Credentials, "the key hunter2 is wrong").without("hunter2");
    assert_eq!(plain.message, "the key [hidden] is wrong");
    assert_eq!(Verdict::new(Server, "as is").without("").message, "as is");
    // Where a long message is cut, half a key may be left.
    for blanks in 0..20 {
        let long = format!("{}hunter2-the-secret", "a ".repeat(140 + blanks));
        let shown = Verdict::new(Server, &long).without("hunter2-the-secret").message;
        assert!(!shown.contains("hunte"), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_panic(status: u16, body: Vec<u8>, date in any::<Vec<u8>>()) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&date) {
            headers.insert("retry-after", value);
        }
        for kind in [OpenAi, Anthropic, OpenAiCompatible] {
            let verdict = of_status(kind, status, &headers, &body, SystemTime::UNIX_EPOCH);
            prop_assert!(verdict.message.chars().count() <= MESSAGE_CHARS_MAX);
            prop_assert_eq!(verdict.class == Success, (200..300).contains(&status));
            let _no_panic = of_stream_error(kind, &body);
        }
    }
}

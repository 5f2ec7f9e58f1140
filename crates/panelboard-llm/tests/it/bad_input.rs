//! What does a client get for a body that can not be routed, and what do breakers see of it?

use std::time::Duration;

use bytes::Bytes;
use panelboard_llm::{CallRequest, Endpoint, Outcome};
use serde_json::json;

use crate::{
    rig::{Reply as Answer, Rig, body, one, provider, read, settings},
    scripted::{Reply, Scripted},
};

async fn call(rig: &Rig, body: impl Into<Bytes>) -> Answer {
    read(rig.gateway.call(Endpoint::ChatCompletions, CallRequest::new(body)).await).await
}

#[tokio::test]
async fn bodies_that_can_not_be_routed_are_refused_in_openais_shape() {
    let server = Scripted::start().await;
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.limits.max_body_bytes = 10_000;
    let rig = Rig::new(settings);
    let deep =
        format!(r#"{{"model":"fast","messages":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let nested = format!(r#"{{"model":"fast","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for (body, status, code, param) in [
        ("", 400, "invalid_json", json!(null)),
        ("nonsense", 400, "invalid_json", json!(null)),
        ("[1,2]", 400, "invalid_json", json!(null)),
        (r#"{"messages":[]}"#, 400, "invalid_type", json!("model")),
        (r#"{"model":["fast"],"messages":[]}"#, 400, "invalid_type", json!("model")),
        (r#"{"model":"fast","messages":[],"stream":1}"#, 400, "invalid_type", json!("stream")),
        (r#"{"model":"fast","messages":{}}"#, 400, "invalid_type", json!("messages")),
        (r#"{"model":"gone","messages":[]}"#, 404, "model_not_found", json!("model")),
        (nested.as_str(), 400, "invalid_json", json!(null)),
        (deep.as_str(), 413, "request_too_large", json!(null)),
    ] {
        let reply = call(&rig, body.to_owned()).await;
        assert_eq!(reply.status, status, "{body:.60}: {}", reply.text);
        let error = reply.json()["error"].take();
        assert_eq!((&error["code"], &error["param"]), (&json!(code), &param), "{body:.60}");
        assert_eq!(error["type"], "invalid_request_error");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
        assert!(reply.header("x-request-id").starts_with("req-"));
        assert_eq!(reply.header("content-type"), "application/json");
    }
    let seen = rig.seen("a/k1");
    assert_eq!((seen.generation, seen.counts.ignored, server.total().hits), (0, 0, 0), "untouched");
    assert!(
        rig.told
            .calls
            .lock()
            .expect("no panic")
            .iter()
            .all(|(outcome, _)| *outcome == Outcome::RequestFault)
    );
    rig.at_rest();
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_fit_for_a_header() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("well"));
    let rig = one(server.base_url(), &["k1"]);
    for (id, kept) in [
        ("mine-7", true),
        ("", false),
        ("two\nlines", false),
        ("é", false),
        (&"x".repeat(201), false),
    ] {
        let request =
            CallRequest { request_id: id.to_owned(), ..CallRequest::new(body(false).to_string()) };
        let reply = read(rig.gateway.call(Endpoint::ChatCompletions, request).await).await;
        assert_eq!(reply.header("x-request-id") == id, kept, "{id}");
    }
}

#[tokio::test]
async fn what_a_provider_says_badly_is_told_and_memory_is_bounded() {
    let server = Scripted::start().await;
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    settings.limits.max_answer_bytes = 100_000;
    settings.timeouts.idle = Duration::from_millis(300);
    settings.breaker = panelboard::Config::builder().failure_threshold(100).build().expect("good");
    let rig = Rig::new(settings);
    for (reply, said, status) in [
        (Reply::garbage("SSH-2.0-OpenSSH_9.6\r\n"), "invalid HTTP", 503),
        (Reply::garbage(vec![0xff; 300_000]), "", 503),
        (Reply::hang_up(), "closed before", 503),
        (Reply::status(200).body("not JSON"), "not a JSON object", 503),
        (
            Reply::status(200).body("{\"a\":\"half \u{e9}").body(vec![0xc3]).body("\"}"),
            "not UTF-8",
            503,
        ),
        (Reply::status(200), "not a JSON object", 503),
        (Reply::chat("x").forged_length(1_000_000).cut(), "", 503),
        (Reply::chat("x").forged_length(10), "not a JSON object", 503),
        (Reply::chat("x").forged_length(1_000_000).hang(), "within 300ms", 504),
        (Reply::chat(&"x".repeat(200_000)), "longer than 100000 bytes", 503),
        (Reply::status(200).chunked().endless("x".repeat(10_000)), "longer than 100000 bytes", 503),
        (Reply::status(302).header("location", "http://127.0.0.1/"), "", 503),
        (Reply::status(200).header("x-long", &"x".repeat(1 << 20)), "", 503),
    ] {
        server.on("k1", reply.clone());
        let answer = rig.whole().await;
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, status, "{reply:.100?}: {message}");
        assert!(message.contains(said), "{said}: {message}");
        rig.at_rest();
    }
    server.wait_until("k1", |seen| seen.in_flight == 0).await;
    assert_eq!(rig.seen("a/k1").counts.failures, 13);
}

#[tokio::test]
async fn the_other_endpoints_are_passed_on_too() {
    let server = Scripted::start().await;
    server.on("k1", Reply::json(200, &json!({"object": "list", "data": []})));
    server.on("k1", Reply::json(200, &json!({"object": "text_completion", "choices": []})));
    server.on("k1", Reply::stream().data(r#"{"choices":[{"text":"so"}]}"#).data("[DONE]"));
    let rig = one(server.base_url(), &["k1"]);
    for (endpoint, body, path) in [
        (Endpoint::Embeddings, json!({"model": "fast", "input": "x"}), "/v1/embeddings"),
        (Endpoint::Completions, json!({"model": "fast", "prompt": "x"}), "/v1/completions"),
        (
            Endpoint::Completions,
            json!({"model": "fast", "prompt": "x", "stream": true}),
            "/v1/completions",
        ),
    ] {
        let reply =
            read(rig.gateway.call(endpoint, CallRequest::new(body.to_string())).await).await;
        assert_eq!((reply.status, server.stats("k1").last().path.as_str()), (200, path));
    }
}

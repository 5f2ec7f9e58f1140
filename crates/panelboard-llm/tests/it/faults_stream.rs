//! Known faults of other gateways, 20 to 24, 31, 35 and 41: streams.

use std::{sync::Arc, time::Duration};

use panelboard::State;
use panelboard_llm::{AnswerBody, Outcome, Timeouts};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    means::pair,
    rig::{Rig, body, next, one, provider, rest, settings},
    scripted::{Gate, Reply, Scripted},
};

fn with_timeouts(base_url: String, timeouts: Timeouts) -> Rig {
    let mut settings = settings(vec![provider("a", base_url, &["a1"])]);
    settings.providers[0].timeouts = Some(timeouts);
    Rig::new(settings)
}

#[tokio::test]
async fn fault_20_a_cut_stream_is_told_and_is_no_success() {
    for cut in [
        Reply::stream().role().word("so").cut(),
        Reply::stream().role().word("so").reset(),
        Reply::stream().role().word("so"),
        Reply::stream().role().word("so").body("data: {\"choices\":[{\"de"),
        Reply::stream().role().word("so").until_close(),
        Reply::stream().role().word("so").forged_length(100_000).cut(),
    ] {
        let server = Scripted::start().await;
        server.always("k1", cut);
        let rig = one(server.base_url(), &["k1", "k2"]);
        let reply = rig.streamed().await;
        if reply.status == 503 {
            continue; // k2, which answers 500, came first and its error went to k1
        }
        assert_eq!((reply.words().as_str(), reply.is_done()), ("so", false), "{}", reply.text);
        assert!(!reply.text.contains("[DONE]"));
        let error = reply.events().pop().expect("an event")["error"].take();
        assert_eq!(error["code"], "upstream_stream_cut");
        let last = error["attempts"].as_array().and_then(|list| list.last()).expect("an attempt");
        assert_eq!(
            (&last["key"], &last["outcome"], &last["status"]),
            (&json!("k1"), &json!("cut"), &json!(200))
        );
        let seen = rig.seen("a/k1");
        assert_eq!(
            (seen.counts.failures, server.stats("k1").hits),
            (1, 1),
            "and no second billable call"
        );
        assert_eq!(rig.told.calls.lock().expect("no panic").last(), Some(&(Outcome::Cut, 200)));
        rig.at_rest();
    }
}

#[tokio::test]
async fn fault_20_a_cut_whole_answer_fails_over() {
    let pair = pair(&["a1"]).await;
    pair.a.on("a1", Reply::chat("half of it").forged_length(10_000).cut());
    assert_eq!(pair.rig.whole().await.said(), "b");
    assert_eq!(pair.rig.seen("a/a1").consecutive_failures, 1);
}

#[tokio::test]
async fn fault_21_an_error_after_empty_chunks_still_fails_over() {
    for begin in [
        Reply::stream(),
        Reply::stream().role(),
        Reply::stream().role().body(": keep-alive\n\n").role(),
        Reply::stream().data(r#"{"choices":[]}"#).word(""),
    ] {
        let pair = pair(&["a1"]).await;
        pair.b.always("b1", Reply::stream_of(&["b"]));
        pair.a.on("a1", begin.clone().data(r#"{"error":{"message":"no","code":"server_error"}}"#));
        pair.a.on("a1", begin.cut());
        for _ in 0..2 {
            let reply = pair.rig.streamed().await;
            assert_eq!((reply.words().as_str(), reply.is_done()), ("b", true), "{}", reply.text);
            assert_eq!(reply.attempts.len(), 2);
        }
    }
}

#[tokio::test]
async fn fault_21_a_tool_call_commits_as_text_does() {
    let pair = pair(&["a1"]).await;
    let call =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c"}]}}]});
    pair.a.on("a1", Reply::stream().role().data(&call.to_string()).cut());
    let reply = pair.rig.streamed().await;
    assert!(reply.text.contains("tool_calls") && !reply.is_done());
    assert_eq!(pair.b.stats("b1").hits, 0);
}

#[tokio::test]
async fn fault_21_holding_back_is_bounded_in_bytes() {
    let server = Scripted::start().await;
    server
        .always("a1", Reply::stream().role().body(format!(": {}\n\n", "x".repeat(100_000))).hang());
    let mut settings = settings(vec![provider("a", server.base_url(), &["a1"])]);
    settings.limits.hold_back = Duration::from_secs(3600);
    let rig = Rig::new(settings);
    let stream = tokio::time::timeout(Duration::from_secs(20), rig.stream()).await;
    let mut stream = stream.expect("it is not held for longer");
    let mut got = 0;
    while got < 100_000 {
        got += next(&mut stream).await.expect("what was held back").len();
    }
}

#[tokio::test]
async fn fault_21_holding_back_is_bounded_in_time() {
    let server = Scripted::start().await;
    server.always("a1", Reply::stream().role().hang());
    let mut settings = settings(vec![provider("a", server.base_url(), &["a1"])]);
    settings.limits.hold_back = Duration::from_millis(20);
    let rig = Rig::new(settings);
    let mut stream = rig.stream().await;
    assert!(next(&mut stream).await.is_some_and(|piece| piece.starts_with(b"data: ")));
}

#[tokio::test]
async fn fault_22_a_stalled_stream_ends_at_the_idle_limit_with_an_error() {
    let server = Scripted::start().await;
    server.always("a1", Reply::stream().role().word("1").word("2").word("3").hang());
    let rig = with_timeouts(
        server.base_url(),
        Timeouts { idle: Duration::from_millis(100), ..Timeouts::default() },
    );
    let reply = rig.streamed().await;
    assert_eq!((reply.words().as_str(), reply.is_done()), ("123", false));
    assert_eq!(reply.events().pop().expect("an event")["error"]["code"], "upstream_timeout");
    assert_eq!(rig.seen("a/a1").counts.failures, 1);
    server.wait_until("a1", |seen| seen.aborted == 1 && seen.in_flight == 0).await;
}

#[tokio::test]
async fn fault_22_a_stalled_whole_answer_ends_at_the_idle_limit() {
    let server = Scripted::start().await;
    server.always("a1", Reply::status(200).body("{").forged_length(100).hang());
    let rig = with_timeouts(
        server.base_url(),
        Timeouts { idle: Duration::from_millis(100), ..Timeouts::default() },
    );
    let reply = rig.whole().await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
}

#[tokio::test]
async fn fault_23_no_limit_touches_a_stream_that_flows_for_longer_than_it() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    let reply =
        (0..6).fold(Reply::stream().role().word("w"), |reply, _| reply.gate(&gate).word("w"));
    server.always("a1", reply.finish());
    let limit = Duration::from_millis(300);
    let rig = with_timeouts(
        server.base_url(),
        Timeouts { first_byte: limit, idle: limit, ..Timeouts::default() },
    );
    let begun = Instant::now();
    let mut stream = rig.stream().await;
    next(&mut stream).await;
    for n in 1..=6 {
        gate.reached(n).await;
        tokio::time::sleep(Duration::from_millis(60)).await; // the time that the limit must outlast
        gate.pass(1);
        assert!(next(&mut stream).await.is_some());
    }
    assert!(begun.elapsed() > limit);
    assert!(rest(stream).await.ends_with(b"data: [DONE]\n\n"));
    assert_eq!(rig.seen("a/a1").counts.failures, 0);
}

#[tokio::test]
async fn fault_24_silence_before_the_head_or_the_first_event_fails_over_at_the_limit() {
    for silent in [Reply::silence(), Reply::stream().hang()] {
        let (a, b) = (Scripted::start().await, Scripted::start().await);
        a.always("a1", silent);
        b.always("b1", Reply::stream_of(&["b"]));
        let mut both = settings(vec![
            provider("a", a.base_url(), &["a1"]),
            provider("b", b.base_url(), &["b1"]),
        ]);
        let first_byte = Duration::from_millis(40);
        both.providers[0].timeouts = Some(Timeouts { first_byte, ..Timeouts::default() });
        let rig = Rig::new(both.clone());
        assert_eq!(rig.streamed().await.words(), "b");
        assert_eq!(rig.seen("a/a1").consecutive_failures, 1);

        both.models[0].targets.truncate(1);
        let alone = Rig::new(both);
        let reply = alone.streamed().await;
        assert_eq!((reply.status, reply.code().as_str()), (504, "upstream_timeout"));
    }
}

#[tokio::test]
async fn fault_31_a_reader_who_does_not_read_holds_the_provider_and_not_the_memory() {
    let server = Scripted::start().await;
    let word = Reply::stream().role().word("x");
    server.always(
        "a1",
        word.endless(format!(
            "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
            "y".repeat(4096)
        )),
    );
    let rig = one(server.base_url(), &["a1"]);
    let mut stream = rig.stream().await;
    next(&mut stream).await;
    // What the provider could get rid of is what the kernel's buffers and ours took.
    let mut before = 0;
    let settled = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let sent = server.stats("a1").sent_bytes;
            if sent == before {
                return sent;
            }
            before = sent;
        }
    };
    let sent = tokio::time::timeout(Duration::from_secs(10), settled).await.expect("it stops");
    assert!(sent < 16 << 20, "{sent} bytes went somewhere");
    drop(stream);
    server.wait_until("a1", |seen| seen.in_flight == 0).await;
}

#[tokio::test]
async fn fault_35_every_form_of_events_comes_through_byte_by_byte() {
    let chunk = |text: &str| format!("{{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}");
    for raw in [
        format!("data: {}\r\n\r\ndata: [DONE]\r\n\r\n", chunk("héllo")),
        format!("data:{}\n\ndata:[DONE]\n\n", chunk("héllo")),
        format!("\u{feff}: comment\n\ndata: {}\n\n: ping\n\ndata: [DONE]\n\n", chunk("héllo")),
        format!("event: x\nid: 7\nretry: 1\ndata: {}\r\rdata: [DONE]\r\r", chunk("héllo")),
    ] {
        let server = Scripted::start().await;
        server.always("a1", Reply::stream().body(raw.clone()).drip());
        let rig = one(server.base_url(), &["a1"]);
        let reply = rig.streamed().await;
        // The end mark goes on as soon as it is whole: the last half of a CRLF is not waited for.
        assert_eq!((reply.status, reply.text.trim_end()), (200, raw.trim_end()));
        assert_eq!(rig.gateway.figures("a/a1").expect("a key").successes, 1);
    }
}

#[tokio::test]
async fn fault_35_the_end_mark_may_lack_its_blank_line() {
    let server = Scripted::start().await;
    server.always("a1", Reply::stream().role().word("so").body("data: [DONE]"));
    let rig = one(server.base_url(), &["a1"]);
    let reply = rig.streamed().await;
    assert!(reply.is_done());
    assert_eq!(rig.gateway.figures("a/a1").expect("a key").successes, 1);
}

#[tokio::test]
async fn fault_35_an_endless_line_ends_at_a_mebibyte_with_an_error() {
    let server = Scripted::start().await;
    let endless = || "x".repeat(64 << 10);
    server.on("a1", Reply::stream().role().word("so").body("data: ").endless(endless()));
    server.on("a1", Reply::stream().endless(endless()));
    let rig = one(server.base_url(), &["a1"]);
    let told = rig.streamed().await;
    let error = told.events().pop().expect("an event")["error"].take();
    assert!(
        error["message"].as_str().is_some_and(|m| m.contains("longer than 1048576 bytes")),
        "{error}"
    );
    let before = rig.streamed().await;
    assert_eq!(before.status, 503);
    assert_eq!((rig.seen("a/a1").counts.failures, rig.state("a/a1")), (2, State::Closed));
    let stats = server.wait_until("a1", |seen| seen.in_flight == 0).await;
    assert!(stats.sent_bytes < 32 << 20, "{}", stats.sent_bytes);
}

#[tokio::test]
async fn fault_41_each_chunk_reaches_the_client_when_it_comes() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    let words = ["one", "two", "three", "four"];
    let reply =
        words.iter().fold(Reply::stream().role(), |reply, word| reply.gate(&gate).word(word));
    server.always("a1", reply.gate(&gate).finish());
    let rig = Arc::new(one(server.base_url(), &["a1"]));
    gate.pass(1);
    let AnswerBody::Stream(mut stream) = rig.ask(&body(true)).await.body else {
        panic!("no stream")
    };
    // The next chunk is sent only when this one has arrived: nothing waits for what comes later.
    for word in words {
        let piece = next(&mut stream).await.expect("a chunk");
        assert!(String::from_utf8_lossy(&piece).contains(word));
        gate.pass(1);
    }
    assert!(rest(stream).await.ends_with(b"[DONE]\n\n"));
}

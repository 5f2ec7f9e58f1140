//! Does a client of OpenAI's API notice that Anthropic's stands behind the gateway?

use panelboard_llm::{Kind, Provider};
use serde_json::{Value, json};

use crate::{
    rig::{Rig, body, provider, read, settings},
    scripted::{Reply, Scripted},
};

/// A message of one text and one tool call, up to its last event.
fn message() -> Reply {
    let usage = json!({"input_tokens": 7, "cache_read_input_tokens": 30, "output_tokens": 1});
    let head = json!({"id": "msg_1", "model": "claude-x-1", "content": [], "usage": usage});
    let text = json!({"type": "text", "text": ""});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    let start = |index: u64, block: Value| {
        let mut start = json!({"type": "content_block_start", "index": index});
        start["content_block"] = block;
        start
    };
    let delta = |index: u64, delta: Value| {
        let mut event = json!({"type": "content_block_delta", "index": index});
        event["delta"] = delta;
        event
    };
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let piece = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    let end = json!({"stop_reason": "tool_use", "stop_sequence": null});
    Reply::stream()
        .event("message_start", &json!({"type": "message_start", "message": head}))
        .event("ping", &json!({"type": "ping"}))
        .event("content_block_start", &start(0, text))
        .event("content_block_delta", &delta(0, json!({"type": "text_delta", "text": "Wait."})))
        .event("content_block_stop", &stop(0))
        .event("content_block_start", &start(1, call))
        .event("content_block_delta", &delta(1, piece("{\"a\":")))
        .event("content_block_delta", &delta(1, piece("1}")))
        .event("content_block_stop", &stop(1))
        .event(
            "message_delta",
            &json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 9}}),
        )
}

fn whole_message() -> Reply {
    message().event("message_stop", &json!({"type": "message_stop"}))
}

async fn behind(reply: Reply) -> (Scripted, Rig) {
    let server = Scripted::start().await;
    server.always("k1", reply);
    let provider = Provider { kind: Kind::Anthropic, ..provider("a", server.base_url(), &["k1"]) };
    let rig = Rig::new(settings(vec![provider]));
    (server, rig)
}

#[tokio::test]
async fn a_stream_comes_in_openais_chunks_and_counts_if_asked() {
    let (server, rig) = behind(whole_message()).await;
    for counts in [true, false] {
        let mut request = body(true);
        request["stream_options"] = json!({"include_usage": counts});
        let answer = read(rig.ask(&request).await).await;
        assert_eq!(
            (answer.status, answer.words().as_str(), answer.is_done()),
            (200, "Wait.", true)
        );
        let events = answer.events();
        let arguments: String = events
            .iter()
            .filter_map(|event| {
                event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
            })
            .collect();
        assert_eq!(arguments, "{\"a\":1}");
        let reasons = events.iter().filter_map(|e| e["choices"][0]["finish_reason"].as_str());
        assert_eq!(reasons.collect::<Vec<_>>(), ["tool_calls"]);
        let usage: Vec<_> = events.iter().filter(|event| event["usage"].is_object()).collect();
        assert_eq!(usage.len(), usize::from(counts));
        if counts {
            assert_eq!(usage[0]["usage"]["prompt_tokens"], 37);
            assert_eq!(usage[0]["usage"]["completion_tokens"], 9);
        }
    }
    let sent = server.stats("k1").last().json();
    assert_eq!((&sent["stream"], &sent["model"]), (&json!(true), &json!("m")));
    assert_eq!(sent["messages"][0]["content"][0]["text"], "hi");
    rig.at_rest();
}

#[tokio::test]
async fn a_stream_without_message_stop_is_cut_however_much_of_it_came() {
    let (_server, rig) = behind(message()).await;
    let answer = rig.streamed().await;
    assert_eq!((answer.words().as_str(), answer.is_done()), ("Wait.", false));
    let events = answer.events();
    assert_eq!(events[events.len() - 1]["error"]["code"], "upstream_stream_cut");
    let reasons = events.iter().filter(|event| event["choices"][0]["finish_reason"].is_string());
    assert_eq!(reasons.count(), 0, "an answer that was cut has no reason to have ended");
    assert_eq!(rig.seen("a/k1").counts.failures, 1);
}

#[tokio::test]
async fn what_is_not_anthropics_stream_is_hidden_by_the_next_provider() {
    let server = Scripted::start().await;
    server.always("k1", Reply::stream_of(&["a"])).always("k2", whole_message());
    let behind =
        |name, key| Provider { kind: Kind::Anthropic, ..provider(name, server.base_url(), &[key]) };
    let rig = Rig::new(settings(vec![behind("a", "k1"), behind("b", "k2")]));
    for _ in 0..5 {
        assert_eq!(rig.streamed().await.words(), "Wait.");
    }
    assert_eq!(server.stats("k1").hits, 3, "garbage is a failure, and the third one trips");
}

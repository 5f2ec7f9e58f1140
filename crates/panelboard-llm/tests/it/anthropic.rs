//! Does a chat survive the way to Anthropic's API and back?
//!
//! The answers are written after the shapes in Anthropic's documentation.

use panelboard_llm::anthropic::{
    MAX_TOKENS, RequestFault, StreamTranslator, error, request, response, wants_usage,
};
use panelboard_llm::sse::Reader;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("no object: {other}"),
    }
}

fn translate(body: Value) -> Result<Value, RequestFault> {
    request(&object(body), "claude-x")
}

/// A request with one message and these fields, beside what every translation has.
fn check(fields: Value, want: Value) {
    let mut body =
        object(json!({"model": "fast", "messages": [{"role": "user", "content": "hi"}]}));
    body.extend(object(fields.clone()));
    let mut all = object(json!({"model": "claude-x", "max_tokens": MAX_TOKENS}));
    let text = json!([{"type": "text", "text": "hi"}]);
    all.insert("messages".into(), json!([{"role": "user", "content": text}]));
    all.extend(object(want));
    assert_eq!(request(&body, "claude-x"), Ok(Value::from(all)), "{fields}");
}

/// The same, refused: which field is to blame.
fn check_refused(fields: Value, param: &str) {
    let mut body = object(json!({"messages": [{"role": "user", "content": "hi"}]}));
    body.extend(object(fields.clone()));
    let fault = request(&body, "claude-x").expect_err(&fields.to_string());
    assert_eq!(fault.param, param, "{fields}: {fault}");
    assert!(!fault.message.is_empty());
}

/// Messages in, `system` and `messages` out.
fn check_messages(messages: Value, system: Value, want: Value) {
    let got = translate(json!({"messages": messages})).expect("translates");
    assert_eq!((&got["system"], &got["messages"]), (&system, &want));
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[test]
fn fields_are_translated_dropped_or_refused_by_the_table() {
    check(json!({}), json!({}));
    check(json!({"max_tokens": 7}), json!({"max_tokens": 7}));
    check(json!({"max_tokens": 7, "max_completion_tokens": 9}), json!({"max_tokens": 9}));
    check(json!({"max_tokens": null}), json!({}));
    check(json!({"temperature": 0.5, "top_p": 0.9}), json!({"temperature": 0.5, "top_p": 0.9}));
    check(json!({"temperature": 1.7}), json!({"temperature": 1}));
    check(json!({"stream": true}), json!({"stream": true}));
    check(json!({"stop": "END"}), json!({"stop_sequences": ["END"]}));
    check(json!({"stop": ["a", "\n", " ", "b"]}), json!({"stop_sequences": ["a", "b"]}));
    check(json!({"stop": "\n"}), json!({}));
    check(json!({"user": "u-1"}), json!({"metadata": {"user_id": "u-1"}}));
    check(json!({"top_k": 4}), json!({"top_k": 4}));
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    check(thinking.clone(), thinking);
    check(json!({"response_format": {"type": "text"}}), json!({}));
    let schema = json!({"type": "object"});
    check(
        json!({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}),
        json!({"output_config": {"format": {"type": "json_schema", "schema": schema}}}),
    );
    check(
        json!({
            "seed": 1, "logit_bias": {}, "frequency_penalty": 1, "presence_penalty": 1,
            "reasoning_effort": "low", "service_tier": "auto", "store": true, "metadata": {},
            "prediction": {}, "verbosity": "low", "n": 1, "logprobs": false, "unheard_of": [],
            "modalities": ["text"], "stream_options": {"include_usage": true}, "functions": null,
        }),
        json!({}),
    );
}

#[test]
fn what_changes_the_shape_of_the_answer_is_refused() {
    check_refused(json!({"n": 2}), "n");
    check_refused(json!({"n": "1"}), "n");
    check_refused(json!({"logprobs": true}), "logprobs");
    check_refused(json!({"modalities": ["text", "audio"]}), "modalities");
    check_refused(json!({"audio": {"voice": "x"}}), "audio");
    check_refused(json!({"functions": []}), "functions");
    check_refused(json!({"response_format": {"type": "json_object"}}), "response_format");
    check_refused(json!({"max_tokens": 0}), "max_tokens");
    check_refused(json!({"max_completion_tokens": -1}), "max_completion_tokens");
    check_refused(json!({"max_tokens": "many"}), "max_tokens");
    check_refused(json!({"temperature": "hot"}), "temperature");
    check_refused(json!({"stop": [1]}), "stop");
    check_refused(json!({"stop": 1}), "stop");
    check_refused(json!({"tools": {}}), "tools");
    check_refused(json!({"tools": [{"type": "custom"}]}), "tools[0]");
    check_refused(json!({"tools": [{"type": "function", "function": {}}]}), "tools[0]");
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    check_refused(json!({"tools": tool, "tool_choice": "perhaps"}), "tool_choice");
    check_refused(json!({"tools": tool, "tool_choice": {"type": "allowed_tools"}}), "tool_choice");
}

#[test]
fn tools_and_the_choice_among_them() {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let function =
        json!({"name": "f", "description": "d", "parameters": parameters, "strict": true});
    let tools = json!([{"type": "function", "function": function}]);
    let out = json!([{"name": "f", "description": "d", "input_schema": parameters}]);
    check(json!({"tools": tools}), json!({"tools": out}));
    let bare = json!([{"type": "function", "function": {"name": "f"}}]);
    let schema = json!({"type": "object", "properties": {}});
    check(json!({"tools": bare}), json!({"tools": [{"name": "f", "input_schema": schema}]}));
    let named = json!({"type": "function", "function": {"name": "f"}});
    let rows = [
        (json!({"tool_choice": "auto"}), json!({"type": "auto"})),
        (json!({"tool_choice": "none"}), json!({"type": "none"})),
        (json!({"tool_choice": "required"}), json!({"type": "any"})),
        (json!({"tool_choice": named}), json!({"type": "tool", "name": "f"})),
        (
            json!({"parallel_tool_calls": false}),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
        (
            json!({"tool_choice": "required", "parallel_tool_calls": false}),
            json!({"type": "any", "disable_parallel_tool_use": true}),
        ),
        (json!({"tool_choice": "none", "parallel_tool_calls": false}), json!({"type": "none"})),
    ];
    for (mut fields, choice) in rows {
        fields["tools"] = tools.clone();
        check(fields, json!({"tools": out, "tool_choice": choice}));
    }
    // Without tools, a choice among them is an error at Anthropic.
    check(json!({"tools": [], "tool_choice": "auto", "parallel_tool_calls": false}), json!({}));
}

#[test]
fn system_prompts_stand_apart_and_turns_are_merged() {
    check_messages(
        json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "a"},
            {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "developer", "content": [{"type": "text", "text": "be kind"}]},
            {"role": "assistant", "content": "c", "name": "x"},
            {"role": "user", "content": "d"},
        ]),
        json!([text("be brief"), text("be kind")]),
        json!([
            {"role": "user", "content": [text("a"), text("b")]},
            {"role": "assistant", "content": [text("c")]},
            {"role": "user", "content": [text("d")]},
        ]),
    );
}

#[test]
fn a_round_of_tool_calls() {
    let call = |id, arguments| {
        let function = json!({"name": "f", "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    let (one, two) = (call("c1", "{\"city\": \"Oslo\"}"), call("c2", ""));
    check_messages(
        json!([
            {"role": "user", "content": "weather?"},
            {"role": "assistant", "content": null, "tool_calls": [one, two]},
            {"role": "tool", "tool_call_id": "c1", "content": "cold"},
            {"role": "tool", "tool_call_id": "c2", "content": [text("wet")]},
            {"role": "user", "content": "and?"},
        ]),
        Value::Null,
        json!([
            {"role": "user", "content": [text("weather?")]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "cold"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [text("wet")]},
                text("and?"),
            ]},
        ]),
    );
}

#[test]
fn images_and_files() {
    let image =
        |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}});
    let pdf = "data:application/pdf;base64,JVBE";
    check_messages(
        json!([{"role": "user", "content": [
            image("data:image/png;base64,AAAA"),
            image("https://example.org/a.png"),
            {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
            {"type": "text", "text": "what?", "cache_control": {"type": "ephemeral"}},
        ]}]),
        Value::Null,
        json!([{"role": "user", "content": [
            {"type": "image", "source":
                {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {"type": "document", "source":
                {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
            {"type": "text", "text": "what?", "cache_control": {"type": "ephemeral"}},
        ]}]),
    );
}

#[test]
fn empty_texts_are_left_out() {
    check_messages(
        json!([
            {"role": "system", "content": ""},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": [text(""), text("")]},
            {"role": "user", "content": "b"},
        ]),
        Value::Null,
        json!([{"role": "user", "content": [text("a"), text("b")]}]),
    );
}

#[test]
fn a_wrong_message_is_named() {
    let call =
        |arguments: &str| json!([{"id": "c", "function": {"name": "f", "arguments": arguments}}]);
    let image = |url: &str| json!([{"type": "image_url", "image_url": {"url": url}}]);
    let rows = [
        (json!({"role": "judge", "content": "x"}), "messages[1].role"),
        (json!({"content": "x"}), "messages[1].role"),
        (json!("x"), "messages[1].role"),
        (json!({"role": "user", "content": 7}), "messages[1].content"),
        (json!({"role": "user", "content": ["x"]}), "messages[1].content"),
        (json!({"role": "user", "content": [{"type": "input_audio"}]}), "messages[1].content"),
        (json!({"role": "user", "content": [{"type": "text"}]}), "messages[1].content"),
        (json!({"role": "user", "content": image("ftp://x")}), "messages[1].content"),
        (json!({"role": "user", "content": image("data:image/png,AAAA")}), "messages[1].content"),
        (
            json!({"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}),
            "messages[1].content",
        ),
        (json!({"role": "system", "content": image("https://x")}), "messages[1].content"),
        (json!({"role": "tool", "content": "x"}), "messages[1].tool_call_id"),
        (json!({"role": "assistant", "tool_calls": [{}]}), "messages[1].tool_calls"),
        (json!({"role": "assistant", "tool_calls": call("{\"a\":")}), "messages[1].tool_calls"),
        (json!({"role": "assistant", "tool_calls": call("[]")}), "messages[1].tool_calls"),
    ];
    for (message, param) in rows {
        let messages = json!([{"role": "user", "content": "hi"}, message]);
        let fault = translate(json!({"messages": messages})).expect_err(&message.to_string());
        assert_eq!(fault.param, param, "{message}");
    }
    for messages in [json!(null), json!("hi"), json!([]), json!([{"role": "user", "content": ""}])]
    {
        let fault = translate(json!({"messages": messages})).expect_err("nothing to say");
        assert_eq!(fault.param, "messages");
    }
}

#[test]
fn usage_is_wanted_only_if_the_client_says_so() {
    let wants = |body| wants_usage(&object(body));
    assert!(wants(json!({"stream_options": {"include_usage": true}})));
    assert!(!wants(json!({"stream_options": {"include_usage": false}})));
    assert!(!wants(json!({"stream_options": null})));
    assert!(!wants(json!({})));
}

/// A message with these content blocks, as its completion.
fn completion(content: Value, stop_reason: Value) -> Value {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-1",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 10, "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 3000, "output_tokens": 5,
        },
    });
    response(message.to_string().as_bytes(), "claude-x", 1_700_000_000).expect("a message")
}

#[test]
fn a_message_becomes_a_completion() {
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let got = completion(json!([thinking, text("Hello"), text(" there")]), json!("end_turn"));
    let message = json!({"role": "assistant", "content": "Hello there", "refusal": null});
    let want = json!({
        "id": "msg_1", "object": "chat.completion", "created": 1_700_000_000,
        "model": "claude-x-1",
        "choices": [
            {"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"},
        ],
        "usage": {
            "prompt_tokens": 3210, "completion_tokens": 5, "total_tokens": 3215,
            "prompt_tokens_details": {"cached_tokens": 3000},
        },
    });
    assert_eq!(got, want);
}

#[test]
fn tool_uses_become_tool_calls() {
    let uses = json!([
        text("Let me see."),
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
    ]);
    let got = completion(uses, json!("tool_use"));
    let choice = &got["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Let me see.");
    let call = |id: &str, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        json!({"id": id, "type": "function", "function": function})
    };
    let calls = json!([call("toolu_1", "f", "{\"city\":\"Oslo\"}"), call("toolu_2", "g", "{}")]);
    assert_eq!(choice["message"]["tool_calls"], calls);
    let only = json!([{"type": "tool_use", "id": "t", "name": "f", "input": {}}]);
    assert_eq!(
        completion(only, json!("tool_use"))["choices"][0]["message"]["content"],
        Value::Null
    );
}

#[test]
fn each_stop_reason_has_its_word() {
    let rows = [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ];
    for (reason, want) in rows {
        let got = completion(json!([text("x")]), json!(reason));
        assert_eq!(got["choices"][0]["finish_reason"], want, "{reason}");
    }
}

#[test]
fn what_is_no_message_is_garbage() {
    for body in ["", "{", "[]", "{}", "null", "{\"content\":\"text\"}", "<html>"] {
        assert!(response(body.as_bytes(), "m", 0).is_err(), "{body}");
    }
    let bare = response(b"{\"content\":[]}", "fallback", 0).expect("enough of a message");
    assert_eq!(bare["model"], "fallback");
    assert_eq!(bare["choices"][0]["message"]["content"], "");
}

#[test]
fn an_error_keeps_its_type_and_message() {
    let body = br#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#;
    let want = json!({"error": {
        "message": "model: x", "type": "not_found_error", "param": null, "code": "not_found_error",
    }});
    assert_eq!(error(body), Some(want));
    assert_eq!(error(b"<html>"), None);
    assert_eq!(error(b"{\"error\":\"x\"}"), None);
}

/// A stream in Anthropic's shape: each event named as its data's type.
fn stream(events: &[Value]) -> String {
    let event = |data: &Value| {
        let name = data["type"].as_str().expect("a type");
        format!("event: {name}\ndata: {data}\n\n")
    };
    events.iter().map(event).collect()
}

/// The chunks that come out, `[DONE]` as a string; and whether the answer is whole.
fn chunks(stream: &str, usage: bool) -> (Vec<Value>, bool) {
    let (mut reader, mut chunks) = (Reader::new(), Vec::new());
    let mut translator = StreamTranslator::new("claude-x", 1_700_000_000, usage);
    reader.feed(stream.as_bytes());
    while let Some(event) = reader.next() {
        let event = event.expect("short enough");
        for out in translator.event(&event).expect("an event of Anthropic's") {
            // What goes to the client reads as what the engine was told.
            let mut check = Reader::new();
            check.feed(&out.raw);
            assert_eq!(check.next().expect("whole").expect("short"), out);
            let done = out.is_done().then(|| json!("[DONE]"));
            chunks.push(done.unwrap_or_else(|| serde_json::from_slice(&out.data).expect("JSON")));
        }
    }
    (chunks, translator.is_done())
}

fn start() -> Value {
    let usage = json!({"input_tokens": 25, "cache_read_input_tokens": 100, "output_tokens": 1});
    json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "content": [],
        "model": "claude-x-1", "stop_reason": null, "stop_sequence": null, "usage": usage,
    }})
}

fn block_start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn block_delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn block_stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    [
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 15}}),
        json!({"type": "message_stop"}),
    ]
}

/// The deltas and finish reasons of chunks.
fn deltas(chunks: &[Value]) -> Vec<Value> {
    let choices = chunks.iter().filter_map(|chunk| chunk["choices"].get(0));
    choices.map(|choice| json!([choice["delta"], choice["finish_reason"]])).collect()
}

#[test]
fn a_stream_of_text() {
    let [delta, stop] = end("end_turn");
    let (chunks, done) = chunks(
        &stream(&[
            start(),
            block_start(0, text("")),
            json!({"type": "ping"}),
            block_delta(0, json!({"type": "text_delta", "text": "Hello"})),
            block_delta(0, json!({"type": "text_delta", "text": "!"})),
            block_stop(0),
            delta,
            stop,
        ]),
        true,
    );
    assert!(done);
    let want = json!([
        [{"role": "assistant", "content": ""}, null],
        [{"content": "Hello"}, null],
        [{"content": "!"}, null],
        [{}, "stop"],
    ]);
    assert_eq!(Value::from(deltas(&chunks)), want);
    let [.., usage, last] = chunks.as_slice() else { panic!("chunks") };
    assert_eq!(last, "[DONE]");
    assert_eq!(usage["choices"], json!([]));
    let counts = json!({
        "prompt_tokens": 125, "completion_tokens": 15, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 100},
    });
    assert_eq!(usage["usage"], counts);
    for chunk in &chunks[..chunks.len() - 1] {
        let head = (&chunk["id"], &chunk["object"], &chunk["model"], &chunk["created"]);
        let want = ("msg_1", "chat.completion.chunk", "claude-x-1", 1_700_000_000_u64);
        assert_eq!(head, (&json!(want.0), &json!(want.1), &json!(want.2), &json!(want.3)));
    }
}

#[test]
fn a_stream_of_tool_calls_in_pieces() {
    let tool = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let piece = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    let [delta, stop] = end("tool_use");
    let (chunks, _) = chunks(
        &stream(&[
            start(),
            block_start(0, json!({"type": "thinking", "thinking": ""})),
            block_delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            block_delta(0, json!({"type": "signature_delta", "signature": "s"})),
            block_stop(0),
            block_start(1, tool("t1")),
            block_delta(1, piece("")),
            block_delta(1, piece("{\"city\":")),
            block_delta(1, piece(" \"Oslo\"}")),
            block_stop(1),
            block_start(2, tool("t2")),
            block_delta(2, piece("")),
            block_stop(2),
            delta,
            stop,
        ]),
        false,
    );
    let begin = |index: u64, id: &str| {
        let function = json!({"name": "f", "arguments": ""});
        let call = json!({"index": index, "id": id, "type": "function", "function": function});
        json!([{"tool_calls": [call]}, null])
    };
    let more = |index: u64, arguments: &str| {
        let call = json!({"index": index, "function": {"arguments": arguments}});
        json!([{"tool_calls": [call]}, null])
    };
    let want = json!([
        [{"role": "assistant", "content": ""}, null],
        begin(0, "t1"), more(0, "{\"city\":"), more(0, " \"Oslo\"}"),
        begin(1, "t2"), more(1, "{}"),
        [{}, "tool_calls"],
    ]);
    assert_eq!(Value::from(deltas(&chunks)), want);
    assert!(chunks.iter().all(|chunk| chunk["usage"].is_null()), "nobody asked for usage");
}

#[test]
fn a_stream_without_message_stop_has_no_end() {
    let [delta, stop] = end("end_turn");
    let text = block_delta(0, json!({"type": "text_delta", "text": "Hello"}));
    let (cut, done) = chunks(&stream(&[start(), text, delta]), true);
    assert!(!done);
    assert_eq!(deltas(&cut).len(), 2);
    assert!(!cut.contains(&json!("[DONE]")), "{cut:?}");
    // And after the end, nothing more comes.
    let (whole, done) = chunks(&stream(&[start(), stop.clone(), stop, start()]), false);
    assert!(done);
    assert_eq!(whole.len(), 3);
}

#[test]
fn an_event_that_is_none_is_garbage() {
    for data in ["{", "7", "{}", "{\"choices\":[]}", "[DONE]"] {
        let mut reader = Reader::new();
        reader.feed(format!("data: {data}\n\n").as_bytes());
        let event = reader.next().expect("whole").expect("short");
        let mut translator = StreamTranslator::new("m", 0, false);
        assert!(translator.event(&event).is_err(), "{data}");
    }
}

#[test]
fn tool_calls_without_end_are_garbage() {
    let tool = block_start(0, json!({"type": "tool_use", "id": "t", "name": "f", "input": {}}));
    let one = stream(&[tool]);
    let (mut reader, mut translator) = (Reader::new(), StreamTranslator::new("m", 0, false));
    let mut calls = 0;
    loop {
        reader.feed(one.as_bytes());
        let event = reader.next().expect("whole").expect("short");
        if translator.event(&event).is_err() {
            break;
        }
        calls += 1;
        assert!(calls < 5000, "it remembers every one of them");
    }
    assert_eq!(calls, 1024);
}

/// Any JSON, made of the words that the translation looks for.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "role",
        "content",
        "type",
        "text",
        "user",
        "assistant",
        "tool",
        "tool_calls",
        "function",
        "arguments",
        "{}",
        "{",
        "id",
        "name",
        "messages",
        "image_url",
        "url",
        "data:;base64,",
        "stop",
        "tools",
        "index",
        "delta",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "tool_use",
        "input_json_delta",
        "partial_json",
        "content_block",
        "usage",
        "output_tokens",
        "message",
        "stop_reason",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_request_and_no_answer_makes_a_panic(values in prop::collection::vec(any_json(), 1..6)) {
        let mut translator = StreamTranslator::new("m", 0, true);
        for value in &values {
            if let Value::Object(fields) = value {
                let _no_panic = request(fields, "m");
            }
            let _no_panic = translate(json!({"messages": [value], "tools": [value]}));
            let _no_panic = response(value.to_string().as_bytes(), "m", 0);
            let mut reader = Reader::new();
            reader.feed(format!("data: {value}\n\n").as_bytes());
            if let Some(Ok(event)) = reader.next() {
                let _no_panic = translator.event(&event);
            }
        }
    }
}

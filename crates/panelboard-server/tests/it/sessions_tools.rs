//! Does a run ask for what its model calls, go on with the answers, and leave no call without a
//! result behind, however it ends?

use serde_json::{Value, json};

use crate::http::{get, post};
use crate::sessions::{Chat, Socket, all_keys, check, check_seen, is_event};
use crate::sessions_runs::serve;

fn tools(names: &[&str]) -> Value {
    let tool = |name: &&str| {
        let parameters = json!({ "type": "object", "properties": {} });
        json!({ "type": "function", "function": { "name": name, "parameters": parameters } })
    };
    names.iter().map(tool).collect()
}

/// Asks for a run whose model may call these; its number.
fn start(chat: &Chat, input: &str, names: &[&str]) -> String {
    let reply = chat.submit(&json!({ "input": input, "tools": tools(names) }));
    assert_eq!(reply.status, 202, "{}", reply.json());
    reply.json()["run"].as_str().expect("a run").to_owned()
}

/// The question of a run that waits for an answer.
fn question(chat: &Chat, run: &str) -> (Value, Value) {
    let shown = chat.is(run, "awaiting_input");
    assert_eq!(chat.view()["slot"]["request_id"], shown["request_id"], "at both places");
    assert_eq!(chat.view()["slot"]["prompt"], shown["prompt"]);
    (shown["request_id"].clone(), shown["prompt"].clone())
}

fn answer(chat: &Chat, run: &str, request: &Value, input: &Value) -> (u16, Value) {
    let body = json!({ "request_id": request, "input": input });
    let reply = chat.post(&format!("/runs/{run}/input"), &body);
    (reply.status, reply.json())
}

/// The memory, as short as can be.
fn brief(chat: &Chat) -> Vec<String> {
    let item = |item: &Value| {
        let calls = item["tool_calls"].as_array().into_iter().flatten();
        let calls: String =
            calls.map(|call| format!(" {}()", call["name"].as_str().unwrap())).collect();
        let text = item["text"].as_str().unwrap().rsplit("You said: ").next().unwrap();
        format!("{}: {text}{calls}", item["role"].as_str().unwrap())
    };
    chat.memory().iter().map(item).collect()
}

#[test]
fn a_model_that_calls_tools_is_answered_and_goes_on() {
    let server = serve("");
    let chat = Chat::new(server.addr, "trip");
    let mut socket = Socket::open(server.addr);
    socket.subscribe("trip");
    let run = start(&chat, "weather and clock please", &["clock", "weather", "stocks"]);
    let (first, prompt) = question(&chat, &run);
    assert_eq!(prompt["name"], "clock");
    let arguments: Value = serde_json::from_str(prompt["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(arguments, json!({ "text": "weather and clock please" }));
    // What was called is known at once, so a client may have begun with the second.
    let calls = &chat.memory()[1]["tool_calls"];
    assert_eq!((&calls[0]["id"], calls.as_array().unwrap().len()), (&prompt["tool_call_id"], 2));

    let (status, told) = answer(&chat, &run, &json!("9999"), &json!("x"));
    assert_eq!((status, &told["code"]), (409, &json!("not-awaiting")), "{told}");
    assert_eq!(answer(&chat, &run, &first, &json!("noon")).0, 202);
    let (second, prompt) = loop {
        let (request, prompt) = question(&chat, &run);
        if request != first {
            break (request, prompt);
        }
    };
    assert_eq!(prompt["name"], "weather");
    let (status, told) = answer(&chat, &run, &first, &json!("midnight"));
    assert_eq!((status, &told["code"]), (409, &json!("already-answered")), "{told}");
    // Over the socket as well, and anything that is JSON.
    let command = json!({ "type": "answer", "client_msg_id": "a-1", "session": "trip", "run": run,
        "request_id": second, "input": { "sky": "rain" } });
    assert_eq!(socket.ask(command.clone())["ok"], true);
    assert_eq!(socket.ask(command)["ok"], true, "sent again, it is the same answer");
    let ended = chat.is(&run, "succeeded");
    assert!(ended["output"].as_str().unwrap().ends_with("You said: {\"sky\":\"rain\"}"), "{ended}");
    assert!(ended.get("prompt").is_none() && chat.view()["slot"]["state"] == "idle");
    // Both of its answers count: the first was told four words, the second those and two results.
    assert!(ended["usage"]["prompt_tokens"].as_u64().unwrap() >= 2 * 4 + 2, "{ended}");
    assert_eq!(
        brief(&chat),
        [
            "user: weather and clock please",
            "assistant:  clock() weather()",
            "tool: noon",
            "tool: {\"sky\":\"rain\"}",
            "assistant: {\"sky\":\"rain\"}",
        ]
    );
    check(&chat.events());
    let seen = socket.until(|frame| is_event(frame, "run.finished"));
    check_seen(&seen);

    // The next run's model is shown it all, and its words count.
    let run = chat.start("and now?", "reject");
    chat.is(&run, "succeeded");
    // What was read can be written back.
    let items: Vec<Value> = chat.memory().into_iter().map(as_written).collect();
    let tag = get(server.addr, &chat.path("/memory")).json()["tag"].clone();
    let tag = format!("\"{}\"", tag.as_str().unwrap());
    let headers = [("content-type", "application/json"), ("if-match", &*tag)];
    let body = json!({ "items": items }).to_string();
    let path = chat.path("/memory");
    assert_eq!(crate::http::send(server.addr, "PUT", &path, &headers, &body).status, 200);
    assert_eq!(brief(&chat).len(), 7);
}

fn as_written(mut item: Value) -> Value {
    for field in ["seq", "at", "run", "partial"] {
        item.as_object_mut().expect("an item").remove(field);
    }
    item
}

#[test]
fn s_13_no_call_without_a_result_stays_however_the_run_ends() {
    let server = serve("");
    let both = ["clock", "weather"];
    let first_answered = |session: &str| {
        let chat = Chat::new(server.addr, session);
        let run = start(&chat, "weather and clock please", &both);
        let (request, _) = question(&chat, &run);
        assert_eq!(answer(&chat, &run, &request, &json!("noon")).0, 202);
        while question(&chat, &run).0 == request {}
        (chat, run)
    };
    let kept = ["user: weather and clock please", "assistant:  clock()", "tool: noon"];

    let (chat, run) = first_answered("cancelled");
    assert_eq!(chat.post("/cancel", &json!({})).status, 202);
    chat.is(&run, "cancelled");
    assert_eq!(brief(&chat), kept);
    check(&chat.events());

    let (chat, run) = first_answered("interrupted");
    let next = chat.start("never mind", "interrupt");
    chat.is(&run, "superseded");
    chat.is(&next, "succeeded");
    assert_eq!(brief(&chat)[..3], kept);
    assert_eq!(brief(&chat)[3..], ["user: never mind", "assistant: never mind"]);

    let (chat, run) = first_answered("rolled back");
    let next = chat.start("forget it", "rollback");
    chat.is(&run, "rolled_back");
    chat.is(&next, "succeeded");
    assert_eq!(brief(&chat), ["user: forget it", "assistant: forget it"]);

    // Nothing was answered, so nothing was called.
    let chat = Chat::new(server.addr, "at once");
    let run = start(&chat, "the clock please", &both);
    question(&chat, &run);
    assert_eq!(chat.post("/cancel", &json!({ "mode": "force" })).status, 202);
    chat.is(&run, "cancelled");
    assert_eq!(brief(&chat), ["user: the clock please"]);

    // A clear takes both; who answers then comes too late.
    let (chat, run) = first_answered("cleared");
    let (request, _) = question(&chat, &run);
    assert_eq!(chat.post("/clear", &json!({})).status, 200);
    let (status, told) = answer(&chat, &run, &request, &json!("rain"));
    assert_eq!((status, &told["code"]), (409, &json!("not-awaiting")), "{told}");
    assert_eq!(brief(&chat), [""; 0]);
}

#[test]
fn a_memory_that_is_replaced_meanwhile_gets_no_result_without_its_call() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let run = start(&chat, "the clock please", &["clock"]);
    let (request, _) = question(&chat, &run);
    let tag = get(server.addr, &chat.path("/memory")).json()["tag"].clone();
    let tag = format!("\"{}\"", tag.as_str().unwrap());
    let headers = [("content-type", "application/json"), ("if-match", &*tag)];
    let body = json!({ "items": [{ "text": "all is new" }] }).to_string();
    let path = chat.path("/memory");
    assert_eq!(crate::http::send(server.addr, "PUT", &path, &headers, &body).status, 200);
    assert_eq!(answer(&chat, &run, &request, &json!("noon")).0, 202);
    chat.is(&run, "succeeded");
    assert_eq!(brief(&chat), ["note: all is new", "assistant: noon"]);
}

#[test]
fn a_steer_may_bring_tools_and_waits_until_all_calls_are_answered() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let run = start(&chat, "the clock please", &["clock"]);
    let (request, _) = question(&chat, &run);
    let steer = json!({ "input": "and the weather", "on_conflict": "steer",
        "tools": tools(&["weather"]) });
    let steer = chat.submit(&steer).json()["run"].as_str().unwrap().to_owned();
    assert_eq!(answer(&chat, &run, &request, &json!("noon")).0, 202);
    chat.is(&steer, "consumed");
    let (request, prompt) = question(&chat, &run);
    assert_eq!(prompt["name"], "weather");
    assert_eq!(answer(&chat, &run, &request, &json!("rain")).0, 202);
    chat.is(&run, "succeeded");
    let said = brief(&chat);
    let roles: Vec<&str> = said.iter().map(|line| line.split(':').next().unwrap()).collect();
    let expected =
        ["user", "assistant", "tool", "assistant", "user", "assistant", "tool", "assistant"];
    assert_eq!(roles, expected, "{said:?}");
    check(&chat.events());
}

#[test]
fn the_next_process_knows_the_calls_and_their_results() {
    let folder = tempfile::tempdir().unwrap();
    let lines = format!("[store]\npath = {:?}\n", folder.path().join("s.db"));
    let before = {
        let server = serve(&lines);
        let chat = Chat::new(server.addr, "chat");
        let run = start(&chat, "the clock please", &["clock"]);
        let (request, _) = question(&chat, &run);
        assert_eq!(answer(&chat, &run, &request, &json!("noon")).0, 202);
        chat.is(&run, "succeeded");
        brief(&chat)
    };
    let server = serve(&lines);
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(brief(&chat), before);
    assert_eq!(before[1], "assistant:  clock()");
}

#[test]
fn wrong_tools_and_items_are_told_where_they_stand() {
    let server = serve("");
    let chat = Chat::new(server.addr, "chat");
    let refused = |reply: crate::http::Reply, what: &str| {
        let told = reply.json();
        assert_eq!(reply.status, 400, "{told}");
        assert!(told["detail"].as_str().unwrap().contains(what), "{told}");
    };
    let web = json!([{ "type": "web_search" }]);
    refused(chat.submit(&json!({ "input": "x", "tools": web })), "`tools/0/type`");
    refused(chat.submit(&json!({ "input": "x", "tools": {} })), "`tools` must be a list");
    let result = json!({ "role": "tool", "text": "r", "tool_call_id": "a" });
    refused(chat.post("/memory", &result), "no call before it");
    let calls = json!([{ "id": "a", "name": "f" }]);
    let called = json!({ "role": "assistant", "text": "", "tool_calls": calls });
    refused(chat.post("/memory", &called), "a call has no `tool` item");
    let mut socket = Socket::open(server.addr);
    let submit = json!({ "type": "submit", "client_msg_id": "m", "session": "chat", "input": "x",
        "tools": [{ "type": "function", "function": { "name": "a b" } }] });
    let problem = &socket.ask(submit)["problem"];
    assert!(problem["detail"].as_str().unwrap().contains("`tools/0/function/name`"), "{problem}");
    assert_eq!(
        post(server.addr, "/v1/sessions", "{\"id\":\"chat\"}").status,
        201,
        "nothing was made"
    );
    all_keys(server.addr, "none");
}

#[test]
fn s_24_an_answer_that_is_sent_again_is_one_though_the_memory_is_full_by_now() {
    let server = serve("");
    let chat = Chat::new(server.addr, "trip");
    let run = start(&chat, "weather please", &["weather"]);
    let (request, _) = question(&chat, &run);
    let body = json!({ "request_id": request, "input": "rain" }).to_string();
    let path = chat.path(&format!("/runs/{run}/input"));
    let answer = |key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let reply = crate::http::send(server.addr, "POST", &path, &headers, &body);
        (reply.status, reply.json())
    };
    let first = answer("a-1");
    assert_eq!(first.0, 202, "{}", first.1);
    chat.is(&run, "succeeded");
    // To the last byte.
    for bytes in [500_000, 20_000, 1_000, 30, 1] {
        while chat.post("/memory", &json!({ "text": "x".repeat(bytes) })).status == 201 {}
    }
    assert_eq!(answer("a-1"), first);
    assert_eq!(answer("a-2").1["code"], "memory-full");
}

//! Do the pretend providers speak OpenAI's API, say what they are, and fail as asked?

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use panelboard_llm::pretend::{Fault, Pretend, UnknownKey};
use panelboard_llm::sse::Reader;
use panelboard_llm::verdict::{Class, of_status};
use panelboard_llm::{Kind, retry_after};
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// What came back, to the last byte that came.
struct Got {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    whole: bool,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    fn events(&self) -> Vec<String> {
        let mut reader = Reader::new();
        reader.feed(&self.body);
        let events = std::iter::from_fn(|| reader.next());
        events.map(|event| String::from_utf8_lossy(&event.expect("short").data).into()).collect()
    }
}

async fn start() -> Pretend {
    let keys = vec!["key-1", "key-2"];
    Pretend::start(&[("pretend-a", keys), ("pretend-b", vec!["key-1"])]).await.expect("it starts")
}

/// Sends one request on a connection of its own; an error if no head came back.
async fn send(pretend: &Pretend, secret: &str, path: &str, body: &Value) -> hyper::Result<Got> {
    let socket = TcpStream::connect(pretend.addr()).await.expect("it listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("/v1{path}"))
        .header("authorization", format!("Bearer {secret}"))
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request");
    let (head, mut body) = sender.send_request(request).await?.into_parts();
    let (bytes, whole) = collect(&mut body).await;
    drop(sender);
    drop(connection.await);
    Ok(Got { status: head.status.as_u16(), headers: head.headers, body: bytes, whole })
}

async fn collect(body: &mut Incoming) -> (Bytes, bool) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => return (bytes.into(), false),
        }
    }
    (bytes.into(), true)
}

/// The key of `pretend-a/key-1` in the clear, as only its provider and its user know it.
fn secret(pretend: &Pretend, provider: &str, key: &str) -> String {
    pretend.bearer(provider, key).expect("the key is there")
}

async fn ask(pretend: &Pretend, path: &str, body: &Value) -> Got {
    let secret = secret(pretend, "pretend-a", "key-1");
    send(pretend, &secret, path, body).await.expect("an answer")
}

fn chat(stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hello there"}]},
    ]})
}

#[tokio::test]
async fn a_chat_says_that_it_is_pretend_and_repeats_the_prompt() {
    let pretend = start().await;
    let got = ask(&pretend, "/chat/completions", &chat(false)).await;
    assert_eq!((got.status, got.whole), (200, true));
    assert_eq!(got.headers["x-pretend-provider"], "pretend-a/key-1");
    let answer = got.json();
    let said = answer["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(
        said.contains("pretend-a, a pretend provider") && said.ends_with("hello there"),
        "{said}"
    );
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "m");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    let usage = &answer["usage"];
    assert_eq!(usage["prompt_tokens"], 4);
    assert_eq!(usage["completion_tokens"], said.split_whitespace().count());
}

#[tokio::test]
async fn a_stream_says_the_same_word_by_word() {
    let pretend = start().await;
    let whole = ask(&pretend, "/chat/completions", &chat(false)).await.json();
    let mut request = chat(true);
    request["stream_options"] = json!({"include_usage": true});
    let got = ask(&pretend, "/chat/completions", &request).await;
    assert_eq!(got.headers["content-type"], "text/event-stream");
    let mut events = got.events();
    assert_eq!(events.pop().as_deref(), Some("[DONE]"));
    let chunks: Vec<Value> =
        events.iter().map(|event| serde_json::from_str(event).expect("JSON")).collect();
    let words = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(words.collect::<String>(), whole["choices"][0]["message"]["content"]);
    assert!(
        chunks.len() > 10 && chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk")
    );
    let [.., finish, usage] = chunks.as_slice() else { panic!("chunks") };
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!((&usage["usage"], &usage["choices"]), (&whole["usage"], &json!([])));
}

#[tokio::test]
async fn a_chat_calls_the_tools_that_the_user_names_until_they_have_answered() {
    let pretend = start().await;
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let mut request = json!({"model": "m", "messages": [
        {"role": "user", "content": "weather and the clock, pl\u{e9}ase"},
    ], "tools": [tool("clock"), tool("stocks"), tool("weather")]});
    let whole = ask(&pretend, "/chat/completions", &request).await.json();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let called = |calls: &[Value]| {
        let call = |call: &Value| {
            let arguments = call["function"]["arguments"].as_str().expect("a text");
            let arguments: Value = serde_json::from_str(arguments).expect("JSON");
            (call["function"]["name"].clone(), arguments["text"].clone())
        };
        calls.iter().map(call).collect::<Vec<_>>()
    };
    let text = json!("weather and the clock, pl\u{e9}ase");
    let both = [(json!("clock"), text.clone()), (json!("weather"), text)];
    assert_eq!(called(choice["message"]["tool_calls"].as_array().expect("calls")), both);

    request["stream"] = true.into();
    let events = ask(&pretend, "/chat/completions", &request).await.events();
    let mut calls: Vec<Value> = Vec::new();
    for event in &events[..events.len() - 1] {
        let chunk: Value = serde_json::from_str(event).expect("JSON");
        for piece in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = piece["index"].as_u64().expect("a number") as usize;
            match calls.get_mut(index) {
                None => calls.push(piece.clone()),
                Some(call) => {
                    let arguments = &mut call["function"]["arguments"];
                    let more = piece["function"]["arguments"].as_str().expect("a text");
                    *arguments = format!("{}{more}", arguments.as_str().expect("a text")).into();
                }
            }
        }
    }
    assert_eq!(called(&calls), both);

    let messages = request["messages"].as_array_mut().expect("a list");
    messages.push(json!({"role": "assistant", "tool_calls": calls}));
    messages.push(json!({"role": "tool", "tool_call_id": "x", "content": "weather: rain"}));
    request["stream"] = false.into();
    let answer = ask(&pretend, "/chat/completions", &request).await.json();
    let said = answer["choices"][0]["message"]["content"].as_str().expect("a text");
    assert!(said.ends_with("You said: weather: rain"), "{said}");
}

#[tokio::test]
async fn the_other_paths_answer_in_their_own_shapes() {
    let pretend = start().await;
    let completion =
        ask(&pretend, "/completions", &json!({"model": "m", "prompt": "say hi"})).await;
    let text = completion.json()["choices"][0]["text"].to_string();
    assert!(text.contains("pretend provider") && text.contains("say hi"));
    let stream = json!({"model": "m", "prompt": "say hi", "stream": true});
    let events = ask(&pretend, "/completions", &stream).await.events();
    assert!(events[0].contains("\"text\":\"This \"") && events.ends_with(&["[DONE]".into()]));
    let inputs = json!({"model": "m", "input": ["one", "two", "one"]});
    let embeddings = ask(&pretend, "/embeddings", &inputs).await.json();
    assert_eq!(embeddings["data"][0]["embedding"], embeddings["data"][2]["embedding"]);
    assert_ne!(embeddings["data"][0]["embedding"], embeddings["data"][1]["embedding"]);
    assert_eq!(embeddings["usage"]["prompt_tokens"], 3);
    assert!(embeddings["pretend"].is_string());
    let tokens = ask(&pretend, "/embeddings", &json!({"input": [1, 2]})).await.json();
    assert_eq!(tokens["data"].as_array().map(Vec::len), Some(1));
    let models = ask(&pretend, "/models", &json!({})).await.json();
    assert_eq!(models["data"][0]["id"], "pretend-1");
}

#[tokio::test]
async fn max_tokens_cuts_an_answer_short_and_says_so() {
    let pretend = start().await;
    for limit in ["max_tokens", "max_completion_tokens"] {
        let mut request = chat(false);
        request[limit] = json!(3);
        let answer = ask(&pretend, "/chat/completions", &request).await.json();
        assert_eq!(answer["choices"][0]["message"]["content"], "This is pretend-a, ");
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 3);
    }
}

#[tokio::test]
async fn wrong_requests_are_told_so() {
    let pretend = start().await;
    let rows = [
        ("/chat/completions", json!([]), 400),
        ("/chat/completions", json!({"model": "m"}), 400),
        ("/completions", json!({"model": "m"}), 400),
        ("/images", json!({}), 404),
    ];
    for (path, body, status) in rows {
        let got = ask(&pretend, path, &body).await;
        assert_eq!(got.status, status, "{path} {body}");
        assert!(got.json()["error"]["message"].is_string());
    }
    let got = send(&pretend, "sk-else", "/models", &json!({})).await.expect("an answer");
    assert_eq!((got.status, &got.json()["error"]["code"]), (401, &json!("invalid_api_key")));
}

#[tokio::test]
async fn each_fault_with_a_status_means_what_it_says() {
    let pretend = start().await;
    let rows = [
        (Fault::RateLimited, 429, Class::RateLimited),
        (Fault::ServerError, 500, Class::Server),
        (Fault::Unavailable, 503, Class::Overloaded),
        (Fault::Overloaded, 529, Class::Overloaded),
        (Fault::Unauthorized, 401, Class::Credentials),
    ];
    for (fault, status, class) in rows {
        pretend.set_fault("pretend-a", "key-1", fault, None).expect("the key is there");
        let got = ask(&pretend, "/chat/completions", &chat(true)).await;
        let now = std::time::SystemTime::UNIX_EPOCH;
        let verdict = of_status(Kind::Pretend, got.status, &got.headers, &got.body, now);
        assert_eq!((got.status, verdict.class), (status, class));
        assert!(verdict.message.starts_with("pretend: "), "{}", verdict.message);
    }
    // The others are well all the while.
    for (provider, key) in [("pretend-a", "key-2"), ("pretend-b", "key-1")] {
        let secret = secret(&pretend, provider, key);
        let got = send(&pretend, &secret, "/chat/completions", &chat(false)).await;
        assert_eq!(got.expect("an answer").status, 200);
    }
}

#[tokio::test]
async fn a_429_asks_to_wait_until_the_fault_ends() {
    let pretend = start().await;
    for (lasting, want) in [(Some(Duration::from_secs(20)), 20), (None, 5)] {
        pretend.set_fault("pretend-a", "key-1", Fault::RateLimited, lasting).expect("there");
        let got = ask(&pretend, "/chat/completions", &chat(false)).await;
        let wait = retry_after::wait(&got.headers, std::time::SystemTime::UNIX_EPOCH);
        // Less by the time that the call took, should the machine be busy.
        let wait = wait.expect("a wait").as_secs();
        assert!(wait <= want && wait + 3 > want, "{wait} of {want}");
    }
}

#[tokio::test]
async fn a_cut_breaks_the_connection_in_the_middle() {
    let pretend = start().await;
    let full = ask(&pretend, "/chat/completions", &chat(false)).await;
    pretend.set_fault("pretend-a", "key-1", Fault::Cut, None).expect("the key is there");
    let half = ask(&pretend, "/chat/completions", &chat(false)).await;
    assert_eq!((half.status, half.whole, half.body.len()), (200, false, full.body.len() / 2));
    let stream = ask(&pretend, "/chat/completions", &chat(true)).await;
    let events = stream.events();
    assert!(!stream.whole && events.len() > 3 && !events.contains(&"[DONE]".into()));
}

#[tokio::test]
async fn a_refusal_ends_the_connection_without_a_byte() {
    let pretend = start().await;
    pretend.set_fault("pretend-a", "key-1", Fault::Refuse, None).expect("the key is there");
    let secret = secret(&pretend, "pretend-a", "key-1");
    let sent = send(&pretend, &secret, "/chat/completions", &chat(false)).await;
    assert!(sent.is_err_and(|error| error.is_incomplete_message()));
}

#[tokio::test]
async fn a_hang_says_nothing_and_stopping_ends_it() {
    let pretend = start().await;
    pretend.set_fault("pretend-a", "key-1", Fault::Hang, None).expect("the key is there");
    let secret = secret(&pretend, "pretend-a", "key-1");
    let (path, body) = ("/chat/completions", chat(false));
    let held = send(&pretend, &secret, path, &body);
    tokio::time::timeout(Duration::from_millis(100), held).await.err().expect("no answer");
    let addr = pretend.addr();
    pretend.stop().await;
    TcpStream::connect(addr).await.expect_err("nobody listens");
}

#[tokio::test]
async fn a_fault_ends_by_itself_or_when_told() {
    let pretend = start().await;
    tokio::time::pause();
    let fault = || pretend.fault("pretend-a", "key-1");
    assert_eq!(fault(), None);
    let lasting = Duration::from_secs(8);
    pretend.set_fault("pretend-a", "key-1", Fault::Hang, Some(lasting)).expect("there");
    assert_eq!(fault(), Some((Fault::Hang, Some(lasting))));
    tokio::time::advance(Duration::from_secs(7)).await;
    assert_eq!(fault(), Some((Fault::Hang, Some(Duration::from_secs(1)))));
    assert_eq!(pretend.fault("pretend-a", "key-2"), None);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(fault(), None);
    pretend.set_fault("pretend-a", "key-1", Fault::Cut, None).expect("there");
    tokio::time::advance(Duration::from_secs(1_000_000)).await;
    assert_eq!(fault(), Some((Fault::Cut, None)));
    pretend.set_fault("pretend-a", "key-1", Fault::None, Some(lasting)).expect("there");
    assert_eq!(fault(), None);
    pretend.set_fault("pretend-a", "key-1", Fault::Cut, Some(Duration::MAX)).expect("no overflow");
}

#[tokio::test(start_paused = true)]
async fn a_slow_key_answers_late_and_at_a_crawl() {
    let pretend = start().await;
    pretend.set_fault("pretend-a", "key-1", Fault::Slow, None).expect("the key is there");
    let begin = tokio::time::Instant::now();
    let got = ask(&pretend, "/chat/completions", &chat(true)).await;
    let took = begin.elapsed();
    assert_eq!(got.events().last().map(String::as_str), Some("[DONE]"));
    let words = got.events().len() as u64;
    assert!(took > Duration::from_secs(3) + Duration::from_millis(400) * words as u32, "{took:?}");
}

#[tokio::test]
async fn keys_can_be_added_and_stay_what_they_are() {
    let pretend = start().await;
    let before = secret(&pretend, "pretend-a", "key-1");
    pretend.add("pretend-a", "key-1").expect("random numbers");
    pretend.add("pretend-c", "key-9").expect("random numbers");
    assert_eq!(secret(&pretend, "pretend-a", "key-1"), before);
    assert_ne!(secret(&pretend, "pretend-c", "key-9"), before);
    assert!(pretend.secret("pretend-c", "key-8").is_none());
    let unknown = pretend.set_fault("pretend-c", "key-8", Fault::Hang, None);
    assert_eq!(unknown, Err(UnknownKey));
    assert!(!format!("{pretend:?}").contains(&before));
}

#[test]
fn faults_have_the_names_of_the_command_line() {
    for name in ["429", "500", "503", "529", "401", "hang", "cut", "slow", "refuse", "none"] {
        assert_eq!(name.parse::<Fault>().expect(name).as_str(), name);
    }
    let unknown = "hnag".parse::<Fault>().expect_err("no such fault").to_string();
    assert_eq!(unknown, "no such fault; there are 429 500 503 529 401 hang cut slow refuse none");
}

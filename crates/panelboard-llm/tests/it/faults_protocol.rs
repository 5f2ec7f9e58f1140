//! Do the faults of other gateways' protocol handling stay away from this one?
//!
//! Each test is named for what went wrong elsewhere: streams read by halves, waits not read or
//! read as a licence to come earlier, answers mixed up, keys in messages, chunks held back.

use std::time::{Duration, SystemTime};

use panelboard::State;
use panelboard_llm::{CallRequest, Endpoint, Key, Kind, Provider, Secret};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    rig::{self, Rig, body, key, next, one, provider, read, rest, settings},
    scripted::{Gate, Refusing, Reply, Request, Scripted},
};

/// A chunk that says `text`, as the data of an event.
fn word(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

/// A stream of exactly these bytes, one by one; the client must read `want` and its end.
async fn check_stream(bytes: impl Into<Vec<u8>>, want: &str) {
    let bytes = bytes.into();
    let shown = bytes.escape_ascii().to_string();
    for drip in [false, true] {
        let server = Scripted::start().await;
        let reply = Reply::stream().body(bytes.clone());
        server.always("k1", if drip { reply.drip() } else { reply });
        let rig = one(server.base_url(), &["k1"]);
        let answer = rig.streamed().await;
        // What came is passed on as it is, so it is read here by the same rules.
        let mut reader = panelboard_llm::sse::Reader::new();
        reader.feed(answer.text.as_bytes());
        let events = std::iter::from_fn(|| reader.next()).map(|event| event.expect("short"));
        let (done, words): (Vec<_>, Vec<_>) =
            events.filter(|event| !event.data.is_empty()).partition(|event| event.is_done());
        let said: String = words
            .iter()
            .map(|event| serde_json::from_slice::<Value>(&event.data).expect("JSON"))
            .map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().unwrap_or("?").to_owned())
            .collect();
        assert_eq!((said.as_str(), done.len()), (want, 1), "{shown} -> {}", answer.text);
        assert_eq!(rig.seen("a/k1").counts.failures, 0, "{shown}");
    }
}

#[tokio::test]
async fn streams_of_every_spelling_come_through() {
    let (a, b) = (word("a"), word("b"));
    check_stream(format!("data: {a}\n\ndata: {b}\n\ndata: [DONE]\n\n"), "ab").await;
    check_stream(format!("data: {a}\r\n\r\ndata: {b}\r\n\r\ndata: [DONE]\r\n\r\n"), "ab").await;
    check_stream(format!("data: {a}\r\rdata: {b}\r\rdata: [DONE]\r\r"), "ab").await;
    check_stream(format!("data:{a}\n\ndata:{b}\n\ndata:[DONE]\n\n"), "ab").await;
    check_stream(format!(": hi\n\ndata: {a}\n\n: ping\n\ndata: [DONE]\n\n"), "a").await;
    check_stream(format!("\u{FEFF}data: {a}\n\ndata: [DONE]\n\n"), "a").await;
    check_stream(format!("id: 1\nevent: message\ndata: {a}\n\ndata: [DONE]\n\n"), "a").await;
    let crab = word("grüße 🦀");
    check_stream(format!("data: {crab}\n\ndata: [DONE]\n\n"), "grüße 🦀").await;
    // Without the last blank line, as some servers end.
    check_stream(format!("data: {a}\n\ndata: [DONE]\n"), "a").await;
    check_stream(format!("data: {a}\n\ndata: [DONE]"), "a").await;
}

#[tokio::test]
async fn a_line_without_end_is_told_and_does_not_fill_the_memory() {
    for first in [String::new(), format!("data: {}\n\n", word("a"))] {
        let server = Scripted::start().await;
        let filler = "x".repeat(64 << 10);
        server.always("k1", Reply::stream().body(first.clone()).body("data: ").endless(filler));
        let rig = one(server.base_url(), &["k1"]);
        let answer = rig.streamed().await;
        assert!(!answer.text.contains("[DONE]"));
        assert!(answer.text.contains("longer than 1048576 bytes"), "{}", answer.text);
        let seen = server.wait_until("k1", |seen| seen.in_flight == 0).await;
        assert_eq!(seen.aborted, seen.hits, "each time the connection was given up");
        // The event's limit, and what the kernel's buffers hold besides.
        let most = (24 << 20) * seen.hits as u64;
        assert!(seen.sent_bytes < most, "{} bytes taken in {} hits", seen.sent_bytes, seen.hits);
        assert_eq!(rig.seen("a/k1").counts.failures, 1);
        rig.at_rest();
    }
}

#[tokio::test]
async fn half_a_character_at_the_end_is_an_error_and_no_panic() {
    let server = Scripted::start().await;
    let half = [format!("data: {}\n\ndata: ", word("a")).as_bytes(), b"\xF0\x9F"].concat();
    server.always("k1", Reply::stream().body(half).cut());
    let rig = one(server.base_url(), &["k1"]);
    let answer = rig.streamed().await;
    assert_eq!((answer.words().as_str(), answer.is_done()), ("a", false));
    let events = answer.events();
    assert_eq!(events[events.len() - 1]["error"]["code"], "upstream_stream_cut");
}

/// A 429 with these headers puts the key out for so long: neither shorter nor longer.
async fn check_wait(headers: &[(&str, &str)], want: Duration) {
    let server = Scripted::start().await;
    let refusal = Reply::error(429, "rate_limit_exceeded", "slow down");
    let refusal = headers.iter().fold(refusal, |reply, (name, value)| reply.header(name, value));
    server.on("k1", refusal).always("k1", Reply::chat("back"));
    let rig = one(server.base_url(), &["k1"]);
    let refused = rig.whole().await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "rate_limit_exceeded"),
        "{headers:?}"
    );
    let seconds = want.as_secs() + u64::from(want.subsec_nanos() > 0);
    assert_eq!(refused.header("retry-after"), seconds.max(1).to_string(), "{headers:?}");
    assert_eq!(rig.seen("a/k1").retry_after, Some(want), "{headers:?}");
    rig.hand.advance(want - Duration::from_millis(1));
    assert_eq!(rig.whole().await.status, 429);
    assert_eq!(server.stats("k1").hits, 1, "{headers:?}: it came earlier than told");
    rig.hand.advance(Duration::from_millis(1));
    assert_eq!(rig.whole().await.said(), "back", "{headers:?}");
}

#[tokio::test]
async fn a_key_is_left_alone_for_exactly_as_long_as_it_asked() {
    let (secs, millis) = (Duration::from_secs, Duration::from_millis);
    check_wait(&[("retry-after", "7")], secs(7)).await;
    check_wait(&[("retry-after-ms", "1500")], millis(1500)).await;
    check_wait(&[("x-ms-retry-after-ms", "250")], millis(250)).await;
    check_wait(&[("retry-after", "315360000")], secs(86_400)).await;
    check_wait(
        &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "1m30s")],
        secs(90),
    )
    .await;
    // Nothing that makes sense: the gateway's own first wait.
    for nonsense in ["-5", "soon", "", "1e9", "0"] {
        check_wait(&[("retry-after", nonsense)], secs(5)).await;
    }
}

#[tokio::test]
async fn an_http_date_is_a_wait_too() {
    #[expect(clippy::disallowed_methods, reason = "an HTTP date is a time of the wall clock")]
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
    let server = Scripted::start().await;
    server.always("k1", Reply::status(429).header("retry-after", &date));
    let rig = one(server.base_url(), &["k1"]);
    assert_eq!(rig.whole().await.status, 429);
    let wait = rig.seen("a/k1").retry_after.expect("it cools");
    // The date has whole seconds, and the call took a moment.
    assert!((Duration::from_secs(80)..=Duration::from_secs(90)).contains(&wait), "{wait:?}");
}

#[tokio::test]
async fn a_shorter_wait_is_no_licence_to_come_earlier() {
    let (server, gate) = (Scripted::start().await, Gate::new());
    server.on("k1", Reply::status(429).header("retry-after", "2").behind(&gate));
    server.on("k1", Reply::status(429).header("retry-after", "60"));
    let rig = one(server.base_url(), &["k1"]);
    let slow = tokio::spawn(
        rig.gateway.call(Endpoint::ChatCompletions, CallRequest::new(body(false).to_string())),
    );
    gate.reached(1).await;
    rig.whole().await;
    gate.pass(1);
    slow.await.expect("no panic");
    assert_eq!(rig.seen("a/k1").retry_after, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn a_limit_of_the_account_cools_all_its_keys_and_no_others() {
    let server = Scripted::start().await;
    for key in ["k1", "k2", "k3"] {
        server.always(key, Reply::status(429).header("retry-after", "30"));
    }
    server.always("k4", Reply::chat("from k4"));
    let mut first = provider("a", server.base_url(), &["k1", "k2", "k3"]);
    for key in &mut first.keys[..2] {
        key.quota_group = Some("org".into());
    }
    let rig = Rig::new(settings(vec![first, provider("b", server.base_url(), &["k4"])]));
    for _ in 0..5 {
        assert_eq!(rig.whole().await.said(), "from k4");
    }
    assert_eq!(server.stats("k1").hits + server.stats("k2").hits, 1, "one of them spoke for both");
    assert_eq!(server.stats("k3").hits, 1, "it is of another account");
    for name in ["a/k1", "a/k2", "a/k3"] {
        assert_eq!(rig.seen(name).retry_after, Some(Duration::from_secs(30)), "{name}");
    }
    assert_eq!([rig.state("a"), rig.state("b/k4")], [State::Closed, State::Closed]);
}

#[tokio::test]
async fn an_account_without_money_cools_its_group_too() {
    let server = Scripted::start().await;
    server.always("k1", Reply::error(429, "insufficient_quota", "pay"));
    server.always("k2", Reply::error(429, "insufficient_quota", "pay"));
    let mut provider = provider("a", server.base_url(), &["k1", "k2"]);
    for key in &mut provider.keys {
        key.quota_group = Some("org".into());
    }
    let rig = Rig::new(settings(vec![provider]));
    assert_eq!(rig.whole().await.status, 429);
    assert_eq!(server.total().hits, 1);
    for name in ["a/k1", "a/k2"] {
        assert_eq!(rig.seen(name).retry_after, Some(Duration::from_secs(15 * 60)));
    }
}

#[tokio::test]
async fn no_chunk_waits_for_the_next_one() {
    let (server, gate) = (Scripted::start().await, Gate::new());
    let words = ["one", "two", "three"];
    let stream =
        words.iter().fold(Reply::stream().role(), |reply, word| reply.word(word).gate(&gate));
    server.always("k1", stream.finish());
    let rig = one(server.base_url(), &["k1"]);
    let mut stream = rig.stream().await;
    for (index, word) in words.iter().enumerate() {
        // The server stands at the gate behind this word: the next one does not exist yet.
        gate.reached(index + 1).await;
        let mut seen = String::new();
        while !seen.contains(word) {
            let piece = next(&mut stream).await.expect("the stream goes on");
            seen.push_str(std::str::from_utf8(&piece).expect("whole characters"));
        }
        assert_eq!(server.stats("k1").in_flight, 1);
        gate.pass(1);
    }
    assert!(String::from_utf8_lossy(&rest(stream).await).contains("[DONE]"));
}

/// The answer to a question, or a fault, by the question's number.
fn echo_or_fault(request: &Request) -> Reply {
    let body = request.json();
    let question = body["messages"][0]["content"].as_str().expect("a question").to_owned();
    let number: usize = question[2..].parse().expect("its number");
    // A fault of the first key is mended by the second.
    match if request.key == "k1" { number % 16 } else { 99 } {
        0 => Reply::error(500, "server_error", &question),
        1 => Reply::hang_up(),
        2 => Reply::garbage(format!("what? {question}")),
        3 => Reply::stream().role().cut(),
        4 => Reply::status(200).header("content-type", "application/json").body("{").cut(),
        5 => Reply::chat(&question).then_stale(),
        6 => Reply::chat(&question).then_close(),
        _ if body["stream"] == true => Reply::stream_of(&[&question]),
        _ => Reply::chat(&question),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_answers_each_match_their_question() {
    const CALLS: usize = 10_000;
    const AT_ONCE: usize = 100;
    let server = Scripted::start().await;
    server.decide(|request| Some(echo_or_fault(request)));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1", "k2"])]);
    // Nothing trips and every fault may be mended: it is the answers that are looked at.
    settings.breaker =
        panelboard::Config::builder().failure_threshold(1_000_000).build().expect("ok");
    settings.limits.resend_share = 10.0;
    let rig = Rig::new(settings);
    let mut calls = JoinSet::new();
    let (mut right, mut asked) = (0, 0);
    while asked < CALLS || !calls.is_empty() {
        while asked < CALLS && calls.len() < AT_ONCE {
            let gateway = rig.gateway.clone();
            calls.spawn(async move { (asked, ask_one(&gateway, asked).await) });
            asked += 1;
        }
        let (number, answer) = calls.join_next().await.expect("one is left").expect("no panic");
        assert_eq!(answer.header("x-request-id"), format!("id-{number}"));
        let mine = format!("q-{number}");
        let questions: Vec<&str> =
            answer.text.split('"').filter(|text| text.starts_with("q-")).collect();
        assert!(questions.iter().all(|one| *one == mine), "{mine}: {}", answer.text);
        right += usize::from(answer.status == 200 && questions.len() == 1);
    }
    // What went wrong at k1 went right at k2, save where a stream met a whole answer.
    assert!(right > CALLS * 9 / 10, "{right}");
    rig.at_rest();
    server.wait_until("k1", |seen| seen.in_flight == 0).await;
}

async fn ask_one(gateway: &panelboard_llm::Gateway, number: usize) -> rig::Reply {
    let question = format!("q-{number}");
    let messages = json!([{"role": "user", "content": question}]);
    let body = json!({"model": "fast", "stream": number % 2 == 1, "messages": messages});
    let mut request = CallRequest::new(body.to_string());
    request.request_id = format!("id-{number}");
    read(gateway.call(Endpoint::ChatCompletions, request).await).await
}

/// A key that must not be seen anywhere but in the provider's own request log.
///
/// It does not look like one: nothing but knowing it can keep it out.
const CANARY: &str = "canary-in-the-mine";

/// Every way in which a provider can throw the key back at us.
fn indiscretions() -> Vec<Reply> {
    let told = format!("Incorrect API key provided: {CANARY}, or \"{CANARY}\"");
    let error = |status| Reply::error(status, CANARY, &told);
    let event = json!({"error": {"message": told, "code": CANARY, "type": CANARY}}).to_string();
    vec![
        error(401),
        error(403),
        error(429).header("retry-after", CANARY),
        error(500),
        error(503),
        error(400),
        error(404),
        Reply::status(502).body(told.clone()),
        Reply::json(200, &json!({"error": {"message": told, "code": 500}})),
        Reply::status(200).header("content-type", "application/json").body(told.clone()),
        Reply::stream().data(&event),
        Reply::stream().role().word("a").data(&event),
        Reply::stream().role().word("a").data(&told),
        Reply::stream().role().word("a").body(told.clone()).cut(),
        Reply::garbage(told.clone()),
        Reply::status(301).header("location", &format!("http://{CANARY}.example/")),
        Reply::hang_up(),
    ]
}

#[tokio::test]
async fn a_key_is_never_shown_however_hard_the_provider_tries() {
    for kind in [Kind::OpenAi, Kind::OpenAiCompatible, Kind::Anthropic] {
        for reply in indiscretions() {
            let server = Scripted::start().await;
            server.always(CANARY, reply.clone());
            let secret = Secret::new(CANARY.into());
            let key = Key { secret, ..key("k1") };
            let provider =
                Provider { kind, keys: vec![key], ..provider("a", server.base_url(), &[]) };
            let rig = Rig::new(settings(vec![provider]));
            let mut shown = String::new();
            for stream in [false, true] {
                let answer = rig.ask(&body(stream)).await;
                shown += &format!("{answer:?}");
                shown += &format!("{:?}", read(answer).await);
            }
            assert!(server.stats(CANARY).hits > 0, "the provider was asked with the key");
            shown += &everything_about(&rig);
            assert!(!shown.contains(CANARY), "{kind:?} {reply:?}: {shown}");
        }
    }
}

/// All that the gateway can be asked, and all that it told by itself.
fn everything_about(rig: &Rig) -> String {
    let gateway = &rig.gateway;
    let mut all = format!("{gateway:?} {:?} {:?}", gateway.settings(), rig.told);
    for figures in gateway.keys() {
        all += &format!("{figures:?} {:?}", rig.seen(&figures.breaker));
    }
    all
}

#[tokio::test]
async fn a_key_is_not_shown_when_nobody_is_there_to_take_it() {
    let refusing = Refusing::start();
    let key = Key { secret: Secret::new(CANARY.into()), ..key("k1") };
    let provider = Provider { keys: vec![key], ..provider("a", refusing.base_url(), &[]) };
    let rig = Rig::new(settings(vec![provider]));
    let answer = read(rig.ask(&body(false)).await).await;
    assert_eq!(answer.status, 503);
    assert!(!format!("{answer:?}{}", everything_about(&rig)).contains(CANARY));
}

#[tokio::test]
async fn counts_in_an_odd_shape_do_not_spoil_an_answer() {
    for usage in [json!(null), json!("many"), json!([]), json!({"prompt_tokens": 1.0}), json!({})] {
        let server = Scripted::start().await;
        let choices = json!([{"index": 0, "message": {"role": "assistant", "content": "hello"}}]);
        let whole = json!({"choices": choices, "usage": usage});
        server.on("k1", Reply::json(200, &whole));
        let last = json!({"choices": [], "usage": usage}).to_string();
        server.on("k1", Reply::stream().word("hello").data(&last).data("[DONE]"));
        let rig = one(server.base_url(), &["k1"]);
        assert_eq!(rig.whole().await.said(), "hello", "{usage}");
        let streamed = rig.streamed().await;
        assert_eq!((streamed.words().as_str(), streamed.is_done()), ("hello", true), "{usage}");
        assert_eq!(rig.seen("a/k1").counts.failures, 0, "{usage}");
    }
}

//! Do the faults of other gateways' protocol handling stay away from this one?
//!
//! Each test is named for what went wrong elsewhere: waits not kept to or read as a licence to come
//! earlier, answers mixed up, keys in messages, answers spoilt by what nobody needs of them.

use std::time::Duration;

use panelboard_llm::{CallRequest, Endpoint, Key, Kind, Provider, Secret};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    rig::{self, Rig, body, key, one, provider, read, settings},
    scripted::{Gate, Refusing, Reply, Request, Scripted},
};

/// A chunk that says `text`, as the data of an event.
fn word(text: &str) -> String {
    json!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

#[tokio::test]
async fn fault_35_half_a_character_at_the_end_is_an_error() {
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
async fn fault_29_a_key_is_left_alone_for_exactly_as_long_as_it_asked() {
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
async fn fault_29_a_shorter_wait_is_no_licence_to_come_earlier() {
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
async fn fault_26_ten_thousand_answers_each_match_their_question() {
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
async fn fault_36_a_key_is_never_shown_however_hard_the_provider_tries() {
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
async fn fault_36_a_key_is_not_shown_when_nobody_is_there_to_take_it() {
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

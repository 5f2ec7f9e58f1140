//! Does a socket live on, whatever is sent over it as a frame, and is each told what is wrong?

use std::collections::BTreeSet;

use panelboard_server::config::Environment;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::program::{InProcess, pretend};
use crate::sessions::{Chat, Socket};

/// One of each type, as JSON.
fn frames() -> Vec<Value> {
    let session = "chat";
    vec![
        json!({ "type": "hello", "resume": [{ "session": session, "epoch": "e", "seq": 3 }] }),
        json!({ "type": "subscribe", "session": session, "epoch": "e", "seq": 3 }),
        json!({ "type": "subscribe", "job": "1-1" }),
        json!({ "type": "unsubscribe", "session": session }),
        json!({ "type": "submit", "client_msg_id": "m", "session": session, "input": "x",
            "on_conflict": "interrupt", "timeout_ms": 9, "model": "fast" }),
        json!({ "type": "cancel", "session": session, "run": "1", "mode": "force" }),
        json!({ "type": "clear", "client_msg_id": "c", "session": session, "mode": "if_idle" }),
        json!({ "type": "answer", "client_msg_id": "a", "session": session, "run": "1",
            "request_id": "4", "input": {} }),
    ]
}

/// A frame of which a field is another one's, has another one's value, or is not there; or which is
/// cut, doubled or put elsewhere as text.
fn spoiled(random: &mut fastrand::Rng) -> String {
    let all = frames();
    let mut frame = all[random.usize(..all.len())].clone();
    let other = &all[random.usize(..all.len())];
    let fields = frame.as_object_mut().unwrap();
    let pick = |of: &Value, random: &mut fastrand::Rng| {
        let fields: Vec<_> = of.as_object().unwrap().clone().into_iter().collect();
        fields[random.usize(..fields.len())].clone()
    };
    let (name, value) = pick(other, random);
    let own = pick(&Value::Object(fields.clone()), random).0;
    match random.u8(..4) {
        0 => drop(fields.insert(name, value)),
        1 => drop(fields.insert(own, value)),
        2 => drop(fields.remove(&own)),
        _ => {
            let odd =
                [json!(null), json!(-1), json!([[]]), json!(""), json!("\u{0}"), json!(1e300)];
            fields.insert(own, odd[random.usize(..odd.len())].clone());
        }
    }
    let mut text: Vec<char> = frame.to_string().chars().collect();
    if random.bool() {
        let at = random.usize(..text.len());
        let upto = (at + random.usize(..9)).min(text.len());
        let twice = [&text[at..upto], &text[at..upto]].concat();
        let put = if random.bool() { twice } else { vec![random.char(..)] };
        text.splice(at..upto, put);
    }
    text.into_iter().collect()
}

#[test]
fn whatever_is_sent_is_answered_and_the_connection_lives() {
    // More than a thousand in a second are not what this is about.
    let lines = "[sessions]\nmax_commands_per_second = 1000000\n";
    let server = InProcess::serve(&pretend(lines), &Environment::empty());
    let mut socket = Socket::open(server.addr);
    let mut random = fastrand::Rng::with_seed(17);
    let mut codes = BTreeSet::new();
    for number in 0..600 {
        let text = spoiled(&mut random);
        socket.raw(Message::text(text.clone()));
        let n = format!("after {number}");
        socket.send(&json!({ "type": "ping", "n": n }));
        for frame in socket.until(|frame| frame["type"] == "pong" && frame["n"] == n) {
            let problem = match frame["type"].as_str().unwrap() {
                "error" => &frame,
                "ack" if frame["ok"] == false => &frame["problem"],
                _ => continue,
            };
            let (code, detail) = (problem["code"].as_str(), problem["detail"].as_str());
            assert!(code.is_some() && detail.is_some_and(|detail| !detail.is_empty()), "{frame}");
            let its_fault = !matches!(code, Some("internal" | "store-failed" | "store-slow"));
            assert!(its_fault, "{text}: {frame}");
            codes.extend(code.map(str::to_owned));
        }
    }
    for code in ["bad-frame", "unknown-field", "unknown-type", "bad-session-id", "no-such-job"] {
        assert!(codes.contains(code), "never {code}: {codes:?}");
    }
    assert_eq!(socket.submit("chat", "still here", "interrupt")["ok"], true);
    assert_eq!(
        Chat::new(server.addr, "chat").view()["connections"].as_u64().map(|n| n < 2),
        Some(true)
    );
}

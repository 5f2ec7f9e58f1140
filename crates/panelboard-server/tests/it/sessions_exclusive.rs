//! Does a run wait for the task of the one before it, or not, as the configuration says?

use serde_json::{Value, json};

use crate::sessions::{Chat, all_keys, check};
use crate::sessions_runs::{Way, serve};

const WAYS: [Way; 3] = [Way::Post, Way::Stream, Way::Socket];

#[test]
fn s11_by_fences_alone_an_interrupt_has_the_session_at_once_on_every_way_in() {
    let server = serve("[sessions]\nexclusive = \"logical\"\n");
    all_keys(server.addr, "slow");
    for (way, policy) in WAYS.into_iter().zip(["interrupt", "rollback", "interrupt"]) {
        let chat = Chat::new(server.addr, &format!("{way:?}"));
        let old = chat.start("take your time", "reject");
        chat.is_answering(&old);
        let new = way.submit(&chat, "me now", policy).expect("it goes first");
        // It is decided in the same step, so nobody ever sees the old one stop.
        let end = if policy == "rollback" { "rolled_back" } else { "superseded" };
        assert_eq!(chat.run(&old)["status"], end, "{way:?}");
        let new = new["run"].as_str().unwrap().to_owned();
        assert_eq!(chat.view()["slot"]["run"], new);
        chat.is_answering(&new);
        let events = chat.events();
        check(&events);
        let stops = |event: &&Value| event["event"] == "run.stopping";
        let stopping = events.iter().position(|event| stops(&event)).expect("it was told");
        let after: Vec<_> =
            events[stopping + 1..].iter().map(|event| event["event"].as_str().unwrap()).collect();
        let started = after.iter().position(|event| *event == "queue.changed");
        assert!(started <= Some(2), "in one step: {after:?}");
        // What it had said and not finished is not kept: the price.
        let of_old = |item: &&Value| item["run"] == *old && item["role"] == "assistant";
        assert_eq!(chat.memory().iter().filter(of_old).count(), 0);
    }
}

#[test]
fn s11_by_tasks_what_was_interrupted_keeps_what_it_has_said() {
    let server = serve("");
    all_keys(server.addr, "slow");
    let chat = Chat::new(server.addr, "chat");
    let old = chat.start("take your time", "reject");
    chat.is_answering(&old);
    let reply = chat.submit(&json!({ "input": "me now", "on_conflict": "interrupt" })).json();
    assert_eq!((&reply["status"], &reply["position"]), (&json!("queued"), &json!(0)));
    chat.is(&old, "superseded");
    chat.is_answering(reply["run"].as_str().unwrap());
}

#[test]
fn s04_by_fences_alone_a_cancelled_run_refuses_nobody() {
    let server = serve("[sessions]\nexclusive = \"logical\"\n");
    all_keys(server.addr, "slow");
    for way in WAYS {
        let chat = Chat::new(server.addr, &format!("{way:?}"));
        let old = chat.start("take your time", "reject");
        chat.is_answering(&old);
        assert_eq!(chat.post("/cancel", &json!({})).status, 202);
        let new = way.submit(&chat, "me now", "reject").expect("the session is free");
        assert_eq!(new["status"], "starting", "{way:?}");
        chat.is_answering(new["run"].as_str().unwrap());
        assert_eq!(chat.run(&old)["status"], "cancelled");
        check(&chat.events());
    }
}

//! Does everybody get every transition once, in order, also after a pause?

use panelboard_server::config::Environment;
use serde_json::Value;

use crate::http::{Stream, get, post, send, stream, until};
use crate::program::{InProcess, pretend};

fn serve(lines: &str) -> InProcess {
    InProcess::serve(&pretend(lines), &Environment::empty())
}

fn by_hand(server: &InProcess, key: &str, action: &str) {
    assert_eq!(post(server.addr, &format!("/v1/breakers/{key}/{action}"), "").status, 200);
}

fn listen(server: &InProcess, query: &str, headers: &[(&str, &str)]) -> Stream {
    let stream = stream(server.addr, "GET", &format!("/v1/events{query}"), headers, "");
    assert_eq!(stream.status, 200);
    stream
}

/// The next event: its name, id and data.
fn next(stream: &mut Stream) -> (String, Option<u64>, Value) {
    let (mut name, mut id) = (String::new(), None);
    loop {
        let line = stream.line().expect("the stream goes on");
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.to_owned();
        } else if let Some(number) = line.strip_prefix("id: ") {
            id = number.parse().ok();
        } else if let Some(data) = line.strip_prefix("data: ") {
            return (name, id, serde_json::from_str(data).unwrap());
        }
    }
}

#[test]
fn a_stream_tells_transitions_as_they_come() {
    let server = serve("");
    let mut news = listen(&server, "", &[]);
    by_hand(&server, "pretend-a/key-1", "trip");
    let (name, id, data) = next(&mut news);
    assert_eq!((name.as_str(), id), ("transition", Some(1)));
    assert_eq!(data["seq"], 1);
    assert_eq!(data["key"], "pretend-a/key-1");
    assert_eq!(data["generation"], 1);
    assert_eq!((&data["from"], &data["to"]), (&Value::from("closed"), &Value::from("open")));
    assert_eq!(data["reason"], "tripped");
    assert!(data["retry_after_ms"].as_u64().unwrap() > 0);
    let at = data["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == "2026-11-21T07:22:05.354Z".len(), "{at}");
    by_hand(&server, "pretend-a/key-1", "reset");
    assert_eq!(next(&mut news).2["to"], "closed");
}

#[test]
fn a_stream_resumes_where_it_was() {
    let server = serve("");
    for _ in 0..2 {
        by_hand(&server, "pretend-a/key-1", "trip");
        by_hand(&server, "pretend-a/key-1", "reset");
    }
    let seqs = |query: &str, headers: &[(&str, &str)], n: usize| -> Vec<u64> {
        let mut news = listen(&server, query, headers);
        (0..n).map(|_| next(&mut news).1.unwrap()).collect()
    };
    assert_eq!(seqs("?after=0", &[], 4), [1, 2, 3, 4]);
    assert_eq!(seqs("", &[("last-event-id", "2")], 2), [3, 4]);
    assert_eq!(seqs("?after=1", &[("last-event-id", "3")], 1), [4], "the header overrules");
    // A reader of the process before this one has read numbers that are not there yet.
    assert_eq!(seqs("", &[("last-event-id", "999")], 4), [1, 2, 3, 4]);
    let mut news = listen(&server, "", &[]);
    by_hand(&server, "pretend-b/key-1", "trip");
    assert_eq!(next(&mut news).1, Some(5), "without a number: from now on");
}

#[test]
fn a_reader_that_was_too_slow_is_told_how_much_it_missed() {
    let server = serve("");
    let rounds = 520;
    for _ in 0..rounds {
        by_hand(&server, "pretend-a/key-1", "trip");
        by_hand(&server, "pretend-a/key-1", "reset");
    }
    let all = rounds * 2;
    let mut news = listen(&server, "?after=0", &[]);
    let (name, id, data) = next(&mut news);
    assert_eq!((name.as_str(), id), ("missed", None));
    let missed = data["missed"].as_u64().unwrap();
    assert_eq!(missed, all - 1024);
    assert_eq!(next(&mut news).1, Some(missed + 1));

    let page = get(server.addr, "/v1/events?format=json").json();
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 256);
    assert_eq!(items[0]["seq"], all - 255);
    assert_eq!((&page["missed"], &page["next"]), (&Value::from(all - 256), &Value::from(all)));
}

#[test]
fn a_page_says_what_to_ask_with_next() {
    let server = serve("");
    by_hand(&server, "pretend-a/key-1", "trip");
    let page = get(server.addr, "/v1/events?format=json&after=0").json();
    assert_eq!((&page["items"][0]["seq"], &page["next"]), (&Value::from(1), &Value::from(1)));
    let page = get(server.addr, "/v1/events?format=json&after=1").json();
    assert_eq!(page, serde_json::json!({ "items": [], "missed": 0, "next": 1 }));
    for query in ["format=xml", "after=-1", "after=x"] {
        let refused = get(server.addr, &format!("/v1/events?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json()["status"], 400);
    }
}

#[test]
fn there_are_only_so_many_streams() {
    let server = serve("[server]\nmax_event_streams = 2\n");
    let first = listen(&server, "", &[]);
    let _second = listen(&server, "", &[]);
    let refused = send(server.addr, "GET", "/v1/events", &[], "");
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["detail"], "there are 2 streams of events already");
    drop(first);
    until("the place is free again", || {
        (stream(server.addr, "GET", "/v1/events", &[], "").status == 200).then_some(())
    });
}

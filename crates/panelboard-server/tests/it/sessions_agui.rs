//! Is a stream in the words of AG-UI whole, and does whoever comes again miss nothing? What its own
//! library makes of it, `tests/agui` shows.

use serde_json::{Value, json};

use crate::http::{Stream, get, post, stream};
use crate::sessions::Chat;
use crate::sessions_runs::serve;

/// What a stream tells until it ends, each with the position that it says.
fn told(mut stream: Stream) -> Vec<(Option<String>, Value)> {
    let (mut told, mut id) = (Vec::new(), None);
    assert_eq!(stream.status, 200);
    while let Some(line) = stream.line() {
        if let Some(at) = line.strip_prefix("id: ") {
            id = Some(at.to_owned());
        } else if let Some(json) = line.strip_prefix("data: ") {
            told.push((id.take(), serde_json::from_str(json).expect("JSON")));
        }
    }
    told
}

fn text(told: &[(Option<String>, Value)]) -> String {
    let answer = told.iter().filter(|(_, one)| one["messageId"] == "1.1");
    answer.filter_map(|(_, one)| one["delta"].as_str()).collect()
}

#[test]
fn a_position_is_told_with_the_last_of_what_an_event_is_told_as() {
    let server = serve("");
    let chat = Chat::new(server.addr, "agui");
    let path = chat.path("/runs?format=agui");
    let body = json!({ "input": "one two three" }).to_string();
    let all = told(stream(server.addr, "POST", &path, &[], &body));
    let kinds: Vec<&str> = all.iter().map(|(_, one)| one["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT"]);
    assert_eq!(kinds.last(), Some(&"RUN_FINISHED"), "it ends with its run");
    let epoch = chat.view()["epoch"].as_str().unwrap().to_owned();
    let places: Vec<(usize, String)> =
        all.iter().enumerate().filter_map(|(at, (id, _))| Some((at, id.clone()?))).collect();
    // Created, started, the message's begin, its end, the run's.
    let expected: Vec<String> = (1..=5).map(|seq| format!("{epoch}-{seq}")).collect();
    assert_eq!(places.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(kinds[places[0].0], "TEXT_MESSAGE_END", "of the input, with which it was made");
    assert_eq!(chat.memory()[1]["text"], text(&all));

    // From anywhere within on, what is told is a whole run.
    for after in 0..5 {
        let path = chat.path(&format!("/events?format=agui&after={epoch}-{after}"));
        let mut again = stream(server.addr, "GET", &path, &[], "");
        let (mut first, mut said) = (None, String::new());
        loop {
            let line = again.line().expect("an event");
            let Some(json) = line.strip_prefix("data: ") else { continue };
            let one: Value = serde_json::from_str(json).expect("JSON");
            first.get_or_insert_with(|| one["type"].clone());
            if one["messageId"] == "1.1" {
                said.push_str(one["delta"].as_str().unwrap_or_default());
            }
            if one["type"] == "RUN_FINISHED" {
                break;
            }
        }
        assert_eq!(first, Some(json!("RUN_STARTED")), "after {after}");
        // Once it has been told, it is among the messages of before.
        let expected = if after < 4 { text(&all) } else { String::new() };
        assert_eq!(said, expected, "after {after}");
    }
}

#[test]
fn a_format_that_is_not_known_is_refused_before_anything_is_done() {
    let server = serve("");
    let chat = Chat::new(server.addr, "format");
    let known = "`format` must be `native` or `agui`";
    let body = json!({ "input": "hello" }).to_string();
    let refused = post(server.addr, &chat.path("/runs?format=ag-ui"), &body);
    assert_eq!((refused.status, &refused.json()["detail"]), (400, &json!(known)));
    assert_eq!(get(server.addr, &chat.path("")).status, 404, "no session was made");
    assert_eq!(post(server.addr, &chat.path("/runs?format=native"), &body).status, 202);
    let refused = get(server.addr, &chat.path("/events?format=AGUI"));
    assert_eq!((refused.status, &refused.json()["detail"]), (400, &json!(known)));
    assert_eq!(get(server.addr, &chat.path("/events?format=native")).status, 200);
}

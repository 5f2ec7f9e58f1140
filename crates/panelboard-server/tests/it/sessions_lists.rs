//! Is a list told in parts that say where the rest is, and is what is not understood pointed at?

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use crate::http::{get, post, send, until};
use crate::program::{InProcess, pretend};
use crate::sessions::Chat;

fn serve() -> InProcess {
    InProcess::serve(&pretend(""), &Environment::empty())
}

/// All items of a list, two at a time, by nothing but its links.
fn follow(server: &InProcess, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = format!("{path}?limit=2");
    loop {
        let reply = get(server.addr, &next);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let page = reply.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        all.extend(items.iter().cloned());
        let Some(link) = reply.header("link") else {
            assert_eq!(page["next"], Value::Null, "{path}");
            return all;
        };
        let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        target.unwrap_or_else(|| panic!("{link}")).clone_into(&mut next);
        let after = page["next"].as_str().unwrap();
        assert!(next.starts_with(&format!("{path}?limit=2&after={after}")), "{next}");
    }
}

#[test]
fn a_list_says_where_its_rest_is() {
    let server = serve();
    for number in 0..5 {
        let body = json!({ "id": format!("s-{number}") });
        assert_eq!(post(server.addr, "/v1/sessions", &body.to_string()).status, 201);
    }
    let ids: Vec<Value> =
        follow(&server, "/v1/sessions").iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["s-0", "s-1", "s-2", "s-3", "s-4"]);
    let chat = Chat::new(server.addr, "s-0");
    let items: Vec<Value> = (0..5).map(|n| json!({ "text": n.to_string() })).collect();
    let tag = [("if-match", "\"0.0\""), ("content-type", "application/json")];
    let body = json!({ "items": items }).to_string();
    assert_eq!(send(server.addr, "PUT", &chat.path("/memory"), &tag, &body).status, 200);
    let texts: Vec<Value> =
        follow(&server, "/v1/sessions/s-0/memory").iter().map(|one| one["text"].clone()).collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4"]);
    for number in 1..=3 {
        let run = chat.start("hello", "enqueue");
        assert_eq!(run, number.to_string());
    }
    let runs: Vec<Value> =
        follow(&server, "/v1/sessions/s-0/runs").iter().map(|one| one["run"].clone()).collect();
    assert_eq!(runs, ["1", "2", "3"]);
    for limit in ["0", "201", "-1", "x"] {
        assert_eq!(get(server.addr, &format!("/v1/sessions?limit={limit}")).status, 400);
    }
}

#[test]
fn a_session_leaves_the_memory_though_it_is_listed_all_the_time() {
    let lines = "[sessions]\nidle_after = \"20ms\"\n";
    let server = InProcess::serve(&pretend(lines), &Environment::empty());
    let chat = Chat::new(server.addr, "chat");
    assert_eq!(chat.post("/memory", &json!({ "text": "hello" })).status, 201);
    let list = || get(server.addr, "/v1/sessions").json()["items"][0].clone();
    let seen = list();
    until("it has left", || {
        let listed = list();
        assert_eq!(listed, seen);
        let status = get(server.addr, "/status").json();
        (status["sessions"]["in_memory"] == 0).then_some(())
    });
    assert_eq!(list(), seen);
    assert_eq!(get(server.addr, "/status").json()["sessions"]["in_memory"], 0);
    assert_eq!(chat.view(), seen, "and there it is again");
}

#[test]
fn a_field_that_is_not_known_is_pointed_at() {
    let server = serve();
    let chat = Chat::new(server.addr, "chat");
    let tag = [("if-match", "\"0.0\""), ("content-type", "application/json")];
    let memory = chat.path("/memory");
    let rows = [
        ("POST", "/v1/sessions".to_owned(), json!({ "name": "x" }), "/name"),
        ("POST", chat.path("/runs"), json!({ "input": "x", "a/b": 1 }), "/a~1b"),
        ("POST", chat.path("/clear"), json!({ "mode": "if_idle", "Mode": 1 }), "/Mode"),
        ("POST", memory.clone(), json!({ "text": "{[", "who": "x" }), "/who"),
        (
            "PUT",
            memory,
            json!({ "items": [{ "text": "a" }, { "text": "b", "who": "x" }] }),
            "/items/1/who",
        ),
    ];
    for (method, path, body, pointer) in rows {
        let reply = send(server.addr, method, &path, &tag, &body.to_string());
        let problem = reply.json();
        assert_eq!((reply.status, &problem["code"]), (400, &json!("unknown-field")), "{path}");
        assert_eq!(problem["pointer"], pointer, "{problem}");
    }
    assert_eq!(get(server.addr, "/v1/sessions").json()["items"], json!([]), "nothing was made");
}

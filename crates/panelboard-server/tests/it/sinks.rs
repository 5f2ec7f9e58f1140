//! Do the program's own logs come to the sinks that its configuration names, whatever becomes of
//! those, and does nobody wait for them?

pub(crate) mod rig;

use panelboard_server::config::Environment;
use serde_json::{Value, json};

use self::rig::{Collector, How, SOON, Server, at, lines_of, numbers, sum_of, transitions};
use crate::http::{chat, get, post, send, until};
use crate::program::{InProcess, pretend};

const FILE: &str = "[[sink]]\nname = \"file\"\nkind = \"file\"\n";

#[test]
fn a_file_has_each_line_with_the_request_and_the_key_that_it_is_about() {
    let mut server = Server::new("");
    let path = server.path("log/app.log");
    server.start(&format!("{FILE}path = {path:?}\nlevel = \"debug\"\n"));
    let id = [("x-request-id", "mine-1")];
    let reply = send(server.addr(), "POST", "/v1/chat/completions", &id, crate::http::CHAT);
    assert_eq!(reply.status, 200);
    transitions(server.addr(), 2);
    let (code, _, err) = server.stop();
    assert_eq!((code, err.as_str()), (0, ""), "standard error has no part of it");
    let lines = lines_of(&path);
    let said = |what: &str| lines.iter().find(|line| line["message"] == what).unwrap().clone();
    let call = said("call");
    assert_eq!((&call["request_id"], &call["level"]), (&json!("mine-1"), &json!("DEBUG")));
    assert_eq!(call["fields"]["provider"], "pretend-a");
    assert!(call["fields"]["key"].as_str().unwrap().starts_with("key-"), "{call}");
    assert_eq!(said("transition")["fields"]["key"], "pretend-a/key-1");
    let by_hand = said("by hand");
    assert!(by_hand["request_id"].as_str().unwrap().starts_with("req-"), "{by_hand}");
    assert_eq!(lines.last().unwrap()["message"], "stopped", "the last word is among them");
    assert_eq!(numbers(&lines), [1, 2, 3, 4]);
}

#[test]
fn standard_error_is_a_sink_if_none_is_named() {
    let mut server = Server::started("", "");
    transitions(server.addr(), 1);
    let shown = until("all is written", || {
        Some(get(server.addr(), "/v1/sinks").json()).filter(|all| all["items"][0]["delivered"] == 4)
    });
    assert_eq!(shown["items"].as_array().unwrap().len(), 1);
    let sink = get(server.addr(), "/v1/sinks/stderr").json();
    assert_eq!((&sink["kind"], &sink["level"]), (&json!("stderr"), &json!("info")));
    assert_eq!(get(server.addr(), "/status").json()["logs"]["sinks"][0]["name"], "stderr");
    let (_, _, err) = server.stop();
    let line = err.lines().find(|line| line.contains(" transition ")).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.len() == 27 && time.ends_with('Z'), "{line}");
    let said = " INFO panelboard_server::events: transition key=pretend-a/key-1 generation=1 \
                from=closed to=open reason=tripped retry_after_ms=";
    assert!(rest.starts_with(said), "{line}");
}

#[test]
fn a_receiver_that_dies_and_comes_back_has_all_of_it_once_and_in_order() {
    let collector = Collector::start(How::Well);
    let mut server = Server::new("");
    let spill = server.path("spill");
    server.start(&format!(
        "{}spill = {spill:?}\ntoken = \"env:LOG_TOKEN\"\n",
        collector.sink("http")
    ));
    let addr = server.addr();
    transitions(addr, 5);
    until("the first have come", || (collector.numbers().len() == 10).then_some(()));
    collector.is(How::Down);
    transitions(addr, 20);
    let open = until("its breaker opens", || {
        Some(get(addr, "/v1/sinks/http").json()).filter(|sink| sink["state"] == "open")
    });
    // A probe may have failed by now.
    let reason = open["reason"].as_str();
    assert!(matches!(reason, Some("failures" | "probe-failed")), "{open}");
    assert_eq!(open["last_error"]["class"], "connection lost");
    assert!(open["spill"]["bytes"].as_u64() > Some(0), "{open}");
    assert!(get(addr, "/status").json()["logs"]["pressure"]["level"].as_f64() > Some(0.0));
    collector.is(How::Well);
    until("all have come", || (collector.numbers().len() == 50).then_some(()));
    assert_eq!(collector.numbers(), (1..=50).collect::<Vec<_>>());
    until("the pressure is gone", || {
        (get(addr, "/status").json()["logs"]["pressure"]["level"] == 0.0).then_some(())
    });
    assert!(collector.tokens().iter().all(|token| token == "Bearer log-canary-1"));
    let (_, _, err) = server.stop();
    assert!(!err.contains("at the end"), "nothing is lost: {err}");
}

#[test]
fn what_one_server_could_not_deliver_the_next_one_does_first() {
    let collector = Collector::start(How::Down);
    let mut server = Server::new("stop_within = \"1s\"\n");
    let spill = server.path("spill");
    let sink = format!("{}spill = {spill:?}\n", collector.sink("http"));
    server.start(&sink);
    transitions(server.addr(), 10);
    until("they are on disk", || {
        let sink = get(server.addr(), "/v1/sinks/http").json();
        (sink["spill"]["records"].as_u64() >= Some(40)).then_some(())
    });
    let (code, _, err) = server.stop();
    assert_eq!(code, 0);
    assert!(!err.contains("at the end"), "what is on disk is not lost: {err}");
    assert_eq!(collector.numbers(), [0; 0]);

    collector.is(How::Well);
    server.start(&sink);
    until("the first server's have come", || (collector.numbers().len() == 20).then_some(()));
    let seen = get(server.addr(), "/v1/sinks/http").json();
    assert!(seen["recovered"].as_u64() >= Some(41), "{seen}");
    transitions(server.addr(), 1);
    until("and its own", || (collector.numbers().len() == 22).then_some(()));
    let numbers = collector.numbers();
    assert_eq!(numbers, (1..=20).chain(1..=2).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn no_request_waits_for_sinks_that_are_dead_or_hang() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let collector = Collector::start(How::Hanging);
    let hangs = collector.sink("http") + "timeout = \"5m\"\n";
    let mut server = Server::started(
        "stop_within = \"1s\"\n",
        &format!(
            "{hangs}[[sink]]\nname = \"syslog\"\nkind = \"syslog\"\n\
             address = \"tcp://{gone}\"\nlevel = \"debug\"\n"
        ),
    );
    let addr = server.addr();
    post(addr, "/v1/breakers/pretend-b/trip", "");
    until("a write hangs and another fails", || {
        let sinks = get(addr, "/v1/sinks").json()["items"].clone();
        let hangs = sinks[0]["writing_ms"].as_u64().is_some();
        (hangs && sinks[1]["failures"].as_u64() > Some(0)).then_some(())
    });
    // Who waited for the one that hangs would wait for five minutes; the client here does not.
    for _ in 0..100 {
        assert_eq!(chat(addr).status, 200);
    }
    let sinks = get(addr, "/v1/sinks").json()["items"].clone();
    assert_eq!((&sinks[0]["delivered"], &sinks[1]["delivered"]), (&json!(0), &json!(0)));
    until("all of it waits", || {
        let waits = get(addr, "/v1/sinks/syslog").json()["waiting"].as_u64();
        (waits >= Some(100)).then_some(())
    });
    // Nor does the end, nor who waits for it here.
    let (code, _, err) = server.stop();
    assert_eq!(code, 0);
    assert!(err.contains("at the end: http: 0 delivered"), "{err}");
}

#[test]
fn the_end_waits_for_a_sink_as_long_as_the_server_may_take() {
    let collector = Collector::start(How::Down);
    let patient = "breaker = { failure_threshold = 10000 }\n";
    let sink = collector.sink("http").replace(SOON, patient);
    let mut server = Server::started("stop_within = \"20s\"\n", &sink);
    transitions(server.addr(), 5);
    let addr = server.addr();
    server.signal("TERM");
    until("nobody listens any more", || std::net::TcpStream::connect(addr).err());
    // 50 ms between two of them: longer than the second that each sink has anyway.
    let before = collector.bodies();
    until("it is tried for two seconds", || (collector.bodies() >= before + 40).then_some(()));
    collector.is(How::Well);
    let (code, _, err) = server.wait();
    assert_eq!(code, 0);
    assert!(!err.contains("at the end"), "nothing is lost: {err}");
    assert_eq!(collector.numbers(), (1..=10).collect::<Vec<_>>());
    assert_eq!(collector.lines().last().unwrap()["message"], "stopped");
}

#[test]
fn who_tells_it_twice_to_stop_does_not_wait_for_sinks() {
    let collector = Collector::start(How::Down);
    let patient = "breaker = { failure_threshold = 10000 }\n";
    let sink = collector.sink("http").replace(SOON, patient);
    let mut server = Server::started("stop_within = \"1h\"\n", &sink);
    let addr = server.addr();
    transitions(addr, 1);
    server.signal("TERM");
    until("nobody listens any more", || std::net::TcpStream::connect(addr).err());
    server.signal("INT");
    let (code, _, err) = server.wait();
    assert_eq!(code, 0);
    assert!(err.contains("told twice to stop"), "{err}");
}

#[test]
fn each_sink_has_its_level_and_none_has_what_is_taken_out() {
    let mut server = Server::new("").with("PANELBOARD_LOG_FORMAT", "json");
    let (all, few) = (server.path("all.log"), server.path("few.log"));
    server.start(&format!(
        "[log]\nredact_names = [\"reason\"]\nredact_patterns = [\"pretend-a/key-[0-9]\"]\n\
         {FILE}path = {all:?}\n\
         [[sink]]\nname = \"few\"\nkind = \"file\"\npath = {few:?}\nlevel = \"warn\"\n\
         targets = [{{ prefix = \"panelboard_server::events\", level = \"info\" }}]\n"
    ));
    transitions(server.addr(), 1);
    server.stop();
    let all = lines_of(&all);
    let told = all.iter().find(|line| line["message"] == "transition").unwrap();
    assert_eq!(told["fields"]["reason"], "[redacted]");
    assert_eq!(told["fields"]["key"], "[redacted]");
    assert!(all.iter().any(|line| line["message"] == "stopped"));
    let few: Vec<Value> = lines_of(&few).iter().map(|line| line["message"].clone()).collect();
    let of_no_use = "PANELBOARD_LOG_FORMAT says nothing here: each [[sink]] has its format";
    assert_eq!(few, [of_no_use, "transition", "transition"]);
}

#[test]
fn what_the_environment_leaves_out_no_sink_has() {
    let mut server = Server::new("").with("PANELBOARD_LOG", "warn,panelboard_server::events=info");
    let path = server.path("app.log");
    server.start(&format!("{FILE}path = {path:?}\nlevel = \"debug\"\n"));
    transitions(server.addr(), 1);
    server.stop();
    let said: Vec<Value> = lines_of(&path).iter().map(|line| line["message"].clone()).collect();
    assert_eq!(said, ["transition", "transition"]);
}

#[test]
fn what_was_not_written_is_counted_and_said_at_the_end() {
    let collector = Collector::start(How::Well);
    let mut server = Server::new("stop_within = \"1s\"\n");
    let path = server.path("app.log");
    server.start(&format!("{}{FILE}path = {path:?}\n", collector.sink("http")));
    transitions(server.addr(), 5);
    until("the first have come", || (collector.numbers().len() == 10).then_some(()));
    collector.is(How::Down);
    transitions(server.addr(), 7);
    let (code, _, err) = server.stop();
    assert_eq!(code, 0);
    // What the receiver has, and what was dropped, is all that the file has.
    let all = lines_of(&path).len();
    let had = collector.lines().len();
    let lost = all - had;
    assert!(lost >= 14 + 14, "{all} {had}");
    let last = format!("http: {had} delivered, {lost} dropped, file: {all} delivered\n");
    assert!(err.ends_with(&format!("at the end: {last}")), "{err}\n{last}");
}

#[test]
fn a_sink_is_tripped_and_reset_by_hand_and_its_fallback_has_what_it_misses() {
    let collector = Collector::start(How::Well);
    let mut server = Server::new("");
    let path = server.path("app.log");
    server.start(&format!(
        "{}fallback = \"file\"\n{FILE}path = {path:?}\nstandby = true\n",
        collector.sink("http")
    ));
    let addr = server.addr();
    transitions(addr, 1);
    until("the first have come", || (collector.numbers().len() == 2).then_some(()));
    let (code, out, err) = server.ask(&["trip", "sink:http", "--for", "1h"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("sink:http: open, next probe in 1h"), "{out}");
    transitions(addr, 1);
    until("the fallback has them", || (numbers(&lines_of(&path)) == [3, 4]).then_some(()));
    let shown = get(addr, "/v1/sinks/http").json();
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("open"), &json!("tripped")));
    assert_eq!(sum_of(&shown), 0, "{shown}");
    let (_, table, _) = server.ask(&["status"]);
    let row = table.lines().find(|line| line.starts_with("http ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(&cells[1..4], ["http", "open", "tripped"], "{table}");

    let reset = post(addr, "/v1/sinks/http/reset", "").json();
    assert_eq!((&reset["state"], &reset["reason"]), (&json!("closed"), &json!("reset")));
    transitions(addr, 1);
    until("it is written to again", || (collector.numbers() == [1, 2, 5, 6]).then_some(()));
    // A trip without a time is for the breaker's own; twice is once.
    for _ in 0..2 {
        let tripped = post(addr, "/v1/sinks/http/trip", "{}").json();
        assert_eq!(tripped["state"], "open");
        assert!(tripped["retry_after_ms"].as_u64() <= Some(1_000), "{tripped}");
    }
    let (_, out, _) = server.ask(&["reset", "sink:http"]);
    assert_eq!(out, "sink:http: closed\n");
    server.stop();
}

#[test]
fn what_a_person_asks_wrongly_of_a_sink_is_refused() {
    let sinks = "[server]\nadmin_token = \"env:ADMIN\"\n\
                 [[sink]]\nname = \"err\"\nkind = \"stderr\"\n";
    let env = Environment::empty().with("ADMIN", "admin-1");
    let server = InProcess::serve(&pretend(sinks), &env);
    let ask = |method: &str, path: &str, body: &str| {
        send(server.addr, method, path, &[("authorization", "Bearer admin-1")], body)
    };
    let foreign = [("authorization", "Bearer admin-1"), ("origin", "http://evil.example")];
    for (method, path, expected) in [("GET", "/v1/sinks", 200), ("POST", "/v1/sinks/err/trip", 403)]
    {
        assert_eq!(send(server.addr, method, path, &[], "").status, 401, "{path}");
        assert_eq!(send(server.addr, method, path, &foreign, "").status, expected, "{path}");
    }
    let none = ask("POST", "/v1/sinks/er/trip", "");
    assert_eq!(none.status, 404);
    assert_eq!(none.json()["code"], "no-such-sink");
    assert_eq!(none.json()["detail"], "there is no sink `er`, did you mean `err`?");
    assert_eq!(ask("GET", "/v1/sinks/nobody", "").status, 404);
    assert_eq!(ask("POST", "/v1/sinks/err/isolate", "").status, 404);
    for (path, body) in [
        ("/v1/sinks/err/trip", "{\"for\":\"soon\"}"),
        ("/v1/sinks/err/trip", "{\"for\":\"2days\"}"),
        ("/v1/sinks/err/trip", "{\"fro\":\"1s\"}"),
        ("/v1/sinks/err/reset", "{\"for\":\"1s\"}"),
    ] {
        assert_eq!(ask("POST", path, body).status, 400, "{path} {body}");
    }
    let shown = ask("GET", "/v1/sinks/err", "").json();
    assert_eq!((&shown["state"], &shown["generation"]), (&json!("closed"), &json!(0)));
}

#[test]
fn the_metrics_have_the_figures_of_the_status() {
    let mut server = Server::new("");
    let path = server.path("app.log");
    server.start(&format!("{FILE}path = {path:?}\n"));
    let addr = server.addr();
    transitions(addr, 3);
    until("they are written", || (lines_of(&path).len() >= 12).then_some(()));
    post(addr, "/v1/sinks/file/trip", "{\"for\":\"1h\"}");
    transitions(addr, 2);
    let text = until("they wait", || {
        let text = get(addr, "/metrics").body;
        text.contains("panelboard_sink_waiting{sink=\"file\"} 9\n").then_some(text)
    });
    let seen = get(addr, "/v1/sinks/file").json();
    assert_eq!(sum_of(&seen), 0);
    let delivered = seen["delivered"].as_u64().unwrap();
    for line in [
        "panelboard_sink_breaker_state{sink=\"file\",state=\"open\"} 1".to_owned(),
        "panelboard_sink_breaker_state{sink=\"file\",state=\"closed\"} 0".to_owned(),
        format!("panelboard_sink_delivered_total{{sink=\"file\"}} {delivered}"),
        format!("panelboard_sink_routed_total{{sink=\"file\"}} {}", delivered + 9),
        "panelboard_sink_dropped_total{sink=\"file\",reason=\"by-level\"} 0".to_owned(),
        format!("panelboard_log_taken_total {}", delivered + 9),
        "panelboard_log_pressure 1.0".to_owned(),
        "panelboard_log_queue_full_total 0".to_owned(),
        "panelboard_log_unwanted_total 0".to_owned(),
        "panelboard_log_lost_total 0".to_owned(),
        "panelboard_sink_spill_errors_total{sink=\"file\"} 0".to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert_eq!(at(&seen, "/buffer/records"), 9);
}

#[test]
fn a_reload_leaves_the_sinks_says_so_and_does_not_look_at_their_disk() {
    let mut server = Server::new("");
    let folder = server.path("log");
    let path = folder.join("app.log");
    let sink = format!("{FILE}path = {path:?}\n");
    server.start(&sink);
    // Nobody could open a file there any more; the one that is open is written to.
    let away = server.path("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    server.write(&format!("{sink}level = \"error\"\n"));
    let addr = server.addr();
    let config = || get(addr, "/status").json()["config"].clone();
    until("it has reloaded", || (config()["reloads"] == 1).then_some(()));
    assert_eq!(get(addr, "/v1/sinks/file").json()["level"], "info");
    // What is wrong in it is refused all the same.
    server.write(&format!("{sink}fallback = \"nobody\"\n"));
    server.signal("HUP");
    let wrong = until("it is refused", || config()["last_error"].as_str().map(str::to_owned));
    assert!(wrong.contains("sink[0].fallback: no sink \"nobody\""), "{wrong}");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    server.stop();
    let told = |line: &Value| line["fields"]["section"] == "log, sink";
    assert_eq!(lines_of(&path).iter().filter(|line| told(line)).count(), 1);
}

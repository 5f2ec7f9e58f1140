//! What do collectors get over HTTP, and what do their answers mean? Against a scripted server.

use std::{io::Read as _, time::Duration};

use panelboard_tracing::{
    Reason, SinkConfig,
    sinks::{HttpSink, LokiSink, OtlpHttpSink},
};
use serde_json::Value;

use crate::{
    receiver::Receiver,
    rig::{Rig, builder, opens_after},
};

const NOW: Duration = Duration::from_millis(1);

fn rig(sink: SinkConfig) -> Rig {
    Rig::on_time(builder([sink.batch_delay(NOW).backoff(NOW, NOW)]))
}

fn http(receiver: &Receiver) -> HttpSink {
    HttpSink::new(&format!("{}/logs", receiver.url())).expect("an address")
}

#[test]
fn json_lines_come_with_their_credentials() {
    let receiver = Receiver::start(&["200 Fine"]);
    let sink = http(&receiver).bearer("s3cret").unwrap().header("x-team", "a").unwrap();
    let rig = rig(SinkConfig::new("http", sink));
    rig.info(0..3);
    rig.settles();
    let posted = receiver.posted();
    let first = posted.first().expect("one at least");
    assert_eq!((first.path.as_str(), first.header("x-team")), ("/logs", Some("a")));
    assert_eq!(first.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(first.header("content-type"), Some("application/x-ndjson"));
    let lines: String = posted.iter().map(|it| it.text()).collect();
    let said: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let messages: Vec<_> = said.iter().map(|line| line["message"].clone()).collect();
    assert_eq!(messages, ["0", "1", "2"]);
    assert_eq!(rig.ledger("http").delivered, 3);
}

#[test]
fn a_compressed_body_is_the_same_body() {
    let receiver = Receiver::start(&["204 Fine"]);
    let rig = rig(SinkConfig::new("http", http(&receiver).gzip(true)));
    rig.info(["packed"]);
    rig.settles();
    let posted = receiver.posted();
    assert_eq!(posted[0].header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&posted[0].body[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.contains("\"message\":\"packed\""), "{text}");
}

#[test]
fn a_server_that_fails_is_asked_again_until_it_takes_it() {
    let receiver = Receiver::start(&["503 No", "500 No", "200 Fine"]);
    let rig = rig(SinkConfig::new("http", http(&receiver)).breaker(opens_after(9)));
    rig.info(["a"]);
    rig.settles();
    assert_eq!(receiver.posted().len(), 3);
    let status = rig.pipeline.sink("http").unwrap();
    assert_eq!((status.ledger.delivered, status.failures), (1, 2));
}

#[test]
fn a_batch_that_is_rejected_is_not_tried_again() {
    let receiver = Receiver::start(&["400 No", "200 Fine"]);
    let rig = rig(SinkConfig::new("http", http(&receiver)));
    rig.info(["poison"]);
    rig.settles();
    rig.info(["good"]);
    rig.settles();
    assert_eq!(receiver.posted().len(), 2);
    let ledger = rig.ledger("http");
    assert_eq!((ledger.delivered, ledger.dropped.of(Reason::Rejected)), (1, 1));
}

#[test]
fn a_server_that_asks_for_time_gets_it_and_its_breaker_stays_closed() {
    let receiver = Receiver::start(&["429 Busy\r\nretry-after: 60", "200 Fine"]);
    let sink = SinkConfig::new("http", http(&receiver)).breaker(opens_after(1));
    let rig = Rig::new([sink.batch_delay(Duration::ZERO)]);
    rig.info(["a"]);
    rig.until("asked", |it| it.sink("http").unwrap().last_error.is_some());
    let status = rig.pipeline.sink("http").unwrap();
    assert_eq!((rig.pipeline.pressure().open, status.failures, status.attempts), (0, 0, 0));
    rig.turn(Duration::from_secs(59));
    assert_eq!(receiver.posted().len(), 1);
    rig.turn(Duration::from_secs(1));
    rig.settles();
    assert_eq!(receiver.posted().len(), 2);
}

#[test]
fn nobody_listens_is_a_failure_of_a_class() {
    let refused = Receiver::start(&["200 Fine"]).address.port();
    // A port that nobody has: bound for a moment to learn its number.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    assert_ne!(free.port(), refused);
    let sink = HttpSink::new(&format!("http://{free}/")).unwrap();
    let rig = rig(SinkConfig::new("http", sink).breaker(opens_after(1)));
    rig.info(["a"]);
    rig.until("open", |it| it.pressure().open == 1);
    let (class, ..) = rig.pipeline.sink("http").unwrap().last_error.expect("why");
    assert_eq!(class, "connection refused");
}

#[test]
fn loki_gets_a_stream_for_each_level_with_few_labels() {
    let receiver = Receiver::start(&["204 Fine"]);
    let sink = LokiSink::new(&receiver.url()).unwrap().label("app", "shop").tenant("t").unwrap();
    let rig =
        Rig::on_time(builder([SinkConfig::new("loki", sink).batch_delay(Duration::from_secs(60))]));
    rig.run(|| {
        tracing::info!(cents = 995, "paid");
        tracing::error!("lost");
        tracing::info!("closed");
    });
    rig.settles();
    let posted = receiver.posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].path, "/loki/api/v1/push");
    assert_eq!(posted[0].header("x-scope-orgid"), Some("t"));
    let body: Value = serde_json::from_slice(&posted[0].body).expect("JSON");
    let streams = body["streams"].as_array().expect("a list");
    let labels: Vec<_> = streams.iter().map(|stream| stream["stream"].clone()).collect();
    let of = |level: &str| serde_json::json!({ "app": "shop", "level": level });
    assert_eq!(labels, [of("error"), of("info")]);
    let values = streams[1]["values"].as_array().expect("a list");
    assert_eq!(values.len(), 2);
    let line: Value = serde_json::from_str(values[0][1].as_str().expect("a text")).expect("JSON");
    assert_eq!((&line["message"], &line["fields"]["cents"]), (&"paid".into(), &995.into()));
    let time: u64 = values[0][0].as_str().expect("a text").parse().expect("nanoseconds");
    assert!(time > 1_700_000_000_000_000_000);
}

#[test]
fn otlp_is_posted_as_protobuf_where_collectors_take_it() {
    let receiver = Receiver::start(&["200 Fine"]);
    let sink = OtlpHttpSink::new(&receiver.url(), "shop").unwrap();
    let rig = rig(SinkConfig::new("otlp", sink));
    rig.run(|| tracing::warn!(trace_id = "4bf92f3577b34da6a3ce929d0e0e4736", "late"));
    rig.settles();
    let posted = receiver.posted();
    assert_eq!(posted[0].path, "/v1/logs");
    assert_eq!(posted[0].header("content-type"), Some("application/x-protobuf"));
    let holds = |part: &[u8]| posted[0].body.windows(part.len()).any(|window| window == part);
    assert!(holds(b"service.name") && holds(b"shop") && holds(b"late") && holds(b"WARN"));
    // The trace's id as sixteen bytes, behind its tag and length.
    assert!(holds(&[0x4a, 16, 0x4b, 0xf9, 0x2f, 0x35, 0x77]));
}

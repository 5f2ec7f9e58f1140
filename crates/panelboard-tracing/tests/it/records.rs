//! What does a sink see of what a program says?

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use panelboard_tracing::{Batch, Format, SinkConfig};
use serde_json::{Value, json};

use crate::rig::{Fake, Rig, builder};

/// Everything as lines of a format.
pub(crate) fn lines(
    format: Format,
    change: impl FnOnce(panelboard_tracing::PipelineBuilder) -> panelboard_tracing::PipelineBuilder,
    work: impl FnOnce(),
) -> Vec<String> {
    let out: Arc<Mutex<Vec<u8>>> = Arc::default();
    let own = Arc::clone(&out);
    let sink = SinkConfig::new("lines", move |batch: &Batch<'_>| {
        let mut out = own.lock().unwrap();
        batch.iter().for_each(|record| format.write(&record, &mut out));
        Ok(())
    });
    let mut rig = Rig::of(change(builder([sink])));
    rig.run(work);
    assert!(rig.shutdown().is_complete());
    let out = String::from_utf8(out.lock().unwrap().clone()).expect("it is text");
    out.lines().map(str::to_owned).collect()
}

fn object(work: impl FnOnce()) -> Value {
    let lines = lines(Format::Json, |it| it, work);
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(&lines[0]).expect("JSON")
}

#[test]
fn fields_spans_and_ids_stand_where_they_are_looked_for() {
    let said = object(|| {
        let outer = tracing::info_span!("request", request_id = "r-1", path = "/pay");
        let _outer = outer.enter();
        let inner = tracing::debug_span!("charge", attempt = 1, late = tracing::field::Empty);
        let _inner = inner.enter();
        inner.record("late", true);
        inner.record("attempt", 2);
        tracing::info!(target: "shop", cents = 995u64, rate = 0.5, ok = true, who = "me", "paid");
    });
    assert_eq!(said["level"], "INFO");
    assert_eq!((&said["target"], &said["message"]), (&json!("shop"), &json!("paid")));
    assert_eq!(said["request_id"], "r-1");
    assert_eq!(said["fields"], json!({ "cents": 995, "rate": 0.5, "ok": true, "who": "me" }));
    let spans = json!([
        { "name": "request", "request_id": "r-1", "path": "/pay" },
        { "name": "charge", "late": true, "attempt": 2 },
    ]);
    assert_eq!(said["spans"], spans);
    assert!(said["file"].as_str().unwrap().ends_with("records.rs"));
    let time = said["timestamp"].as_str().unwrap();
    assert!(time.len() == 27 && time.starts_with("20") && time.ends_with('Z'), "{time}");
}

#[test]
fn trace_ids_come_from_fields_or_from_a_traceparent_and_must_be_ids() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let said = object(|| {
        let header = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let _span = tracing::info_span!("in", traceparent = header).entered();
        tracing::info!(correlation_id = "c-7", "a");
    });
    assert_eq!((&said["trace_id"], &said["span_id"]), (&TRACE.into(), &"00f067aa0ba902b7".into()));
    assert_eq!(said["correlation_id"], "c-7");
    for wrong in ["", "xyz", "00000000000000000000000000000000"] {
        let said = object(|| tracing::info!(trace_id = wrong, "a"));
        assert_eq!(said.get("trace_id"), None, "{wrong:?}");
    }
}

/// The ids of a span that another layer keeps, as `tracing-opentelemetry` does.
#[test]
fn the_ids_of_an_opentelemetry_span_are_seen_where_no_field_says_any() {
    use opentelemetry::{
        Context,
        trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId},
    };
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;
    use tracing_subscriber::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    type Ids = (Option<String>, Option<String>);

    let seen: Arc<Mutex<Vec<Ids>>> = Arc::default();
    let own = Arc::clone(&seen);
    let sink = SinkConfig::new("main", move |batch: &Batch<'_>| {
        let ids = |record: panelboard_tracing::Record<'_>| {
            (record.trace_id().map(str::to_owned), record.span_id().map(str::to_owned))
        };
        own.lock().unwrap().extend(batch.iter().map(ids));
        Ok(())
    });
    let (layer, guard) = builder([sink]).build().expect("valid");
    let subscriber =
        tracing_subscriber::registry().with(tracing_opentelemetry::layer()).with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let trace = TraceId::from_hex(TRACE).unwrap();
        let span = SpanId::from_hex("00f067aa0ba902b7").unwrap();
        let parent = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, Default::default());
        let span = tracing::info_span!("in");
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
        span.in_scope(|| tracing::info!("without a field"));
        tracing::info!("without a span");
    });
    assert!(guard.shutdown().is_complete());
    let ids = (Some(TRACE.to_owned()), Some("00f067aa0ba902b7".to_owned()));
    assert_eq!(*seen.lock().unwrap(), [ids, (None, None)]);
}

#[test]
fn the_same_in_one_line_and_in_several() {
    let work = || {
        let _span = tracing::info_span!("request", id = 7).entered();
        tracing::warn!(target: "shop", cents = 995, who = "a b", "paid");
    };
    let compact = lines(Format::Compact, |it| it, work);
    let expected = "  WARN shop: paid cents=995 who=\"a b\" in request{id=7}";
    assert_eq!(&compact[0][27..], expected);
    let pretty = lines(Format::Pretty, |it| it, work);
    assert_eq!(&pretty[0][27..], "  WARN shop: paid");
    assert_eq!(pretty[1..4], ["    cents=995", "    who=\"a b\"", "    in request{id=7}"]);
    assert!(pretty[4].starts_with("    at ") && pretty[4].contains("records.rs:"), "{pretty:?}");
}

#[test]
fn a_span_is_a_record_when_it_ends_if_one_wants_it() {
    let work = || drop(tracing::info_span!("request", id = 7).entered());
    assert_eq!(lines(Format::Json, |it| it, work).len(), 0);
    let lines = lines(Format::Json, |it| it.spans(true), work);
    let said: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!((&said["span"], &said["fields"]["id"]), (&"request".into(), &7.into()));
    assert!(said["fields"]["duration_ns"].is_u64());
}

/// Says something itself while it is formatted.
struct Chatty;

impl fmt::Debug for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::info!("inner");
        f.write_str("outer")
    }
}

#[test]
fn a_value_that_logs_while_it_is_formatted_is_a_record_of_its_own() {
    let fake = Fake::fine();
    let rig = Rig::new([fake.sink("main")]);
    rig.run(|| tracing::info!(it = ?Chatty, "with {:?}", Chatty));
    rig.settles();
    // Tracing itself lets no event in while it is within one: what counts is that all go on.
    assert!(fake.seen().contains(&"with outer".to_owned()), "{:?}", fake.seen());
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in a Debug of the program's")
    }
}

struct Refuses;

impl fmt::Debug for Refuses {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_panics_or_refuses_to_be_formatted_is_marked() {
    let said = object(|| tracing::info!(it = ?Panics, other = ?Refuses, after = 1, "still here"));
    assert_eq!(said["message"], "still here");
    assert_eq!(said["fields"]["it"], "[panicked while it was formatted]");
    assert_eq!(said["fields"]["other"], "[cannot be formatted]");
    assert_eq!(said["fields"]["after"], 1);
}

#[test]
fn what_a_sink_logs_goes_nowhere_and_is_counted() {
    let dispatch: Arc<std::sync::OnceLock<tracing::Dispatch>> = Arc::default();
    let own = Arc::clone(&dispatch);
    let sink = SinkConfig::new("main", move |_: &Batch<'_>| {
        tracing::dispatcher::with_default(own.wait(), || tracing::error!("by the sink itself"));
        Ok(())
    });
    let rig = Rig::new([sink]);
    dispatch.set(rig.dispatch().clone()).expect("once");
    rig.info(["a"]);
    rig.settles();
    let status = rig.pipeline.status();
    assert_eq!((status.taken, status.own, status.sinks[0].ledger.routed), (1, 1, 1));
}

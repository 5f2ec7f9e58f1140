//! Does a secret leave the program? Not in a field, a message, a span, a spill or a complaint.

use std::fs;

use panelboard_tracing::{Format, Redaction};

use crate::{
    records::lines,
    rig::{Fake, Rig, builder},
};

const CANARY: &str = "sk-canary12345678";

fn patterns() -> Redaction {
    Redaction::default().name("iban").pattern("sk-[a-z0-9]{8,}")
}

fn say() {
    let span = tracing::info_span!("in", password = CANARY, user.api_key = 7, plain = "p");
    let _span = span.enter();
    tracing::info!(Authorization = CANARY, iban = 12, note = format!("see {CANARY}."), "m");
    tracing::info!("a message with {CANARY} in it");
}

#[test]
fn no_format_shows_a_secret() {
    for format in [Format::Json, Format::Compact, Format::Pretty] {
        let lines = lines(format, |it| it.redact(patterns()), say).join("\n");
        assert!(!lines.contains("canary"), "{lines}");
        assert!(lines.contains("see [redacted].") && lines.contains("with [redacted] in it"));
        assert!(!lines.contains("12,") && lines.contains("plain"), "{lines}");
    }
}

#[test]
fn nothing_is_taken_out_if_one_wants_nothing_taken_out() {
    let lines = lines(Format::Json, |it| it.redact(Redaction::none()), say).join("\n");
    assert_eq!(lines.matches(CANARY).count(), 5, "{lines}");
}

#[test]
fn nothing_secret_reaches_the_disk_of_a_spill() {
    let folder = tempfile::tempdir().unwrap();
    let main = Fake::fine();
    let sinks = [main.sink("main").spill(folder.path(), 1 << 20)];
    let mut rig = Rig::of(builder(sinks).redact(patterns()));
    rig.pipeline.breaker("main").unwrap().force_open();
    rig.run(say);
    assert!(rig.pipeline.flush(crate::rig::LONG).is_complete());
    rig.shutdown();
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        all.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |part: &[u8]| all.windows(part.len()).any(|window| window == part);
    assert!(holds(b"[redacted]") && !holds(b"canary"));
}

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

/// A number that is cut, wherever the cut comes, in a message, a field, and a value that panics.
#[test]
fn no_half_of_a_secret_leaves_where_a_text_is_cut() {
    struct Panics<'a>(&'a str);
    impl std::fmt::Debug for Panics<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)?;
            panic!("a scripted panic")
        }
    }
    let redaction = || Redaction::none().pattern(r"\b\d{16}\b").pattern("[0-9]{4} [0-9]+");
    // Cut by a value's size, and by a record's.
    for (value, record) in [(1_000, 16 << 10), (8 << 10, 1_400)] {
        for before in (960..1_240).step_by(3) {
            let text = format!("{} 4111111111111111 {}", "x".repeat(before), "y".repeat(1_000));
            let lines = lines(
                Format::Json,
                |it| it.redact(redaction()).value_bytes(value).record_bytes(record),
                || {
                    tracing::info!("{text}");
                    tracing::info!(text, "m");
                    tracing::info!(panics = ?Panics(&text), "m");
                },
            );
            for line in &lines {
                // The start of it, and not of the time or the place.
                assert!(!line.contains("x 4"), "{before}: {line}");
                let cut = line.contains("bytes cut]");
                assert!(cut && line.contains("xxxx"), "{before}: {line}");
            }
        }
    }
}

#[test]
fn what_is_cut_says_how_much_in_all() {
    let text = "x".repeat(2_000);
    let lines = lines(
        Format::Compact,
        |it| it.redact(Redaction::none().pattern("secret")).value_bytes(1_000),
        || {
            tracing::info!("{text}");
            // A mark that somebody says himself keeps nothing from being taken out.
            tracing::info!("my secret…[5 bytes cut]");
            tracing::info!("a …[7 bytes cut] secret");
            tracing::info!("{} secret…[9 bytes cut]", "y".repeat(300));
        },
    );
    assert!(lines[0].ends_with(&format!(": {}…[1256 bytes cut]", "x".repeat(744))), "{}", lines[0]);
    assert!(lines[1].ends_with(": …[14 bytes cut]"), "{}", lines[1]);
    assert!(lines[2].ends_with(": a …[7 bytes cut] [redacted]"), "{}", lines[2]);
    assert!(
        lines[3].ends_with("y…[265 bytes cut]") && !lines[3].contains("secret"),
        "{}",
        lines[3]
    );
}

/// What several patterns match is taken out as one.
#[test]
fn patterns_that_overlap_leave_nothing_between_them() {
    let redaction = Redaction::none().pattern("abc").pattern("bcd").pattern("x*");
    let lines =
        lines(Format::Compact, |it| it.redact(redaction), || tracing::info!("1abcd2abc3bcd4"));
    assert!(lines[0].ends_with(": 1[redacted]2[redacted]3[redacted]4"), "{lines:?}");
}

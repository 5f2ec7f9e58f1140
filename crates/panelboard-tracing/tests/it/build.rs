//! What is refused before anything runs, in which words?

use std::time::Duration;

use panelboard_tracing::{
    BuildError, Pipeline, Redaction, SinkConfig,
    sinks::{FileSink, HttpSink, OtlpGrpcSink, OtlpHttpSink},
};
use tracing::Level;

use crate::rig::{Fake, builder};

fn refused(sinks: impl IntoIterator<Item = SinkConfig>) -> String {
    builder(sinks).build().expect_err("it is refused").to_string()
}

fn sink(name: &str) -> SinkConfig {
    Fake::fine().sink(name)
}

#[test]
fn each_mistake_is_named_with_its_sink() {
    let folder = tempfile::tempdir().unwrap();
    let spill = |it: SinkConfig| it.spill(folder.path(), 1 << 20);
    let rows = [
        (refused([]), "a pipeline needs a sink"),
        (refused([sink("")]), "a sink needs a name"),
        (refused([sink("a"), sink("a")]), "two sinks are called `a`"),
        (refused([sink("a").fallback("b")]), "sink `a`: no sink is called `b`, its fallback"),
        (refused([sink("a").fallback("a")]), "sink `a`: its fallbacks lead back to it"),
        (
            refused([sink("a").fallback("b"), sink("b").fallback("c"), sink("c").fallback("b")]),
            "sink `a`: its fallbacks lead back to it",
        ),
        (
            refused([spill(sink("a").fallback("b")), sink("b")]),
            "sink `a`: a spill and a fallback; choose one",
        ),
        (refused([sink("a").batch_records(0)]), "`a`: `batch_records` must not be 0"),
        (refused([sink("a").timeout(Duration::ZERO)]), "`a`: `timeout` must not be 0"),
        (
            refused([sink("a").timeout(Duration::MAX)]),
            "`a`: `timeout` must not be longer than 31536000s",
        ),
        (
            refused([sink("a").batch_delay(Duration::MAX)]),
            "`a`: `batch_delay` must not be longer than 31536000s",
        ),
        (
            refused([sink("a").backoff(Duration::ZERO, Duration::MAX)]),
            "`a`: `backoff` must not be longer than 31536000s",
        ),
        (
            refused([sink("a").buffer_bytes(4 << 10)]),
            "`a`: `buffer_bytes` must not be less than a record's 16384 bytes",
        ),
        (
            refused([sink("a").spill(folder.path(), 4 << 10)]),
            "`a`: `spill` must not be less than a record's 16384 bytes",
        ),
        (refused([sink("a").attempts(0)]), "`a`: `attempts` must not be 0"),
        (
            refused([sink("a").level(Level::ERROR).up_to(Level::INFO)]),
            "sink `a`: its levels let nothing pass",
        ),
        (refused([sink("a").standby()]), "sink `a`: on standby, and nobody's fallback"),
        (refused((0..65).map(|n| sink(&n.to_string()))), "a pipeline has 64 sinks at most"),
    ];
    for (said, expected) in rows {
        assert_eq!(said, expected);
    }
    let pattern = builder([sink("a")]).redact(Redaction::none().pattern("(")).build();
    assert!(matches!(pattern, Err(BuildError::Pattern { .. })), "{pattern:?}");
    assert!(builder([sink("a")]).queue(0).build().is_err());
    let longest = Duration::from_secs(365 * 24 * 60 * 60);
    let built =
        builder([sink("a").timeout(longest).batch_delay(longest).backoff(longest, longest)])
            .record_bytes(4 << 10)
            .drain(Duration::ZERO)
            .build();
    drop(built.expect("as long as it may be"));
    let small = sink("a").buffer_bytes(4 << 10);
    assert!(builder([small]).record_bytes(4 << 10).build().is_ok());
}

#[test]
fn a_rotation_that_can_never_happen_is_refused() {
    let at = || FileSink::builder("never-made.log");
    let refused = [
        at().max_bytes(0),
        at().every(Duration::from_millis(1)),
        at().keep(3),
        at().gzip(true),
        at().max_bytes(1).keep(0),
        at().max_bytes(1).keep_for(Duration::ZERO),
    ];
    for builder in refused {
        let shown = format!("{builder:?}");
        assert!(matches!(builder.open(), Err(BuildError::Rotation { .. })), "{shown}");
    }
    assert!(!std::path::Path::new("never-made.log").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    // A file where a folder should be: root may write everywhere else.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let refused = FileSink::open(file.join("app.log")).unwrap_err();
    assert!(matches!(refused, BuildError::Open { .. }), "{refused}");
    let refused = builder([sink("a").spill(file.join("spill"), 1 << 20)]).build().unwrap_err();
    assert!(refused.to_string().starts_with("cannot open the spill"), "{refused}");
}

#[test]
fn a_file_is_one_sinks_however_its_path_is_spelled() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("sub")).unwrap();
    std::fs::write(at("app.log"), "").unwrap();
    std::os::unix::fs::symlink(at("app.log"), at("link.log")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("sub/up")).unwrap();
    std::fs::hard_link(at("app.log"), at("hard.log")).unwrap();
    let file = |name: &str, path| SinkConfig::new(name, FileSink::open(path).expect("a file"));
    for other in
        ["app.log", "./app.log", "sub/../app.log", "link.log", "sub/up/app.log", "hard.log"]
    {
        let refused = builder([sink("x"), file("a", at("app.log")), file("b", at(other))]).build();
        let expected =
            BuildError::SameFile { sink: "b".into(), other: "a".into(), file: shown(&at(other)) };
        assert_eq!(refused.unwrap_err(), expected, "{other}");
    }
    let said = builder([file("a", at("app.log")), file("b", at("link.log"))]).build().unwrap_err();
    let expected = format!("sink `b`: its file {} is that of sink `a`", at("link.log").display());
    assert_eq!(said.to_string(), expected);
    // Others may be beside it, and what is no file of its own may be shared.
    for (one, two) in [(at("app.log"), at("other.log")), ("/dev/null".into(), "/dev/null".into())] {
        assert!(builder([file("a", one), file("b", two)]).build().is_ok());
    }
}

/// As a file sink keeps it.
fn shown(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap().display().to_string()
}

#[test]
fn a_spill_is_one_sinks_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let one = builder([sink("a").spill(folder.path(), 1 << 20)]).build().expect("free");
    let two = builder([sink("b").spill(folder.path(), 1 << 20)]).build().unwrap_err();
    assert!(two.to_string().ends_with("another process, or another sink, has it"), "{two}");
    drop(one);
    assert!(builder([sink("b").spill(folder.path(), 1 << 20)]).build().is_ok());
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["", "localhost:80", "ftp://host/", "http://", "http://a b/"] {
        assert!(HttpSink::new(url).is_err(), "{url:?}");
        assert!(OtlpHttpSink::new(url, "x").is_err(), "{url:?}");
        assert!(OtlpGrpcSink::new(url, "x").is_err(), "{url:?}");
    }
    let sink = HttpSink::new("http://localhost/").unwrap();
    let refused = sink.bearer("no\nheader").unwrap_err();
    assert!(!refused.to_string().contains("no\nheader"), "a secret is not shown: {refused}");
}

#[test]
fn a_pipeline_can_be_built_again_after_its_end() {
    for _ in 0..3 {
        let (_layer, guard) = Pipeline::builder().sink(sink("a")).build().expect("valid");
        assert!(guard.shutdown().is_complete());
    }
}

//! Does `panelboard simulate` do what its help says: table, JSON, charts, mistakes, exit codes?

use std::path::{Path, PathBuf};

use crate::program::run_to_end;

const GOOD: &str = r#"
title = "Half a minute"
[run]
lasts = "30s"
seeds = 3
[[service]]
name = "provider"
latency = { kind = "exponential", mean = "50ms" }
episode = [{ kind = "errors", at = "10s", lasts = "10s", after = "1ms" }]
[[caller]]
name = "app"
calls = ["provider"]
rate = 40
"#;

/// A folder with a scenario in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(name: &str, text: impl AsRef<[u8]>) -> (Self, String) {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path(name), text).unwrap();
        let path = folder.path(name).to_str().unwrap().to_owned();
        (folder, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[test]
fn it_prints_a_table_and_no_bar_where_there_is_no_terminal() {
    let (_folder, file) = Folder::with("s.toml", GOOD);
    let (code, out, err) = run_to_end(&["simulate", &file]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "Half a minute");
    assert_eq!(
        lines[2],
        "3 runs of 30s for each policy, from seed 1: means, \u{b1} half of their \
         95 % interval"
    );
    let head: Vec<&str> = lines[4].split_whitespace().collect();
    assert_eq!(head, ["none", "defaults"]);
    for row in [
        "availability",
        "wasted calls",
        "load on the sick, calls/s",
        "time to detect, s",
        "time to recover, s",
        "false trips",
        "extra latency, ms",
        "metastable",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(row)), "{row}: {out}");
    }
}

#[test]
fn the_same_seed_prints_the_same_bytes_on_any_number_of_threads() {
    let (folder, file) = Folder::with("s.toml", GOOD);
    let mut seen = Vec::new();
    for threads in ["1", "2", "7"] {
        let png = folder.path(&format!("{threads}.png"));
        let svg = folder.path(&format!("{threads}.svg"));
        let (code, out, err) = run_to_end(&[
            "simulate",
            &file,
            "--json",
            "--threads",
            threads,
            "--seed",
            "9",
            "--seeds",
            "4",
            "--png",
            png.to_str().unwrap(),
            "--svg",
            svg.to_str().unwrap(),
        ]);
        assert_eq!((code, err.as_str()), (0, ""));
        seen.push((out, std::fs::read(png).unwrap(), std::fs::read(svg).unwrap()));
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
    let (json, png, svg) = &seen[0];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["seed"], &json["seeds"]), (&9.into(), &4.into()));
    assert_eq!(json["policies"][1]["name"], "defaults");
    // Without breakers nothing is detected; with these nothing has recovered after half a minute.
    for (policy, measure) in [
        (1, "availability"),
        (1, "wasted_calls"),
        (1, "load_on_sick_per_s"),
        (1, "time_to_detect_s"),
        (0, "time_to_recover_s"),
        (1, "false_trips"),
        (1, "extra_latency_ms"),
    ] {
        let estimate = &json["policies"][policy]["measures"][measure];
        assert!(estimate["mean"].is_number() && estimate["n"] == 4, "{measure}: {estimate}");
    }
    let timeline = &json["policies"][1]["timeline"];
    for line in ["offered", "served", "failed", "rejected", "state"] {
        assert_eq!(timeline[line].as_array().map(Vec::len), Some(30), "{line}");
    }
    assert_eq!(timeline["state"][15], "open");
    assert!(png.starts_with(b"\x89PNG") && svg.starts_with(b"<svg "));
}

#[test]
fn mistakes_are_told_with_their_places_and_end_with_1() {
    let misspelt = GOOD.replace("rate", "rat");
    let rows: [(&str, &[u8], &str); 5] = [
        ("s.toml", misspelt.as_bytes(), "s.toml:10:1: caller[0].rate: missing"),
        ("s.toml", b"[run]\nlasts = ", "s.toml:2:"),
        ("s.JSON", b"{ \"run\": 3 }", "s.JSON:1:1: service: missing"),
        ("s.toml", b"title = \"\xff\"", "s.toml: is not UTF-8 (byte 9), expected a TOML or JSON"),
        ("s.toml", &[b' '; 1_048_577], "s.toml: is 1048577 bytes long, expected at most 1048576"),
    ];
    for (name, text, says) in rows {
        let (folder, file) = Folder::with(name, text);
        let (code, out, err) = run_to_end(&["simulate", &file]);
        assert_eq!((code, out.as_str()), (1, ""));
        let says = folder.path(says);
        assert!(err.starts_with(says.to_str().unwrap()), "{err}");
    }
    let (code, _, err) = run_to_end(&["simulate", "/does/not/exist.toml"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("/does/not/exist.toml: cannot be read: No such file"), "{err}");
}

#[test]
fn a_chart_that_cannot_be_written_is_told() {
    let (folder, file) = Folder::with("s.toml", GOOD);
    let nowhere = folder.path("nowhere/chart.png");
    let nowhere = nowhere.to_str().unwrap();
    let (code, out, err) = run_to_end(&["simulate", &file, "--png", nowhere]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        format!("{nowhere}: cannot be written: No such file or directory (os error 2)\n")
    );
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [
        &["simulate"][..],
        &["simulate", "s.toml", "--seeds", "0"],
        &["simulate", "s.toml", "--threads", "257"],
        &["simulate", "s.toml", "--seed", "-1"],
    ] {
        let (code, out, _) = run_to_end(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
    }
}

#[test]
fn the_scenarios_that_come_with_it_are_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let file = folder.join("fails-hard.toml");
    let (code, out, err) = run_to_end(&["simulate", file.to_str().unwrap(), "--seeds", "1"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("A provider fails hard\n"), "{out}");
}

//! Does `panelboard tune` do what its help says: table, JSON, charts, bad rows, exit codes?

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::program::run_to_end;

/// Ten minutes of a key, with a minute in which every call fails, and after it another one.
fn calls() -> String {
    let mut text = "time,key,duration_ms,outcome\n".to_owned();
    for second in 0..600 {
        let bad = (120..180).contains(&second) || (400..460).contains(&second);
        let ended = if bad { "failure" } else { "ok" };
        for part in [0, 250, 500, 750] {
            let _ = writeln!(text, "{}.{part:03},a,40,{ended}", 1_790_000_000 + second);
        }
    }
    text
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(name: &str, text: impl AsRef<[u8]>) -> (Self, String) {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.path(name), text).unwrap();
        let path = folder.text(name);
        (folder, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn it_prints_a_table_and_what_it_recommends_is_understood_by_check_and_simulate() {
    let (folder, file) = Folder::with("calls.csv", calls());
    let (code, out, err) = run_to_end(&["tune", &file]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("{file}: 2,400 calls to 1 key in 10m, 480 of them failed")));
    for row in ["wasted calls", "wrongly rejected", "held out: wasted calls", "time to detect, s"] {
        assert!(out.contains(&format!("\n{row}")), "{row}: {out}");
    }
    let at = out.find("[breaker]").unwrap();
    let pasted = &out[at..];
    assert!(pasted.lines().count() > 1, "there is something better here: {out}");
    let config = folder.path("panelboard.toml");
    let provider = "[[provider]]\nname = \"p\"\nkind = \"pretend\"\nkeys = [{ name = \"k\" }]\n\
                    [[model]]\nname = \"m\"\ntargets = [\"p/pretend-1\"]\n";
    std::fs::write(&config, format!("{pasted}\n{provider}")).unwrap();
    let (code, checked, err) = run_to_end(&["check", config.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""), "{pasted}");
    assert!(checked.contains("ok, 1 provider"), "{checked}");
    let policy = pasted.replace("[breaker]", "[[policy]]\nname = \"recommended\"");
    let scenario = format!(
        "[run]\nlasts = \"20s\"\nseeds = 1\n[[service]]\nname = \"s\"\nlatency = {{ kind = \
         \"constant\", mean = \"5ms\" }}\n[[caller]]\nname = \"c\"\ncalls = [\"s\"]\nrate = 9\n\
         {policy}\n"
    );
    std::fs::write(folder.path("s.toml"), scenario).unwrap();
    let (code, _, err) = run_to_end(&["simulate", &folder.text("s.toml")]);
    assert_eq!((code, err.as_str()), (0, ""), "{policy}");
}

#[test]
fn json_and_charts_are_the_same_bytes_on_any_number_of_threads() {
    let (folder, file) = Folder::with("calls.csv", calls());
    let mut seen = Vec::new();
    for threads in ["1", "2", "7"] {
        let (svg, png) = (folder.text("chart.svg"), folder.text("chart.png"));
        let args = ["tune", &file, "--json", "--candidates", "200", "--svg", &svg, "--png", &png];
        let (code, out, err) = run_to_end(&[&args[..], &["--threads", threads]].concat());
        assert_eq!((code, err.as_str()), (0, ""));
        seen.push((out, std::fs::read(png).unwrap(), std::fs::read(svg).unwrap()));
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
    let (json, png, svg) = &seen[0];
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!((&json["rows"], &json["skipped_rows"]), (&2_400.into(), &0.into()));
    assert_eq!((&json["calls"], &json["bad_calls"]), (&2_400.into(), &480.into()));
    assert_eq!(json["episodes_s"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["timeline"]["current"][0][1], "open");
    for row in ["current", "recommended"] {
        assert!(json[row]["all"]["wasted_calls"].is_u64(), "{row}");
        assert!(json[row]["held_out"]["rejected_wrongly"].is_u64(), "{row}");
    }
    assert!(png.starts_with(b"\x89PNG") && svg.starts_with(b"<svg "));
}

#[test]
fn bad_rows_are_told_and_end_with_1_or_are_skipped_and_counted() {
    let text = calls().replacen("a,40,ok", "a,forty,ok", 2);
    let (_folder, file) = Folder::with("calls.csv", text);
    let (code, out, err) = run_to_end(&["tune", &file]);
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert!(
        lines[0]
            .starts_with(&format!("{file}:2: row 1: duration_ms: \"forty\", expected a number")),
        "{err}"
    );
    assert_eq!((lines.len(), lines[2]), (3, "--skip-bad leaves bad rows out"));
    let (code, out, err) = run_to_end(&["tune", &file, "--skip-bad", "--candidates", "20"]);
    assert_eq!((code, err), (0, format!("{file}: 2 bad rows were skipped\n")));
    assert!(out.contains("2,398 calls"), "{out}");
}

#[test]
fn what_cannot_be_read_or_is_nothing_ends_with_1() {
    let (folder, file) = Folder::with("calls.csv", calls());
    let rows: [(&[&str], String); 4] = [
        (&["tune", "/does/not/exist.csv"], "/does/not/exist.csv: cannot be read: No such".into()),
        (&["tune", &file, "--key", "b"], format!("{file}: no call is left of 2400 rows")),
        (&["tune", &file, "--time", "begun"], format!("{file}: no column \"begun\"")),
        (&["tune", &file, "--model", "m"], format!("{file}: no column for the model")),
    ];
    for (args, says) in rows {
        let (code, out, err) = run_to_end(args);
        assert_eq!((code, out.as_str()), (1, ""), "{args:?}");
        assert!(err.starts_with(&says), "{err}");
    }
    std::fs::write(folder.path("calls.parquet"), "PAR1").unwrap();
    let (code, _, err) = run_to_end(&["tune", &folder.text("calls.parquet")]);
    assert!(code == 1 && err.contains("calls.parquet: is no Parquet"), "{err}");
    let nowhere = folder.text("nowhere/chart.png");
    let (code, _, err) = run_to_end(&["tune", &file, "--candidates", "5", "--png", &nowhere]);
    assert!(code == 1 && err.starts_with(&format!("{nowhere}: cannot be written: ")), "{err}");
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for args in [
        &["tune"][..],
        &["tune", "c.csv", "--threads", "0"],
        &["tune", "c.csv", "--candidates", "0"],
        &["tune", "c.csv", "--slow", "often"],
        &["tune", "c.csv", "--by", "money"],
    ] {
        let (code, out, _) = run_to_end(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
    }
}

#[test]
fn what_simulate_writes_is_read() {
    let scenario = "[run]\nlasts = \"1m\"\nseeds = 1\n[[service]]\nname = \"s\"\nlatency = { kind \
                    = \"exponential\", mean = \"20ms\" }\nepisode = [{ kind = \"errors\", at = \
                    \"20s\", lasts = \"20s\", after = \"1ms\" }]\n[[caller]]\nname = \"c\"\ncalls \
                    = [\"s\"]\nnodes = 2\nrate = 40\n";
    let (folder, file) = Folder::with("s.toml", scenario);
    let calls = folder.text("calls.csv");
    let (code, _, err) = run_to_end(&["simulate", &file, "--calls", &calls]);
    assert_eq!((code, err.as_str()), (0, ""));
    let text = std::fs::read_to_string(&calls).unwrap();
    assert!(text.starts_with("time,key,duration_us,outcome\n"));
    let (code, out, err) = run_to_end(&["tune", &calls, "--candidates", "50"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains(" to 2 keys in "), "{out}");
    let args = ["tune", &calls, "--candidates", "50", "--key", "c/s/1", "--json"];
    let (code, out, _) = run_to_end(&args);
    assert!(code == 0 && out.contains("\"key\":\"c/s/1\""), "{out}");
    let nowhere = folder.text("nowhere/calls.csv");
    let (code, _, err) = run_to_end(&["simulate", &file, "--calls", &nowhere]);
    assert!(code == 1 && err.starts_with(&format!("{nowhere}: cannot be written: ")), "{err}");
}

//! Does `panelboard tune` do what its help says: table, JSON, charts, bad rows, exit codes?

use std::fmt::Write as _;
use std::path::PathBuf;

use panelboard_server::config::Environment;
use serde_json::Value;

use crate::http::{chat, get, until};
use crate::program::{InProcess, pretend, run_to_end};

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
    let json: Value = serde_json::from_str(json).unwrap();
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

/// What `tune` says in JSON with these arguments.
fn told(args: &[&str]) -> Value {
    let (code, out, err) = run_to_end(&[&["tune", "--json", "--candidates", "5"], args].concat());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn the_gateways_own_log_is_read_while_the_gateway_writes_it() {
    let folder = Folder(tempfile::tempdir().unwrap());
    // What it is does not depend on its name.
    let log = folder.text("log.csv");
    let server = InProcess::serve(&pretend(&format!("[calls]\npath = {log:?}\n")), &empty());
    let addr = server.addr;
    let logged = |n: u64| {
        until(&format!("{n} calls are logged"), || {
            (get(addr, "/status").json()["calls"]["rows"] == n).then_some(())
        });
    };
    for _ in 0..20 {
        assert_eq!(chat(addr).status, 200);
    }
    logged(20);
    let own = told(&[&log]);
    assert_eq!((&own["calls"], &own["rows"]), (&20.into(), &20.into()));
    // The same as by way of CSV.
    let (code, csv, _) = run_to_end(&["calls", &log, "--csv"]);
    assert_eq!(code, 0);
    std::fs::write(folder.path("calls.csv"), csv).unwrap();
    assert_eq!(told(&[&folder.text("calls.csv")]), own);
    // Nobody was in the way, and what has come since is there as well.
    assert_eq!(chat(addr).status, 200);
    logged(21);
    assert_eq!(told(&[&log])["calls"], 21);
    drop(server);
    assert_eq!(told(&[&log])["calls"], 21);

    let provider = own["timeline"]["key"].as_str().unwrap().split('/').next().unwrap().to_owned();
    let rows: [(&[&str], Option<u64>); 7] = [
        (&["--since", "1h"], Some(21)),
        (&["--since", "1h", "--until", "30m"], None),
        (&["--provider", &provider], Some(21)),
        (&["--provider", "nobody"], None),
        (&["--key", "nobody/key-1"], None),
        (&["--model", "pretend-1"], Some(21)),
        (&["--model", "other"], None),
    ];
    for (filter, calls) in rows {
        let args = [&["tune", &log, "--json", "--candidates", "1"], filter].concat();
        let (code, out, err) = run_to_end(&args);
        match calls {
            Some(n) => assert!(code == 0 && out.contains(&format!("\"calls\":{n},")), "{err}"),
            None => assert!(code == 1 && err.contains("no call is left of"), "{filter:?}: {err}"),
        }
    }
    let (code, _, err) = run_to_end(&["tune", &log, "--time", "at"]);
    let says = format!("{log}: is a log of calls, and has no columns to be named: \"at\"\n");
    assert_eq!((code, err), (1, says));
}

fn empty() -> Environment {
    Environment::empty()
}

#[test]
fn a_database_that_is_no_log_of_calls_is_refused() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let store = folder.text("sessions.db");
    let lines = format!("[store]\npath = {store:?}\n[calls]\nlog = false\n");
    drop(InProcess::serve(&pretend(&lines), &empty()));
    let (code, _, err) = run_to_end(&["tune", &store]);
    assert!(code == 1 && err.contains("is the database of another program"), "{err}");
}

#[test]
fn calls_are_taken_by_provider_and_time_from_any_file() {
    let text = "time,key,duration_ms,outcome\n2026-01-01T00:00:00Z,a/k,20,ok\n\
                2026-01-01T00:00:01Z,ab/k,20,ok\n";
    let (_folder, file) = Folder::with("calls.csv", text);
    let told = told(&[&file, "--provider", "a", "--until", "1s"]);
    assert_eq!((&told["calls"], &told["other_rows"]), (&1.into(), &1.into()));
    let (code, _, err) = run_to_end(&["tune", &file, "--since", "1s"]);
    assert_eq!((code, err), (1, format!("{file}: no call is left of 2 rows\n")));
}

/// Three providers, of which two have other breakers than the first.
const CONFIG: &str = r#"
[breaker]
failure_threshold = 9
[[provider]]
name = "a"
kind = "openai"
keys = [{ name = "k", secret = "env:NOT_HERE" }]
[[provider]]
name = "b"
kind = "openai"
keys = [{ name = "k", secret = "env:NOT_HERE" }]
breaker = { slow_call_rate = 0.5, slow_call = "2s" }
[[provider]]
name = "c"
kind = "openai"
keys = [{ name = "k", secret = "env:NOT_HERE" }]
breaker = { adaptive_k = 2.0 }
[[model]]
name = "m"
targets = ["a/x"]
"#;

#[test]
fn what_a_configuration_says_is_what_is_compared_with() {
    let text = calls().replace(",a,", ",a/k,");
    let (folder, file) = Folder::with("calls.csv", &text);
    let config = folder.text("panelboard.toml");
    // The third can't be: it has failures in a row from [breaker] beside.
    std::fs::write(&config, CONFIG).unwrap();
    let (code, _, err) = run_to_end(&["tune", &file, "--config", &config]);
    let says = "provider[2].breaker.adaptive_k: stands beside another policy";
    assert!(code == 1 && err.contains(says), "{err}");
    std::fs::write(&config, CONFIG.replace("adaptive_k = 2.0", "jitter = 0.3")).unwrap();
    let own = told(&[&file, "--config", &config]);
    assert_eq!(own["current"]["settings"]["failure_threshold"], 9);
    assert_eq!(own["slow_us"], Value::Null);
    let table = |more: &[&str]| {
        let args = ["tune", &file, "--config", &config, "--candidates", "5"];
        run_to_end(&[&args[..], more].concat())
    };
    let (code, out, err) = table(&[]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("\ncurrent:     9 in a row; open 30s \u{d7}2 to 5m; 1 probe\n"), "{out}");

    // What is slow for the breaker is bad for the search, and what it does not vary stays.
    let b = told(&[&file, "--config", &config, "--breaker", "b"]);
    assert_eq!(b["current"]["settings"]["slow_call_rate"], 0.5);
    assert_eq!(b["slow_us"], 2_000_000);
    let c = told(&[&file, "--config", &config, "--breaker", "c"]);
    assert_eq!(c["recommended"]["settings"]["jitter"], 0.3);
    let (code, _, err) = table(&["--breaker", "c"]);
    assert!(code == 0 && err.contains("goes into its [provider.breaker]"), "{err}");

    let (code, _, err) = table(&["--breaker", "d"]);
    let says = format!("{config}: no provider \"d\", expected one of a, b, c\n");
    assert_eq!((code, err), (1, says));
    let (code, _, _) = run_to_end(&["tune", &file, "--breaker", "b"]);
    assert_eq!(code, 2, "without a configuration there is none to choose");
}

#[test]
fn calls_to_breakers_that_differ_need_a_choice() {
    let text = calls().replacen(",a,", ",b/k,", 9).replace(",a,", ",a/k,");
    let (folder, file) = Folder::with("calls.csv", &text);
    let config = folder.text("panelboard.toml");
    std::fs::write(&config, CONFIG.replace("adaptive_k = 2.0", "jitter = 0.3")).unwrap();
    let (code, _, err) = run_to_end(&["tune", &file, "--config", &config]);
    let says = format!(
        "{config}: the calls are to breakers with different settings (a; b): say which with \
         --breaker, or take --provider's\n"
    );
    assert_eq!((code, err), (1, says));
    let b = told(&[&file, "--config", &config, "--provider", "b"]);
    assert_eq!((&b["calls"], &b["other_rows"]), (&9.into(), &2_391.into()));
    assert_eq!(b["current"]["settings"]["slow_call_rate"], 0.5);
}

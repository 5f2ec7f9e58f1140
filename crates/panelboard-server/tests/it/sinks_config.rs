//! What does the check say to each mistake in `[log]` and `[[sink]]`, and does each field do what
//! it is there for?

use panelboard_server::config::{self, Config, Environment, Source};
use serde_json::Value;

use crate::config_table::judge;
use crate::program::{Program, command, ended, pretend};

fn env() -> Environment {
    Environment::empty().with("KEY", "sk-canary-1").with("BROKEN", "sk-canary\u{e9}")
}

fn parse(text: &str) -> Result<Config, String> {
    let text = pretend(text);
    config::parse(&text, Source::File("f.toml".into()), None, &env()).map_err(|e| e.to_string())
}

/// Checks that the text has exactly these mistakes.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    judge(text, parse(text), expected);
}

/// A sink of this kind, with these lines: line 1 of the text is its head, line 4 the first of them.
fn sink(kind: &str, lines: &str) -> String {
    format!("[[sink]]\nname = \"a\"\nkind = \"{kind}\"\n{lines}\n")
}

/// What each kind can't be without.
const WHOLE: [(&str, &str); 7] = [
    ("stdout", ""),
    ("stderr", ""),
    ("file", "path = \"a.log\""),
    ("syslog", "address = \"udp://127.0.0.1:514\""),
    ("http", "url = \"http://h\""),
    ("loki", "url = \"http://h\""),
    ("otlp", "url = \"http://h\""),
];

fn whole(kind: &str, lines: &str) -> String {
    let needed = WHOLE.iter().find(|(known, _)| *known == kind).unwrap().1;
    sink(kind, &format!("{needed}\n{lines}"))
}

#[test]
fn one_mistake_in_one_sink_is_told_with_its_place() {
    let rows = [
        (
            sink("sysolg", ""),
            "f.toml:3:8: sink[0].kind: \"sysolg\" is unknown, expected one of stdout, stderr, \
             file, syslog, http, loki, otlp, did you mean `syslog`?",
        ),
        (
            "[[sink]]\nkind = \"stderr\"\n".to_owned(),
            "f.toml:1:1: sink[0].name: missing, expected 1 to 100 letters, digits and - _ .",
        ),
        (sink("file", ""), "f.toml:1:1: sink[0].path: missing, expected the path of a file"),
        (
            sink("syslog", ""),
            "f.toml:1:1: sink[0].address: missing, expected udp://HOST:PORT, tcp://HOST:PORT or \
             unix:PATH",
        ),
        (
            sink("otlp", ""),
            "f.toml:1:1: sink[0].url: missing, expected a URL such as \
             \"https://api.openai.com/v1\"",
        ),
        (
            sink("stderr", "path = \"x\""),
            "f.toml:4:8: sink[0].path: is of no use to a sink of the kind stderr, expected the \
             kind file",
        ),
        (
            whole("syslog", "token = \"env:KEY\""),
            "f.toml:5:9: sink[0].token: is of no use to a sink of the kind syslog, expected one of \
             the kinds http, loki, otlp",
        ),
        (
            whole("http", "token = \"vault:secret/logs#token\""),
            "f.toml:5:9: sink[0].token: is a vault: reference, which only a provider's key may \
             be, expected a reference: \"env:NAME\" or \"file:PATH\"",
        ),
        (
            whole("http", "token = \"sk-canary-1\""),
            "f.toml:5:9: sink[0].token: is a secret in plain text (not shown), expected a \
             reference: \"env:NAME\", \"file:PATH\" or \"vault:MOUNT/PATH#FIELD\"",
        ),
        (
            whole("http", "token = \"env:BROKEN\""),
            "f.toml:5:9: sink[0].token: the secret holds a character that no header may hold \
             (not shown), expected one line of visible ASCII",
        ),
        (
            whole("http", "user = \"me\""),
            "f.toml:5:8: sink[0].user: has no password, expected `token` alone, or `user` and \
             `password`",
        ),
        (
            whole("http", "token = \"env:KEY\"\nuser = \"me\"\npassword = \"env:KEY\""),
            "f.toml:5:9: sink[0].token: is beside a name or password, expected `token` alone, or \
             `user` and `password`",
        ),
        (
            whole(
                "http",
                "headers = [\n{ name = \"X\", value = \"env:KEY\" },\n\
                           { name = \"x\", value = \"env:KEY\" }]",
            ),
            "f.toml:7:10: sink[0].headers[1].name: \"x\" is there already",
        ),
        (
            whole("loki", "labels = [{ name = \"a.b\", value = \"c\" }]"),
            "f.toml:5:20: sink[0].labels[0].name: \"a.b\" is no label's name, expected letters, \
             digits and _; not `level`, which is set",
        ),
        (
            whole("file", "keep_files = 3"),
            "f.toml:5:14: sink[0].keep_files: no file is ever full, expected `rotate_bytes` or \
             `rotate_every` beside it",
        ),
        (
            whole("file", "gzip = true"),
            "f.toml:5:8: sink[0].gzip: no file is ever full, expected `rotate_bytes` or \
             `rotate_every` beside it",
        ),
        (
            sink("syslog", "address = \"127.0.0.1:514\""),
            "f.toml:4:11: sink[0].address: \"127.0.0.1:514\" is none, expected udp://HOST:PORT, \
             tcp://HOST:PORT or unix:PATH",
        ),
        (
            sink("http", "url = \"http://me:sk-canary-1@h\""),
            "f.toml:4:7: sink[0].url: holds a user name or password (not shown), expected a URL \
             such as \"https://api.openai.com/v1\"",
        ),
        (
            sink("stderr", "level = \"warn\"\nup_to = \"info\""),
            "f.toml:5:9: sink[0].up_to: lets nothing pass, expected nothing below `level`",
        ),
        (
            sink("stderr", "standby = true"),
            "f.toml:4:11: sink[0].standby: is nobody's fallback, expected another sink with \
             fallback = \"a\"",
        ),
        (
            sink("stderr", "fallback = \"disc\""),
            "f.toml:4:12: sink[0].fallback: no sink \"disc\", expected one of a",
        ),
        (
            sink("stderr", "fallback = \"a\""),
            "f.toml:4:12: sink[0].fallback: leads back to it, expected fallbacks that come to an \
             end",
        ),
        (
            sink("stderr", "spill_bytes = \"1MiB\""),
            "f.toml:4:15: sink[0].spill_bytes: is without a spill, expected `spill` with its \
             folder",
        ),
        (
            sink("stderr", "backoff = \"20s\""),
            "f.toml:1:1: sink[0].max_backoff: is below backoff, expected at least that",
        ),
        (
            sink("stderr", "timeout = \"0s\""),
            "f.toml:4:11: sink[0].timeout: \"0s\" is out of range, expected a duration such as \
             \"30s\", from \"10ms\" to \"5m\"",
        ),
        (
            sink("stderr", "breaker = { failure_threshold = 0 }"),
            "f.toml:4:33: sink[0].breaker.failure_threshold: 0 is out of range, expected an \
             integer from 1 to 8388607",
        ),
        (
            sink("stderr", "breaker = { recovery_timeout = \"2m\" }"),
            "f.toml:4:11: sink[0].breaker.max_recovery_timeout: 60s is out of range, expected \
             recovery_timeout to 4.3 years",
        ),
        (
            "[log]\nredact_patterns = [\"fine\", \"a(\"]\n".to_owned(),
            "f.toml:2:28: log.redact_patterns[1]: is no regular expression: unclosed group",
        ),
        (
            "[log]\nqueue = 0\n".to_owned(),
            "f.toml:2:9: log.queue: 0 is out of range, expected an integer from 16 to 1048576",
        ),
    ];
    for (text, said) in rows {
        check(&text, &[said]);
    }
}

#[test]
fn mistakes_between_sinks_are_told_at_each_of_them() {
    let two = |one: &str, other: &str| {
        format!(
            "[[sink]]\nname = \"a\"\nkind = \"file\"\n{one}\n\
             [[sink]]\nname = \"b\"\nkind = \"file\"\n{other}\n"
        )
    };
    let twice = sink("stderr", "") + &sink("stderr", "");
    let wrong = "sink[1].name: \"a\" is there already, expected each sink under a name of its own";
    check(&twice, &[&format!("f.toml:6:8: {wrong}")]);
    let own = |place: &str, what: &str| {
        format!(
            "f.toml:{place}: sink[1].{what}: is that of the sink \"a\", expected one of its own"
        )
    };
    check(&two("path = \"x.log\"", "path = \"./y/../x.log\""), &[]);
    check(&two("path = \"x.log\"", "path = \"./x.log\""), &[&own("8:8", "path")]);
    let spills = two("path = \"x\"\nspill = \"s\"", "path = \"y\"\nspill = \"./s/\"");
    check(&spills, &[&own("10:9", "spill")]);
    check(
        &two("path = \"x\"\nfallback = \"b\"", "path = \"y\"\nfallback = \"a\""),
        &[
            "f.toml:5:12: sink[0].fallback: leads back to it, expected fallbacks that come to an \
             end",
            "f.toml:10:12: sink[1].fallback: leads back to it, expected fallbacks that come to \
             an end",
        ],
    );
    check(
        &two("path = \"x\"\nfallback = \"b\"\nspill = \"s\"", "path = \"y\""),
        &["f.toml:6:9: sink[0].spill: is beside a fallback, expected one of them: both keep what \
           waits"],
    );
    check(
        &two("path = \"x\"\nfallback = \"bb\"", "path = \"y\""),
        &["f.toml:5:12: sink[0].fallback: no sink \"bb\", expected one of a, b, did you mean \
           `b`?"],
    );
    let small = "path = \"x\"\nbuffer_bytes = \"4KiB\"\nspill = \"s\"\nspill_bytes = \"64KiB\"";
    let small = two(small, "path = \"y\"");
    let wrong = "sink[0].buffer_bytes: is less than one record may have, expected at least \
                 log.record_bytes, 16384";
    check(&small, &[&format!("f.toml:5:16: {wrong}")]);
    let wrong = |field: &str| {
        format!(
            "sink[0].{field}: is less than one record may have, expected at least \
             log.record_bytes, 131072"
        )
    };
    check(
        &format!("[log]\nrecord_bytes = \"128KiB\"\n{small}"),
        &[
            &format!("f.toml:7:16: {}", wrong("buffer_bytes")),
            &format!("f.toml:9:15: {}", wrong("spill_bytes")),
        ],
    );
    check(&format!("[log]\nrecord_bytes = \"4KiB\"\n{small}"), &[]);
    let many: String =
        (0..65).map(|n| format!("[[sink]]\nname = \"s{n}\"\nkind = \"stderr\"\n")).collect();
    check(&many, &["f.toml:193:1: sink[64]: 65 sinks, expected at most 64"]);
}

#[test]
fn one_file_by_two_names_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let of = |name: &str, path: &std::path::Path| {
        format!("[[sink]]\nname = \"{name}\"\nkind = \"file\"\npath = {path:?}\n")
    };
    let text = of("a", &real.join("x.log")) + &of("b", &link.join("x.log"));
    let said = parse(&text).unwrap_err();
    assert!(said.contains("sink[1].path: is that of the sink \"a\""), "{said}");
}

#[test]
fn a_place_that_cannot_be_written_to_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panelboard.toml");
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "a file").unwrap();
    let rows = [
        (format!("path = {:?}", taken.join("x.log")), "path", format!("{taken:?} is no folder")),
        (format!("path = {:?}", folder.path()), "path", format!("{:?} is a folder", folder.path())),
        (format!("path = \"x\"\nspill = {taken:?}"), "spill", format!("{taken:?} is no folder")),
    ];
    for (lines, field, wrong) in rows {
        std::fs::write(&file, pretend(&sink("file", &lines))).unwrap();
        for args in [&["check"][..], &["serve", "--listen", "127.0.0.1:0", "--config"]] {
            let mut command = command(args);
            let (code, out, err) = ended(command.arg(&file).output().unwrap());
            assert_eq!((code, out.as_str()), (1, ""), "{err}");
            let wrong = wrong.replace('"', "");
            let said =
                format!("sink[0].{field}: {wrong}, expected a place that can be written to\n");
            assert!(err.ends_with(&said), "{err}\n{said}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing was made");
}

#[test]
fn a_check_makes_nothing_and_a_start_makes_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panelboard.toml");
    let path = folder.path().join("deep/er/app.log");
    let text = pretend(&sink("file", &format!("path = {path:?}")));
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, err) = crate::program::run_to_end(&["check", file]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("1 model; logs go to 1 sink\n"), "{out}");
    assert!(!folder.path().join("deep").exists());
    let server = Program::serve(&["--config", file], &[]);
    assert!(path.exists());
    assert_eq!(server.stop().0, 0);
}

/// A value that the schema allows and that is not the default.
fn other_value(name: &str, field: &Value) -> String {
    match name {
        "fallback" => return "\"b\"".to_owned(),
        // Room for a record: its own least is for smaller ones.
        "buffer_bytes" => return "\"20KiB\"".to_owned(),
        "up_to" => return "\"warn\"".to_owned(),
        "level" => return "\"debug\"".to_owned(),
        "address" => return "\"tcp://127.0.0.1:1\"".to_owned(),
        "url" => return "\"http://other\"".to_owned(),
        "token" => return "\"env:KEY\"".to_owned(),
        "user" => return "\"me\"\npassword = \"env:KEY\"".to_owned(),
        "password" => return "\"env:KEY\"\nuser = \"me\"".to_owned(),
        "headers" => return "[{ name = \"x\", value = \"env:KEY\" }]".to_owned(),
        "labels" => return "[{ name = \"x\", value = \"y\" }]".to_owned(),
        "targets" => return "[{ prefix = \"x\", level = \"warn\" }]".to_owned(),
        "breaker" => return "{ failure_threshold = 2 }".to_owned(),
        "keep_files" | "keep_for" | "gzip" => {}
        _ if field["pattern"].is_string() && field["$comment"].is_null() => {
            return "\"other\"".to_owned();
        }
        _ => {}
    }
    if let Some(words) = field["enum"].as_array() {
        return words.iter().find(|word| **word != field["default"]).unwrap().to_string();
    }
    let number = field["anyOf"].get(0).unwrap_or(field);
    match number["type"].as_str() {
        Some("integer") => (number["minimum"].as_u64().unwrap() + 1).to_string(),
        Some("boolean") => "true".to_owned(),
        _ => "\"7s\"".to_owned(),
    }
}

#[test]
fn every_field_of_a_sink_makes_it_another_and_no_secret_shows() {
    let schema = config::schema();
    let fields = &schema["properties"]["sink"]["items"]["properties"];
    let mut seen = 0;
    for (name, field) in fields.as_object().unwrap() {
        let mut used = false;
        for (kind, needed) in WHOLE {
            // A rotation, so that what belongs to one says something; a second sink, to be a
            // fallback and to have one.
            let rotates = match (kind, name.as_str()) {
                ("file", "rotate_every") => "rotate_bytes = 2048\n",
                ("file", _) => "rotate_every = \"1h\"\n",
                _ => "",
            };
            let spill = if name == "spill_bytes" { "spill = \"s\"\n" } else { "" };
            let b = |of: &str| format!("[[sink]]\nname = \"b\"\nkind = \"stderr\"\n{of}\n");
            let b = b(if name == "standby" { "fallback = \"a\"" } else { "" });
            let of = |lines: &str| sink(kind, &format!("{rotates}{spill}{lines}")) + &b;
            let value = other_value(name, field);
            let lines = match name.as_str() {
                "name" | "kind" => continue,
                // Written once.
                "path" | "address" | "url" => format!("{name} = {value}"),
                _ => format!("{needed}\n{name} = {value}"),
            };
            let Ok(with) = parse(&of(&lines)) else { continue };
            let without = parse(&of(needed)).unwrap();
            assert_ne!(without.log, with.log, "{kind}: {name} = {value} does nothing");
            assert!(!format!("{:?}", with.log).contains("canary"), "{name}");
            used = true;
        }
        assert!(used || matches!(name.as_str(), "name" | "kind"), "{name} is of no use to anybody");
        seen += 1;
    }
    assert!(seen > 35, "{seen} fields");
}

#[test]
fn every_default_of_a_sink_is_the_value_that_holds() {
    let schema = config::schema();
    let fields = &schema["properties"]["sink"]["items"]["properties"];
    for (name, field) in fields.as_object().unwrap() {
        let Some(default) = field.get("default") else { continue };
        let spill = if name == "spill_bytes" { "spill = \"s\"\n" } else { "" };
        let of = |kind: &str, lines: &str| parse(&whole(kind, &format!("{spill}{lines}")));
        let line = format!("{name} = {default}");
        let kinds = WHOLE.iter().filter_map(|(kind, _)| Some((kind, of(kind, &line).ok()?)));
        let mut used = false;
        for (kind, with) in kinds {
            assert_eq!(of(kind, "").unwrap().log, with.log, "{kind}: {line} is not the default");
            used = true;
        }
        assert!(used, "{line}");
    }
}

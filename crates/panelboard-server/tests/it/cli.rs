//! Do the commands do what their help says, with the exit codes that it names?

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::program::{Program, command, ended, run_to_end};

/// A configuration file in a folder of its own.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = [
        &[][..],
        &["serve"],
        &["check"],
        &["status"],
        &["break"],
        &["trip"],
        &["simulate"],
        &["tune"],
    ];
    for command in commands {
        let args: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let (code, out, err) = run_to_end(&args);
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(out.contains("Examples:\n  panelboard "), "{args:?}: {out}");
    }
    let (_, out, _) = run_to_end(&["--help"]);
    for line in ["  0  done", "  1  the configuration", "  2  the command", "  3  cannot"] {
        assert!(out.contains(line), "{out}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let rows: [(&[&str], &str); 5] = [
        (&["serv"], "serve"),
        (&["break", "pretend-a/key-1", "418"], "possible values: 429, 500, 503, 529, 401, hang"),
        (&["break", "pretend-a/key-1", "500", "--for", "soon"], "expected a duration"),
        (&["check"], "<FILE>"),
        (&["status", "--url", "https://localhost"], "expected http://HOST:PORT"),
    ];
    for (args, says) in rows {
        let (code, out, err) = run_to_end(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
}

#[test]
fn check_says_ok_or_what_is_wrong() {
    let (_folder, good) = file(&crate::program::pretend(""));
    let (code, out, err) = run_to_end(&["check", &good]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, format!("{good}: ok, 2 providers, 3 keys, 1 model\n"));

    let (_folder, bad) = file(&crate::program::pretend("[breaker]\nfailure_treshold = 3\n"));
    let (code, out, err) = run_to_end(&["check", &bad]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.starts_with(&format!("{bad}:2:1: breaker.failure_treshold: unknown field")),
        "{err}"
    );
    assert!(err.ends_with("did you mean `failure_threshold`?\n"), "{err}");

    let (code, _, err) = run_to_end(&["check", "/does/not/exist.toml"]);
    assert_eq!(code, 1);
    assert_eq!(
        err,
        "/does/not/exist.toml: cannot be read: No such file or directory (os error 2)\n"
    );
}

#[test]
fn serve_refuses_a_wrong_file_as_check_does() {
    let (_folder, bad) = file("[server]\nlisten = 3\n");
    let checked = run_to_end(&["check", &bad]);
    let served = run_to_end(&["serve", "--config", &bad]);
    assert_eq!(checked, served);
    assert_eq!(served.0, 1);
}

#[test]
fn a_port_in_use_is_one_line_and_exit_3() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, out, err) = run_to_end(&["serve", "--listen", &addr]);
    assert_eq!((code, out.as_str()), (3, ""));
    let line = "the port is in use; stop what uses it or choose another with --listen";
    assert_eq!(err, format!("panelboard: cannot listen on {addr}: {line}\n"));
}

#[test]
fn an_address_that_is_none_is_refused() {
    let (code, _, err) = run_to_end(&["serve", "--listen", "localhost"]);
    assert_eq!(code, 1);
    let line = "\"localhost\" is no address, expected ADDRESS:PORT such as 127.0.0.1:8080";
    assert_eq!(err, format!("built-in: --listen: {line}\n"));
    let (code, _, err) = run_to_end(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, 1);
    assert!(err.contains("beyond loopback, expected `server.admin_token` to be set"), "{err}");
}

#[test]
fn a_server_that_is_not_there_ends_with_3() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    for args in [&["status"][..], &["trip", "a/b"], &["break", "a/b", "500"]] {
        let args: Vec<&str> = args.iter().copied().chain(["--url", &url]).collect();
        let (code, out, err) = run_to_end(&args);
        assert_eq!((code, out.as_str()), (3, ""), "{args:?}: {err}");
        assert!(err.starts_with(&format!("panelboard: no panelboard answers at {url}: ")), "{err}");
    }
}

#[test]
fn the_printed_configuration_is_one_that_check_accepts() {
    let rows: [(&[(&str, &str)], &str); 2] = [
        (&[], "kind = \"pretend\""),
        (
            &[("OPENAI_API_KEY", "sk-canary-1"), ("ANTHROPIC_API_KEY", "sk-canary-2")],
            "env:OPENAI_API_KEY",
        ),
    ];
    for (env, holds) in rows {
        let mut print = command(&["serve", "--print-config"]);
        let (code, printed, err) = ended(print.envs(env.iter().copied()).output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(printed.contains(holds), "{printed}");
        assert!(!printed.contains("canary"), "{printed}");
        let (_folder, path) = file(&printed);
        let mut check = command(&["check", &path]);
        let (code, _, err) = ended(check.envs(env.iter().copied()).output().unwrap());
        assert_eq!((code, err.as_str()), (0, ""), "{printed}");
        let mut again = command(&["serve", "--print-config", "--config", &path]);
        let (_, same, _) = ended(again.envs(env.iter().copied()).output().unwrap());
        assert_eq!(same, printed);
    }
}

#[test]
fn the_schema_is_json() {
    let (code, out, _) = run_to_end(&["check", "--schema"]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["properties"]["breaker"]["properties"]["jitter"]["maximum"], 0.5);
}

#[test]
fn the_client_commands_drive_a_server() {
    let server = Program::serve(&[], &[]);
    let (code, out, err) = server.ask(&["trip", "pretend-a/key-1", "--for", "1h"]);
    assert_eq!((code, err.as_str()), (0, ""));
    // Jitter only ever lengthens a time that was asked for.
    assert!(out.starts_with("pretend-a/key-1: open, next probe in 1h"), "{out}");
    assert_eq!(server.ask(&["reset", "pretend-a/key-1"]).1, "pretend-a/key-1: closed\n");
    assert_eq!(server.ask(&["isolate", "pretend-a"]).1, "pretend-a: forced-open\n");
    assert_eq!(server.ask(&["release", "pretend-a"]).1, "pretend-a: closed\n");
    let (code, out, _) = server.ask(&["break", "pretend-a/key-2", "429", "--for", "20s"]);
    assert_eq!((code, out.as_str()), (0, "pretend-a/key-2: 429 for 20s\n"));
    assert_eq!(server.ask(&["break", "pretend-a/key-2", "none"]).1, "pretend-a/key-2: no fault\n");

    let (code, _, err) = server.ask(&["trip", "pretend-a/kye-1"]);
    let line =
        "panelboard: there is no breaker `pretend-a/kye-1`, did you mean `pretend-a/key-1`?\n";
    assert_eq!((code, err.as_str()), (1, line));
    let (code, _, err) = server.ask(&["break", "pretend-a", "500"]);
    assert_eq!(code, 1);
    assert!(err.contains("`pretend-a` is no key of a pretend provider"), "{err}");

    server.ask(&["trip", "pretend-b/key-1"]);
    let (code, table, _) = server.ask(&["status"]);
    assert_eq!(code, 0);
    let row = table.lines().find(|line| line.starts_with("pretend-b/key-1")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(&cells[1..3], ["open", "tripped"], "{table}");
    let (_, json, _) = server.ask(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["items"].as_array().unwrap().len(), 5);
}

#[test]
fn status_goes_on_watching_until_it_is_told_to_stop() {
    let server = Program::serve(&[], &[]);
    let mut watch = command(&["status", "--watch", "--url", &server.url()]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    for _ in 0..2 {
        assert!(lines.any(|line| line.starts_with("panelboard ")), "another table");
        assert!(lines.next().unwrap().starts_with("jobs: "));
        assert!(lines.next().unwrap().starts_with("KEY "));
    }
    drop(server);
    assert!(lines.any(|line| line.starts_with("no panelboard answers at")), "it waits for another");
    let pid = watch.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    assert!(lines.all(|line| !line.contains('\x1b')), "no control characters but on a terminal");
}

#[test]
fn logs_are_structured_for_programs_that_ask() {
    let server = Program::serve(&[], &[("PANELBOARD_LOG_FORMAT", "json")]);
    server.ask(&["trip", "pretend-a/key-1"]);
    let (_, _, err) = server.stop();
    let lines: Vec<serde_json::Value> =
        err.lines().map(|line| serde_json::from_str(line).expect("JSON, each line")).collect();
    let transition = lines.iter().find(|line| line["message"] == "transition").expect("it is told");
    let fields = &transition["fields"];
    assert_eq!(fields["key"], "pretend-a/key-1");
    assert_eq!((&fields["generation"], &fields["to"]), (&1.into(), &"open".into()));
    assert!(transition["timestamp"].is_string() && transition["level"] == "INFO");
}

#[test]
fn a_wrong_way_to_log_is_told() {
    for (name, value) in [("PANELBOARD_LOG_FORMAT", "xml"), ("PANELBOARD_LOG", "a=b=c")] {
        let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
        let (code, out, err) = ended(serve.env(name, value).output().unwrap());
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with(&format!("panelboard: {name}: ")), "{err}");
    }
}

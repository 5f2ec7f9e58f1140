//! What does the check say to each mistake?

use panelboard_server::config::{self, Config, Environment, Source};

/// A file without a mistake; `${}` stands where a test adds its lines.
const GOOD: &str = r#"
[[provider]]
name = "a"
kind = "openai"
keys = [{ name = "one", secret = "env:KEY" }]

[[model]]
name = "fast"
targets = ["a/gpt"]
"#;

fn env() -> Environment {
    Environment::empty().with("KEY", "sk-canary-in-the-environment").with("OTHER_KEY", "sk-other")
}

fn parse(text: &str) -> Result<Config, String> {
    config::parse(text, Source::File("f.toml".into()), None, &env()).map_err(|e| e.to_string())
}

/// Checks that `text` has exactly these mistakes, in this order.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    judge(text, parse(text), expected);
}

/// Checks that `text` was read with exactly these mistakes.
#[track_caller]
pub(crate) fn judge(text: &str, read: Result<Config, String>, expected: &[&str]) {
    let said = read.err().unwrap_or_default();
    assert!(!said.contains("canary"), "a secret is shown: {said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, expected, "for:\n{text}");
}

/// As [`check`], for lines put in front of a good file.
#[track_caller]
fn with(lines: &str, expected: &[&str]) {
    check(&format!("{lines}{GOOD}"), expected);
}

#[test]
fn a_good_file_has_no_mistakes() {
    check(GOOD, &[]);
}

#[test]
fn unknown_names_say_the_nearest_known_one() {
    with(
        "[breaker]\nfailure_treshold = 3\n",
        &["f.toml:2:1: breaker.failure_treshold: unknown field, expected one of \
            failure_threshold, \
         failure_rate, slow_call_rate, slow_call, count_slow_in_flight, window, window_calls, \
         minimum_calls, combine, adaptive_k, recovery_timeout, max_recovery_timeout, \
         backoff_factor, backoff_reset, jitter, half_open_max_calls, success_threshold, \
         half_open_failure_rate, probe_timeout, ramp, did you mean `failure_threshold`?"],
    );
    with(
        "[timeouts]\n  conect = \"1s\"\n",
        &["f.toml:2:3: timeouts.conect: unknown field, expected one of connect, first_byte, \
            idle, \
         total, did you mean `connect`?"],
    );
    let sections = "expected one of server, gateway, breaker, timeouts, store, sessions, \
                    calls, jobs, vault, log, sink, provider, model";
    with(
        "[servers]\n",
        &[&format!("f.toml:1:2: servers: unknown section, {sections}, did you mean `server`?")],
    );
    with("[silo]\n", &[&format!("f.toml:1:2: silo: unknown section, {sections}")]);
    with("[[silo]]\nname = \"x\"\n", &[&format!("f.toml:1:3: silo: unknown section, {sections}")]);
}

#[test]
fn names_of_other_programs_lead_to_ours() {
    let rows = [
        ("breaker", "reset_timeout = 1", "recovery_timeout"),
        ("breaker", "cooldown = 1", "recovery_timeout"),
        ("server", "port = 1", "listen"),
    ];
    for (section, line, meant) in rows {
        let said = parse(&format!("[{section}]\n{line}\n{GOOD}")).unwrap_err();
        assert!(said.ends_with(&format!("did you mean `{meant}`?")), "{said}");
    }
}

#[test]
fn the_log_of_calls_says_what_it_wants() {
    let rows = [
        ("log = \"yes\"", 7, "log: is a string, expected true or false"),
        ("log = 1", 7, "log: is an integer, expected true or false"),
        ("queue = 0", 9, "queue: 0 is out of range, expected an integer from 1 to 1048576"),
        (
            "max_bytes = \"1KiB\"",
            13,
            "max_bytes: \"1KiB\" is out of range, expected bytes or a size such as \"16MiB\", \
             from 1048576 to 1099511627776 bytes",
        ),
        (
            "keep = \"1ms\"",
            8,
            "keep: \"1ms\" is out of range, expected a duration such as \"30s\", from \"1s\" to \
             \"10years\"",
        ),
    ];
    for (line, column, wrong) in rows {
        with(&format!("[calls]\n{line}\n"), &[&format!("f.toml:2:{column}: calls.{wrong}")]);
    }
}

#[test]
fn each_kind_of_value_says_what_it_wants() {
    let time =
        |from: &str| format!("expected a duration such as \"30s\", from \"{from}\" to \"1day\"");
    with(
        "[breaker]\nrecovery_timeout = 30\n",
        &[&format!("f.toml:2:20: breaker.recovery_timeout: is an integer, {}", time("1ms"))],
    );
    with(
        "[breaker]\nrecovery_timeout = \"soon\"\n",
        &[&format!(
            "f.toml:2:20: breaker.recovery_timeout: \"soon\" is no duration, {}",
            time("1ms")
        )],
    );
    with(
        "[timeouts]\nidle = \"0s\"\n",
        &[&format!("f.toml:2:8: timeouts.idle: \"0s\" is out of range, {}", time("1ms"))],
    );
    with(
        "[breaker]\nfailure_threshold = 0\n",
        &["f.toml:2:21: breaker.failure_threshold: 0 is out of range, expected an integer from \
            1 to \
         8388607"],
    );
    with(
        "[breaker]\nfailure_threshold = -1\n",
        &["f.toml:2:21: breaker.failure_threshold: -1 is out of range, expected an integer from \
            1 to \
         8388607"],
    );
    with(
        "[breaker]\nfailure_threshold = 99999999999999999999999\n",
        &["f.toml:2:21: breaker.failure_threshold: 99999999999999999999999 is out of range, \
            expected \
         an integer from 1 to 8388607"],
    );
    with(
        "[breaker]\njitter = 0.6\n",
        &["f.toml:2:10: breaker.jitter: 0.6 is out of range, expected a number from 0 to 0.5"],
    );
    with(
        "[breaker]\njitter = nan\n",
        &["f.toml:2:10: breaker.jitter: nan is out of range, expected a number from 0 to 0.5"],
    );
    with(
        "[gateway]\nmax_body_bytes = \"16 MB\"\n",
        &["f.toml:2:18: gateway.max_body_bytes: \"16 MB\" is no size, expected bytes or a size \
            such \
         as \"16MiB\", from 1024 to 1073741824 bytes"],
    );
    with(
        "[gateway]\nmax_body_bytes = 1\n",
        &["f.toml:2:18: gateway.max_body_bytes: 1 is out of range, expected bytes or a size \
            such as \
         \"16MiB\", from 1024 to 1073741824 bytes"],
    );
    with("server = 3\n", &["f.toml:1:10: server: is an integer, expected a table"]);
    with(
        "[server]\nlisten = \"8080\"\n",
        &["f.toml:2:10: server.listen: \"8080\" is none, expected ADDRESS:PORT such as \
         \"127.0.0.1:8080\""],
    );
    with(
        "[server]\nallowed_hosts = [\"ok.example\", \"not ok\"]\n",
        &["f.toml:2:32: server.allowed_hosts[1]: \"not ok\" is none, expected a host name such \
            as \
         \"gateway.example.com\""],
    );
    with(
        "[server]\nallowed_origins = [\"https://x.example/path\"]\n",
        &["f.toml:2:20: server.allowed_origins[0]: \"https://x.example/path\" is none, expected \
            an \
         origin such as \"https://gateway.example.com\""],
    );
}

#[test]
fn values_that_contradict_each_other_are_found() {
    with(
        "[breaker]\nrecovery_timeout = \"10s\"\nmax_recovery_timeout = \"5s\"\n",
        &["f.toml:3:24: breaker.max_recovery_timeout: 5s is out of range, expected \
            recovery_timeout \
         to 4.3 years"],
    );
    with(
        "[breaker]\nadaptive_k = 2\nfailure_rate = 0.5\n",
        &["f.toml:2:14: breaker.adaptive_k: stands beside another policy, expected adaptive \
         alone: it never trips, so there is nothing to combine"],
    );
    with(
        "[breaker]\nfailure_rate = 0.5\nwindow_calls = 10\nminimum_calls = 11\n",
        &["f.toml:4:17: breaker.minimum_calls: 11 is out of range, expected at most the window's \
         calls"],
    );
    with(
        "[breaker]\ncount_slow_in_flight = true\n",
        &["f.toml:2:24: breaker.count_slow_in_flight: true is out of range, expected false, or a \
         policy with a slow_call_rate"],
    );
    with(
        "[breaker]\ncombine = \"al\"\n",
        &["f.toml:2:11: breaker.combine: \"al\" is unknown, expected one of any, all, did you \
             mean `all`?"],
    );
}

/// `text` in place of the good file's provider.
fn provider(lines: &str) -> String {
    format!("[[provider]]\n{lines}\n[[model]]\nname = \"fast\"\ntargets = [\"a/gpt\"]\n")
}

#[test]
fn a_provider_lacks_what_its_kind_needs() {
    let kinds = "expected one of openai, anthropic, openai-compatible, pretend";
    let reference =
        "expected a reference: \"env:NAME\", \"file:PATH\" or \"vault:MOUNT/PATH#FIELD\"";
    check(
        &provider(
            "name = \"a\"\nkind = \"openia\"\nkeys = [{ name = \"k\", secret = \"env:KEY\" }]",
        ),
        &[&format!(
            "f.toml:3:8: provider[0].kind: \"openia\" is unknown, {kinds}, did you mean `openai`?"
        )],
    );
    check(&provider("name = \"a\""), &[&format!("f.toml:1:1: provider[0].kind: missing, {kinds}")]);
    check(
        &provider("name = \"a b\"\nkind = \"pretend\"\nkeys = [{ name = \"k\" }]"),
        &["f.toml:2:8: provider[0].name: \"a b\" is none, expected 1 to 100 letters, digits and \
            - _ ."],
    );
    check(
        &provider("name = \"a\"\nkind = \"openai\""),
        &["f.toml:1:1: provider[0].keys: no keys, expected at least one { name, secret }"],
    );
    check(
        &provider("name = \"a\"\nkind = \"openai\"\nkeys = [{ name = \"k\" }]"),
        &[&format!("f.toml:4:9: provider[0].keys[0].secret: missing, {reference}")],
    );
    check(
        &provider("name = \"a\"\nkind = \"openai-compatible\""),
        &["f.toml:1:1: provider[0].base_url: missing, expected the address of the \
            openai-compatible \
         service"],
    );
    check(
        &provider("name = \"a\"\nkind = \"openai-compatible\"\nbase_url = \"localhost:1\""),
        &["f.toml:4:12: provider[0].base_url: \"localhost:1\" is none, expected a URL such as \
         \"https://api.openai.com/v1\""],
    );
    check(
        &provider(
            "name = \"a\"\nkind = \"openai-compatible\"\nbase_url = \"http://u:canary@h/v1\"",
        ),
        &["f.toml:4:12: provider[0].base_url: holds a user name or password (not shown), \
            expected \
           a URL such as \"https://api.openai.com/v1\""],
    );
    check(
        &provider(
            "name = \"a\"\nkind = \"pretend\"\nbase_url = \"http://h\"\nkeys = [{ name = \"k\", \
            secret = \"env:KEY\" }]",
        ),
        &[
            "f.toml:4:12: provider[0].base_url: a pretend provider has no address",
            "f.toml:5:32: provider[0].keys[0].secret: a pretend provider needs no secret",
        ],
    );
}

#[test]
fn a_secret_comes_by_reference_only() {
    let key = |secret: &str| {
        provider(&format!(
            "name = \"a\"\nkind = \"openai\"\nkeys = [{{ name = \"k\", secret = \"{secret}\" }}]"
        ))
    };
    let at = "f.toml:4:32: provider[0].keys[0].secret:";
    let reference =
        "expected a reference: \"env:NAME\", \"file:PATH\" or \"vault:MOUNT/PATH#FIELD\"";
    check(
        &key("sk-canary-literal"),
        &[&format!("{at} is a secret in plain text (not shown), {reference}")],
    );
    check(
        &key("env:sk-canary"),
        &[&format!("{at} is not the name of an environment variable, {reference}")],
    );
    check(
        &key("env:OTHR_KEY"),
        &[&format!(
            "{at} the environment variable OTHR_KEY is not set, did you mean `env:OTHER_KEY`?"
        )],
    );
    check(
        &key("file:/does/not/exist"),
        &[&format!(
            "{at} the secret file /does/not/exist cannot be read: No such file or directory \
                  (os error 2)"
        )],
    );
    check(&key("env:KEY"), &[]);
}

#[test]
fn names_are_unique_where_they_must_be() {
    let twice = GOOD.replace(
        "[[model]]",
        "[[provider]]\nname = \"a\"\nkind = \"pretend\"\nkeys = [{ name = \"k\" }]\n[[model]]",
    );
    check(
        &twice,
        &["f.toml:8:8: provider[1].name: \"a\" is there already, expected each provider under a \
            name \
         of its own"],
    );
    check(
        &provider("name = \"a\"\nkind = \"pretend\"\nkeys = [{ name = \"k\" }, { name = \"k\" }]"),
        &["f.toml:4:34: provider[0].keys[1].name: \"k\" is there already, expected each key \
            under a \
         name of its own"],
    );
    check(
        &format!("{GOOD}[[model]]\nname = \"fast\"\ntargets = [\"a/gpt\"]\n"),
        &["f.toml:11:8: model[1].name: \"fast\" is there already, expected each model under a \
            name of \
         its own"],
    );
    check(
        &GOOD.replace("[\"a/gpt\"]", "[\"a/gpt\", \"a/gpt\"]"),
        &["f.toml:9:21: model[0].targets[1]: \"a/gpt\" is there already"],
    );
}

#[test]
fn targets_point_to_providers() {
    check(
        &GOOD.replace("a/gpt", "opena/gpt").replace("name = \"a\"", "name = \"openai\""),
        &["f.toml:9:12: model[0].targets[0]: \"opena\" is no provider, expected one of openai, \
            did \
         you mean `openai`?"],
    );
    check(
        &GOOD.replace("\"a/gpt\"", "\"gpt\""),
        &["f.toml:9:12: model[0].targets[0]: \"gpt\" is none, expected \"PROVIDER/MODEL\""],
    );
    check(
        &GOOD.replace("[\"a/gpt\"]", "[]"),
        &["f.toml:9:11: model[0].targets: no targets, expected at least one \"PROVIDER/MODEL\""],
    );
}

#[test]
fn an_empty_file_lacks_providers_and_models() {
    check(
        "",
        &[
            "f.toml:1:1: provider: no provider, expected at least one [[provider]]",
            "f.toml:1:1: model: no model, expected at least one [[model]] for clients to ask for",
        ],
    );
}

#[test]
fn all_mistakes_of_a_file_come_in_one_run() {
    let text = "[breaker]\njitter = 2\nwindow = 1\n[timeouts]\ntotl = \"1s\"\n[[provider]]\nkind \
    = \"x\"\n[[model]]\nname = \"\"\n";
    let said = parse(text).unwrap_err();
    let keys: Vec<&str> = said.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(
        keys,
        [
            "breaker.jitter",
            "breaker.window",
            "timeouts.totl",
            "provider[0].name",
            "provider[0].kind",
            "model[0].targets",
            "model[0].name",
        ]
    );
}

#[test]
fn a_broken_syntax_is_told_with_what_is_wrong_elsewhere() {
    let said = parse(&format!("[breaker]\njitter = 2\nwindow = \n{GOOD}")).unwrap_err();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("f.toml:2:10: breaker.jitter: 2 is out of range"), "{said}");
    assert!(lines[1].starts_with("f.toml:3:"), "{said}");
    assert!(lines[1].contains("not TOML"), "{said}");
    assert!(parse("[[provider]\n").unwrap_err().contains("not TOML"));
    assert!(parse("a = 1\na = 2\n").unwrap_err().contains("duplicate key"));
}

#[test]
fn columns_count_characters() {
    with(
        "[server]\nallowed_hosts = [\"\u{e4}\u{f6}\", 3]\n",
        &[
            "f.toml:2:18: server.allowed_hosts[0]: \"\u{e4}\u{f6}\" is none, expected a host name \
            such as \
         \"gateway.example.com\"",
            "f.toml:2:24: server.allowed_hosts[1]: is an integer, expected a host name such as \
         \"gateway.example.com\"",
        ],
    );
}

#[test]
fn beyond_loopback_needs_tokens() {
    let admin =
        "expected `server.admin_token` to be set, so that not everybody can drive the panel";
    let clients = "expected `server.client_keys` to be set, so that not everybody can spend the \
                   providers' money";
    let at = "f.toml:2:10: server.listen: 0.0.0.0:80 is beyond loopback,";
    with(
        "[server]\nlisten = \"0.0.0.0:80\"\n",
        &[&format!("{at} {admin}"), &format!("{at} {clients}")],
    );
    with(
        "[server]\nlisten = \"0.0.0.0:80\"\nadmin_token = \"env:KEY\"\nclient_keys = []\n",
        &[&format!("{at} {clients}")],
    );
    with(
        "[server]\nlisten = \"0.0.0.0:80\"\nadmin_token = \"env:KEY\"\nclient_keys = \
        [\"env:OTHER_KEY\"]\n",
        &[],
    );
    with("[server]\nlisten = \"[::1]:80\"\n", &[]);
    let by_option = config::parse(GOOD, Source::BuiltIn, Some("0.0.0.0:80"), &env())
        .map_err(|e| e.to_string())
        .unwrap_err();
    assert_eq!(
        by_option,
        format!(
            "built-in: --listen: 0.0.0.0:80 is beyond loopback, {admin}\n\
         built-in: --listen: 0.0.0.0:80 is beyond loopback, {clients}"
        )
    );
}

#[test]
fn what_is_written_is_what_holds() {
    let text = "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 7\nstop_within = \"1s\"\n\
                [gateway]\nmax_body_bytes = \"2KiB\"\nwait_up_to = \"3s\"\nresend_share = 1\n\
                [breaker]\nfailure_threshold = 2\nhalf_open_max_calls = 3\n\
                [timeouts]\nconnect = \"1s\"\nidle = \"5s\"\n\
                [[provider]]\nname = \"a\"\nkind = \"openai\"\nkeys = [{ name = \"one\", secret = \
                \"env:KEY\", weight = 3, quota_group = \"g\" }]\n\
                breaker = { half_open_max_calls = 5 }\ntimeouts = { idle = \"9s\" }\n\
                [[model]]\nname = \"fast\"\ntargets = [\"a/org/gpt:free\"]\n";
    let config = parse(text).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.server.max_connections, 7);
    assert_eq!(config.server.stop_within.as_secs(), 1);
    assert_eq!(config.llm.limits.max_body_bytes, 2048);
    assert_eq!(config.llm.limits.resend_share, 1.0);
    assert_eq!(config.llm.wait_up_to.unwrap().as_secs(), 3);
    assert_eq!(config.llm.breaker.failure_threshold(), 2);
    let provider = &config.llm.providers[0];
    assert_eq!(provider.base_url, "https://api.openai.com/v1");
    let own = provider.breaker.as_ref().unwrap();
    assert_eq!((own.failure_threshold(), own.half_open_max_calls()), (2, 5));
    let timeouts = provider.timeouts.unwrap();
    assert_eq!((timeouts.idle.as_secs(), timeouts.connect.as_secs()), (9, 1));
    assert_eq!((provider.keys[0].weight, provider.keys[0].quota_group.as_deref()), (3, Some("g")));
    assert_eq!(config.llm.models[0].targets[0].model, "org/gpt:free");
    assert!(!format!("{config:?}").contains("canary"), "Debug shows a secret");
}

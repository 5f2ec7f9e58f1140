//! Is every mistake told with its line, its key, and what would be right?

use panelboard_lab::Scenario;

const GOOD: &str = r#"[run]
lasts = "2m"
[[service]]
name = "a"
servers = 4
queue = 50
latency = { kind = "exponential", mean = "50ms" }
[[service.episode]]
kind = "crash"
at = "30s"
lasts = "10s"
[[caller]]
name = "app"
calls = ["a"]
rate = 20
[[policy]]
name = "x"
failure_threshold = 3
"#;

/// What is said of the good text with one part replaced.
fn said(part: &str, by: &str) -> String {
    assert!(GOOD.contains(part), "{part:?} is not in the good text");
    match Scenario::from_toml("s.toml", &GOOD.replacen(part, by, 1)) {
        Ok(_) => "accepted".to_owned(),
        Err(said) => said.to_string(),
    }
}

#[test]
fn the_good_text_is_good() {
    Scenario::from_toml("s.toml", GOOD).unwrap();
}

#[test]
fn each_mistake_is_told_with_its_place_and_what_would_be_right() {
    let rows: &[(&str, &str, &str)] = &[
        // Names that nobody knows.
        (
            "[run]",
            "[runs]\n[run]",
            "1:2: runs: unknown section, expected one of title, teaches, run, \
          service, caller, policy, did you mean `run`?",
        ),
        (
            "lasts = \"2m\"",
            "last = 1\nlasts = \"2m\"",
            "2:1: run.last: unknown field, expected one of \
          lasts, warm_up, bucket, seeds, seed, confidence, baseline, metastable_after, did you \
          mean `lasts`?",
        ),
        (
            "failure_threshold",
            "failure_treshold",
            "18:1: policy[0].failure_treshold: unknown field, \
          expected one of name, failure_threshold, failure_rate, slow_call_rate, slow_call, \
          count_slow_in_flight, window, window_calls, minimum_calls, combine, adaptive_k, \
          recovery_timeout, max_recovery_timeout, backoff_factor, backoff_reset, jitter, \
          half_open_max_calls, success_threshold, half_open_failure_rate, probe_timeout, ramp, did \
          you mean `failure_threshold`?",
        ),
        (
            "kind = \"crash\"",
            "kind = \"crsh\"",
            "9:8: service[0].episode[0].kind: \"crsh\" is unknown, \
          expected one of errors, hangs, slow, loss, capacity, rate-limit, crash, did you mean \
          `crash`?",
        ),
        (
            "calls = [\"a\"]",
            "calls = [\"a\", \"b\"]",
            "14:15: caller[0].calls[1]: \"b\" is no service, \
          expected one of a",
        ),
        // Values of a wrong kind, and out of range.
        (
            "lasts = \"2m\"",
            "lasts = 120",
            "2:9: run.lasts: is an integer, expected a duration such as \
          \"30s\", from \"1s\" to \"1day\"",
        ),
        (
            "lasts = \"2m\"",
            "lasts = \"soon\"",
            "2:9: run.lasts: \"soon\" is no duration, expected a \
          duration such as \"30s\", from \"1s\" to \"1day\"",
        ),
        (
            "lasts = \"2m\"",
            "lasts = \"2m\"\nmetastable_after = \"1ms\"",
            "3:20: run.metastable_after: \
          \"1ms\" is out of range, expected a duration such as \"30s\", from \"1s\" to \"1day\"",
        ),
        (
            "servers = 4",
            "servers = 0",
            "5:11: service[0].servers: 0 is out of range, expected an \
          integer from 1 to 100000",
        ),
        (
            "servers = 4",
            "servers = 4.5",
            "5:11: service[0].servers: is a number with a fraction, \
          expected an integer from 1 to 100000",
        ),
        (
            "rate = 20",
            "rate = nan",
            "15:8: caller[0].rate: NaN is out of range, expected a number from \
          0.001 to 1000000",
        ),
        (
            "rate = 20",
            "rate = -1",
            "15:8: caller[0].rate: -1 is out of range, expected a number from \
          0.001 to 1000000",
        ),
        (
            "rate = 20",
            "rate = \"fast\"",
            "15:8: caller[0].rate: is a string, expected a number from \
          0.001 to 1000000",
        ),
        (
            "name = \"app\"",
            "name = \"a b\"",
            "13:8: caller[0].name: \"a b\" is none, expected 1 to 40 \
          letters, digits and - _ .",
        ),
        (
            "[run]",
            "title = \"\"\n[run]",
            "1:9: title: \"\" is none, expected 1 to 500 characters on one \
          line",
        ),
        (
            "rate = 20",
            "rate = 20\nshared_breaker = 1",
            "16:18: caller[0].shared_breaker: is an \
          integer, expected true or false",
        ),
        (
            "calls = [\"a\"]",
            "calls = []",
            "14:9: caller[0].calls: holds 0, expected an array of 1 to 8, \
          each 1 to 40 letters, digits and - _ .",
        ),
        (
            "calls = [\"a\"]",
            "calls = \"a\"",
            "14:9: caller[0].calls: is a string, expected an array of \
          1 to 8, each 1 to 40 letters, digits and - _ .",
        ),
        ("[[policy]]", "[policy]", "16:1: policy: is a table, expected 1 to 16 tables"),
        // What is missing.
        (
            "rate = 20\n",
            "",
            "12:1: caller[0].rate: missing, expected a number from 0.001 to 1000000",
        ),
        (
            "at = \"30s\"\n",
            "",
            "8:1: service[0].episode[0].at: missing, expected a duration such as \
          \"30s\", from \"0s\" to \"1day\"",
        ),
        (
            ", mean = \"50ms\"",
            "",
            "7:11: service[0].latency.mean: missing, expected this key, since the kind \
          is exponential",
        ),
        // What takes two values to see.
        (
            ", mean = \"50ms\"",
            ", mean = \"50ms\", p99 = \"1s\"",
            "7:56: service[0].latency.p99: is no \
          key of the kind exponential, expected one of kind, mean",
        ),
        (
            "\"exponential\", mean = \"50ms\"",
            "\"uniform\", min = \"2s\", max = \"1s\"",
            "7:49: \
          service[0].latency.max: is too low, expected more than `min`",
        ),
        (
            "\"exponential\", mean = \"50ms\"",
            "\"lognormal\", median = \"2s\", p99 = \"2s\"",
            "7:54: \
          service[0].latency.p99: is too low, expected more than `median`",
        ),
        (
            "lasts = \"10s\"",
            "lasts = \"10s\"\nfactor = 3",
            "12:10: service[0].episode[0].factor: is no \
          key of the kind crash, expected one of kind, warm_up, cold_share, collapse_queue, \
          collapse_down",
        ),
        (
            "kind = \"crash\"",
            "kind = \"slow\"",
            "8:1: service[0].episode[0].factor: missing, expected \
          this key, since the kind is slow",
        ),
        (
            "at = \"30s\"",
            "at = \"2m\"",
            "10:6: service[0].episode[0].at: begins after the run has \
          ended, expected from `run.warm_up` to before `run.lasts`",
        ),
        (
            "lasts = \"2m\"",
            "lasts = \"2m\"\nwarm_up = \"40s\"",
            "11:6: service[0].episode[0].at: begins \
          in the warm-up, which is not measured, expected from `run.warm_up` to before `run.lasts`",
        ),
        (
            "lasts = \"2m\"",
            "lasts = \"2m\"\nbucket = \"10ms\"",
            "3:10: run.bucket: cuts the run into \
          12000 buckets, expected at most 10000: a longer bucket",
        ),
        (
            "lasts = \"10s\"",
            "lasts = \"10s\"\ncollapse_queue = 51",
            "12:18: \
          service[0].episode[0].collapse_queue: is more than may wait, expected at most the \
          service's `queue`",
        ),
        (
            "servers = 4\n",
            "",
            "5:9: service[0].queue: says how many calls wait for a server, and there \
          is no limit of servers, expected `servers` beside it",
        ),
        (
            "calls = [\"a\"]",
            "calls = [\"a\", \"a\"]",
            "14:15: caller[0].calls[1]: \"a\" is there \
          already, expected each service once",
        ),
        (
            "[[policy]]",
            "[[policy]]\nname = \"x\"\n[[policy]]",
            "19:8: policy[1].name: \"x\" is there \
          already, expected each policy under a name of its own",
        ),
        (
            "name = \"x\"",
            "name = \"none\"",
            "18:21: policy[0].failure_threshold: is a setting of a \
          breaker, and `none` has no breaker, expected no other key beside the name, or another \
          name",
        ),
        (
            "failure_threshold = 3",
            "max_recovery_timeout = \"1s\"",
            "18:24: \
          policy[0].max_recovery_timeout: 1s is out of range, expected recovery_timeout to 4.3 \
          years",
        ),
        (
            "failure_threshold = 3",
            "failure_threshold = 3\nadaptive_k = 2",
            "19:14: \
          policy[0].adaptive_k: stands beside another policy, expected adaptive alone: it never \
          trips, so there is nothing to combine",
        ),
        (
            "failure_threshold = 3",
            "failure_rate = 0.5\nwindow_calls = 9\nminimum_calls = 10",
            "20:17: \
          policy[0].minimum_calls: 10 is out of range, expected at most the window's calls",
        ),
        (
            "rate = 20",
            "rate = 20\nbackoff = \"1m\"",
            "16:11: caller[0].backoff: leaves no room between \
          the first pause and the longest, expected a `max_backoff` of at least `backoff`",
        ),
        // What would take too long, or too much memory.
        (
            "rate = 20",
            "rate = 1000000",
            "15:8: caller[0].rate: makes 120000000 requests of one run, \
          expected at most 100000000: a lower rate or a shorter run",
        ),
        (
            "rate = 20",
            "retries = 100\nmax_in_flight = 1\nrate = 500000",
            "15:11: caller[0].retries: makes 6060000000 calls of one run, expected at most \
          1000000000: fewer retries or a shorter run",
        ),
        (
            "rate = 20",
            "rate = 500000",
            "15:8: caller[0].rate: may have 15000000 requests in hand at \
          once, expected at most 4000000: a lower rate, a shorter time-out, fewer retries or \
          `max_in_flight`",
        ),
    ];
    let told = rows.iter().map(|(part, by, says)| (said(part, by), format!("s.toml:{says}")));
    let wrong: Vec<_> = told.filter(|(said, says)| said != says).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_number_that_fits_no_type_is_refused() {
    let text = GOOD.replace("servers = 4", "servers = 99999999999999999999");
    let said = Scenario::from_toml("s.toml", &text).unwrap_err().to_string();
    assert!(said.starts_with("s.toml:5:11: "), "{said}");
}

#[test]
fn too_many_breakers_are_refused() {
    let callers: String = (0..11)
        .map(|i| format!("[[caller]]\nname = \"c{i}\"\ncalls = [\"a\"]\nrate = 1\nnodes = 10000\n"))
        .collect();
    let said = Scenario::from_toml("s.toml", &format!("{GOOD}{callers}")).unwrap_err().to_string();
    let says = "caller[10].nodes: needs 100001 breakers, with those of the callers before it, \
                expected at most 100000: fewer nodes, or `shared_breaker`";
    assert!(said.ends_with(says), "{said}");
}

#[test]
fn all_mistakes_of_a_text_come_in_one_run() {
    let text = "[run]\nlasts = 1\nseeds = 0\n[[service]]\nname = \"\"\n[[caller]]\nrate = 0\n";
    let said = Scenario::from_toml("s.toml", text).unwrap_err();
    let keys: Vec<(usize, &str)> = said.each().iter().map(|m| (m.line, m.key.as_str())).collect();
    assert_eq!(
        keys,
        [
            (2, "run.lasts"),
            (3, "run.seeds"),
            (4, "service[0].latency"),
            (5, "service[0].name"),
            (6, "caller[0].name"),
            (6, "caller[0].calls"),
            (7, "caller[0].rate"),
        ]
    );
}

#[test]
fn a_text_that_is_not_toml_is_told_where() {
    let said = Scenario::from_toml("s.toml", "[run]\nlasts = \n").unwrap_err().to_string();
    assert!(said.starts_with("s.toml:2:"), "{said}");
    assert!(said.contains("not TOML: "), "{said}");
    let twice = Scenario::from_toml("s.toml", "[run]\na = 1\na = 2\n").unwrap_err().to_string();
    assert!(twice.starts_with("s.toml:3:1: not TOML: duplicate key"), "{twice}");
}

const JSON: &str = r#"{
  "run": { "lasts": "2m" },
  "service": [{ "name": "a", "latency": { "kind": "constant", "mean": "5ms" } }],
  "caller": [{ "name": "app", "calls": ["a"], "rate": 20 }]
}"#;

#[test]
fn json_takes_the_same_way() {
    Scenario::from_json("s.json", JSON).unwrap();
    let rows = [
        (
            "\"rate\": 20",
            "\"rate\": 1e9",
            "4:55: caller[0].rate: 1000000000 is out of range, \
          expected a number from 0.001 to 1000000",
        ),
        (
            "\"rate\": 20",
            "\"rate\": null",
            "4:55: caller[0].rate: is null, expected a number from \
          0.001 to 1000000",
        ),
        ("\"rate\": 20", "\"rate\": 20, \"rate\": 30", "4:59: caller[0].rate: duplicate key"),
        ("\"rate\": 20", "\"rat\": 20", "4:14: "),
        ("\"2m\" }", "\"2m\", }", "2:"),
        ("{\n", "{ // why\n", "1:"),
    ];
    for (part, by, says) in rows {
        let said = Scenario::from_json("s.json", &JSON.replacen(part, by, 1)).unwrap_err();
        let said = said.to_string();
        match says.ends_with([':', ' ']) {
            true => assert!(said.starts_with(&format!("s.json:{says}")), "{said}"),
            false => assert_eq!(said, format!("s.json:{says}")),
        }
    }
    for text in ["", "[]", "3", "{}"] {
        assert!(Scenario::from_json("s.json", text).is_err(), "{text:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Scenario::from_json("s.json", &deep).is_err());
    assert!(Scenario::from_toml("s.toml", &format!("a = {deep}")).is_err());
}

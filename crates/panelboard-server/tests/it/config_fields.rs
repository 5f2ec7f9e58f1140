//! Do the table of fields, the schema and what is built from them agree?

use panelboard_server::config::{self, Environment, Source};
use serde_json::Value;

const REST: &str = r#"
[[provider]]
name = "a"
kind = "openai-compatible"
base_url = "http://127.0.0.1:1/v1"
keys = [{ name = "one", secret = "env:KEY" }]

[[model]]
name = "fast"
targets = ["a/gpt"]
"#;

/// What a text means, as one string; the window of a rate shows in the engine's own `Debug`.
fn meaning(text: &str) -> String {
    let env = Environment::empty().with("KEY", "sk-1").with("OTHER", "sk-2");
    match config::parse(text, Source::BuiltIn, None, &env) {
        Ok(mut config) => {
            // Of a breaker it counts what the engine is told, not what was written.
            config.breakers = config::Breakers::default();
            format!("{config:?}")
        }
        Err(wrong) => panic!("{wrong}\n{text}"),
    }
}

/// The section's begin, with what it can't be without.
fn head(section: &str, field: &str) -> String {
    let lines = match (section, field) {
        ("vault", "approle_mount") => format!("{VAULT}{APP_ROLE}"),
        ("vault", _) => format!("{VAULT}token = \"env:KEY\"\n"),
        _ => String::new(),
    };
    format!("[{section}]\n{lines}")
}

const VAULT: &str = "address = \"http://h:1\"\n";
/// An authority that nobody trusts, good for a hundred years; its key is gone.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUNdQtqIIgODL9gmT2tDUTDqhzP8MwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjgyMjE1NTBaGA8yMTI2MTEwNDIyMTU1
MFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJDf
jl/5yID32EpTrjALdngzomlVVuDmallyU9PulGt6pnELvKee2d6ooKCX+QCzrdAq
bRERQvqw62XHNL3SpnWjUzBRMB0GA1UdDgQWBBQHvSXJtO2+2fksIpYptybvq7SP
lTAfBgNVHSMEGDAWgBQHvSXJtO2+2fksIpYptybvq7SPlTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIGhdEyDO3gBBi2QhOEMeXWeVukd6iRt5XqVB
DCT1VubXAiA8NCZykgK4u/BMg9BmSEAG2Em0vH2AcK26uu2sB+9LdA==
-----END CERTIFICATE-----
";
const APP_ROLE: &str = "role_id = \"env:KEY\"\nsecret_id = \"env:KEY\"\n";

/// A value that the schema allows and that is not the default.
fn other_value(name: &str, field: &Value) -> String {
    match name {
        // May not be above its neighbour.
        "recovery_timeout" => return "\"7s\"".to_owned(),
        "listen" => return "\"127.0.0.1:9\"".to_owned(),
        "allowed_hosts" => return "[\"example.com\"]".to_owned(),
        "allowed_origins" => return "[\"https://example.com\"]".to_owned(),
        "path" => return "\":memory:\"".to_owned(),
        "on_conflict" => return "\"steer\"".to_owned(),
        "combine" => return "\"all\"".to_owned(),
        "exclusive" => return "\"logical\"".to_owned(),
        "fan_out" => return "\"sequence\"".to_owned(),
        "redact_names" | "redact_patterns" => return "[\"iban\"]".to_owned(),
        // No longer than a minute, or five.
        "timeout" | "queue_timeout" | "backoff" | "max_backoff" => return "\"7s\"".to_owned(),
        "approle_mount" | "namespace" => return "\"team\"".to_owned(),
        "mount_breakers" => return "[\"kv\"]".to_owned(),
        "client_keys" => return "[\"env:KEY\"]".to_owned(),
        "admin_token" => return "\"env:KEY\"".to_owned(),
        _ => {}
    }
    let number = field["anyOf"].get(0).unwrap_or(field);
    match number["type"].as_str() {
        Some("integer") => (number["minimum"].as_u64().unwrap().max(8) + 1).to_string(),
        Some("number") => {
            let (min, max) =
                (number["minimum"].as_f64().unwrap(), number["maximum"].as_f64().unwrap());
            format!("{:?}", (min + max.min(10.0)) / 2.0 + 0.015)
        }
        Some("string") => "\"6m 7s\"".to_owned(),
        Some("boolean") => (field["default"] != true).to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_field_changes_the_outcome() {
    let schema = config::schema();
    let mut seen = 0;
    for (section, table) in schema["properties"].as_object().unwrap() {
        if table["type"] != "object" {
            continue;
        }
        for (name, field) in table["properties"].as_object().unwrap() {
            // Without these there is no section: the next test has them.
            let needed = ["address", "token", "role_id", "secret_id", "ca_file"];
            if section == "vault" && needed.contains(&name.as_str()) {
                continue;
            }
            // These say nothing without a rate.
            let rate = match name.as_str() {
                "window" | "window_calls" | "minimum_calls" => "failure_rate = 0.4\n",
                "slow_call" | "count_slow_in_flight" => "slow_call_rate = 0.4\n",
                "half_open_failure_rate" => "half_open_max_calls = 10\n",
                "combine" => "failure_rate = 0.4\nfailure_threshold = 3\n",
                _ => "",
            };
            let head = head(section, name) + rate;
            let value = other_value(name, field);
            let (without, with) =
                (format!("{head}{REST}"), format!("{head}{name} = {value}\n{REST}"));
            assert_ne!(
                meaning(&without),
                meaning(&with),
                "{section}.{name} = {value} does nothing"
            );
            seen += 1;
        }
    }
    assert!(seen > 35, "{seen} fields");
}

#[test]
fn every_field_of_a_vault_makes_it_another() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, CA).unwrap();
    let token = "token = \"env:KEY\"\n";
    let texts = [
        format!("{VAULT}{token}"),
        format!("address = \"http://h:2\"\n{token}"),
        format!("{VAULT}token = \"env:OTHER\"\n"),
        format!("{VAULT}{token}ca_file = {ca:?}\n"),
        format!("{VAULT}{APP_ROLE}"),
        format!("{VAULT}{}", APP_ROLE.replacen("KEY", "OTHER", 1)),
        format!("{VAULT}role_id = \"env:KEY\"\nsecret_id = \"env:OTHER\"\n"),
    ];
    let meanings: std::collections::HashSet<String> =
        texts.iter().map(|text| meaning(&format!("[vault]\n{text}{REST}"))).collect();
    assert_eq!(meanings.len(), texts.len());
    assert!(!meanings.iter().any(|text| text.contains("sk-")), "a secret shows");
}

#[test]
fn every_default_is_the_value_that_holds() {
    let schema = config::schema();
    for (section, table) in schema["properties"].as_object().unwrap() {
        for (name, field) in table["properties"].as_object().into_iter().flatten() {
            if let Some(default) = field.get("default") {
                let head = head(section, name);
                let without = if section == "vault" { head.clone() } else { String::new() };
                let with = format!("{head}{name} = {default}\n{REST}");
                let same = meaning(&(without + REST)) == meaning(&with);
                assert!(same, "{section}.{name} = {default} is not the default");
            }
        }
    }
}

#[test]
fn the_schema_knows_the_fields_of_providers_and_models() {
    let schema = config::schema();
    let provider = &schema["properties"]["provider"]["items"];
    assert_eq!(provider["required"], serde_json::json!(["name", "kind"]));
    assert_eq!(provider["additionalProperties"], false);
    assert!(provider["properties"]["keys"]["items"]["properties"]["quota_group"].is_object());
    let kinds = &provider["properties"]["kind"]["enum"];
    assert_eq!(kinds.as_array().unwrap().len(), 4);
}

/// The files of the package, for people and their editors.
const EXAMPLE: &str = include_str!("../../panelboard.example.toml");
const SCHEMA: &str = include_str!("../../panelboard.schema.json");

#[test]
fn the_schema_in_the_package_is_the_one_that_holds() {
    let file: Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(file, config::schema(), "write it anew: panelboard check --schema");
}

#[test]
fn the_example_is_right_and_knows_every_field() {
    let variables = [
        "PANELBOARD_ADMIN_TOKEN",
        "APP_KEY",
        "OPENAI_KEY_A",
        "OPENAI_KEY_B",
        "ANTHROPIC_API_KEY",
        "VAULT_ROLE_ID",
        "VAULT_SECRET_ID",
        "LOG_TEAM",
        "LOG_TOKEN",
        "LOKI_PASSWORD",
    ];
    let env =
        variables.into_iter().fold(Environment::empty(), |env, name| env.with(name, "secret-1"));
    for text in [EXAMPLE.to_owned(), uncommented()] {
        if let Err(wrong) = config::parse(&text, Source::BuiltIn, None, &env) {
            panic!("{wrong}\n{text}");
        }
    }
    let known = |name: &str| {
        uncommented().lines().any(|line| {
            let line = line.trim_start_matches(['[', '{', ' ']);
            line.starts_with(name) || line.contains(&format!(" {name} = "))
        })
    };
    let mut names = Vec::new();
    collect(&config::schema(), &mut names);
    for name in names {
        assert!(known(&name), "`{name}` is not in the example");
    }
}

/// The example with every field that it shows as a comment.
fn uncommented() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("#") {
        Some(field) if field.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => field,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn collect(schema: &Value, names: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        names.push(name.clone());
        collect(field, names);
        collect(&field["items"], names);
    }
}

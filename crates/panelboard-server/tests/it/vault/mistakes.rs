//! What does the check say to each mistake around a Vault?

use panelboard_server::config::{self, Environment, Source};

/// A file with a key from a Vault; its section comes first.
fn file(section: &str, secret: &str) -> String {
    format!(
        "{section}\n[[provider]]\nname = \"a\"\nkind = \"openai\"\nkeys = [{{ name = \"k\", \
         secret = \"{secret}\" }}]\n[[model]]\nname = \"fast\"\ntargets = [\"a/gpt\"]\n"
    )
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let env = Environment::empty()
        .with("TOKEN", "hvs.canary")
        .with("ROLE", "canary-role")
        .with("BAD", "canary with a space");
    let said = config::parse(text, Source::File("f.toml".into()), None, &env);
    let said = said.err().map(|wrong| wrong.to_string()).unwrap_or_default();
    assert!(!said.contains("canary"), "a secret is shown: {said}");
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "for:\n{text}");
}

/// For lines in the section `[vault]`, the third line of the file and on.
#[track_caller]
fn in_section(lines: &str, expected: &[&str]) {
    let section = format!("[vault]\naddress = \"http://127.0.0.1:8200\"\n{lines}");
    check(&file(&section, "vault:secret/llm#openai"), expected);
}

const TOKEN: &str = "token = \"env:TOKEN\"\n";
const AT_HAND: &str = "expected a reference: \"env:NAME\" or \"file:PATH\"";

#[test]
fn a_reference_is_well_formed_and_there_is_a_vault() {
    let of = |secret: &str, wrong: &str| {
        let section = format!("[vault]\naddress = \"http://127.0.0.1:8200\"\n{TOKEN}");
        let expected = "expected a reference: \"env:NAME\", \"file:PATH\" or \
                        \"vault:MOUNT/PATH#FIELD\"";
        let at = "f.toml:8:32: provider[0].keys[0].secret: is a vault: reference, the";
        let line = format!("{at} {wrong}, {expected}");
        check(&file(&section, secret), &if wrong.is_empty() { vec![] } else { vec![&*line] });
    };
    of("vault:secret/team/llm#api_key", "");
    of("vault:canary/llm", "field is missing");
    of("vault:canary/llm#", "field is empty");
    of("vault:canary#x", "path is missing");
    of("vault:/canary#x", "mount is empty");
    of("vault:canary/#x", "path is empty");
    of("vault:secret/canary/../x#y", "path has a part that is `.` or `..`");
    of("vault:secret//canary#y", "path has an empty part: a slash at an end, or two in a row");
    check(
        &file("", "vault:secret/llm#canary"),
        &["f.toml:5:32: provider[0].keys[0].secret: is a vault: reference, and there is no \
           section [vault], expected [vault] with the server's address and how to log in"],
    );
}

#[test]
fn what_must_be_at_hand_comes_from_no_vault() {
    let wrong = "is a vault: reference, which only a provider's key may be";
    let server = "[server]\nadmin_token = \"vault:secret/a#b\"\nclient_keys = \
                  [\"vault:secret/a#c\"]\n[vault]\naddress = \"http://127.0.0.1:8200\"\ntoken = \
                  \"vault:secret/a#d\"\n";
    check(
        &file(server, "vault:secret/llm#openai"),
        &[
            &format!("f.toml:2:15: server.admin_token: {wrong}, {AT_HAND}"),
            &format!("f.toml:3:16: server.client_keys[0]: {wrong}, {AT_HAND}"),
            &format!("f.toml:6:9: vault.token: {wrong}, {AT_HAND}"),
        ],
    );
}

#[test]
fn there_is_one_way_to_log_in() {
    in_section(
        "",
        &["f.toml:1:1: vault.token: missing, expected `token`, or `role_id` and `secret_id`, by \
           reference"],
    );
    in_section(
        "role_id = \"env:ROLE\"\n",
        &[&format!("f.toml:1:1: vault.secret_id: missing, {AT_HAND}")],
    );
    in_section(
        "approle_mount = \"team\"\n",
        &[&format!("f.toml:1:1: vault.role_id: missing, {AT_HAND}")],
    );
    let both = format!("{TOKEN}secret_id = \"env:ROLE\"\n");
    in_section(
        &both,
        &["f.toml:4:13: vault.secret_id: is beside a token, expected `token` alone, or `role_id` \
           and `secret_id`"],
    );
    in_section("role_id = \"env:ROLE\"\nsecret_id = \"env:ROLE\"\n", &[]);
    in_section(
        "token = \"env:TOKN\"\n",
        &["f.toml:3:9: vault.token: the environment variable TOKN is not set, did you mean \
           `env:TOKEN`?"],
    );
    in_section(
        "token = \"env:BAD\"\n",
        &["f.toml:3:9: vault.token: is not valid (not shown), expected printable ASCII without \
           spaces, at least one letter"],
    );
    in_section(
        "token = \"hvs.canary\"\n",
        &["f.toml:3:9: vault.token: is a secret in plain text (not shown), expected a reference: \
           \"env:NAME\", \"file:PATH\" or \"vault:MOUNT/PATH#FIELD\""],
    );
}

#[test]
fn values_are_in_range() {
    let rows = [
        (
            "failure_threshold = 21",
            "failure_threshold: 21 is out of range, expected an integer \
          from 1 to 20",
        ),
        (
            "recovery_timeout = \"400s\"",
            "recovery_timeout: \"400s\" is out of range, expected a \
          duration such as \"30s\", from \"1s\" to \"5m\"",
        ),
        (
            "timeout = \"5ms\"",
            "timeout: \"5ms\" is out of range, expected a duration such as \
          \"30s\", from \"10ms\" to \"5m\"",
        ),
        (
            "max_concurrent = 0",
            "max_concurrent: 0 is out of range, expected an integer from 1 to \
          100",
        ),
        (
            "queue_multiplier = 11",
            "queue_multiplier: 11 is out of range, expected an integer from \
          0 to 10",
        ),
        ("jitter = 0.6", "jitter: 0.6 is out of range, expected a number from 0 to 0.5"),
        (
            "refresh = \"50ms\"",
            "refresh: \"50ms\" is out of range, expected a duration such as \
          \"30s\", from \"100ms\" to \"1day\"",
        ),
        (
            "mount_breakers = [\"a/\"]",
            "mount_breakers[0]: \"a/\" is none, expected a path such as \
          \"secret\" or \"team/kv\", without a slash at an end",
        ),
        (
            "namespace = \"/a\"",
            "namespace: \"/a\" is none, expected a path such as \"secret\" or \
          \"team/kv\", without a slash at an end",
        ),
        ("max_backoff = \"1ms\"", "max_backoff: 1ms is out of range, expected backoff to 60 s"),
        (
            "ca_file = \"/no/such\"",
            "ca_file: the file /no/such cannot be read: No such file or \
          directory (os error 2)",
        ),
    ];
    for (line, wrong) in rows {
        let column = line.find('=').unwrap() + 3 + usize::from(line.contains('['));
        in_section(&format!("{TOKEN}{line}\n"), &[&format!("f.toml:4:{column}: vault.{wrong}")]);
    }
    let unknown = format!("{TOKEN}max_retries = 3\n");
    let section = format!("[vault]\naddress = \"http://127.0.0.1:8200\"\n{unknown}");
    let said = config::parse(
        &file(&section, "vault:a/b#c"),
        Source::File("f.toml".into()),
        None,
        &Environment::empty().with("TOKEN", "t"),
    );
    let said = said.unwrap_err().to_string();
    assert!(said.starts_with("f.toml:4:1: vault.max_retries: unknown field, expected one of"));
}

#[test]
fn an_address_is_one() {
    let rows = [
        (
            "127.0.0.1:8200",
            "\"127.0.0.1:8200\" is none, expected a URL such as \
          \"https://api.openai.com/v1\"",
        ),
        (
            "http://u:canary@h",
            "holds a user name or password (not shown), expected a URL such as \
          \"https://api.openai.com/v1\"",
        ),
        (
            "http://h/v1",
            "is not valid (not shown), expected http://HOST:PORT or \
          https://HOST:PORT, without user, path or query",
        ),
    ];
    for (address, wrong) in rows {
        let section = format!("[vault]\naddress = \"{address}\"\n{TOKEN}");
        let line = format!("f.toml:2:11: vault.address: {wrong}");
        check(&file(&section, "vault:secret/llm#openai"), &[&line]);
    }
}

#[test]
fn a_file_of_authorities_holds_some() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, "no certificate").unwrap();
    in_section(
        &format!("{TOKEN}ca_file = {ca:?}\n"),
        &["f.toml:4:11: vault.ca_file: is not valid (not shown), expected at least one \
           certificate as PEM, and nothing that is none"],
    );
}

#[test]
fn the_check_asks_no_vault_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.toml");
    std::fs::write(folder.path().join("token"), "hvs.canary\n").unwrap();
    // Nobody listens there.
    let section = "[vault]\naddress = \"http://127.0.0.1:1\"\ntoken = \"file:token\"\n";
    std::fs::write(&path, file(section, "vault:secret/llm#openai")).unwrap();
    let (code, out, err) = crate::program::run_to_end(&["check", path.to_str().unwrap()]);
    assert_eq!((code, err.as_str()), (0, ""));
    let end = "ok, 1 provider, 1 key, 1 model; the Vault was not asked for the secrets of 1 key\n";
    assert!(out.ends_with(end), "{out}");
}

//! Which settings are refused, and does the refusal name the place?

use std::time::Duration;

use panelboard_llm::{Gateway, Secret, Settings};

use crate::rig::{key, provider, settings};

fn good() -> Settings {
    settings(vec![provider("a", "http://127.0.0.1:1/v1", &["k1"])])
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Settings), text: &str) {
    let mut settings = good();
    change(&mut settings);
    let error = settings.check().expect_err("it must be refused");
    assert_eq!(error.to_string(), text);
    assert_eq!(Gateway::builder(settings).build().expect_err("refused too"), error);
}

#[test]
fn each_mistake_is_named_with_its_place() {
    good().check().expect("good settings");
    refused(
        |s| s.providers.push(provider("a", "http://b", &["k"])),
        r#"provider: found "a", expected each name once"#,
    );
    refused(
        |s| s.providers[0].base_url = "localhost".into(),
        r#"provider "a": base_url: found "localhost", expected http:// or https:// with a host, without user, query or fragment"#,
    );
    refused(
        |s| s.providers[0].keys.clear(),
        r#"provider "a": keys: found none, expected at least one"#,
    );
    refused(
        |s| s.providers[0].keys.push(key("k1")),
        r#"provider "a": key "k1": found a second one of that name, expected each name once"#,
    );
    refused(
        |s| s.providers[0].keys[0].weight = 0,
        r#"provider "a": key "k1": weight: found 0, expected at least 1"#,
    );
    refused(
        |s| s.providers[0].keys[0].name = "a/b".into(),
        "provider \"a\": key \"a/b\": name: found \"a/b\", \
         expected 1 to 100 letters, digits and - _ . : @",
    );
    refused(
        |s| s.providers[0].keys[0].secret = Secret::new("sk-\ncanary".into()),
        r#"provider "a": key "k1": secret: found a line break in it, expected one line of ASCII"#,
    );
    refused(
        |s| s.models[0].targets.clear(),
        r#"model "fast": targets: found none, expected at least one "provider/model""#,
    );
    refused(
        |s| s.models.push(s.models[0].clone()),
        r#"model: found "fast", expected a name, each once"#,
    );
    refused(
        |s| s.timeouts.idle = Duration::ZERO,
        "timeouts: idle: found 0, expected more than nothing",
    );
}

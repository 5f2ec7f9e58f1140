//! Is every setting that is out of its range, or none at all, refused by its name?

use panelboard_vault::{Auth, Config, ConfigBuilder, ConfigError, Secret};

use super::rig::{MS, S, token};

fn builder() -> ConfigBuilder {
    Config::builder("http://127.0.0.1:8200", token())
}

#[test]
fn w16_each_setting_out_of_its_range_is_refused_by_its_name() {
    let b = builder;
    let rows: Vec<(ConfigBuilder, &str)> = vec![
        (b().failure_threshold(0), "failure_threshold is 0, expected 1 to 20"),
        (b().failure_threshold(21), "failure_threshold is 21"),
        (b().recovery_timeout(500 * MS), "recovery_timeout is 500ms, expected 1 s to 300 s"),
        (b().recovery_timeout(400 * S), "recovery_timeout is 400s"),
        (b().half_open_max_calls(0), "half_open_max_calls is 0"),
        (b().half_open_max_calls(11), "half_open_max_calls is 11"),
        (b().max_concurrent(0), "max_concurrent is 0, expected 1 to 100"),
        (b().max_concurrent(101), "max_concurrent is 101"),
        (b().queue_multiplier(11), "queue_multiplier is 11"),
        (b().queue_timeout(MS), "queue_timeout is 1ms"),
        (b().timeout(MS), "timeout is 1ms"),
        (b().timeout(301 * S), "timeout is 301s"),
        (b().max_attempts(0), "max_attempts is 0"),
        (b().max_attempts(11), "max_attempts is 11"),
        (b().backoff(std::time::Duration::ZERO), "backoff is 0ns"),
        (b().max_backoff(MS), "max_backoff is 1ms, expected backoff to 60 s"),
        (b().jitter(0.6), "jitter is 0.6"),
        (b().jitter(f64::NAN), "jitter is NaN"),
        (b().renew_after(1.0), "renew_after is 1.0"),
        (b().cache_ttl(90_000 * S), "cache_ttl is 90000s"),
        (b().stale_for(700_000 * S), "stale_for is 700000s"),
        (b().cache_entries(0), "cache_entries is 0"),
        (b().max_answer_bytes(1), "max_answer_bytes is 1"),
        (b().mount_breakers(vec!["a/".into()]), "mount_breakers is a/"),
        (b().mount_breakers(vec!["a".into(); 65]), "mount_breakers is 65"),
        (b().namespace("a//b"), "namespace is a//b"),
        (b().ca_pem("no certificate"), "ca_pem is not valid"),
    ];
    for (builder, message) in rows {
        let error = builder.build().expect_err(message).to_string();
        assert!(error.starts_with(message), "{error} / {message}");
    }
    assert!(builder().queue_multiplier(0).build().is_ok());
}

#[test]
fn w16_an_unknown_setting_and_a_text_that_is_none_of_its_values_are_refused_by_name() {
    let set = |field: &str, value: &str| builder().set(field, value);
    for (field, value) in [
        ("max_retries", "3"),
        ("Timeout", "3s"),
        ("timeout", "3"),
        ("timeout", "1.5s"),
        ("timeout", "99999999999s"),
        ("timeout", "-1s"),
        ("jitter", "much"),
        ("max_concurrent", "ten"),
        ("", ""),
    ] {
        let ConfigError { field: named, .. } = set(field, value).err().expect(field);
        assert_eq!(named, field);
    }
    // What stands under a wrong name may be a secret.
    let error = set("tokn", "canary-token").err().expect("no such setting");
    assert!(!format!("{error} {error:?}").contains("canary"));
    for (field, value) in [
        ("timeout", "500ms"),
        ("recovery_timeout", "1m"),
        ("stale_for", "2h"),
        ("cache_ttl", "1d"),
        ("mount_breakers", "kv, database"),
        ("namespace", "team/a"),
        ("failure_threshold", "3"),
    ] {
        assert!(set(field, value).and_then(ConfigBuilder::build).is_ok(), "{field}");
    }
}

#[test]
fn w16_a_bad_address_or_secret_is_refused_without_its_value() {
    for address in ["vault.example", "https://u:canary@vault.example", "http://h/v1?canary"] {
        let error = Config::builder(address, token()).build().expect_err(address);
        assert_eq!(error.field, "address");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    for secret in ["", " canary", "canary\n"] {
        let bad = || Secret::new(secret.to_owned());
        let good = || Secret::new("x".to_owned());
        for (auth, field) in [
            (Auth::token(bad()), "token"),
            (Auth::app_role(bad(), good()), "role_id"),
            (Auth::app_role(good(), bad()), "secret_id"),
        ] {
            let error = Config::builder("http://127.0.0.1:1", auth).build().expect_err(field);
            assert_eq!(error.field, field);
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}

//! Is each option in its range?

use std::{fmt, time::Duration};

use super::{Auth, ConfigError, Settings};
use crate::{path, transport};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
const MOUNTS: usize = 64;

pub(super) fn all(s: &Settings) -> Result<(), ConfigError> {
    address(&s.address)?;
    secrets(s)?;
    within("failure_threshold", s.failure_threshold, 1, 20, "1 to 20")?;
    within("recovery_timeout", s.recovery_timeout, SECOND, 300 * SECOND, "1 s to 300 s")?;
    within("half_open_max_calls", s.half_open_max_calls, 1, 10, "1 to 10")?;
    within("mount_breakers", s.mount_breakers.len(), 0, MOUNTS, "up to 64 mounts")?;
    for mount in &s.mount_breakers {
        let expected = "mounts without a slash at an end";
        path::check("mount", mount).map_err(|_| wrong("mount_breakers", mount, expected))?;
    }
    within("max_concurrent", s.max_concurrent, 1, 100, "1 to 100")?;
    within("queue_multiplier", s.queue_multiplier, 0, 10, "0 to 10")?;
    within("queue_timeout", s.queue_timeout, 10 * MS, 300 * SECOND, "10 ms to 300 s")?;
    within("timeout", s.timeout, 10 * MS, 300 * SECOND, "10 ms to 300 s")?;
    within("max_attempts", s.max_attempts, 1, 10, "1 to 10")?;
    within("backoff", s.backoff, MS, 10 * SECOND, "1 ms to 10 s")?;
    within("max_backoff", s.max_backoff, s.backoff, 60 * SECOND, "backoff to 60 s")?;
    within("jitter", s.jitter, 0.0, 0.5, "0 to 0.5")?;
    within("renew_after", s.renew_after, 0.1, 0.9, "0.1 to 0.9")?;
    within("cache_ttl", s.cache_ttl, Duration::ZERO, DAY, "0 to 1 day")?;
    within("stale_for", s.stale_for, Duration::ZERO, 7 * DAY, "0 to 7 days")?;
    within("cache_entries", s.cache_entries, 1, 100_000, "1 to 100000")?;
    let bytes = s.max_answer_bytes;
    within("max_answer_bytes", bytes, 1_024, 32 * 1_024 * 1_024, "1 KiB to 32 MiB")
}

/// `NaN` is in no range.
fn within<T: PartialOrd + fmt::Debug>(
    field: &'static str,
    value: T,
    least: T,
    most: T,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match value >= least && value <= most {
        true => Ok(()),
        false => Err(wrong(field, format!("{value:?}"), expected)),
    }
}

fn wrong(field: &str, value: impl Into<String>, expected: &'static str) -> ConfigError {
    ConfigError { field: field.into(), value: value.into(), expected }
}

/// What stands before an `@` is a secret, so the value of a bad address is not repeated.
fn address(address: &str) -> Result<(), ConfigError> {
    match transport::Address::parse(address) {
        Some(_) => Ok(()),
        None => Err(wrong(
            "address",
            "",
            "http://HOST:PORT or https://HOST:PORT, without user, path or query",
        )),
    }
}

fn secrets(s: &Settings) -> Result<(), ConfigError> {
    if let Some(namespace) = &s.namespace {
        let good = path::check("namespace", namespace.trim_end_matches('/')).is_ok();
        let ascii = namespace.is_ascii();
        if !good || !ascii {
            return Err(wrong("namespace", namespace, "a path of ASCII letters"));
        }
    }
    if let Some(pem) = &s.ca_pem {
        let expected = "at least one certificate as PEM, and nothing that is none";
        transport::authorities(pem).ok_or_else(|| wrong("ca_pem", "", expected))?;
    }
    match &s.auth {
        Auth::Token(token) => header("token", token.expose()),
        Auth::AppRole { mount, role_id, secret_id } => {
            path::check("mount", mount)
                .map_err(|_| wrong("auth.mount", &**mount, "a mount without `auth/`"))?;
            header("role_id", role_id.expose())?;
            header("secret_id", secret_id.expose())
        }
    }
}

/// What can stand in a header, and is not blank.
fn header(field: &'static str, secret: &str) -> Result<(), ConfigError> {
    let fits = !secret.is_empty()
        && secret.len() <= 64 * 1_024
        && secret.bytes().all(|byte| byte.is_ascii_graphic());
    match fits {
        true => Ok(()),
        false => Err(wrong(field, "", "printable ASCII without spaces, at least one letter")),
    }
}

//! Which option does a name in a file stand for, and what does its text mean?

use std::{str::FromStr, time::Duration};

use super::{ConfigError, Settings};

const NAMES: &str = "one of: namespace, failure_threshold, recovery_timeout, \
                     half_open_max_calls, mount_breakers, max_concurrent, queue_multiplier, \
                     queue_timeout, timeout, max_attempts, backoff, max_backoff, jitter, \
                     renew_after, cache_ttl, stale_for, cache_entries, max_answer_bytes";

pub(super) fn set(s: &mut Settings, field: &str, value: &str) -> Result<(), ConfigError> {
    match field {
        "namespace" => s.namespace = Some(value.to_owned()),
        "failure_threshold" => s.failure_threshold = number(field, value)?,
        "recovery_timeout" => s.recovery_timeout = duration(field, value)?,
        "half_open_max_calls" => s.half_open_max_calls = number(field, value)?,
        "mount_breakers" => {
            s.mount_breakers = value.split(',').map(|mount| mount.trim().to_owned()).collect();
        }
        "max_concurrent" => s.max_concurrent = number(field, value)?,
        "queue_multiplier" => s.queue_multiplier = number(field, value)?,
        "queue_timeout" => s.queue_timeout = duration(field, value)?,
        "timeout" => s.timeout = duration(field, value)?,
        "max_attempts" => s.max_attempts = number(field, value)?,
        "backoff" => s.backoff = duration(field, value)?,
        "max_backoff" => s.max_backoff = duration(field, value)?,
        "jitter" => s.jitter = number(field, value)?,
        "renew_after" => s.renew_after = number(field, value)?,
        "cache_ttl" => s.cache_ttl = duration(field, value)?,
        "stale_for" => s.stale_for = duration(field, value)?,
        "cache_entries" => s.cache_entries = number(field, value)?,
        "max_answer_bytes" => s.max_answer_bytes = number(field, value)?,
        // Its value may be anything, also a secret under a wrong name.
        _ => return Err(wrong(field, "", NAMES)),
    }
    Ok(())
}

fn number<T: FromStr>(field: &str, value: &str) -> Result<T, ConfigError> {
    value.trim().parse().map_err(|_| wrong(field, value, "a number"))
}

/// `1.5s` is none: a whole number and its unit.
fn duration(field: &str, value: &str) -> Result<Duration, ConfigError> {
    let text = value.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        "d" => Duration::from_secs(86_400),
        _ => return Err(wrong(field, value, DURATION)),
    };
    let count: u32 = digits.trim().parse().map_err(|_| wrong(field, value, DURATION))?;
    unit.checked_mul(count).ok_or_else(|| wrong(field, value, DURATION))
}

const DURATION: &str = "a whole number with ms, s, m, h or d";

fn wrong(field: &str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError { field: field.to_owned(), value: value.to_owned(), expected }
}

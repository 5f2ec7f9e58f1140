//! How long does an answer's head ask us to wait?
//!
//! Reads what providers really send: `retry-after-ms` and `x-ms-retry-after-ms` (milliseconds),
//! `retry-after` (seconds or an HTTP date), and OpenAI's `x-ratelimit-reset-requests` / `-tokens`
//! (durations such as `6ms` or `1m30s`). It does not decide whether to wait.
//!
//! # Which one counts
//!
//! What is said outright counts before what follows from limits, and milliseconds before seconds,
//! which are the same time rounded. Of the limits those count whose `remaining` is 0: the other
//! resets say when a quota that is not used up would be full again. If the answer says `remaining`
//! for none, each reset counts. Of several the longest counts: all must be over.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName};

/// The longest wait that a provider may ask for: one day. More is cut to this.
///
/// A forged or mistaken header must not take a key out for ten years.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait, at most [`WAIT_MAX`]; `None` if the head does not say, or says nonsense.
///
/// Garbage, negative numbers and exponents are nonsense; a date in the past is a wait of zero.
/// `now` is needed for dates only.
#[must_use]
pub fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    stated(headers, now).or_else(|| reset(headers))
}

/// As [`wait`], but only what the head says outright, without the resets of limits.
///
/// For answers other than 429: a limit that is not the reason says nothing about when to come back.
#[must_use]
pub fn stated(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let millis = |name| longest(headers, name, |text| decimal(text, 0.001));
    millis("retry-after-ms")
        .or_else(|| millis("x-ms-retry-after-ms"))
        .or_else(|| longest(headers, "retry-after", |text| seconds_or_date(text, now)))
}

/// The longest reset among the limits that are used up.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    let limits = ["requests", "tokens"].map(|what| {
        let reset = longest(headers, &format!("x-ratelimit-reset-{what}"), duration);
        let remaining = headers.get(format!("x-ratelimit-remaining-{what}"));
        (reset, remaining.and_then(|left| left.to_str().ok()).map(|left| left.trim() == "0"))
    });
    let silent = limits.iter().all(|(_, used_up)| used_up.is_none());
    limits
        .into_iter()
        .filter(|(_, used_up)| silent || *used_up == Some(true))
        .filter_map(|(reset, _)| reset)
        .max()
}

/// The longest that one of the headers of this name says.
fn longest(
    headers: &HeaderMap,
    name: &str,
    read: impl Fn(&str) -> Option<Duration>,
) -> Option<Duration> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.filter_map(|text| read(text.trim())).max().map(|wait| wait.min(WAIT_MAX))
}

fn seconds_or_date(text: &str, now: SystemTime) -> Option<Duration> {
    decimal(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(now).unwrap_or_default())
    })
}

/// A plain number of units of `unit_secs` seconds: digits, at most one point, nothing else.
fn decimal(text: &str, unit_secs: f64) -> Option<Duration> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|_| plain && text.starts_with(|c: char| c.is_ascii_digit()))?;
    // More than a Duration holds is more than the cap, too.
    Some(Duration::try_from_secs_f64(number * unit_secs).unwrap_or(WAIT_MAX))
}

/// `6ms`, `1m30s`, `2h0m7.66s`; a bare number is seconds, as Azure sends them.
fn duration(text: &str) -> Option<Duration> {
    if let Some(seconds) = decimal(text, 1.0) {
        return Some(seconds);
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(number_len);
        let unit_len = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        sum = sum.saturating_add(decimal(number, unit_secs(unit)?)?);
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}

fn unit_secs(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return None,
    })
}

//! Does every form of "come again later" give the wait that was meant?

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use panelboard_llm::retry_after::{WAIT_MAX, stated, wait};

/// Saturday, 21 November 2026, 12:00:00 UTC.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400)
}

fn headers(lines: &str) -> HeaderMap {
    let lines = lines.split('|').filter(|line| !line.is_empty());
    lines.fold(HeaderMap::new(), |mut headers, line| {
        let (name, value) = line.split_once(": ").expect("name: value");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        headers
    })
}

/// Header lines with `|` between; then milliseconds.
fn check(lines: &str, want_ms: Option<u64>) {
    assert_eq!(wait(&headers(lines), now()), want_ms.map(Duration::from_millis), "{lines}");
}

const DAY: Option<u64> = Some(86_400_000);

#[test]
fn seconds() {
    check("retry-after: 7", Some(7_000));
    check("retry-after: 0", Some(0));
    check("Retry-After:  7 ", Some(7_000));
    check("retry-after: 1.5", Some(1_500));
    check("retry-after: 86400", DAY);
    check("retry-after: 86401", DAY);
}

#[test]
fn an_http_date() {
    check("retry-after: Sat, 21 Nov 2026 12:01:30 GMT", Some(90_000));
    check("retry-after: Saturday, 21-Nov-26 12:01:30 GMT", Some(90_000));
    check("retry-after: Sat Nov 21 12:01:30 2026", Some(90_000));
    check("retry-after: Sat, 21 Nov 2026 11:59:00 GMT", Some(0));
    check("retry-after: Fri, 21 Nov 2036 12:00:00 GMT", DAY);
    check("retry-after: Fri, 31 Dec 9999 23:59:59 GMT", DAY);
}

#[test]
fn milliseconds_go_before_seconds() {
    check("retry-after-ms: 250", Some(250));
    check("x-ms-retry-after-ms: 250", Some(250));
    check("retry-after: 1|retry-after-ms: 250", Some(250));
    check("retry-after-ms: soon|retry-after: 1", Some(1_000));
    check("retry-after-ms: 315360000000", DAY);
}

#[test]
fn ten_years_and_more_are_cut_to_a_day() {
    check("retry-after: 315360000", DAY);
    check("retry-after: 18446744073709551616", DAY);
    check(&format!("retry-after: {}", "9".repeat(400)), DAY);
    check("x-ratelimit-reset-requests: 3650d|x-ratelimit-remaining-requests: 0", DAY);
    check(&format!("x-ratelimit-reset-requests: {0}h{0}h", "9".repeat(300)), DAY);
    assert_eq!(DAY.map(Duration::from_millis), Some(WAIT_MAX));
}

#[test]
fn nonsense_is_no_wait() {
    for nonsense in [
        "",
        "-1",
        "-0",
        "+1",
        "soon",
        "1e9",
        "inf",
        "NaN",
        "0x10",
        "1,5",
        ".",
        ".5",
        "1.2.3",
        "1 2",
        "7 seconds",
        "ü",
        "\t",
        "Sat, 41 Nov 2026 12:00:00 GMT",
    ] {
        check(&format!("retry-after: {nonsense}"), None);
        check(&format!("retry-after-ms: {nonsense}"), None);
    }
    for nonsense in ["", "ms", "s", "-6ms", "6", "6 ms", "6y", "1m-30s", "1m30", "..s", "soon"] {
        let want = (nonsense == "6").then_some(6_000);
        check(&format!("x-ratelimit-reset-tokens: {nonsense}"), want);
    }
    check("", None);
}

#[test]
fn of_one_header_given_twice_the_longest_that_makes_sense() {
    check("retry-after: 3|retry-after: 9|retry-after: -1", Some(9_000));
}

#[test]
fn resets_as_durations() {
    check("x-ratelimit-reset-requests: 6ms", Some(6));
    check("x-ratelimit-reset-tokens: 1m30s", Some(90_000));
    check("x-ratelimit-reset-requests: 1h2m3s", Some(3_723_000));
    check("x-ratelimit-reset-requests: 7.66s", Some(7_660));
    check("x-ratelimit-reset-requests: 2m59.56s", Some(179_560));
    check("x-ratelimit-reset-requests: 0s", Some(0));
    let micros = wait(&headers("x-ratelimit-reset-requests: 500us"), now());
    assert_eq!(micros, Some(Duration::from_micros(500)));
}

#[test]
fn the_reset_that_counts_is_that_of_the_limit_which_is_used_up() {
    let requests = "x-ratelimit-reset-requests: 6ms|x-ratelimit-remaining-requests";
    let tokens = "x-ratelimit-reset-tokens: 1m30s|x-ratelimit-remaining-tokens";
    check(&format!("{requests}: 0|{tokens}: 1500"), Some(6));
    check(&format!("{requests}: 12|{tokens}: 0"), Some(90_000));
    check(&format!("{requests}: 0|{tokens}: 0"), Some(90_000));
    // Neither is used up: neither is the reason.
    check(&format!("{requests}: 12|{tokens}: 1500"), None);
    // One is said to be left, of the other nothing is said.
    check("x-ratelimit-reset-tokens: 9s|x-ratelimit-remaining-requests: 3", None);
}

#[test]
fn what_is_said_outright_goes_before_resets() {
    let lines = "retry-after: 2|x-ratelimit-reset-tokens: 1m30s|x-ratelimit-remaining-tokens: 0";
    check(lines, Some(2_000));
    assert_eq!(stated(&headers(lines), now()), Some(Duration::from_secs(2)));
    let resets = "x-ratelimit-reset-tokens: 1m30s|x-ratelimit-remaining-tokens: 0";
    assert_eq!(stated(&headers(resets), now()), None);
}

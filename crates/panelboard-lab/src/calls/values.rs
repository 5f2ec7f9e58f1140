//! What does a cell say: a moment, a time, an outcome?
//!
//! A mistake is told as what was expected; who knows file, row and column puts them before it.

use super::{Ended, columns::Unit};

/// A value as a file holds it. CSV has texts only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Empty,
    Text(&'a str),
    Whole(i64),
    Number(f64),
    Flag(bool),
    /// Microseconds since the epoch, by the file's own type.
    Moment(i64),
}

/// How a call ended, or that it was never made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Ended(Ended),
    /// A breaker had rejected it.
    Rejected,
}

/// The words of outcomes, in any case; `-` and blanks are taken for `_`.
pub(super) const WORDS: [(&[&str], Ended); 3] = [
    (&["ok", "success", "succeeded", "good", "true"], Ended::Success),
    (
        &[
            "failure",
            "failed",
            "fail",
            "error",
            "bad",
            "false",
            "timeout",
            "timed_out",
            "rate_limited",
            "overloaded",
            "server_error",
            "connect",
            "cut",
            "garbage",
            "quota",
            "credentials",
        ],
        Ended::Failure,
    ),
    (
        &[
            "ignored",
            "cancelled",
            "canceled",
            "client_gone",
            "client_error",
            "request",
            "permission",
        ],
        Ended::Ignored,
    ),
];

impl Ended {
    /// By a word, or by the status of an HTTP answer; none if it is neither. `docs/lab.md` has the
    /// words. Of statuses 408, 429 and 5xx are failures, other 4xx are ignored, and the rest are
    /// successes.
    ///
    /// ```
    /// use panelboard_lab::Ended;
    ///
    /// assert_eq!(Ended::of("OK"), Some(Ended::Success));
    /// assert_eq!(Ended::of("503"), Some(Ended::Failure));
    /// assert_eq!(Ended::of("cancelled"), Some(Ended::Ignored));
    /// ```
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let word = word.trim();
        if let Ok(status) = word.parse::<u16>() {
            return of_status(status);
        }
        let plain = |c: char| if matches!(c, '-' | ' ') { '_' } else { c.to_ascii_lowercase() };
        // None of the words is longer: a long text is not copied.
        let word: String = word.chars().take(40).map(plain).collect();
        let row = WORDS.iter().find(|(words, _)| words.contains(&word.as_str()));
        row.map(|(_, ended)| *ended)
    }
}

fn of_status(status: u16) -> Option<Ended> {
    match status {
        408 | 429 | 500..=599 => Some(Ended::Failure),
        400..=499 => Some(Ended::Ignored),
        100..=399 => Some(Ended::Success),
        _ => None,
    }
}

pub(super) const OUTCOME: &str = "a word such as ok, failure, timeout, cancelled or rejected, or \
                                  an HTTP status from 100 to 599";

/// How a call ended.
pub(super) fn outcome(cell: Cell<'_>) -> Result<Told, &'static str> {
    let ended = match cell {
        Cell::Text(text) if text.trim().eq_ignore_ascii_case("rejected") => {
            return Ok(Told::Rejected);
        }
        Cell::Text(text) => Ended::of(text),
        Cell::Whole(status) => u16::try_from(status).ok().and_then(of_status),
        Cell::Flag(good) => Some(if good { Ended::Success } else { Ended::Failure }),
        _ => None,
    };
    ended.map(Told::Ended).ok_or(OUTCOME)
}

pub(super) const MOMENT: &str = "RFC 3339 with its offset such as 2026-11-28T18:00:00.5Z, or the \
                                 seconds, milliseconds or microseconds since 1970";

/// Microseconds since the epoch. Numbers are seconds with up to 11 digits before the point,
/// milliseconds with up to 14, microseconds with up to 17, and nanoseconds beyond.
pub(super) fn moment(cell: Cell<'_>) -> Result<i64, &'static str> {
    let at = match cell {
        Cell::Moment(at) => Some(at),
        Cell::Whole(number) => whole_moment(number),
        Cell::Number(number) => fraction_moment(number),
        Cell::Text(text) => {
            let text = text.trim();
            if let Ok(number) = text.parse() {
                whole_moment(number)
            } else if let Some(seconds) = exact_seconds(text) {
                Some(seconds)
            } else if let Ok(number) = text.parse() {
                fraction_moment(number)
            } else {
                text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
            }
        }
        Cell::Empty | Cell::Flag(_) => None,
    };
    at.filter(|at| (0..=super::LAST_US).contains(at)).ok_or(MOMENT)
}

fn whole_moment(number: i64) -> Option<i64> {
    match number {
        ..0 => None,
        0..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number),
        _ => Some(number / 1_000),
    }
}

/// Seconds with up to six decimals: a float would round what is written exactly.
fn exact_seconds(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || whole.len() > 11 || decimals.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{decimals:0<6}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)
}

fn fraction_moment(number: f64) -> Option<i64> {
    let times = match number {
        number if number.is_nan() || number < 0.0 => return None,
        number if number < 1e11 => 1e6,
        number if number < 1e14 => 1e3,
        number if number < 1e17 => 1.0,
        _ => 1e-3,
    };
    Some((number * times).round() as i64)
}

/// Microseconds. A number counts the column's unit; a text may have one of its own.
pub(super) fn time(cell: Cell<'_>, unit: Unit) -> Option<u64> {
    let of = |number: f64| {
        let micros = match unit {
            Unit::Seconds => number * 1e6,
            Unit::Millis => number * 1e3,
            Unit::Micros => number,
            Unit::Nanos => number / 1e3,
        };
        // A NaN is refused as well.
        (micros >= 0.0 && micros <= super::MAX_TOOK_US as f64).then_some(micros.round() as u64)
    };
    match cell {
        Cell::Whole(number) => of(number as f64),
        Cell::Number(number) => of(number),
        Cell::Text(text) => match text.trim().parse() {
            Ok(number) => of(number),
            Err(_) => {
                let time = humantime::parse_duration(text.trim()).ok()?;
                of_duration(time)
            }
        },
        Cell::Empty | Cell::Flag(_) | Cell::Moment(_) => None,
    }
}

fn of_duration(time: std::time::Duration) -> Option<u64> {
    u64::try_from(time.as_micros()).ok().filter(|micros| *micros <= super::MAX_TOOK_US)
}

/// What a person should write there.
pub(super) fn expected_time(unit: Unit) -> String {
    format!("a number of {} from 0, or such as \"250ms\", and at most a day", unit.name())
}

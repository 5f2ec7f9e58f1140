//! Which day is it? Times in UTC as RFC 3339 writes them, without a calendar's tables.

const DAY: u64 = 24 * 60 * 60;

/// Year, month, day of a number of days since 1970-01-01.
///
/// After Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so
/// that the day that leap years add is the last one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// Adds `2026-11-28T21:00:00.000001Z`.
pub(crate) fn rfc3339(ns: u64, out: &mut Vec<u8>) {
    let seconds = ns / 1_000_000_000;
    let (year, month, day) = date(seconds / DAY);
    let of_day = seconds % DAY;
    digits(out, year, 4);
    for (sign, part) in [
        (b'-', month),
        (b'-', day),
        (b'T', of_day / 3_600),
        (b':', of_day / 60 % 60),
        (b':', of_day % 60),
    ] {
        out.push(sign);
        digits(out, part, 2);
    }
    out.push(b'.');
    digits(out, ns / 1_000 % 1_000_000, 6);
    out.push(b'Z');
}

/// `20261128T210000Z`, for the name of a file.
pub(crate) fn stamp(ns: u64) -> String {
    let mut out = Vec::with_capacity(16);
    let seconds = ns / 1_000_000_000;
    let (year, month, day) = date(seconds / DAY);
    let of_day = seconds % DAY;
    digits(&mut out, year, 4);
    digits(&mut out, month, 2);
    digits(&mut out, day, 2);
    out.push(b'T');
    digits(&mut out, of_day / 3_600, 2);
    digits(&mut out, of_day / 60 % 60, 2);
    digits(&mut out, of_day % 60, 2);
    out.push(b'Z');
    out.into_iter().map(char::from).collect()
}

fn digits(out: &mut Vec<u8>, mut number: u64, count: usize) {
    let at = out.len();
    out.resize(at + count, b'0');
    for digit in out[at..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn days_that_calendars_get_wrong() {
        // Seconds as `date -u -d TEXT +%s` tells them.
        let rows = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_799, "2000-02-29T23:59:59.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ];
        for (seconds, expected) in rows {
            let mut out = Vec::new();
            rfc3339(seconds * 1_000_000_000, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        assert_eq!(stamp(951_782_400_000_000_000), "20000229T000000Z");
    }
}

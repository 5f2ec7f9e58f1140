//! How many tests ran? Read from the runners' own closing lines.

use std::ops::AddAssign;

/// Tests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The sum over all closing lines in a runner's output.
///
/// Knows libtest (`test result: ok. 5 passed; 0 failed; 1 ignored; ...`), nextest
/// (`Summary [ 0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped`) and our own plain
/// `2 passed, 1 failed`, which may go on with `, 1 skipped`.
pub(crate) fn read<S: AsRef<str>>(lines: &[S]) -> Counts {
    let lines = lines.iter().map(|line| line.as_ref().trim());
    // nextest repeats what a failed test's own process wrote, with libtest's closing line in it.
    let is_nextest = lines.clone().any(|line| line.starts_with(NEXTEST));
    let mut sum = Counts::default();
    for line in lines.filter(|line| !is_nextest || line.starts_with(NEXTEST)) {
        sum += of_line(line);
    }
    sum
}

const NEXTEST: &str = "Summary [";

fn of_line(line: &str) -> Counts {
    let parts = if let Some(rest) = line.strip_prefix("test result:") {
        rest.split_once(". ").map_or("", |(_, parts)| parts)
    } else if line.starts_with(NEXTEST) {
        line.split_once(" run: ").map_or("", |(_, parts)| parts)
    } else if is_plain(line) {
        line
    } else {
        ""
    };
    let mut counts = Counts::default();
    for part in parts.split([',', ';']) {
        let mut words = part.split_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
            continue;
        };
        match words.next() {
            Some("passed") => counts.passed += number,
            // nextest: `1 timed out`, `1 exec failed`.
            Some("failed" | "timed" | "exec") => counts.failed += number,
            Some("skipped" | "ignored") => counts.skipped += number,
            _ => {}
        }
    }
    counts
}

/// `N passed, N failed` from the first column on, so that prose does not count.
fn is_plain(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.len() >= 4 && words[1] == "passed," && words[3].trim_end_matches(',') == "failed"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn each_runner_is_understood() {
        let rows = [
            (
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; x",
                counts(5, 0, 1),
            ),
            ("test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured", counts(5, 2, 0)),
            ("Summary [   0.012s] 12 tests run: 12 passed, 0 skipped", counts(12, 0, 0)),
            (
                "Summary [1s] 12/15 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 3 skipped",
                counts(9, 3, 3),
            ),
            ("Summary [ 0.1s] 1 test run: 1 passed, 0 skipped", counts(1, 0, 0)),
            ("7 passed, 0 failed", counts(7, 0, 0)),
            ("7 passed, 1 failed, 2 skipped", counts(7, 1, 2)),
        ];
        for (line, expected) in rows {
            assert_eq!(of_line(line), expected, "{line}");
        }
    }

    #[test]
    fn other_lines_do_not_count() {
        for line in ["2 passed the gate", "test a::b ... ok", "we saw: 7 passed, 0 failed", ""] {
            assert_eq!(of_line(line), Counts::default(), "{line}");
        }
    }

    #[test]
    fn nextest_has_the_last_word() {
        let lines = [
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored",
            "     Summary [ 0.1s] 3 tests run: 2 passed, 1 failed, 0 skipped",
        ];
        assert_eq!(read(&lines), counts(2, 1, 0));
    }

    #[test]
    fn closing_lines_add_up() {
        assert_eq!(read(&["1 passed, 2 failed", "noise", "3 passed, 0 failed"]), counts(4, 2, 0));
    }
}

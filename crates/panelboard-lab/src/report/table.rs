//! How does a person read a report in a terminal?

use std::{fmt::Write as _, time::Duration};

use super::{Estimate, PolicyReport, Report};
use crate::judge::Measure;

impl Report {
    /// The report as a table of plain text: a row for each measure, a column for each policy.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"5s\"\nseeds = 2\n[[service]]\nname = \"a\"\nlatency = { \
    /// # kind = \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\n\
    /// # rate = 9\n";
    /// # use panelboard_lab::{Options, Scenario, simulate};
    /// # use std::ops::ControlFlow;
    /// # let scenario = Scenario::from_toml("s.toml", text)?;
    /// # let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
    /// let table = report.table();
    /// let row = table.lines().find(|line| line.starts_with("availability"));
    /// assert!(row.is_some_and(|row| row.contains("100 %")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![self.row("", |policy| policy.name.clone())];
        for measure in Measure::ALL {
            let shown = |policy: &PolicyReport| cell(measure, policy);
            if self.policies.iter().any(|policy| policy.estimate(measure).n > 0) {
                rows.push(self.row(label(measure), shown));
            }
        }
        rows.push(self.row("metastable", |policy| {
            let runs = policy.metastable.runs;
            if runs == 0 { "no".to_owned() } else { format!("{runs} of {} runs", self.seeds) }
        }));
        let mut text = self.head();
        push_aligned(&mut text, &rows);
        self.foot(&mut text);
        text
    }

    fn row(&self, label: &str, cell: impl Fn(&PolicyReport) -> String) -> Vec<String> {
        std::iter::once(label.to_owned()).chain(self.policies.iter().map(cell)).collect()
    }

    fn head(&self) -> String {
        let mut text = String::new();
        for line in [&self.title, &self.teaches].into_iter().filter(|line| !line.is_empty()) {
            push_wrapped(&mut text, line);
        }
        let lasts = humantime::format_duration(Duration::from_secs_f64(self.lasts_s));
        let runs =
            if self.seeds == 1 { "one run".to_owned() } else { format!("{} runs", self.seeds) };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "\n{runs} of {lasts} for each policy, from seed {}: means, \u{b1} half of their {} % \
             interval\n",
            self.seed,
            number(self.confidence * 100.0),
        );
        text
    }

    fn foot(&self, text: &mut String) {
        for policy in self.policies.iter().filter(|policy| policy.metastable.runs > 0) {
            let _ = write!(
                text,
                "\nmetastable failure under {}: {} stayed overloaded by retries after the trouble \
                 had ended,\nthough the requests alone would have fitted.",
                policy.name,
                policy.metastable.services.join(", "),
            );
        }
        let some =
            |policy: &PolicyReport| (1..policy.recoverable_runs).contains(&policy.recovered_runs);
        if self.policies.iter().any(some) {
            text.push_str("\n* of the runs that recovered; the others had not when they ended.");
        }
        text.truncate(text.trim_end().len());
    }
}

fn label(measure: Measure) -> &'static str {
    match measure {
        Measure::Availability => "availability",
        Measure::WastedCalls => "wasted calls",
        Measure::WastedShare => "  share of all calls",
        Measure::LoadOnSick => "load on the sick, calls/s",
        Measure::TimeToDetect => "time to detect, s",
        Measure::TimeToRecover => "time to recover, s",
        Measure::FalseTrips => "false trips",
        Measure::WronglyRejected => "wrongly rejected",
        Measure::ExtraLatency => "extra latency, ms",
        Measure::LatencyP50 => "latency p50, ms",
        Measure::LatencyP99 => "latency p99, ms",
    }
}

fn cell(measure: Measure, policy: &PolicyReport) -> String {
    let estimate = policy.estimate(measure);
    match measure {
        Measure::Availability | Measure::WastedShare => shown(estimate, 100.0, " %"),
        Measure::TimeToRecover if policy.recovered_runs < policy.recoverable_runs => {
            let of = format!("{}/{}", policy.recovered_runs, policy.recoverable_runs);
            match policy.recovered_runs {
                0 => format!("never ({of})"),
                _ => format!("{} * ({of})", shown(estimate, 1.0, "")),
            }
        }
        Measure::TimeToDetect if policy.episodes_missed > 0 => {
            let all = policy.episodes_noticed + policy.episodes_missed;
            let of = format!("{}/{all} seen", policy.episodes_noticed);
            match policy.episodes_noticed {
                0 => of,
                _ => format!("{} ({of})", shown(estimate, 1.0, "")),
            }
        }
        _ => shown(estimate, 1.0, ""),
    }
}

fn shown(estimate: Estimate, times: f64, unit: &str) -> String {
    let Some(mean) = estimate.mean else { return "-".to_owned() };
    let number = if unit.is_empty() { number } else { percent };
    let half = estimate.high.zip(estimate.low).map(|(high, low)| (high - mean).max(mean - low));
    match half.map(|half| number(half * times)) {
        None => format!("{}{unit}", number(mean * times)),
        Some(half) if half == "0" => format!("{}{unit}", number(mean * times)),
        Some(half) => format!("{}{unit} \u{b1}{half}", number(mean * times)),
    }
}

/// Near a hundred it is the rest that says something: 99.98 and not 100.
fn percent(n: f64) -> String {
    if n > 99.0 && n < 100.0 {
        return format!("{:.3}", (n * 1000.0).floor() / 1000.0);
    }
    number(n)
}

/// Words in lines of at most a hundred columns.
pub(crate) fn push_wrapped(text: &mut String, line: &str) {
    let mut column = 0;
    for word in line.split_whitespace() {
        let width = word.chars().count();
        match column {
            0 => {}
            _ if column + 1 + width > 100 => {
                text.push('\n');
                column = 0;
            }
            _ => {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// Three digits that say something; thousands in groups.
pub(crate) fn number(n: f64) -> String {
    let size = n.abs();
    let digits = match size {
        _ if size < 0.0005 => return "0".to_owned(),
        _ if size < 0.1 => 3,
        _ if size < 10.0 => 2,
        _ if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{n:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

pub(crate) fn push_aligned(text: &mut String, rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => line.push_str(&format!("{cell:<width$}")),
                _ => line.push_str(&format!("   {cell:>width$}")),
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_all_is_not_a_hundred_percent() {
        let rows =
            [(100.0, "100"), (99.9996, "99.999"), (99.5, "99.500"), (87.52, "87.5"), (0.0, "0")];
        for (n, text) in rows {
            assert_eq!(percent(n), text);
        }
    }

    #[test]
    fn lines_break_between_words() {
        let mut text = String::new();
        push_wrapped(&mut text, &"word ".repeat(30));
        let widths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(widths, [99, 49]);
    }

    #[test]
    fn numbers_have_three_digits_that_say_something() {
        let rows = [
            (0.0, "0"),
            (0.0123, "0.012"),
            (1.5, "1.5"),
            (12.345, "12.3"),
            (100.0, "100"),
            (1_234_567.8, "1,234,568"),
            (-2_500.0, "-2,500"),
        ];
        for (n, text) in rows {
            assert_eq!(number(n), text);
        }
    }
}

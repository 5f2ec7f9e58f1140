//! Which goals were met, and what did the others come to?

use super::Told;
use crate::{goal::Bar, goal::Reached};

const COLUMNS: usize = 100;

/// A line for each row that has goals.
pub(super) fn list(told: &Told<'_>) -> String {
    let mut text = String::new();
    for (row, results) in told.rows() {
        let ours = std::iter::once((told.bench.ours, row.what.to_owned(), &row.goal));
        let variants = row.variants.iter();
        let variants = variants.map(|it| (it.name, format!("{}, {}", row.what, it.name), &it.goal));
        for (name, what, goal) in ours.chain(variants).filter(|(_, _, goal)| !goal.is_empty()) {
            let verdicts: Vec<String> = match Told::standing(row, results, name) {
                Some(standing) => goal.iter().map(|bar| verdict(*bar, &standing)).collect(),
                None => vec!["not measured".into()],
            };
            text += &wrapped(&format!("- {what}: {}", verdicts.join("; ")), "  ");
        }
    }
    if text.is_empty() {
        text
    } else {
        format!("Goals, met (✓) or missed (✗, with what it is):\n\n{text}")
    }
}

fn verdict(bar: Bar, by: &impl Reached) -> String {
    match (bar.met(by), bar.value(by)) {
        (Some(true), _) => format!("{bar} ✓"),
        (Some(false), Some(value)) => format!("{bar} ✗ {value:.2}"),
        _ => format!("{bar} (not measured)"),
    }
}

/// Broken at spaces before the 101st column; the lines after the first are indented.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > COLUMNS {
            lines += "\n";
            lines += indent;
            column = indent.len();
        } else if column > 0 {
            lines += " ";
            column += 1;
        }
        lines += word;
        column += width;
    }
    if !lines.is_empty() {
        lines += "\n";
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_before_the_101st_column() {
        let text = "word ".repeat(30);
        let lines = wrapped(text.trim_end(), "  ");
        assert!(lines.lines().count() == 2 && lines.lines().all(|line| line.len() <= COLUMNS));
        assert!(lines.lines().nth(1).is_some_and(|line| line.starts_with("  word")));
        assert_eq!(wrapped("", "  "), "");
    }
}

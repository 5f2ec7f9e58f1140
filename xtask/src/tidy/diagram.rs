//! Does the state diagram that users read say what the state machine's own table says?

use std::collections::BTreeSet;

use super::{Finding, Tree};

const DIAGRAM: &str = "crates/panelboard/src/lib.rs";
const TABLE: &str = "crates/panelboard/src/state.rs";

/// Both hold lines `from -- event --> to`; the two sets are the same.
pub(super) fn same(tree: &Tree) -> Vec<Finding> {
    let (Some(diagram), Some(table)) = (tree.file(DIAGRAM), tree.file(TABLE)) else {
        let what = format!("{DIAGRAM} and {TABLE} must both hold the states' transitions");
        return vec![Finding { path: TABLE.into(), line: 0, what }];
    };
    let (shown, true_ones) = (edges(&diagram.text), edges(&table.text));
    if true_ones.is_empty() {
        return vec![table.finding(0, "its doc has no lines `from -- event --> to`: write them")];
    }
    let missing = true_ones.difference(&shown).map(|edge| {
        diagram.finding(0, format!("add to the diagram, as {TABLE} has it: `{}`", say(edge)))
    });
    let wrong = shown.difference(&true_ones).map(|edge| {
        diagram.finding(0, format!("take out of the diagram, {TABLE} has no `{}`", say(edge)))
    });
    missing.chain(wrong).collect()
}

type Edge<'a> = (&'a str, &'a str, &'a str);

/// The transitions in the module doc.
fn edges(text: &str) -> BTreeSet<Edge<'_>> {
    text.lines()
        .map_while(|line| line.strip_prefix("//!"))
        .filter_map(|line| {
            let (from, rest) = line.split_once(" -- ")?;
            let (event, to) = rest.rsplit_once(" --> ")?;
            Some((from.trim(), event.trim(), to.trim()))
        })
        .collect()
}

fn say((from, event, to): &Edge<'_>) -> String {
    format!("{from} -- {event} --> {to}")
}

#[cfg(test)]
mod tests {
    use super::super::samples::tree;
    use super::*;

    fn found(diagram: &str, table: &str) -> Vec<String> {
        let findings = same(&tree(&[(DIAGRAM, diagram), (TABLE, table)]));
        findings.into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn spaces_do_not_matter() {
        let diagram = "//! D.\n//! closed -- fails --> open\n";
        assert_eq!(found(diagram, "//! T.\n//! closed    -- fails   --> open\n"), [""; 0]);
    }

    #[test]
    fn a_transition_that_only_one_of_them_has_is_found() {
        let two = "//! closed -- fails --> open\n//! open -- asked --> half-open\n";
        let one = "//! closed -- fails --> open\n";
        assert!(found(one, two)[0].contains("add"));
        assert!(found(two, one)[0].contains("take out"));
    }

    #[test]
    fn a_table_without_transitions_is_found() {
        assert_eq!(found("//! D.\n", "//! T.\n").len(), 1);
    }
}

//! Does each file say which question it answers, and each crate what it leaves alone?

use super::{Finding, Tree};

/// The first line of every file is its module doc.
pub(super) fn header(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.finding(1, "begin with `//! ` and the one question that the file answers"))
        .collect()
}

/// The module doc of each `lib.rs` holds a sentence on what the crate does not do.
pub(super) fn limits(tree: &Tree) -> Vec<Finding> {
    let crates = tree.rust().filter(|file| file.path.ends_with("/src/lib.rs"));
    crates
        .filter(|file| !denies(&doc(&file.text)))
        .map(|file| file.finding(1, "say in the second sentence what the crate does not do"))
        .collect()
}

fn doc(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.collect::<Vec<_>>().join(" ").to_lowercase()
}

fn denies(doc: &str) -> bool {
    let words = ["not", "no", "never", "neither", "nor", "nothing", "without", "cannot"];
    doc.split(|c: char| !c.is_alphabetic()).any(|word| words.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{places as at, tree};
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        let found = header(&tree(&[
            ("a.rs", "//! What is a?\n"),
            ("b.rs", "use std::fmt;\n"),
            ("c.rs", "\n//! Late.\n"),
            ("d.py", "import os\n"),
        ]));
        assert_eq!(at(&found), [("b.rs".into(), 1), ("c.rs".into(), 1)]);
    }

    #[test]
    fn a_crate_that_does_not_say_its_limits_is_found() {
        let found = limits(&tree(&[
            ("crates/a/src/lib.rs", "//! Breakers.\n//!\n//! It awaits nothing.\n"),
            ("crates/b/src/lib.rs", "//! Breakers and another notion.\nuse x; // not a doc\n"),
        ]));
        assert_eq!(at(&found), [("crates/b/src/lib.rs".into(), 1)]);
    }
}

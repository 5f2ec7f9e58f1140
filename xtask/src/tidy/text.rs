//! What must a line not hold? Atomics, the clock, places on a machine, a hundred-and-first column.

use super::{Finding, Tree};

/// The core's atomics come from its `sync.rs`, so that the model checkers see every shared access.
/// The models' own tallies are not to be seen by them.
pub(super) fn atomics(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/panelboard/src/")) {
        if file.name() == "sync.rs" || file.path.contains("/models/") {
            continue;
        }
        // An import may go over many lines: `use std::{sync::{Arc, atomic::AtomicU64}};`.
        let mut in_import_of_std = false;
        for (line, text) in file.code() {
            let start = text.trim_start().trim_start_matches("pub(crate) ");
            in_import_of_std |= start.starts_with("use std::") || start.starts_with("use core::");
            let by_path = text.contains("std::sync::atomic") || text.contains("core::sync::atomic");
            if by_path || (in_import_of_std && text.contains("atomic")) {
                findings.push(file.finding(line, "import atomics from `crate::sync`"));
            }
            in_import_of_std &= !text.contains(';');
        }
    }
    findings
}

/// `Instant::now` of std is called in `clock.rs` only, so that tests can turn the clock. Tokio's
/// can be turned; what measures (`benches/`) must read the real one.
pub(super) fn clocks(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let measures = file.path.contains("/benches/");
        if file.name() == "clock.rs" || measures || file.text.contains("tokio") {
            continue;
        }
        for (line, text) in file.code() {
            if text.contains(concat!("Instant", "::now")) {
                findings.push(file.finding(line, "take the time from the clock of `clock.rs`"));
            }
        }
    }
    findings
}

/// The project stands alone: it names no folder of somebody's machine, and packages by name, not
/// by the host that serves them.
pub(super) fn places(tree: &Tree) -> Vec<Finding> {
    // In halves, so that this file does not find itself.
    let folders = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
        concat!("/wo", "rk/"),
        concat!("/tmp/tar", "get-"),
    ];
    let hosts = [
        concat!("pypi", ".org"),
        concat!("pythonhosted", ".org"),
        concat!("registry.npmjs", ".org"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("deb.debian", ".org"),
    ];
    let mut findings = Vec::new();
    for file in &tree.files {
        for (index, text) in file.text.lines().enumerate() {
            let mut find = |what: String| findings.push(file.finding(index + 1, what));
            if let Some(folder) = folders.iter().find(|folder| starts_a_path(text, folder)) {
                find(format!("`{folder}` is a place on one machine: make it relative"));
            }
            if let Some(host) = hosts.iter().find(|host| text.contains(*host)) {
                find(format!("`{host}`: name the package, its client knows the host"));
            }
        }
    }
    findings
}

/// Whether `folder` stands in `text` at the start of a path: `src/work/` is none.
fn starts_a_path(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~{}$*/".contains(c))
    })
}

/// Rust is formatted; this finds what the formatter leaves alone: strings and comments.
pub(super) fn columns(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for (index, text) in file.text.lines().enumerate() {
            let columns = text.chars().count();
            // An address cannot be broken.
            if columns > 100 && !text.contains("://") {
                let what = format!("{columns} columns: break the line before the 101st");
                findings.push(file.finding(index + 1, what));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::samples::{places as at, tree};
    use super::*;

    #[test]
    fn an_atomic_outside_sync_rs_is_found() {
        let line = "use std::sync::atomic::AtomicU64;\n";
        let found = atomics(&tree(&[
            ("crates/panelboard/src/word.rs", line),
            (
                "crates/panelboard/src/note.rs",
                "use std::{\n    sync::{Arc, atomic::Ordering},\n};\n",
            ),
            ("crates/panelboard/src/late.rs", "\nlet x = core::sync::atomic::AtomicU8::new(1);\n"),
            ("crates/panelboard/src/panel.rs", "// std::sync::atomic is named in sync.rs\n"),
            ("crates/panelboard/src/models.rs", "use std::fmt;\nuse checker::sync::atomic::X;\n"),
            ("crates/panelboard/src/sync.rs", line),
            ("crates/panelboard/src/models/explore.rs", line),
            ("crates/panelboard-server/src/totals.rs", line),
        ]));
        let expected = [("word.rs", 1), ("note.rs", 2), ("late.rs", 2)]
            .map(|(file, line)| (format!("crates/panelboard/src/{file}"), line));
        assert_eq!(at(&found), expected);
    }

    #[test]
    fn the_clock_read_outside_clock_rs_is_found() {
        let line = concat!("let t = std::time::Instant", "::now();\n");
        let found = clocks(&tree(&[
            ("crates/a/src/word.rs", line),
            ("crates/a/src/clock.rs", line),
            ("crates/a/benches/b.rs", line),
            ("crates/a/src/io.rs", concat!("use tokio::time::Instant;\nInstant", "::now();\n")),
        ]));
        assert_eq!(at(&found), [("crates/a/src/word.rs".into(), 1)]);
    }

    #[test]
    fn a_place_on_a_machine_and_a_registry_host_are_found() {
        let found = places(&tree(&[
            ("a.md", concat!("see /ho", "me/me/x and src/wo", "rk/y\n")),
            ("b.py", concat!("index = 'https://pypi", ".org/simple'\n")),
            ("c.md", "fine: ~/.cache/panelboard\n"),
        ]));
        assert_eq!(at(&found), [("a.md".into(), 1), ("b.py".into(), 1)]);
    }

    #[test]
    fn a_long_line_is_found_unless_it_is_an_address() {
        let long = format!("// {}\n", "x".repeat(98));
        let address = format!("// https://{}\n", "x".repeat(98));
        let good = format!("// {}\n", "ü".repeat(97));
        let found = columns(&tree(&[("a.rs", &long), ("b.rs", &address), ("c.rs", &good)]));
        assert_eq!(at(&found), [("a.rs".into(), 1)]);
    }
}

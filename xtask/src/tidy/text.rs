//! What must a line not hold? Atomics and locks, the clock, places on a machine, a
//! hundred-and-first column.

use super::{Finding, Tree};
use crate::models;

/// A crate that has models takes its atomics and locks from its `sync.rs`, so that the model
/// checkers see every shared access; and every crate what can be put into it from `sync.rs` and
/// `fault.rs` alone. The models' own tallies are not to be seen by them, nor is how a test's
/// threads meet.
pub(super) fn atomics_and_locks(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/")) {
        let Some((package, inner)) = file.path["crates/".len()..].split_once("/src/") else {
            continue;
        };
        if file.name() == "sync.rs" || package == "panelboard-seams" {
            continue;
        }
        let of_models = inner == "models.rs" || inner.starts_with("models/");
        let is_modelled = models::CRATES.contains(&package) && !of_models;
        let of_tests = inner.ends_with("tests.rs") || inner.contains("tests/");
        // An import may go over many lines: `use std::{sync::{Arc, atomic::AtomicU64}};`.
        let mut in_import_of_std = false;
        for (line, text) in file.code() {
            let start = text.trim_start().trim_start_matches("pub(crate) ");
            in_import_of_std |= start.starts_with("use std::") || start.starts_with("use core::");
            let of_std = in_import_of_std || text.contains("std::") || text.contains("core::");
            let atomic = of_std && text.contains("atomic");
            let lock = (of_std && LOCKS.iter().any(|lock| text.contains(lock)))
                || text.contains("parking_lot");
            if is_modelled && (atomic || (lock && !of_tests)) {
                findings.push(file.finding(line, "take atomics and locks from `crate::sync`"));
            }
            if text.contains("panelboard_seams") && file.name() != "fault.rs" {
                let what = "name this in `sync.rs` or `fault.rs`, and take it from there";
                findings.push(file.finding(line, what));
            }
            in_import_of_std &= !text.contains(';');
        }
    }
    findings
}

const LOCKS: [&str; 3] = ["Mutex", "RwLock", "Condvar"];

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
    fn an_atomic_or_a_lock_outside_sync_rs_is_found() {
        let line = "use std::sync::atomic::AtomicU64;\n";
        let import = "use std::{\n    sync::{Arc, atomic::Ordering},\n};\n";
        let path = "\nlet x = core::sync::atomic::AtomicU8::new(1);\n";
        let lock = "use std::sync::Mutex;\n";
        let seam = "use panelboard_seams::sync::Mutex;\n";
        let found = atomics_and_locks(&tree(&[
            ("crates/panelboard/src/word.rs", line),
            ("crates/panelboard/src/note.rs", import),
            ("crates/panelboard-tasks/src/late.rs", path),
            ("crates/panelboard-store/src/queue.rs", lock),
            ("crates/panelboard-tracing/src/book.rs", "use parking_lot::RwLock;\n"),
            ("crates/panelboard-server/src/line.rs", seam),
            ("crates/panelboard/src/window/tests.rs", line),
        ]));
        let expected = [
            ("panelboard/src/word.rs", 1),
            ("panelboard/src/note.rs", 2),
            ("panelboard-tasks/src/late.rs", 2),
            ("panelboard-store/src/queue.rs", 1),
            ("panelboard-tracing/src/book.rs", 1),
            ("panelboard-server/src/line.rs", 1),
            ("panelboard/src/window/tests.rs", 1),
        ]
        .map(|(file, line)| (format!("crates/{file}"), line));
        assert_eq!(at(&found), expected);

        let fine = atomics_and_locks(&tree(&[
            ("crates/panelboard/src/panel.rs", "// std::sync::atomic is named in sync.rs\n"),
            ("crates/panelboard/src/life.rs", "use std::fmt;\nuse crate::sync::Mutex;\n"),
            ("crates/panelboard/src/models.rs", line),
            ("crates/panelboard/src/models/scenes.rs", lock),
            ("crates/panelboard/src/window/tests.rs", lock),
            ("crates/panelboard/src/sync.rs", seam),
            ("crates/panelboard-server/src/fault.rs", "panelboard_seams::faults! {\n"),
            ("crates/panelboard-server/src/totals.rs", line),
            ("crates/panelboard-seams/src/sync/real.rs", line),
            ("crates/panelboard/tests/it/seeds.rs", lock),
        ]));
        assert_eq!(at(&fine), []);
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

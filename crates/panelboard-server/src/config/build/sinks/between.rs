//! Do the sinks fit together: fallbacks that exist and lead nowhere twice, files and folders of one
//! sink alone, levels that let something pass?

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use panelboard_mistakes::Found;

use super::{BACKOFF, MAX_BACKOFF, level};
use crate::config::values::Table;

/// Notes what is wrong between the sinks, and between two fields of one. A record may have so many
/// bytes.
pub(super) fn check(tables: &[&Table], record_bytes: usize, found: &mut Vec<Found>) {
    fallbacks(tables, found);
    for table in tables {
        for field in ["buffer_bytes", "spill_bytes"] {
            if table.size(field).is_some_and(|bytes| bytes < record_bytes) {
                let wrong = "is less than one record may have";
                let mistake = Found::new(table.place(field), table.key(field), wrong);
                let least = format!("at least log.record_bytes, {record_bytes}");
                found.push(mistake.expected(least));
            }
        }
        for (field, wrong, expected) in alone(table) {
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            found.push(mistake.expected(expected));
        }
    }
    for field in ["path", "spill"] {
        places(tables, field, found);
    }
}

type Wrong = (&'static str, &'static str, &'static str);

/// What is wrong between two fields of one sink.
fn alone(table: &Table) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    if table.has("spill") && table.has("fallback") {
        wrong.push(("spill", "is beside a fallback", "one of them: both keep what waits"));
    }
    if table.has("spill_bytes") && !table.has("spill") {
        wrong.push(("spill_bytes", "is without a spill", "`spill` with its folder"));
    }
    let of = |field, usual| table.text(field).or(Some(usual)).and_then(level);
    // What matters more is smaller.
    if of("up_to", "error") > of("level", "info") {
        wrong.push(("up_to", "lets nothing pass", "nothing below `level`"));
    }
    let first = table.duration("backoff").unwrap_or(BACKOFF);
    if table.duration("max_backoff").unwrap_or(MAX_BACKOFF) < first {
        wrong.push(("max_backoff", "is below backoff", "at least that"));
    }
    wrong
}

fn fallbacks(tables: &[&Table], found: &mut Vec<Found>) {
    let names: Vec<&str> = tables.iter().filter_map(|table| table.text("name")).collect();
    // Without one name nobody knows which fallback is wrong.
    if names.len() < tables.len() {
        return;
    }
    let next: HashMap<&str, &str> = tables
        .iter()
        .filter_map(|table| Some((table.text("name")?, table.text("fallback")?)))
        .collect();
    for table in tables {
        let Some(name) = table.text("name") else { continue };
        let told =
            |field: &str, wrong: &str| Found::new(table.place(field), table.key(field), wrong);
        match table.text("fallback") {
            Some(fallback) if !names.contains(&fallback) => {
                let mistake = told("fallback", &format!("no sink {fallback:?}"));
                let mistake = mistake.nearest(fallback, names.iter().copied());
                found.push(mistake.expected(format!("one of {}", names.join(", "))));
            }
            Some(_) if comes_back(name, &next) => {
                let mistake = told("fallback", "leads back to it");
                found.push(mistake.expected("fallbacks that come to an end"));
            }
            _ => {}
        }
        if table.switch("standby") == Some(true) && !next.values().any(|its| *its == name) {
            let mistake = told("standby", "is nobody's fallback");
            found.push(mistake.expected(format!("another sink with fallback = {name:?}")));
        }
    }
}

/// Whether whoever follows the fallbacks from here comes here again.
fn comes_back(name: &str, next: &HashMap<&str, &str>) -> bool {
    let mut at = name;
    for _ in 0..=next.len() {
        match next.get(at) {
            Some(&its) if its == name => return true,
            Some(&its) => at = its,
            None => return false,
        }
    }
    // A circle that it leads into, and is no part of.
    false
}

fn places(tables: &[&Table], field: &'static str, found: &mut Vec<Found>) {
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    for table in tables {
        let Some(path) = table.text(field) else { continue };
        let name = table.text("name").unwrap_or("another");
        if let Some(other) = seen.insert(same(Path::new(path)), name) {
            let wrong = format!("is that of the sink {other:?}");
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            found.push(mistake.expected("one of its own"));
        }
    }
}

/// One spelling for each place, as far as it exists.
fn same(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(known) = whole.canonicalize() {
        return known;
    }
    match (whole.parent(), whole.file_name()) {
        (Some(folder), Some(name)) => same(folder).join(name),
        _ => whole,
    }
}

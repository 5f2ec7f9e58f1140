//! Is every value of a scenario one that the table of fields knows?
//!
//! The walk never stops at a mistake: it notes it, leaves the value out, and goes on, so that one
//! run shows all of them.

use std::{collections::BTreeMap, time::Duration};

use panelboard_mistakes::Found;

use super::{
    fields::{FILE, Field, Kind, Section},
    tree::{Entry, Node, Raw},
    values::{Checked, Table, Value},
};

/// Reads a tree beside the table of fields: what could be read, and every mistake.
pub(super) fn check(tree: Node) -> (Table, Vec<Found>) {
    let mut found = Vec::new();
    let values = match tree.raw {
        Raw::Table(entries) => table(entries, 0, String::new(), &FILE, &mut found),
        other => {
            let wrong = format!("is {}", other.kind());
            found.push(Found::new(tree.at, "", wrong).expected("a table"));
            Table::default()
        }
    };
    (values, found)
}

fn table(
    entries: Vec<Entry>,
    at: usize,
    path: String,
    section: &'static Section,
    found: &mut Vec<Found>,
) -> Table {
    let mut values = Table { at, path, entries: BTreeMap::new(), defaults: BTreeMap::new() };
    for Entry { at, name, node } in entries {
        match section.fields.iter().find(|field| field.name == name) {
            Some(field) => {
                let checked = value(node, &values.key(field.name), &field.kind, found);
                values.entries.insert(field.name, checked);
            }
            None => {
                let what = if values.path.is_empty() { "section" } else { "field" };
                let names: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
                let mistake = Found::new(at, values.key(&shown(&name)), format!("unknown {what}"))
                    .expected(format!("one of {}", names.join(", ")))
                    .nearest(&name, names.iter().copied());
                found.push(mistake);
            }
        }
    }
    let absent = section.fields.iter().filter(|field| !values.entries.contains_key(field.name));
    for field in absent.collect::<Vec<_>>() {
        if field.required {
            let mistake = Found::new(values.at, values.key(field.name), "missing");
            found.push(mistake.expected(expected(&field.kind)));
        } else if let Some(default) = default(field) {
            values.defaults.insert(field.name, default);
        }
    }
    values
}

/// What holds where a field is not written. That each default is right is a test's matter.
pub(super) fn default(field: &Field) -> Option<Value> {
    let written = field.default?;
    let raw = match &field.kind {
        Kind::Count { .. } => Raw::Integer(written.to_owned()),
        Kind::Number { .. } => written.parse().map_or(Raw::Other("no number"), Raw::Number),
        Kind::Flag => Raw::Flag(written == "true"),
        _ => Raw::Text(written.trim_matches('"').to_owned()),
    };
    scalar(&field.kind, raw).ok()
}

fn value(node: Node, key: &str, kind: &Kind, found: &mut Vec<Found>) -> Checked {
    let at = node.at;
    let wrote = if let Raw::Text(text) = &node.raw { Some(text.clone()) } else { None };
    let checked = match (kind, node.raw) {
        (Kind::Table(section), Raw::Table(entries)) => {
            Ok(Value::Table(table(entries, at, key.to_owned(), section, found)))
        }
        (Kind::List { of, most }, Raw::List(items)) => list(items, key, of, *most, found),
        (kind, raw) => scalar(kind, raw),
    };
    let value = checked.unwrap_or_else(|wrong| {
        let mut mistake = Found::new(at, key, wrong).expected(expected(kind));
        if let (Kind::OneOf(known), Some(wrote)) = (kind, wrote) {
            mistake = mistake.nearest(&wrote, known.iter().copied());
        }
        found.push(mistake);
        Value::Wrong
    });
    Checked { at, value }
}

fn list(
    items: Vec<Node>,
    key: &str,
    of: &Kind,
    most: usize,
    found: &mut Vec<Found>,
) -> Result<Value, String> {
    if items.is_empty() || items.len() > most {
        return Err(format!("holds {}", items.len()));
    }
    let item = |(i, item)| value(item, &format!("{key}[{i}]"), of, found);
    Ok(Value::List(items.into_iter().enumerate().map(item).collect()))
}

/// Checks a value that holds no others.
fn scalar(kind: &Kind, raw: Raw) -> Result<Value, String> {
    match (kind, raw) {
        (Kind::Name, Raw::Text(text)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let fits = (1..=40).contains(&text.len()) && text.chars().all(plain);
            if fits { Ok(Value::Text(text)) } else { Err(format!("{} is none", quoted(&text))) }
        }
        (Kind::Prose, Raw::Text(text)) => {
            let fits = (1..=500).contains(&text.len()) && !text.chars().any(char::is_control);
            if fits { Ok(Value::Text(text)) } else { Err(format!("{} is none", quoted(&text))) }
        }
        (Kind::OneOf(known), Raw::Text(text)) => match known.contains(&text.as_str()) {
            true => Ok(Value::Text(text)),
            false => Err(format!("{} is unknown", quoted(&text))),
        },
        (Kind::Duration { min, max }, Raw::Text(text)) => {
            let time = humantime::parse_duration(&text)
                .map_err(|_| format!("{} is no duration", quoted(&text)))?;
            in_range(Value::Duration(time), time, *min, *max, quoted(&text))
        }
        (Kind::Count { min, max }, Raw::Integer(text)) => {
            let count = text.parse().map_err(|_| format!("{text} is out of range"))?;
            in_range(Value::Count(count), count, *min, *max, text)
        }
        (Kind::Number { min, max }, Raw::Number(number)) => {
            in_range(Value::Number(number), number, *min, *max, number.to_string())
        }
        (Kind::Number { min, max }, Raw::Integer(text)) => {
            let number = text.parse().map_err(|_| format!("{text} is no number"))?;
            in_range(Value::Number(number), number, *min, *max, text)
        }
        (Kind::Flag, Raw::Flag(flag)) => Ok(Value::Flag(flag)),
        (_, other) => Err(format!("is {}", other.kind())),
    }
}

fn in_range<T: PartialOrd>(
    value: Value,
    n: T,
    min: T,
    max: T,
    shown: String,
) -> Result<Value, String> {
    // Written so that a NaN is refused.
    if n >= min && n <= max { Ok(value) } else { Err(format!("{shown} is out of range")) }
}

/// What a person should write there.
pub(super) fn expected(kind: &Kind) -> String {
    let time = |time: &Duration| humantime::format_duration(*time).to_string();
    match kind {
        Kind::Name => "1 to 40 letters, digits and - _ .".to_owned(),
        Kind::Prose => "1 to 500 characters on one line".to_owned(),
        Kind::OneOf(known) => format!("one of {}", known.join(", ")),
        Kind::Duration { min, max } => {
            format!("a duration such as \"30s\", from \"{}\" to \"{}\"", time(min), time(max))
        }
        Kind::Count { min, max } => format!("an integer from {min} to {max}"),
        Kind::Number { min, max } => format!("a number from {min} to {max}"),
        Kind::Flag => "true or false".to_owned(),
        Kind::List { of, most } => match of {
            Kind::Table(_) => format!("1 to {most} tables"),
            of => format!("an array of 1 to {most}, each {}", expected(of)),
        },
        Kind::Table(_) => "a table".to_owned(),
    }
}

/// A value as shown in a message: short.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

/// An unknown key as shown in a message: short, and on one line.
fn shown(name: &str) -> String {
    name.chars().take(60).flat_map(char::escape_debug).collect()
}

//! Is every value of the text one that the table of fields knows?
//!
//! The walk never stops at a mistake: it notes it, leaves the value out, and goes on, so that one
//! run shows all of them.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fields::{FILE, Kind, Section, Shape};
use super::secret::{self, Reference};
use super::values::{Node, Table, Value};
use panelboard_mistakes::{Found, nearest};

/// Reads `text` beside the table of fields: what could be read, and every mistake.
pub(super) fn check(text: &str) -> (Table, Vec<Found>) {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut walk = Walk { text, found: Vec::new() };
    let values = walk.table(document.get_ref(), 0, String::new(), &FILE);
    if syntax.is_empty() {
        return (values, walk.found);
    }
    // A parser that goes on after a fault sees things that are not there: with a broken syntax only
    // what is wrong *elsewhere*, and is not an absence, is believed.
    let broken: Vec<usize> = syntax.iter().filter_map(|e| e.span()).map(|s| s.start).collect();
    let same_line = |a: usize, b: usize| line(text, a) == line(text, b);
    let mut found: Vec<Found> = walk
        .found
        .into_iter()
        .filter(|f| f.wrong != MISSING)
        .filter(|f| f.at.is_none_or(|at| !broken.iter().any(|&b| same_line(at, b))))
        .collect();
    found.extend(syntax.iter().map(|e| {
        Found::new(e.span().map_or(0, |s| s.start), "", format!("not TOML: {}", e.message()))
    }));
    (values, found)
}

/// What is wrong with a required field that is not there.
pub(super) const MISSING: &str = "missing";

struct Walk<'t> {
    text: &'t str,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn table(&mut self, table: &DeTable<'_>, at: usize, path: String, section: &Section) -> Table {
        let mut values = Table { at, path, entries: BTreeMap::new() };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match section.fields.iter().find(|field| field.name == name) {
                Some(field) => {
                    let node = self.value(value, &values.key(name), &field.kind);
                    values.entries.insert(field.name, node);
                }
                None => {
                    let what = if values.path.is_empty() { "section" } else { "field" };
                    let mistake = unknown(what, values.key(&shown(name)), name, section);
                    let mistake = Found { at: Some(key.span().start), ..mistake };
                    self.found.push(mistake);
                }
            }
        }
        // A field that is there but wrong has had its mistake: only an absent one is missing.
        let absent = section.fields.iter().filter(|f| f.required && !table.contains_key(f.name));
        for field in absent {
            let mistake = Found::new(at, values.key(field.name), MISSING);
            self.found.push(mistake.expected(expected(&field.kind)));
        }
        values
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, key: &str, kind: &Kind) -> Node {
        let at = value.span().start;
        let checked = match (kind, value.get_ref()) {
            (Kind::Table(section), DeValue::Table(table)) => {
                Ok(Value::Table(self.table(table, at, key.to_owned(), section)))
            }
            (Kind::Tables(section), DeValue::Array(items)) => {
                Ok(Value::List(self.tables(items.iter(), key, section)))
            }
            (Kind::List(kind), DeValue::Array(items)) => Ok(Value::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| self.value(item, &format!("{key}[{i}]"), kind))
                    .collect(),
            )),
            (kind, value) => scalar(kind, value),
        };
        let value = match checked {
            Ok(value) => value,
            Err(wrong) => {
                let mut mistake = Found::new(at, key, wrong).expected(expected(kind));
                if let (Kind::OneOf(known), DeValue::String(wrote)) = (kind, value.get_ref()) {
                    mistake = mistake.nearest(wrote, known.iter().copied());
                }
                self.found.push(mistake);
                Value::Wrong
            }
        };
        Node { value, at }
    }

    fn tables<'a, 'i: 'a>(
        &mut self,
        items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
        key: &str,
        section: &'static Section,
    ) -> Vec<Node> {
        items
            .enumerate()
            .map(|(i, item)| {
                let key = format!("{key}[{i}]");
                // The span of an empty last table may reach past the text.
                let at = item.span().start.min(self.text.len());
                let value = match item.get_ref() {
                    DeValue::Table(table) => Value::Table(self.table(table, at, key, section)),
                    other => {
                        let mistake = Found::new(at, key, format!("is {}", type_of(other)));
                        self.found.push(mistake.expected("a table"));
                        Value::Wrong
                    }
                };
                Node { value, at }
            })
            .collect()
    }
}

fn unknown(what: &str, key: String, name: &str, section: &Section) -> Found {
    let names: Vec<&str> = section.fields.iter().map(|f| f.name).collect();
    let meant = elsewhere(name)
        .filter(|meant| names.contains(meant))
        .or_else(|| nearest(name, names.iter().copied()));
    let mut mistake = Found::new(0, key, format!("unknown {what}"))
        .expected(format!("one of {}", names.join(", ")));
    mistake.nearest = meant.map(str::to_owned);
    mistake
}

/// Names that other programs use for one of ours.
fn elsewhere(name: &str) -> Option<&'static str> {
    match name {
        "reset_timeout" | "cooldown" | "open_timeout" => Some("recovery_timeout"),
        "max_failures" | "allowed_fails" => Some("failure_threshold"),
        "url" | "endpoint" | "api_base" => Some("base_url"),
        "type" => Some("kind"),
        "api_key" | "token" => Some("secret"),
        "bind" | "address" | "port" | "host" => Some("listen"),
        _ => None,
    }
}

/// An unknown key as it may be shown: a person may have pasted anything there.
fn shown(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    // Names of fields have few digits; secrets have many.
    let digits = name.chars().filter(char::is_ascii_digit).count();
    if name.len() <= 40 && digits <= 3 && name.chars().all(plain) {
        name.to_owned()
    } else {
        "(not shown)".to_owned()
    }
}

/// Checks a value that holds no others.
fn scalar(kind: &Kind, value: &DeValue<'_>) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Text(Shape::Url), DeValue::String(text)) if text.contains('@') => {
            Err("holds a user name or password (not shown)".to_owned())
        }
        (Kind::Text(shape), DeValue::String(text)) => {
            if fits(*shape, text) {
                Ok(Value::Text(text.to_string()))
            } else {
                Err(format!("{} is none", quoted(text)))
            }
        }
        (Kind::OneOf(known), DeValue::String(text)) => {
            if known.contains(&text.as_ref()) {
                Ok(Value::Text(text.to_string()))
            } else {
                Err(format!("{} is unknown", quoted(text)))
            }
        }
        (Kind::Secret, DeValue::String(text)) => Reference::parse(text).map(Value::Secret),
        (Kind::Duration { min, max }, DeValue::String(text)) => {
            let time = humantime::parse_duration(text)
                .map_err(|_| format!("{} is no duration", quoted(text)))?;
            in_range(Value::Duration(time), time, *min, *max, quoted(text))
        }
        (Kind::Count { min, max }, DeValue::Integer(n)) => {
            let count = integer(n).ok_or_else(|| format!("{n} is out of range"))?;
            in_range(Value::Count(count), count, *min, *max, count.to_string())
        }
        (Kind::Bytes { min, max }, DeValue::Integer(n)) => {
            let count = integer(n).ok_or_else(|| format!("{n} is out of range"))?;
            in_range(Value::Count(count), count, *min, *max, count.to_string())
        }
        (Kind::Bytes { min, max }, DeValue::String(text)) => {
            let count = bytes(text).ok_or_else(|| format!("{} is no size", quoted(text)))?;
            in_range(Value::Count(count), count, *min, *max, quoted(text))
        }
        (Kind::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
        (Kind::Share { min, max }, DeValue::Float(n)) => {
            let share: f64 = n.as_str().parse().map_err(|_| format!("{n} is no number"))?;
            in_range(Value::Share(share), share, *min, *max, n.to_string())
        }
        (Kind::Share { min, max }, DeValue::Integer(n)) => {
            let share: f64 = n.as_str().parse().map_err(|_| format!("{n} is no number"))?;
            in_range(Value::Share(share), share, *min, *max, n.to_string())
        }
        (_, other) => Err(format!("is {}", type_of(other))),
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

fn integer(n: &toml::de::DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(n.as_str(), n.radix()).ok()
}

/// `16MiB`, `64 KiB`, `1GiB`, `512B`.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[digits..].trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

fn fits(shape: Shape, text: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let printable = |c: char| !c.is_whitespace() && !c.is_control();
    let part = |t: &str| !matches!(t, "" | "." | "..") && t.chars().all(printable);
    let word = |t: &str| !t.is_empty() && t.chars().count() <= 200 && t.chars().all(printable);
    match shape {
        Shape::Name => !text.is_empty() && text.len() <= 100 && text.chars().all(name),
        Shape::Word => word(text),
        Shape::Target => text.split_once('/').is_some_and(|(provider, rest)| {
            !provider.is_empty() && provider.chars().all(name) && word(rest)
        }),
        Shape::Url => url_host(text).is_some_and(|rest| !rest.contains(['?', '#', '@'])),
        Shape::Address => text.parse::<std::net::SocketAddr>().is_ok(),
        Shape::Host => !text.is_empty() && text.len() <= 253 && text.chars().all(name),
        Shape::Mount => !text.is_empty() && text.len() <= 512 && text.split('/').all(part),
        Shape::Path | Shape::File => {
            (1..=4096).contains(&text.len()) && !text.chars().any(char::is_control)
        }
        Shape::Syslog => syslog(text),
        Shape::Pattern => (1..=1000).contains(&text.chars().count()),
        Shape::Origin => url_host(text).is_some_and(|rest| !rest.contains(['/', '?', '#', '@'])),
    }
}

/// What follows the scheme of an HTTP URL, if a host does.
fn url_host(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = !rest.is_empty() && !rest.starts_with(['/', ':']);
    (host && !text.contains(char::is_whitespace)).then_some(rest)
}

fn syslog(text: &str) -> bool {
    let Some((scheme, place)) = text.split_once(':') else { return false };
    let port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let host = |host: &str| !host.is_empty() && !host.contains(['/', '@', ' ']);
    match (scheme, place.strip_prefix("//")) {
        ("udp" | "tcp", Some(place)) => {
            place.rsplit_once(':').is_some_and(|(its, number)| host(its) && port(number))
        }
        ("unix", None) => !place.is_empty() && !place.chars().any(char::is_control),
        _ => false,
    }
}

/// What a person should write there.
pub(super) fn expected(kind: &Kind) -> String {
    let time = |t: &std::time::Duration| humantime::format_duration(*t).to_string();
    match kind {
        Kind::Text(shape) => shape.expected().to_owned(),
        Kind::OneOf(known) => format!("one of {}", known.join(", ")),
        Kind::Duration { min, max } => {
            format!("a duration such as \"30s\", from \"{}\" to \"{}\"", time(min), time(max))
        }
        Kind::Count { min, max } => format!("an integer from {min} to {max}"),
        Kind::Bytes { min, max } => {
            format!("bytes or a size such as \"16MiB\", from {min} to {max} bytes")
        }
        Kind::Switch => "true or false".to_owned(),
        Kind::Share { min, max } => format!("a number from {min} to {max}"),
        Kind::Secret => secret::EXPECTED.to_owned(),
        Kind::List(kind) => format!("an array, each {}", expected(kind)),
        Kind::Table(_) => "a table".to_owned(),
        Kind::Tables(_) => "an array of tables".to_owned(),
    }
}

fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// A value as shown in a message: short, and only if nobody would keep a secret there.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

fn line(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

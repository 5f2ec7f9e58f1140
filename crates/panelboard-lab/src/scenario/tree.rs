//! What stands where in a text, whether it is TOML or JSON?
//!
//! Both come to one tree of values with their byte offsets, so that everything after it is written
//! once.

use jsonc_parser::{CollectOptions, ParseOptions, ast, common::Ranged, parse_to_ast};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use panelboard_mistakes::Found;

/// A value and the byte offset at which it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) raw: Raw,
}

/// A value before anyone has asked what it should be.
#[derive(Debug)]
pub(super) enum Raw {
    Text(String),
    /// As written; it may be too large for any type.
    Integer(String),
    Number(f64),
    Flag(bool),
    /// A date, or JSON's `null`: there, and never right. What it is, for messages.
    Other(&'static str),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table with its place, and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) node: Node,
}

/// Reads TOML; `None` beside the mistakes if nothing can be made of the text.
pub(super) fn toml(text: &str) -> Result<Node, Vec<Found>> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        let at = |e: &toml::de::Error| e.span().map_or(0, |span| span.start);
        let said = |e| Found::new(at(e), "", format!("not TOML: {}", e.message()));
        return Err(syntax.iter().map(said).collect());
    }
    Ok(Node { at: 0, raw: table(document.get_ref(), text.len()) })
}

fn table(table: &DeTable<'_>, end: usize) -> Raw {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| Entry {
        at: key.span().start,
        name: AsRef::<str>::as_ref(key.get_ref()).to_owned(),
        node: node(value, end),
    };
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value): (&Spanned<std::borrow::Cow<'_, str>>, _)| entry((key, value)))
        .collect();
    entries.sort_by_key(|entry| entry.at);
    Raw::Table(entries)
}

fn node(value: &Spanned<DeValue<'_>>, end: usize) -> Node {
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(n) => match i128::from_str_radix(n.as_str(), n.radix()) {
            Ok(n) => Raw::Integer(n.to_string()),
            Err(_) => Raw::Integer(n.to_string()),
        },
        DeValue::Float(n) => n.as_str().parse().map_or(Raw::Other("no number"), Raw::Number),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| node(item, end)).collect()),
        DeValue::Table(entries) => table(entries, end),
    };
    // The span of an empty last table may reach past the text.
    Node { at: value.span().start.min(end), raw }
}

/// Reads JSON, and only JSON.
pub(super) fn json(text: &str) -> Result<Node, Vec<Found>> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let not_json = |at, what: String| vec![Found::new(at, "", format!("not JSON: {what}"))];
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict)
        .map_err(|e| not_json(e.range().start, e.kind().to_string()))?;
    let value = parsed.value.ok_or_else(|| not_json(0, "the text is empty".to_owned()))?;
    let mut found = Vec::new();
    let tree = json_node(value, "", &mut found);
    if found.is_empty() { Ok(tree) } else { Err(found) }
}

fn json_node(value: ast::Value<'_>, path: &str, found: &mut Vec<Found>) -> Node {
    let at = value.range().start;
    let raw = match value {
        ast::Value::StringLit(text) => Raw::Text(text.value.into_owned()),
        ast::Value::NumberLit(n) => number(n.value),
        ast::Value::BooleanLit(flag) => Raw::Flag(flag.value),
        ast::Value::NullKeyword(_) => Raw::Other("null"),
        ast::Value::Array(items) => {
            let item = |(i, item)| json_node(item, &format!("{path}[{i}]"), found);
            Raw::List(items.elements.into_iter().enumerate().map(item).collect())
        }
        ast::Value::Object(object) => {
            let mut entries: Vec<Entry> = Vec::new();
            for property in object.properties {
                let (at, name) = (property.range.start, property.name.into_string());
                let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if entries.iter().any(|entry| entry.name == name) {
                    found.push(Found::new(at, &key, "duplicate key"));
                    continue;
                }
                let node = json_node(property.value, &key, found);
                entries.push(Entry { at, name, node });
            }
            Raw::Table(entries)
        }
    };
    Node { at, raw }
}

fn number(text: &str) -> Raw {
    match text.parse::<i128>() {
        Ok(_) => Raw::Integer(text.to_owned()),
        Err(_) => text.parse().map_or(Raw::Other("no number"), Raw::Number),
    }
}

impl Raw {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number with a fraction",
            Self::Flag(_) => "true or false",
            Self::Other(what) => what,
            Self::List(_) => "an array",
            Self::Table(_) => "a table",
        }
    }
}

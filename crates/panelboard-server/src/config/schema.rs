//! What does the table of fields look like as a JSON schema?

use serde_json::{Map, Value, json};

use super::check::expected;
use super::fields::{FILE, Field, Kind, Section, Shape};

/// The JSON schema (draft 2020-12) of a configuration file, for editors.
///
/// Made from the same table as the check, so that the two can not differ in names, kinds or
/// ranges. Rules that need two values (a target must be a provider) are the check's alone.
pub fn schema() -> Value {
    let mut schema = table(&FILE);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("panelboard");
    schema
}

fn table(section: &Section) -> Value {
    let properties: Map<String, Value> =
        section.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<&str> =
        section.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.about,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = value(&field.kind);
    schema["description"] = json!(field.about);
    if let Some(default) = field.default {
        // Defaults are written as in TOML; those of all scalar kinds are JSON as well.
        schema["default"] = serde_json::from_str(default).unwrap_or(Value::Null);
    }
    schema
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text(shape) => json!({ "type": "string", "pattern": pattern(*shape) }),
        Kind::OneOf(known) => json!({ "enum": known }),
        Kind::Duration { .. } => json!({
            "type": "string",
            "pattern": "^\\s*([0-9]+\\s*[A-Za-z\u{b5}]+\\s*)+$|^0$",
            "$comment": expected(kind),
        }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Bytes { min, max } => json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^[0-9]+\\s*(B|KiB|MiB|GiB)$" },
        ] }),
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Share { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Secret => {
            json!({
                "type": "string",
                "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|vault:[^/#]+/[^#]+#.+)$",
            })
        }
        Kind::List(kind) => json!({ "type": "array", "items": value(kind) }),
        Kind::Table(section) => table(section),
        Kind::Tables(section) => json!({ "type": "array", "items": table(section) }),
    }
}

fn pattern(shape: Shape) -> &'static str {
    match shape {
        Shape::Name => "^[A-Za-z0-9._-]{1,100}$",
        Shape::Word => "^\\S{1,200}$",
        Shape::Target => "^[A-Za-z0-9._-]+/\\S{1,200}$",
        Shape::Url => "^https?://[^\\s/:?#@][^\\s?#@]*$",
        Shape::Address => "^\\S+:[0-9]{1,5}$",
        Shape::Host => "^[A-Za-z0-9._-]{1,253}$",
        Shape::Path | Shape::File => "^[^\\u0000-\\u001f]{1,4096}$",
        Shape::Mount => "^[^\\s/]+(/[^\\s/]+)*$",
        Shape::Syslog => "^((udp|tcp)://[^\\s/@]+:[0-9]{1,5}|unix:.+)$",
        Shape::Pattern => "^[\\s\\S]{1,1000}$",
        Shape::Origin => "^https?://[^\\s/:?#@][^\\s/?#@]*$",
    }
}

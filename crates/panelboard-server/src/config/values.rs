//! What is left of a file once every value has been checked on its own?

use std::collections::BTreeMap;
use std::time::Duration;

use super::secret::Reference;

/// A checked value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    /// Byte offset of the value.
    pub(super) at: usize,
}

/// A value of one of the kinds in the table of fields.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Duration(Duration),
    Count(u64),
    Share(f64),
    Switch(bool),
    Secret(Reference),
    List(Vec<Node>),
    Table(Table),
    /// There, but wrong; its mistake has been noted. It keeps its place, so that nobody calls it
    /// missing.
    Wrong,
}

/// A table whose keys are all known.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Byte offset of the table's header or of its value.
    pub(super) at: usize,
    /// Dotted path of the table, such as `provider[0]`. Empty for the whole file.
    pub(super) path: String,
    pub(super) entries: BTreeMap<&'static str, Node>,
}

impl Table {
    /// The dotted path of one of the table's fields.
    pub(super) fn key(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Where a field stands, or where the table does if the field is not given.
    pub(super) fn place(&self, field: &str) -> usize {
        self.entries.get(field).map_or(self.at, |node| node.at)
    }

    /// Whether a field is there, right or wrong.
    pub(super) fn has(&self, field: &str) -> bool {
        self.entries.contains_key(field)
    }

    pub(super) fn text(&self, field: &str) -> Option<&str> {
        match &self.entries.get(field)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn duration(&self, field: &str) -> Option<Duration> {
        match &self.entries.get(field)?.value {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn count(&self, field: &str) -> Option<u64> {
        match &self.entries.get(field)?.value {
            Value::Count(count) => Some(*count),
            _ => None,
        }
    }

    /// A count that the table of fields keeps within `u32`.
    pub(super) fn count32(&self, field: &str) -> Option<u32> {
        self.count(field).and_then(|count| u32::try_from(count).ok())
    }

    /// A count that the table of fields keeps within `usize`.
    pub(super) fn size(&self, field: &str) -> Option<usize> {
        self.count(field).and_then(|count| usize::try_from(count).ok())
    }

    pub(super) fn share(&self, field: &str) -> Option<f64> {
        match &self.entries.get(field)?.value {
            Value::Share(share) => Some(*share),
            _ => None,
        }
    }

    pub(super) fn switch(&self, field: &str) -> Option<bool> {
        match &self.entries.get(field)?.value {
            Value::Switch(on) => Some(*on),
            _ => None,
        }
    }

    pub(super) fn secret(&self, field: &str) -> Option<&Reference> {
        match &self.entries.get(field)?.value {
            Value::Secret(reference) => Some(reference),
            _ => None,
        }
    }

    /// The references of a list, each with its place in the list and in the text.
    pub(super) fn secrets(&self, field: &str) -> impl Iterator<Item = (usize, &Reference, usize)> {
        self.list(field).iter().enumerate().filter_map(|(i, node)| match &node.value {
            Value::Secret(reference) => Some((i, reference, node.at)),
            _ => None,
        })
    }

    /// Whether a field is an empty list.
    pub(super) fn is_empty_list(&self, field: &str) -> bool {
        let value = self.entries.get(field).map(|node| &node.value);
        matches!(value, Some(Value::List(items)) if items.is_empty())
    }

    pub(super) fn list(&self, field: &str) -> &[Node] {
        match self.entries.get(field).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn table(&self, field: &str) -> Option<&Table> {
        self.entries.get(field)?.as_table()
    }

    pub(super) fn tables(&self, field: &str) -> impl Iterator<Item = &Table> {
        self.list(field).iter().filter_map(Node::as_table)
    }

    /// The texts of a list, each with its place in the list and in the text.
    pub(super) fn texts(&self, field: &str) -> impl Iterator<Item = (usize, &str, usize)> {
        self.list(field).iter().enumerate().filter_map(|(i, node)| match &node.value {
            Value::Text(text) => Some((i, text.as_str(), node.at)),
            _ => None,
        })
    }
}

impl Node {
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }
}

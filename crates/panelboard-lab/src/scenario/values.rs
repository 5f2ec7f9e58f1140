//! What is left of a scenario once every value has been checked on its own?

use std::{collections::BTreeMap, time::Duration};

use crate::settings::{Setting, SettingValue};

/// A checked value and where it stands.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) at: usize,
    pub(crate) value: Value,
}

/// A value of one of the kinds in the table of fields.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Duration(Duration),
    Count(u64),
    Number(f64),
    Flag(bool),
    List(Vec<Checked>),
    Table(Table),
    /// There, but wrong; its mistake has been noted. It keeps its place, so that nobody calls it
    /// missing.
    Wrong,
}

/// A table whose keys are all known. What was not written, and has a default, is there as well.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Byte offset of the table's header or of its value.
    pub(crate) at: usize,
    /// Dotted path of the table, such as `service[0]`. Empty for the whole text.
    pub(crate) path: String,
    pub(crate) entries: BTreeMap<&'static str, Checked>,
    /// Fields that hold because nothing was written.
    pub(crate) defaults: BTreeMap<&'static str, Value>,
}

impl Table {
    /// The dotted path of one of the table's fields.
    pub(crate) fn key(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Where a field stands, or where the table does if the field is not given.
    pub(crate) fn place(&self, field: &str) -> usize {
        self.entries.get(field).map_or(self.at, |checked| checked.at)
    }

    /// Whether a field is written, right or wrong.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.entries.contains_key(field)
    }

    fn value(&self, field: &str) -> Option<&Value> {
        self.entries.get(field).map(|checked| &checked.value).or_else(|| self.defaults.get(field))
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        match self.value(field)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn duration(&self, field: &str) -> Option<Duration> {
        match self.value(field)? {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    /// A duration as the engine counts it. The table of fields keeps it within a day.
    pub(crate) fn nanos(&self, field: &str) -> Option<u64> {
        self.duration(field).and_then(|time| u64::try_from(time.as_nanos()).ok())
    }

    pub(crate) fn count(&self, field: &str) -> Option<u64> {
        match self.value(field)? {
            Value::Count(count) => Some(*count),
            _ => None,
        }
    }

    /// A count that the table of fields keeps within `u32`.
    pub(crate) fn count32(&self, field: &str) -> Option<u32> {
        self.count(field).and_then(|count| u32::try_from(count).ok())
    }

    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, field: &str) -> Option<bool> {
        match self.value(field)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// What is written under a breaker's key.
    pub(crate) fn setting(&self, setting: &Setting) -> Option<SettingValue> {
        match &self.entries.get(setting.name)?.value {
            // The table of fields keeps it within `u32`.
            Value::Count(n) => u32::try_from(*n).ok().map(SettingValue::Count),
            Value::Number(n) => Some(SettingValue::Number(*n)),
            Value::Duration(time) => Some(SettingValue::Time(*time)),
            Value::Flag(yes) => Some(SettingValue::Flag(*yes)),
            Value::Text(text) => setting.word(text),
            _ => None,
        }
    }

    /// Whether something in it is wrong, and has been told.
    pub(crate) fn has_wrong(&self) -> bool {
        self.entries.values().any(|checked| matches!(checked.value, Value::Wrong))
    }

    pub(crate) fn table(&self, field: &str) -> Option<&Table> {
        match self.value(field)? {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    fn list(&self, field: &str) -> &[Checked] {
        match self.value(field) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    pub(crate) fn tables(&self, field: &str) -> impl Iterator<Item = &Table> {
        self.list(field).iter().filter_map(|checked| match &checked.value {
            Value::Table(table) => Some(table),
            _ => None,
        })
    }

    /// The texts of a list, each with its place in the list and in the text.
    pub(crate) fn texts(&self, field: &str) -> impl Iterator<Item = (usize, &str, usize)> {
        self.list(field).iter().enumerate().filter_map(|(i, checked)| match &checked.value {
            Value::Text(text) => Some((i, text.as_str(), checked.at)),
            _ => None,
        })
    }
}

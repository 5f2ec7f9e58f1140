//! What do the sections `[breaker]` and `[provider.breaker]` mean?

use std::collections::BTreeMap;

use panelboard_lab::{Setting, SettingValue, Settings};

use super::Builder;
use crate::config::values::{Table, Value};
use panelboard_mistakes::Found;

/// The settings of all breakers: each provider has one set of them, for itself and for its keys.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Breakers {
    /// `[breaker]`.
    pub common: Settings,
    /// Of each provider by its name, with what it has of its own.
    pub providers: BTreeMap<String, Settings>,
}

impl Builder<'_> {
    /// Settings from tables of which the first that has a field says it.
    pub(super) fn breaker(
        &mut self,
        tables: &[Option<&Table>],
    ) -> Option<(Settings, panelboard::Config)> {
        read(tables, self.found)
    }
}

fn read(
    tables: &[Option<&Table>],
    found: &mut Vec<Found>,
) -> Option<(Settings, panelboard::Config)> {
    let tables: Vec<&Table> = tables.iter().flatten().copied().collect();
    let of = |field| tables.iter().copied().find(|table| table.has(field));
    let settings = Settings::read(|setting| of(setting.name)?.setting(setting));
    match settings.build() {
        Ok(config) => Some((settings, config)),
        Err(error) => {
            let table = of(error.key).or_else(|| tables.first().copied())?;
            let mistake = Found::new(table.place(error.key), table.key(error.key), error.wrong);
            found.push(mistake.expected(error.expected));
            None
        }
    }
}

impl Table {
    /// What is written under a breaker's key.
    fn setting(&self, setting: &Setting) -> Option<SettingValue> {
        match &self.entries.get(setting.name)?.value {
            // The table of fields keeps it within `u32`.
            Value::Count(n) => u32::try_from(*n).ok().map(SettingValue::Count),
            Value::Share(share) => Some(SettingValue::Number(*share)),
            Value::Duration(time) => Some(SettingValue::Time(*time)),
            Value::Switch(on) => Some(SettingValue::Flag(*on)),
            Value::Text(text) => setting.word(text),
            _ => None,
        }
    }
}

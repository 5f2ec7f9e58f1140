//! What do the sections `[breaker]` and `[provider.breaker]` mean?

use std::collections::{BTreeMap, BTreeSet};

use panelboard_lab::{Setting, SettingValue, Settings};

use super::Builder;
use crate::config::values::{Table, Value};
use panelboard_mistakes::{Found, nearest};

/// The settings of all breakers: each provider has one set of them, for itself and for its keys.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Breakers {
    /// `[breaker]`.
    pub common: Settings,
    /// Of each provider by its name, with what it has of its own.
    pub providers: BTreeMap<String, Settings>,
}

impl Breakers {
    /// Those of one provider. The message names the providers that there are.
    pub(crate) fn named(&self, provider: &str) -> Result<Settings, String> {
        self.providers.get(provider).copied().ok_or_else(|| {
            let known = || self.providers.keys().map(String::as_str);
            let meant = nearest(provider, known()).map(|name| format!(", did you mean `{name}`?"));
            format!(
                "no provider {provider:?}, expected one of {}{}",
                known().collect::<Vec<_>>().join(", "),
                meant.unwrap_or_default()
            )
        })
    }

    /// Those that all breakers with these keys have: `provider/key`, or a provider's name. Others
    /// have the common ones. The message says which providers differ.
    pub(crate) fn shared_by<'k>(
        &self,
        keys: impl Iterator<Item = &'k str>,
    ) -> Result<Settings, String> {
        let provider = |key: &'k str| key.split_once('/').map_or(key, |(provider, _)| provider);
        let names: BTreeSet<&str> = keys.map(provider).collect();
        let mut groups: Vec<(Settings, Vec<&str>)> = Vec::new();
        for name in names {
            let own = self.providers.get(name).copied().unwrap_or(self.common);
            match groups.iter_mut().find(|(settings, _)| *settings == own) {
                Some((_, names)) => names.push(name),
                None => groups.push((own, vec![name])),
            }
        }
        match &groups[..] {
            [] => Ok(self.common),
            [(settings, _)] => Ok(*settings),
            groups => {
                let each: Vec<String> = groups.iter().map(|(_, names)| names.join(", ")).collect();
                Err(format!(
                    "the calls are to breakers with different settings ({})",
                    each.join("; ")
                ))
            }
        }
    }
}

/// The breakers of a file, without what else is in it.
pub(in crate::config) fn breakers(file: &Table, found: &mut Vec<Found>) -> Breakers {
    let common = file.table("breaker");
    let settings = |tables: &[Option<&Table>], found: &mut Vec<Found>| {
        read(tables, found).map(|(settings, _)| settings).unwrap_or_default()
    };
    let mut breakers = Breakers { common: settings(&[common], found), ..Breakers::default() };
    for table in file.tables("provider") {
        let Some(name) = table.text("name") else { continue };
        let own = match table.table("breaker") {
            None => breakers.common,
            own => settings(&[own, common], found),
        };
        breakers.providers.insert(name.to_owned(), own);
    }
    breakers
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
    build(settings, |field| of(field).or_else(|| tables.first().copied()), found)
}

/// Settings from one table, beside what a preset has under the keys that are not in it.
pub(super) fn read_beside(
    table: &Table,
    preset: impl Fn(&Setting) -> Option<SettingValue>,
    found: &mut Vec<Found>,
) -> Option<(Settings, panelboard::Config)> {
    let settings = Settings::read(|setting| match table.has(setting.name) {
        true => table.setting(setting),
        false => preset(setting),
    });
    build(settings, |_| Some(table), found)
}

/// What the settings come to; what is wrong with them is told where `of` says that it stands.
fn build<'t>(
    settings: Settings,
    of: impl Fn(&'static str) -> Option<&'t Table>,
    found: &mut Vec<Found>,
) -> Option<(Settings, panelboard::Config)> {
    match settings.build() {
        Ok(config) => Some((settings, config)),
        Err(error) => {
            let table = of(error.key)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn three() -> Breakers {
        let quick = Settings { recovery_timeout: Duration::from_secs(5), ..Settings::default() };
        let common = Settings::default();
        let of = [("a", common), ("b", quick), ("c", quick)];
        let providers = of.into_iter().map(|(name, own)| (name.to_owned(), own)).collect();
        Breakers { common, providers }
    }

    #[test]
    fn calls_share_settings_or_it_is_said_whose_differ() {
        let shared = |keys: &[&str]| three().shared_by(keys.iter().copied());
        let seconds = |keys: &[&str]| shared(keys).unwrap().recovery_timeout.as_secs();
        assert_eq!(seconds(&["b/one", "b/two", "c/one", "b"]), 5);
        assert_eq!(seconds(&["a/one", "elsewhere/x", "y"]), 30);
        assert_eq!(seconds(&[]), 30);
        assert_eq!(
            shared(&["c/one", "a/one", "b/two", "z"]).unwrap_err(),
            "the calls are to breakers with different settings (a, z; b, c)"
        );
    }

    #[test]
    fn a_provider_is_found_by_its_name() {
        assert_eq!(three().named("b").unwrap().recovery_timeout.as_secs(), 5);
        assert_eq!(three().named("d").unwrap_err(), "no provider \"d\", expected one of a, b, c");
    }
}

//! Which providers, keys and models does a file name, and do they fit together?

use std::collections::HashSet;
use std::mem;

use panelboard_llm::{Key, Kind, Model, Provider, Secret, Settings, Target};

use super::{Builder, timeouts};
use crate::config::secret::{self, Reference, fits_header};
use crate::config::values::Table;
use panelboard_mistakes::Found;

impl Builder<'_> {
    pub(super) fn providers(&mut self, file: &Table, common: &Settings) -> Vec<Provider> {
        let mut seen = HashSet::new();
        let mut providers = Vec::new();
        for table in file.tables("provider") {
            self.once(&mut seen, table, "provider");
            providers.extend(self.provider(table, file.table("breaker"), common));
        }
        if !file.has("provider") {
            let mistake = Found::new(0, "provider", "no provider");
            self.found.push(mistake.expected("at least one [[provider]]"));
        }
        providers
    }

    fn provider(
        &mut self,
        table: &Table,
        common_breaker: Option<&Table>,
        common: &Settings,
    ) -> Option<Provider> {
        let name = table.text("name")?.to_owned();
        let kind = kind(table.text("kind")?)?;
        let base_url = self.base_url(table, kind);
        let keys = self.keys(table, &name, kind);
        let breaker = match table.table("breaker") {
            None => None,
            own => self.breaker(&[own, common_breaker]),
        };
        let settings = breaker.as_ref().map_or(self.breakers.common, |(settings, _)| *settings);
        self.breakers.providers.insert(name.clone(), settings);
        let breaker = breaker.map(|(_, config)| config);
        let own = table.table("timeouts");
        let timeouts = own.map(|own| timeouts(common.timeouts, Some(own)));
        Some(Provider { name, kind, base_url, keys, breaker, timeouts })
    }

    fn base_url(&mut self, table: &Table, kind: Kind) -> String {
        let given = table.text("base_url").map(|url| url.trim_end_matches('/').to_owned());
        let usual = match kind {
            Kind::OpenAi => "https://api.openai.com/v1",
            Kind::Anthropic => "https://api.anthropic.com/v1",
            // The server fills in where its own pretend server listens.
            Kind::Pretend => "http://127.0.0.1:1/v1",
            _ => "",
        };
        if kind == Kind::Pretend && given.is_some() {
            let wrong = "a pretend provider has no address";
            self.found.push(Found::new(table.place("base_url"), table.key("base_url"), wrong));
        }
        if usual.is_empty() && !table.has("base_url") {
            let mistake = Found::new(table.at, table.key("base_url"), "missing")
                .expected("the address of the openai-compatible service");
            self.found.push(mistake);
        }
        given.unwrap_or_else(|| usual.to_owned())
    }

    fn keys(&mut self, table: &Table, provider: &str, kind: Kind) -> Vec<Key> {
        let mut seen = HashSet::new();
        let mut keys = Vec::new();
        for key in table.tables("keys") {
            self.once(&mut seen, key, "key");
            keys.extend(self.key(key, provider, kind));
        }
        if table.list("keys").is_empty() {
            if kind != Kind::OpenAiCompatible && (!table.has("keys") || table.is_empty_list("keys"))
            {
                let mistake = Found::new(table.place("keys"), table.key("keys"), "no keys");
                self.found.push(mistake.expected("at least one { name, secret }"));
            }
            keys.push(plain_key("key-1".to_owned(), Secret::new(String::new())));
        }
        keys
    }

    fn key(&mut self, table: &Table, provider: &str, kind: Kind) -> Option<Key> {
        let needs = matches!(kind, Kind::OpenAi | Kind::Anthropic);
        if needs && !table.has("secret") {
            let mistake = Found::new(table.at, table.key("secret"), "missing");
            self.found.push(mistake.expected(secret::EXPECTED));
        }
        if kind == Kind::Pretend && table.has("secret") {
            let wrong = "a pretend provider needs no secret";
            self.found.push(Found::new(table.place("secret"), table.key("secret"), wrong));
        }
        let secret = match table.secret("secret") {
            Some(Reference::Vault(of)) => {
                self.vault_key(table, provider, of);
                Secret::awaited()
            }
            _ => self.key_at_hand(table),
        };
        let mut key = plain_key(table.text("name")?.to_owned(), secret);
        key.weight = table.count32("weight").unwrap_or(1);
        key.quota_group = table.text("quota_group").map(str::to_owned);
        Some(key)
    }

    fn key_at_hand(&mut self, table: &Table) -> Secret {
        let mut secret = self.secret(table, "secret").unwrap_or_default();
        if !fits_header(&secret) {
            let mistake = Found::new(
                table.place("secret"),
                table.key("secret"),
                "the secret holds a character that no header may hold (not shown)",
            );
            self.found.push(mistake.expected("one line of visible ASCII"));
        }
        Secret::new(mem::take(&mut *secret))
    }

    pub(super) fn models(&mut self, file: &Table) -> Vec<Model> {
        // Without one name of a provider nobody knows which target is wrong.
        let providers: Option<Vec<&str>> =
            file.list("provider").iter().map(|node| node.as_table()?.text("name")).collect();
        let mut seen = HashSet::new();
        let mut models = Vec::new();
        for table in file.tables("model") {
            self.once(&mut seen, table, "model");
            models.extend(self.model(table, providers.as_deref()));
        }
        if !file.has("model") {
            let mistake = Found::new(0, "model", "no model");
            self.found.push(mistake.expected("at least one [[model]] for clients to ask for"));
        }
        models
    }

    fn model(&mut self, table: &Table, providers: Option<&[&str]>) -> Option<Model> {
        if table.is_empty_list("targets") {
            let mistake = Found::new(table.place("targets"), table.key("targets"), "no targets");
            self.found.push(mistake.expected("at least one \"PROVIDER/MODEL\""));
        }
        let mut targets: Vec<Target> = Vec::new();
        for (i, text, at) in table.texts("targets") {
            let (provider, model) = text.split_once('/')?;
            let key = || format!("{}[{i}]", table.key("targets"));
            if let Some(providers) = providers.filter(|known| !known.contains(&provider)) {
                let mistake = Found::new(at, key(), format!("{provider:?} is no provider"))
                    .expected(format!("one of {}", providers.join(", ")))
                    .nearest(provider, providers.iter().copied());
                self.found.push(mistake);
            }
            let target = Target { provider: provider.to_owned(), model: model.to_owned() };
            if targets.contains(&target) {
                self.found.push(Found::new(at, key(), format!("{text:?} is there already")));
            }
            targets.push(target);
        }
        Some(Model { name: table.text("name")?.to_owned(), targets })
    }
}

fn plain_key(name: String, secret: Secret) -> Key {
    Key { name, secret, weight: 1, quota_group: None }
}

fn kind(text: &str) -> Option<Kind> {
    [Kind::OpenAi, Kind::Anthropic, Kind::OpenAiCompatible, Kind::Pretend]
        .into_iter()
        .find(|kind| kind.as_str() == text)
}

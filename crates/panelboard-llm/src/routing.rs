//! Who serves which model? The table that settings become, and how one follows another on a reload.

use std::{collections::HashMap, sync::Arc};

use panelboard::{Handle, Panel};

use crate::{
    key::{KeyFigures, KeyState, Live},
    settings::{Kind, Provider, Settings, SettingsError, Timeouts},
    transport::{Base, Tls, Transport},
};

/// The table of one life of the settings. Calls under way keep the one they began with.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) settings: Arc<Settings>,
    pub(crate) providers: Vec<Arc<ProviderState>>,
    models: HashMap<String, Vec<Route>>,
}

/// A model at a provider.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) provider: Arc<ProviderState>,
    pub(crate) model: Arc<str>,
}

/// A provider with its keys.
#[derive(Debug)]
pub(crate) struct ProviderState {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) timeouts: Timeouts,
    pub(crate) breaker: Handle,
    pub(crate) transport: Arc<Transport>,
    pub(crate) keys: Vec<Arc<KeyState>>,
    pub(crate) live: Arc<Live>,
}

/// What a reload did to the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// The same name and secret: its breaker keeps its state.
    pub kept: usize,
    /// New.
    pub added: usize,
    /// Another secret under the same name: its breaker starts closed.
    pub changed: usize,
    /// Gone, with its breaker.
    pub removed: usize,
}

impl Routing {
    pub(crate) fn empty(settings: Arc<Settings>) -> Self {
        Self { settings, providers: Vec::new(), models: HashMap::new() }
    }

    pub(crate) fn routes(&self, model: &str) -> Option<&[Route]> {
        self.models.get(model).map(Vec::as_slice)
    }

    fn provider(&self, name: &str) -> Option<&Arc<ProviderState>> {
        self.providers.iter().find(|provider| &*provider.name == name)
    }
}

/// Makes the table that follows `old`. Changes nothing of the old one; what it changes on the panel
/// are new breakers, which nobody uses yet.
pub(crate) fn follow(
    old: &Routing,
    settings: Settings,
    panel: &Panel<Arc<str>>,
    tls: impl Fn() -> Tls,
) -> Result<(Routing, Reloaded), SettingsError> {
    settings.check()?;
    let settings = Arc::new(settings);
    let plan = Arc::clone(&settings);
    // First, so that the breakers to come get the new configuration.
    panel.reconfigure_all(settings.breaker.clone(), move |name: &Arc<str>| {
        breaker_config(&plan, name)
    });
    let mut reloaded = Reloaded::default();
    let mut providers = Vec::with_capacity(settings.providers.len());
    for provider in &settings.providers {
        let build =
            Build { settings: &settings, provider, old: old.provider(&provider.name), panel };
        providers.push(Arc::new(build.provider(&tls, &mut reloaded)?));
    }
    let mut models = HashMap::new();
    for model in &settings.models {
        let routes = model.targets.iter().filter_map(|target| {
            let provider = providers.iter().find(|provider| *provider.name == *target.provider)?;
            Some(Route { provider: Arc::clone(provider), model: Arc::from(target.model.as_str()) })
        });
        models.insert(model.name.clone(), routes.collect());
    }
    Ok((Routing { settings, providers, models }, reloaded))
}

/// Takes what the new table no longer names off the panel. Called when the new one is in place.
pub(crate) fn retire(old: &Routing, new: &Routing, panel: &Panel<Arc<str>>) -> usize {
    let mut removed = 0;
    for provider in &old.providers {
        let successor = new.provider(&provider.name);
        match successor {
            None => drop(panel.remove(&provider.name)),
            // Another address: what was wrong with the old one is of no account.
            Some(new) if new.transport.base() != provider.transport.base() => {
                new.breaker.reset();
            }
            Some(_) => {}
        }
        for key in &provider.keys {
            let kept = successor.and_then(|s| s.keys.iter().find(|new| new.name == key.name));
            match kept {
                None => {
                    key.live.retired.store(true, std::sync::atomic::Ordering::Release);
                    panel.remove(&key.breaker_name);
                    removed += 1;
                }
                Some(new) if !Arc::ptr_eq(&new.live, &key.live) => {
                    key.live.retired.store(true, std::sync::atomic::Ordering::Release);
                    // Another secret: what the old one did is of no account.
                    new.breaker.reset();
                }
                Some(_) => {}
            }
        }
    }
    removed
}

fn breaker_config(settings: &Settings, breaker: &str) -> Option<panelboard::Config> {
    let provider = breaker.split('/').next()?;
    settings.providers.iter().find(|p| p.name == provider)?.breaker.clone()
}

/// Makes one provider of the new table.
struct Build<'a> {
    settings: &'a Settings,
    provider: &'a Provider,
    old: Option<&'a Arc<ProviderState>>,
    panel: &'a Panel<Arc<str>>,
}

impl Build<'_> {
    fn provider(
        &self,
        tls: impl Fn() -> Tls,
        reloaded: &mut Reloaded,
    ) -> Result<ProviderState, SettingsError> {
        let name: Arc<str> = Arc::from(self.provider.name.as_str());
        let keys = self
            .provider
            .keys
            .iter()
            .map(|key| self.key(key, reloaded))
            .collect::<Result<_, _>>()?;
        Ok(ProviderState {
            breaker: self.breaker(&name)?,
            kind: self.provider.kind,
            timeouts: self.provider.timeouts.unwrap_or(self.settings.timeouts),
            transport: self.transport(tls)?,
            live: self.old.map(|old| Arc::clone(&old.live)).unwrap_or_default(),
            keys,
            name,
        })
    }

    fn key(
        &self,
        key: &crate::settings::Key,
        reloaded: &mut Reloaded,
    ) -> Result<Arc<KeyState>, SettingsError> {
        let old = self.old.and_then(|old| old.keys.iter().find(|k| *k.name == *key.name));
        let live = match old {
            Some(old) if old.settings.secret == key.secret => {
                reloaded.kept += 1;
                Arc::clone(&old.live)
            }
            Some(_) => {
                reloaded.changed += 1;
                Arc::default()
            }
            None => {
                reloaded.added += 1;
                Arc::default()
            }
        };
        let breaker_name: Arc<str> = Arc::from(format!("{}/{}", self.provider.name, key.name));
        Ok(Arc::new(KeyState {
            name: Arc::from(key.name.as_str()),
            breaker: self.breaker(&breaker_name)?,
            breaker_name,
            settings: key.clone(),
            live,
        }))
    }

    fn breaker(&self, name: &Arc<str>) -> Result<Handle, SettingsError> {
        self.panel.breaker(name).map_err(|e| SettingsError {
            field: format!("provider {:?}", self.provider.name),
            value: e.to_string(),
            expected: "fewer keys in all",
        })
    }

    /// The old connections, where the address is the old one.
    fn transport(&self, tls: impl Fn() -> Tls) -> Result<Arc<Transport>, SettingsError> {
        let base = Base::parse(&self.provider.base_url).ok_or_else(|| SettingsError {
            field: format!("provider {:?}: base_url", self.provider.name),
            value: self.provider.base_url.clone(),
            expected: "an address",
        })?;
        if let Some(old) = self.old.filter(|old| *old.transport.base() == base) {
            return Ok(Arc::clone(&old.transport));
        }
        let tls = base.tls.then(tls);
        Ok(Transport::new(base, tls, self.settings.limits.max_idle_connections))
    }
}

impl ProviderState {
    /// The provider itself and its keys, as they are listed.
    pub(crate) fn figures(&self) -> impl Iterator<Item = KeyFigures> {
        let own = self.figure(&self.name, None, &self.live);
        let keys = self.keys.iter().map(|key| self.figure(&key.breaker_name, Some(key), &key.live));
        std::iter::once(own).chain(keys)
    }

    fn figure(&self, breaker: &Arc<str>, key: Option<&Arc<KeyState>>, live: &Live) -> KeyFigures {
        KeyFigures {
            breaker: Arc::clone(breaker),
            provider: Arc::clone(&self.name),
            key: key.map(|key| Arc::clone(&key.name)),
            kind: self.kind,
            fingerprint: key
                .filter(|key| !key.settings.secret.is_awaited())
                .map(|key| key.settings.secret.fingerprint()),
            awaits_secret: key.is_some_and(|key| key.settings.secret.is_awaited()),
            in_flight: live.in_flight.load(std::sync::atomic::Ordering::Relaxed),
            ttfb: live.ttfb(),
            successes: live.successes.load(std::sync::atomic::Ordering::Relaxed),
            last_error: live.last_error(),
            benched_models: live.benches.models(),
        }
    }
}

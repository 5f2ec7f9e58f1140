//! Which client and which watches stand behind one configuration, and how do they follow another?
//!
//! A client whose settings are the same goes on with its token, its breaker and its watches, which
//! look at another interval if that has changed. With another client each secret that was in hand
//! stays in use until the new one has read it: what was in hand when the new one takes its place,
//! since the old one may have seen a rotation while the new one was waited for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use panelboard_llm::{Secret, Settings};
use panelboard_vault::{Ended, Event, Health, Missed, SecretRef, Vault};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::NoVault;
use super::secret::Kept;
use crate::clock::ms;
use crate::config;

/// A client, and the secrets that one configuration takes from it.
pub(crate) struct Source {
    settings: config::Vault,
    client: Arc<Client>,
    kept: Vec<Arc<Kept>>,
}

/// A client, and the task that logs its transitions.
struct Client {
    vault: Vault,
    events: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.events.abort();
    }
}

impl Source {
    /// The source of `settings`, after the one that there was.
    pub(super) fn after(
        old: Option<&Self>,
        settings: &config::Vault,
        news: &Arc<Notify>,
    ) -> Result<Self, NoVault> {
        let same = old.filter(|old| old.settings.has_same_client(settings));
        let client = match same {
            Some(old) => Arc::clone(&old.client),
            None => Arc::new(Client::open(settings)?),
        };
        let vault = &client.vault;
        let mut kept: Vec<Arc<Kept>> = Vec::new();
        for key in &settings.keys {
            // Keys may share a secret.
            if kept.iter().any(|kept| *kept.of() == key.of) {
                continue;
            }
            kept.push(match same.and_then(|old| old.find(&key.of)) {
                Some(goes_on) => Arc::clone(goes_on),
                None => {
                    let begun = Arc::new(Kept::begin(vault, &key.of, settings.refresh, news)?);
                    if let Some(before) = old.and_then(|old| old.find(&key.of)) {
                        begun.inherit(before);
                    }
                    begun
                }
            });
        }
        Ok(Self { settings: settings.clone(), client, kept })
    }

    /// Has what `old` has in hand now, where it has nothing of its own.
    pub(super) fn inherit(&self, old: &Self) {
        for kept in &self.kept {
            match old.find(kept.of()) {
                Some(before) if !Arc::ptr_eq(before, kept) => kept.inherit(before),
                _ => {}
            }
        }
    }

    /// It is the source now: watches that went on look as often as its settings say.
    pub(super) fn takes_its_place(&self) {
        self.kept.iter().for_each(|kept| kept.refresh(self.settings.refresh));
    }

    /// Once each secret has been asked for.
    pub(super) async fn first_looks(&self) {
        join_all(self.kept.iter().map(|kept| kept.first_look())).await;
    }

    /// Gives each key of these settings the secret that is in hand; says whether one is another
    /// than it was.
    pub(crate) fn fill(&self, settings: &mut Settings) -> bool {
        let mut changed = false;
        for provider in &mut settings.providers {
            for key in &mut provider.keys {
                let Some(kept) = self.of_key(&provider.name, &key.name) else { continue };
                let secret = match kept.value() {
                    Some(value) => Secret::new(value.expose().clone()),
                    None => Secret::awaited(),
                };
                changed |= key.secret != secret;
                key.secret = secret;
            }
        }
        changed
    }

    pub(super) fn refused(&self, provider: &str, key: &str) {
        if let Some(kept) = self.of_key(provider, key) {
            tracing::info!(provider, key, secret = %kept.of(), "refused: the Vault is asked");
            kept.refused();
        }
    }

    pub(super) async fn end(&self, limit: Duration) -> Ended {
        self.client.vault.shutdown(limit).await
    }

    /// What a start or a reload has come to.
    pub(super) fn tell(&self) {
        let (secrets, address) = (self.kept.len(), self.address());
        let in_hand = self.kept.iter().filter(|kept| kept.value().is_some()).count();
        if in_hand == secrets {
            tracing::info!(address, secrets, "keys come from the Vault");
        } else {
            let awaited = secrets - in_hand;
            tracing::warn!(
                address,
                secrets,
                awaited,
                "the Vault has not given all secrets: their keys take no calls until it does"
            );
        }
    }

    pub(super) fn client(&self) -> &Vault {
        &self.client.vault
    }

    pub(super) fn address(&self) -> &str {
        self.settings.client.address()
    }

    pub(super) fn health(&self) -> Health {
        self.client.vault.health()
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().map(|kept| &**kept)
    }

    /// The keys that have this secret, as their breakers are called.
    pub(super) fn keys(&self, of: &SecretRef) -> Vec<String> {
        let its = self.settings.keys.iter().filter(|key| key.of == *of);
        its.map(|key| format!("{}/{}", key.provider, key.key)).collect()
    }

    fn of_key(&self, provider: &str, key: &str) -> Option<&Arc<Kept>> {
        let its = |one: &&config::VaultKey| one.provider == provider && one.key == key;
        self.find(&self.settings.keys.iter().find(its)?.of)
    }

    fn find(&self, of: &SecretRef) -> Option<&Arc<Kept>> {
        self.kept.iter().find(|kept| kept.of() == of)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("settings", &self.settings)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

impl Client {
    fn open(settings: &config::Vault) -> Result<Self, NoVault> {
        let vault = Vault::open(settings.client.clone()).map_err(NoVault::Open)?;
        let mut events = vault.events();
        let events = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                log(event);
            }
        });
        Ok(Self { vault, events })
    }
}

fn log(event: Result<Event, Missed>) {
    match event {
        Ok(event) => tracing::info!(
            breaker = &*event.breaker,
            from = %event.from,
            to = %event.to,
            reason = event.cause.as_str(),
            retry_after_ms = event.retry_after.map(ms),
            correlation = %event.correlation,
            "a breaker of the Vault"
        ),
        Err(Missed(events)) => tracing::warn!(events, "transitions of the Vault were missed"),
    }
}

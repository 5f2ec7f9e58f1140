//! Which keys' secrets come from a Vault, and who is their source now?
//!
//! The client (`panelboard-vault`) watches each secret that the configuration names. Here a changed
//! one becomes another table of the engine's, by the way that a reload takes: calls under way end
//! with the key that they began with, and only the breaker of the changed key starts anew. What is
//! in hand stays in use whatever becomes of the Vault.

mod secret;
mod shown;
mod source;
pub(crate) mod take_over;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use panelboard_vault::{Ended, Error, OpenError, Vault as Client};
use tokio::sync::Notify;

pub(crate) use self::shown::{OfBreaker, Shown};
use self::source::Source;
use self::take_over::TakingOver;
use crate::config::Vault;

/// How long a start or a reload waits for secrets that it has not had yet. Whoever is not there by
/// then comes by the way of a rotation.
const FIRST_LOOK: Duration = Duration::from_secs(3);
/// How long a client that has nothing to finish may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The source of the secrets that are in a Vault; there may be none.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Swapped whole with the configuration. Held to clone or to replace the `Arc`.
    source: RwLock<Option<Arc<Source>>>,
    /// Held while the engine goes over to other settings, or to other secrets.
    taking_over: Mutex<TakingOver>,
    /// Raised when a watch has seen something new.
    news: Arc<Notify>,
}

/// Why there can be no client.
#[derive(Debug)]
#[non_exhaustive]
pub enum NoVault {
    /// It can't be opened.
    Open(OpenError),
    /// It takes no more watches.
    Watch(Error),
}

impl fmt::Display for NoVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "the client of the Vault can not be opened: {error}"),
            Self::Watch(error) => write!(f, "the Vault's secrets can not be watched: {error}"),
        }
    }
}

impl std::error::Error for NoVault {}

impl Secrets {
    /// The source that follows the one that there is, after a bounded wait for what it has not had
    /// yet. Nothing changes until it takes its place, by a [reload](Self::reload).
    pub(crate) async fn next(&self, of: Option<&Vault>) -> Result<Option<Arc<Source>>, NoVault> {
        let Some(of) = of else { return Ok(None) };
        let next = Source::after(self.source().as_deref(), of, &self.news)?;
        // A Vault that does not answer must not keep from serving what can be served.
        let _ = tokio::time::timeout(FIRST_LOOK, next.first_looks()).await;
        Ok(Some(Arc::new(next)))
    }

    /// Makes `next` the source; gives the one that it was. With that end the watches that are not
    /// in the new one, and a client that nothing of it uses: it is dropped outside of locks.
    #[must_use]
    pub(crate) fn replace(&self, next: Option<Arc<Source>>) -> Option<Arc<Source>> {
        let mut source = self.source.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *source, next)
    }

    /// Logs what a start or a reload has come to.
    pub(crate) fn tell(&self) {
        if let Some(source) = self.source() {
            source.tell();
        }
    }

    /// A provider did not accept this key: if it comes from a Vault, there may be another by now.
    pub(crate) fn refused(&self, provider: &str, key: &str) {
        if let Some(source) = self.source() {
            source.refused(provider, key);
        }
    }

    /// The client, if there is a Vault.
    pub(crate) fn client(&self) -> Option<Client> {
        self.source().map(|source| source.client().clone())
    }

    /// Ends the client, and all that watches. No other one follows it.
    pub(crate) async fn end(&self, budget: Duration) {
        let Some(source) = self.last() else { return };
        let Ended { finished, cancelled, .. } = source.end(budget.min(LAST_WORDS)).await;
        tracing::info!(finished, cancelled, "the client of the Vault has ended");
    }

    /// What is known of it.
    pub(crate) fn shown(&self) -> Option<Shown> {
        self.source().map(|source| Shown::of(&source))
    }

    fn source(&self) -> Option<Arc<Source>> {
        self.source.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! What may people see of the Vault? All but the secrets: a reference is none.

use panelboard_vault::{Health, QueueHealth, Snapshot, TokenHealth};
use serde::Serialize;
use utoipa::ToSchema;

use super::secret::Kept;
use super::source::Source;
use crate::clock::ms;

/// The Vault that keys come from. Seeing it sends nothing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Vault)]
pub(crate) struct Shown {
    address: String,
    /// `serving`, or how far its end has come.
    stage: &'static str,
    /// The server's first, then those of mounts that have one.
    pub(crate) breakers: Vec<OfBreaker>,
    pub(crate) token: OfToken,
    pub(crate) queue: OfQueue,
    pub(crate) secrets: Vec<OfSecret>,
}

/// A breaker in front of the Vault.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VaultBreaker)]
pub(crate) struct OfBreaker {
    /// `server`, or `mount NAME`.
    pub(crate) name: String,
    pub(crate) state: &'static str,
    /// Why the last transition was made.
    reason: Option<&'static str>,
    retry_after_ms: Option<u64>,
    consecutive_failures: u32,
    failure_threshold: u32,
    /// Its number of transitions.
    pub(crate) generation: u64,
}

/// The token of the Vault's client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VaultToken)]
pub(crate) struct OfToken {
    /// How it logs in: `token` or `app_role`.
    auth: &'static str,
    pub(crate) valid: bool,
    /// Null if it does not end, or there is none.
    pub(crate) ttl_left_ms: Option<u64>,
    renewable: bool,
    log_ins: u64,
    pub(crate) renewals: u64,
    /// Log-ins, look-ups and renewals that came to nothing.
    pub(crate) failures: u64,
    last_failure: Option<String>,
}

/// The requests to the Vault.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VaultQueue)]
pub(crate) struct OfQueue {
    pub(crate) running: usize,
    pub(crate) waiting: usize,
    max_concurrent: usize,
    max_queued: usize,
    pub(crate) refused: u64,
}

/// A secret that is watched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VaultSecret)]
pub(crate) struct OfSecret {
    /// `MOUNT/PATH#FIELD`.
    #[schema(example = "secret/openai#api_key")]
    reference: String,
    /// The keys that have it.
    keys: Vec<String>,
    /// Whether there is a value in use. Without one its keys take no calls.
    pub(crate) in_use: bool,
    /// Null where the engine counts none.
    version: Option<u64>,
    /// How many times its value was another, the first one included.
    pub(crate) changes: u64,
    looks: u64,
    /// Why the last look gave no value, or none that can be used.
    last_error: Option<String>,
}

impl Shown {
    pub(super) fn of(source: &Source) -> Self {
        let Health { stage, breakers, queue, token, .. } = source.health();
        Self {
            address: source.address().to_owned(),
            stage: stage.as_str(),
            breakers: breakers.iter().map(|(name, seen)| OfBreaker::of(name, seen)).collect(),
            token: OfToken::of(&token),
            queue: OfQueue::of(queue),
            secrets: source.kept().map(|kept| OfSecret::of(source, kept)).collect(),
        }
    }
}

impl OfBreaker {
    pub(crate) fn of(name: &str, seen: &Snapshot) -> Self {
        Self {
            name: name.to_owned(),
            state: seen.state.as_str(),
            reason: seen.cause.map(|cause| cause.as_str()),
            retry_after_ms: seen.retry_after.map(ms),
            consecutive_failures: seen.consecutive_failures,
            failure_threshold: seen.failure_threshold,
            generation: seen.generation,
        }
    }
}

impl OfToken {
    fn of(token: &TokenHealth) -> Self {
        Self {
            auth: token.auth,
            valid: token.is_valid,
            ttl_left_ms: token.ttl_left.map(ms),
            renewable: token.is_renewable,
            log_ins: token.log_ins,
            renewals: token.renewals,
            failures: token.failures,
            last_failure: token.last_failure.as_ref().map(ToString::to_string),
        }
    }
}

impl OfQueue {
    fn of(queue: QueueHealth) -> Self {
        let QueueHealth { running, waiting, max_concurrent, max_queued, refused, .. } = queue;
        Self { running, waiting, max_concurrent, max_queued, refused }
    }
}

impl OfSecret {
    fn of(source: &Source, kept: &Kept) -> Self {
        let seen = kept.seen();
        Self {
            reference: kept.of().to_string(),
            keys: source.keys(kept.of()),
            in_use: kept.value().is_some(),
            version: seen.version,
            changes: seen.changes,
            looks: seen.looks,
            last_error: kept.trouble(),
        }
    }
}

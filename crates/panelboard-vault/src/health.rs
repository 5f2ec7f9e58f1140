//! How is it? Seen from what is known here, without a request, or by asking the server.

use std::{sync::Arc, time::Duration};

use http::{Method, uri::PathAndQuery};
use panelboard::Snapshot;

use crate::{
    error::{Error, ErrorKind, Operation},
    pool::QueueHealth,
    stop::Stage,
    sync::Contention,
    token::TokenState,
    transport::Request,
    vault::Vault,
    verdict::NoAnswer,
    watch::WATCHES,
    wire,
};

/// What a client knows of itself and its server. Seeing it sends nothing and changes nothing.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) {
/// let health = vault.health();
/// for (name, breaker) in &health.breakers {
///     println!("{name}: {}, retry after {:?}", breaker.state, breaker.retry_after);
/// }
/// println!("token: {:?}", health.token.ttl_left);
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// How far its life has come.
    pub stage: Stage,
    /// Each breaker by its name; the first is the server's.
    pub breakers: Vec<(Arc<str>, Snapshot)>,
    /// The pool.
    pub queue: QueueHealth,
    /// The token.
    pub token: TokenHealth,
    /// The cache.
    pub cache: CacheHealth,
    /// Secrets that are watched.
    pub watches: usize,
    /// Tasks of this client that run.
    pub tasks: usize,
    /// Its short locks: the token's, the cache's, and that of who is inside. What else operations
    /// share are two locks that are read at once by all (the client's life, and its connections;
    /// written at an end and when it is opened again), tokio's semaphores, and the HTTP client's.
    pub locks: [(&'static str, Contention); 3],
}

/// What is known of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenHealth {
    /// How the client logs in: `token` or `app_role`.
    pub auth: &'static str,
    /// Whether there is one that is good now.
    pub is_valid: bool,
    /// How long it is good; none if it does not end, or there is none.
    pub ttl_left: Option<Duration>,
    /// Whether it can be renewed.
    pub is_renewable: bool,
    /// One more with each token that took another one's place.
    pub generation: u64,
    /// Log-ins that gave a token.
    pub log_ins: u64,
    /// Renewals that were granted.
    pub renewals: u64,
    /// Log-ins, look-ups and renewals that came to nothing.
    pub failures: u64,
    /// Results that were for an older token, and changed nothing.
    pub stale: u64,
    /// The last of them that failed, if none has succeeded since; with the id of its request.
    pub last_failure: Option<Error>,
}

/// What is known of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheHealth {
    /// Secrets that it holds.
    pub entries: usize,
    /// Reads that it served fresh.
    pub hits: u64,
    /// Reads that had to ask.
    pub misses: u64,
    /// Reads that it served because the server could not be asked.
    pub stale: u64,
    /// Answers that it did not take, as a write or a newer version had overtaken them.
    pub late_fills: u64,
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerHealth {
    /// The status of its answer: it says the same in one number.
    pub status: u16,
    /// It was initialised.
    pub is_initialized: bool,
    /// It is sealed.
    pub is_sealed: bool,
    /// It is a standby; none if it does not say.
    pub is_standby: Option<bool>,
    /// Its version; none if it does not say.
    pub version: Option<String>,
}

impl Vault {
    /// What is known here.
    #[must_use]
    pub fn health(&self) -> Health {
        let life = self.life();
        let now = life.now();
        let auth = life.settings().auth.kind();
        Health {
            stage: life.stop.stage(),
            breakers: life.gate.health(),
            queue: life.pool.health(),
            token: life.token.with(|token| token_health(token, auth, now)),
            cache: life.cache.with(|cache| {
                let figures = cache.figures();
                CacheHealth {
                    entries: cache.len(),
                    hits: figures.hits,
                    misses: figures.misses,
                    stale: figures.stale,
                    late_fills: figures.late_fills,
                }
            }),
            watches: WATCHES - life.watches.available_permits(),
            tasks: life.tasks(),
            locks: [
                ("token", life.token.contention()),
                ("cache", life.cache.contention()),
                ("inside", life.stop.contention()),
            ],
        }
    }

    /// Asks the server. It takes no place in the pool, asks no breaker and counts for none; it is
    /// not sent again.
    ///
    /// # Errors
    /// There was no answer, or none of a Vault. That a server is sealed is an answer.
    pub async fn ask_health(&self) -> Result<ServerHealth, Error> {
        let operation = Operation::Health;
        let life = self.life();
        let Some(_inside) = life.stop.enter() else {
            return Err(self.unsent(operation, ErrorKind::ShuttingDown));
        };
        let correlation = self.correlation();
        let error = |kind| Error { attempts: 1, ..Error::unsent(operation, kind, correlation) };
        let path = "/v1/sys/health?standbyok=true&perfstandbyok=true";
        let request = Request {
            method: &Method::GET,
            path: &PathAndQuery::from_static(path),
            body: None,
            token: None,
            correlation,
        };
        let deadline = life.now() + life.settings().timeout;
        let came = tokio::select! {
            biased;
            came = life.transport.send(&request) => came,
            () = life.sleep_until(deadline) => Err(NoAnswer::Timeout),
            () = life.stop.reached(Stage::Cancelling) => {
                return Err(error(ErrorKind::ShuttingDown));
            }
        };
        let raw = came.map_err(|what| {
            error(match what {
                NoAnswer::Connect => ErrorKind::Connect,
                NoAnswer::Cut => ErrorKind::Cut,
                NoAnswer::Timeout => ErrorKind::Timeout,
                NoAnswer::TooLarge => ErrorKind::TooLarge,
                NoAnswer::Redirected => ErrorKind::Redirected,
                NoAnswer::Elsewhere => ErrorKind::Standby,
            })
        })?;
        let read: Option<wire::Health> = serde_json::from_slice(&raw.body).ok();
        let said = read.and_then(|wire::Health { initialized, sealed, standby, version }| {
            let (is_initialized, is_sealed) = (initialized?, sealed?);
            let (status, is_standby) = (raw.status, standby);
            Some(ServerHealth { status, is_initialized, is_sealed, is_standby, version })
        });
        said.ok_or_else(|| error(ErrorKind::Garbage))
    }
}

fn token_health(token: &TokenState, auth: &'static str, now: Duration) -> TokenHealth {
    let (figures, seen) = (token.figures(), token.seen(now));
    TokenHealth {
        auth,
        is_valid: seen.is_some(),
        ttl_left: seen.and_then(|(_, left, _)| left),
        is_renewable: seen.is_some_and(|(_, _, renewable)| renewable),
        generation: token.generation(),
        log_ins: figures.log_ins,
        renewals: figures.renewals,
        failures: figures.failures,
        stale: figures.stale,
        last_failure: token.failure().cloned(),
    }
}

//! What does a vault's client need to be told, and in which ranges? Checked once, in `build`.

mod check;
mod text;

use std::{error, fmt, sync::Arc, time::Duration};

use crate::{clock::Time, secret::Secret};

/// How a client proves to the server who it is.
///
/// ```
/// use panelboard_vault::{Auth, Secret};
///
/// let auth = Auth::app_role(Secret::new("role".to_owned()), Secret::new("id".to_owned()));
/// assert_eq!(auth.kind(), "app_role");
/// ```
#[derive(Clone)]
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub enum Auth {
    /// A token that was made elsewhere. It is renewed while that can be done, and then it ends.
    Token(Arc<Secret<String>>),
    /// A role's id and secret id, with which a new token can be had whenever one ends.
    AppRole {
        /// Where the method is mounted below `auth/`.
        mount: Box<str>,
        /// The role's id.
        role_id: Arc<Secret<String>>,
        /// The role's secret id.
        secret_id: Arc<Secret<String>>,
    },
}

impl Auth {
    /// A token.
    #[must_use]
    pub fn token(token: Secret<String>) -> Self {
        Self::Token(Arc::new(token))
    }

    /// An AppRole at its usual mount, `approle`.
    #[must_use]
    pub fn app_role(role_id: Secret<String>, secret_id: Secret<String>) -> Self {
        let (role_id, secret_id) = (Arc::new(role_id), Arc::new(secret_id));
        Self::AppRole { mount: "approle".into(), role_id, secret_id }
    }

    /// `token` or `app_role`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::AppRole { .. } => "app_role",
        }
    }
}

/// The settings of a client, all of them in range. Cloning is cheap.
///
/// ```
/// use panelboard_vault::{Auth, Config, Secret};
///
/// let token = Auth::token(Secret::new("hvs.example".to_owned()));
/// let config = Config::builder("https://vault.example:8200", token).max_concurrent(4).build()?;
/// assert_eq!((config.max_concurrent(), config.max_queued()), (4, 12));
/// # Ok::<(), panelboard_vault::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Config(pub(crate) Arc<Settings>);

impl Config {
    /// Begins with a server's address, `http://HOST:PORT` or `https://..`, and how to log in.
    pub fn builder(address: impl Into<String>, auth: Auth) -> ConfigBuilder {
        ConfigBuilder(Settings {
            address: address.into(),
            auth,
            namespace: None,
            ca_pem: None,
            failure_threshold: 5,
            recovery_timeout: 30 * SECOND,
            half_open_max_calls: 1,
            mount_breakers: Vec::new(),
            max_concurrent: 10,
            queue_multiplier: 3,
            queue_timeout: 30 * SECOND,
            timeout: 10 * SECOND,
            max_attempts: 3,
            backoff: Duration::from_millis(100),
            max_backoff: 10 * SECOND,
            jitter: 0.1,
            renew_after: 2.0 / 3.0,
            cache_ttl: 60 * SECOND,
            stale_for: 3_600 * SECOND,
            cache_entries: 1_000,
            max_answer_bytes: 1024 * 1024,
            time: Time::system(),
        })
    }

    /// The server's address, as it was given.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Operations that run at once, at most.
    #[must_use]
    pub fn max_concurrent(&self) -> usize {
        self.0.max_concurrent
    }

    /// Operations that wait, at most: `max_concurrent` times `queue_multiplier`.
    #[must_use]
    pub fn max_queued(&self) -> usize {
        self.0.max_queued()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { address, auth, namespace, .. } = &*self.0;
        f.debug_struct("Config")
            .field("address", address)
            .field("auth", &auth.kind())
            .field("namespace", namespace)
            .finish_non_exhaustive()
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// What a [`ConfigBuilder`] collects.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) auth: Auth,
    pub(crate) namespace: Option<String>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) failure_threshold: u32,
    pub(crate) recovery_timeout: Duration,
    pub(crate) half_open_max_calls: u32,
    pub(crate) mount_breakers: Vec<String>,
    pub(crate) max_concurrent: usize,
    pub(crate) queue_multiplier: usize,
    pub(crate) queue_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) jitter: f64,
    pub(crate) renew_after: f64,
    pub(crate) cache_ttl: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) cache_entries: usize,
    pub(crate) max_answer_bytes: usize,
    pub(crate) time: Time,
}

impl Settings {
    pub(crate) fn max_queued(&self) -> usize {
        self.max_concurrent * self.queue_multiplier
    }

    /// Half of what may run is left to callers, however many secrets are watched.
    pub(crate) fn max_looks(&self) -> usize {
        (self.max_concurrent / 2).max(1)
    }
}

/// Collects a [`Config`]. What is not said has its default.
///
/// | option | range | default |
/// | --- | --- | --- |
/// | `failure_threshold` | 1 to 20 failures in a row | 5 |
/// | `recovery_timeout` | 1 s to 300 s | 30 s, doubling to at least 60 s |
/// | `half_open_max_calls` | 1 to 10 probes at once | 1 |
/// | `mount_breakers` | up to 64 mounts | none |
/// | `max_concurrent` | 1 to 100 | 10 |
/// | `queue_multiplier` | 0 to 10 | 3 |
/// | `queue_timeout` | 10 ms to 300 s | 30 s |
/// | `timeout` (of one attempt) | 10 ms to 300 s | 10 s |
/// | `max_attempts` | 1 to 10 | 3 |
/// | `backoff` | 1 ms to 10 s | 100 ms, doubling |
/// | `max_backoff` | `backoff` to 60 s | 10 s |
/// | `jitter` | 0 to 0.5 of a back-off or a renewal's time | 0.1 |
/// | `renew_after` | 0.1 to 0.9 of a token's life | two thirds |
/// | `cache_ttl` | 0 to 1 day | 60 s |
/// | `stale_for` | 0 to 7 days | 1 h |
/// | `cache_entries` | 1 to 100,000 | 1,000 |
/// | `max_answer_bytes` | 1 KiB to 32 MiB | 1 MiB |
///
/// ```
/// use panelboard_vault::{Auth, Config, Secret};
///
/// let token = || Auth::token(Secret::new("hvs.example".to_owned()));
/// let error = Config::builder("http://127.0.0.1:8200", token()).max_concurrent(101).build();
/// let error = error.unwrap_err();
/// assert_eq!(error.to_string(), "max_concurrent is 101, expected 1 to 100");
///
/// // From texts, as they stand in a file.
/// let config = Config::builder("http://127.0.0.1:8200", token()).set("timeout", "500ms")?;
/// assert!(config.build().is_ok());
/// # Ok::<(), panelboard_vault::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
#[expect(missing_debug_implementations, reason = "it holds secrets")]
pub struct ConfigBuilder(Settings);

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        impl ConfigBuilder {
            $($(#[$doc])*
            pub fn $name(mut self, value: $type) -> Self {
                self.0.$name = value;
                self
            })*
        }
    };
}

options! {
    /// Failures in a row that trip a breaker.
    failure_threshold: u32;
    /// How long a breaker stays open before it lets a probe through.
    recovery_timeout: Duration;
    /// Probes at once while half-open.
    half_open_max_calls: u32;
    /// Mounts that have a breaker of their own: what they answer with a 5xx is held against it and
    /// not against the server.
    mount_breakers: Vec<String>;
    /// Operations that run at once.
    max_concurrent: usize;
    /// How many times `max_concurrent` may wait.
    queue_multiplier: usize;
    /// How long an operation may wait in the queue.
    queue_timeout: Duration;
    /// How long one attempt may take, from its first byte out to its last byte in.
    timeout: Duration;
    /// Attempts of one operation.
    max_attempts: u32;
    /// The first back-off; each further one is twice as long.
    backoff: Duration;
    /// The longest back-off.
    max_backoff: Duration;
    /// How far a back-off or a renewal may be from its time, as a share.
    jitter: f64;
    /// After which share of its life a token is renewed.
    renew_after: f64;
    /// How long a secret in the cache is served without asking, at most until its lease ends.
    cache_ttl: Duration;
    /// For how much longer it is served while the server can't be asked; never beyond its lease.
    stale_for: Duration;
    /// Secrets in the cache.
    cache_entries: usize;
    /// The longest answer that is read.
    max_answer_bytes: usize;
    /// The clock.
    time: Time;
}

impl ConfigBuilder {
    /// The namespace (`X-Vault-Namespace`).
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.0.namespace = Some(namespace.into());
        self
    }

    /// The certificate authorities that are trusted instead of the machine's, as PEM.
    pub fn ca_pem(mut self, pem: impl Into<String>) -> Self {
        self.0.ca_pem = Some(pem.into());
        self
    }

    /// Sets an option by its name from its text: durations as `30s`, `500ms`, `5m`, `1h`, lists
    /// with commas.
    ///
    /// # Errors
    /// [`ConfigError`]: there is no such option, or the text is none of its values.
    pub fn set(mut self, field: &str, value: &str) -> Result<Self, ConfigError> {
        text::set(&mut self.0, field, value)?;
        Ok(self)
    }

    /// # Errors
    /// [`ConfigError`], with the first option that is out of its range.
    pub fn build(self) -> Result<Config, ConfigError> {
        check::all(&self.0)?;
        Ok(Config(Arc::new(self.0)))
    }
}

/// An option that does not exist or is out of its range.
///
/// ```
/// use panelboard_vault::{Auth, Config, Secret};
///
/// let token = Auth::token(Secret::new("hvs.example".to_owned()));
/// let error = Config::builder("http://127.0.0.1:8200", token).set("max_retries", "3");
/// assert_eq!(error.err().map(|error| error.field).as_deref(), Some("max_retries"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The option.
    pub field: String,
    /// What it was given; empty where that may be a secret.
    pub value: String,
    /// What it takes.
    pub expected: &'static str,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, expected } = self;
        match value.as_str() {
            "" => write!(f, "{field} is not valid, expected {expected}"),
            value => write!(f, "{field} is {value}, expected {expected}"),
        }
    }
}

impl error::Error for ConfigError {}

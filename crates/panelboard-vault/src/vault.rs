//! What does a program hold of a Vault server? One handle, cheap to clone, opened and shut down.

use std::{error, fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::broadcast};

use crate::{
    config::Config,
    correlation::CorrelationId,
    dynamic::Dynamic,
    error::{Error, ErrorKind, Operation},
    fault,
    gate::{Event, Events},
    kv1::Kv1,
    kv2::Kv2,
    life::Life,
    secret::Secret,
    stop::{Ended, Stage},
    token::TokenState,
};

/// A client of one Vault server. Cloning gives another handle of the same client; when the last one
/// is dropped, its tasks end.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_vault::{Auth, Config, Secret, Vault};
/// use std::time::Duration;
///
/// let token = Auth::token(Secret::new(std::fs::read_to_string("token")?.trim().to_owned()));
/// let vault = Vault::open(Config::builder("https://vault.example:8200", token).build()?)?;
/// if let Some(found) = vault.kv2("secret").read("app/db").await? {
///     let _password = found.data.field("password")?;
/// }
/// vault.shutdown(Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Vault {
    shared: Arc<Shared>,
    correlation: Option<CorrelationId>,
}

struct Shared {
    config: Config,
    /// Replaced whole when the client is opened again. Held for a clone or an exchange.
    life: RwLock<Arc<Life>>,
    events: broadcast::Sender<Event>,
}

/// Transitions that a slow reader may be behind.
const EVENTS: usize = 256;

impl Vault {
    /// Opens a client. It asks for nothing yet that anybody waits for: the token is looked up, or
    /// logged in for, by a task, and a server that is down heals later. Its tasks run on the tokio
    /// runtime that it is called within.
    ///
    /// For `https` without [`ca_pem`](crate::ConfigBuilder::ca_pem) it reads the machine's
    /// certificate authorities (or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`), which blocks for a
    /// few milliseconds; nothing else of it does.
    ///
    /// # Errors
    /// [`OpenError`]: it is not called within a tokio runtime, or there is no TLS.
    pub fn open(config: Config) -> Result<Self, OpenError> {
        let events = broadcast::Sender::new(EVENTS);
        let life = begin(&config, &events)?;
        let shared = Shared { config, life: RwLock::new(life), events };
        Ok(Self { shared: Arc::new(shared), correlation: None })
    }

    /// A handle whose calls carry this id, on their errors, on the transitions that they cause, and
    /// to the server. Without it each call has an id of its own.
    #[must_use]
    pub fn correlated(&self, id: CorrelationId) -> Self {
        Self { shared: Arc::clone(&self.shared), correlation: Some(id) }
    }

    /// A mount of the KV engine, version 2.
    #[must_use]
    pub fn kv2(&self, mount: &str) -> Kv2 {
        Kv2::new(self.clone(), mount)
    }

    /// A mount of the KV engine, version 1.
    #[must_use]
    pub fn kv1(&self, mount: &str) -> Kv1 {
        Kv1::new(self.clone(), mount)
    }

    /// A mount of an engine whose secrets are made when they are read, with a lease.
    #[must_use]
    pub fn dynamic(&self, mount: &str) -> Dynamic {
        Dynamic::new(self.clone(), mount)
    }

    /// The breakers' transitions from here on, each with the id of the call that caused it.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.shared.events.subscribe())
    }

    /// Renews the token now, or waits for the renewal that is under way: there is one at a time,
    /// whoever asks. Where the token can't be renewed, and one can be logged in for, it logs in.
    /// Not needed for the token to stay valid.
    ///
    /// # Errors
    /// It was not renewed: there is no valid token, the server can't be asked, or it does not renew
    /// this one ([`Forbidden`](ErrorKind::Forbidden), [`BadRequest`](ErrorKind::BadRequest)). After
    /// a failure the server is not asked for a moment; `attempts` is then 0.
    pub async fn renew_token(&self) -> Result<(), Error> {
        self.life().renew_now(self.correlation()).await
    }

    /// Puts a token in the place of the one in hand. What is under way for the old one changes
    /// nothing any more. The token is checked as [`Config::builder`]'s is.
    ///
    /// # Errors
    /// It can't stand in a header, or the client is shutting down.
    pub fn replace_token(&self, token: Secret<String>) -> Result<(), Error> {
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let life = self.life();
        let refused = |kind| self.unsent(Operation::RenewToken, kind);
        if !fits(token.expose()) {
            let why = "is empty or has a letter that is no printable ASCII";
            return Err(refused(ErrorKind::Malformed(crate::Malformed { part: "token", why })));
        }
        // Inside, so that an end waits for it and forgets the token.
        let enter = || life.stop.enter().ok_or_else(|| refused(ErrorKind::ShuttingDown));
        let from_outside = fault::TOKEN_PUT_FROM_OUTSIDE.planted();
        let _inside = if from_outside { None } else { Some(enter()?) };
        life.token.with(|state: &mut TokenState| state.put(token));
        life.has_token_news();
        Ok(())
    }

    /// Ends the client: takes nothing more, sends those away that wait or are in a back-off, lets
    /// those that run finish until `limit`, cancels them then, ends the tasks, and forgets the
    /// token and the cache. Each operation gets its one answer. Asked again, it gives the same
    /// answer; a nearer limit holds. The end runs on the runtime of whoever waits for it, or else
    /// on that of the client.
    ///
    /// # Cancel safety
    /// The end goes on if the future is dropped.
    pub async fn shutdown(&self, limit: Duration) -> Ended {
        let life = self.life();
        life.shut_down(limit).await
    }

    /// Opens the client again after its shutdown: with a breaker that is closed, an empty cache and
    /// the credentials of its configuration. False: it has not ended.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_again(&self) -> Result<bool, OpenError> {
        let is_over = |life: &Life| life.stop.stage() == Stage::Stopped;
        if !is_over(&self.life()) {
            return Ok(false);
        }
        let next = begin(&self.shared.config, &self.shared.events)?;
        let mut life = self.shared.life.write();
        // Another caller may have been faster; what was made here then ends unused.
        let ours = is_over(&life);
        let unused = if ours { std::mem::replace(&mut *life, next) } else { next };
        drop(life);
        if !ours {
            unused.abandon();
        }
        Ok(ours)
    }

    pub(crate) fn life(&self) -> Arc<Life> {
        Arc::clone(&self.shared.life.read())
    }

    pub(crate) fn correlation(&self) -> CorrelationId {
        self.correlation.unwrap_or_default()
    }

    /// An error before anything was sent.
    pub(crate) fn unsent(&self, operation: Operation, kind: ErrorKind) -> Error {
        Error::unsent(operation, kind, self.correlation())
    }
}

fn begin(config: &Config, events: &broadcast::Sender<Event>) -> Result<Arc<Life>, OpenError> {
    let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
    let life = Life::new(config, events.clone(), runtime).ok_or(OpenError::NoTls)?;
    life.spawn(Life::keep(life.weak()));
    Ok(life)
}

impl Drop for Shared {
    fn drop(&mut self) {
        let life = self.life.get_mut();
        if life.stop.stage() == Stage::Serving {
            life.abandon();
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vault").field(&self.shared.config).finish()
    }
}

/// Why a client can't be opened.
///
/// ```
/// use panelboard_vault::{Auth, Config, OpenError, Secret, Vault};
///
/// let token = Auth::token(Secret::new("hvs.example".to_owned()));
/// let config = Config::builder("http://127.0.0.1:8200", token).build()?;
/// assert_eq!(Vault::open(config).err(), Some(OpenError::NoRuntime));
/// # Ok::<(), panelboard_vault::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// It needs a tokio runtime, with time and I/O.
    NoRuntime,
    /// The HTTP client can't be made.
    NoTls,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => "there is no tokio runtime here",
            Self::NoTls => "the HTTP client can't be made",
        })
    }
}

impl error::Error for OpenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, config::Auth};

    #[test]
    fn whoever_replaces_the_token_is_inside_until_it_is_there() {
        let token = |text: &str| Secret::new(text.to_owned());
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let _within = runtime.enter();
        let config = Config::builder("http://127.0.0.1:1", Auth::token(token("t1")));
        let vault = Vault::open(config.build().expect("in range")).expect("a client");
        let life = vault.life();
        let replacing = life.token.with(|_| {
            // It comes as far as the lock.
            let replaces = vault.clone();
            let replacing = std::thread::spawn(move || replaces.replace_token(token("t2")));
            let since = clock::measure();
            while life.stop.inside() == 0 {
                assert!(since.elapsed() < Duration::from_secs(5), "nobody is inside");
                std::thread::yield_now();
            }
            // An end that begins now waits for it, and forgets its token.
            assert!(life.stop.begin(Duration::MAX) && life.stop.inside() == 1);
            replacing
        });
        replacing.join().expect("no panic").expect("it was inside before");
        assert_eq!(life.stop.inside(), 0);
        let late = vault.replace_token(token("t3")).expect_err("it has begun to end");
        assert_eq!(late.kind, ErrorKind::ShuttingDown);
    }
}

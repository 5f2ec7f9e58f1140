//! What is a secret's field now, and when does it change? One task a watch, which asks at its
//! interval and whenever somebody says that the value in hand was refused.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use http::{Method, uri::PathAndQuery};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use crate::{
    call::{Op, Read, Repeat},
    correlation::CorrelationId,
    error::{Error, ErrorKind, Operation},
    fault,
    found::Found,
    life::Life,
    path::{Malformed, SecretRef, whole},
    secret::Secret,
    stop::Stage,
    vault::Vault,
    wire,
};

/// Which version of the KV engine a mount has.
///
/// ```
/// assert_eq!(panelboard_vault::KvVersion::default(), panelboard_vault::KvVersion::Ask);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvVersion {
    /// The server is asked; where it may not say, version 2.
    #[default]
    Ask,
    /// Version 1.
    One,
    /// Version 2.
    Two,
}

/// A field of a secret that is kept up to date. Dropping it ends its task.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_vault::KvVersion;
/// use std::time::Duration;
///
/// let key = "secret/team/openai#api_key".parse()?;
/// let mut key = vault.watch(key, KvVersion::Ask, Duration::from_secs(30))?;
/// while let Some(now) = key.changed().await {
///     match (&now.value, &now.error) {
///         (Some(value), None) => println!("version {}: {}", now.changes, value.fingerprint()),
///         (Some(_), Some(error)) => println!("stays in use: {error}"),
///         (None, error) => println!("not there yet: {error:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SecretWatch {
    of: SecretRef,
    state: watch::Receiver<Arc<Watched>>,
    ask: Arc<Notify>,
    interval: Arc<watch::Sender<Duration>>,
}

/// A watched field, as of its last look.
#[derive(Clone, Default)]
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub struct Watched {
    /// The value that was read last. A look that fails leaves it: what is in hand stays in use.
    pub value: Option<Arc<Secret<String>>>,
    /// The secret's version, where the engine counts them.
    pub version: Option<u64>,
    /// How many times the value has changed, the first one included.
    pub changes: u64,
    /// Looks so far.
    pub looks: u64,
    /// When it was last read, on the client's clock.
    pub read_at: Option<Duration>,
    /// Why the last look did not give a value.
    pub error: Option<Error>,
}

/// Watches of one client.
pub(crate) const WATCHES: usize = 1_000;
/// The least time between two looks.
const LEAST: Duration = Duration::from_millis(100);

impl Vault {
    /// Keeps a field up to date: reads it now, every `interval`, and when [`SecretWatch::ask_now`]
    /// says so. It does not wait for the first look. As many watches ask at once as half of
    /// `max_concurrent`; the others wait for them, and take no caller's place.
    ///
    /// # Errors
    /// `interval` is not from 100 ms to one day, there are 1,000 watches, or the client is shutting
    /// down.
    pub fn watch(
        &self,
        of: SecretRef,
        version: KvVersion,
        interval: Duration,
    ) -> Result<SecretWatch, Error> {
        let life = self.life();
        let refused = |kind| self.unsent(Operation::Read, kind);
        in_range(interval).map_err(refused)?;
        let _inside = life.stop.enter().ok_or_else(|| refused(ErrorKind::ShuttingDown))?;
        // Taken here, not by the task: it may begin when many more have been asked for.
        let place = match fault::WATCHES_COUNTED_LATE.planted() {
            true => None,
            false => {
                let place = Arc::clone(&life.watches).try_acquire_owned();
                Some(place.map_err(|_| refused(ErrorKind::QueueFull))?)
            }
        };
        let (sender, state) = watch::channel(Arc::new(Watched::default()));
        let (ask, interval) = (Arc::new(Notify::new()), watch::Sender::new(interval));
        let watcher = Watcher {
            of: of.clone(),
            version,
            interval: interval.subscribe(),
            sender,
            ask: Arc::clone(&ask),
            life: life.weak(),
            _place: place,
        };
        match life.spawn(watcher.run()) {
            true => Ok(SecretWatch { of, state, ask, interval: Arc::new(interval) }),
            false => Err(refused(ErrorKind::ShuttingDown)),
        }
    }
}

fn in_range(interval: Duration) -> Result<(), ErrorKind> {
    let why = "is not from 100 ms to one day";
    match (LEAST..=Duration::from_secs(86_400)).contains(&interval) {
        true => Ok(()),
        false => Err(ErrorKind::Malformed(Malformed { part: "interval", why })),
    }
}

impl SecretWatch {
    /// Which field it is.
    #[must_use]
    pub fn of(&self) -> &SecretRef {
        &self.of
    }

    /// As of the last look. Never waits.
    #[must_use]
    pub fn current(&self) -> Arc<Watched> {
        Arc::clone(&self.state.borrow())
    }

    /// Looks at once: the value in hand was refused, or is waited for.
    pub fn ask_now(&self) {
        self.ask.notify_one();
    }

    /// How often it looks by itself.
    #[must_use]
    pub fn interval(&self) -> Duration {
        *self.interval.borrow()
    }

    /// Looks at another interval from now on, counted from the last look.
    ///
    /// # Errors
    /// `interval` is not from 100 ms to one day.
    pub fn look_every(&self, interval: Duration) -> Result<(), Error> {
        let refused = |kind| Error::unsent(Operation::Read, kind, CorrelationId::new());
        in_range(interval).map_err(refused)?;
        self.interval.send_if_modified(|now| std::mem::replace(now, interval) != interval);
        Ok(())
    }

    /// The next look that found something else: another value, an error, or none any more. None
    /// once the client has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn changed(&mut self) -> Option<Arc<Watched>> {
        self.state.changed().await.ok()?;
        Some(Arc::clone(&self.state.borrow_and_update()))
    }

    /// Once the first look has ended, or the client has.
    pub async fn first_look(&mut self) -> Arc<Watched> {
        let _ = self.state.wait_for(|state| state.looks > 0).await;
        self.current()
    }
}

impl fmt::Debug for SecretWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.current();
        f.debug_struct("SecretWatch")
            .field("of", &self.of.to_string())
            .field("version", &now.version)
            .field("changes", &now.changes)
            .field("error", &now.error)
            .finish_non_exhaustive()
    }
}

/// The task of one watch.
struct Watcher {
    of: SecretRef,
    version: KvVersion,
    interval: watch::Receiver<Duration>,
    sender: watch::Sender<Arc<Watched>>,
    ask: Arc<Notify>,
    /// Held only while it looks, so that a client that nobody holds can end.
    life: Weak<Life>,
    /// Among the watches of the client.
    _place: Option<OwnedSemaphorePermit>,
}

impl Watcher {
    async fn run(mut self) {
        let mut version = self.version;
        let weak = self.life.clone();
        let Some(life) = weak.upgrade() else { return };
        let (time, stop) = (life.settings().time.clone(), Arc::clone(&life.stop));
        let mut resets = life.resets.subscribe();
        drop(life);
        loop {
            let Some(life) = weak.upgrade() else { return };
            resets.mark_unchanged();
            tokio::select! {
                biased;
                () = stop.reached(Stage::Draining) => return,
                () = self.sender.closed() => return,
                () = self.look(&life, &mut version) => {}
            }
            drop(life);
            // Spread, so that watches that began together do not ask together for ever.
            let (looked, spread) = (time.now(), 0.9 + 0.1 * fastrand::f64());
            loop {
                let next = looked + self.interval.borrow_and_update().mul_f64(spread);
                tokio::select! {
                    biased;
                    () = stop.reached(Stage::Draining) => return,
                    () = self.sender.closed() => return,
                    () = self.ask.notified() => break,
                    // Only for whom the last look gave none: the others' time has not come. That
                    // the sender is gone is seen above.
                    _ = resets.changed(), if self.sender.borrow().error.is_some() => break,
                    // Counted from the same look.
                    Ok(()) = self.interval.changed() => {}
                    () = time.sleep_until(next) => break,
                }
            }
        }
    }

    /// Reads the field once and tells what is new.
    async fn look(&self, life: &Arc<Life>, version: &mut KvVersion) {
        // Never closed. None: all at once.
        let _turn = match fault::LOOKS_UNBOUNDED.planted() {
            true => None,
            false => life.looks.acquire().await.ok(),
        };
        let correlation = CorrelationId::new();
        let read = match self.resolve(life, *version, correlation).await {
            Err(error) => Err(error),
            Ok(resolved) => {
                *version = resolved;
                self.read(life, resolved, correlation).await
            }
        };
        let now = life.now();
        self.sender.send_if_modified(|state| {
            let mut next = Watched { looks: state.looks + 1, ..(**state).clone() };
            let is_news = next.take(read, now) || state.looks == 0;
            *state = Arc::new(next);
            is_news
        });
    }

    async fn read(
        &self,
        life: &Arc<Life>,
        version: KvVersion,
        correlation: CorrelationId,
    ) -> Result<(Found, Secret<String>), Error> {
        let vault_op =
            |kind| Error { attempts: 1, ..Error::unsent(Operation::Read, kind, correlation) };
        let (prefix, found): (_, Read<Found>) = match version {
            KvVersion::One => ("/", crate::kv1::found),
            KvVersion::Ask | KvVersion::Two => ("/data/", crate::kv2::found),
        };
        let path = whole(&[self.of.mount(), prefix, self.of.path()], "");
        let path = path.map_err(|what| vault_op(ErrorKind::Malformed(what)))?;
        let op = op(Operation::Read, self.of.mount(), path, correlation);
        let found = life.call(&op, found).await?;
        let missing = || vault_op(ErrorKind::Field(crate::FieldError::Missing));
        let found = found.ok_or_else(missing)?;
        let value = found.data.field(self.of.field());
        value.map_err(|why| vault_op(ErrorKind::Field(why))).map(|value| (found, value))
    }

    /// The engine's version, asked until it is known.
    async fn resolve(
        &self,
        life: &Arc<Life>,
        version: KvVersion,
        correlation: CorrelationId,
    ) -> Result<KvVersion, Error> {
        if version != KvVersion::Ask {
            return Ok(version);
        }
        let Ok(path) = whole(&["sys/internal/ui/mounts/", self.of.mount()], "") else {
            return Ok(KvVersion::Two);
        };
        let op = op(Operation::Metadata, self.of.mount(), path, correlation);
        let mount: wire::Mount = match life.call(&op, |body| wire::data(body)).await {
            Ok(Some(mount)) => mount,
            Ok(None) | Err(Error { kind: ErrorKind::Forbidden, .. }) => return Ok(KvVersion::Two),
            Err(error) => return Err(error),
        };
        // A mount without options is of the first version.
        let is_two = mount.options.and_then(|options| options.version).as_deref() == Some("2");
        Ok(if is_two { KvVersion::Two } else { KvVersion::One })
    }
}

impl Watched {
    /// Whether that is news.
    fn take(&mut self, read: Result<(Found, Secret<String>), Error>, now: Duration) -> bool {
        let (found, value) = match read {
            Ok(read) => read,
            Err(error) => {
                let kind = |error: &Error| error.kind.clone();
                let is_news = self.error.as_ref().map(kind) != Some(kind(&error));
                self.error = Some(error);
                return is_news;
            }
        };
        let same = self.value.as_ref().is_some_and(|held| held.expose() == value.expose());
        let had_error = self.error.take().is_some();
        self.read_at = Some(now);
        self.version = found.version;
        if !same {
            self.value = Some(Arc::new(value));
            self.changes += 1;
        }
        !same || had_error
    }
}

fn op(operation: Operation, mount: &str, path: PathAndQuery, correlation: CorrelationId) -> Op {
    let (method, body, repeat) = (Method::GET, None, Repeat::Reads);
    let is_look = true;
    Op { operation, mount: mount.into(), method, path, body, repeat, correlation, is_look }
}

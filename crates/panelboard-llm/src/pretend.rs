//! Which providers are there without any account? Pretend ones, built in.
//!
//! **These are fakes, and say so in every answer.** They stand in for LLM services in the
//! demonstration and in tests of the whole program: a real HTTP server on 127.0.0.1 that speaks
//! OpenAI's API and makes its answers up from the prompt, so that a call goes through the same code
//! as a real one. A [`Fault`] makes a key of theirs fail on request, for a while or until told
//! otherwise. They think nothing, know nothing, and cost nothing.
//!
//! Answers are the same for the same request, but for their running number. Of a chat's `tools`
//! those are called that the user names in the last message, with what was said as the argument.
//!
//! # Limits
//!
//! At most [`CONNECTIONS_MAX`] connections (more wait), request bodies of at most
//! [`BODY_BYTES_MAX`] (more is answered with 413), answers of at most [`WORDS_MAX`] words.

mod answer;
mod fault;
mod paced;
mod server;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Secret;

pub use self::answer::WORDS_MAX;
pub use self::fault::{Fault, UnknownFault};
pub use self::server::{BODY_BYTES_MAX, CONNECTIONS_MAX};

/// The pretend providers of a process, behind one address. Dropping it stops them.
#[derive(Debug)]
pub struct Pretend {
    addr: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Pretend {
    /// Starts on a free port of 127.0.0.1, with these providers and the names of their keys.
    ///
    /// Must be called in a tokio runtime.
    ///
    /// # Errors
    ///
    /// No port, or no source of random numbers for the keys.
    pub async fn start<N, K>(providers: &[(N, Vec<K>)]) -> io::Result<Self>
    where
        N: AsRef<str>,
        K: AsRef<str>,
    {
        let shared = Arc::new(Shared::default());
        for (provider, keys) in providers {
            for key in keys {
                shared.add(provider.as_ref(), key.as_ref())?;
            }
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let server = tokio::spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Self { addr, shared, server })
    }

    /// Where they listen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The `base_url` of them all: which provider is meant, the key says.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Adds a key, and its provider if that is new. Nothing happens if it is there already.
    ///
    /// # Errors
    ///
    /// No source of random numbers.
    pub fn add(&self, provider: &str, key: &str) -> io::Result<()> {
        self.shared.add(provider, key)
    }

    /// The key itself, for a gateway's settings: random, made when the key was added.
    #[must_use]
    pub fn secret(&self, provider: &str, key: &str) -> Option<Secret> {
        self.bearer(provider, key).map(Secret::new)
    }

    /// The key itself, for a client that calls a pretend provider without a gateway between. It
    /// is good for this server only, and for as long as it lives.
    #[must_use]
    pub fn bearer(&self, provider: &str, key: &str) -> Option<String> {
        let keys = self.shared.lock();
        keys.iter().find(|(_, one)| one.is(provider, key)).map(|(secret, _)| secret.clone())
    }

    /// Makes a key fail from the next request on, for `lasting` or until another fault is set.
    /// [`Fault::None`] ends it. Answers that are under way go on as they began.
    ///
    /// # Errors
    ///
    /// [`UnknownKey`] if there is no such key here.
    pub fn set_fault(
        &self,
        provider: &str,
        key: &str,
        fault: Fault,
        lasting: Option<Duration>,
    ) -> Result<(), UnknownKey> {
        let mut keys = self.shared.lock();
        let one = keys.values_mut().find(|one| one.is(provider, key)).ok_or(UnknownKey)?;
        // A time past the end of the clock is as good as no end.
        let until = lasting.and_then(|lasting| Instant::now().checked_add(lasting));
        one.fault = (fault != Fault::None).then_some(Active { fault, until });
        Ok(())
    }

    /// The fault of a key and how long it will last (`None`: until told otherwise); `None` if the
    /// key is well or not here.
    #[must_use]
    pub fn fault(&self, provider: &str, key: &str) -> Option<(Fault, Option<Duration>)> {
        let keys = self.shared.lock();
        keys.values().find(|one| one.is(provider, key))?.fault_at(Instant::now())
    }

    /// Ends all answers and connections, and returns when the port is free.
    pub async fn stop(mut self) {
        self.server.abort();
        // Cancelled, as asked for: nothing to report.
        drop((&mut self.server).await);
    }
}

impl Drop for Pretend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// There is no pretend provider with such a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownKey;

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no pretend provider has such a key")
    }
}

impl std::error::Error for UnknownKey {}

#[derive(Default)]
struct Shared {
    /// Keys by what stands in the `authorization` header. Held for one look-up; nothing is awaited
    /// under it.
    keys: Mutex<HashMap<String, Key>>,
    /// Numbers the answers. Carries only itself.
    answers: AtomicU64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the map: its keys are secrets.
        f.debug_struct("Shared").field("answers", &self.answers).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Key {
    provider: String,
    name: String,
    fault: Option<Active>,
}

#[derive(Clone, Copy)]
struct Active {
    fault: Fault,
    until: Option<Instant>,
}

impl Key {
    fn is(&self, provider: &str, name: &str) -> bool {
        self.provider == provider && self.name == name
    }

    fn fault_at(&self, now: Instant) -> Option<(Fault, Option<Duration>)> {
        let Active { fault, until } = self.fault?;
        match until {
            None => Some((fault, None)),
            Some(until) if now < until => Some((fault, Some(until - now))),
            Some(_) => None,
        }
    }
}

impl Shared {
    fn add(&self, provider: &str, name: &str) -> io::Result<()> {
        let mut bytes = [0; 16];
        let random = SystemRandom::new().fill(&mut bytes);
        random.map_err(|_| io::Error::other("no source of random numbers"))?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut keys = self.lock();
        if !keys.values().any(|one| one.is(provider, name)) {
            let (provider, name) = (provider.to_owned(), name.to_owned());
            keys.insert(format!("sk-pretend-{hex}"), Key { provider, name, fault: None });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Key>> {
        // Each change under the lock is one assignment: a panic leaves nothing half-done.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

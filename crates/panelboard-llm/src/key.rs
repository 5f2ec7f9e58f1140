//! What does the gateway know of a key? Its settings, its breaker, and what it has lately been
//! like.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderName, HeaderValue, header};
use panelboard::Handle;

use crate::{
    bench::Benches,
    choose::{Average, Candidate},
    settings::{self, Kind},
    verdict::{Class, Verdict},
};

/// The last error of a key or a provider.
#[derive(Clone, Debug)]
pub struct LastError {
    /// What kind of error.
    pub class: Class,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// In the provider's words, short and without secrets.
    pub message: String,
    /// When, for people to read.
    pub at: SystemTime,
}

/// A key, or (with `key` none) a provider, as it is listed.
#[derive(Clone, Debug)]
pub struct KeyFigures {
    /// The name of its breaker on the panel.
    pub breaker: Arc<str>,
    /// The provider's name.
    pub provider: Arc<str>,
    /// The key's name; none for the provider itself.
    pub key: Option<Arc<str>>,
    /// Which API the provider speaks.
    pub kind: Kind,
    /// Tells the secret from others and gives nothing of it away.
    pub fingerprint: Option<String>,
    /// Its secret is still to come: until then it takes no calls.
    pub awaits_secret: bool,
    /// Calls under way.
    pub in_flight: usize,
    /// The moving average of the time to the first byte. Failures are in it, as slow answers.
    pub ttfb: Option<Duration>,
    /// Answers so far.
    pub successes: u64,
    /// The last error there was.
    pub last_error: Option<LastError>,
    /// The models that the key was not allowed to use.
    pub benched_models: Vec<String>,
}

/// A key of a provider. Made anew by each reload; what it has been like lives on in [`Live`].
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) name: Arc<str>,
    pub(crate) breaker: Handle,
    pub(crate) breaker_name: Arc<str>,
    pub(crate) settings: settings::Key,
    pub(crate) live: Arc<Live>,
}

/// What a key or a provider has lately been like.
#[derive(Debug, Default)]
pub(crate) struct Live {
    pub(crate) in_flight: AtomicUsize,
    pub(crate) successes: AtomicU64,
    average: Mutex<Average>,
    last_error: Mutex<Option<LastError>>,
    pub(crate) benches: Arc<Benches>,
    pub(crate) quota: Steps,
    pub(crate) credentials: Steps,
    pub(crate) rate: Steps,
    /// A probe that was let through early is under way.
    pub(crate) early: AtomicBool,
    /// The key is gone from the settings, or its secret has changed: what is still heard of it must
    /// not be held against its successor.
    pub(crate) retired: AtomicBool,
}

/// How often in a row something happened: waits that double.
#[derive(Debug, Default)]
pub(crate) struct Steps(AtomicU32);

impl Steps {
    /// The wait of the current step.
    pub(crate) fn wait(&self, first: Duration, longest: Duration) -> Duration {
        // Relaxed: the number carries only itself, here and below.
        first.saturating_mul(1 << self.0.load(Ordering::Relaxed).min(16)).min(longest)
    }

    pub(crate) fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn reset(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

impl KeyState {
    /// The header that carries the secret; none for an empty one.
    pub(crate) fn credential(&self, kind: Kind) -> Option<(HeaderName, HeaderValue)> {
        let secret = &self.settings.secret;
        if secret.is_empty() {
            return None;
        }
        let (name, value) = match kind {
            Kind::Anthropic => (HeaderName::from_static("x-api-key"), secret.expose().to_owned()),
            _ => (header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
        };
        let mut value = HeaderValue::from_str(&value).ok()?; // the settings were checked
        value.set_sensitive(true);
        Some((name, value))
    }

    pub(crate) fn candidate(&self) -> Candidate {
        Candidate {
            in_flight: self.live.in_flight.load(Ordering::Relaxed),
            average: *self.live.average(),
            weight: self.settings.weight,
        }
    }

    pub(crate) fn same_group(&self, other: &Self) -> bool {
        self.settings.quota_group.is_some()
            && self.settings.quota_group == other.settings.quota_group
    }
}

impl Live {
    pub(crate) fn answered(&self, took: Duration, now: Duration) {
        self.average().success(took, now);
    }

    pub(crate) fn failed(&self, took: Duration, now: Duration) {
        self.average().failure(took, now);
    }

    pub(crate) fn ttfb(&self) -> Option<Duration> {
        self.average().get()
    }

    /// A whole answer: whatever doubled starts again.
    pub(crate) fn succeeded(&self) {
        self.successes.fetch_add(1, Ordering::Relaxed);
        self.quota.reset();
        self.credentials.reset();
        self.rate.reset();
    }

    pub(crate) fn error(&self, verdict: &Verdict, status: Option<u16>) {
        let error = LastError {
            class: verdict.class,
            status,
            message: verdict.message.clone(),
            at: crate::clock::wall(),
        };
        let old = self.lock_error().replace(error);
        drop(old);
    }

    pub(crate) fn last_error(&self) -> Option<LastError> {
        self.lock_error().clone()
    }

    fn lock_error(&self) -> MutexGuard<'_, Option<LastError>> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn average(&self) -> MutexGuard<'_, Average> {
        self.average.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call's share of what is in flight at a key and its provider. Dropped exactly once.
#[derive(Debug)]
pub(crate) struct InFlight([Arc<Live>; 2]);

impl InFlight {
    pub(crate) fn enter(key: &Arc<Live>, provider: &Arc<Live>) -> Self {
        let both = [Arc::clone(key), Arc::clone(provider)];
        for live in &both {
            live.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        Self(both)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        for live in &self.0 {
            live.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

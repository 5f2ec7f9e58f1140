//! May this request go to the server, and what did its end change? A breaker for the server, and
//! one for each mount that was named.
//!
//! A mount with a breaker of its own answers for its own errors: a 5xx that is no seal and no
//! standby is held against it and ignored at the server's. What is surely the server's (seal,
//! standby, no connection, no answer in time) is held against both.

use std::{sync::Arc, time::Duration};

use panelboard::{
    Breaker, Cause, Clock, OpenFor, Outcome, Permit, Rejected, Snapshot, State, Transition,
};
use tokio::sync::broadcast;

use crate::{config::Settings, correlation::CorrelationId, error::ErrorKind, sync::Counter};

/// The breakers of one life.
pub(crate) struct Gate {
    server: Named,
    mounts: Vec<Named>,
    clock: Clock,
    events: broadcast::Sender<Event>,
}

struct Named {
    name: Arc<str>,
    breaker: Arc<Breaker>,
    /// The last half-open generation that was told.
    half_open: Counter,
}

/// A breaker's transition, and the call that caused it.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) {
/// let mut events = vault.events();
/// while let Some(event) = events.next().await {
///     match event {
///         Ok(event) => println!("{}: {} -> {}", event.breaker, event.from, event.to),
///         Err(missed) => println!("{} events were missed", missed.0),
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// `server`, or `mount NAME`.
    pub breaker: Arc<str>,
    /// The number of the transition at its breaker.
    pub generation: u64,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// How long it will stay open.
    pub retry_after: Option<Duration>,
    /// When, on the clock of the client.
    pub at: Duration,
    /// The call that caused it.
    pub correlation: CorrelationId,
}

/// Leave for one request.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    server: Permit<Arc<Breaker>>,
    mount: Option<(&'a Named, Permit<Arc<Breaker>>)>,
    correlation: CorrelationId,
}

impl Gate {
    pub(crate) fn new(settings: &Settings, events: broadcast::Sender<Event>) -> Option<Self> {
        let clock = settings.time.clock();
        let most = settings.recovery_timeout.max(Duration::from_secs(60));
        let config = panelboard::Config::vault()
            .failure_threshold(settings.failure_threshold)
            .recovery_timeout(settings.recovery_timeout)
            .max_recovery_timeout(most)
            .half_open_max_calls(settings.half_open_max_calls)
            // A probe ends by its time-out before its place is given away.
            .probe_timeout(settings.timeout + Duration::from_secs(1))
            .build()
            .ok()?;
        let named = |name: String| Named {
            name: name.into(),
            breaker: Arc::new(Breaker::with_clock(config.clone(), clock.clone())),
            half_open: Counter::default(),
        };
        let mounts = settings.mount_breakers.iter().map(|mount| named(format!("mount {mount}")));
        let mounts = mounts.collect();
        Some(Self { server: named("server".to_owned()), mounts, clock, events })
    }

    fn mount(&self, mount: &str) -> Option<&Named> {
        self.mounts.iter().find(|named| named.name.strip_prefix("mount ") == Some(mount))
    }

    /// Whether a request would be let through now. Asks nothing and changes nothing.
    pub(crate) fn look(&self, mount: &str) -> Result<(), ErrorKind> {
        let closed = |named: &&Named| !named.breaker.would_admit();
        match [Some(&self.server), self.mount(mount)].into_iter().flatten().find(closed) {
            None => Ok(()),
            Some(named) => {
                let Snapshot { state, retry_after, .. } = named.breaker.snapshot();
                // It may have moved on since: then whoever asks again is let through.
                Err(unavailable(state, retry_after.or(Some(Duration::ZERO))))
            }
        }
    }

    /// Leave for one request, or what to tell its caller.
    pub(crate) fn admit(
        &self,
        mount: &str,
        correlation: CorrelationId,
    ) -> Result<Pass<'_>, ErrorKind> {
        // The mount's first: a probe of the server's is not to be spent on a mount that is out.
        let mount = match self.mount(mount) {
            Some(named) => Some((named, self.take(named, correlation)?)),
            None => None,
        };
        let server = self.take(&self.server, correlation)?;
        Ok(Pass { gate: self, server, mount, correlation })
    }

    fn take(
        &self,
        named: &Named,
        correlation: CorrelationId,
    ) -> Result<Permit<Arc<Breaker>>, ErrorKind> {
        let permit = named.breaker.acquire_owned().map_err(|rejected| {
            let Rejected { state, retry_after, .. } = rejected;
            unavailable(state, retry_after)
        })?;
        if permit.is_probe() {
            self.tell_half_open(named, permit.generation(), correlation);
        }
        Ok(permit)
    }

    /// An admission does not hand out the transition that it made, so the first probe of each
    /// half-open generation tells it.
    fn tell_half_open(&self, named: &Named, generation: u64, correlation: CorrelationId) {
        let told = named.half_open.raise(generation);
        if told >= generation {
            return;
        }
        let again = told + 1 == generation;
        let (from, cause) = match again {
            true => (State::HalfOpen, Cause::LeaseExpired),
            false => (State::Open, Cause::DeadlinePassed),
        };
        self.tell(Event {
            breaker: Arc::clone(&named.name),
            generation,
            from,
            to: State::HalfOpen,
            cause,
            retry_after: None,
            at: self.clock.now(),
            correlation,
        });
    }

    fn tell_made(&self, named: &Named, made: Option<&Transition>, correlation: CorrelationId) {
        let Some(t) = made else { return };
        self.tell(Event {
            breaker: Arc::clone(&named.name),
            generation: t.generation,
            from: t.from,
            to: t.to,
            cause: t.cause,
            retry_after: t.retry_after,
            at: t.at,
            correlation,
        });
    }

    fn tell(&self, event: Event) {
        // Nobody listening is fine.
        let _ = self.events.send(event);
    }

    /// The server's first.
    fn all(&self) -> impl Iterator<Item = &Named> {
        std::iter::once(&self.server).chain(&self.mounts)
    }

    /// Each breaker by its name, the server's first.
    pub(crate) fn health(&self) -> Vec<(Arc<str>, Snapshot)> {
        let seen = |named: &Named| (Arc::clone(&named.name), named.breaker.snapshot());
        self.all().map(seen).collect()
    }

    /// At the end: all closed, with nothing counted. Of one that was closed nothing is told.
    pub(crate) fn end(&self, correlation: CorrelationId) {
        for named in self.all() {
            let made = named.breaker.reset();
            let is_news = made.from != State::Closed;
            self.tell_made(named, is_news.then_some(&made), correlation);
        }
    }

    /// Opens a breaker, for its own time or for `time`. False: there is none of that name.
    pub(crate) fn trip(
        &self,
        name: &str,
        time: Option<Duration>,
        correlation: CorrelationId,
    ) -> bool {
        let Some(named) = self.all().find(|named| &*named.name == name) else { return false };
        let made = match time {
            None => named.breaker.trip(),
            Some(time) => match named.breaker.open_for(time, "tripped") {
                OpenFor::Tripped(transition) => Some(transition),
                // It was open: no transition, only a later end, or not even that.
                OpenFor::Extended | OpenFor::Unchanged => None,
            },
        };
        self.tell_made(named, made.as_ref(), correlation);
        true
    }

    /// Closes a breaker. False: there is none of that name.
    pub(crate) fn reset(&self, name: &str, correlation: CorrelationId) -> bool {
        let Some(named) = self.all().find(|named| &*named.name == name) else { return false };
        let made = named.breaker.reset();
        self.tell_made(named, Some(&made), correlation);
        true
    }
}

impl Pass<'_> {
    /// `is_servers`: what is held against somebody is held against the server, too, and not against
    /// the mount alone.
    pub(crate) fn end(self, outcome: Outcome, is_servers: bool) {
        let Self { gate, server, mount, correlation } = self;
        let at_server = match (&mount, outcome) {
            (Some(_), Outcome::Failure) if !is_servers => Outcome::Ignored,
            _ => outcome,
        };
        gate.tell_made(&gate.server, server.end(at_server).transition(), correlation);
        if let Some((named, permit)) = mount {
            gate.tell_made(named, permit.end(outcome).transition(), correlation);
        }
    }
}

/// In whole seconds, rounded up, at least one: for a `Retry-After`.
fn unavailable(state: State, retry_after: Option<Duration>) -> ErrorKind {
    let seconds = |wait: Duration| wait.as_millis().div_ceil(1_000).max(1);
    let retry_after = retry_after
        .map(|wait| Duration::from_secs(u64::try_from(seconds(wait)).unwrap_or(u64::MAX)));
    ErrorKind::Unavailable { state, retry_after }
}

/// A client's transitions, from when it was asked for.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

/// Events that a slow reader did not see.
///
/// ```
/// assert_eq!(panelboard_vault::Missed(3).0, 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u64);

impl Events {
    /// The next one. None once the client is gone.
    ///
    /// # Errors
    /// [`Missed`]: more than 256 came since the last one was read.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Event, Missed>> {
        match self.0.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(n)) => Some(Err(Missed(n))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next one, if it is there.
    pub fn try_next(&mut self) -> Option<Result<Event, Missed>> {
        match self.0.try_recv() {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::TryRecvError::Lagged(n)) => Some(Err(Missed(n))),
            Err(_) => None,
        }
    }
}

//! Leave to try one key: the permits it holds, and the ways it can end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use panelboard::{Cause, Handle, OwnedPermit, Permit, State};
use tokio::time::Instant;

use super::{Failure, settle::Rules};
use crate::{
    bench::Try,
    calls::{Register, Serving},
    key::{InFlight, KeyState, Live},
    observe::{AttemptEnded, Usage},
    openai::Attempt,
    routing::Route,
    verdict::Class,
};

/// Leave to try one key. Dropping it is a cancelled try: every place is given back, and nothing is
/// held against anybody.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) route: Route,
    pub(crate) key: Arc<KeyState>,
    permits: Permits,
    teller: Teller,
    _model_try: Option<Try>,
    clock: panelboard::Clock,
    // Last: what was given back is seen before the place is.
    _in_flight: InFlight,
}

/// What every try needs beside its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct With<'a> {
    pub(crate) clock: &'a panelboard::Clock,
    pub(crate) register: &'a Arc<Register>,
}

/// Tells the end of an attempt exactly once: if nobody else does, as its client's leaving.
#[derive(Debug)]
struct Teller {
    register: Arc<Register>,
    serving: Serving,
    begun: Instant,
    /// Nanoseconds to the head of the answer, or [`NONE`]. Carries only itself.
    first_byte: AtomicU64,
    usage: Option<Usage>,
    resend: bool,
    told: bool,
}

/// No answer has come.
const NONE: u64 = u64::MAX;

impl Teller {
    fn new(register: Arc<Register>, serving: Serving) -> Self {
        Self {
            register,
            serving,
            begun: Instant::now(),
            first_byte: AtomicU64::new(NONE),
            usage: None,
            resend: false,
            told: false,
        }
    }

    fn first_byte(&self) -> Option<Duration> {
        let nanos = self.first_byte.load(Ordering::Relaxed);
        (nanos != NONE).then(|| Duration::from_nanos(nanos))
    }

    fn tell(&mut self, outcome: Class, status: Option<u16>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        self.register.observer().attempt(&AttemptEnded {
            provider: &self.serving.provider,
            key: &self.serving.key,
            model: &self.serving.model,
            outcome,
            status,
            took: self.begun.elapsed(),
            first_byte: self.first_byte(),
            usage: self.usage,
            resend: self.resend,
        });
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.tell(Class::ClientGone, None);
    }
}

/// What the breakers gave.
#[derive(Debug)]
pub(super) enum Permits {
    Given {
        key: OwnedPermit,
        /// It may have ended already: see [`Admitted::committed`].
        provider: Option<OwnedPermit>,
    },
    /// Let through before its time, past breakers that would have rejected it.
    Early(Early),
}

impl Permits {
    /// Nothing is held against anybody.
    pub(super) fn ignore(self) {
        if let Self::Given { key, provider } = self {
            key.ignore();
            provider.map(Permit::ignore);
        }
    }
}

/// A probe before its time: the pool is empty, and the wait is a later step of the back-off.
#[derive(Debug)]
pub(crate) struct Early {
    live: Arc<Live>,
    /// The open breakers, with the generation that they were found in.
    open: Vec<(Handle, u64)>,
}

impl Early {
    /// Leave for an early probe, if the open breakers allow it and none is under way.
    ///
    /// Only breakers that failures opened for at least the second time in a row, and only when half
    /// of that open time has passed: the provider's own word, a person's, and a first trip hold.
    pub(crate) fn enter(route: &Route, key: &KeyState) -> Option<Self> {
        let mut open = Vec::new();
        for breaker in [&route.provider.breaker, &key.breaker] {
            if breaker.would_admit() {
                continue;
            }
            let seen = breaker.snapshot();
            let failing = matches!(
                seen.cause,
                Some(Cause::Failures | Cause::FailureRate | Cause::ProbeFailed)
            );
            let half = seen.since? >= seen.retry_after?;
            if seen.state != State::Open || !failing || seen.backoff_step < 2 || !half {
                return None;
            }
            open.push((breaker.clone(), seen.generation));
        }
        // One at a time for what is open: the provider, if it is, for all its keys.
        let provider_is_open = !route.provider.breaker.would_admit();
        let live = if provider_is_open { &route.provider.live } else { &key.live };
        if open.is_empty() || live.early.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Self { live: Arc::clone(live), open })
    }

    /// The key is well: its breakers close, unless somebody else has moved them meanwhile.
    fn success(self) {
        for (breaker, generation) in &self.open {
            if breaker.snapshot().generation == *generation {
                breaker.reset();
            }
        }
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.live.early.store(false, Ordering::Release);
    }
}

impl Admitted {
    pub(crate) fn new(
        route: &Route,
        key: &Arc<KeyState>,
        permits: (OwnedPermit, OwnedPermit),
        model_try: Option<Try>,
        with: With<'_>,
    ) -> Self {
        let (key_permit, provider) = permits;
        let permits = Permits::Given { key: key_permit, provider: Some(provider) };
        Self::with(route, key, permits, model_try, with)
    }

    pub(crate) fn early(route: &Route, key: &Arc<KeyState>, early: Early, with: With<'_>) -> Self {
        Self::with(route, key, Permits::Early(early), None, with)
    }

    fn with(
        route: &Route,
        key: &Arc<KeyState>,
        permits: Permits,
        model_try: Option<Try>,
        With { clock, register }: With<'_>,
    ) -> Self {
        let serving = Serving {
            provider: Arc::clone(&route.provider.name),
            key: Arc::clone(&key.name),
            model: Arc::clone(&route.model),
        };
        let register = Arc::clone(register);
        Self {
            _in_flight: InFlight::enter(&key.live, &route.provider.live),
            route: route.clone(),
            key: Arc::clone(key),
            permits,
            teller: Teller::new(register, serving),
            _model_try: model_try,
            clock: clock.clone(),
        }
    }

    pub(crate) fn serving(&self) -> Serving {
        self.teller.serving.clone()
    }

    /// The call is sent again after a server's failure.
    pub(crate) fn is_resend(&mut self) {
        self.teller.resend = true;
    }

    pub(crate) fn age(&self) -> Duration {
        self.teller.begun.elapsed()
    }

    pub(crate) fn secret(&self) -> &str {
        self.key.settings.secret.expose()
    }

    /// The body without the key, should the provider have repeated it.
    pub(crate) fn without_secret(&self, body: Bytes) -> Bytes {
        let secret = self.secret().as_bytes();
        if secret.is_empty() || memchr::memmem::find(&body, secret).is_none() {
            return body;
        }
        let text = String::from_utf8_lossy(&body).replace(self.secret(), "[hidden]");
        text.into()
    }

    /// The head of an answer is there, whatever it says.
    pub(crate) fn answered(&self) {
        let nanos = u64::try_from(self.age().as_nanos()).unwrap_or(NONE - 1);
        self.teller.first_byte.store(nanos, Ordering::Relaxed);
    }

    /// What the provider has counted so far.
    pub(crate) fn usage(&mut self, usage: Option<Usage>) {
        self.teller.usage = usage.or(self.teller.usage);
    }

    /// Whether it is leave to try a key of this target.
    pub(crate) fn is_at(&self, route: &Route) -> bool {
        self.route.provider.name == route.provider.name && self.route.model == route.model
    }

    /// The first byte of a good answer is there.
    pub(crate) fn heard(&self) {
        self.key.live.answered(self.age(), self.clock.now());
    }

    /// The stream's first output is there. The provider is neither out of reach nor full, which is
    /// all that its own breaker judges: a probe of it need not last as long as the stream.
    pub(crate) fn committed(&mut self) {
        if let Permits::Given { provider, .. } = &mut self.permits
            && let Some(probe) = provider.take_if(|permit| permit.is_probe())
        {
            probe.success();
        }
    }

    /// The answer is whole.
    pub(crate) fn success(mut self, status: u16) {
        self.teller.tell(Class::Success, Some(status));
        self.key.live.succeeded();
        self.route.provider.live.succeeded();
        self.key.live.benches.served(&self.route.model);
        match self.permits {
            Permits::Given { key, provider } => {
                key.success();
                provider.map(Permit::success);
            }
            Permits::Early(early) => early.success(),
        }
    }

    /// The try is not made after all.
    pub(crate) fn give_back(mut self) {
        self.teller.told = true; // there was no attempt
        self.permits.ignore();
    }

    /// The answer is about the request: nobody's fault here.
    pub(crate) fn neutral(mut self, class: Class, status: u16) {
        self.teller.tell(class, Some(status));
        self.permits.ignore();
    }

    /// There is no answer. `counted` are the classes that this call has already held against a key.
    pub(crate) fn fail(mut self, failure: &Failure, counted: &mut Vec<Class>) -> Attempt {
        let class = failure.verdict.class;
        let attempt = Attempt {
            provider: Arc::clone(&self.route.provider.name),
            key: Arc::clone(&self.key.name),
            outcome: class,
            status: failure.status,
            took: self.age(),
        };
        self.teller.tell(class, failure.status);
        if failure.out_of_time || self.key.live.retired.load(Ordering::Acquire) {
            self.permits.ignore();
            return attempt;
        }
        self.note(failure);
        let rules = Rules { route: &self.route, key: &self.key, now: self.clock.now() };
        rules.hold_against(self.permits, &failure.verdict, counted);
        attempt
    }

    fn note(&self, failure: &Failure) {
        let live = &self.key.live;
        live.error(&failure.verdict, failure.status);
        match failure.verdict.class {
            Class::Connect | Class::Overloaded => {
                self.route.provider.live.error(&failure.verdict, failure.status)
            }
            Class::Server | Class::Timeout | Class::Cut | Class::Garbage => {
                live.failed(self.age(), self.clock.now())
            }
            _ => {}
        }
    }
}

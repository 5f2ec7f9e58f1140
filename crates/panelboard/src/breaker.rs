//! The breaker: one word, and the loops that exchange it.
//!
//! # Who touches which field, and when
//!
//! | field             | written by                                        | read by              |
//! | ----------------- | ------------------------------------------------- | -------------------- |
//! | `word`            | compare-exchange only, by whoever has an event    | everybody            |
//! | `near`            | raised by who makes a transition, before it       | everybody            |
//! | `limits`          | reconfiguration                                   | everybody            |
//! | `newest_probe_ms` | raised by whoever takes a probe, before it        | acquire, half-open   |
//! | `closed_at_ms`    | raised by whoever closes, before it               | whoever trips        |
//! | `life`            | its panel; see `panel/life.rs`                    | its panel            |
//! | `window`          | outcomes of the closed state, if configured       | the same             |
//! | `settings`        | reconfiguration (lock)                            | whoever may trip     |
//! | `overrides`       | by hand (lock)                                    | by hand              |
//! | `note`            | who made a transition, after it (lock)            | snapshots            |
//! | `counts`          | the paths that are not the closed success         | snapshots            |

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

mod by_hand;
mod drive;

pub use by_hand::OpenFor;

use crate::{
    backoff,
    clock::Clock,
    config::{Config, Settings},
    counts::{Counters, Outcome},
    fault,
    isolate::Overrides,
    limits::AtomicLimits,
    panel::life::Life,
    permit::{Admission, Permit, Recorded, Rejected},
    snapshot::{Note, Snapshot},
    state::{self, Answer, Event, Opening, step},
    sync::{AtomicU64, Mutex, Ordering, QuietMutex},
    transition::{State, Transition},
    window::Window,
    word::{self, Body, NO_FAILURES_MASK, ONE_FAILURE, Override, PLAIN_CLOSED_MASK, Word},
};

/// A circuit breaker for one thing that can fail. Deciding is lock-free: whoever asks or ends a
/// call exchanges one word. Around a transition two short locks are taken, to copy the settings and
/// to note what happened; no caller that merely asks or succeeds waits for them.
///
/// Three kinds of methods: [`acquire`](Self::acquire) and [`call`](Self::call) are for callers;
/// [`open_for`](Self::open_for), [`trip`](Self::trip), [`reset`](Self::reset) and the overrides
/// change it by hand; [`state`](Self::state) and [`snapshot`](Self::snapshot) read it and change
/// nothing.
///
/// # Cost
/// 320 bytes, plus 176 with a `failure_rate` policy. Closed, with a `consecutive` policy and no
/// failures pending, a call that succeeds is five loads and no write. A failure below the threshold
/// is one compare-exchange and a count. With a `failure_rate` policy every call reads the clock,
/// adds to one cell and reads the others. An open breaker reads the clock once and counts the
/// rejection. Nothing allocates, but a transition of a panel's breaker, for its event.
///
/// # Memory ordering
/// What a caller did before a call that makes a transition is seen by whoever is admitted or
/// rejected by that transition.
#[derive(Debug)]
pub struct Breaker {
    hot: Hot,
    pub(crate) counts: Counters,
    window: OnceLock<Box<Window>>,
    clock: Clock,
    seed: u64,
    /// Protects which settings hold. Held to clone or to swap an `Arc`.
    settings: QuietMutex<Arc<Settings>>,
    /// Protects what people have set, and that the word's override bits say the same: held for the
    /// exchange of those bits too. No other lock is taken and no user code runs under it.
    overrides: Mutex<Overrides>,
    /// Protects what the last transition was. Held to copy it.
    note: QuietMutex<Note>,
    announce: Option<Box<dyn Announce>>,
}

/// Told of each transition, by the thread that made it, outside every lock.
pub(crate) trait Announce: Send + Sync + std::fmt::Debug {
    /// `transition` has been published; those of other generations may be told at the same time.
    fn announce(&self, transition: &Transition);
}

/// What the calls' path reads, on one cache line that only transitions, failures and handles write.
#[derive(Debug)]
#[repr(align(64))]
struct Hot {
    /// See `word.rs`.
    word: AtomicU64,
    /// A full generation at most one behind the word's, for [`word::full`].
    near: AtomicU64,
    limits: AtomicLimits,
    /// When the newest probe went out. Never too early for a probe that the word counts; it may be
    /// later by what a caller put here who then lost the race for the place.
    newest_probe_ms: AtomicU64,
    /// When the breaker last closed, with the same latitude.
    closed_at_ms: AtomicU64,
    /// Its life in a panel, here because each look-up reads it before the call reads the word.
    life: Life,
}

impl Breaker {
    /// A closed breaker on the machine's clock.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_clock(config, Clock::system())
    }

    /// A closed breaker on the given clock.
    #[must_use]
    pub fn with_clock(config: Config, clock: Clock) -> Self {
        Self::announcing(&config, clock, None)
    }

    pub(crate) fn announcing(
        config: &Config,
        clock: Clock,
        announce: Option<Box<dyn Announce>>,
    ) -> Self {
        let settings = config.settings();
        let breaker = Self {
            hot: Hot {
                word: AtomicU64::new(Word::NEW.pack()),
                near: AtomicU64::new(0),
                limits: AtomicLimits::new(settings.limits),
                newest_probe_ms: AtomicU64::new(0),
                closed_at_ms: AtomicU64::new(0),
                life: Life::new(),
            },
            counts: Counters::default(),
            window: OnceLock::new(),
            clock,
            seed: settings.seed.unwrap_or_else(backoff::fresh_seed),
            settings: QuietMutex::new(Arc::clone(settings)),
            overrides: Mutex::new(Overrides::default()),
            note: QuietMutex::new(Note::default()),
            announce,
        };
        if let Some(rule) = settings.rule {
            breaker.window.get_or_init(|| Box::new(Window::new(rule)));
        }
        breaker
    }

    /// Asks for leave to make one call.
    ///
    /// The permit borrows the breaker. End it with [`success`](Permit::success),
    /// [`failure`](Permit::failure) or [`ignore`](Permit::ignore); dropping it is a cancelled call.
    ///
    /// # Errors
    /// [`Rejected`], with the state and how long it will last: open before its deadline, forced
    /// open, or half-open with all its probes out.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<&Self>, Rejected> {
        Permit::acquire(self)
    }

    /// As [`acquire`](Self::acquire), with a permit that owns its share of the breaker: `Send` and
    /// `'static`, for tasks and other threads. Costs a clone of the `Arc` more.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_owned(self: &Arc<Self>) -> Result<Permit<Arc<Self>>, Rejected> {
        Permit::acquire(Arc::clone(self))
    }

    #[inline]
    pub(crate) fn admit(&self) -> Result<Admission, Rejected> {
        let bits = self.load();
        if bits & PLAIN_CLOSED_MASK == 0 {
            return Ok(Admission::new(bits, self.near()));
        }
        self.admit_slowly()
    }

    #[cold]
    fn admit_slowly(&self) -> Result<Admission, Rejected> {
        let now = self.clock.now();
        let bits = self.load();
        let word = Word::unpack(bits);
        // Most callers that come here are rejected, which changes nothing: no exchange to prepare.
        let answer = step(word, Event::Acquire, &self.given(word, now)).answer;
        if let Answer::Rejected { retry_after } = answer {
            return Err(self.reject(word, self.full(bits), retry_after, now));
        }
        let done = self.drive_any(Event::Acquire, now);
        let (bits, generation) = (done.word.pack(), done.generation);
        match done.answer {
            Answer::Admitted { .. } => Ok(Admission::new(bits, generation)),
            Answer::Rejected { retry_after } => {
                Err(self.reject(done.word, generation, retry_after, now))
            }
            Answer::AdmittedUnrecorded | Answer::Done | Answer::Extended => {
                if done.word.over == Override::MetricsOnly {
                    self.counts.rejected.add();
                }
                Ok(Admission::unrecorded(bits, generation))
            }
        }
    }

    fn reject(
        &self,
        word: Word,
        generation: u64,
        retry_after: Option<Duration>,
        now: Duration,
    ) -> Rejected {
        self.counts.rejected.add();
        Rejected { state: state::effective(word, now), retry_after, generation }
    }

    /// Ends a call that succeeded.
    #[inline]
    pub(crate) fn succeed(&self, admission: Admission) -> Recorded {
        let bits = self.load();
        let nothing_pending = bits & NO_FAILURES_MASK == 0 && !self.hot.limits.load().windowed();
        if nothing_pending && admission.is_current(bits, self.near()) {
            if fault::CLOSED_PATH_WRITES {
                self.exchange(bits, bits);
            }
            return Recorded::Counted;
        }
        self.record(admission, Outcome::Success)
    }

    /// Ends a call that failed.
    #[inline]
    pub(crate) fn fail(&self, admission: Admission) -> Recorded {
        loop {
            let bits = self.load();
            let plain = bits & PLAIN_CLOSED_MASK == 0 && admission.is_current(bits, self.near());
            let below = word::failures(bits) + 1 < self.hot.limits.load().failure_threshold;
            if !(plain && below) {
                return self.record(admission, Outcome::Failure);
            }
            if self.exchange(bits, bits + ONE_FAILURE) {
                self.counts.failures.add();
                return Recorded::Counted;
            }
        }
    }

    /// Ends a call with an outcome, by the long way.
    #[cold]
    pub(crate) fn record(&self, admission: Admission, outcome: Outcome) -> Recorded {
        if admission.is_unrecorded() {
            return Recorded::Unrecorded;
        }
        let (own, now) = (admission, self.clock.now());
        let recorded = match outcome {
            Outcome::Ignored | Outcome::Cancelled => self.drive(own, Event::Released, now),
            Outcome::Success | Outcome::Failure => match self.windowed_life(own) {
                Some((window, life)) => self.record_in(window, life, own, outcome, now),
                None if outcome == Outcome::Success => self.drive(own, Event::Success, now),
                None => {
                    let settings = self.settings();
                    let opening = self.opening(&settings, own.generation());
                    self.drive(own, Event::Failure(&opening), now)
                }
            },
        };
        match recorded {
            Recorded::Late => self.counts.late.add(),
            _ => self.counts.outcome(outcome),
        }
        recorded
    }

    /// Ends a call whose permit was dropped.
    pub(crate) fn cancel(&self, admission: Admission) {
        let by_panic = std::thread::panicking() && self.settings().panic_is_failure;
        self.record(admission, if by_panic { Outcome::Failure } else { Outcome::Cancelled });
    }

    /// The window and the life to count in, if the breaker is closed in the generation of `own` and
    /// a window judges.
    fn windowed_life(&self, own: Admission) -> Option<(&Window, u16)> {
        let bits = self.load();
        if !self.hot.limits.load().windowed() || !own.is_current(bits, self.near()) {
            return None;
        }
        match Word::unpack(bits).body {
            Body::Closed { life, .. } => self.window.get().map(|window| (&**window, life)),
            _ => None,
        }
    }

    fn record_in(
        &self,
        window: &Window,
        life: u16,
        own: Admission,
        outcome: Outcome,
        now: Duration,
    ) -> Recorded {
        if !window.record(now, life, outcome == Outcome::Failure) {
            return Recorded::Counted;
        }
        let settings = self.settings();
        let opening = self.opening(&settings, own.generation());
        match self.drive(own, Event::WindowFailing(&opening), now) {
            // It was counted in its own generation; somebody else was the first to trip.
            Recorded::Late => Recorded::Counted,
            recorded => recorded,
        }
    }

    /// What callers feel. An open breaker past its deadline is [`State::HalfOpen`]: ready to probe.
    ///
    /// A load; unless closed, also a reading of the clock.
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        let bits = self.load();
        if bits & PLAIN_CLOSED_MASK == 0 {
            return State::Closed;
        }
        state::effective(Word::unpack(bits), self.clock.now())
    }

    /// Whether [`acquire`](Self::acquire) would admit now. A reading: it takes nothing and promises
    /// nothing.
    #[must_use]
    pub fn would_admit(&self) -> bool {
        let word = Word::unpack(self.load());
        let given = self.given(word, self.clock.now());
        !matches!(step(word, Event::Acquire, &given).answer, Answer::Rejected { .. })
    }

    /// What there is to see, all of one generation: that of the one word that is read. What stands
    /// beside the word is shown if it belongs to the same generation or closed life.
    ///
    /// Copies the last transition's note under a short lock.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let bits = self.load();
        let (word, generation) = (Word::unpack(bits), self.full(bits));
        let limits = self.hot.limits.load();
        let window = match (self.window.get(), word.body) {
            (Some(window), Body::Closed { life, .. }) if limits.windowed() => {
                Some(window.counts(now, life))
            }
            _ => None,
        };
        let note = *self.note.lock();
        let counts = self.counts.read(generation);
        Snapshot::of(word, generation, now, limits, window, note, counts)
    }

    #[inline]
    pub(crate) fn life(&self) -> &Life {
        &self.hot.life
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.lock())
    }

    fn opening<'a>(&self, settings: &'a Settings, generation: u64) -> Opening<'a> {
        Opening {
            times: &settings.times,
            draw: backoff::draw(self.seed, generation),
            // Relaxed: whoever closed raised it before he published the word that was read.
            closed_at_ms: self.hot.closed_at_ms.load(Ordering::Relaxed),
        }
    }
}

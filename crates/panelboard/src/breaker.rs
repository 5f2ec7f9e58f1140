//! The breaker: one word, and the loops that exchange it.
//!
//! # Who touches which field, and when
//!
//! | field             | written by                                        | read by              |
//! | ----------------- | ------------------------------------------------- | -------------------- |
//! | `word`            | compare-exchange only, by whoever has an event    | everybody            |
//! | `near`            | raised by who makes a transition, before it       | everybody            |
//! | `limits`          | reconfiguration (under the lock of `overrides`)   | everybody            |
//! | `newest_probe_ms` | raised by whoever takes a probe, before it        | acquire, half-open   |
//! | `closed_at_ms`    | raised by whoever closes, before it               | who trips, the ramp  |
//! | `life`            | its panel; see `panel/life.rs`                    | its panel            |
//! | `meters`          | outcomes while closed, if the policy needs them   | the same             |
//! | `settings`        | reconfiguration (the same)                        | whoever may trip     |
//! | `overrides`       | by hand (lock)                                    | by hand              |
//! | `note`            | who made a transition, after it (lock)            | snapshots            |
//! | `counts`          | the paths that are not the closed success         | snapshots            |

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

mod admit;
mod by_hand;
mod drive;
mod meters;
mod record;
mod save;

pub use by_hand::OpenFor;
pub use save::Saved;

use crate::{
    backoff,
    clock::Clock,
    config::{Config, Settings},
    counts::Counters,
    isolate::Overrides,
    limits::AtomicLimits,
    panel::life::Life,
    permit::{Permit, Rejected},
    policy::rule::Seen,
    snapshot::{Note, Snapshot},
    state::{self, Answer, Event, Opening, step},
    sync::{AtomicU64, Mutex, QuietMutex, QuietU64, Swapped},
    transition::{State, Transition},
    word::{Body, Override, PLAIN_CLOSED_MASK, Word},
};
use meters::Meters;

/// A circuit breaker for one thing that can fail. Deciding is lock-free: whoever asks or ends a
/// call exchanges one word. After a transition a short lock is taken to note it, and in a panel
/// another one to tell it in its order; no caller that merely asks or succeeds waits for them.
///
/// Three kinds of methods: [`acquire`](Self::acquire) and [`call`](Self::call) are for callers;
/// [`open_for`](Self::open_for), [`trip`](Self::trip), [`reset`](Self::reset) and the overrides
/// change it by hand; [`state`](Self::state) and [`snapshot`](Self::snapshot) read it and change
/// nothing.
///
/// # Cost
/// 448 bytes, and what its policy counts by: see [`Policy`](crate::Policy). Where threads contend,
/// 128 bytes for each thread's slot are added to its counters, and 384 to its time window. There
/// are slots for the threads that count, but for twice the processors at least and 64 at most.
///
/// | a call | costs |
/// | --- | --- |
/// | closed, `consecutive`, no failures pending | five loads, no write |
/// | closed, a time window | the coarse clock, one plain store in the thread's own slot |
/// | closed, the last n calls | one compare-exchange |
/// | closed, slow calls | the exact clock, twice, and what the window costs |
/// | a failure below the threshold | one compare-exchange, one plain store |
/// | open | the coarse clock, one plain store in the thread's own slot |
/// | half-open | one compare-exchange to ask and one to end |
///
/// Nothing allocates, but a transition of a panel's breaker, for its event.
///
/// # Memory ordering
/// What a caller did before a call that makes a transition is seen by whoever is admitted or
/// rejected by that transition.
///
/// ```
/// use panelboard::{Breaker, Clock, Config, State};
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// let config = Config::builder().failure_threshold(2).jitter(0.0).build()?;
/// let breaker = Breaker::with_clock(config, clock);
/// breaker.acquire()?.failure();
/// breaker.acquire()?.failure();
/// assert_eq!(breaker.state(), State::Open);
/// let rejected = breaker.acquire().unwrap_err();
/// assert_eq!(rejected.retry_after, Some(Duration::from_secs(30)));
///
/// hand.advance(Duration::from_secs(30));
/// breaker.acquire()?.success(); // the probe
/// assert_eq!(breaker.state(), State::Closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Breaker {
    hot: Hot,
    pub(crate) counts: Counters,
    meters: OnceLock<Box<Meters>>,
    clock: Clock,
    seed: u64,
    settings: Swapped<Settings>,
    /// Draws taken, where chance admits. Carries only itself.
    draws: QuietU64,
    /// Protects what people have set: that the word's override bits say the same, for which it is
    /// held for their exchange too, and that limits, settings and meters are those of one
    /// configuration. No other lock is taken and no user code runs under it.
    overrides: Mutex<Overrides>,
    /// Protects what the last transition was. Held to copy it.
    note: QuietMutex<Note>,
    announce: Option<Box<dyn Announce>>,
    peers: Option<Arc<dyn Peers>>,
    /// The last generation in which a trip was held back. Carries only itself.
    held_in: QuietU64,
}

/// The breaker's group, as far as it decides: see `panel/groups.rs`.
///
/// A breaker that is open, half-open or forced open holds one place in it. The thread that wants to
/// open it takes the place before its exchange, and gives it back if that fails; the thread whose
/// exchange closes it gives it back after.
pub(crate) trait Peers: Send + Sync + std::fmt::Debug {
    /// True if a breaker that its policy says is failing opens only if it does worse than others.
    fn compares(&self) -> bool;
    /// True if `own` does worse than its siblings, or has none to compare with. Outside the loop:
    /// it reads clocks, and may drop what is the user's.
    fn is_worse(&self, own: &Breaker, now: Duration) -> bool;
    /// Takes a place for a breaker that its policy says is failing. False if it is to be held back.
    fn enter(&self) -> bool;
    /// Takes a place for one that is opened by hand, or by what its service says of itself.
    fn enter_by_hand(&self);
    /// Gives a place back.
    fn leave(&self);
    /// The breaker has left its panel, whoever still holds it.
    fn depart(&self);
}

/// Told of each transition, by the thread that made it, outside every lock.
pub(crate) trait Announce: Send + Sync + std::fmt::Debug {
    /// `transition` has been published; those of other generations may be told at the same time.
    fn announce(&self, transition: &Transition);
    /// `transition` would have been made, and was held back.
    fn held(&self, transition: &Transition);
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
    /// When the breaker last closed or entered recovering, with the same latitude. Left alone by a
    /// reset, after which the back-off is at its first step anyhow.
    closed_at_ms: AtomicU64,
    /// Its life in a panel, here because each look-up reads it before the call reads the word.
    life: Life,
}

impl Breaker {
    /// A closed breaker on the machine's clock.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// assert!(breaker.acquire().is_ok());
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_clock(config, Clock::system())
    }

    /// A closed breaker on the given clock.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::default(), clock);
    /// breaker.trip();
    /// hand.advance(Duration::from_secs(30));
    /// assert!(breaker.would_admit());
    /// ```
    #[must_use]
    pub fn with_clock(config: Config, clock: Clock) -> Self {
        Self::announcing(&config, clock, None, None)
    }

    pub(crate) fn announcing(
        config: &Config,
        clock: Clock,
        announce: Option<Box<dyn Announce>>,
        peers: Option<Arc<dyn Peers>>,
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
            meters: OnceLock::new(),
            clock,
            seed: settings.seed.unwrap_or_else(backoff::fresh_seed),
            settings: Swapped::new(Arc::clone(settings)),
            draws: QuietU64::new(0),
            overrides: Mutex::new(Overrides::default()),
            note: QuietMutex::new(Note::default()),
            announce,
            peers,
            held_in: QuietU64::new(u64::MAX),
        };
        breaker.prepare(settings);
        breaker
    }

    /// Asks for leave to make one call.
    ///
    /// The permit borrows the breaker. End it with [`success`](Permit::success),
    /// [`failure`](Permit::failure) or [`ignore`](Permit::ignore); dropping it is a cancelled call.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// fn fetch(breaker: &Breaker) -> Result<String, Box<dyn std::error::Error>> {
    ///     let permit = breaker.acquire()?;
    ///     match std::fs::read_to_string("Cargo.toml") {
    ///         Ok(text) => {
    ///             permit.success();
    ///             Ok(text)
    ///         }
    ///         Err(error) => {
    ///             permit.failure();
    ///             Err(error.into())
    ///         }
    ///     }
    /// }
    /// assert!(fetch(&Breaker::new(Config::default())).is_ok());
    /// ```
    ///
    /// # Errors
    /// [`Rejected`], with the state and how long it will last: open before its deadline, forced
    /// open, or half-open with all its probes out.
    #[inline(always)]
    pub fn acquire(&self) -> Result<Permit<&Self>, Rejected> {
        Permit::acquire(self)
    }

    /// As [`acquire`](Self::acquire), with a permit that owns its share of the breaker: `Send` and
    /// `'static`, for tasks and other threads. Costs a clone of the `Arc` more.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Recorded};
    /// use std::sync::Arc;
    ///
    /// let breaker = Arc::new(Breaker::new(Config::default()));
    /// let permit = breaker.acquire_owned()?;
    /// let recorded = std::thread::spawn(move || permit.failure()).join();
    /// assert!(matches!(recorded, Ok(Recorded::Counted)));
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn acquire_owned(self: &Arc<Self>) -> Result<Permit<Arc<Self>>, Rejected> {
        Permit::acquire(Arc::clone(self))
    }

    /// What callers feel. An open breaker past its deadline is [`State::HalfOpen`]: ready to probe.
    ///
    /// A load; unless closed, also a reading of the clock.
    ///
    /// ```
    /// use panelboard::{Breaker, Clock, Config, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let breaker = Breaker::with_clock(Config::default(), clock);
    /// breaker.trip();
    /// assert_eq!(breaker.state(), State::Open);
    /// hand.advance(Duration::from_secs(30));
    /// assert_eq!(breaker.state(), State::HalfOpen); // nobody has asked yet
    /// ```
    #[must_use]
    #[inline]
    pub fn state(&self) -> State {
        let bits = self.load();
        if bits & PLAIN_CLOSED_MASK == 0 {
            return State::Closed;
        }
        let word = Word::unpack(bits);
        state::effective(word, &self.given(word, self.clock.now()))
    }

    /// Whether [`acquire`](Self::acquire) would admit now. A reading: it takes nothing and promises
    /// nothing.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// // Of two replicas, one that may be asked.
    /// let replicas = [Breaker::new(Config::default()), Breaker::new(Config::default())];
    /// replicas[0].trip();
    /// assert_eq!(replicas.iter().position(Breaker::would_admit), Some(1));
    /// ```
    #[must_use]
    pub fn would_admit(&self) -> bool {
        let word = Word::unpack(self.load());
        let given = self.given_to_ask(word, self.clock.now(), Self::next_draw);
        !matches!(step(word, Event::Acquire, &given).answer, Answer::Rejected { .. })
    }

    /// What there is to see, all of one generation: that of the one word that is read. What stands
    /// beside the word is shown if it belongs to the same generation or closed life.
    ///
    /// Copies the last transition's note under a short lock.
    ///
    /// ```
    /// use panelboard::{Breaker, Cause, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.acquire()?.failure();
    /// breaker.trip();
    /// let seen = breaker.snapshot();
    /// assert_eq!((seen.state, seen.cause), (State::Open, Some(Cause::Tripped)));
    /// assert_eq!((seen.generation, seen.counts.failures), (1, 1));
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let now = self.clock.now();
        let bits = self.load();
        let (word, generation) = (Word::unpack(bits), self.full(bits));
        let given = self.given(word, now);
        let window = match word.body {
            Body::Closed { life, .. } | Body::Recovering { life, .. } => {
                let needs = given.limits.needs;
                self.meters(needs).and_then(|meters| meters.shown(needs, now, life))
            }
            _ => None,
        };
        let note = *self.note.lock();
        let counts = self.counts.read(generation);
        Snapshot::of(word, generation, &given, window, note, counts)
    }

    /// The share of bad calls by which a group compares its breakers: that of the window, or the
    /// failures in a row as a share of those that trip. None if it is not closed, if it is set to
    /// reject all calls or to record none, or if its window holds no call.
    pub(crate) fn bad_share(&self, now: Duration) -> Option<f64> {
        let word = Word::unpack(self.load());
        if matches!(word.over, Override::ForcedOpen | Override::Disabled) {
            return None;
        }
        let (Body::Closed { failures, life } | Body::Recovering { failures, life }) = word.body
        else {
            return None;
        };
        let limits = self.hot.limits.load();
        match self.meters(limits.needs) {
            Some(meters) => {
                let counts = meters.shown(limits.needs, now, life)?;
                let bad = counts.failures.max(counts.slow) as f64;
                (counts.calls > 0).then(|| bad / counts.calls as f64)
            }
            None => Some(f64::from(failures) / f64::from(limits.failure_threshold.max(1))),
        }
    }

    /// The breaker has left its panel, and so its group.
    pub(crate) fn depart(&self) {
        if let Some(peers) = &self.peers {
            peers.depart();
        }
    }

    /// Closed, and nothing is set beside it.
    #[inline]
    pub(crate) fn is_plainly_closed(&self) -> bool {
        self.load() & PLAIN_CLOSED_MASK == 0
    }

    pub(crate) fn has_window(&self) -> bool {
        self.hot.limits.short().needs().windowed()
    }

    #[inline]
    pub(crate) fn life(&self) -> &Life {
        &self.hot.life
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The lease of a probe that goes out now.
    pub(crate) fn probe_timeout_ms(&self) -> u64 {
        self.hot.limits.probe_timeout_ms()
    }

    fn opening<'a>(&self, settings: &'a Settings, generation: u64, seen: Seen) -> Opening<'a> {
        Opening {
            rule: &settings.plan.rule,
            seen,
            held: false,
            times: &settings.times,
            draw: backoff::draw(self.seed, generation),
        }
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::Breaker;

    #[test]
    fn its_memory_is_what_its_doc_says() {
        assert_eq!(size_of::<Breaker>(), 448);
    }
}

//! What survives a restart of the program?

use std::{hash::Hash, time::Duration};

use super::Breaker;
use crate::{
    backoff::LONGEST_MS,
    clock::floor_ms,
    limits::MAX_FAILURES,
    panel::{Key, Panel, PanelError},
    state::{Event, deadline_ms},
    transition::{State, Transition},
    word::{Body, Override, Word},
};

/// A breaker as it can be written to a file: what it is in, and for how long still.
///
/// Times are lengths, not dates, so the clock of the next process may have any origin. With the
/// feature `serde` it can be serialised; unknown fields are ignored and missing ones are 0.
///
/// What is not kept: what windows hold (most restarts take longer than they are), probes in flight,
/// isolate guards, counts and the generation.
///
/// ```
/// use panelboard::{Breaker, Config, State};
///
/// let breaker = Breaker::new(Config::default());
/// breaker.trip();
/// let saved = breaker.save();
/// assert_eq!(saved.state, State::Open);
/// assert!((1..=30_001).contains(&saved.open_for_ms));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Saved {
    /// What callers felt, or what a person had set.
    pub state: State,
    /// The state beneath what a person had set; the same as `state` otherwise.
    pub automatic: State,
    /// Milliseconds that it had still to stay open.
    #[cfg_attr(feature = "serde", serde(default))]
    pub open_for_ms: u64,
    /// Failures in a row.
    #[cfg_attr(feature = "serde", serde(default))]
    pub consecutive_failures: u32,
    /// Which open time the next trip takes; 0 is the first.
    #[cfg_attr(feature = "serde", serde(default))]
    pub backoff_step: u32,
}

impl Breaker {
    /// What there is to keep of it.
    ///
    /// An isolate guard is not kept, as nobody would hold it: a breaker that is forced open by
    /// guards alone is saved as what it is beneath.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// breaker.acquire()?.failure();
    /// breaker.disable();
    /// let saved = breaker.save();
    /// assert_eq!((saved.state, saved.automatic), (State::Disabled, State::Closed));
    /// assert_eq!(saved.consecutive_failures, 1);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn save(&self) -> Saved {
        // What is set changes with a transition, or unseen beneath a guard: what was read in one
        // generation belongs together.
        let (seen, set) = loop {
            let seen = self.snapshot();
            let set = self.overrides.lock().set;
            if self.full(self.load()) == seen.generation {
                break (seen, set);
            }
        };
        let state = match set {
            Override::None => seen.automatic,
            Override::ForcedOpen => State::ForcedOpen,
            Override::Disabled => State::Disabled,
            Override::MetricsOnly => State::MetricsOnly,
        };
        let open_for = seen.retry_after.unwrap_or_default();
        Saved {
            state,
            automatic: seen.automatic,
            open_for_ms: crate::clock::ceil_ms(open_for),
            consecutive_failures: seen.consecutive_failures,
            backoff_step: seen.backoff_step,
        }
    }

    /// Puts it into a state that was saved `elapsed` ago: a transition by hand, after which every
    /// permit that is out is late.
    ///
    /// One that was open is open for what is left; if nothing is, or if it was half-open, the next
    /// call is the probe. One that was recovering begins its ramp again.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    /// use std::time::Duration;
    ///
    /// let config = Config::builder().failure_threshold(1).build()?;
    /// let before = Breaker::new(config.clone());
    /// before.acquire()?.failure();
    /// let saved = before.save();
    ///
    /// // In the next process.
    /// let after = Breaker::new(config);
    /// after.restore(&saved, Duration::from_secs(2));
    /// assert_eq!(after.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self, saved: &Saved, elapsed: Duration) -> Transition {
        let now = self.clock.now();
        let left = Duration::from_millis(saved.open_for_ms).saturating_sub(elapsed);
        let body = match saved.automatic {
            State::Open => Body::Open { until_ms: deadline_ms(now, left) },
            // Ready to probe: its probes have gone with their process.
            State::HalfOpen => Body::Open { until_ms: floor_ms(now).min(LONGEST_MS) },
            State::Recovering => Body::Recovering { failures: 0, life: 0 },
            _ => {
                let failures = saved.consecutive_failures.min(MAX_FAILURES);
                Body::Closed { failures, life: 0 }
            }
        };
        let set = match saved.state {
            State::ForcedOpen => Override::ForcedOpen,
            State::Disabled => Override::Disabled,
            State::MetricsOnly => Override::MetricsOnly,
            _ => Override::None,
        };
        let step = saved.backoff_step.min(31) as u8;
        let done = self.by_hand(|overrides| {
            overrides.set = set;
            let over = overrides.effective();
            Event::Restore(Word { body, over, generation: 0, step })
        });
        match done.transition {
            Some(transition) => transition,
            None => unreachable!("a restore is a transition in every state"),
        }
    }
}

impl<K: Key> Panel<K> {
    /// What there is to keep of each breaker: see [`Breaker::save`]. Those that are closed with
    /// nothing counted are left out, as a new one is the same.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("new")?;
    /// panel.breaker("search")?.trip();
    /// let saved = panel.save();
    /// assert_eq!((saved.len(), saved[0].0.as_str()), (1, "search"));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn save(&self) -> Vec<(K, Saved)> {
        let mut all = Vec::new();
        self.each(|key, breaker| {
            let saved = breaker.save();
            if saved != Saved::NOTHING {
                all.push((key.clone(), saved));
            }
        });
        all
    }

    /// Makes the breakers of these keys, where there are none, and puts each into what was saved
    /// `elapsed` ago: see [`Breaker::restore`]. Returns how many.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    /// use std::time::Duration;
    ///
    /// let before = Panel::builder().build();
    /// before.breaker("search")?.force_open();
    /// let saved = before.save();
    ///
    /// // In the next process.
    /// let after = Panel::builder().build();
    /// assert_eq!(after.restore(saved, Duration::from_secs(2))?, 1);
    /// assert_eq!(after.breaker("search")?.state(), State::ForcedOpen);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker), for the first key that has no room; those before it are
    /// restored.
    pub fn restore(
        &self,
        saved: impl IntoIterator<Item = (K, Saved)>,
        elapsed: Duration,
    ) -> Result<usize, PanelError>
    where
        K: Hash + Eq,
    {
        let mut count = 0;
        for (key, saved) in saved {
            self.breaker(&key)?.restore(&saved, elapsed);
            count += 1;
        }
        Ok(count)
    }
}

impl Saved {
    /// A new breaker.
    const NOTHING: Self = Self {
        state: State::Closed,
        automatic: State::Closed,
        open_for_ms: 0,
        consecutive_failures: 0,
        backoff_step: 0,
    };
}

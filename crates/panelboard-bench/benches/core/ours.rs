//! Panelboard's breaker as a contestant.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use panelboard::{Breaker, Clock, Config, ConfigBuilder, State, TimeSource};
use panelboard_bench::{BackToBack, Work};

use crate::service::{Down, Protect, up};

pub(crate) const NAME: &str = "panelboard";
const HOUR: Duration = Duration::from_secs(3_600);

impl Protect for Breaker {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        match self.acquire() {
            Ok(permit) => {
                match service() {
                    Ok(_) => permit.success(),
                    Err(Down) => permit.failure(),
                };
            }
            Err(rejected) => {
                black_box(rejected.retry_after);
            }
        }
    }

    fn admits(&self) -> bool {
        self.would_admit()
    }
}

pub(crate) fn consecutive() -> Breaker {
    Breaker::new(config(Config::builder().failure_threshold(1_000_000)))
}

pub(crate) fn window() -> Breaker {
    Breaker::new(config(Config::builder().failure_rate(0.5, Duration::from_secs(10), 100)))
}

pub(crate) fn open() -> Breaker {
    let breaker = consecutive();
    breaker.open_for(HOUR, "measured while open");
    breaker
}

/// Half-open, and made so anew before each stretch: 127 successes would close it.
pub(crate) fn half_open() -> Work {
    let ahead = Ahead::default();
    let clock = Clock::custom(Arc::new(ahead.clone()));
    let builder = Config::builder()
        .recovery_timeout(Duration::from_secs(1))
        .max_recovery_timeout(Duration::from_secs(1))
        .jitter(0.0)
        .half_open_max_calls(127)
        .success_threshold(127);
    let breaker = Arc::new(Breaker::with_clock(config(builder), clock));
    let (prepared, held) = (Arc::clone(&breaker), Arc::clone(&breaker));
    Work::new::<BackToBack>(move |number| breaker.protect(|| up(number)))
        .prepared(move || {
            prepared.trip();
            // The deadline is rounded up.
            ahead.advance(Duration::from_secs(2));
            // The transition is not part of what is measured.
            let probe = prepared.acquire();
            assert!(probe.is_ok(), "the deadline has passed");
            probe.map(panelboard::Permit::ignore).ok();
        })
        .holding(move || held.state() == State::HalfOpen)
}

fn config(builder: ConfigBuilder) -> Config {
    match builder.build() {
        Ok(config) => config,
        Err(why) => unreachable!("the options are within their ranges: {why}"),
    }
}

/// The machine's clock, which can be put forward: as dear as the real one.
#[derive(Clone, Debug)]
struct Ahead {
    machine: Clock,
    /// Carries only itself.
    nanos: Arc<AtomicU64>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { machine: Clock::system(), nanos: Arc::default() }
    }
}

impl Ahead {
    fn advance(&self, by: Duration) {
        self.nanos.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl TimeSource for Ahead {
    fn now(&self) -> Duration {
        self.machine.now() + Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

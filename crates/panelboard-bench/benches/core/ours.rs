//! Panelboard's breaker as a contestant, with each clock that makes a difference.

use std::{hint::black_box, sync::Arc, time::Duration};

use panelboard::{Breaker, Clock, Config, ConfigBuilder, Policy, State, Ticker, Window};
use panelboard_bench::{BackToBack, Contestant, Gap, Work};

use crate::{
    ahead::Ahead,
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape, TEN_SECONDS},
    service::{Down, Protect, Service, up},
};

pub(crate) const NAME: &str = "panelboard";
/// With [`Clock::cached`].
pub(crate) const CACHED: &str = "cached clock";
/// A policy that times each call.
pub(crate) const SLOW: &str = "share of slow calls";
/// A policy that throttles, and never opens.
pub(crate) const ADAPTIVE: &str = "adaptive";
/// As many as there may be: none is refused, and none closes it within a stretch.
const PROBES: u32 = 127;

pub(crate) fn all<S: Service, G: Gap>(case: Case<S, G>) -> Vec<Contestant> {
    match case.shape {
        Shape::Run => vec![case.of(NAME, || plain(in_a_row(NEVER)))],
        Shape::Window => vec![
            case.of(NAME, || plain(share(TEN_SECONDS))),
            case.of(CACHED, || cached(share(TEN_SECONDS))),
            case.of(SLOW, || plain(slow())),
            case.of(ADAPTIVE, || {
                plain(Config::builder().policy(Policy::adaptive(2.0, TEN_SECONDS)))
            }),
        ],
        Shape::LastCalls => vec![case.of(NAME, || plain(share(CALLS)))],
        Shape::Open => vec![
            case.of(NAME, || plain(in_a_row(NEVER)).opened()),
            case.of(CACHED, || cached(in_a_row(NEVER)).opened()),
        ],
        Shape::HalfOpen => vec![Contestant::new(NAME, half_open)],
        Shape::Trips => vec![case.cycle(NAME, 1, tripping)],
    }
}

struct Ours {
    breaker: Breaker,
    ahead: Ahead,
    /// Kept, so that the cached clock stays one. Nothing here is so near to its time that a
    /// refresh would change what a call does.
    _ticker: Option<Ticker>,
}

impl Protect for Ours {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        match self.breaker.acquire() {
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
        self.breaker.would_admit()
    }

    #[inline]
    fn let_time_pass(&self) {
        self.ahead.advance(Duration::from_secs(2));
    }
}

impl Ours {
    fn opened(self) -> Self {
        self.breaker.open_for(HOUR, "measured while open");
        self
    }
}

fn plain(builder: ConfigBuilder) -> Ours {
    let breaker = Breaker::new(config(builder));
    Ours { breaker, ahead: Ahead::default(), _ticker: None }
}

fn cached(builder: ConfigBuilder) -> Ours {
    let (clock, ticker) = Clock::cached();
    ticker.refresh();
    let breaker = Breaker::with_clock(config(builder), clock);
    Ours { breaker, ahead: Ahead::default(), _ticker: Some(ticker) }
}

fn turned(builder: ConfigBuilder) -> Ours {
    let ahead = Ahead::default();
    let breaker = Breaker::with_clock(config(builder), ahead.clock());
    Ours { breaker, ahead, _ticker: None }
}

fn in_a_row(failures: u32) -> ConfigBuilder {
    Config::builder().failure_threshold(failures)
}

fn share(window: impl Into<Window>) -> ConfigBuilder {
    Config::builder().failure_rate(0.5, window, CALLS)
}

/// Half of the calls take a second.
fn slow() -> ConfigBuilder {
    Config::builder().slow_call_rate(0.5, Duration::from_secs(1), TEN_SECONDS, CALLS)
}

fn tripping(wait: Duration) -> Ours {
    let wait = wait.max(Duration::from_secs(1));
    turned(in_a_row(FAILURES).recovery_timeout(wait).max_recovery_timeout(wait))
}

/// Half-open on the machine's clock, and made so anew before each stretch: so many successes would
/// close it.
fn half_open() -> Work {
    let soon = Duration::from_millis(1);
    let builder = in_a_row(NEVER).recovery_timeout(soon).max_recovery_timeout(soon);
    let ours = plain(builder.half_open_max_calls(PROBES).success_threshold(PROBES));
    let ours = Arc::new(ours);
    let (timed, prepared, held) = (Arc::clone(&ours), Arc::clone(&ours), Arc::clone(&ours));
    Work::new::<BackToBack>(move |number| ours.protect(|| up(number)))
        .each_timed(move || {
            let ours = Arc::clone(&timed);
            move |number| ours.protect(|| up(number))
        })
        .prepared(move || {
            prepared.breaker.trip();
            // The transition is not part of what is measured.
            let probe = loop {
                if let Ok(probe) = prepared.breaker.acquire() {
                    break probe;
                }
                std::thread::yield_now();
            };
            probe.ignore();
        })
        .holding(move || held.breaker.state() == State::HalfOpen)
}

fn config(builder: ConfigBuilder) -> Config {
    match builder.jitter(0.0).build() {
        Ok(config) => config,
        Err(why) => unreachable!("the options are within their ranges: {why}"),
    }
}

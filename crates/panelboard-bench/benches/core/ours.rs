//! Panelboard's breaker as a contestant, with each clock that makes a difference.

use std::{hint::black_box, sync::Arc, time::Duration};

use panelboard::{Breaker, Clock, Config, ConfigBuilder, State, Ticker};
use panelboard_bench::{BackToBack, Contestant, Gap, Work};

use crate::{
    ahead::Ahead,
    case::{CALLS, Case, FAILURES, HOUR, NEVER, Shape, TEN_SECONDS},
    service::{Down, Protect, Service, up},
};

pub(crate) const NAME: &str = "panelboard";
/// With [`Clock::cached`].
pub(crate) const CACHED: &str = "cached clock";
/// As many as there may be: none is refused, and none closes it within a stretch.
const PROBES: u32 = 127;

pub(crate) fn all<S: Service, G: Gap>(case: Case<S, G>) -> Vec<Contestant> {
    match case.shape {
        Shape::Run => vec![case.of(NAME, || plain(in_a_row(NEVER)))],
        Shape::Window => {
            vec![case.of(NAME, || plain(window())), case.of(CACHED, || cached(window()))]
        }
        Shape::LastCalls => vec![Contestant::absent(NAME, "has no such window yet")],
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

fn window() -> ConfigBuilder {
    Config::builder().failure_rate(0.5, TEN_SECONDS, CALLS)
}

fn tripping(wait: Duration) -> Ours {
    let wait = wait.max(Duration::from_secs(1));
    turned(in_a_row(FAILURES).recovery_timeout(wait).max_recovery_timeout(wait))
}

/// Half-open, and made so anew before each stretch: so many successes would close it.
fn half_open() -> Work {
    let second = Duration::from_secs(1);
    let builder = in_a_row(NEVER).recovery_timeout(second).max_recovery_timeout(second);
    let ours = turned(builder.half_open_max_calls(PROBES).success_threshold(PROBES));
    let ours = Arc::new(ours);
    let (prepared, held) = (Arc::clone(&ours), Arc::clone(&ours));
    Work::new::<BackToBack>(move |number| ours.protect(|| up(number)))
        .prepared(move || {
            prepared.breaker.trip();
            prepared.let_time_pass();
            // The transition is not part of what is measured.
            let probe = prepared.breaker.acquire();
            assert!(probe.is_ok(), "the deadline has passed");
            probe.map(panelboard::Permit::ignore).ok();
        })
        .holding(move || held.breaker.state() == State::HalfOpen)
}

fn config(builder: ConfigBuilder) -> Config {
    match builder.jitter(0.0).build() {
        Ok(config) => config,
        Err(why) => unreachable!("the options are within their ranges: {why}"),
    }
}

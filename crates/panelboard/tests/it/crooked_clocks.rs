//! H. Does any policy mind a crooked clock, or one that somebody else turns? (B6)

use std::{sync::Arc, time::Duration};

use panelboard::{Breaker, Clock, State, TimeSource};

use crate::support::{SECOND, built, ms, trips_at};

/// The paused clock of an async runtime.
#[derive(Debug)]
struct Paused(tokio::time::Instant);

impl TimeSource for Paused {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[test]
fn h50_a_paused_async_clock_drives_open_time_window_and_lease() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let config = trips_at(1).failure_rate(1.0, SECOND, 2).probe_timeout(ms(160));
        let source = Arc::new(Paused(tokio::time::Instant::now()));
        let breaker = Breaker::with_clock(built(config), Clock::custom(source));
        let fail = || breaker.acquire().expect("closed").failure();
        // The window: what is older than it is forgotten.
        fail();
        tokio::time::sleep(SECOND).await;
        assert!(fail().transition().is_none());
        tokio::time::advance(ms(999)).await;
        assert!(fail().transition().is_some());
        // The open time: as long as told, and not a millisecond less.
        let wait = breaker.acquire().unwrap_err().retry_after.expect("open");
        tokio::time::advance(wait - ms(1)).await;
        assert!(breaker.acquire().is_err());
        tokio::time::advance(ms(1)).await;
        // The lease.
        let lost = breaker.acquire().expect("a probe");
        tokio::time::advance(ms(159)).await;
        assert!(breaker.acquire().is_err());
        tokio::time::advance(ms(1)).await;
        let probe = breaker.acquire().expect("another probe");
        assert_eq!(lost.success(), panelboard::Recorded::Late);
        probe.success();
        assert_eq!(breaker.state(), State::Closed);
    });
}

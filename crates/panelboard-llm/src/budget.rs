//! May a failed call be sent again? A share of the traffic, so that an outage is not made worse.
//!
//! The last [`WINDOW`] seconds are counted, second by second: at most `resend_share` of the calls
//! in them, and never less than `resend_min_per_second` for each second, may be sent again. At the
//! bound the caller gets the provider's error instead of another try.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::settings::Limits;

/// Seconds that are remembered.
const WINDOW: usize = 10;

/// The budget of one gateway. One short lock a call.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// The newest second that was counted, since the clock's origin.
    newest: u64,
    seconds: [Second; WINDOW],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    calls: u64,
    resends: u64,
}

impl Budget {
    /// Counts a call.
    pub(crate) fn call(&self, now: Duration) {
        self.lock().at(now).calls += 1;
    }

    /// Takes one re-send, if there is one left.
    pub(crate) fn try_resend(&self, limits: &Limits, now: Duration) -> bool {
        let mut window = self.lock();
        window.at(now);
        let allowed = window.remaining(limits) >= 1.0;
        if allowed {
            window.at(now).resends += 1;
        }
        allowed
    }

    /// How many re-sends are left now.
    pub(crate) fn remaining(&self, limits: &Limits, now: Duration) -> f64 {
        let mut window = self.lock();
        window.at(now);
        window.remaining(limits).max(0.0)
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // Counters are whole between any two operations.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// The second of `now`; those that have passed out of the window are emptied.
    fn at(&mut self, now: Duration) -> &mut Second {
        let second = now.as_secs();
        let gone = second.saturating_sub(self.newest).min(WINDOW as u64);
        for step in 0..gone {
            self.seconds[slot(second - step)] = Second::default();
        }
        self.newest = self.newest.max(second);
        // A clock that stepped back counts into the newest second.
        &mut self.seconds[slot(self.newest)]
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are small")]
    fn remaining(&self, limits: &Limits) -> f64 {
        let calls: u64 = self.seconds.iter().map(|second| second.calls).sum();
        let resends: u64 = self.seconds.iter().map(|second| second.resends).sum();
        let least = limits.resend_min_per_second * WINDOW as f64;
        (calls as f64 * limits.resend_share).max(least) - resends as f64
    }
}

fn slot(second: u64) -> usize {
    usize::try_from(second % WINDOW as u64).expect("less than WINDOW")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Budget;
    use crate::settings::Limits;

    fn spend(budget: &Budget, now: Duration) -> usize {
        (0..10_000).take_while(|_| budget.try_resend(&Limits::default(), now)).count()
    }

    #[test]
    fn a_quiet_gateway_has_three_a_second() {
        let budget = Budget::default();
        assert_eq!(spend(&budget, Duration::from_secs(100)), 30);
        assert_eq!(spend(&budget, Duration::from_secs(109)), 0);
        assert_eq!(spend(&budget, Duration::from_secs(110)), 30);
    }

    #[test]
    fn a_busy_gateway_has_a_fifth_of_its_traffic() {
        let budget = Budget::default();
        (0..1000).for_each(|_| budget.call(Duration::from_secs(5)));
        assert_eq!(spend(&budget, Duration::from_secs(5)), 200);
        assert!(budget.remaining(&Limits::default(), Duration::from_secs(5)) < 1.0);
        assert_eq!(spend(&budget, Duration::from_secs(500)), 30, "old traffic earns nothing");
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let budget = Budget::default();
        assert_eq!(spend(&budget, Duration::from_secs(100)), 30);
        assert_eq!(spend(&budget, Duration::from_secs(50)), 0);
    }
}

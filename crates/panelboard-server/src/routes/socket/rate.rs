//! May a socket's client say something more now? So much at once, and so much in each second.

use std::time::Duration;

use tokio::time::Instant;

/// How much may be said at once: what may be said in so long.
const BURST: Duration = Duration::from_secs(1);

/// Counts what is said. One instant is all of it: when what was said so far would have been said,
/// had it come evenly.
#[derive(Debug)]
pub(super) struct Rate(Instant);

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self(now)
    }

    /// Counts one more, of `per_second`; `false`: it is one too many, and is not counted.
    pub(super) fn take(&mut self, per_second: u32, now: Instant) -> bool {
        let upto = self.0.max(now) + Duration::from_secs(1) / per_second;
        let fits = upto <= now + BURST;
        if fits {
            self.0 = upto;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_then_as_fast_as_they_may_come() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        for per_second in [1, 2, 3, 100, 1_000] {
            let mut rate = Rate::new(start);
            let taken =
                |rate: &mut Rate, ms| (0..2_000).filter(|_| rate.take(per_second, at(ms))).count();
            assert_eq!(taken(&mut rate, 0), per_second as usize);
            assert_eq!(taken(&mut rate, 0), 0);
            assert_eq!(taken(&mut rate, 500), per_second as usize / 2, "{per_second}");
            // However long nothing was said, no more may be said at once.
            assert_eq!(taken(&mut rate, 60_000), per_second as usize);
        }
    }
}

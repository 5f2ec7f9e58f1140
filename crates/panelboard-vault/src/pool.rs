//! Who may run, who may wait, and who is refused at once? Two semaphores: places, which bound all
//! who are there, and turns, which bound those that run.
//!
//! A place is kept until the operation ends, also during its back-offs; a turn is taken for each
//! attempt. There are as many places as may run and wait. Whoever waits does so because all turns
//! are taken, so those who wait are never more than `max_queued`. Looks of watches have a bound of
//! their own; they take turns, and no places.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    fault,
    sync::{Counter, Gauge},
};

/// The bounded pool of one life.
pub(crate) struct Pool {
    places: Semaphore,
    turns: Semaphore,
    max_concurrent: usize,
    max_queued: usize,
    waiting: Gauge,
    refused: Counter,
}

/// A place among those who run and wait.
pub(crate) struct Place<'a>(#[expect(dead_code, reason = "held")] Option<SemaphorePermit<'a>>);

/// A place among those who run.
pub(crate) struct Turn<'a>(#[expect(dead_code, reason = "held")] Option<SemaphorePermit<'a>>);

impl Pool {
    pub(crate) fn new(max_concurrent: usize, max_queued: usize) -> Self {
        Self {
            places: Semaphore::new(max_concurrent + max_queued),
            turns: Semaphore::new(max_concurrent),
            max_concurrent,
            max_queued,
            waiting: Gauge::default(),
            refused: Counter::default(),
        }
    }

    /// None, at once, if it is full.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        if fault::QUEUE_UNBOUNDED.planted() {
            return Some(Place(None));
        }
        let place = self.places.try_acquire().ok();
        if place.is_none() {
            self.refused.add(1);
        }
        place.map(|place| Place(Some(place)))
    }

    /// A turn, if nobody has to wait for one.
    pub(crate) fn turn_now(&self) -> Option<Turn<'_>> {
        self.turns.try_acquire().ok().map(|turn| Turn(Some(turn)))
    }

    /// Waits for a turn, in order of arrival. Dropping the future gives the wait up.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        if let Some(turn) = self.turn_now() {
            return turn;
        }
        let _waiting = self.waiting.enter();
        // The semaphore is never closed.
        Turn(self.turns.acquire().await.ok())
    }

    pub(crate) fn health(&self) -> QueueHealth {
        QueueHealth {
            running: self.max_concurrent.saturating_sub(self.turns.available_permits()),
            waiting: self.waiting.get(),
            max_concurrent: self.max_concurrent,
            max_queued: self.max_queued,
            refused: self.refused.get(),
        }
    }
}

/// The pool, seen at one moment.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) {
/// let queue = vault.health().queue;
/// println!("{} of {} run, {} wait", queue.running, queue.max_concurrent, queue.waiting);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueHealth {
    /// Operations that run.
    pub running: usize,
    /// Operations that wait for their turn, looks of watches among them.
    pub waiting: usize,
    /// How many may run.
    pub max_concurrent: usize,
    /// How many callers may wait.
    pub max_queued: usize,
    /// How many were refused because it was full.
    pub refused: u64,
}

/// The back-off before attempt `n` + 1: `first`, doubled, at most `most`, spread by `jitter`.
pub(crate) fn back_off(
    n: u32,
    first: Duration,
    most: Duration,
    jitter: f64,
    chance: f64,
) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(n.saturating_sub(1).min(20)));
    // The settings keep jitter below one half and most below a minute, so this is finite.
    doubled.min(most).mul_f64(1.0 - jitter + 2.0 * jitter * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_doubles_up_to_its_cap() {
        let ms = Duration::from_millis;
        let steps = (1..=9).map(|n| back_off(n, ms(100), ms(10_000), 0.0, 0.5).as_millis());
        let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000];
        assert_eq!(steps.collect::<Vec<_>>(), expected);
        assert_eq!(back_off(u32::MAX, ms(100), ms(10_000), 0.0, 0.5), ms(10_000));
        assert_eq!(back_off(1, ms(100), ms(10_000), 0.1, 0.0), ms(90));
        assert_eq!(back_off(1, ms(100), ms(10_000), 0.1, 1.0), ms(110));
    }
}

//! How many of the calls of the last while failed: an exact count in a ring of ten buckets.
//!
//! # What is counted
//! Completed calls only, each in the bucket of the time at which it was recorded. A bucket holds
//! two cells, one for successes and one for failures. Nothing is sampled and nothing is lost under
//! contention: a cell is changed by compare-exchange only.
//!
//! # How it forgets
//! Each cell says in which *lap* of the ring and in which closed *life* of the breaker it was
//! counted. A cell of another lap or life counts as empty, however long the silence before, and is
//! taken over by the next call that needs it. So nobody has to sweep, and a sweep can't be late.
//!
//! # The order between the window and the word
//! A call is recorded into the window first; then the window is judged; then, if it is failing, the
//! word is exchanged. The cells' operations are `SeqCst`: of two calls recorded at once into
//! different cells, at least one must see the other, or a window that has just become failing could
//! be seen by neither. (Write one cell, read the other: the store-buffering shape, which acquire
//! and release do not order.) A model checker without a total order cannot show this; it does show
//! that no count is lost and that no life's count leaks into another.
//!
//! The permit's generation is compared before the cell is written. A transition between the two
//! makes the count one of a life that has ended, which nobody reads.
//!
//! After the sliding windows of resilience4j (time-based) and Polly (`SamplingDuration`).

#[cfg_attr(not(test), expect(dead_code, reason = "nobody counts in it yet"))]
pub(crate) mod last;
mod place;
#[cfg_attr(not(test), expect(dead_code, reason = "nobody counts in it yet"))]
pub(crate) mod time;

use std::time::Duration;

use crate::{
    clock::floor_ms,
    fault,
    sync::{AtomicU64, Ordering},
    word::LIFE_BITS,
};

/// Buckets in a window: what is forgotten at a time is a tenth of it.
pub(crate) const BUCKETS: usize = 10;

/// Bits of the clock's milliseconds: 4.3 years, as the deadline's.
const CLOCK_BITS: u32 = 37;
const LIFE_SHIFT: u32 = u64::BITS - LIFE_BITS;
/// How many lives ahead of a call a cell may be and still count as later; further ahead, it is
/// taken for one of long ago. A call would have to be held up through so many closings in one lap.
const LIVES_AHEAD: u16 = 1 << 10;

/// When a window counts as failing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Share of failures, in 2^-31, rounded down: a share is reached at exactly its value.
    share: u32,
    /// Fewer calls than this decide nothing.
    minimum_calls: u32,
    /// Length of a bucket in milliseconds.
    width_ms: u32,
}

impl Rule {
    pub(crate) fn new(share: f64, window: Duration, minimum_calls: u32) -> Self {
        let width_ms = floor_ms(window).div_ceil(BUCKETS as u64).max(1) as u32;
        Self { share: (share * f64::from(1_u32 << 31)) as u32, minimum_calls, width_ms }
    }

    fn failing(self, counts: WindowCounts) -> bool {
        counts.calls >= u64::from(self.minimum_calls)
            && u128::from(counts.failures) << 31
                >= u128::from(self.share) * u128::from(counts.calls)
    }
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounts {
    /// Calls that were completed within the window.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that were slow, failed or not.
    pub slow: u64,
}

/// The ring. 176 bytes, made when a `failure_rate` policy is first configured.
///
/// A cell, from its high end: 14 bits life; as many bits of the lap as the clock's range needs; the
/// rest is the count, room for 40 million calls a second, at which it stays.
#[derive(Debug)]
pub(crate) struct Window {
    succeeded: [AtomicU64; BUCKETS],
    failed: [AtomicU64; BUCKETS],
    /// `share` and `minimum_calls`, in one word so that they change together.
    rule: AtomicU64,
    /// `width_ms`. Carries only itself; a call recorded while it changes may go uncounted.
    width_ms: AtomicU64,
}

/// Where a time lies in the ring.
#[derive(Clone, Copy)]
struct Place {
    lap: u64,
    bucket: usize,
    /// Bits of a cell that hold the count.
    count_bits: u32,
}

impl Window {
    pub(crate) fn new(rule: Rule) -> Self {
        let window = Self {
            succeeded: std::array::from_fn(|_| AtomicU64::new(0)),
            failed: std::array::from_fn(|_| AtomicU64::new(0)),
            rule: AtomicU64::new(0),
            width_ms: AtomicU64::new(0),
        };
        window.configure(rule);
        window
    }

    /// Takes another rule. A window of another length starts empty.
    pub(crate) fn configure(&self, rule: Rule) {
        let packed = u64::from(rule.share) | u64::from(rule.minimum_calls) << 32;
        // Relaxed: numbers that carry only themselves.
        self.rule.store(packed, Ordering::Relaxed);
        let width_ms = u64::from(rule.width_ms);
        if self.width_ms.swap(width_ms, Ordering::Relaxed) != width_ms {
            for cell in self.succeeded.iter().chain(&self.failed) {
                cell.store(0, Ordering::SeqCst);
            }
        }
    }

    /// Counts a call that ended at `now` in closed life `life`; true if the window is now failing.
    pub(crate) fn record(&self, now: Duration, life: u16, failed: bool) -> bool {
        let place = self.place(now);
        let cells = if failed { &self.failed } else { &self.succeeded };
        add(&cells[place.bucket], place, life);
        let failures = sum(&self.failed, place, life);
        // Without a failure no share is reached, so a healthy service reads half of the cells.
        if failures == 0 {
            return false;
        }
        let calls = failures + sum(&self.succeeded, place, life);
        self.rule().failing(WindowCounts { calls, failures, slow: 0 })
    }

    /// What the window holds at `now`.
    pub(crate) fn counts(&self, now: Duration, life: u16) -> WindowCounts {
        let place = self.place(now);
        let failures = sum(&self.failed, place, life);
        WindowCounts { calls: failures + sum(&self.succeeded, place, life), failures, slow: 0 }
    }

    fn rule(&self) -> Rule {
        let packed = self.rule.load(Ordering::Relaxed);
        Rule { share: packed as u32, minimum_calls: (packed >> 32) as u32, width_ms: 0 }
    }

    fn place(&self, now: Duration) -> Place {
        let width_ms = self.width_ms.load(Ordering::Relaxed).max(1);
        let now_ms = floor_ms(now).min((1 << CLOCK_BITS) - 1);
        let epoch = now_ms / width_ms;
        let laps = (1_u64 << CLOCK_BITS) / (width_ms * BUCKETS as u64) + 1;
        let lap_bits = u64::BITS - laps.leading_zeros();
        Place {
            lap: epoch / BUCKETS as u64,
            bucket: (epoch % BUCKETS as u64) as usize,
            count_bits: LIFE_SHIFT - lap_bits,
        }
    }
}

impl Place {
    fn tag(self, life: u16) -> u64 {
        u64::from(life) << LIFE_SHIFT | self.lap << self.count_bits
    }

    fn count_mask(self) -> u64 {
        (1 << self.count_bits) - 1
    }

    fn lap_of(self, cell: u64) -> u64 {
        (cell & ((1 << LIFE_SHIFT) - 1)) >> self.count_bits
    }

    /// True if `cell` belongs to a later time than this place, or to a later life in the same lap:
    /// then the call that wants to count has been overtaken.
    fn overtaken_by(self, cell: u64, life: u16) -> bool {
        let (lap, cell_life) = (self.lap_of(cell), (cell >> LIFE_SHIFT) as u16);
        let lives_ahead = cell_life.wrapping_sub(life) & ((1 << LIFE_BITS) - 1);
        let later_life = lives_ahead != 0 && lives_ahead < LIVES_AHEAD;
        lap > self.lap || (lap == self.lap && later_life)
    }
}

fn add(cell: &AtomicU64, place: Place, life: u16) {
    let (tag, mask) = (place.tag(life), place.count_mask());
    let mut seen = cell.load(Ordering::SeqCst);
    loop {
        if fault::BUCKET_BLIND_ADD && seen & !mask == tag {
            cell.store(seen + 1, Ordering::SeqCst);
            return;
        }
        let next = match seen & mask {
            0 => tag | 1,
            full if seen & !mask == tag && full == mask => return,
            _ if seen & !mask == tag => seen + 1,
            _ if place.overtaken_by(seen, life) => return,
            _ => tag | 1,
        };
        // SeqCst: see the module's argument about two calls recorded at once.
        match cell.compare_exchange_weak(seen, next, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return,
            Err(newer) => seen = newer,
        }
    }
}

fn sum(cells: &[AtomicU64; BUCKETS], place: Place, life: u16) -> u64 {
    let mut total = 0;
    for (bucket, cell) in cells.iter().enumerate() {
        let before = u64::from(bucket > place.bucket);
        let Some(lap) = place.lap.checked_sub(before) else { continue };
        let bits = cell.load(Ordering::SeqCst);
        let of_life = bits >> LIFE_SHIFT == u64::from(life) || fault::WINDOW_KEEPS_OLD_LIFE;
        if of_life && place.lap_of(bits) == lap {
            total += bits & place.count_mask();
        }
    }
    total
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn window(length_ms: u64) -> Window {
        Window::new(Rule::new(0.5, ms(length_ms), 4))
    }

    #[test]
    fn failures_in_two_buckets_count_together() {
        let window = window(1_000);
        assert!(!window.record(ms(99), 0, true));
        assert!(!window.record(ms(100), 0, true));
        assert!(!window.record(ms(250), 0, true), "three calls are below the minimum of four");
        assert!(window.record(ms(999), 0, true));
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_however_long_the_silence() {
        for silence in [1_000, 1_001, 10_000, 1_000 * 1_000, (1 << 36), (1 << 37) - 2_000] {
            let window = window(1_000);
            for _ in 0..3 {
                window.record(ms(50), 0, true);
            }
            assert!(!window.record(ms(50 + silence), 0, true), "after {silence} ms");
            assert_eq!(
                window.counts(ms(50 + silence), 0),
                WindowCounts { calls: 1, failures: 1, slow: 0 },
                "after {silence} ms"
            );
        }
    }

    #[test]
    fn a_bucket_leaves_exactly_when_its_time_is_over() {
        let window = window(1_000);
        window.record(ms(0), 0, false);
        assert_eq!(window.counts(ms(999), 0).calls, 1);
        assert_eq!(window.counts(ms(1_000), 0).calls, 0);
    }

    #[test]
    fn lives_do_not_see_each_other() {
        let window = window(1_000);
        for _ in 0..3 {
            window.record(ms(0), 1, true);
        }
        assert_eq!(window.counts(ms(0), 2), WindowCounts::default());
        assert!(!window.record(ms(0), 2, true));
        assert_eq!(window.counts(ms(0), 2).failures, 1);
        window.record(ms(0), 1, true);
        assert_eq!(window.counts(ms(0), 2).failures, 1, "an overtaken call writes nothing");
    }

    #[test]
    fn a_life_long_past_does_not_hold_its_cell() {
        let window = window(1_000);
        window.record(ms(0), 5, true);
        let later = (5 + 9_000) & ((1 << LIFE_BITS) - 1);
        window.record(ms(5_000), later, true);
        assert_eq!(window.counts(ms(5_000), later).failures, 1);
    }

    #[test]
    fn thousands_of_lives_within_a_lap_do_not_hold_a_cell() {
        let window = window(1_000);
        window.record(ms(0), 5, true);
        for life in [8_305, 15_000] {
            window.record(ms(0), life, true);
            assert_eq!(window.counts(ms(0), life).failures, 1, "life {life}");
        }
    }

    #[test]
    fn a_full_cell_stays_full() {
        let window = window(10);
        let place = window.place(ms(0));
        window.failed[0].store(place.tag(0) | (place.count_mask() - 1), Ordering::SeqCst);
        window.record(ms(0), 0, true);
        window.record(ms(0), 0, true);
        assert_eq!(window.counts(ms(0), 0).failures, place.count_mask());
        assert!(place.count_mask() >= 40_000, "a bucket of 1 ms: 40 million a second");
    }

    #[test]
    fn a_share_is_reached_at_exactly_its_value() {
        let rule = Rule::new(0.1, ms(1_000), 10);
        assert!(rule.failing(WindowCounts { calls: 10, failures: 1, slow: 0 }));
        assert!(!rule.failing(WindowCounts { calls: 11, failures: 1, slow: 0 }));
        assert!(Rule::new(1.0, ms(1_000), 1).failing(WindowCounts {
            calls: 3,
            failures: 3,
            slow: 0
        }));
        assert!(!Rule::new(1.0, ms(1_000), 1).failing(WindowCounts {
            calls: 3,
            failures: 2,
            slow: 0
        }));
    }
}

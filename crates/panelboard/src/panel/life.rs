//! Whether a breaker lives in its panel, who holds it and when it was last used: one word, so that
//! "nobody holds it" and "it is gone" can't both be true for a moment.
//!
//! | bits   | field   | meaning                                                                  |
//! | ------ | ------- | ------------------------------------------------------------------------ |
//! | 0..31  | holders | handles (and owned permits, which hold one) outside the panel            |
//! | 31     | retired | no look-up may hand it out any more; never cleared                       |
//! | 32..64 | sweep   | the sweep during which it was last looked up                             |
//!
//! 2,147,483,647 holders would need 34 GB of handles; the count saturates there, and such an entry
//! is never evicted.

use crate::{
    fault,
    sync::{AtomicU64, Ordering},
};

#[derive(Debug)]
pub(crate) struct Life(AtomicU64);

const HOLDERS: u64 = (1 << 31) - 1;
const RETIRED: u64 = 1 << 31;
const SWEEP_SHIFT: u32 = 32;

impl Life {
    /// A life that begins, held and used by nobody.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Marks a use. False if the entry is retired: look the key up again.
    ///
    /// A load, where the entry was used in this sweep before.
    #[inline]
    pub(crate) fn mark(&self, sweep: u32) -> bool {
        // Relaxed throughout this file: the word carries only itself. That an entry is not handed
        // out after it was retired needs no more than the single order of the word's own changes.
        let seen = self.0.load(Ordering::Relaxed);
        if seen & RETIRED == 0 && !is_before(sweep_of(seen), sweep) {
            return true;
        }
        self.change(seen, |word| used_in(word, sweep))
    }

    /// Takes a share. False if the entry is retired.
    pub(crate) fn hold(&self, sweep: u32) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        self.change(seen, |word| {
            let more = u64::from(word & HOLDERS < HOLDERS);
            used_in(word, sweep) + more
        })
    }

    /// Takes another share beside one that is held, retired or not.
    pub(crate) fn hold_again(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a share back.
    pub(crate) fn release(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Retires the entry if nobody holds it and nobody has used it in `sweep`.
    pub(crate) fn retire_unused(&self, sweep: u32) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        let used = !is_before(sweep_of(seen), sweep);
        let held = seen & HOLDERS != 0 && !fault::RETIRES_HELD.planted();
        if used || held || seen & RETIRED != 0 {
            return false;
        }
        if fault::RETIRES_IN_TWO_STEPS.planted() {
            self.0.fetch_or(RETIRED, Ordering::Relaxed);
            return true;
        }
        self.0.compare_exchange(seen, seen | RETIRED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Retires the entry whoever holds it. False if it was retired before.
    pub(crate) fn retire(&self) -> bool {
        self.0.fetch_or(RETIRED, Ordering::Relaxed) & RETIRED == 0
    }

    /// The sweep of the last use.
    pub(crate) fn last_used(&self) -> u32 {
        sweep_of(self.0.load(Ordering::Relaxed))
    }

    fn change(&self, mut seen: u64, next: impl Fn(u64) -> u64) -> bool {
        while seen & RETIRED == 0 {
            let to = next(seen);
            match self.0.compare_exchange_weak(seen, to, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(newer) => seen = newer,
            }
        }
        false
    }
}

fn sweep_of(word: u64) -> u32 {
    (word >> SWEEP_SHIFT) as u32
}

/// True if sweep `a` was before sweep `b`, across the wrap.
pub(crate) fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// `word` with a use in `sweep`. A caller who comes late with an older sweep lowers nothing.
fn used_in(word: u64, sweep: u32) -> u64 {
    if is_before(sweep_of(word), sweep) {
        word & ((1 << SWEEP_SHIFT) - 1) | u64::from(sweep) << SWEEP_SHIFT
    } else {
        word
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_or_uses_is_retired_and_once() {
        let life = Life::new();
        assert!(life.mark(4) && life.hold(5));
        assert_eq!(life.last_used(), 5);
        assert!(!life.retire_unused(6), "it is held");
        life.hold_again();
        life.release();
        assert!(!life.retire_unused(6), "it is held once still");
        life.release();
        assert!(!life.retire_unused(5), "it is used in this sweep");
        assert!(life.retire_unused(6));
        assert!(!life.retire_unused(7) && !life.retire(), "it is retired");
        assert!(!life.mark(5) && !life.mark(7) && !life.hold(7), "and handed out to nobody");
        assert_eq!(life.last_used(), 5);
    }

    #[test]
    fn it_is_retired_by_hand_whoever_holds_it() {
        let life = Life::new();
        assert!(life.hold(1) && life.retire());
        life.hold_again();
        assert_eq!(life.0.load(Ordering::Relaxed), 1 << SWEEP_SHIFT | RETIRED | 2);
        assert!(!life.retire());
    }

    #[test]
    fn a_use_raises_the_sweep_across_its_wrap_and_never_lowers_it() {
        let life = Life::new();
        let held = Life(AtomicU64::new(3));
        for (sweep, last) in [(7, 7), (6, 7), (7, 7), (1 << 30, 1 << 30), (1 << 31, 1 << 31)] {
            assert!(life.mark(sweep) && held.mark(sweep));
            assert_eq!((life.last_used(), held.last_used()), (last, last), "{sweep}");
        }
        for sweep in [3 << 30, u32::MAX, 0, u32::MAX, 1] {
            assert!(life.mark(sweep) && held.mark(sweep));
        }
        assert_eq!(life.last_used(), 1);
        assert_eq!(held.0.load(Ordering::Relaxed), 1 << SWEEP_SHIFT | 3, "the holders are kept");
    }

    #[test]
    fn the_count_of_holders_stops_below_the_other_bits() {
        let life = Life(AtomicU64::new(HOLDERS - 1));
        assert!(life.hold(0) && life.hold(0));
        assert_eq!(life.0.load(Ordering::Relaxed), HOLDERS);
        assert!(!life.retire_unused(1), "never evicted");
    }
}

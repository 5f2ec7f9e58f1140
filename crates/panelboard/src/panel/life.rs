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

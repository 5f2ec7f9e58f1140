//! Whether a breaker lives in its panel, who holds it and when it was last used: one word, so that
//! "nobody holds it" and "it is gone" can't both be true for a moment.
//!
//! | bits   | field   | meaning                                                                  |
//! | ------ | ------- | ------------------------------------------------------------------------ |
//! | 0..30  | holders | handles (and owned permits, which hold one) outside the panel            |
//! | 30     | claimed | a sweep is about to evict it, or has: beside `retired`                   |
//! | 31     | retired | no look-up may hand it out any more; never cleared                       |
//! | 32..64 | sweep   | the sweep during which it was last looked up, or claimed                 |
//!
//! 1,073,741,823 holders would need 17 GB of handles; the count saturates there, and such an entry
//! is never evicted.
//!
//! # Why eviction takes two steps
//! A breaker may go only while it is closed, and that stands in another word. So a sweep first
//! claims the entry, then looks at the breaker, and retires what it has claimed if nobody has
//! touched the entry since: every look-up takes the claim away, and so does whoever has changed a
//! breaker that he borrowed. A claim is told from every other by the number of its sweep, which no
//! other sweep has.
//!
//! Of a change that is made before the entry is let go or touched, a sweep that claims the entry
//! after that knows (Release where it is let go or touched, Acquire where it is claimed); and one
//! that has claimed it before that finds its claim gone. Or it has retired the entry before: then
//! whoever touches it is told so, and carries over what the breaker is in (`Inner::leave`).

use crate::{
    fault,
    sync::{AtomicU64, Ordering},
};

#[derive(Debug)]
pub(crate) struct Life(AtomicU64);

const HOLDERS: u64 = (1 << 30) - 1;
const CLAIMED: u64 = 1 << 30;
const RETIRED: u64 = 1 << 31;
const SWEEP_SHIFT: u32 = 32;

/// What becomes of an entry that somebody has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is not retired, and no sweep that has looked before will retire it.
    Stays,
    /// A sweep has retired it.
    Evicted,
    /// Somebody has taken it out of its panel.
    Removed,
}

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
        // Relaxed, where nothing else is said: the word carries only itself. That an entry is not
        // handed out after it was retired needs no more than the single order of the word's own
        // changes.
        let seen = self.0.load(Ordering::Relaxed);
        if seen & (RETIRED | CLAIMED) == 0 && !is_before(sweep_of(seen), sweep) {
            return true;
        }
        self.change(seen, |word| used_in(word, sweep) & !CLAIMED)
    }

    /// Takes a share. False if the entry is retired.
    pub(crate) fn hold(&self, sweep: u32) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        self.change(seen, |word| {
            let more = u64::from(word & HOLDERS < HOLDERS);
            (used_in(word, sweep) & !CLAIMED) + more
        })
    }

    /// Takes another share beside one that is held, retired or not.
    pub(crate) fn hold_again(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a share back.
    pub(crate) fn release(&self) {
        // Release: pairs with the Acquire in `claim`. What was done with the share is seen there.
        self.0.fetch_sub(1, Ordering::Release);
    }

    /// Takes a claim away, for somebody who has changed the breaker without a share of it.
    pub(crate) fn touch(&self) -> Fate {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            match seen & (RETIRED | CLAIMED) {
                RETIRED => return Fate::Removed,
                both if both == RETIRED | CLAIMED => return Fate::Evicted,
                _ => {}
            }
            // Also where nothing changes. Release: pairs with the Acquire in `claim`.
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            match self.0.compare_exchange_weak(seen, seen & !CLAIMED, release, relaxed) {
                Ok(_) => return Fate::Stays,
                Err(newer) => seen = newer,
            }
        }
    }

    /// Claims the entry for the sweep `own`, if nobody holds it and nobody has used it in `sweep`,
    /// the one before, or later.
    pub(crate) fn claim(&self, sweep: u32, own: u32) -> Option<Claim> {
        let seen = self.0.load(Ordering::Relaxed);
        let used = !is_before(sweep_of(seen), sweep);
        let held = seen & HOLDERS != 0 && !fault::RETIRES_HELD.planted();
        if used || held || seen & RETIRED != 0 {
            return None;
        }
        let claimed = used_in(seen, own) | CLAIMED;
        // Acquire: pairs with the Release in `release` and `touch`.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let made = self.0.compare_exchange(seen, claimed, acquire, relaxed);
        made.is_ok().then_some(Claim(claimed))
    }

    /// Retires what was claimed, if it was not touched since.
    pub(crate) fn retire_claimed(&self, Claim(claimed): Claim) -> bool {
        if fault::RETIRES_IN_TWO_STEPS.planted() {
            self.0.fetch_or(RETIRED | CLAIMED, Ordering::Relaxed);
            return true;
        }
        let (next, relaxed) = (claimed | RETIRED, Ordering::Relaxed);
        self.0.compare_exchange(claimed, next, relaxed, relaxed).is_ok()
    }

    /// Retires the entry whoever holds it. False if it was retired before.
    pub(crate) fn retire(&self) -> bool {
        let seen = self.0.load(Ordering::Relaxed);
        self.change(seen, |word| word & !CLAIMED | RETIRED)
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

/// The word of an entry that a sweep has claimed.
#[derive(Debug)]
pub(crate) struct Claim(u64);

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

    /// As a sweep does that finds the breaker closed.
    fn retire_unused(life: &Life, sweep: u32) -> bool {
        life.claim(sweep, sweep + 1).is_some_and(|claim| life.retire_claimed(claim))
    }

    #[test]
    fn only_what_nobody_holds_or_uses_is_retired_and_once() {
        let life = Life::new();
        assert!(life.mark(4) && life.hold(5));
        assert_eq!(life.last_used(), 5);
        assert!(!retire_unused(&life, 6), "it is held");
        life.hold_again();
        life.release();
        assert!(!retire_unused(&life, 6), "it is held once still");
        life.release();
        assert!(!retire_unused(&life, 5), "it is used in this sweep");
        assert_eq!(life.touch(), Fate::Stays);
        assert!(retire_unused(&life, 6));
        assert_eq!(life.touch(), Fate::Evicted);
        assert!(!retire_unused(&life, 8) && !life.retire(), "it is retired");
        assert!(!life.mark(5) && !life.mark(7) && !life.hold(7), "and handed out to nobody");
    }

    #[test]
    fn whoever_comes_takes_a_claim_away() {
        let comes: [fn(&Life) -> bool; 5] = [
            |life| life.mark(7),
            |life| life.mark(6),
            |life| life.hold(7),
            |life| life.touch() == Fate::Stays,
            |life| life.claim(8, 9).is_some(),
        ];
        for (nth, comes) in comes.into_iter().enumerate() {
            let life = Life::new();
            let claim = life.claim(6, 7).expect("nobody uses it");
            assert!(comes(&life), "{nth}");
            assert!(!life.retire_claimed(claim), "{nth}");
            assert_eq!(life.0.load(Ordering::Relaxed) & RETIRED, 0, "{nth}");
        }
        let life = Life::new();
        let claim = life.claim(6, 7).expect("nobody uses it");
        assert!(life.retire() && !life.retire_claimed(claim));
        assert_eq!(life.touch(), Fate::Removed);
    }

    /// The first sweep has found the breaker open, and has left its claim there.
    #[test]
    fn what_is_claimed_again_is_evicted_and_not_removed() {
        let life = Life::new();
        assert!(life.claim(6, 7).is_some() && retire_unused(&life, 8));
        assert_eq!(life.touch(), Fate::Evicted);
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
        assert!(!retire_unused(&life, 1), "never evicted");
    }
}

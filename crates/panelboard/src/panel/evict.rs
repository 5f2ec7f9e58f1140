//! Which breakers go, and when: the idle ones by a sweep, and at the bound the least recently used.
//!
//! Three rules hold for both (B9): a breaker does not go that is not closed or is overridden, that
//! anybody outside the panel holds, or that was used since the last sweep. Otherwise eviction would
//! be a way round an open breaker.

use std::{borrow::Borrow, hash::Hash, sync::Arc, time::Duration};

use super::{
    Inner, Key, Panel,
    life::{Fate, is_before},
};
use crate::{breaker::Breaker, fault, sync::Ordering, transition::State};

/// The part of the bound that goes at a time, so that keys that come and go do not each cost a
/// visit of the whole map.
const BATCH: usize = 16;

impl<K: Key> Panel<K> {
    /// Evicts every breaker that is closed, that nobody holds, and that was not used since the last
    /// sweep; then begins the next sweep. Call it each hour to have those gone that were idle for
    /// one to two hours. Returns how many went.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("idle")?;
    /// panel.breaker("open")?.trip();
    /// assert_eq!(panel.evict_idle(), 0); // both were used since the last sweep
    /// assert_eq!(panel.evict_idle(), 1);
    /// assert!(panel.get("open").is_some());
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn evict_idle(&self) -> usize {
        self.inner.evict(usize::MAX)
    }

    /// How many breakers have been evicted so far.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("idle")?;
    /// panel.evict_idle();
    /// panel.evict_idle();
    /// assert_eq!(panel.evicted(), 1);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.inner.evicted.load(Ordering::Relaxed)
    }
}

impl<K: Key> Inner<K> {
    /// Takes the place of one more row; false if there is none and none can be made.
    pub(super) fn reserve(&self) -> bool {
        let batch = (self.max_breakers / BATCH).max(1);
        // When all were used since the last sweep the first eviction only begins a sweep, and the
        // second one finds those that are not in use right now.
        self.take_row()
            || (self.evict(batch) > 0 && self.take_row())
            || (self.evict(batch) > 0 && self.take_row())
            || self.take_row()
    }

    fn take_row(&self) -> bool {
        let bound = self.max_breakers as u64;
        // Relaxed: a number that carries only itself.
        let more = |rows| (rows < bound || fault::PANEL_UNBOUNDED.planted()).then_some(rows + 1);
        self.rows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Evicts up to `most`, the least recently used first, of those that were not used since the
    /// last sweep began; and begins the next one.
    fn evict(&self, most: usize) -> usize {
        // Relaxed, all here: numbers that carry only themselves. No other sweep has this one.
        let sweep = self.sweep.fetch_add(1, Ordering::Relaxed) as u32;
        let mut idle = Vec::new();
        self.map.each(|key, breaker| {
            let used = breaker.life().last_used();
            if is_before(used, sweep) && breaker.state() == State::Closed {
                idle.push((sweep.wrapping_sub(used), key.clone(), Arc::clone(breaker)));
            }
        });
        if most < idle.len() {
            idle.select_nth_unstable_by_key(most, |row| u32::MAX - row.0);
            idle.truncate(most);
        }
        let gone = idle.iter().filter(|(_, key, breaker)| self.retire(key, breaker, sweep)).count();
        self.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        gone
    }

    /// Claims first, and then looks once more: see `life.rs`. From when it is retired no look-up
    /// hands the breaker out, and whoever comes makes a new one. Only then is the key's row
    /// removed, by identity: it may lead to that new one already.
    fn retire(&self, key: &K, breaker: &Arc<Breaker>, sweep: u32) -> bool {
        let Some(claim) = breaker.life().claim(sweep, sweep.wrapping_add(1)) else { return false };
        let closed = breaker.state() == State::Closed || fault::EVICTS_BY_AN_OLD_LOOK.planted();
        let retired = closed && breaker.life().retire_claimed(claim);
        if retired {
            breaker.depart();
            self.remove(key, breaker);
        }
        retired
    }
}

impl<K: Key> Panel<K> {
    /// After somebody has had `breaker` without a share of it. Where it is no longer closed, no
    /// sweep that found it closed may take it; and one that has taken it already has taken it as
    /// closed, so what it is in goes to whoever has its key now: eviction is no way round an open
    /// breaker.
    ///
    /// If there is no room for its key any more, its callers get what was configured for that.
    #[inline]
    pub(super) fn leave<Q>(&self, key: &Q, breaker: &Breaker)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if !breaker.is_plainly_closed() && !fault::BORROWED_TRIP_LOST.planted() {
            self.leave_changed(key, breaker);
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_changed<Q>(&self, key: &Q, breaker: &Breaker)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if breaker.life().touch() != Fate::Evicted || breaker.state() == State::Closed {
            return;
        }
        let Ok(next) = self.breaker(key) else { return };
        if !self.inner.is_overflow(&next) && next.state() == State::Closed {
            next.restore(&breaker.save(), Duration::ZERO);
        }
    }
}

//! Which breakers go, and when: the idle ones by a sweep, and at the bound the least recently used.
//!
//! Three rules hold for both (B9): a breaker does not go that is not closed or is overridden, that
//! anybody outside the panel holds, or that was used since the last sweep. Otherwise eviction would
//! be a way round an open breaker.

use std::sync::Arc;

use super::{Inner, Key, Panel, life::is_before};
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

    /// Evicts up to `most`, the least recently used first, and begins the next sweep.
    fn evict(&self, most: usize) -> usize {
        let sweep = self.sweep();
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
        // Relaxed: numbers that carry only themselves.
        self.sweep.fetch_add(1, Ordering::Relaxed);
        self.evicted.fetch_add(gone as u64, Ordering::Relaxed);
        gone
    }

    /// Retires first: from then on no look-up hands the breaker out, and whoever comes makes a new
    /// one. Only then is the key's row removed, by identity: it may lead to that new one already.
    fn retire(&self, key: &K, breaker: &Arc<Breaker>, sweep: u32) -> bool {
        let retired = breaker.life().retire_unused(sweep);
        if retired {
            breaker.depart();
            self.remove(key, breaker);
        }
        retired
    }
}

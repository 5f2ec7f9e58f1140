//! Which secrets are in hand, how long may they be served, and when not even then? Pure.
//!
//! A secret is *fresh* for `cache_ttl`, and is served without asking. After that it is *stale*: it
//! is served for `stale_for` more, and only when the server could not be asked. Where it has a
//! lease, neither goes beyond the lease's end. A read that began before a write ended does not fill
//! the cache, nor does an older version replace a newer one.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{fault, found::Found};

/// The secrets of one life.
pub(crate) struct Cache {
    entries: HashMap<Box<str>, Entry>,
    /// Keys in the order in which they came, each with the number that it came with. May hold keys
    /// that are gone.
    order: VecDeque<(Box<str>, u64)>,
    came: u64,
    /// Writes that have ended. A fill that began under another number is not taken.
    writes: u64,
    capacity: usize,
    ttl: Duration,
    stale_for: Duration,
    figures: CacheFigures,
}

struct Entry {
    found: Arc<Found>,
    came: u64,
    fetched: Duration,
    fresh_until: Duration,
    stale_until: Duration,
}

/// Counts since the life began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheFigures {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) stale: u64,
    pub(crate) late_fills: u64,
}

/// Begun before a read, and shown when its answer is put in.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    writes: u64,
    /// Before the request went out.
    now: Duration,
}

/// A secret out of the cache, or fresh from the server.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(cached) = vault.kv2("secret").read_cached("app/db").await? {
///     let key = cached.found.data.field("api_key")?;
///     println!("{}, stale: {}", key.fingerprint(), cached.is_stale);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub struct Cached {
    /// The secret.
    pub found: Arc<Found>,
    /// True if it is older than `cache_ttl` and the server could not be asked.
    pub is_stale: bool,
    /// How long ago it was read.
    pub age: Duration,
}

impl Cache {
    pub(crate) fn new(capacity: usize, ttl: Duration, stale_for: Duration) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            came: 0,
            writes: 0,
            capacity,
            ttl,
            stale_for,
            figures: CacheFigures::default(),
        }
    }

    /// A fresh secret, or leave to fetch it.
    pub(crate) fn get(&mut self, key: &str, now: Duration) -> Result<Cached, Ticket> {
        match self.entries.get(key).filter(|entry| now < entry.fresh_until) {
            Some(entry) => {
                self.figures.hits += 1;
                Ok(entry.cached(now, false))
            }
            None => {
                self.figures.misses += 1;
                Err(Ticket { writes: self.writes, now })
            }
        }
    }

    /// What may be served although the server could not be asked.
    pub(crate) fn stale(&mut self, key: &str, now: Duration) -> Option<Cached> {
        let entry = self.entries.get(key).filter(|entry| now < entry.stale_until)?;
        self.figures.stale += 1;
        Some(entry.cached(now, now >= entry.fresh_until))
    }

    /// Puts in what a read has found.
    pub(crate) fn put(&mut self, key: &str, found: Arc<Found>, ticket: Ticket) {
        let overtaken = ticket.writes != self.writes && !fault::CACHE_FILLS_STALE.planted();
        let older = self.entries.get(key).is_some_and(|entry| found.is_older_than(&entry.found));
        if overtaken || older {
            self.figures.late_fills += 1;
            return;
        }
        let (fresh, stale) = self.lives(&found);
        let entry = self.entries.get(key);
        let came = entry.map_or(self.came, |entry| entry.came);
        if entry.is_none() {
            self.make_room();
            self.came += 1;
            self.order.push_back((key.into(), came));
        }
        let fetched = ticket.now;
        let (fresh_until, stale_until) = (fetched + fresh, fetched + stale);
        self.entries.insert(key.into(), Entry { found, came, fetched, fresh_until, stale_until });
    }

    fn lives(&self, found: &Found) -> (Duration, Duration) {
        let stale = self.ttl + self.stale_for;
        match &found.lease {
            Some(_) if fault::STALE_PAST_LEASE.planted() => (self.ttl, stale),
            Some(lease) => (self.ttl.min(lease.ttl), stale.min(lease.ttl)),
            None => (self.ttl, stale),
        }
    }

    /// The one that came first goes first: it is also the next to be stale.
    fn make_room(&mut self) {
        while self.entries.len() >= self.capacity {
            let Some((key, came)) = self.order.pop_front() else { return };
            if self.entries.get(&key).is_some_and(|entry| entry.came == came) {
                self.entries.remove(&key);
            }
        }
        if self.order.len() >= 2 * self.capacity {
            let entries = &self.entries;
            self.order.retain(|(key, came)| entries.get(key).is_some_and(|e| e.came == *came));
        }
    }

    /// A write has ended, whatever came of it.
    pub(crate) fn wrote(&mut self, key: &str) {
        self.writes += 1;
        self.entries.remove(key);
    }

    /// It is gone, or not ours to see any more.
    pub(crate) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    pub(crate) fn clear(&mut self) {
        self.writes += 1;
        self.entries.clear();
        self.order.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn figures(&self) -> CacheFigures {
        self.figures
    }
}

impl Entry {
    fn cached(&self, now: Duration, is_stale: bool) -> Cached {
        let found = Arc::clone(&self.found);
        Cached { found, is_stale, age: now.saturating_sub(self.fetched) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found::Lease;

    const S: Duration = Duration::from_secs(1);

    fn found(version: u64, lease: Option<u64>) -> Arc<Found> {
        let lease = lease.map(|ttl| Lease::new("l".into(), Duration::from_secs(ttl), true));
        Arc::new(Found::for_tests(Some(version), lease))
    }

    fn put(cache: &mut Cache, key: &str, found: Arc<Found>, now: Duration) {
        let Err(ticket) = cache.get(key, now) else { panic!("{key} is fresh") };
        cache.put(key, found, ticket);
    }

    #[test]
    fn a_secret_is_fresh_then_stale_then_gone() {
        let mut cache = Cache::new(2, 10 * S, 20 * S);
        put(&mut cache, "a", found(1, None), S);
        assert!(cache.get("a", 10 * S).is_ok_and(|c| c.age == 9 * S && !c.is_stale));
        assert!(cache.get("a", 11 * S).is_err());
        assert!(cache.stale("a", 30 * S).is_some_and(|c| c.is_stale));
        assert!(cache.stale("a", 31 * S).is_none());
    }

    #[test]
    fn nothing_is_served_beyond_its_lease() {
        let mut cache = Cache::new(2, 10 * S, 20 * S);
        put(&mut cache, "a", found(1, Some(15)), Duration::ZERO);
        assert!(cache.stale("a", 14 * S).is_some());
        assert!(cache.stale("a", 15 * S).is_none());
        put(&mut cache, "b", found(1, Some(5)), Duration::ZERO);
        assert!(cache.get("b", 4 * S).is_ok() && cache.get("b", 5 * S).is_err());
    }

    #[test]
    fn a_read_that_a_write_overtook_fills_nothing() {
        let mut cache = Cache::new(2, 10 * S, 20 * S);
        let Err(ticket) = cache.get("a", S) else { panic!("fresh") };
        cache.wrote("a");
        cache.put("a", found(1, None), ticket);
        assert!(cache.stale("a", S).is_none());
        assert_eq!(cache.figures().late_fills, 1);
    }

    #[test]
    fn an_older_version_replaces_no_newer_one() {
        let mut cache = Cache::new(2, 10 * S, 20 * S);
        let Err(ticket) = cache.get("a", S) else { panic!("fresh") };
        cache.put("a", found(2, None), ticket);
        cache.put("a", found(1, None), ticket);
        assert!(cache.get("a", S).is_ok_and(|c| c.found.version == Some(2)));
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let mut cache = Cache::new(3, 10 * S, 20 * S);
        for n in 0..1_000_u64 {
            put(&mut cache, &format!("k{n}"), found(1, None), S);
            if n % 3 == 0 {
                cache.remove(&format!("k{n}"));
            }
            assert!(cache.len() <= 3 && cache.order.len() <= 6, "{n}");
        }
        assert!(cache.get("k998", S).is_ok() && cache.get("k900", S).is_err());
    }
}

//! Which secrets are in hand, how long may they be served, and when not even then? Pure.
//!
//! A secret is *fresh* for `cache_ttl`, and is served without asking. After that it is *stale*: it
//! is served for `stale_for` more, and only when the server could not be asked. Where it has a
//! lease, neither goes beyond the lease's end. What can't be served any more is taken out at its
//! end, whether somebody asks for it or not: the keeper of the token looks after that, too. A read
//! that began before a write ended does not fill the cache, nor does an older version replace a
//! newer one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use crate::{fault, found::Found};

/// The secrets of one life.
pub(crate) struct Cache {
    entries: HashMap<Arc<str>, Entry>,
    /// The key of each entry, in the order of their ends.
    ends: BTreeMap<End, Arc<str>>,
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
    fetched: Duration,
    fresh_until: Duration,
    end: End,
}

/// When an entry is no longer even stale, and a number that no other entry has.
type End = (Duration, u64);

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
            ends: BTreeMap::new(),
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
        let entry = self.entries.get(key).filter(|entry| now < entry.end.0)?;
        self.figures.stale += 1;
        Some(entry.cached(now, now >= entry.fresh_until))
    }

    /// Puts in what a read has found, in the place of what there was. True: it ends before all
    /// others, which whoever takes out what has ended must know.
    pub(crate) fn put(&mut self, key: &str, found: Arc<Found>, ticket: Ticket) -> bool {
        let overtaken = ticket.writes != self.writes && !fault::CACHE_FILLS_STALE.planted();
        let older = self.entries.get(key).is_some_and(|entry| found.is_older_than(&entry.found));
        if overtaken || older {
            self.figures.late_fills += 1;
            return false;
        }
        let (fresh, stale) = self.lives(&found);
        self.remove(key);
        // What ends first goes first.
        while self.entries.len() >= self.capacity && self.take_first().is_some() {}
        self.came += 1;
        let (fetched, key) = (ticket.now, Arc::<str>::from(key));
        let (fresh_until, end) = (fetched + fresh, (fetched + stale, self.came));
        self.ends.insert(end, Arc::clone(&key));
        self.entries.insert(key, Entry { found, fetched, fresh_until, end });
        self.ends.first_key_value().is_some_and(|(first, _)| *first == end)
    }

    fn lives(&self, found: &Found) -> (Duration, Duration) {
        let stale = self.ttl + self.stale_for;
        match &found.lease {
            Some(_) if fault::STALE_PAST_LEASE.planted() => (self.ttl, stale),
            Some(lease) => (self.ttl.min(lease.ttl), stale.min(lease.ttl)),
            None => (self.ttl, stale),
        }
    }

    /// When the next entry ends.
    pub(crate) fn next_end(&self) -> Option<Duration> {
        let next = self.ends.first_key_value().map(|((at, _), _)| *at);
        next.filter(|_| !fault::CACHE_KEEPS_ENDED.planted())
    }

    /// Takes out what has ended; it is wiped when the last holder drops it.
    pub(crate) fn take_ended(&mut self, now: Duration) -> Vec<Arc<Found>> {
        let mut ended = Vec::new();
        while self.next_end().is_some_and(|at| at <= now) {
            ended.extend(self.take_first());
        }
        ended
    }

    fn take_first(&mut self) -> Option<Arc<Found>> {
        let (_, key) = self.ends.pop_first()?;
        self.entries.remove(&key).map(|entry| entry.found)
    }

    /// A write has ended, whatever came of it.
    pub(crate) fn wrote(&mut self, key: &str) {
        self.writes += 1;
        self.remove(key);
    }

    /// It is gone, or not ours to see any more.
    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.ends.remove(&entry.end);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.writes += 1;
        self.entries.clear();
        self.ends.clear();
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
    fn it_holds_no_more_than_it_may_and_what_ends_first_goes_first() {
        let mut cache = Cache::new(3, 10 * S, 20 * S);
        for n in 0..1_000_u64 {
            put(&mut cache, &format!("k{n}"), found(1, None), S);
            if n % 3 == 0 {
                cache.remove(&format!("k{n}"));
            }
            assert!(cache.len() <= 3 && cache.ends.len() == cache.len(), "{n}");
        }
        assert!(cache.get("k998", S).is_ok() && cache.get("k900", S).is_err());
        put(&mut cache, "leased", found(1, Some(5)), S);
        put(&mut cache, "last", found(1, None), S);
        assert!(cache.get("leased", S).is_err() && cache.get("k998", S).is_ok());
    }

    #[test]
    fn what_has_ended_is_taken_out_and_nothing_else() {
        let mut cache = Cache::new(9, 10 * S, 20 * S);
        let Err(ticket) = cache.get("a", S) else { panic!("fresh") };
        let mut put = |key, lease| cache.put(key, found(1, lease), ticket);
        assert!(put("a", None), "the first to end");
        assert!(!put("b", None) && put("c", Some(5)) && !put("d", Some(6)));
        assert!(!put("c", None), "it ends with the others now");
        assert_eq!(cache.next_end(), Some(7 * S));
        let mut left = |now| (cache.take_ended(now).len(), cache.len(), cache.ends.len());
        assert_eq!(left(7 * S - Duration::from_nanos(1)), (0, 4, 4));
        assert_eq!(left(7 * S), (1, 3, 3));
        assert_eq!(left(31 * S), (3, 0, 0));
        assert_eq!(cache.next_end(), None);
    }
}

//! Which session has this name? One live one at most, whoever asks and whoever gives up.
//!
//! A map in shards. The order of locks: a shard's, then nothing; who has looked up gives the shard
//! back before it enters the session. So a session may be given up between the two: it is marked
//! dead under its own lock first, and taken out of the map after, by identity. Whoever then enters
//! the dead one is told so and looks again.
//!
//! The map and its locks say what is true. Most look-ups end before it, at an index that is read
//! without a lock; it is changed under the lock of the name's shard, and always a part of the map.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use super::index::Index;
use crate::{
    fault,
    session::SessionId,
    sync::{self, Mutex, QUIET, QuietU64},
};

#[derive(Debug)]
pub(crate) struct Registry<V> {
    index: Index<V>,
    /// Each protects its part of the map; held for one map operation.
    shards: Box<[Mutex<Map<V>>]>,
    hasher: foldhash::fast::RandomState,
    /// How many there are. Changed under the lock of a shard; carries only itself.
    count: QuietU64,
    most: usize,
}

type Map<V> = HashMap<SessionId, Arc<V>, foldhash::fast::RandomState>;

/// As many sessions are in memory as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl<V> Registry<V> {
    pub(crate) fn new(most: usize) -> Self {
        let shards = (0..sync::shards()).map(|_| Mutex::new(Map::default())).collect();
        let (index, hasher) = (Index::default(), Default::default());
        Self { index, shards, hasher, count: QuietU64::new(0), most }
    }

    fn shard(&self, id: &SessionId) -> &Mutex<Map<V>> {
        let hash = self.hasher.hash_one(id) as usize;
        &self.shards[hash % self.shards.len()]
    }

    #[inline]
    pub(crate) fn get(&self, id: &SessionId) -> Option<Arc<V>> {
        self.index.get(id).or_else(|| self.find(id))
    }

    #[cold]
    fn find(&self, id: &SessionId) -> Option<Arc<V>> {
        self.shard(id).lock().get(id).cloned()
    }

    /// The one of this name, or a new one. `make` makes an empty one and does nothing else.
    pub(crate) fn get_or_insert(
        &self,
        id: &SessionId,
        make: impl FnOnce() -> V,
    ) -> Result<Arc<V>, Full> {
        if let Some(known) = self.index.get(id) {
            return Ok(known);
        }
        let mut map = self.shard(id).lock();
        if let Some(known) = map.get(id) {
            return Ok(Arc::clone(known));
        }
        let most = self.most as u64;
        let room = |count: u64| (count < most).then_some(count + 1);
        self.count.fetch_update(QUIET, QUIET, room).map_err(|_| Full)?;
        let made = Arc::new(make());
        map.insert(id.clone(), Arc::clone(&made));
        self.index.insert(id, &made);
        Ok(made)
    }

    /// S14: takes out this very one. Another of the same name stays.
    pub(crate) fn remove(&self, id: &SessionId, this: &Arc<V>) -> bool {
        let mut map = self.shard(id).lock();
        let same = map.get(id).is_some_and(|known| Arc::ptr_eq(known, this));
        self.index.remove(id, this);
        let taken = match same || fault::REMOVES_BY_NAME.planted() {
            true => map.remove(id),
            false => None,
        };
        if taken.is_some() {
            self.count.fetch_sub(1, QUIET);
        }
        // What was taken out is dropped by the caller's share, outside the lock.
        drop(map);
        taken.is_some()
    }

    /// All of them, one shard after the other: not of one instant.
    pub(crate) fn all(&self) -> Vec<Arc<V>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>())
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(QUIET) as usize
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn id(name: &str) -> SessionId {
        SessionId::new(name).expect("a good name")
    }

    #[test]
    fn the_bound_is_exact_and_a_known_name_needs_no_place() {
        let registry = Registry::new(2);
        let a = registry.get_or_insert(&id("a"), || 1).expect("room");
        registry.get_or_insert(&id("b"), || 2).expect("room");
        assert_eq!(registry.get_or_insert(&id("c"), || 3), Err(Full));
        assert!(Arc::ptr_eq(&registry.get_or_insert(&id("a"), || 4).expect("known"), &a));
        assert!(registry.remove(&id("a"), &a));
        assert_eq!(registry.len(), 1);
        registry.get_or_insert(&id("c"), || 3).expect("room again");
        assert_eq!(registry.all().len(), 2);
    }

    #[test]
    fn one_that_was_replaced_is_not_taken_out_by_its_name() {
        let registry = Registry::new(2);
        let old = registry.get_or_insert(&id("a"), || 1).expect("room");
        assert!(registry.remove(&id("a"), &old));
        let new = registry.get_or_insert(&id("a"), || 2).expect("room");
        assert!(!registry.remove(&id("a"), &old));
        assert!(registry.get(&id("a")).is_some_and(|found| Arc::ptr_eq(&found, &new)));
    }
}

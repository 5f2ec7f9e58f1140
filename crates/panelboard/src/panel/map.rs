//! The panel's map: papaya, whose reads never wait; under a model checker a plain map in its lock.

use std::{borrow::Borrow, hash::Hash, sync::Arc};

use super::Entry;
#[cfg(any(panelboard_loom, panelboard_shuttle))]
use crate::sync::Mutex;

/// The hash of the panel's maps: seeded at random, and fast.
pub(crate) type Hasher = foldhash::fast::RandomState;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) struct Map<K>(papaya::HashMap<K, Arc<Entry>, Hasher>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<K: Hash + Eq> Map<K> {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self(papaya::HashMap::with_hasher(hasher))
    }

    /// Calls `look` with the entry of `key`, without touching its reference count.
    #[inline]
    pub(crate) fn with<Q, R>(&self, key: &Q, look: impl FnOnce(&Arc<Entry>) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.pin().get(key).map(look)
    }

    /// True if `key` led to another entry until now.
    pub(crate) fn insert(&self, key: K, entry: Arc<Entry>) -> bool {
        self.0.pin().insert(key, entry).is_some()
    }

    /// Removes `key` if `entry` is still what it leads to: another one made since stays.
    pub(crate) fn remove<Q>(&self, key: &Q, entry: &Arc<Entry>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let own =
            |_: &K, held: &Arc<Entry>| Arc::ptr_eq(held, entry) || crate::fault::REMOVES_BY_KEY;
        matches!(self.0.pin().remove_if(key, own), Ok(Some(_)))
    }

    pub(crate) fn each(&self, mut look: impl FnMut(&K, &Arc<Entry>)) {
        for (key, entry) in &self.0.pin() {
            look(key, entry);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The same face over a lock: a checker sees every step of the entries' protocol, and takes the
/// map's own operations as single steps.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) struct Map<K>(Mutex<Vec<(K, Arc<Entry>)>>);

#[cfg(any(panelboard_loom, panelboard_shuttle))]
impl<K: Hash + Eq> Map<K> {
    pub(crate) fn new(_: Hasher) -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn with<Q, R>(&self, key: &Q, look: impl FnOnce(&Arc<Entry>) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.find(key);
        found.as_ref().map(look)
    }

    fn find<Q>(&self, key: &Q) -> Option<Arc<Entry>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().iter().find(|row| row.0.borrow() == key).map(|row| Arc::clone(&row.1))
    }

    pub(crate) fn insert(&self, key: K, entry: Arc<Entry>) -> bool {
        let mut rows = self.0.lock();
        let before = rows.len();
        rows.retain(|row| row.0 != key);
        rows.push((key, entry));
        rows.len() == before
    }

    pub(crate) fn remove<Q>(&self, key: &Q, entry: &Arc<Entry>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut rows = self.0.lock();
        let before = rows.len();
        let own = |held: &Arc<Entry>| Arc::ptr_eq(held, entry) || crate::fault::REMOVES_BY_KEY;
        rows.retain(|row| !(row.0.borrow() == key && own(&row.1)));
        rows.len() < before
    }

    pub(crate) fn each(&self, mut look: impl FnMut(&K, &Arc<Entry>)) {
        for (key, entry) in self.0.lock().iter() {
            look(key, entry);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

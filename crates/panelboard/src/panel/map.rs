//! The panel's map: papaya, whose reads never wait; under a model checker a plain map in its lock.

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
use std::{borrow::Borrow, hash::Hash, sync::Arc};

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
use crate::breaker::Breaker;

/// The hash of the panel's maps: seeded at random, and fast.
pub(crate) type Hasher = foldhash::fast::RandomState;

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub(crate) struct Map<K>(papaya::HashMap<K, Arc<Breaker>, Hasher>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<K: Hash + Eq> Map<K> {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Self(papaya::HashMap::with_hasher(hasher))
    }

    /// Calls `look` with the breaker of `key` and with `given`, which comes back if there is none.
    /// No reference count is touched.
    #[inline]
    pub(crate) fn with<Q, G, R>(
        &self,
        key: &Q,
        given: G,
        look: impl FnOnce(&Arc<Breaker>, G) -> Result<R, G>,
    ) -> Result<R, G>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        match self.0.pin().get(key) {
            Some(breaker) => look(breaker, given),
            None => Err(given),
        }
    }

    /// True if `key` led to another entry until now.
    pub(crate) fn insert(&self, key: K, breaker: Arc<Breaker>) -> bool {
        self.0.pin().insert(key, breaker).is_some()
    }

    /// Removes `key` if `breaker` is still what it leads to: another one made since stays.
    pub(crate) fn remove<Q>(&self, key: &Q, breaker: &Arc<Breaker>) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let own = |_: &K, held: &Arc<Breaker>| {
            Arc::ptr_eq(held, breaker) || crate::fault::REMOVES_BY_KEY.planted()
        };
        matches!(self.0.pin().remove_if(key, own), Ok(Some(_)))
    }

    pub(crate) fn each(&self, mut look: impl FnMut(&K, &Arc<Breaker>)) {
        for (key, breaker) in &self.0.pin() {
            look(key, breaker);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub(crate) use modelled::Map;

#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled {
    use std::{borrow::Borrow, hash::Hash, sync::Arc};

    use super::Hasher;
    use crate::{breaker::Breaker, sync::Mutex};

    /// The same face over a lock: a checker sees every step of the entries' protocol, and takes the
    /// map's own operations as single steps.
    pub(crate) struct Map<K>(Mutex<Vec<(K, Arc<Breaker>)>>);

    impl<K: Hash + Eq> Map<K> {
        pub(crate) fn new(_: Hasher) -> Self {
            Self(Mutex::new(Vec::new()))
        }

        pub(crate) fn with<Q, G, R>(
            &self,
            key: &Q,
            given: G,
            look: impl FnOnce(&Arc<Breaker>, G) -> Result<R, G>,
        ) -> Result<R, G>
        where
            K: Borrow<Q>,
            Q: Hash + Eq + ?Sized,
        {
            match self.find(key) {
                Some(breaker) => look(&breaker, given),
                None => Err(given),
            }
        }

        fn find<Q>(&self, key: &Q) -> Option<Arc<Breaker>>
        where
            K: Borrow<Q>,
            Q: Hash + Eq + ?Sized,
        {
            self.0.lock().iter().find(|row| row.0.borrow() == key).map(|row| Arc::clone(&row.1))
        }

        pub(crate) fn insert(&self, key: K, breaker: Arc<Breaker>) -> bool {
            let mut rows = self.0.lock();
            let before = rows.len();
            rows.retain(|row| row.0 != key);
            rows.push((key, breaker));
            rows.len() == before
        }

        pub(crate) fn remove<Q>(&self, key: &Q, breaker: &Arc<Breaker>) -> bool
        where
            K: Borrow<Q>,
            Q: Hash + Eq + ?Sized,
        {
            let mut rows = self.0.lock();
            let before = rows.len();
            let own = |held: &Arc<Breaker>| {
                Arc::ptr_eq(held, breaker) || crate::fault::REMOVES_BY_KEY.planted()
            };
            rows.retain(|row| !(row.0.borrow() == key && own(&row.1)));
            rows.len() < before
        }

        /// Without the lock: who looks may look others up.
        pub(crate) fn each(&self, mut look: impl FnMut(&K, &Arc<Breaker>))
        where
            K: Clone,
        {
            let rows: Vec<_> = self.0.lock().clone();
            rows.iter().for_each(|(key, breaker)| look(key, breaker));
        }

        pub(crate) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }
}

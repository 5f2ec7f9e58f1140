//! Where does a name lead, as far as is known without a lock? A hint beside the map of sessions.
//!
//! Reads wait for nobody and write no line that others read, so threads with sessions of their own
//! do not meet here. What the index answers was in the map a moment ago, as with any look-up that
//! has given its lock back: whoever enters a session that was given up since is told that it is
//! dead. What it does not answer is looked for in the map. So nothing depends on its being right.
//!
//! It holds no session: one that is given up goes when its last owner does, and not when the
//! index's memory is reclaimed.

use std::sync::{Arc, Weak};

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
use crate::fault;
use crate::session::SessionId;

/// Papaya, whose reads never wait.
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
#[derive(Debug)]
pub(super) struct Index<V>(papaya::HashMap<SessionId, Weak<V>, foldhash::fast::RandomState>);

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<V> Index<V> {
    #[inline]
    pub(super) fn get(&self, id: &SessionId) -> Option<Arc<V>> {
        self.0.pin().get(id)?.upgrade()
    }

    /// Under the lock of the name's shard, as all that changes it.
    pub(super) fn insert(&self, id: &SessionId, this: &Arc<V>) {
        self.0.pin().insert(id.clone(), Arc::downgrade(this));
    }

    /// Takes out this very one.
    pub(super) fn remove(&self, id: &SessionId, this: &Arc<V>) {
        // In either case it does not lead to this one any more.
        self.0.pin().remove_if(id, |_, held| is_this(held, this)).ok();
    }
}

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
impl<V> Default for Index<V> {
    fn default() -> Self {
        Self(papaya::HashMap::with_hasher(Default::default()))
    }
}

/// Under a checker it knows nothing, so that each look-up is a step of the map's lock. What it
/// would answer the map would have answered within the same call: it is added to after the map and
/// taken from before it, both under the shard's lock.
#[cfg(any(panelboard_loom, panelboard_shuttle))]
#[derive(Debug)]
pub(super) struct Index<V>(std::marker::PhantomData<Weak<V>>);

#[cfg(any(panelboard_loom, panelboard_shuttle))]
impl<V> Index<V> {
    pub(super) fn get(&self, _: &SessionId) -> Option<Arc<V>> {
        None
    }

    pub(super) fn insert(&self, _: &SessionId, _: &Arc<V>) {}

    pub(super) fn remove(&self, _: &SessionId, _: &Arc<V>) {}
}

#[cfg(any(panelboard_loom, panelboard_shuttle))]
impl<V> Default for Index<V> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
fn is_this<V>(held: &Weak<V>, this: &Arc<V>) -> bool {
    std::ptr::eq(held.as_ptr(), Arc::as_ptr(this)) || fault::REMOVES_BY_NAME.planted()
}

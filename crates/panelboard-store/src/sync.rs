//! Which locks the crate runs on: the real ones, loom's or shuttle's.
//!
//! Nothing else in the crate names a lock or an atomic, so a model checker sees every shared access
//! of the parts that it is given: queue, receipts, watermark. SQLite and the threads around it are
//! outside of its reach.

pub(crate) use panelboard_seams::sync::{
    Condvar, Mutex, MutexGuard, Ordering, QuietU64, wait, wait_until,
};

//! Which atomics, locks and threads do our crates run on: the real ones, loom's or shuttle's?
//!
//! The names are the same in each build, and so is the code above them. What is called *quiet*
//! decides nothing by its order: counts for people, settings. No model takes steps for it, so that
//! the searches stay finite.

pub use std::sync::atomic::Ordering;

#[cfg(any(panelboard_loom, panelboard_shuttle))]
mod modelled;
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
mod real;

#[cfg(any(panelboard_loom, panelboard_shuttle))]
pub use modelled::{
    AtomicU64, Condvar, Mutex, MutexGuard, QuietMutex, QuietU64, ThreadId, thread, wait,
    wait_until, writes,
};
#[cfg(not(any(panelboard_loom, panelboard_shuttle)))]
pub use real::{
    AtomicU64, Condvar, Mutex, MutexGuard, QuietMutex, QuietU64, ThreadId, thread, wait, wait_until,
};

//! Who is making the breaker of which key, so that each is made once and nobody waits in a circle.
//!
//! The function that gives a key its configuration is the user's. It runs outside every lock, on
//! one thread for each key, while others that want the same key wait. It may look other keys up;
//! if that leads back to a key that waits for it, the look-up is an error and not a deadlock.

use crate::sync::{Condvar, Mutex, ThreadId, thread, wait};

#[derive(Debug)]
pub(crate) struct Creation {
    /// Protects who makes what and who waits for what. Held to look and to enter or leave; the
    /// user's function, and everything of the user's key, stays outside.
    table: Mutex<Table>,
    /// Notified when somebody has left the table.
    left: Condvar,
}

#[derive(Debug, Default)]
struct Table {
    /// Hashes of keys, each with the thread that makes its breaker. Two keys of one hash wait for
    /// each other without need, once in 2^64.
    makers: Vec<(u64, ThreadId)>,
    /// Threads that wait, each with the hash that it waits for.
    waiters: Vec<(ThreadId, u64)>,
}

/// What a thread that wants a key's breaker is to do.
#[derive(Debug)]
pub(crate) enum Turn<'a> {
    /// Make it, and drop the leave when it can be found.
    Make(Leave<'a>),
    /// Look again: somebody else has made it, or given up.
    LookAgain,
    /// This thread is making it already, or waits for itself by way of others.
    Circle,
}

/// Ends a thread's turn when it is dropped, also by a panic of the user's function.
#[derive(Debug)]
pub(crate) struct Leave<'a> {
    creation: &'a Creation,
    hash: u64,
}

impl Creation {
    pub(crate) fn new() -> Self {
        Self { table: Mutex::new(Table::default()), left: Condvar::new() }
    }

    /// Waits until nobody makes a key of `hash`, or takes the making of it.
    pub(crate) fn turn(&self, hash: u64) -> Turn<'_> {
        let me = thread::current().id();
        let mut table = self.table.lock();
        if table.maker(hash).is_none() {
            table.makers.push((hash, me));
            return Turn::Make(Leave { creation: self, hash });
        }
        if table.leads_to(hash, me) {
            return Turn::Circle;
        }
        table.waiters.push((me, hash));
        while table.maker(hash).is_some() {
            table = wait(&self.left, table);
        }
        table.waiters.retain(|waiter| waiter.0 != me);
        Turn::LookAgain
    }
}

impl Table {
    fn maker(&self, hash: u64) -> Option<ThreadId> {
        self.makers.iter().find(|maker| maker.0 == hash).map(|maker| maker.1)
    }

    /// True if whoever makes `hash` is, or waits by way of others for, `me`.
    fn leads_to(&self, mut hash: u64, me: ThreadId) -> bool {
        // Every waiter looked before it waited, so the chain has no circle and ends.
        while let Some(maker) = self.maker(hash) {
            if maker == me {
                return true;
            }
            match self.waiters.iter().find(|waiter| waiter.0 == maker) {
                Some(waiter) => hash = waiter.1,
                None => return false,
            }
        }
        false
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.creation.table.lock().makers.retain(|maker| maker.0 != self.hash);
        self.creation.left.notify_all();
    }
}

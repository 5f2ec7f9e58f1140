//! How does a thread of a model wait for a future? Polled when it is woken, and only then: where a
//! wake-up is lost it waits for ever, which both checkers report.
//!
//! Not by the checkers' own executors: loom's aborts where all wait for ever, and then no test has
//! failed.

use std::{
    future::Future,
    mem::ManuallyDrop,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use super::checker::sync::{Condvar, Mutex};

/// A thread's bell, as a runtime's waker.
struct Bell {
    /// Held to look at it and to change it.
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

/// Waits for a future.
///
/// Where a checker finds that all wait for ever the future is leaked: dropping it might take a
/// lock, which aborts while the thread unwinds.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = ManuallyDrop::new(Box::pin(future));
    let bell = Arc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() });
    let waker = Waker::from(Arc::clone(&bell));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            drop(ManuallyDrop::into_inner(future));
            return output;
        }
        let mut rung = bell.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            rung = bell.changed.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
    }
}

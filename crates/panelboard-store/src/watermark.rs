//! How far has the log come? A number for each class that only rises, and those who wait for it.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    clock::end_of_wait,
    error::SubmitError,
    fault,
    ids::{Class, Lsn},
    sync::{Condvar, Mutex, MutexGuard, wait_until},
};

/// The marks of a store.
#[derive(Debug)]
pub(crate) struct Watermark {
    /// Protects the marks and who waits for them. Held for a look at each waiter; nothing is woken
    /// or dropped under it.
    state: Mutex<State>,
    raised: Condvar,
}

#[derive(Debug)]
struct State {
    /// By class.
    marks: [Lsn; 3],
    /// One for each future that is waiting, whose owner pays for it.
    waiters: Vec<Waiter>,
    /// The last number given to a waiter.
    last: u64,
    ended: bool,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    class: Class,
    lsn: Lsn,
    waker: Waker,
}

impl Watermark {
    pub(crate) fn new(at: Lsn) -> Self {
        let state = State { marks: [at; 3], waiters: Vec::new(), last: 0, ended: false };
        Self { state: Mutex::new(state), raised: Condvar::new() }
    }

    /// All writes up to `to` have reached `class`, and with it the classes below.
    pub(crate) fn raise(&self, class: Class, to: Lsn) {
        let mut state = self.state.lock();
        for mark in &mut state.marks[..=class as usize] {
            *mark = to.max(*mark);
        }
        let marks = state.marks;
        self.wake(state, |waiter| waiter.lsn <= marks[waiter.class as usize]);
    }

    /// No mark will rise any more.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        self.wake(state, |_| true);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>, due: impl Fn(&Waiter) -> bool) {
        let woken: Vec<_> = state.waiters.extract_if(.., |waiter| due(waiter)).collect();
        drop(state);
        self.raised.notify_all();
        for waiter in woken {
            waiter.waker.wake();
        }
    }

    pub(crate) fn mark(&self, class: Class) -> Lsn {
        self.state.lock().marks[class as usize]
    }

    /// Waits for at most `time`; None if the mark is not there by then.
    pub(crate) fn wait(
        &self,
        class: Class,
        lsn: Lsn,
        time: Duration,
    ) -> Option<Result<(), SubmitError>> {
        let end = end_of_wait(time);
        let mut state = self.state.lock();
        let mut over = false;
        while state.end(class, lsn).is_none() && !over {
            (state, over) = wait_until(&self.raised, state, end);
        }
        state.end(class, lsn)
    }
}

impl State {
    fn end(&self, class: Class, lsn: Lsn) -> Option<Result<(), SubmitError>> {
        if lsn <= self.marks[class as usize] {
            return Some(Ok(()));
        }
        self.ended.then_some(Err(SubmitError::Stopped))
    }
}

/// A future that is ready when all writes up to a number have reached a class: see
/// [`Store::reached`](crate::Store::reached).
///
/// ```
/// use panelboard_store::{Class, Config, Create, SessionId, Store};
/// use std::{future::Future, pin::pin, task::{Context, Waker}};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
/// let reached = pin!(store.reached(Class::Disk, receipt.lsn()));
/// receipt.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// // In async code: `reached.await?`.
/// assert!(reached.poll(&mut Context::from_waker(Waker::noop())).is_ready());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Reached {
    mark: Arc<Watermark>,
    class: Class,
    lsn: Lsn,
    /// The number of the waiter that was left there, if one was.
    number: Option<u64>,
}

impl Reached {
    pub(crate) fn new(mark: Arc<Watermark>, class: Class, lsn: Lsn) -> Self {
        Self { mark, class, lsn, number: None }
    }
}

impl Future for Reached {
    /// Or the store has ended before.
    type Output = Result<(), SubmitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned before the lock: it is the runtime's code.
        let waker = context.waker().clone();
        let this = &mut *self;
        let mut state = this.mark.state.lock();
        if let Some(end) = state.end(this.class, this.lsn) {
            return Poll::Ready(end);
        }
        if fault::MARK_CHECKS_THEN_REGISTERS.planted() {
            drop(state);
            state = this.mark.state.lock();
        }
        let mine = |waiter: &&mut Waiter| Some(waiter.number) == this.number;
        let earlier = match state.waiters.iter_mut().find(mine) {
            Some(waiter) => Some(std::mem::replace(&mut waiter.waker, waker)),
            None => {
                state.last += 1;
                let number = state.last;
                this.number = Some(number);
                state.waiters.push(Waiter { number, class: this.class, lsn: this.lsn, waker });
                None
            }
        };
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.mark.state.lock();
        let at = state.waiters.iter().position(|waiter| waiter.number == number);
        let left = at.map(|at| state.waiters.swap_remove(at));
        drop(state);
        drop(left);
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_only_rises_and_takes_the_lower_ones_along() {
        let mark = Watermark::new(Lsn(5));
        mark.raise(Class::Os, Lsn(8));
        mark.raise(Class::Os, Lsn(7));
        let marks = [Class::Memory, Class::Os, Class::Disk].map(|class| mark.mark(class).0);
        assert_eq!(marks, [8, 8, 5]);
        mark.raise(Class::Disk, Lsn(9));
        let marks = [Class::Memory, Class::Os, Class::Disk].map(|class| mark.mark(class).0);
        assert_eq!(marks, [9, 9, 9]);
    }

    #[test]
    fn a_future_that_is_dropped_leaves_nothing() {
        let mark = Arc::new(Watermark::new(Lsn(0)));
        let mut futures: Vec<_> =
            (0..10).map(|_| Reached::new(Arc::clone(&mark), Class::Disk, Lsn(1))).collect();
        for future in &mut futures {
            for _ in 0..3 {
                let poll = Pin::new(&mut *future).poll(&mut Context::from_waker(Waker::noop()));
                assert!(poll.is_pending());
            }
        }
        assert_eq!(mark.state.lock().waiters.len(), 10);
        drop(futures);
        assert_eq!(mark.state.lock().waiters.len(), 0);
    }

    #[test]
    fn the_end_answers_everybody() {
        let mark = Arc::new(Watermark::new(Lsn(3)));
        mark.end();
        let wait = |lsn| mark.wait(Class::Disk, Lsn(lsn), Duration::from_secs(60));
        assert_eq!(wait(3), Some(Ok(())), "what is reached stays so");
        assert_eq!(wait(4), Some(Err(SubmitError::Stopped)));
    }
}

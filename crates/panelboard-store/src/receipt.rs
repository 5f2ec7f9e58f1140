//! How does a submitter learn what became of a write? By a receipt: a future for any runtime, and a
//! wait with an end for threads.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    clock::end_of_wait,
    error::WriteError,
    fault,
    ids::{Epoch, Lsn, Tag},
    sync::{Condvar, Mutex, wait_until},
};

/// A write that is kept.
///
/// ```
/// use panelboard_store::{Append, Config, Create, Outcome, SessionId, Store, Tag};
/// # let wait = std::time::Duration::from_secs(10);
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// let created = store.create(Create::new(&id, "{}")?)?.wait(wait).unwrap()?;
/// let written = store.append(Append::new(&id, "message", "{}")?)?.wait(wait).unwrap()?;
/// assert_eq!(written.tag, Tag { era: 0, seq: 1 });
/// assert_eq!((written.epoch, &written.outcome), (created.epoch, &Outcome::New));
/// assert!(written.lsn > created.lsn);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Its place in the store's order; of a replay, the place of the write that it repeats.
    pub lsn: Lsn,
    /// The session's.
    pub epoch: Epoch,
    /// The session's era and last record after it.
    pub tag: Tag,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a write that is kept came to.
///
/// ```
/// use panelboard_store::Outcome;
///
/// assert_ne!(Outcome::New, Outcome::Same);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was made.
    New,
    /// It was as asked for already: a session with the same config, a session already deleted.
    Same,
    /// The memory now ends with the record `to`, or with what was before it.
    RolledBack {
        /// The last record that stays.
        to: u64,
    },
    /// It was made before under the same idempotency key: the answer that was kept then.
    Replayed(Arc<[u8]>),
}

type Answer = Result<Written, WriteError>;

/// The end of a write that somebody else makes: resolved when its [`Class`](crate::Class) is
/// reached, or when it is certain that it won't be.
///
/// It is resolved exactly once, whatever becomes of the writer. Dropping it changes nothing: the
/// write is made all the same. As a future it needs no runtime in particular, and is safe to drop
/// and to poll again: it gives the same answer again.
///
/// ```
/// use panelboard_store::{Config, Create, SessionId, Store};
/// use std::{future::Future, task::{Context, Waker}, time::Duration};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let mut receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
/// // From a thread.
/// let written = receipt.wait(Duration::from_secs(10)).expect("a disk answers sooner")?;
/// // From async code: `receipt.await`.
/// let poll = std::pin::pin!(receipt).poll(&mut Context::from_waker(Waker::noop()));
/// assert_eq!(poll, std::task::Poll::Ready(Ok(written)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the write may fail: wait for it, or say `drop`"]
pub struct Receipt {
    lsn: Lsn,
    cell: Arc<Cell>,
}

#[derive(Debug)]
struct Cell {
    /// Protects the answer and who is to be woken. Held to read or set them; nothing is woken or
    /// dropped under it.
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug)]
struct State {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

/// The writer's side of a receipt. Dropped without an answer, it answers that the store stopped.
#[derive(Debug)]
pub(crate) struct Pending(Option<Arc<Cell>>);

/// A receipt without its place, and its other side.
pub(crate) fn pair() -> (Pending, impl FnOnce(Lsn) -> Receipt) {
    let state = State { answer: None, waker: None };
    let cell = Arc::new(Cell { state: Mutex::new(state), answered: Condvar::new() });
    (Pending(Some(Arc::clone(&cell))), |lsn| Receipt { lsn, cell })
}

impl Pending {
    pub(crate) fn resolve(mut self, answer: Answer) {
        self.settle(answer);
    }

    /// The first answer holds.
    fn settle(&mut self, answer: Answer) {
        let Some(cell) = self.0.take() else { return };
        let mut state = cell.state.lock();
        state.answer = Some(answer);
        let waker = state.waker.take();
        // Unlock, then wake: whoever wakes finds the lock free.
        drop(state);
        cell.answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.settle(Err(WriteError::Stopped));
    }
}

impl Receipt {
    /// The write's place in the store's order. It had it from the moment it was submitted.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let first = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// let second = store.create(Create::new(&SessionId::new("b")?, "{}")?)?;
    /// assert!(first.lsn() < second.lsn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Waits for at most `time`; None if it is not decided by then. That is no failure: the disk
    /// has not answered, and the write may yet be kept. Wait again, or look at what is there later.
    ///
    /// The time is the machine's, whatever clock the store has: it guards against a real disk. Not
    /// for async code, which it would hold up: await the receipt there.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
    /// match receipt.wait(std::time::Duration::from_secs(10)) {
    ///     Some(Ok(written)) => println!("kept as {}", written.lsn),
    ///     Some(Err(why)) => println!("not kept: {why}"),
    ///     None => println!("the disk has not answered yet"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wait(&self, time: Duration) -> Option<Answer> {
        let end = end_of_wait(time);
        let mut state = self.cell.state.lock();
        let mut over = false;
        while state.answer.is_none() && !over {
            (state, over) = wait_until(&self.cell.answered, state, end);
        }
        state.answer.clone()
    }

    /// Waits for as long as it takes.
    pub(crate) fn wait_out(&self) -> Answer {
        loop {
            if let Some(answer) = self.wait(Duration::MAX) {
                return answer;
            }
        }
    }
}

impl Future for Receipt {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        if fault::RECEIPT_CHECKS_THEN_REGISTERS.planted() && self.cell.state.lock().answer.is_none()
        {
            let waker = context.waker().clone();
            self.cell.state.lock().waker = Some(waker);
            return Poll::Pending;
        }
        // Cloned before the lock: it is the runtime's code.
        let waker = context.waker().clone();
        let mut state = self.cell.state.lock();
        if let Some(answer) = &state.answer {
            return Poll::Ready(answer.clone());
        }
        let earlier = state.waker.replace(waker);
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.cell.state.lock().answer.clone();
        f.debug_struct("Receipt").field("lsn", &self.lsn).field("answer", &answer).finish()
    }
}

//! What is the one lock for data that threads and async tasks share?

mod meters;
#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;

use std::{fmt, time::Duration};

pub use meters::Contention;
use meters::{Meters, SAMPLE};

use crate::{
    clock, fault,
    sync::{self, Mutex, MutexGuard, QUIET, QuietU64},
};

/// Data behind one short lock, the same for threads and for async tasks.
///
/// Access is by closure only, so that nothing can be awaited under the lock. The closure should
/// take microseconds: a thread of the runtime waits for it.
///
/// # One at a time
/// A thread that is inside one guarded closure can't enter another, of this or of any other value:
/// it is told [`LockError::Nested`] and does not wait. So no two threads can wait for each other,
/// and a deadlock by re-entrancy or by lock order is impossible. The mark is a thread-local, in
/// release builds too.
///
/// # A wait has an end
/// Whoever waits longer than the deadline (1 s by default) is told [`LockError::Timeout`]. There is
/// no way past the lock.
///
/// # Panics in a closure
/// The panic goes to the caller. The value may be half changed, so from then on everybody is told
/// [`LockError::Poisoned`], until [`repair`](Self::repair) has looked at it. No other value is
/// touched.
///
/// Cost: an uncontended entry is a try-lock and two thread-local writes; each 61st of a thread,
/// into whichever value, reads the clock twice to measure how long it held the lock.
///
/// ```
/// use panelboard_tasks::{Guarded, LockError};
///
/// let sessions = Guarded::new(vec!["a"]);
/// sessions.with(|sessions| sessions.push("b"))?;
/// let nested = sessions.with(|_| sessions.with(|sessions| sessions.len()))?;
/// assert_eq!(nested, Err(LockError::Nested));
/// assert_eq!(sessions.with(|sessions| sessions.len()), Ok(2));
/// # Ok::<(), LockError>(())
/// ```
pub struct Guarded<T> {
    /// Protects the value and the meters beside it. Held for one closure; no other lock is taken
    /// under it.
    inside: Mutex<Inside<T>>,
    /// Waits that came to their deadline: these have no lock to count under.
    timeouts: QuietU64,
    deadline: Duration,
}

struct Inside<T> {
    value: T,
    /// Set while a closure runs. If it is set on entry, that closure panicked.
    entered: bool,
    meters: Meters,
}

/// How long to wait for the lock, unless said otherwise. A preempted holder makes others wait for
/// tens of milliseconds on a loaded machine, so much less would misfire.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

impl<T> Guarded<T> {
    /// Guards a value, with a deadline of 1 s.
    ///
    /// ```
    /// let counter = panelboard_tasks::Guarded::new(0);
    /// counter.with(|counter| *counter += 1).expect("free, and of no closure that panicked");
    /// ```
    pub fn new(value: T) -> Self {
        Self::with_deadline(value, DEADLINE)
    }

    /// Guards a value; who waits longer than `deadline` is told so.
    ///
    /// ```
    /// use panelboard_tasks::Guarded;
    /// let counter = Guarded::with_deadline(0, std::time::Duration::from_millis(200));
    /// # assert_eq!(counter.with(|counter| *counter), Ok(0));
    /// ```
    pub fn with_deadline(value: T, deadline: Duration) -> Self {
        let inside = Inside { value, entered: false, meters: Meters::default() };
        Self { inside: Mutex::new(inside), timeouts: QuietU64::new(0), deadline }
    }

    /// Runs `access` with the value, alone.
    ///
    /// # Errors
    /// [`LockError`]: the closure was not called.
    ///
    /// ```
    /// use panelboard_tasks::Guarded;
    /// let names = Guarded::new(Vec::new());
    /// let count = names.with(|names| {
    ///     names.push("a");
    ///     names.len()
    /// });
    /// assert_eq!(count, Ok(1));
    /// ```
    pub fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> Result<R, LockError> {
        let mark = Mark::set()?;
        let mut inside = self.lock()?;
        if inside.entered {
            return Err(LockError::Poisoned);
        }
        let answer = inside.run(access, mark.is_timed());
        drop(inside);
        drop(mark);
        Ok(answer)
    }

    /// Runs `access` also on a value whose closure panicked, which is then as good as any.
    ///
    /// # Errors
    /// [`LockError::Nested`] or [`LockError::Timeout`].
    ///
    /// ```
    /// use panelboard_tasks::{Guarded, LockError};
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    ///
    /// let value = Guarded::new(7);
    /// let panicked = catch_unwind(AssertUnwindSafe(|| value.with(|_| panic!("half way"))));
    /// assert!(panicked.is_err());
    /// assert_eq!(value.with(|value| *value), Err(LockError::Poisoned));
    /// value.repair(|value| *value = 0)?;
    /// assert_eq!(value.with(|value| *value), Ok(0));
    /// # Ok::<(), LockError>(())
    /// ```
    pub fn repair<R>(&self, access: impl FnOnce(&mut T) -> R) -> Result<R, LockError> {
        let mark = Mark::set()?;
        let mut inside = self.lock()?;
        Ok(inside.run(access, mark.is_timed()))
    }

    /// How much this lock was fought for. Takes it for a moment.
    ///
    /// # Errors
    /// [`LockError::Nested`] or [`LockError::Timeout`].
    ///
    /// ```
    /// use panelboard_tasks::Guarded;
    /// let value = Guarded::new(());
    /// for _ in 0..3 {
    ///     value.with(|()| ())?;
    /// }
    /// let contention = value.contention()?;
    /// assert_eq!((contention.entries, contention.timeouts), (3, 0));
    /// # Ok::<(), panelboard_tasks::LockError>(())
    /// ```
    pub fn contention(&self) -> Result<Contention, LockError> {
        let _mark = Mark::set()?;
        let told = self.lock()?.meters.tell();
        Ok(Contention { timeouts: self.timeouts.load(QUIET), ..told })
    }

    fn lock(&self) -> Result<MutexGuard<'_, Inside<T>>, LockError> {
        if let Some(inside) = self.inside.try_lock() {
            return Ok(inside);
        }
        let start = clock::measure();
        let Some(mut inside) = self.inside.try_lock_for(self.deadline) else {
            self.timeouts.fetch_add(1, QUIET);
            return Err(LockError::Timeout);
        };
        inside.meters.waited(start.elapsed());
        Ok(inside)
    }
}

impl<T> Inside<T> {
    #[inline]
    fn run<R>(&mut self, access: impl FnOnce(&mut T) -> R, timed: bool) -> R {
        let start = self.meters.enter(timed);
        self.entered = true;
        let answer = access(&mut self.value);
        self.entered = false;
        if let Some(start) = start {
            self.meters.held(start.elapsed());
        }
        answer
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: that would take the lock.
        f.debug_struct("Guarded").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// This thread's mark that it is inside a closure, taken back also if that panics.
struct Mark {
    /// How many closures this thread has entered before.
    before: Option<u32>,
}

impl Mark {
    #[inline]
    fn set() -> Result<Self, LockError> {
        if sync::is_inside() && !fault::NESTED_WAITS.planted() {
            return Err(LockError::Nested);
        }
        Ok(Self { before: sync::enter() })
    }

    #[inline]
    fn is_timed(&self) -> bool {
        self.before.is_some_and(|before| before.is_multiple_of(SAMPLE))
    }
}

impl Drop for Mark {
    #[inline]
    fn drop(&mut self) {
        sync::leave();
    }
}

/// Why a guarded value was not entered.
///
/// ```
/// use panelboard_tasks::LockError;
/// assert_eq!(LockError::Timeout.to_string(), "the lock was held for too long by somebody else");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockError {
    /// This thread is inside a guarded closure already: give that one's answer out first.
    Nested,
    /// Others held the lock until the deadline.
    Timeout,
    /// A closure panicked inside, see [`Guarded::repair`].
    Poisoned,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nested => "this thread is inside a guarded closure already",
            Self::Timeout => "the lock was held for too long by somebody else",
            Self::Poisoned => "an earlier access panicked and may have left the value half changed",
        })
    }
}

impl std::error::Error for LockError {}

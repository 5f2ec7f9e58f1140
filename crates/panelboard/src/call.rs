//! Calls in one line: take a permit, do the work, record what came of it.

use std::{
    error, fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{breaker::Breaker, counts::Outcome, permit::Rejected};

impl Breaker {
    /// Calls `work` if the breaker admits: `Ok` is a success, `Err` a failure.
    ///
    /// A panic in `work` counts as a failure by default, and goes on to the caller.
    ///
    /// ```
    /// use panelboard::{Breaker, CallError, Config};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// assert_eq!(breaker.call(|| Ok::<_, String>(7)).ok(), Some(7));
    /// let failed = breaker.call(|| Err::<(), _>("no route"));
    /// assert!(matches!(failed, Err(CallError::Inner("no route"))));
    /// let rejected = breaker.call(|| Ok::<_, String>(7));
    /// assert!(matches!(rejected, Err(CallError::Rejected(_))));
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`CallError::Rejected`] without a call; [`CallError::Inner`] with the error of `work`, also
    /// for the call that trips.
    pub fn call<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, CallError<E>> {
        self.call_with(work, by_result)
    }

    /// As [`call`](Self::call), where `classify` says what an answer means: whose fault it is.
    ///
    /// A classifier that panics is counted, and the answer is classified as by
    /// [`call`](Self::call).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_with<T, E>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
        classify: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Result<T, CallError<E>> {
        let permit = self.acquire()?;
        let answer = work();
        permit.end(self.outcome(&answer, classify));
        answer.map_err(CallError::Inner)
    }

    /// Awaits `work` if the breaker admits: `Ok` is a success, `Err` a failure. `work` is not
    /// polled when it does not.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// The permit is taken at the first poll. Dropping the future after that is a cancelled call:
    /// nothing is held against the service, and a probe's place is free again.
    pub async fn call_async<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, CallError<E>> {
        self.call_async_with(work, by_result).await
    }

    /// As [`call_async`](Self::call_async), with a classifier as in [`call_with`](Self::call_with).
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// As [`call_async`](Self::call_async).
    pub async fn call_async_with<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        classify: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Result<T, CallError<E>> {
        let permit = self.acquire()?;
        let answer = work.await;
        permit.end(self.outcome(&answer, classify));
        answer.map_err(CallError::Inner)
    }

    fn outcome<T, E>(
        &self,
        answer: &Result<T, E>,
        classify: impl FnOnce(&Result<T, E>) -> Outcome,
    ) -> Outcome {
        catch_unwind(AssertUnwindSafe(|| classify(answer))).unwrap_or_else(|_| {
            self.counts.panicked();
            by_result(answer)
        })
    }
}

fn by_result<T, E>(answer: &Result<T, E>) -> Outcome {
    if answer.is_ok() { Outcome::Success } else { Outcome::Failure }
}

/// Why a call has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// There was no call.
    Rejected(Rejected),
    /// There was one, and this is its error.
    Inner(E),
}

impl<E> From<Rejected> for CallError<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: error::Error + 'static> error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Inner(error) => error.source(),
        }
    }
}

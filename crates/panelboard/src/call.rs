//! Calls in one line: take a permit, do the work, record what came of it.

use std::{
    error, fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{breaker::Breaker, counts::Outcome, panel::Handle, permit::Rejected};

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
    /// ```
    /// use panelboard::{Breaker, Config, Outcome, State};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// // 404: the service is well, whatever the caller makes of it.
    /// let answer = breaker.call_with(|| Err::<(), _>(404), |answer| match answer {
    ///     Err(400..500) => Outcome::Success,
    ///     Err(_) => Outcome::Failure,
    ///     Ok(()) => Outcome::Success,
    /// });
    /// assert!(answer.is_err());
    /// assert_eq!(breaker.state(), State::Closed);
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
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

    /// As [`call`](Self::call), for work that has an answer or none: `None` is a failure.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// let replica = [("eu", 3)];
    /// let find = |key| replica.iter().find(|row| row.0 == key).map(|row| row.1);
    /// assert_eq!(breaker.call_option(|| find("eu")), Ok(Some(3)));
    /// assert_eq!(breaker.call_option(|| find("us")), Ok(None)); // a failure, which trips
    /// assert!(breaker.call_option(|| find("eu")).is_err());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`Rejected`] without a call.
    pub fn call_option<T>(&self, work: impl FnOnce() -> Option<T>) -> Result<Option<T>, Rejected> {
        let permit = self.acquire()?;
        let answer = work();
        permit.end(by_option(&answer));
        Ok(answer)
    }

    /// Awaits `work` if the breaker admits: `Ok` is a success, `Err` a failure. `work` is not
    /// polled when it does not.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// use panelboard::{Breaker, Config};
    ///
    /// # async {
    /// let breaker = Breaker::new(Config::default());
    /// let answer = breaker.call_async(async { Err::<(), _>("no route") }).await;
    /// assert!(answer.is_err());
    /// assert_eq!(breaker.snapshot().consecutive_failures, 1);
    /// # }.now_or_never().expect("nothing waits");
    /// ```
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
    /// ```
    /// # use futures_util::FutureExt;
    /// use panelboard::{Breaker, Config, Outcome};
    ///
    /// # async {
    /// let breaker = Breaker::new(Config::default());
    /// // The caller's own mistake says nothing about the service.
    /// let send = async { Err::<(), _>(400) };
    /// let answer = breaker.call_async_with(send, |answer| match answer {
    ///     Ok(()) => Outcome::Success,
    ///     Err(400) => Outcome::Ignored,
    ///     Err(_) => Outcome::Failure,
    /// });
    /// assert!(answer.await.is_err());
    /// assert_eq!(breaker.snapshot().counts.ignored, 1);
    /// # }.now_or_never().expect("nothing waits");
    /// ```
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

    /// As [`call_async`](Self::call_async), for work that has an answer or none: `None` is a
    /// failure.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// use panelboard::{Breaker, Config};
    ///
    /// # async {
    /// let breaker = Breaker::new(Config::default());
    /// assert_eq!(breaker.call_option_async(async { None::<u8> }).await, Ok(None));
    /// assert_eq!(breaker.snapshot().counts.failures, 1);
    /// # }.now_or_never().expect("nothing waits");
    /// ```
    ///
    /// # Errors
    /// [`Rejected`] without a call.
    ///
    /// # Cancel safety
    /// As [`call_async`](Self::call_async).
    pub async fn call_option_async<T>(
        &self,
        work: impl Future<Output = Option<T>>,
    ) -> Result<Option<T>, Rejected> {
        let permit = self.acquire()?;
        let answer = work.await;
        permit.end(by_option(&answer));
        Ok(answer)
    }

    /// As [`call_async`](Self::call_async), with a future that owns its share of the breaker: it is
    /// `Send` and `'static` if `work` is, to be spawned.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// use panelboard::{Breaker, Config};
    /// use std::{future::Future, sync::Arc};
    ///
    /// # fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(task: F) -> F { task }
    /// # async {
    /// let breaker = Arc::new(Breaker::new(Config::default()));
    /// let task = spawn(breaker.call_async_owned(async { Ok::<_, String>(7) }));
    /// drop(breaker);
    /// assert_eq!(task.await, Ok(7));
    /// # }.now_or_never().expect("nothing waits");
    /// ```
    ///
    /// # Errors
    /// As [`call`](Self::call).
    ///
    /// # Cancel safety
    /// As [`call_async`](Self::call_async).
    pub fn call_async_owned<T, E, W>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = Result<T, CallError<E>>> + use<T, E, W>
    where
        W: Future<Output = Result<T, E>>,
    {
        let breaker = Arc::clone(self);
        async move { breaker.call_async(work).await }
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

impl Handle {
    /// As [`Breaker::call_async`], with a future that owns a handle: it is `Send` and `'static` if
    /// `work` is, to be spawned, and its breaker is not evicted while it lives.
    ///
    /// The other forms do so within a block that takes the handle along.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// use panelboard::Panel;
    /// use std::future::Future;
    ///
    /// # fn spawn<F: Future<Output: Send + 'static> + Send + 'static>(task: F) -> F { task }
    /// # async {
    /// let panel = Panel::builder().build();
    /// let handle = panel.breaker("search")?;
    /// let task = spawn(handle.call_async_owned(async { Ok::<_, String>(7) }));
    /// let other = spawn(async move { handle.call_option_async(async { Some(8) }).await });
    /// drop(panel);
    /// assert_eq!((task.await, other.await), (Ok(7), Ok(Some(8))));
    /// # Ok::<(), panelboard::PanelError>(())
    /// # }.now_or_never().expect("nothing waits")?;
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Breaker::call`].
    ///
    /// # Cancel safety
    /// As [`Breaker::call_async`].
    pub fn call_async_owned<T, E, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T, CallError<E>>> + use<T, E, W>
    where
        W: Future<Output = Result<T, E>>,
    {
        let breaker = self.clone();
        async move { breaker.call_async(work).await }
    }
}

fn by_result<T, E>(answer: &Result<T, E>) -> Outcome {
    if answer.is_ok() { Outcome::Success } else { Outcome::Failure }
}

fn by_option<T>(answer: &Option<T>) -> Outcome {
    if answer.is_some() { Outcome::Success } else { Outcome::Failure }
}

/// Why a call has no answer.
///
/// It shows itself as the error of the call, or as the rejection.
///
/// ```
/// use panelboard::{Breaker, CallError, Config};
/// use std::io;
///
/// fn read(breaker: &Breaker) -> io::Result<String> {
///     let disk = || Err(io::Error::other("bad sector"));
///     breaker.call(disk).map_err(|error| match error {
///         CallError::Inner(error) => error,
///         CallError::Rejected(rejected) => io::Error::new(io::ErrorKind::WouldBlock, rejected),
///     })
/// }
///
/// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
/// assert_eq!(read(&breaker).map_err(|error| error.to_string()), Err("bad sector".into()));
/// assert_eq!(read(&breaker).map_err(|error| error.kind()), Err(io::ErrorKind::WouldBlock));
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
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

//! Streams whose outcome is decided at their end: the permit goes with the items.
//!
//! A streamed answer is no success when its first byte comes. The wrapper holds the permit until
//! the items say what the call was: the end is a success, an `Err` is a failure, and a stream that
//! is dropped before either is a cancelled call.

use std::{
    iter::FusedIterator,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::stream::{FusedStream, Stream};
use pin_project_lite::pin_project;

use crate::{
    breaker::Breaker,
    counts::Outcome,
    fault,
    panel::Handle,
    permit::{Permit, Recorded, Rejected},
};

impl<B: Deref<Target = Breaker>> Permit<B> {
    /// Goes with `stream`, which decides how the call ends: see [`Guarded`].
    ///
    /// Take the permit before the request is made, so that a rejection makes none:
    ///
    /// ```
    /// # use futures_util::{FutureExt, Stream, StreamExt, stream};
    /// use panelboard::{Breaker, Config, State};
    ///
    /// # async fn send() -> Result<impl Stream<Item = Result<u8, &'static str>>, &'static str> {
    /// #     Ok(stream::iter([Ok(1), Err("connection reset"), Ok(2)]))
    /// # }
    /// # async {
    /// let breaker = Breaker::new(Config::builder().failure_threshold(1).build()?);
    /// let permit = breaker.acquire()?;
    /// let mut body = match send().await {
    ///     Ok(body) => permit.wrap_stream(body),
    ///     Err(error) => {
    ///         permit.failure();
    ///         return Err(error.into());
    ///     }
    /// };
    /// assert_eq!(body.next().await, Some(Ok(1)));
    /// assert_eq!(breaker.state(), State::Closed);
    /// assert_eq!(body.next().await, Some(Err("connection reset")));
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }.now_or_never().expect("nothing waits")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wrap_stream<S: Stream>(self, stream: S) -> Guarded<S, B> {
        Guarded::new(self, stream, ByResult)
    }

    /// As [`wrap_stream`](Self::wrap_stream), where `classify` says what an item, and what the end
    /// (`None`), means; its answer `None` lets the stream go on. An end that it says nothing of is
    /// a success.
    ///
    /// A classifier that panics is counted, and has said nothing.
    ///
    /// ```
    /// # use futures_util::{FutureExt, StreamExt, stream};
    /// use panelboard::{Breaker, Config, Outcome};
    ///
    /// # async {
    /// let breaker = Breaker::new(Config::default());
    /// let events = stream::iter(["data: {}", "data: [DONE]", ": trailing comment"]);
    /// let mut events = breaker.acquire()?.wrap_stream_with(events, |event| match event {
    ///     Some(&"data: [DONE]") => Some(Outcome::Success),
    ///     Some(_) => None,
    ///     // It was cut before it was done.
    ///     None => Some(Outcome::Failure),
    /// });
    /// events.next().await;
    /// assert!(events.recorded().is_none());
    /// events.next().await;
    /// assert!(events.recorded().is_some());
    /// # Ok::<(), panelboard::Rejected>(())
    /// # }.now_or_never().expect("nothing waits")?;
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn wrap_stream_with<S, F>(self, stream: S, classify: F) -> Guarded<S, B, F>
    where
        S: Stream,
        F: FnMut(Option<&S::Item>) -> Option<Outcome>,
    {
        Guarded::new(self, stream, classify)
    }

    /// Goes with an iterator, as [`wrap_stream`](Self::wrap_stream) with a stream.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let rows = [Ok(1), Ok(2), Err("cursor lost")];
    /// let sum: Result<i32, _> = breaker.acquire()?.wrap_iter(rows).sum();
    /// assert_eq!(sum, Err("cursor lost"));
    /// assert_eq!(breaker.snapshot().counts.failures, 1);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn wrap_iter<I: IntoIterator>(self, items: I) -> Guarded<I::IntoIter, B> {
        Guarded::new(self, items.into_iter(), ByResult)
    }
}

impl Breaker {
    /// Admits a stream that is there already, and has it decide how the call ends: see
    /// [`Guarded`]. Where making the stream is the call, [`acquire`](Self::acquire) first and
    /// [`Permit::wrap_stream`] then.
    ///
    /// ```
    /// # use futures_util::{FutureExt, StreamExt, stream};
    /// use panelboard::{Breaker, Config};
    ///
    /// # async {
    /// let breaker = Breaker::new(Config::default());
    /// let lines = stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]);
    /// assert_eq!(breaker.wrap_stream(lines)?.count().await, 2);
    /// # Ok::<(), panelboard::Rejected>(())
    /// # }.now_or_never().expect("nothing waits")?;
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire); then the stream is dropped without a poll.
    pub fn wrap_stream<S: Stream>(&self, stream: S) -> Result<Guarded<S, &Self>, Rejected> {
        Ok(self.acquire()?.wrap_stream(stream))
    }
}

impl Handle {
    /// As [`Breaker::wrap_stream`], with a stream that owns its permit: it may go to other threads
    /// and tasks, and into the body of an answer.
    ///
    /// ```
    /// # use futures_util::{FutureExt, StreamExt, stream};
    /// use panelboard::{Guarded, Panel};
    ///
    /// fn goes_anywhere<T: Send + 'static>(stream: T) -> T { stream }
    ///
    /// # async {
    /// let panel = Panel::builder().build();
    /// let lines = stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]);
    /// let lines: Guarded<_> = goes_anywhere(panel.breaker("search")?.wrap_stream(lines)?);
    /// assert_eq!(lines.count().await, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }.now_or_never().expect("nothing waits")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Breaker::acquire`]; then the stream is dropped without a poll.
    pub fn wrap_stream<S: Stream>(&self, stream: S) -> Result<Guarded<S>, Rejected> {
        Ok(self.acquire_owned()?.wrap_stream(stream))
    }
}

pin_project! {
    /// A stream or an iterator that holds the permit of its call until its items decide.
    ///
    /// | what happens first                   | the call is                                       |
    /// | ------------------------------------ | ------------------------------------------------- |
    /// | the end                              | a success                                         |
    /// | an item that is `Err`                | a failure; later items pass and record nothing    |
    /// | the classifier names an outcome      | that                                              |
    /// | it is dropped                        | cancelled: a probe's place is free again          |
    /// | it panics                            | a failure, unless [`panic_is_failure`] is off     |
    /// | [`decide`](Self::decide)             | what it says                                      |
    ///
    /// Items pass unchanged. It is fused: after its end it answers `None` and asks the wrapped one
    /// nothing more. It is `Send`, `'static` and `Unpin` if what it holds is; `F` can be a function
    /// pointer where the type must have a name.
    ///
    /// ```
    /// use panelboard::{Breaker, Guarded, Outcome};
    ///
    /// /// A file that is read a line at a time, from a share that may be gone.
    /// struct Lines<'a, I>(Guarded<I, &'a Breaker, fn(Option<&String>) -> Option<Outcome>>);
    ///
    /// impl<I: Iterator<Item = String>> Iterator for Lines<'_, I> {
    ///     type Item = String;
    ///
    ///     fn next(&mut self) -> Option<String> {
    ///         self.0.next()
    ///     }
    /// }
    /// ```
    ///
    /// [`panic_is_failure`]: crate::ConfigBuilder::panic_is_failure
    #[derive(Debug)]
    #[must_use = "it must be polled or iterated, and dropping it is a cancelled call"]
    pub struct Guarded<S, B = Handle, F = ByResult>
    where
        B: Deref<Target = Breaker>,
    {
        #[pin]
        inner: S,
        classify: F,
        call: Call<B>,
        ended: bool,
    }
}

/// How far the call is.
#[derive(Debug)]
enum Call<B: Deref<Target = Breaker>> {
    Undecided(Permit<B>),
    Decided(Recorded),
    /// A panic went through it, and dropped its permit.
    Lost,
}

impl<S, B: Deref<Target = Breaker>, F> Guarded<S, B, F> {
    /// Puts a permit, a stream or an iterator, and a classifier together. For results and for
    /// closures, [`Permit::wrap_stream`] and its kin are shorter.
    ///
    /// ```
    /// use panelboard::{Breaker, ByResult, Config, Guarded};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let rows = [Ok::<_, std::io::Error>(1), Ok(2)].into_iter();
    /// assert_eq!(Guarded::new(breaker.acquire()?, rows, ByResult).count(), 2);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn new(permit: Permit<B>, inner: S, classify: F) -> Self {
        Self { inner, classify, call: Call::Undecided(permit), ended: false }
    }

    /// Ends the call by what somebody outside has seen: an item that makes no sense, a pause that
    /// is too long. None if it is decided already.
    ///
    /// ```
    /// # use futures_util::{FutureExt, stream};
    /// use panelboard::{Breaker, Config, Outcome, Recorded};
    /// use std::pin::pin;
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let hangs = stream::pending::<Result<u8, std::io::Error>>();
    /// let mut body = pin!(breaker.wrap_stream(hangs)?);
    /// // No item for as long as we wait.
    /// assert_eq!(body.as_mut().decide(Outcome::Failure), Some(Recorded::Counted));
    /// assert_eq!(body.decide(Outcome::Success), None);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn decide(self: Pin<&mut Self>, outcome: Outcome) -> Option<Recorded> {
        self.project().call.decide(outcome)
    }

    /// What the outcome came to; None while it is undecided.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, Recorded};
    ///
    /// let breaker = Breaker::new(Config::default());
    /// let mut rows = breaker.acquire()?.wrap_iter([Ok::<u8, ()>(1)]);
    /// rows.next();
    /// assert_eq!(rows.recorded(), None);
    /// rows.next();
    /// assert_eq!(rows.recorded(), Some(&Recorded::Counted));
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    #[must_use]
    pub fn recorded(&self) -> Option<&Recorded> {
        match &self.call {
            Call::Decided(recorded) => Some(recorded),
            _ => None,
        }
    }
}

impl<B: Deref<Target = Breaker>> Call<B> {
    fn decide(&mut self, outcome: Outcome) -> Option<Recorded> {
        match std::mem::replace(self, Self::Lost) {
            Self::Undecided(permit) => {
                let recorded = permit.end(outcome);
                *self = Self::Decided(recorded);
                Some(recorded)
            }
            decided => {
                *self = decided;
                None
            }
        }
    }

    /// Runs the wrapped one's code. A panic in it meets the permit on its way, and not where the
    /// wrapper is dropped, which may be after somebody has caught the panic.
    fn during<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let call = std::mem::replace(self, Self::Lost);
        let answer = work();
        *self = call;
        answer
    }

    /// Ends the call if the classifier says how. `item` is None at the end, which is a success
    /// unless it says otherwise.
    fn look<T>(&mut self, item: Option<&T>, classifier: &mut impl ClassifyItem<T>) {
        let Self::Undecided(permit) = &*self else { return };
        let said = catch_unwind(AssertUnwindSafe(|| classifier.classify(item)));
        let said = said.unwrap_or_else(|_| {
            permit.breaker().counts.panicked();
            None
        });
        let ends = item.is_none() || fault::STREAM_DECIDES_EARLY.planted();
        let at_end = ends.then_some(Outcome::Success);
        if let Some(outcome) = said.or(at_end) {
            self.decide(outcome);
        }
    }
}

impl<S, B, F> Stream for Guarded<S, B, F>
where
    S: Stream,
    B: Deref<Target = Breaker>,
    F: ClassifyItem<S::Item>,
{
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let item = ready!(this.call.during(|| this.inner.poll_next(cx)));
        *this.ended = item.is_none();
        this.call.look(item.as_ref(), this.classify);
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.ended { (0, Some(0)) } else { self.inner.size_hint() }
    }
}

impl<S, B, F> FusedStream for Guarded<S, B, F>
where
    S: Stream,
    B: Deref<Target = Breaker>,
    F: ClassifyItem<S::Item>,
{
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<S, B, F> Iterator for Guarded<S, B, F>
where
    S: Iterator,
    B: Deref<Target = Breaker>,
    F: ClassifyItem<S::Item>,
{
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        if self.ended {
            return None;
        }
        let item = self.call.during(|| self.inner.next());
        self.ended = item.is_none();
        self.call.look(item.as_ref(), &mut self.classify);
        item
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.ended { (0, Some(0)) } else { self.inner.size_hint() }
    }
}

impl<S, B, F> FusedIterator for Guarded<S, B, F>
where
    S: Iterator,
    B: Deref<Target = Breaker>,
    F: ClassifyItem<S::Item>,
{
}

/// What an item, or the end, means for the call that made the stream. Closures are classifiers;
/// implement it where the classifier needs a state or a name.
///
/// ```
/// # use futures_util::{FutureExt, StreamExt, stream};
/// use panelboard::{Breaker, ClassifyItem, Config, Guarded, Outcome};
///
/// /// A body is whole when it has as many bytes as its head said.
/// struct Length(usize);
///
/// impl ClassifyItem<Vec<u8>> for Length {
///     fn classify(&mut self, item: Option<&Vec<u8>>) -> Option<Outcome> {
///         match item {
///             Some(bytes) => self.0 = self.0.saturating_sub(bytes.len()),
///             None if self.0 > 0 => return Some(Outcome::Failure),
///             None => {}
///         }
///         None
///     }
/// }
///
/// # async {
/// let breaker = Breaker::new(Config::default());
/// let cut = stream::iter([vec![1; 500], vec![1; 400]]);
/// let body: Guarded<_, _, Length> = Guarded::new(breaker.acquire()?, cut, Length(1_000));
/// assert_eq!(body.count().await, 2);
/// assert_eq!(breaker.snapshot().counts.failures, 1);
/// # Ok::<(), panelboard::Rejected>(())
/// # }.now_or_never().expect("nothing waits")?;
/// # Ok::<(), panelboard::Rejected>(())
/// ```
pub trait ClassifyItem<T> {
    /// Asked at each item, and at the end (`None`), until it names an outcome. `None` lets the
    /// stream go on; an end that it says nothing of is a success.
    ///
    /// Runs outside every lock. If it panics, that is counted, and it has said nothing.
    fn classify(&mut self, item: Option<&T>) -> Option<Outcome>;
}

/// Classifies items that are results: `Err` is a failure, the end a success. What [`Guarded`] does
/// if it is told nothing else.
///
/// ```
/// use panelboard::{ByResult, ClassifyItem, Outcome};
///
/// assert_eq!(ByResult.classify(Some(&Ok::<_, ()>(1))), None);
/// assert_eq!(ByResult.classify(Some(&Err::<u8, _>(()))), Some(Outcome::Failure));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByResult;

impl<T, E> ClassifyItem<Result<T, E>> for ByResult {
    fn classify(&mut self, item: Option<&Result<T, E>>) -> Option<Outcome> {
        item?.is_err().then_some(Outcome::Failure)
    }
}

impl<T, F: FnMut(Option<&T>) -> Option<Outcome>> ClassifyItem<T> for F {
    fn classify(&mut self, item: Option<&T>) -> Option<Outcome> {
        self(item)
    }
}

//! Whose fault is an answer? What counts against the service, what is the caller's own doing?

use std::{
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use http::HeaderMap;
use panelboard::{Breaker, Permit};

mod grpc;
mod http_status;

pub use grpc::Grpc;
pub use http_status::Http;

/// What an answer says about the service.
///
/// ```
/// use http::{StatusCode, response::Parts};
/// use panelboard_tower::Verdict;
/// use std::io;
///
/// fn classify(answer: Result<&Parts, &io::Error>) -> Verdict {
///     match answer.map(|head| head.status) {
///         Ok(StatusCode::TOO_MANY_REQUESTS) => Verdict::Ignored, // ours to mend
///         Ok(status) if status.is_server_error() => Verdict::Failure,
///         Ok(_) => Verdict::Success,
///         Err(_) => Verdict::Failure,
///     }
/// }
/// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
/// assert!(matches!(classify(Err(&refused)), Verdict::Failure));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// It did its work, if the body comes whole; a body that breaks is a failure.
    Success,
    /// It did not. Recorded at once.
    Failure,
    /// Nothing: the request was at fault. Recorded at once; a probe's place is free again.
    Ignored,
    /// It wants no calls for so long: [`Permit::open_for`], recorded at once.
    OpenFor(Duration),
    /// Only the end of the body will tell: the function is given the trailers, if there are any.
    /// What is `AtEnd` again then is a success.
    AtEnd(fn(Option<&HeaderMap>) -> Verdict),
}

impl Verdict {
    pub(crate) fn end<B: Deref<Target = Breaker>>(self, permit: Permit<B>) {
        match self.settled(None) {
            Self::Failure => drop(permit.failure()),
            Self::Ignored => drop(permit.ignore()),
            Self::OpenFor(time) => drop(permit.open_for(time, "retry-after")),
            Self::Success | Self::AtEnd(_) => drop(permit.success()),
        }
    }

    /// The verdict of the whole answer, of which nothing more will come.
    pub(crate) fn settled(self, trailers: Option<&HeaderMap>) -> Self {
        let Self::AtEnd(judge) = self else { return self };
        match contained(|| judge(trailers), || Self::Success) {
            Self::AtEnd(_) => Self::Success,
            settled => settled,
        }
    }
}

/// Says what an answer means. A closure `Fn(Result<&T, &E>) -> Verdict` is one.
///
/// `T` is the head of the response ([`http::response::Parts`]) for
/// [`BreakerLayer`](crate::BreakerLayer), the whole response for [`CallLayer`](crate::CallLayer).
///
/// It is called once for each call that was made. One that panics is contained, and the answer
/// counts as [`Http`] or, for a [`CallLayer`](crate::CallLayer), [`ByResult`] says.
///
/// ```
/// use http::{StatusCode, response::Parts};
/// use panelboard_tower::{Classify, Http, Verdict};
/// use std::io;
///
/// // As the default, but a login that fails says that the service's own credentials are gone.
/// let classify = |answer: Result<&Parts, &io::Error>| match answer {
///     Ok(head) if head.status == StatusCode::UNAUTHORIZED => Verdict::Failure,
///     answer => Http::default().classify(answer),
/// };
/// # fn is_one(_: impl Classify<Parts, io::Error>) {}
/// # is_one(classify);
/// ```
pub trait Classify<T, E> {
    /// What `answer` says about the service.
    fn classify(&self, answer: Result<&T, &E>) -> Verdict;
}

impl<T, E, F: Fn(Result<&T, &E>) -> Verdict> Classify<T, E> for F {
    fn classify(&self, answer: Result<&T, &E>) -> Verdict {
        self(answer)
    }
}

/// `Ok` is a success, `Err` a failure: the default of [`CallLayer`](crate::CallLayer).
///
/// ```
/// use panelboard_tower::{ByResult, Classify, Verdict};
///
/// assert!(matches!(ByResult.classify(Ok::<_, &()>(&7)), Verdict::Success));
/// assert!(matches!(ByResult.classify(Err::<&(), _>(&7)), Verdict::Failure));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByResult;

impl<T, E> Classify<T, E> for ByResult {
    fn classify(&self, answer: Result<&T, &E>) -> Verdict {
        if answer.is_ok() { Verdict::Success } else { Verdict::Failure }
    }
}

/// The verdict of `classify`, or, if it panics, of `default`.
pub(crate) fn judge<T, E>(
    classify: &impl Classify<T, E>,
    default: &impl Classify<T, E>,
    answer: Result<&T, &E>,
) -> Verdict {
    contained(|| classify.classify(answer), || default.classify(answer))
}

fn contained(judge: impl FnOnce() -> Verdict, default: impl FnOnce() -> Verdict) -> Verdict {
    // What it captures is only read, or is the classifier's own.
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| default())
}

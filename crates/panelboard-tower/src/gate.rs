//! What stands before a call: is the inner service ready, and does the breaker admit?

use std::{
    mem,
    task::{Context, Poll, Waker},
};

use tower_service::Service;

use crate::{Breakers, CallPermit, NoPermit};

/// An inner service, and the breakers before it.
#[derive(Clone, Debug)]
pub(crate) struct Gate<S, P> {
    pub(crate) inner: S,
    breakers: P,
    /// Ready because the breaker was rejecting; the inner service has not said that it is.
    unasked: bool,
}

impl<S, P> Gate<S, P> {
    pub(crate) fn new(inner: S, breakers: P) -> Self {
        Self { inner, breakers, unasked: false }
    }

    /// Asks the inner service, unless its answer will not matter: a service that is never ready
    /// must not hold up a rejection, and one that is must not keep a place for a call that will not
    /// be made.
    pub(crate) fn poll_ready<R>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<R>,
        P: Breakers<R>,
    {
        self.unasked = self.breakers.would_reject();
        if self.unasked { Poll::Ready(Ok(())) } else { self.inner.poll_ready(cx) }
    }

    /// Asks the breaker. With the permit, the inner service is ready.
    pub(crate) fn acquire<R>(&mut self, request: &R) -> Result<CallPermit, NoPermit>
    where
        S: Service<R>,
        P: Breakers<R>,
    {
        let unasked = mem::take(&mut self.unasked);
        let permit = self.breakers.acquire(request)?;
        if unasked {
            // The breaker has begun to admit since. Nobody can wait here: who is not ready now is
            // asked again by the next `poll_ready`, which registers its waker.
            let mut cx = Context::from_waker(Waker::noop());
            if !matches!(self.inner.poll_ready(&mut cx), Poll::Ready(Ok(()))) {
                return Err(NoPermit::NotReady);
            }
        }
        Ok(permit)
    }
}

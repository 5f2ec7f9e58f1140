//! A rejection that is an answer: for services that must not fail.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Error, NoPermit, PermitBody};

/// Answers calls that get no permit; made by
/// [`BreakerLayer::rejected_with`](crate::BreakerLayer::rejected_with).
///
/// ```
/// use panelboard::Panel;
/// use panelboard_tower::{AnswerLayer, BreakerLayer, unavailable};
///
/// let panel: Panel = Panel::builder().build();
/// let breaker = BreakerLayer::new(panel.breaker("db")?);
/// let layer: AnswerLayer<_, _> = breaker.rejected_with(unavailable::<String>);
/// # let _ = layer;
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnswerLayer<L, F> {
    breaker: L,
    answer: F,
}

impl<L, F> AnswerLayer<L, F> {
    pub(crate) fn new(breaker: L, answer: F) -> Self {
        Self { breaker, answer }
    }
}

impl<S, L: Layer<S>, F: Clone> Layer<S> for AnswerLayer<L, F> {
    type Service = Answered<L::Service, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Answered { service: self.breaker.layer(inner), answer: self.answer.clone() }
    }
}

/// A [`BreakerService`](crate::BreakerService) whose rejections are responses; made by
/// [`AnswerLayer`].
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use panelboard::Panel;
/// use panelboard_tower::{Answered, BreakerLayer, unavailable};
/// use std::convert::Infallible;
/// use tower::{Layer, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let panel: Panel = Panel::builder().build();
/// let breaker = panel.breaker("db")?;
/// breaker.force_open();
/// let service: Answered<_, _> = BreakerLayer::new(breaker)
///     .rejected_with(unavailable)
///     .layer(tower::service_fn(async |_: Request<()>| {
///         Ok::<_, Infallible>(Response::new(String::new()))
///     }));
/// let response = service.oneshot(Request::new(())).await?;
/// assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Answered<S, F> {
    service: S,
    answer: F,
}

impl<S, F, R, B, E> Service<R> for Answered<S, F>
where
    S: Service<R, Response = Response<PermitBody<B>>, Error = Error<E>>,
    F: Fn(&NoPermit) -> Response<B> + Clone,
{
    type Response = Response<PermitBody<B>>;
    type Error = E;
    type Future = AnswerFuture<S::Future, F>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        match ready!(self.service.poll_ready(cx)) {
            Err(Error::Inner(error)) => Poll::Ready(Err(error)),
            // Readiness asks no breaker: there is nothing else to it.
            Ok(()) | Err(Error::Rejected(_) | Error::Panel(_) | Error::NotReady) => {
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, request: R) -> Self::Future {
        AnswerFuture { future: self.service.call(request), answer: self.answer.clone() }
    }
}

pin_project! {
    /// The answer of an [`Answered`] service. Dropping it is a cancelled call.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use panelboard::Panel;
    /// use panelboard_tower::{BreakerLayer, unavailable};
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let breaker = panel.breaker("db")?;
    /// let layer = BreakerLayer::new(breaker.clone()).rejected_with(unavailable);
    /// let mut service = layer.layer(tower::service_fn(async |_: Request<()>| {
    ///     Ok::<_, Infallible>(Response::new(String::new()))
    /// }));
    /// drop(service.call(Request::new(())));
    /// assert_eq!(breaker.snapshot().counts.cancelled, 1);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[derive(Debug)]
    pub struct AnswerFuture<T, F> {
        #[pin]
        future: T,
        answer: F,
    }
}

impl<T, F, B, E> Future for AnswerFuture<T, F>
where
    T: Future<Output = Result<Response<PermitBody<B>>, Error<E>>>,
    F: Fn(&NoPermit) -> Response<B>,
{
    type Output = Result<Response<PermitBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let why = match ready!(this.future.poll(cx)) {
            Ok(response) => return Poll::Ready(Ok(response)),
            Err(Error::Inner(error)) => return Poll::Ready(Err(error)),
            Err(Error::Rejected(rejected)) => rejected.into(),
            Err(Error::Panel(error)) => error.into(),
            Err(Error::NotReady) => NoPermit::NotReady,
        };
        Poll::Ready(Ok((this.answer)(&why).map(PermitBody::from)))
    }
}

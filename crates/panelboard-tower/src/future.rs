//! When is there an answer, and who holds the permit until then?

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Method, Response, StatusCode, header, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::{
    CallPermit, Classify, Error, Http, NoPermit, PermitBody, body::Length, classify::judge,
};

pin_project! {
    /// The answer of a [`BreakerService`](crate::BreakerService), or the rejection.
    ///
    /// Dropping it is a cancelled call. The permit was taken when it was made, not at its first
    /// poll: one that is kept unpolled keeps a probe's place.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use panelboard::Panel;
    /// use panelboard_tower::BreakerLayer;
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let breaker = panel.breaker("billing")?;
    /// let mut service = BreakerLayer::new(breaker.clone()).layer(tower::service_fn(
    ///     async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new())),
    /// ));
    /// drop(service.call(Request::new(String::new())));
    /// assert_eq!(breaker.snapshot().counts.cancelled, 1);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[derive(Debug)]
    pub struct ResponseFuture<F, C> {
        #[pin]
        call: Call<F, Follow<C>>,
    }
}

pin_project! {
    /// A call that was made, with what its end needs; or none.
    #[project = CallProjection]
    #[derive(Debug)]
    pub(crate) enum Call<F, N> {
        Made { #[pin] future: F, needed: Option<N> },
        NotMade { why: Option<NoPermit> },
    }
}

impl<F: Future, N> Call<F, N> {
    pub(crate) fn made(future: F, needed: N) -> Self {
        Self::Made { future, needed: Some(needed) }
    }

    pub(crate) fn not_made(why: NoPermit) -> Self {
        Self::NotMade { why: Some(why) }
    }

    pub(crate) fn poll_call(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(F::Output, N), NoPermit>> {
        match self.project() {
            CallProjection::NotMade { why } => {
                Poll::Ready(Err(why.take().expect("a future is not polled after its end")))
            }
            CallProjection::Made { future, needed } => {
                // The permit stands on this stack while the inner future is polled: should that
                // panic, the permit is dropped by the panic, and not later by whoever caught it.
                let held = needed.take().expect("a future is not polled after its end");
                match future.poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Ok((output, held))),
                    Poll::Pending => {
                        *needed = Some(held);
                        Poll::Pending
                    }
                }
            }
        }
    }
}

/// What follows an HTTP call to its end.
#[derive(Debug)]
pub(crate) struct Follow<C> {
    permit: CallPermit,
    classify: C,
    method: Method,
}

impl<C> Follow<C> {
    pub(crate) fn new(permit: CallPermit, classify: C, method: Method) -> Self {
        Self { permit, classify, method }
    }

    /// Nothing was asked of the service after all.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn ignore(self) {
        self.permit.end(crate::Verdict::Ignored);
    }

    /// Records what is certain by now, and lets the body take the rest along.
    pub(crate) fn answer<B, E>(
        self,
        answer: Result<Response<B>, E>,
    ) -> Result<Response<PermitBody<B>>, E>
    where
        B: Body,
        C: Classify<Parts, E>,
    {
        let (head, body) = match answer {
            Ok(response) => response.into_parts(),
            Err(error) => {
                self.permit.end(judge(&self.classify, &Http::default(), Err(&error)));
                return Err(error);
            }
        };
        let verdict = judge::<_, E>(&self.classify, &Http::default(), Ok(&head));
        let announced = announced(&self.method, head.status, &head.headers);
        let body = PermitBody::new(body, self.permit, verdict, announced);
        Ok(Response::from_parts(head, body))
    }
}

/// As HTTP frames it: these methods and statuses have no body, whatever the headers say.
fn announced(method: &Method, status: StatusCode, headers: &HeaderMap) -> Length {
    let tunnel = method == Method::CONNECT && status.is_success();
    let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if method == Method::HEAD || tunnel || empty || status.is_informational() {
        return Length::NoBody;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|text| text.parse().ok()).map_or(Length::Unknown, Length::Bytes)
}

impl<F: Future, C> ResponseFuture<F, C> {
    pub(crate) fn made(future: F, follow: Follow<C>) -> Self {
        Self { call: Call::made(future, follow) }
    }

    pub(crate) fn not_made(why: NoPermit) -> Self {
        Self { call: Call::not_made(why) }
    }
}

impl<F, B, E, C> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    C: Classify<Parts, E>,
{
    type Output = Result<Response<PermitBody<B>>, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, follow) = ready!(self.project().call.poll_call(cx))?;
        Poll::Ready(follow.answer(answer).map_err(Error::Inner))
    }
}

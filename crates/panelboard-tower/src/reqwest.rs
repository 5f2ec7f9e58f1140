//! A breaker as a middleware of `reqwest-middleware`.

use std::borrow::{Borrow, Cow};

use http::response::Parts;
use panelboard::Panel;
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use reqwest_middleware::{Error, Middleware, Next, Result};

use crate::{Breakers, Classify, Http, Keyed, future::Follow};

/// A breaker around the requests of a `reqwest_middleware` client, with the outcome at the end of
/// the response's body.
///
/// A rejection is [`reqwest_middleware::Error::Middleware`] with a [`NoPermit`](crate::NoPermit)
/// within; [`rejection`](crate::rejection) finds it. A request that can't be built is no call, and
/// ignored. Put retries before it (outside), so that each attempt asks the breaker.
///
/// Behind the feature `reqwest-middleware`.
///
/// ```
/// use panelboard::Panel;
/// use panelboard_tower::BreakerMiddleware;
/// use reqwest_middleware::ClientBuilder;
/// use std::borrow::Cow;
///
/// fn host(request: &reqwest::Request) -> Cow<'_, str> {
///     request.url().host_str().unwrap_or_default().into()
/// }
///
/// # fn example(client: reqwest::Client) {
/// let panel: Panel = Panel::builder().build();
/// let client = ClientBuilder::new(client)
///     .with(BreakerMiddleware::keyed(panel, host))
///     .build();
/// # let _ = client;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BreakerMiddleware<P, C = Http> {
    breakers: P,
    classify: C,
}

impl<P> BreakerMiddleware<P> {
    /// All requests ask one breaker; or, with another [`Breakers`], the one that it chooses.
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::BreakerMiddleware;
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let middleware = BreakerMiddleware::new(panel.breaker("search")?);
    /// # let _ = middleware;
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn new(breakers: P) -> Self {
        Self { breakers, classify: Http::default() }
    }
}

impl<K, Q: ?Sized, F> BreakerMiddleware<Keyed<K, Q, F>> {
    /// Each request asks the breaker of its own key; see [`Keyed`].
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::BreakerMiddleware;
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let middleware = BreakerMiddleware::keyed(panel, |request| request.url().path().into());
    /// # let _ = middleware;
    /// ```
    pub fn keyed(panel: Panel<K>, key: F) -> Self
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K>,
        F: Fn(&Request) -> Cow<'_, Q>,
    {
        Self::new(Keyed::new(panel, key))
    }
}

impl<P, C> BreakerMiddleware<P, C> {
    /// Says what an answer means, instead of [`Http`]. It is cloned for each call.
    ///
    /// ```
    /// use http::response::Parts;
    /// use panelboard::Panel;
    /// use panelboard_tower::{BreakerMiddleware, Classify, Http, Verdict};
    /// use reqwest_middleware::Error;
    ///
    /// let panel: Panel = Panel::builder().build();
    /// // What the middlewares within do wrong is not the service's fault.
    /// let classify = |answer: Result<&Parts, &Error>| match answer {
    ///     Err(Error::Middleware(_)) => Verdict::Ignored,
    ///     answer => Http::default().classify(answer),
    /// };
    /// let middleware = BreakerMiddleware::new(panel.breaker("search")?).classify(classify);
    /// # let _ = middleware;
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn classify<D>(self, classify: D) -> BreakerMiddleware<P, D> {
        BreakerMiddleware { breakers: self.breakers, classify }
    }
}

#[async_trait::async_trait]
impl<P, C> Middleware for BreakerMiddleware<P, C>
where
    P: Breakers<Request> + Send + Sync + 'static,
    C: Classify<Parts, Error> + Clone + Send + Sync + 'static,
{
    async fn handle(
        &self,
        request: Request,
        extensions: &mut http::Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let permit = self.breakers.acquire(&request).map_err(Error::middleware)?;
        let follow = Follow::new(permit, self.classify.clone(), request.method().clone());
        // The follow-up, and the permit in it, stand in this future: dropping it releases.
        let answer = next.run(request, extensions).await;
        if matches!(&answer, Err(Error::Reqwest(error)) if error.is_builder()) {
            follow.ignore();
            return answer;
        }
        let url = answer.as_ref().ok().map(|response| response.url().clone());
        let response = follow.answer(answer.map(http::Response::<Body>::from))?;
        Ok(with_url(response.map(Body::wrap), url))
    }
}

/// Reqwest keeps the URL beside the response, and takes it back from an extension only.
fn with_url(mut response: http::Response<Body>, url: Option<reqwest::Url>) -> Response {
    if let Some(url) = url
        && let Ok(carrier) = http::Response::builder().url(url).body(())
    {
        response.extensions_mut().extend(carrier.into_parts().0.extensions);
    }
    response.into()
}

//! A breaker in front of a service that is not HTTP.

use std::{
    borrow::{Borrow, Cow},
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use panelboard::Panel;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Breakers, ByResult, CallPermit, Classify, Error, Keyed, classify::judge, future::Call,
    gate::Gate,
};

/// Puts a breaker in front of any service. The outcome is that of the call's future: for HTTP take
/// [`BreakerLayer`](crate::BreakerLayer), to which a status means something and a body too.
///
/// ```
/// use panelboard::Panel;
/// use panelboard_tower::{CallLayer, Error, Verdict};
/// use std::io;
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let panel: Panel = Panel::builder().build();
/// let layer = CallLayer::new(panel.breaker("cache")?).classify(
///     |answer: Result<&u32, &io::Error>| match answer {
///         Err(error) if error.kind() != io::ErrorKind::NotFound => Verdict::Failure,
///         _ => Verdict::Success,
///     },
/// );
/// let mut service = ServiceBuilder::new()
///     .layer(layer)
///     .service(tower::service_fn(async |n: u32| Ok::<_, io::Error>(n + 1)));
/// assert_eq!(service.ready().await?.call(1).await?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallLayer<P, C = ByResult> {
    breakers: P,
    classify: C,
}

impl<P> CallLayer<P> {
    /// All requests ask one breaker; or, with another [`Breakers`], the one that it chooses.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    /// use panelboard_tower::CallLayer;
    /// use std::sync::Arc;
    ///
    /// let layer = CallLayer::new(Arc::new(Breaker::new(Config::default())));
    /// # let _ = layer;
    /// ```
    pub fn new(breakers: P) -> Self {
        Self { breakers, classify: ByResult }
    }
}

impl<K, Q: ?Sized, F> CallLayer<Keyed<K, Q, F>> {
    /// Each request asks the breaker of its own key; see [`Keyed`].
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::CallLayer;
    /// use std::borrow::Cow;
    ///
    /// struct Query { shard: u32, text: String }
    ///
    /// let panel: Panel<u32> = Panel::builder().build();
    /// let layer = CallLayer::keyed(panel, |query: &Query| Cow::Borrowed(&query.shard));
    /// # let _ = (layer, |query: Query| query.text);
    /// ```
    pub fn keyed<R>(panel: Panel<K>, key: F) -> Self
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K>,
        F: Fn(&R) -> Cow<'_, Q>,
    {
        Self::new(Keyed::new(panel, key))
    }
}

impl<P, C> CallLayer<P, C> {
    /// Says what an answer means, instead of [`ByResult`]. It is cloned for each call.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    /// use panelboard_tower::{CallLayer, Verdict};
    /// use std::sync::Arc;
    ///
    /// let breaker = Arc::new(Breaker::new(Config::default()));
    /// // An empty answer is this service's way to fail.
    /// let layer = CallLayer::new(breaker).classify(|answer: Result<&String, &()>| match answer {
    ///     Ok(text) if !text.is_empty() => Verdict::Success,
    ///     _ => Verdict::Failure,
    /// });
    /// # let _ = layer;
    /// ```
    pub fn classify<D>(self, classify: D) -> CallLayer<P, D> {
        CallLayer { breakers: self.breakers, classify }
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for CallLayer<P, C> {
    type Service = CallService<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { breakers, classify } = self.clone();
        CallService { gate: Gate::new(inner, breakers), classify }
    }
}

/// A service behind a breaker; made by [`CallLayer`]. Readiness as in
/// [`BreakerService`](crate::BreakerService#readiness).
///
/// ```
/// use panelboard::Panel;
/// use panelboard_tower::{CallLayer, CallService};
/// use tower::Layer;
///
/// let panel: Panel = Panel::builder().build();
/// let service: CallService<_, _> = CallLayer::new(panel.breaker("cache")?).layer("the service");
/// assert_eq!(*service.get_ref(), "the service");
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallService<S, P, C = ByResult> {
    gate: Gate<S, P>,
    classify: C,
}

impl<S, P, C> CallService<S, P, C> {
    /// The service behind the breaker; see also [`into_inner`](Self::into_inner).
    ///
    /// ```
    /// # use panelboard::Panel;
    /// # use panelboard_tower::CallLayer;
    /// # use tower::Layer as _;
    /// # let panel: Panel = Panel::builder().build();
    /// let service = CallLayer::new(panel.breaker("cache")?).layer("the service");
    /// assert_eq!(*service.get_ref(), "the service");
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.gate.inner
    }

    /// The service behind the breaker.
    ///
    /// ```
    /// # use panelboard::Panel;
    /// # use panelboard_tower::CallLayer;
    /// # use tower::Layer;
    /// # let panel: Panel = Panel::builder().build();
    /// let service = CallLayer::new(panel.breaker("cache")?).layer("the service");
    /// assert_eq!((*service.get_ref(), service.into_inner()), ("the service", "the service"));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn into_inner(self) -> S {
        self.gate.inner
    }
}

impl<S, P, C, R> Service<R> for CallService<S, P, C>
where
    S: Service<R>,
    P: Breakers<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = CallFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.gate.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let call = match self.gate.acquire(&request) {
            Err(why) => Call::not_made(why),
            Ok(permit) => {
                let needed = (permit, self.classify.clone());
                Call::made(self.gate.inner.call(request), needed)
            }
        };
        CallFuture { call }
    }
}

pin_project! {
    /// The answer of a [`CallService`], or the rejection. Dropping it is a cancelled call.
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::CallLayer;
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let breaker = panel.breaker("cache")?;
    /// let mut service = CallLayer::new(breaker.clone())
    ///     .layer(tower::service_fn(async |n: u32| Ok::<_, Infallible>(n)));
    /// drop(service.call(1));
    /// assert_eq!(breaker.snapshot().counts.cancelled, 1);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[derive(Debug)]
    pub struct CallFuture<F, C> {
        #[pin]
        call: Call<F, (CallPermit, C)>,
    }
}

impl<F, T, E, C> Future for CallFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, (permit, classify)) = ready!(self.project().call.poll_call(cx))?;
        permit.end(judge(&classify, &ByResult, answer.as_ref()));
        Poll::Ready(answer.map_err(Error::Inner))
    }
}

//! A breaker in front of an HTTP service.

use std::{
    borrow::{Borrow, Cow},
    task::{Context, Poll},
};

use http::{Request, Response, response::Parts};
use http_body::Body;
use panelboard::Panel;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    AnswerLayer, Breakers, Classify, Error, Http, Keyed, NoPermit, PermitBody, ResponseFuture,
    future::Follow, gate::Gate,
};

/// Puts a breaker in front of an HTTP service, client or server: anything from [`http::Request`] to
/// [`http::Response`]. See [`BreakerService`].
///
/// `P` gives each request its permit: a [`Handle`](panelboard::Handle), an
/// [`Arc<Breaker>`](panelboard::Breaker), [`Keyed`] or [your own](Breakers). `C` says what an
/// answer means.
///
/// Transitions are told by the panel's events; a breaker without a panel tells nobody but its
/// snapshot.
///
/// ```
/// use http::{Request, Response};
/// use panelboard::Panel;
/// use panelboard_tower::{BreakerLayer, Error};
/// use std::convert::Infallible;
/// use tower::{Service, ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let panel: Panel = Panel::builder().build();
/// let billing = panel.breaker("billing")?;
/// let mut service = ServiceBuilder::new()
///     .layer(BreakerLayer::new(billing.clone()))
///     .service(tower::service_fn(async |_: Request<String>| {
///         Ok::<_, Infallible>(Response::new(String::from("paid")))
///     }));
///
/// let response = service.ready().await?.call(Request::new(String::new())).await?;
/// assert_eq!(response.into_body().into_inner(), "paid");
///
/// billing.force_open();
/// let answer = service.ready().await?.call(Request::new(String::new())).await;
/// assert!(matches!(answer, Err(Error::Rejected(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct BreakerLayer<P, C = Http> {
    breakers: P,
    classify: C,
}

impl<P> BreakerLayer<P> {
    /// All requests ask one breaker; or, with another [`Breakers`], the one that it chooses.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    /// use panelboard_tower::BreakerLayer;
    /// use std::sync::Arc;
    ///
    /// let layer = BreakerLayer::new(Arc::new(Breaker::new(Config::default())));
    /// # let _ = layer;
    /// ```
    pub fn new(breakers: P) -> Self {
        Self { breakers, classify: Http::default() }
    }
}

impl<K, Q: ?Sized, F> BreakerLayer<Keyed<K, Q, F>> {
    /// Each request asks the breaker of its own key; see [`Keyed`]. [`host`](crate::host) is such a
    /// function.
    ///
    /// ```
    /// use http::Request;
    /// use panelboard::Panel;
    /// use panelboard_tower::BreakerLayer;
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let layer = BreakerLayer::keyed(panel, |request: &Request<()>| request.uri().path().into());
    /// # let _ = layer;
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

impl<P, C> BreakerLayer<P, C> {
    /// Says what an answer means, instead of [`Http`]: a closure, [`Grpc`](crate::Grpc), or your
    /// own [`Classify`]. It is cloned for each call.
    ///
    /// ```
    /// use http::response::Parts;
    /// use panelboard::Panel;
    /// use panelboard_tower::{BreakerLayer, Grpc, Verdict};
    /// use std::io;
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let grpc = BreakerLayer::new(panel.breaker("search")?).classify(Grpc);
    /// let own = BreakerLayer::new(panel.breaker("files")?).classify(
    ///     |answer: Result<&Parts, &io::Error>| match answer {
    ///         Ok(head) if head.status.is_server_error() => Verdict::Failure,
    ///         Ok(_) => Verdict::Success,
    ///         Err(error) if error.kind() == io::ErrorKind::InvalidInput => Verdict::Ignored,
    ///         Err(_) => Verdict::Failure,
    ///     },
    /// );
    /// # let _ = (grpc, own);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn classify<D>(self, classify: D) -> BreakerLayer<P, D> {
        BreakerLayer { breakers: self.breakers, classify }
    }

    /// Answers instead of failing: a call without a permit gets the response of `answer`, and the
    /// only errors left are the inner service's own. For servers, whose services must not fail.
    ///
    /// [`unavailable`](crate::unavailable) and [`unavailable_grpc`](crate::unavailable_grpc) are
    /// such functions.
    ///
    /// ```
    /// use http::Response;
    /// use panelboard::Panel;
    /// use panelboard_tower::{BreakerLayer, NoPermit, unavailable};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let breaker = panel.breaker("db")?;
    /// let layer = BreakerLayer::new(breaker.clone()).rejected_with(unavailable::<String>);
    /// let own = BreakerLayer::new(breaker).rejected_with(|why: &NoPermit| {
    ///     unavailable::<String>(why).map(|_| String::from("try later"))
    /// });
    /// # let _ = (layer, own);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn rejected_with<B, F>(self, answer: F) -> AnswerLayer<Self, F>
    where
        F: Fn(&NoPermit) -> Response<B>,
    {
        AnswerLayer::new(self, answer)
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for BreakerLayer<P, C> {
    type Service = BreakerService<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { breakers, classify } = self.clone();
        BreakerService { gate: Gate::new(inner, breakers), classify }
    }
}

/// An HTTP service behind a breaker; made by [`BreakerLayer`].
///
/// # Readiness
/// `poll_ready` asks the inner service and takes no permit; `call` asks the breaker and calls the
/// very service that was ready, so the inner service need not be `Clone`. An error of readiness
/// says that this service is finished, and is not an outcome.
///
/// While its one breaker rejects, the service is ready without asking the inner one: a service that
/// is never ready holds up no rejection. Should the breaker admit by the time of `call`, the inner
/// service is asked then, and if it is not ready at once the call is [`Error::NotReady`]. (A keyed
/// service knows no breaker before it has a request, and always asks the inner one.)
///
/// # Cost
/// A permit that owns its breaker (a reference count up and down, and for a keyed one a look-up), a
/// clone of the classifier and of the method; nothing allocates. The body counts the bytes that
/// pass.
///
/// ```
/// use panelboard::Handle;
/// use panelboard_tower::{BreakerService, Grpc};
///
/// /// A client that names the type of its channel.
/// struct Search<Channel> {
///     channel: BreakerService<Channel, Handle, Grpc>,
/// }
/// # let _ = |search: Search<()>| search.channel;
/// ```
#[derive(Clone, Debug)]
pub struct BreakerService<S, P, C = Http> {
    gate: Gate<S, P>,
    classify: C,
}

impl<S, P, C> BreakerService<S, P, C> {
    /// The service behind the breaker; see also [`into_inner`](Self::into_inner).
    ///
    /// ```
    /// # use panelboard::Panel;
    /// # use panelboard_tower::BreakerLayer;
    /// # use tower::Layer as _;
    /// # let panel: Panel = Panel::builder().build();
    /// let service = BreakerLayer::new(panel.breaker("cache")?).layer("the service");
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
    /// # use panelboard_tower::BreakerLayer;
    /// # use tower::Layer;
    /// # let panel: Panel = Panel::builder().build();
    /// let service = BreakerLayer::new(panel.breaker("files")?).layer("the service");
    /// assert_eq!((*service.get_ref(), service.into_inner()), ("the service", "the service"));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn into_inner(self) -> S {
        self.gate.inner
    }
}

impl<S, P, C, A, B> Service<Request<A>> for BreakerService<S, P, C>
where
    S: Service<Request<A>, Response = Response<B>>,
    P: Breakers<Request<A>>,
    C: Classify<Parts, S::Error> + Clone,
    B: Body,
{
    type Response = Response<PermitBody<B>>;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.gate.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        match self.gate.acquire(&request) {
            Err(why) => ResponseFuture::not_made(why),
            Ok(permit) => {
                let follow = Follow::new(permit, self.classify.clone(), request.method().clone());
                ResponseFuture::made(self.gate.inner.call(request), follow)
            }
        }
    }
}

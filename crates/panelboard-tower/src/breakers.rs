//! Which breaker does a request ask, and what does it get from it?

use std::{borrow::Borrow, borrow::Cow, fmt, hash::Hash, marker::PhantomData, sync::Arc};

use http::{Request, header};
use panelboard::{Breaker, Handle, Key, Panel, Permit, State};

use crate::{Verdict, error::NoPermit};

/// Gives each request its permit: a [`Handle`] or an `Arc<Breaker>` for all of them, or a [`Panel`]
/// by a key ([`Keyed`]).
///
/// Implement it where neither does, for example to choose among a few handles without a look-up:
///
/// ```
/// use panelboard::Handle;
/// use panelboard_tower::{Breakers, CallPermit, NoPermit};
///
/// #[derive(Clone)]
/// struct ByMethod { reads: Handle, writes: Handle }
///
/// impl<B> Breakers<http::Request<B>> for ByMethod {
///     fn acquire(&self, request: &http::Request<B>) -> Result<CallPermit, NoPermit> {
///         let safe = request.method().is_safe();
///         let breaker = if safe { &self.reads } else { &self.writes };
///         Ok(breaker.acquire_owned()?.into())
///     }
/// }
/// ```
pub trait Breakers<R> {
    /// Asks for leave to make one call.
    ///
    /// # Errors
    /// [`NoPermit`]: there will be no call.
    fn acquire(&self, request: &R) -> Result<CallPermit, NoPermit>;

    /// Whether every request would be rejected now: a reading, that takes nothing and promises
    /// nothing. `false`, the default, where that is not known without a request.
    fn would_reject(&self) -> bool {
        false
    }
}

impl<R> Breakers<R> for Handle {
    fn acquire(&self, _: &R) -> Result<CallPermit, NoPermit> {
        Ok(self.acquire_owned()?.into())
    }

    fn would_reject(&self) -> bool {
        rejects_all(self)
    }
}

impl<R> Breakers<R> for Arc<Breaker> {
    fn acquire(&self, _: &R) -> Result<CallPermit, NoPermit> {
        Ok(self.acquire_owned()?.into())
    }

    fn would_reject(&self) -> bool {
        rejects_all(self)
    }
}

/// A breaker that admits a share of its callers rejects nobody before the draw.
fn rejects_all(breaker: &Breaker) -> bool {
    let by_state = matches!(breaker.state(), State::Open | State::HalfOpen | State::ForcedOpen);
    by_state && !breaker.would_admit()
}

/// A panel's breaker for each request, by a key that a function of the request gives. Made by
/// [`BreakerLayer::keyed`](crate::BreakerLayer::keyed) and
/// [`CallLayer::keyed`](crate::CallLayer::keyed).
///
/// The key is a [`Cow`]: one that stands in the request as it is (`Cow::Borrowed`, or `.into()` of
/// a `&str`) costs no allocation unless its breaker is yet to be made. A closure that borrows must
/// be written where it is passed; a function can stand anywhere.
///
/// ```
/// use panelboard::Panel;
/// use panelboard_tower::Keyed;
/// use std::borrow::Cow;
///
/// let panel: Panel = Panel::builder().build();
/// fn tenant<B>(request: &http::Request<B>) -> Cow<'_, str> {
///     let header = request.headers().get("x-tenant").and_then(|value| value.to_str().ok());
///     header.unwrap_or("nobody").into()
/// }
/// let breakers = Keyed::new(panel, tenant::<String>);
/// # let _ = breakers;
/// ```
pub struct Keyed<K, Q: ?Sized, F> {
    panel: Panel<K>,
    key: F,
    /// What the function borrows, which the function's type alone does not tell.
    borrowed: PhantomData<fn(&Q)>,
}

impl<K, Q: ?Sized, F> Keyed<K, Q, F> {
    /// A breaker of `panel` for each request.
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::{Breakers as _, Keyed, Verdict, host};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let breakers = Keyed::new(panel.clone(), host::<()>);
    /// let request = http::Request::get("http://example.org/").body(())?;
    /// breakers.acquire(&request)?.end(Verdict::Success);
    /// assert!(panel.get("example.org").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new<R>(panel: Panel<K>, key: F) -> Self
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K>,
        F: Fn(&R) -> Cow<'_, Q>,
    {
        Self { panel, key, borrowed: PhantomData }
    }
}

impl<R, K, Q, F> Breakers<R> for Keyed<K, Q, F>
where
    K: Key + Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    F: Fn(&R) -> Cow<'_, Q>,
{
    fn acquire(&self, request: &R) -> Result<CallPermit, NoPermit> {
        let key = (self.key)(request);
        Ok(self.panel.breaker::<Q>(&key)?.acquire_owned()?.into())
    }
}

impl<K, Q: ?Sized, F: Clone> Clone for Keyed<K, Q, F> {
    fn clone(&self) -> Self {
        Self { panel: self.panel.clone(), key: self.key.clone(), borrowed: PhantomData }
    }
}

impl<K, Q: ?Sized, F> fmt::Debug for Keyed<K, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").finish_non_exhaustive()
    }
}

/// The authority that an HTTP request is for, as a key: that of its URI (a client's), or else its
/// `Host` header (a server's); empty if it has neither.
///
/// It stands as it was written: `example.org` and `example.org:443` are two keys. On a server the
/// header is the client's to choose, so bound the panel (`max_breakers`) or choose another key.
///
/// ```
/// use http::Request;
/// use panelboard_tower::host;
///
/// let request = Request::get("http://example.org:8080/a?b=c").body(())?;
/// assert_eq!(host(&request), "example.org:8080");
/// let request = Request::get("/a").header("host", "example.org").body(())?;
/// assert_eq!(host(&request), "example.org");
/// # Ok::<(), http::Error>(())
/// ```
#[must_use]
pub fn host<B>(request: &Request<B>) -> Cow<'_, str> {
    let header = || request.headers().get(header::HOST)?.to_str().ok();
    let authority = request.uri().authority().map(|authority| authority.as_str());
    authority.or_else(header).unwrap_or_default().into()
}

/// Leave to make one call, of whichever kind of breaker; see [`Permit`]. Dropping it is a cancelled
/// call.
///
/// ```
/// use panelboard::{Breaker, Config};
/// use panelboard_tower::{CallPermit, Verdict};
/// use std::sync::Arc;
///
/// let breaker = Arc::new(Breaker::new(Config::builder().failure_threshold(1).build()?));
/// let permit: CallPermit = breaker.acquire_owned()?.into();
/// permit.end(Verdict::Failure);
/// assert!(breaker.acquire().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is a cancelled call"]
pub struct CallPermit(Kind);

#[derive(Debug)]
enum Kind {
    Panel(Permit<Handle>),
    Alone(Permit<Arc<Breaker>>),
}

impl CallPermit {
    /// Ends the call with a verdict. [`Verdict::AtEnd`] is asked as for an answer without trailers.
    ///
    /// ```
    /// use panelboard::{Breaker, Config, State};
    /// use panelboard_tower::{CallPermit, Verdict};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let breaker = Arc::new(Breaker::new(Config::default()));
    /// let permit: CallPermit = breaker.acquire_owned()?.into();
    /// permit.end(Verdict::OpenFor(Duration::from_secs(20))); // it wants no calls for so long
    /// assert_eq!(breaker.state(), State::Open);
    /// # Ok::<(), panelboard::Rejected>(())
    /// ```
    pub fn end(self, verdict: Verdict) {
        match self.0 {
            Kind::Panel(permit) => verdict.end(permit),
            Kind::Alone(permit) => verdict.end(permit),
        }
    }
}

impl From<Permit<Handle>> for CallPermit {
    fn from(permit: Permit<Handle>) -> Self {
        Self(Kind::Panel(permit))
    }
}

impl From<Permit<Arc<Breaker>>> for CallPermit {
    fn from(permit: Permit<Arc<Breaker>>) -> Self {
        Self(Kind::Alone(permit))
    }
}

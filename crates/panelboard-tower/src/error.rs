//! Why has a call no answer: because there was none, or because it failed?

use std::{error, fmt};

use panelboard::{PanelError, Rejected};

/// Why a call has no answer.
///
/// It is a [`std::error::Error`] where `E` is one. For services whose error is a boxed one, as
/// tower's own layers have it, see [`into_boxed`](Self::into_boxed).
///
/// ```
/// use panelboard::{Breaker, Config};
/// use panelboard_tower::Error;
/// use std::{error::Error as _, io, sync::Arc};
///
/// let breaker = Breaker::new(Config::default());
/// breaker.force_open();
/// let rejected = breaker.acquire().err().ok_or("admitted")?;
///
/// let error: Error<io::Error> = rejected.into();
/// assert!(matches!(&error, Error::Rejected(rejected) if rejected.retry_after.is_none()));
/// assert_eq!(error.to_string(), "no call was made");
/// let cause = error.source().map(ToString::to_string);
/// assert_eq!(cause.as_deref(), Some("rejected by a breaker that is forced-open"));
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// There was no call: the breaker rejected.
    Rejected(Rejected),
    /// There was no call: the panel has no breaker for the request's key.
    Panel(PanelError),
    /// There was no call: the breaker began to admit after [`poll_ready`] had seen it reject, and
    /// the inner service is not ready yet. Asking again waits for it.
    ///
    /// [`poll_ready`]: crate::BreakerService#readiness
    NotReady,
    /// There was one, and this is its error; or the inner service will never be ready again.
    Inner(E),
}

/// What tower calls a boxed error.
type BoxError = Box<dyn error::Error + Send + Sync>;

impl<E: Into<BoxError>> Error<E> {
    /// As tower's `BoxError`: the inner error itself, or the [`Rejected`], the [`PanelError`] or
    /// [`NoPermit::NotReady`].
    ///
    /// For stacks whose inner error is boxed already, where `Error<BoxError>` is no
    /// [`std::error::Error`]: put it in a `map_err` around the breaker.
    ///
    /// ```
    /// use panelboard::Panel;
    /// use panelboard_tower::{CallLayer, Error};
    /// use std::{io, time::Duration};
    /// use tower::{BoxError, Service, ServiceBuilder, timeout::TimeoutLayer};
    ///
    /// let panel: Panel = Panel::builder().build();
    /// let service = ServiceBuilder::new()
    ///     .map_err(Error::into_boxed)
    ///     .layer(CallLayer::new(panel.breaker("billing")?))
    ///     .layer(TimeoutLayer::new(Duration::from_secs(1)))
    ///     .service(tower::service_fn(async |n: u32| Ok::<_, io::Error>(n)));
    /// # fn is_boxed<S: Service<u32, Error = BoxError>>(_: &S) {}
    /// # is_boxed(&service);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn into_boxed(self) -> BoxError {
        match self {
            Self::Rejected(rejected) => rejected.into(),
            Self::Panel(error) => error.into(),
            Self::NotReady => NoPermit::NotReady.into(),
            Self::Inner(error) => error.into(),
        }
    }
}

impl<E> From<Rejected> for Error<E> {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl<E> From<NoPermit> for Error<E> {
    fn from(why: NoPermit) -> Self {
        match why {
            NoPermit::Rejected(rejected) => Self::Rejected(rejected),
            NoPermit::Panel(error) => Self::Panel(error),
            NoPermit::NotReady => Self::NotReady,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(_) | Self::Panel(_) => f.write_str("no call was made"),
            Self::NotReady => NoPermit::NotReady.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: error::Error + 'static> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Panel(error) => Some(error),
            Self::NotReady => None,
            Self::Inner(error) => error.source(),
        }
    }
}

/// Why a call got no permit.
///
/// ```
/// use panelboard_tower::NoPermit;
///
/// fn told(why: &NoPermit) -> String {
///     match why {
///         NoPermit::Rejected(rejected) => format!("try later: {}", rejected.state),
///         NoPermit::Panel(error) => format!("misconfigured: {error}"),
///         NoPermit::NotReady => "try again".into(),
///     }
/// }
/// # let _ = told;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// The breaker rejected.
    Rejected(Rejected),
    /// The panel has no breaker for the request's key.
    Panel(PanelError),
    /// See [`Error::NotReady`].
    NotReady,
}

impl From<Rejected> for NoPermit {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<PanelError> for NoPermit {
    fn from(error: PanelError) -> Self {
        Self::Panel(error)
    }
}

impl fmt::Display for NoPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected(_) | Self::Panel(_) => "no call was made",
            Self::NotReady => "no call was made: the service is not ready yet",
        })
    }
}

impl error::Error for NoPermit {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::Panel(error) => Some(error),
            Self::NotReady => None,
        }
    }
}

/// The rejection that is behind `error`, wherever in its chain of sources: other layers and clients
/// (tonic's `Status`, reqwest-middleware) wrap what this crate returns.
///
/// ```
/// use panelboard::{Breaker, Config, Rejected};
/// use panelboard_tower::{Error, rejection};
/// use std::io;
///
/// let breaker = Breaker::new(Config::default());
/// breaker.force_open();
/// let rejected = breaker.acquire().err().ok_or("admitted")?;
///
/// let wrapped = io::Error::other(Error::<io::Error>::Rejected(rejected));
/// assert_eq!(rejection(&wrapped), Some(&rejected));
/// assert_eq!(rejection(&io::Error::other("cable")), None);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn rejection<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Rejected> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rejected) = error.downcast_ref() {
            return Some(rejected);
        }
        next = error.source();
    }
    None
}

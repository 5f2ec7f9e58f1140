//! What does a client read of a call that was not made?

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::NoPermit;

/// A `503 Service Unavailable` with an empty body, and with `Retry-After` in whole seconds where
/// the time is known: rounded up, at least 1.
///
/// Without a permit, nothing was done: the request may be sent again whatever its method.
///
/// ```
/// use panelboard::{Breaker, Clock, Config};
/// use panelboard_tower::{NoPermit, unavailable};
/// use std::time::Duration;
///
/// let config = Config::builder().recovery_timeout(Duration::from_secs(30)).jitter(0.0).build()?;
/// let (clock, hand) = Clock::manual();
/// let breaker = Breaker::with_clock(config, clock);
/// breaker.trip();
/// hand.advance(Duration::from_millis(700));
/// let rejected = breaker.acquire().err().ok_or("admitted")?;
/// let response = unavailable::<String>(&NoPermit::Rejected(rejected));
/// assert_eq!(response.status(), 503);
/// assert_eq!(response.headers()["retry-after"], "30");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn unavailable<B: Default>(why: &NoPermit) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    if let Some(wait) = retry_after(why) {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    response
}

/// The gRPC status `UNAVAILABLE`, with an empty body, and with `grpc-retry-pushback-ms` where the
/// time is known: clients that retry wait for that long.
///
/// It serves clients too: around a channel, it turns a rejection into a status that callers know.
///
/// ```
/// use panelboard::{Breaker, Config};
/// use panelboard_tower::{Grpc, NoPermit, unavailable_grpc};
///
/// let breaker = Breaker::new(Config::default());
/// breaker.force_open();
/// let rejected = breaker.acquire().err().ok_or("admitted")?;
/// let response = unavailable_grpc::<String>(&NoPermit::Rejected(rejected));
/// assert_eq!(response.status(), 200);
/// assert_eq!(Grpc::status(response.headers()), Some(14));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn unavailable_grpc<B: Default>(why: &NoPermit) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    let message = match why {
        NoPermit::Rejected(_) => "rejected by a breaker",
        NoPermit::Panel(_) => "no breaker for this request",
        NoPermit::NotReady => "not ready yet",
    };
    headers.insert("grpc-message", HeaderValue::from_static(message));
    if let Some(wait) = retry_after(why) {
        let ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        headers.insert("grpc-retry-pushback-ms", ms.max(1).into());
    }
    response
}

fn retry_after(why: &NoPermit) -> Option<Duration> {
    match why {
        NoPermit::Rejected(rejected) => rejected.retry_after,
        NoPermit::Panel(_) | NoPermit::NotReady => None,
    }
}

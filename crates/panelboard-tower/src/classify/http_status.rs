//! What does an HTTP status say about the service that sent it?

use std::time::Duration;

use http::{StatusCode, header, response::Parts};

use super::{Classify, Verdict};

/// By the status: the default of [`BreakerLayer`](crate::BreakerLayer).
///
/// | answer | verdict |
/// | --- | --- |
/// | an error of the service (no route, reset, timed out) | failure |
/// | 5xx, and 408: the service gave up | failure |
/// | 429 with `Retry-After` | open for that long |
/// | 429 without | failure |
/// | any other 4xx: the request was at fault | ignored |
/// | anything else | success, if the body comes whole |
///
/// `Retry-After` is in seconds or a date; a date is read against the response's own `Date`, so that
/// no two clocks are compared. A 503 is a failure also with `Retry-After`: it often speaks for one
/// of many instances.
///
/// ```
/// use http::Response;
/// use panelboard_tower::{Classify, Http, Verdict};
/// use std::{io, time::Duration};
///
/// let response = Response::builder().status(429).header("retry-after", "20").body(())?;
/// let (head, ()) = response.into_parts();
/// let verdict = Http::default().classify(Ok::<_, &io::Error>(&head));
/// assert!(matches!(verdict, Verdict::OpenFor(time) if time == Duration::from_secs(20)));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Http {
    longest_wait: Duration,
}

impl Http {
    /// Bounds what a service may ask for by `Retry-After`. Default one hour; zero makes every 429 a
    /// plain failure.
    ///
    /// ```
    /// # use panelboard_tower::Http;
    /// let classify = Http::default().longest_wait(std::time::Duration::from_secs(60));
    /// # let _ = classify;
    /// ```
    #[must_use]
    pub fn longest_wait(mut self, time: Duration) -> Self {
        self.longest_wait = time;
        self
    }

    fn status(self, head: &Parts) -> Verdict {
        match head.status {
            StatusCode::TOO_MANY_REQUESTS => match retry_after(head).min(Some(self.longest_wait)) {
                Some(wait) if !wait.is_zero() => Verdict::OpenFor(wait),
                _ => Verdict::Failure,
            },
            StatusCode::REQUEST_TIMEOUT => Verdict::Failure,
            status if status.is_server_error() => Verdict::Failure,
            status if status.is_client_error() => Verdict::Ignored,
            _ => Verdict::Success,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { longest_wait: Duration::from_secs(3_600) }
    }
}

impl<E> Classify<Parts, E> for Http {
    fn classify(&self, answer: Result<&Parts, &E>) -> Verdict {
        answer.map_or(Verdict::Failure, |head| self.status(head))
    }
}

fn retry_after(head: &Parts) -> Option<Duration> {
    let text = |name| head.headers.get(name)?.to_str().ok().map(str::trim);
    let stated = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = stated.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(stated).ok()?;
    let sent = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    until.duration_since(sent).ok()
}

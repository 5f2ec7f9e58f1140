//! What does a gRPC status say about the service that sent it?

use http::{HeaderMap, StatusCode, response::Parts};

use super::{Classify, Verdict};

/// By `grpc-status`, in the head or in the trailers.
///
/// | status | verdict |
/// | --- | --- |
/// | `OK` | success |
/// | `UNKNOWN`, `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `INTERNAL` | failure |
/// | `UNAVAILABLE`, `DATA_LOSS` | failure |
/// | a code that gRPC does not know | failure |
/// | any other: the request was at fault, or the caller cancelled | ignored |
/// | none at all: the stream was cut, or a proxy answered | failure, or by the HTTP status |
///
/// A response without `grpc-status` and with an HTTP status other than 200 is not from a gRPC
/// service; it is read as the protocol's mapping has it (429, 502, 503, 504 are `UNAVAILABLE`, 400
/// is `INTERNAL`, 401, 403, 404 are the caller's, the rest `UNKNOWN`).
///
/// For other codes write a closure; a judge of the trailers is a plain function:
///
/// ```
/// use http::{HeaderMap, response::Parts};
/// use panelboard_tower::{Classify, Grpc, Verdict};
/// use std::io;
///
/// // ABORTED (10) is this service's way to say that it is overloaded.
/// fn code(code: u32) -> Verdict {
///     if code == 10 { Verdict::Failure } else { Grpc::code(code) }
/// }
/// fn end(trailers: Option<&HeaderMap>) -> Verdict {
///     trailers.and_then(Grpc::status).map_or(Verdict::Failure, code)
/// }
/// let classify = |answer: Result<&Parts, &io::Error>| match answer {
///     Ok(head) => Grpc::status(&head.headers).map_or(Verdict::AtEnd(end), code),
///     Err(_) => Verdict::Failure,
/// };
/// # fn is_one(_: impl Classify<Parts, io::Error>) {}
/// # is_one(classify);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc;

impl Grpc {
    /// The verdict on a code, 0 (`OK`) to 16 (`UNAUTHENTICATED`).
    ///
    /// ```
    /// # use panelboard_tower::{Grpc, Verdict};
    /// assert!(matches!(Grpc::code(14), Verdict::Failure)); // UNAVAILABLE
    /// assert!(matches!(Grpc::code(5), Verdict::Ignored)); // NOT_FOUND
    /// ```
    #[must_use]
    pub fn code(code: u32) -> Verdict {
        match code {
            0 => Verdict::Success,
            // CANCELLED, INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
            // FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, UNAUTHENTICATED.
            1 | 3 | 5..=7 | 9..=12 | 16 => Verdict::Ignored,
            _ => Verdict::Failure,
        }
    }

    /// The code in `grpc-status`, if there is one; one that can't be read is 2, `UNKNOWN`.
    ///
    /// ```
    /// # use panelboard_tower::Grpc;
    /// let mut headers = http::HeaderMap::new();
    /// assert_eq!(Grpc::status(&headers), None);
    /// headers.insert("grpc-status", http::HeaderValue::from_static("14"));
    /// assert_eq!(Grpc::status(&headers), Some(14));
    /// ```
    #[must_use]
    pub fn status(headers: &HeaderMap) -> Option<u32> {
        let value = headers.get("grpc-status")?;
        Some(value.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(2))
    }

    fn head(head: &Parts) -> Verdict {
        match (Self::status(&head.headers), head.status) {
            (Some(code), _) => Self::code(code),
            (None, StatusCode::OK) => Verdict::AtEnd(Self::end),
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                Verdict::Ignored
            }
            (None, _) => Verdict::Failure,
        }
    }

    fn end(trailers: Option<&HeaderMap>) -> Verdict {
        trailers.and_then(Self::status).map_or(Verdict::Failure, Self::code)
    }
}

impl<E> Classify<Parts, E> for Grpc {
    fn classify(&self, answer: Result<&Parts, &E>) -> Verdict {
        answer.map_or(Verdict::Failure, Self::head)
    }
}

//! How is a request's body read without trusting whoever sends it?

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The longest body of a request outside the gateway, in bytes. A longer one is answered with 413.
pub(crate) const MAX_JSON: usize = 16 * 1024;

/// Reads a body to its end: at most `limit` bytes, within `time`.
pub(crate) async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, Error> {
    use http_body::Body as _;
    if body.size_hint().lower() > limit as u64 {
        return Err(Error::BodyTooLong { limit });
    }
    match tokio::time::timeout(time, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::BodyTooLong { limit }),
        Ok(Err(_)) => Err(Error::BodyBroken),
        Err(_) => Err(Error::BodyTooSlow { limit: time }),
    }
}

/// Reads a small JSON body; an empty one is `{}`.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, time: Duration) -> Result<T, Error> {
    let bytes = read(body, MAX_JSON, time).await?;
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| Error::BadRequest { what: error.to_string() })
}

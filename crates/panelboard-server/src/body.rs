//! How is a request's body read without trusting whoever sends it?

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The longest body of a request outside the gateway, in bytes. A longer one is answered with 413.
pub(crate) const MAX_JSON: usize = 16 * 1024;

/// Of a body that is too long so much is still taken in, and for so long.
///
/// Whoever is still sending reads no answer; and a connection that is closed with bytes unread
/// makes the other end forget the answer that it has got.
const MAX_REST: u64 = 8 * 1024 * 1024;
const REST_TIME: Duration = Duration::from_secs(1);

/// Reads a body to its end: at most `limit` bytes, within `time`.
pub(crate) async fn read(mut body: Body, limit: usize, time: Duration) -> Result<Bytes, Error> {
    use http_body::Body as _;
    let promised = body.size_hint().lower();
    if promised <= limit as u64 {
        match tokio::time::timeout(time, Limited::new(&mut body, limit).collect()).await {
            Ok(Ok(collected)) => return Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {}
            Ok(Err(_)) => return Err(Error::BodyBroken),
            Err(_) => return Err(Error::BodyTooSlow { limit: time }),
        }
    }
    if promised <= MAX_REST {
        let _ = tokio::time::timeout(REST_TIME.min(time), drop_rest(body)).await;
    }
    Err(Error::BodyTooLong { limit })
}

async fn drop_rest(mut body: Body) {
    let mut left = MAX_REST;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        if bytes > left {
            return;
        }
        left -= bytes;
    }
}

/// Reads a small JSON body; an empty one is `{}`.
pub(crate) async fn json<T: DeserializeOwned>(body: Body, time: Duration) -> Result<T, Error> {
    let bytes = read(body, MAX_JSON, time).await?;
    let text: &[u8] = if bytes.trim_ascii().is_empty() { b"{}" } else { &bytes };
    serde_json::from_slice(text).map_err(|error| Error::BadRequest { what: error.to_string() })
}

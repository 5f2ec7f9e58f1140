//! What does the scripted provider understand of a request?

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The bearer token, or `x-api-key`, or empty.
    pub(crate) key: String,
    /// The how-manieth of its key, from 1.
    pub(crate) n: usize,
    /// `POST`.
    pub(crate) method: String,
    /// `/v1/chat/completions`.
    pub(crate) path: String,
    /// Names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub(crate) body: Bytes,
}

impl Request {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON. Panics if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the gateway sent JSON")
    }
}

/// Reads one request; `None` when the client closed before it began one.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Option<Request>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if from.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(early_end()) };
        }
    };
    let head = String::from_utf8_lossy(&buffer.split_to(end)).into_owned();
    buffer.advance(4);
    let mut request = parse_head(&head);
    request.body = match request.header("content-length").and_then(|len| len.parse().ok()) {
        Some(length) => take(from, buffer, length).await?,
        None if request.header("transfer-encoding") == Some("chunked") => {
            chunks(from, buffer).await?
        }
        None => Bytes::new(),
    };
    Ok(Some(request))
}

fn parse_head(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        key: String::new(),
        n: 0,
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers,
        body: Bytes::new(),
    };
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    request.key = bearer.or_else(|| request.header("x-api-key")).unwrap_or_default().to_owned();
    request
}

async fn take(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    length: usize,
) -> io::Result<Bytes> {
    while buffer.len() < length {
        if from.read_buf(buffer).await? == 0 {
            return Err(early_end());
        }
    }
    Ok(buffer.split_to(length).freeze())
}

async fn line(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<String> {
    loop {
        if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&buffer.split_to(at)).into_owned();
            buffer.advance(2);
            return Ok(line);
        }
        if from.read_buf(buffer).await? == 0 {
            return Err(early_end());
        }
    }
}

async fn chunks(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> io::Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let size = line(from, buffer).await?;
        let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
        body.extend_from_slice(&take(from, buffer, size).await?);
        line(from, buffer).await?;
        if size == 0 {
            return Ok(body.freeze());
        }
    }
}

fn early_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the client left in the middle of its request")
}

//! One connection: it sends a request, and its answer's body gives it back when it has ended.

use std::{
    error::Error as _,
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, response::Parts};
use http_body::Body as _;
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{ConnectError, Transport, connect::Socket};

/// An answer's head must fit in it; also the most that is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// A connection that the server closed while it was idle shows so within a round trip. Silence that
/// breaks later may mean that the provider was at work, and is not repeated unasked.
const STALE_WITHIN: Duration = Duration::from_secs(1);

/// A connection that is not ready for the next request by then is closed.
const READY_WITHIN: Duration = Duration::from_millis(50);

/// A connection to a provider. Dropping it closes the socket, whatever was under way.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
    received: Arc<AtomicU64>,
    reused: bool,
    home: Weak<Transport>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer's head, and the body that is still to come.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) head: Parts,
    pub(crate) body: Body,
}

/// Why no answer came.
#[derive(Debug)]
pub(crate) struct SendError {
    cause: hyper::Error,
    /// Nothing was received on a connection that had been idle: the request may be sent again.
    pub(crate) stale: bool,
}

impl SendError {
    /// Whether what came was no HTTP.
    pub(crate) fn garbage(&self) -> bool {
        self.cause.is_parse()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(&self.cause, f)
    }
}

/// The error with its cause; hyper's own words alone say too little ("error reading a body").
fn describe(error: &hyper::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    match error.source() {
        Some(cause) => write!(f, ": {cause}"),
        None => Ok(()),
    }
}

impl Connection {
    pub(super) async fn new(socket: Socket, home: &Arc<Transport>) -> Result<Self, ConnectError> {
        let received = Arc::clone(&socket.received);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(|e| ConnectError::new("connecting", io::Error::other(e)))?;
        // Its result is told to whoever waits for an answer on it.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, task, received, reused: false, home: Arc::downgrade(home) })
    }

    /// Whether it can take another request. At once in all but the rarest cases, since its last
    /// answer has been read to the end; a server that answered before it had read the request may
    /// never read the rest of it.
    pub(super) async fn ready(&mut self) -> bool {
        self.reused = true;
        !self.sender.is_closed()
            && matches!(timeout(READY_WITHIN, self.sender.ready()).await, Ok(Ok(())))
    }

    /// Sends a request and waits for the answer's head. Dropping the future closes the connection.
    pub(crate) async fn send(mut self, request: Request<Full<Bytes>>) -> Result<Sent, SendError> {
        let received_before = self.received.load(Ordering::Relaxed);
        let begun = Instant::now();
        match self.sender.send_request(request).await {
            Ok(response) => {
                let (head, incoming) = response.into_parts();
                Ok(Sent { head, body: Body { incoming, connection: Some(self) } })
            }
            Err(cause) => {
                let silent = self.received.load(Ordering::Relaxed) == received_before;
                let stale = self.reused && silent && begun.elapsed() < STALE_WITHIN;
                Err(SendError { cause, stale })
            }
        }
    }
}

/// An answer's body. Dropped before its end it closes the connection.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    connection: Option<Connection>,
}

/// Why a body ended too early.
#[derive(Debug)]
pub(crate) struct BodyError(hyper::Error);

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(&self.0, f)
    }
}

impl Body {
    /// The next piece; `None` at the end, when the connection has gone back for the next call.
    pub(crate) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Some(Err(error)) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(BodyError(error))));
                }
                None => {
                    self.give_back();
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The next piece.
    pub(crate) async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Some(home) = connection.home.upgrade()
        {
            home.give_back(connection);
        }
    }
}

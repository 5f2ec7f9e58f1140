//! Reaching an address: name look-up, TCP, TLS. What fails here never reached the provider.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::client::TlsStream;

use super::{Base, Tls};

/// An address that does not answer within so long gets company by the next one (RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Why a provider could not be reached. Holds no secret: the address has none.
#[derive(Debug)]
pub(crate) struct ConnectError {
    step: &'static str,
    cause: Option<io::Error>,
    pub(crate) timed_out: bool,
}

impl ConnectError {
    pub(crate) fn timeout(within: Duration) -> Self {
        let cause = io::Error::other(format!("not within {within:?}"));
        Self { step: "connecting", cause: Some(cause), timed_out: true }
    }

    pub(crate) fn new(step: &'static str, cause: io::Error) -> Self {
        Self { step, cause: Some(cause), timed_out: false }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Some(cause) => write!(f, "{} failed: {cause}", self.step),
            None => write!(f, "{} failed", self.step),
        }
    }
}

impl Error for ConnectError {}

/// Opens a socket to the base, with TLS where it asks for it.
pub(super) async fn connect(base: &Base, tls: Option<&Tls>) -> Result<Socket, ConnectError> {
    let addresses = tokio::net::lookup_host((base.host.as_str(), base.port))
        .await
        .map_err(|e| ConnectError::new("name look-up", e))?;
    let tcp = first_of(addresses).await.map_err(|e| ConnectError::new("connecting", e))?;
    // Without it a small request could wait for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(|e| ConnectError::new("connecting", e))?;
    let stream = match tls.filter(|_| base.tls) {
        None => Stream::Plain(tcp),
        Some(tls) => {
            let stream = tls.handshake(&base.host, tcp).await;
            Stream::Tls(Box::new(stream.map_err(|e| ConnectError::new("TLS", e))?))
        }
    };
    Ok(Socket { stream, received: Arc::default() })
}

/// The first address that answers. Dropping it drops all of them.
async fn first_of(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut under_way = JoinSet::new();
    for address in addresses {
        under_way.spawn(TcpStream::connect(address));
        match tokio::time::timeout(NEXT_ADDRESS, under_way.join_next()).await {
            Ok(Some(Ok(Ok(tcp)))) => return Ok(tcp),
            Ok(Some(Ok(Err(e)))) => last = e,
            _ => {}
        }
    }
    while let Some(ended) = under_way.join_next().await {
        match ended {
            Ok(Ok(tcp)) => return Ok(tcp),
            Ok(Err(e)) => last = e,
            Err(_) => {}
        }
    }
    Err(last)
}

/// A socket that counts what it received: only a request that met silence may be sent again.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    pub(super) received: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls a method of whichever stream it is.
macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().stream {
            Stream::Plain(tcp) => {
                let $stream = Pin::new(tcp);
                $call
            }
            Stream::Tls(tls) => {
                let $stream = Pin::new(tls.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let received = Arc::clone(&self.received);
        let before = buf.filled().len();
        let polled = either!(self, stream => stream.poll_read(cx, buf));
        // Relaxed: read by the task that waits for the answer, after a channel of hyper's.
        received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}

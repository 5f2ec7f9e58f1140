//! For how long may somebody take nothing of what he is sent?
//!
//! Whoever asks and does not read holds a connection, and with a stream of events its session. A
//! slow one is waited for as long as he takes some bytes from time to time.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A connection on which a write fails once nothing was taken for a time.
#[derive(Debug)]
pub(crate) struct Paced<T> {
    io: T,
    time: Duration,
    /// Ends when nothing was taken for too long. Only while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
}

/// Why such a write failed.
#[derive(Debug)]
struct NotRead;

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was sent was not read for too long")
    }
}

impl Error for NotRead {}

/// Whether an error comes of that.
pub(super) fn is_not_read(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.and_then(io::Error::get_ref).is_some_and(|why| why.is::<NotRead>())
    })
}

impl<T> Paced<T> {
    pub(crate) fn new(io: T, time: Duration) -> Self {
        Self { io, time, waits: None }
    }

    pub(crate) fn into_inner(self) -> T {
        self.io
    }

    /// What comes of a write.
    fn judge(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let waits = self.waits.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.time)));
        ready!(waits.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, NotRead)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_takes_nothing_is_given_up_and_who_takes_some_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut paced = Paced::new(near, Duration::from_millis(30));
        for _ in 0..3 {
            paced.write_all(b"four").await.expect("there is room");
            assert!(paced.write(b"more").now_or_never().is_none());
            assert!(paced.waits.is_some());
            // Each byte that is taken begins the time anew.
            far.read_exact(&mut [0; 4]).await.expect("they are there");
            assert_eq!(paced.write(b"").await.expect("there is room"), 0);
            assert!(paced.waits.is_none());
        }
        paced.write_all(b"four").await.expect("there is room");
        let error = paced.write_all(b"more").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(is_not_read(&error));
        assert!(!is_not_read(&io::Error::from(io::ErrorKind::TimedOut)));
    }
}

//! How is a socket read and written, so that an idle one holds nothing?
//!
//! Reading waits until there is something, then reads into a buffer on the stack. Writing keeps
//! what did not go out at once, and nothing else: a frame that many are sent is not copied for any
//! of them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::close;
use super::frame::{self, Broken, Incoming, Reader};

/// How much is read at once.
const READ: usize = 4 * 1024;

/// How many frames go out with one write.
const AT_ONCE: usize = 64;

/// How long the last words to somebody who does not read may take.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    io: TcpStream,
    reader: Reader,
    /// The frames that are to go out; without an allocation when all have.
    out: VecDeque<Bytes>,
    /// How long they are together.
    waiting: usize,
}

/// Why nothing more can be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The connection is gone.
    Gone,
    /// What came breaks the protocol: close with this code.
    Broken(u16),
}

/// Why a write did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The other side does not read.
    Slow,
    /// The connection is gone.
    Gone,
}

impl Socket {
    /// Speaks over `io`, of which `read` has been read already. Messages: at most `limit` bytes.
    pub(crate) fn new(io: TcpStream, read: &[u8], limit: usize) -> Self {
        let mut reader = Reader::new(limit);
        reader.feed(read);
        Self { io, reader, out: VecDeque::new(), waiting: 0 }
    }

    /// The next message. Dropping it loses nothing.
    pub(crate) async fn read(&mut self) -> Result<Incoming, ReadError> {
        poll_fn(|context| self.poll_read(context)).await
    }

    /// As [`read`](Self::read), for whoever waits for other things too.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Incoming, ReadError>> {
        loop {
            match self.reader.next() {
                Ok(Some(incoming)) => return Poll::Ready(Ok(incoming)),
                Ok(None) => {}
                Err(Broken(code)) => return Poll::Ready(Err(ReadError::Broken(code))),
            }
            ready!(self.io.poll_read_ready(context)).map_err(|_| ReadError::Gone)?;
            self.try_read()?;
        }
    }

    fn try_read(&mut self) -> Result<(), ReadError> {
        let mut buffer = [0; READ];
        match self.io.try_read(&mut buffer) {
            Ok(0) => Err(ReadError::Gone),
            Ok(read) => {
                self.reader.feed(&buffer[..read]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(ReadError::Gone),
        }
    }

    /// Adds a text message to what is to go out.
    pub(crate) fn text(&mut self, text: &str) {
        self.frame(frame::encode(text));
    }

    /// Adds a frame that was [encoded](frame::encode) before.
    pub(crate) fn frame(&mut self, frame: Bytes) {
        self.waiting += frame.len();
        self.out.push_back(frame);
    }

    /// As [`frame`](Self::frame), for one beside which nothing else is to go out: what of it goes
    /// out at once is sent, and nothing is kept of that.
    pub(crate) fn frame_at_once(&mut self, frame: &Bytes) {
        // What is wrong is met again by the flush.
        let alone = self.waiting == 0;
        let written = if alone { self.io.try_write(frame).unwrap_or(0) } else { 0 };
        if written < frame.len() {
            self.frame(frame.slice(written..));
        }
    }

    pub(crate) fn ping(&mut self) {
        self.frame(frame::ping());
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.frame(frame::pong(payload));
    }

    /// How many bytes wait to go out.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Sends what goes out at once; whether that is all that waits.
    pub(crate) fn try_flush(&mut self) -> Result<bool, WriteError> {
        while self.waiting > 0 {
            match self.try_write() {
                Ok(0) => return Err(WriteError::Gone),
                Ok(written) => self.is_written(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_) => return Err(WriteError::Gone),
            }
        }
        // Gives the memory back until something is to go out.
        self.out = VecDeque::new();
        Ok(true)
    }

    /// Sends what waits, as long as the other side takes some within each `time`.
    pub(crate) async fn flush(&mut self, time: Duration) -> Result<(), WriteError> {
        while !self.try_flush()? {
            match tokio::time::timeout(time, self.io.writable()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(WriteError::Gone),
                Err(_) => return Err(WriteError::Slow),
            }
        }
        Ok(())
    }

    fn try_write(&self) -> io::Result<usize> {
        if let [one] = self.out.as_slices().0
            && self.out.len() == 1
        {
            return self.io.try_write(one);
        }
        let mut slices = [IoSlice::new(&[]); AT_ONCE];
        let frames = self.out.iter().take(AT_ONCE);
        let count =
            frames.zip(&mut slices).map(|(frame, slice)| *slice = IoSlice::new(frame)).count();
        self.io.try_write_vectored(&slices[..count])
    }

    fn is_written(&mut self, mut written: usize) {
        self.waiting -= written;
        while let Some(first) = self.out.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.out.pop_front();
        }
    }

    /// Says goodbye, if the other side still listens, and ends the connection.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        self.frame(frame::goodbye(code, reason));
        let last = async {
            self.flush(LAST_WORDS).await.ok();
            self.io.shutdown().await.ok();
            // Its own goodbye, so that the system does not answer what is still under way with a
            // reset, which would take our words from it.
            while matches!(self.read().await, Ok(incoming) if !is_close(&incoming)) {}
        };
        // In both cases it is over.
        tokio::time::timeout(LAST_WORDS, last).await.ok();
    }

    /// The code to answer a close with.
    pub(crate) fn answer_to(code: Option<u16>) -> u16 {
        match code {
            Some(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => code,
            Some(_) => close::PROTOCOL,
            None => close::NORMAL,
        }
    }
}

fn is_close(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Close(_))
}

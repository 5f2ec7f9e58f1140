//! How is a socket read and written, so that an idle one holds nothing?
//!
//! Reading waits until there is something, then reads into a buffer on the stack. Writing keeps
//! what did not go out at once, and nothing else.

use std::io;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::close;
use super::frame::{self, Broken, Incoming, Reader};

/// How much is read at once.
const READ: usize = 4 * 1024;

/// How long the last words to somebody who does not read may take.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection that speaks WebSocket.
#[derive(Debug)]
pub(crate) struct Socket {
    io: TcpStream,
    reader: Reader,
    /// What is to go out; without an allocation when all has.
    out: Vec<u8>,
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
        Self { io, reader, out: Vec::new() }
    }

    /// The next message. Dropping it loses nothing.
    pub(crate) async fn read(&mut self) -> Result<Incoming, ReadError> {
        loop {
            match self.reader.next() {
                Ok(Some(incoming)) => return Ok(incoming),
                Ok(None) => {}
                Err(Broken(code)) => return Err(ReadError::Broken(code)),
            }
            self.io.readable().await.map_err(|_| ReadError::Gone)?;
            self.try_read()?;
        }
    }

    /// Not within `read`: a future would hold the buffer while it waits.
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
        frame::put_text(&mut self.out, text);
    }

    pub(crate) fn ping(&mut self) {
        frame::put_ping(&mut self.out);
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        frame::put_pong(&mut self.out, payload);
    }

    /// How many bytes wait to go out.
    pub(crate) fn waiting(&self) -> usize {
        self.out.len()
    }

    /// Sends what waits, as long as the other side takes some within each `time`.
    pub(crate) async fn flush(&mut self, time: Duration) -> Result<(), WriteError> {
        let mut sent = 0;
        let done = loop {
            if sent == self.out.len() {
                break Ok(());
            }
            match tokio::time::timeout(time, self.io.write(&self.out[sent..])).await {
                Ok(Ok(0) | Err(_)) => break Err(WriteError::Gone),
                Ok(Ok(written)) => sent += written,
                Err(_) => break Err(WriteError::Slow),
            }
        };
        match done {
            Ok(()) => self.out = Vec::new(),
            Err(_) => drop(self.out.drain(..sent)),
        }
        done
    }

    /// Says goodbye, if the other side still listens, and ends the connection.
    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        frame::put_close(&mut self.out, code, reason);
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

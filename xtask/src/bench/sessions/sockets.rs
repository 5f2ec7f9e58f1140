//! How are thousands of WebSockets held and read by one thread? By hand, on epoll.
//!
//! The client must cost less than what it measures: it masks with zeros, copies nothing that comes
//! whole, and looks only at what the caller asks for.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use crate::clock;

const LIMIT: Duration = Duration::from_secs(30);
const BATCH: usize = 512;

/// WebSockets to one server, in the order in which they were opened.
pub(super) struct Sockets {
    epoll: OwnedFd,
    sockets: Vec<Socket>,
    events: Vec<epoll::Event>,
    part: Vec<u8>,
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
}

impl Sockets {
    /// # Errors
    /// The system has no epoll.
    pub(super) fn new() -> Result<Self, String> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(|e| e.to_string())?;
        let events = Vec::with_capacity(BATCH);
        Ok(Self { epoll, sockets: Vec::new(), events, part: vec![0; 256 * 1024] })
    }

    /// Opens one more, and sends it `first`. Answers its number.
    ///
    /// # Errors
    /// It is refused.
    pub(super) fn open(
        &mut self,
        address: SocketAddr,
        path: &str,
        first: Option<&str>,
    ) -> Result<usize, String> {
        let (mut stream, rest) = handshake(address, path)?;
        if let Some(text) = first {
            stream.write_all(&masked(text)).map_err(|e| e.to_string())?;
        }
        stream.set_nonblocking(true).map_err(|e| e.to_string())?;
        let number = self.sockets.len();
        let data = epoll::EventData::new_u64(u64::try_from(number).unwrap_or_default());
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN).map_err(|e| e.to_string())?;
        self.sockets.push(Socket { stream, rest });
        Ok(number)
    }

    /// Sends a text on one of them, which has room for it.
    ///
    /// # Errors
    /// It is closed, or full for half a minute.
    pub(super) fn send(&mut self, number: usize, text: &str) -> Result<(), String> {
        let frame = masked(text);
        let mut sent = 0;
        let start = clock::now();
        while sent < frame.len() {
            match self.sockets[number].stream.write(&frame[sent..]) {
                Ok(0) => return Err(format!("socket {number} is closed")),
                Ok(n) => sent += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock && start.elapsed() < LIMIT => {
                    clock::pause(Duration::from_micros(100));
                }
                Err(e) => return Err(format!("socket {number}: {e}")),
            }
        }
        Ok(())
    }

    /// Reads until `done`, which sees each text with its socket's number and the time when it was
    /// read, says so.
    ///
    /// # Errors
    /// A socket is closed, or half a minute is over without an end.
    pub(super) fn read_until(
        &mut self,
        mut done: impl FnMut(usize, &[u8], Instant) -> bool,
    ) -> Result<(), String> {
        let start = clock::now();
        // What came with the handshake.
        let mut ended = false;
        for number in 0..self.sockets.len() {
            if !self.sockets[number].rest.is_empty() {
                ended |= self.frames(number, 0, start, &mut done)?;
            }
        }
        while !ended {
            if start.elapsed() > LIMIT {
                return Err("half a minute without what was waited for".into());
            }
            self.events.clear();
            let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
            match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.to_string()),
            }
            for index in 0..self.events.len() {
                let number = usize::try_from(self.events[index].data.u64()).unwrap_or(usize::MAX);
                let read = match self.sockets[number].stream.read(&mut self.part) {
                    Ok(0) => return Err(format!("socket {number} was closed by the server")),
                    Ok(read) => read,
                    Err(e)
                        if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                    {
                        continue;
                    }
                    Err(e) => return Err(format!("socket {number}: {e}")),
                };
                ended |= self.frames(number, read, clock::now(), &mut done)?;
            }
        }
        Ok(())
    }

    /// Hands on the texts in what was just read; keeps the beginning of the next.
    fn frames(
        &mut self,
        number: usize,
        read: usize,
        now: Instant,
        done: &mut impl FnMut(usize, &[u8], Instant) -> bool,
    ) -> Result<bool, String> {
        let socket = &mut self.sockets[number];
        let mut kept = std::mem::take(&mut socket.rest);
        let bytes: &[u8] = if kept.is_empty() {
            &self.part[..read]
        } else {
            kept.extend_from_slice(&self.part[..read]);
            &kept
        };
        let (mut at, mut ended) = (0, false);
        while let Some((kind, from, to)) = frame(&bytes[at..]) {
            match kind {
                1 => ended |= done(number, &bytes[at + from..at + to], now),
                8 => {
                    let why = String::from_utf8_lossy(&bytes[at + from..at + to]).into_owned();
                    return Err(format!("socket {number} was closed: {why}"));
                }
                _ => {}
            }
            at += to;
        }
        socket.rest = bytes[at..].to_vec();
        Ok(ended)
    }
}

/// Kind of a frame and where its payload lies, once it is whole. Servers do not mask.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, short) = (*bytes.first()? & 15, usize::from(*bytes.get(1)? & 127));
    let (from, length) = match short {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (10, usize::try_from(length).ok()?)
        }
        _ => (2, short),
    };
    (bytes.len() >= from + length).then_some((kind, from, from + length))
}

/// A client's frame: masked, as it must be, with zeros.
pub(super) fn masked(text: &str) -> Vec<u8> {
    let mut frame = header(text.len(), 0x80);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// The head of a text frame.
pub(super) fn header(length: usize, mask: u8) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => vec![0x81, mask | short],
        (_, Ok(middle)) => [&[0x81, mask | 126][..], &middle.to_be_bytes()].concat(),
        _ => {
            let long = u64::try_from(length).unwrap_or(u64::MAX);
            [&[0x81, mask | 127][..], &long.to_be_bytes()].concat()
        }
    }
}

fn handshake(address: SocketAddr, path: &str) -> Result<(TcpStream, Vec<u8>), String> {
    let stream = TcpStream::connect_timeout(&address, LIMIT);
    let mut stream = stream.map_err(|e| format!("cannot connect to {address}: {e}"))?;
    let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LIMIT)));
    set.map_err(|e| e.to_string())?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut head = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).map_err(|e| format!("no handshake: {e}"))?;
        head.extend_from_slice(&part[..read]);
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        match end {
            Some(end) if head.starts_with(b"HTTP/1.1 101") => {
                return Ok((stream, head[end + 4..].to_vec()));
            }
            None if read > 0 => {}
            _ => return Err(format!("no upgrade: {}", String::from_utf8_lossy(&head))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_each_length_are_found() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = header(length, 0);
            bytes.extend(vec![b'x'; length]);
            let whole = bytes.len();
            assert_eq!(frame(&bytes), Some((1, whole - length, whole)), "{length}");
            assert_eq!(frame(&bytes[..whole - 1]), None, "{length}");
        }
    }
}

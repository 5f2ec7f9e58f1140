//! How do messages get to a daemon, and which of them did?

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    clock::{end_of_wait, until},
    sink::WriteError,
};

/// Where to, and how.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Udp(String),
    Tcp(String),
    Unix(PathBuf),
}

/// A connection that is made when it is needed, and again when it is lost.
#[derive(Debug)]
pub(super) struct Transport {
    way: Way,
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    Udp(UdpSocket),
    Unix(UnixDatagram),
    Tcp {
        stream: TcpStream,
        /// A message of which only this much was taken, when the time was over. The connection is
        /// of use only if the rest follows.
        torn: Option<(Vec<u8>, usize)>,
    },
}

impl Transport {
    pub(super) fn new(way: Way) -> Self {
        Self { way, open: None }
    }

    pub(super) fn send(&mut self, lines: &[Vec<u8>], limit: Duration) -> Result<(), WriteError> {
        let end = end_of_wait(limit);
        let mut open = match self.open.take() {
            Some(open) if open.is_of_use() => open,
            _ => self.connect(limit).map_err(|why| WriteError::io(&why))?,
        };
        let mut written = 0;
        let sent = open.send(lines, end, &mut written);
        // A connection on which nothing moves may be of use when the daemon goes on.
        let keeps = match &sent {
            Ok(()) => true,
            Err(why) => matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        if keeps {
            self.open = Some(open);
        }
        sent.map_err(|why| WriteError::io(&why).after(written))
    }

    fn connect(&self, limit: Duration) -> io::Result<Open> {
        match &self.way {
            Way::Udp(address) => {
                let to = resolve(address)?;
                let any: SocketAddr = match to {
                    SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
                    SocketAddr::V6(_) => ([0u16; 8], 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                socket.set_write_timeout(Some(limit))?;
                Ok(Open::Udp(socket))
            }
            Way::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(limit))?;
                Ok(Open::Unix(socket))
            }
            Way::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&resolve(address)?, limit)?;
                stream.set_nodelay(true)?;
                Ok(Open::Tcp { stream, torn: None })
            }
        }
    }
}

fn resolve(address: &str) -> io::Result<SocketAddr> {
    let none = || io::Error::new(ErrorKind::NotFound, format!("{address} has no address"));
    address.to_socket_addrs()?.next().ok_or_else(none)
}

impl Open {
    /// Whether the daemon has not ended the connection. A datagram's has no end.
    fn is_of_use(&self) -> bool {
        let Self::Tcp { stream, .. } = self else { return true };
        let mut stream = stream;
        let looked = stream.set_nonblocking(true).and_then(|()| {
            // A daemon says nothing; what is there to be read is the end.
            let read = stream.read(&mut [0]);
            stream.set_nonblocking(false).map(|()| read)
        });
        matches!(looked, Ok(Err(why)) if why.kind() == ErrorKind::WouldBlock)
    }

    fn send(&mut self, lines: &[Vec<u8>], end: Instant, written: &mut usize) -> io::Result<()> {
        match self {
            Self::Udp(socket) => datagrams(lines, written, |line| socket.send(line)),
            Self::Unix(socket) => datagrams(lines, written, |line| socket.send(line)),
            Self::Tcp { stream, torn } => counted(stream, torn, lines, end, written),
        }
    }
}

fn datagrams(
    lines: &[Vec<u8>],
    written: &mut usize,
    send: impl Fn(&[u8]) -> io::Result<usize>,
) -> io::Result<()> {
    for line in lines {
        send(line)?;
        *written += 1;
    }
    Ok(())
}

/// Messages with their lengths, in as few writes as there can be.
fn counted(
    stream: &mut TcpStream,
    torn: &mut Option<(Vec<u8>, usize)>,
    lines: &[Vec<u8>],
    end: Instant,
    written: &mut usize,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut ends = Vec::new();
    for line in lines {
        // Writing into a Vec cannot fail.
        let _ = write!(bytes, "{} ", line.len());
        bytes.extend_from_slice(line);
        ends.push(bytes.len());
    }
    let mut at = match torn.take() {
        None => 0,
        Some((message, taken)) if bytes.starts_with(&message) => taken,
        // What was torn went elsewhere meanwhile: the rest of it can't follow any more.
        Some(_) => return Err(io::Error::new(ErrorKind::ConnectionAborted, "a torn message")),
    };
    let sent = loop {
        let left = until(end);
        if at == bytes.len() {
            break Ok(());
        }
        if left.is_zero() {
            break Err(io::Error::from(ErrorKind::TimedOut));
        }
        if let Err(why) = stream.set_write_timeout(Some(left)) {
            break Err(why);
        }
        match stream.write(&bytes[at..]) {
            Ok(0) => break Err(io::Error::from(ErrorKind::WriteZero)),
            Ok(taken) => at += taken,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => break Err(why),
        }
    };
    *written = ends.partition_point(|end| *end <= at);
    let start = written.checked_sub(1).map_or(0, |last| ends[last]);
    if sent.is_err() && at > start {
        let message = bytes[start..ends[*written]].to_vec();
        *torn = Some((message, at - start));
    }
    sent
}

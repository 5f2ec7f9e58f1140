//! How are records sent to a syslog daemon? As RFC 5424, over UDP, TCP or a Unix socket.

mod line;
mod transport;

use std::{path::PathBuf, time::Duration};

use line::Line;
use transport::{Transport, Way};

use crate::sink::{Batch, Sink, WriteError};

/// A syslog daemon.
///
/// The event's fields are structured data (`[panelboard@32473 cents="995"]`), the message is the
/// message, with control characters escaped, so that a line end can't begin a message of its own.
/// Over TCP messages are counted (RFC 6587), over UDP and a Unix socket each is a datagram; one
/// that is too large is cut, with a mark.
///
/// Syslog knows no answer: over UDP and a Unix socket a message that nobody took is not noticed,
/// and over TCP what the daemon had not read when it was killed is lost.
///
/// Why not the crate `syslog`: it knows no time-outs and does not count octets.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::{Facility, SyslogSink}};
///
/// let syslog = SyslogSink::udp("127.0.0.1:514").app("shop").facility(Facility::Local0);
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("syslog", syslog)).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct SyslogSink {
    line: Line,
    transport: Transport,
    max_bytes: usize,
    kind: &'static str,
}

/// What part of a system a message is of, as RFC 5424 numbers them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the words of RFC 5424")]
pub enum Facility {
    #[default]
    User = 1,
    Daemon = 3,
    Auth = 4,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

impl SyslogSink {
    /// A daemon that takes datagrams at `host:port`. The name is looked up for each connection.
    pub fn udp(address: impl Into<String>) -> Self {
        Self::new(Way::Udp(address.into()), 8 << 10, "syslog/udp")
    }

    /// A daemon that takes connections at `host:port`.
    pub fn tcp(address: impl Into<String>) -> Self {
        Self::new(Way::Tcp(address.into()), 60 << 10, "syslog/tcp")
    }

    /// A daemon's socket, such as `/dev/log`: for datagrams.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Way::Unix(path.into()), 8 << 10, "syslog/unix")
    }

    fn new(way: Way, max_bytes: usize, kind: &'static str) -> Self {
        Self { line: Line::of_this_process(), transport: Transport::new(way), max_bytes, kind }
    }

    /// What the program calls itself; the name of its file if it is not said.
    #[must_use]
    pub fn app(mut self, name: &str) -> Self {
        self.line.app = line::header(name, 48);
        self
    }

    /// What the machine is called; its own name if it is not said.
    #[must_use]
    pub fn host(mut self, name: &str) -> Self {
        self.line.host = line::header(name, 255);
        self
    }

    /// What part of the system it is.
    #[must_use]
    pub fn facility(mut self, facility: Facility) -> Self {
        self.line.facility = facility as u8;
        self
    }

    /// Bytes of a message, at most: 8 KiB for datagrams and 60 KiB over TCP if it is not said; 480
    /// at least, which every daemon takes.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes.max(480);
        self
    }
}

impl Sink for SyslogSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        let lines: Vec<Vec<u8>> =
            batch.iter().map(|record| self.line.of(&record, self.max_bytes)).collect();
        self.transport.send(&lines, batch.timeout())
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn batch_delay(&self) -> Duration {
        Duration::from_millis(20)
    }
}

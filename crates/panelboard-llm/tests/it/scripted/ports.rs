//! Which ports does nobody answer on?

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port that refuses connections for as long as this value lives.
///
/// It is bound but does not listen: unlike a port that was freed again, nobody else can get it.
#[derive(Debug)]
pub(crate) struct Refusing {
    socket: TcpSocket,
}

impl Refusing {
    /// Takes a port.
    pub(crate) fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        Self { socket }
    }

    /// As a provider's `base_url`.
    pub(crate) fn base_url(&self) -> String {
        let addr = self.socket.local_addr().expect("a bound socket has an address");
        format!("http://{addr}/v1")
    }
}

/// A port where a connection is never made: the handshake itself gets no answer.
///
/// The queue of a listener that accepts nothing is filled; Linux then drops what comes to it. For
/// tests of the connect time-out only.
#[derive(Debug)]
pub(crate) struct Deaf {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Deaf {
    /// Takes a port and fills its queue.
    pub(crate) async fn start() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let listener = socket.listen(1).expect("a bound socket can listen");
        let addr = listener.local_addr().expect("a listener has an address");
        let mut queued = Vec::new();
        // The queue is full when a connection does not come about at once; loopback takes no time.
        while let Ok(Ok(stream)) =
            tokio::time::timeout(std::time::Duration::from_millis(200), TcpStream::connect(addr))
                .await
        {
            queued.push(stream);
            assert!(queued.len() < 64, "this kernel does not bound the queue of a listener");
        }
        Self { listener, _queued: queued }
    }

    /// As a provider's `base_url`.
    pub(crate) fn base_url(&self) -> String {
        let addr = self.listener.local_addr().expect("a listener has an address");
        format!("http://{addr}/v1")
    }
}

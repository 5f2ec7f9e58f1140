//! What if the way to the server is bad? A proxy that passes on, delays, cuts or stalls answers.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::clock;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    Delay(Duration),
    /// The connection ends when the answer begins.
    Cut,
    /// It is held back until the mode changes.
    Stall,
}

/// The proxy; its threads end with the process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
}

impl Proxy {
    /// # Errors
    /// There is no port.
    pub(crate) fn start(server: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let mode = Arc::new(Mutex::new(Mode::Pass));
        let its = Arc::clone(&mode);
        thread::spawn(move || {
            for client in listener.incoming().filter_map(Result::ok) {
                // A server that is gone is a connection that ends.
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let mode = Arc::clone(&its);
                if let (Ok(from), Ok(to)) = (client.try_clone(), upstream.try_clone()) {
                    thread::spawn(move || pass(from, to, None));
                    thread::spawn(move || pass(upstream, client, Some(&mode)));
                }
            }
        });
        Ok(Self { address, mode })
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mode: Option<&Mutex<Mode>>) {
    let mut part = [0; 16 * 1024];
    let now = || mode.map(|mode| *mode.lock().unwrap_or_else(PoisonError::into_inner));
    while let Ok(n @ 1..) = from.read(&mut part) {
        while now() == Some(Mode::Stall) {
            clock::pause(Duration::from_millis(20));
        }
        match now() {
            Some(Mode::Cut) => break,
            Some(Mode::Delay(time)) => clock::pause(time),
            _ => {}
        }
        if to.write_all(&part[..n]).is_err() {
            break;
        }
    }
    // Both directions: the one end is the other's.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

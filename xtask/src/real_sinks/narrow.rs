//! What if the way to a receiver is narrow? A proxy in front of it lets so many bytes a second
//! through. While the receiver is away nobody listens here either.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{clock, http};

/// What is asked of the threads of a proxy.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    /// Bytes a second, in each connection; none: as fast as it goes.
    rate: Option<u32>,
    ends: bool,
}

/// The proxy of one receiver.
pub(super) struct Narrow {
    pub(super) port: u16,
    to: u16,
    wish: Arc<Mutex<Wish>>,
    listens: Option<JoinHandle<()>>,
}

impl Narrow {
    /// One that does not listen yet.
    ///
    /// # Errors
    /// There is no port.
    pub(super) fn new(to: u16) -> Result<Self, String> {
        let port = http::free_port()?;
        Ok(Self { port, to, wish: Arc::default(), listens: None })
    }

    /// # Errors
    /// Somebody else listens there.
    pub(super) fn start(&mut self) -> Result<(), String> {
        let listener = TcpListener::bind(http::local(self.port)).map_err(|e| e.to_string())?;
        listener.set_nonblocking(true).map_err(|e| e.to_string())?;
        change(&self.wish, |wish| wish.ends = false);
        let (wish, to) = (Arc::clone(&self.wish), self.to);
        self.listens = Some(thread::spawn(move || listen(&listener, to, &wish)));
        Ok(())
    }

    /// Nobody listens any more when it comes back. Connections end with their receiver.
    pub(super) fn stop(&mut self) {
        change(&self.wish, |wish| wish.ends = true);
        if let Some(listens) = self.listens.take() {
            let _ = listens.join();
        }
    }

    pub(super) fn set(&self, rate: Option<u32>) {
        change(&self.wish, |wish| wish.rate = rate);
    }
}

fn change(wish: &Mutex<Wish>, how: impl FnOnce(&mut Wish)) {
    how(&mut wish.lock().unwrap_or_else(PoisonError::into_inner));
}

fn look(wish: &Mutex<Wish>) -> Wish {
    *wish.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(listener: &TcpListener, to: u16, wish: &Arc<Mutex<Wish>>) {
    while !look(wish).ends {
        match listener.accept() {
            Ok((client, _)) => join(client, to, wish),
            Err(why) if why.kind() == ErrorKind::WouldBlock => {
                clock::pause(Duration::from_millis(2));
            }
            Err(_) => return,
        }
    }
}

fn join(client: TcpStream, to: u16, wish: &Arc<Mutex<Wish>>) {
    // A receiver that is gone is a connection that ends.
    let Ok(receiver) = TcpStream::connect(http::local(to)) else { return };
    let wish = Arc::clone(wish);
    let _ = client.set_nonblocking(false);
    if let (Ok(from), Ok(into)) = (client.try_clone(), receiver.try_clone()) {
        thread::spawn(move || pass(from, into, &wish));
        thread::spawn(move || pass(receiver, client, &Mutex::default()));
    }
}

/// Ends both directions when one has ended.
fn pass(mut from: TcpStream, mut to: TcpStream, wish: &Mutex<Wish>) {
    const TURN: Duration = Duration::from_millis(50);
    let mut part = [0; 16 << 10];
    loop {
        let rate = look(wish).rate;
        // Twenty turns are a second.
        let most = rate.map_or(part.len(), |rate| (rate as usize / 20).clamp(1, part.len()));
        let Ok(n @ 1..) = from.read(&mut part[..most]) else { break };
        if to.write_all(&part[..n]).is_err() {
            break;
        }
        if rate.is_some() {
            clock::pause(TURN);
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

//! For whom are secrets made that have a lease? A broker of ours, which keeps a list of its users.
//!
//! OpenBao's engine for RabbitMQ is the one that gives leases which can be renewed, and asks no
//! more of the other side than this. The leases are the server's own and real; the broker is a
//! fake.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// The longest body of a request that it takes.
const LONGEST: usize = 1 << 16;

/// The broker; its threads end with the process.
pub(super) struct Broker {
    pub(super) address: SocketAddr,
    users: Arc<Mutex<BTreeSet<String>>>,
}

impl Broker {
    /// # Errors
    /// No port is free.
    pub(super) fn start() -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let users = Arc::default();
        let its = Arc::clone(&users);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let its = Arc::clone(&its);
                // Whoever breaks a connection off has only himself to blame.
                thread::spawn(move || obey(&connection, &its));
            }
        });
        Ok(Self { address, users })
    }

    /// How many users it has now.
    pub(super) fn users(&self) -> usize {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// One request, which is always granted.
fn obey(connection: &TcpStream, users: &Mutex<BTreeSet<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let user = words.next().and_then(|path| path.strip_prefix("/api/users/")).map(str::to_owned);
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length.min(LONGEST)];
    reader.read_exact(&mut body)?;
    if let Some(user) = user {
        let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
        match method.as_str() {
            "PUT" => drop(users.insert(user)),
            "DELETE" => drop(users.remove(&user)),
            _ => {}
        }
    }
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
}

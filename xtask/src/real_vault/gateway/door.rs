//! Who refuses a key that has been taken back? A door of ours, since the model's own server can't
//! change its keys while it runs. It is a fake; the model behind it is real.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// The longest body of a request that it takes.
const LONGEST: usize = 1 << 20;

/// The door; its threads end with the process.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    good: BTreeSet<String>,
    /// How often each has come.
    seen: BTreeMap<String, u64>,
    /// Of those, how many are being answered.
    inside: BTreeMap<String, u64>,
}

impl Door {
    /// # Errors
    /// No port is free.
    pub(super) fn before(model: SocketAddr) -> Result<Self, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let keys = Arc::default();
        let known = Arc::clone(&keys);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                // Whoever breaks a connection off has only himself to blame.
                thread::spawn(move || pass(&connection, model, &known));
            }
        });
        Ok(Self { address, keys })
    }

    pub(super) fn accepts(&self, key: &str) {
        locked(&self.keys).good.insert(key.to_owned());
    }

    pub(super) fn refuses(&self, key: &str) {
        locked(&self.keys).good.remove(key);
    }

    /// How many calls have come with this key.
    pub(super) fn seen(&self, key: &str) -> u64 {
        locked(&self.keys).seen.get(key).copied().unwrap_or_default()
    }

    /// How many of them are being answered.
    pub(super) fn inside(&self, key: &str) -> u64 {
        locked(&self.keys).inside.get(key).copied().unwrap_or_default()
    }
}

/// One request, whose connection then ends.
fn pass(mut client: &TcpStream, model: SocketAddr, keys: &Mutex<Keys>) -> io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut key, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "authorization" => key = value.trim().trim_start_matches("Bearer ").to_owned(),
            "content-length" => length = value.trim().parse().unwrap_or(0).min(LONGEST),
            "connection" => continue,
            _ => {}
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let good = {
        let mut keys = locked(keys);
        *keys.seen.entry(key.clone()).or_default() += 1;
        *keys.inside.entry(key.clone()).or_default() += 1;
        keys.good.contains(&key)
    };
    let answered = if good {
        ask(client, model, &head, &body)
    } else {
        let body = r#"{"error":{"message":"Incorrect API key","code":"invalid_api_key"}}"#;
        let length = body.len();
        write!(
            client,
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    *locked(keys).inside.entry(key).or_default() -= 1;
    answered
}

fn ask(mut client: &TcpStream, model: SocketAddr, head: &str, body: &[u8]) -> io::Result<()> {
    let mut server = TcpStream::connect(model)?;
    write!(server, "{head}connection: close\r\n\r\n")?;
    server.write_all(body)?;
    io::copy(&mut server, &mut client).map(drop)
}

fn locked(keys: &Mutex<Keys>) -> MutexGuard<'_, Keys> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(door: &Door, key: &str) -> String {
        let mut connection = TcpStream::connect(door.address).expect("it listens");
        write!(
            connection,
            "POST /v1/chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n\
             Authorization: Bearer {key}\r\ncontent-length: 2\r\n\r\nhi"
        )
        .expect("it reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("it answers, and ends");
        answer
    }

    #[test]
    fn it_lets_in_whom_it_accepts_and_counts() {
        let model = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let door = Door::before(model.local_addr().expect("an address")).expect("a door");
        let answers = thread::spawn(move || {
            let (mut connection, _) = model.accept().expect("one comes");
            let mut asked = vec![0; 1_000];
            let mut seen = 0;
            while !asked[..seen].ends_with(b"\r\n\r\nhi") {
                seen += connection.read(&mut asked[seen..]).expect("it asks");
            }
            connection.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").expect("it reads");
            String::from_utf8_lossy(&asked[..seen]).into_owned()
        });
        assert!(said(&door, "old").starts_with("HTTP/1.1 401 "));
        door.accepts("new");
        assert!(said(&door, "new").ends_with("hello"));
        let asked = answers.join().expect("no panic");
        assert!(asked.contains("connection: close") && !asked.contains("keep-alive"), "{asked}");
        door.refuses("new");
        assert!(said(&door, "new").starts_with("HTTP/1.1 401 "));
        assert_eq!((door.seen("new"), door.seen("old"), door.seen("none")), (2, 1, 0));
        assert_eq!(door.inside("new"), 0);
    }
}

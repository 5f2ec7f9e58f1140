//! A client of HTTP/1.1 that does exactly what a test says, on a blocking socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer of a test takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {:?}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A connection with a request sent and the answer's head read.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) status: u16,
    head: String,
    reader: BufReader<TcpStream>,
}

impl Stream {
    /// The next line of the body, without the framing of chunks; none at the end. An answer that
    /// breaks off instead of ending is a panic.
    pub(crate) fn line(&mut self) -> Option<String> {
        // All streams here send whole lines in a chunk: a chunk's size stands on a line of its own.
        loop {
            let line = self.raw_line()?;
            // Pings come after 15 s of silence: nothing in a test takes so long.
            assert!(!line.starts_with(": ping"), "a ping instead of news or the end");
            let size = usize::from_str_radix(line.trim_end(), 16);
            match size {
                Ok(0) => return None,
                Ok(_) => {}
                Err(_) if line.trim().is_empty() => {}
                Err(_) => return Some(line.trim_end().to_owned()),
            }
        }
    }

    fn raw_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).expect("the stream goes on");
        (read > 0).then_some(line)
    }

    /// All lines to the end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }

    fn whole(mut self) -> Reply {
        let mut raw = Vec::new();
        self.reader.read_to_end(&mut raw).expect("the answer comes to its end");
        let chunked = self.head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { dechunk(&raw) } else { raw };
        let body = String::from_utf8(body).expect("UTF-8");
        Reply { status: self.status, head: self.head, body }
    }
}

fn dechunk(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|w| w == b"\r\n").expect("a chunk has a size");
        let size = std::str::from_utf8(&raw[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a hexadecimal size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&raw[end + 2..end + 2 + size]);
        raw = &raw[end + 2 + size + 2..];
    }
}

/// Sends bytes as they are and reads the answer's head.
pub(crate) fn raw(addr: SocketAddr, request: &[u8]) -> Stream {
    over(TcpStream::connect(addr).expect("the server listens"), request)
}

/// The same over a connection of the test's own.
pub(crate) fn over(mut socket: TcpStream, request: &[u8]) -> Stream {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that refuses a long request may close before it has read all of it.
    let _ = socket.write_all(request);
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    loop {
        let before = head.len();
        reader.read_line(&mut head).expect("a head");
        if head.len() == before || head[before..].trim().is_empty() {
            break;
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Stream { status, head, reader }
}

/// Sends a request whose answer is a stream.
pub(crate) fn stream(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Stream {
    let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("host: {addr}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    raw(addr, request.as_bytes())
}

/// Sends a request and reads the whole answer.
pub(crate) fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    stream(addr, method, path, headers, body).whole()
}

pub(crate) fn get(addr: SocketAddr, path: &str) -> Reply {
    send(addr, "GET", path, &[], "")
}

pub(crate) fn post(addr: SocketAddr, path: &str, body: &str) -> Reply {
    send(addr, "POST", path, &[("content-type", "application/json")], body)
}

/// A chat with the model `fast`.
pub(crate) fn chat(addr: SocketAddr) -> Reply {
    post(addr, "/v1/chat/completions", CHAT)
}

/// The body of [`chat`].
pub(crate) const CHAT: &str = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;

/// The breaker with this key.
pub(crate) fn breaker(addr: SocketAddr, key: &str) -> Value {
    get(addr, &format!("/v1/breakers/{key}")).json()
}

/// Asks `look` again and again until it says yes; for what another process does in its own time.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    // tokio's clock and sleep: std's are banned so that nobody sleeps where he could be woken.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let found = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        })
        .await
    });
    found.unwrap_or_else(|_| panic!("in {PATIENCE:?} it did not come to this: {what}"))
}

//! How do the tasks speak HTTP? One blocking connection to loopback, requests in a row.
//!
//! Just enough for asking the gateway and for measuring it: the client must cost less than what it
//! measures, so it keeps its buffers and looks at nothing that it does not need.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// A connection that is kept between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What came in; the answer in hand ends at `filled`.
    buffer: Vec<u8>,
}

/// An answer's status and body.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Where an answer's body lies.
enum Body {
    Length(usize),
    Chunked,
    None,
}

const LIMIT: Duration = Duration::from_secs(30);

impl Connection {
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)
            .map_err(|e| format!("cannot connect to {address}: {e}"))?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(LIMIT)));
        set.map_err(|e| e.to_string())?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends the bytes of a whole request and reads the whole answer.
    ///
    /// # Errors
    /// The connection ends or goes silent before the answer is there, or it is no HTTP.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<Answer<'_>, String> {
        self.stream.write_all(request).map_err(|e| format!("cannot send: {e}"))?;
        self.buffer.clear();
        let (status, head, body) = loop {
            self.fill()?;
            if let Some(found) = read_head(&self.buffer)? {
                break found;
            }
        };
        let end = loop {
            let end = match body {
                Body::Length(length) => Some(head + length).filter(|end| *end <= self.buffer.len()),
                Body::Chunked => chunked_end(&self.buffer, head),
                Body::None => Some(head),
            };
            match end {
                Some(end) => break end,
                None => self.fill()?,
            }
        };
        Ok(Answer { status, body: &self.buffer[head..end] })
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut part = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return Err("the connection ended before the answer did".into()),
                Ok(n) => {
                    self.buffer.extend_from_slice(&part[..n]);
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("cannot read: {e}")),
            }
        }
    }
}

/// A request's bytes; `body` makes it a POST of JSON.
pub(crate) fn request(address: SocketAddr, path: &str, body: Option<&str>) -> Vec<u8> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What `path` answers, read as JSON.
///
/// # Errors
/// No answer, a status other than 200, or no JSON.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Value, String> {
    let mut connection = Connection::open(address)?;
    let answer = connection.send(&request(address, path, None))?;
    let body = String::from_utf8_lossy(answer.body);
    if answer.status != 200 {
        return Err(format!("{path} answered {}: {body}", answer.status));
    }
    serde_json::from_str(&body).map_err(|e| format!("{path} answered no JSON: {e}"))
}

/// A port of loopback that nobody had a moment ago.
///
/// # Errors
/// There is none.
pub(crate) fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|e| e.to_string())
}

/// The address of a port of loopback.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Status, length of the head and kind of body, once the head is whole.
fn read_head(bytes: &[u8]) -> Result<Option<(u16, usize, Body)>, String> {
    let Some(length) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| format!("no status line: {head}"))?;
    let mut body = Body::None;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        match name {
            "content-length" => {
                let length = value.trim().parse();
                body = Body::Length(length.map_err(|_| format!("content-length:{value}"))?);
            }
            "transfer-encoding" if value.contains("chunked") => body = Body::Chunked,
            _ => {}
        }
    }
    Ok(Some((status, length + 4, body)))
}

/// Where the last, empty chunk ends. The sizes are followed, not searched for.
fn chunked_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = find(bytes.get(at..)?, b"\r\n")?;
        let digits = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let size = usize::from_str_radix(digits.split(';').next()?.trim(), 16).ok()?;
        at += line + 2 + size + 2;
        if size == 0 {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Answers one request with each of the parts, in packets of their own.
    fn answering(parts: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            for part in parts {
                stream.write_all(part.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn an_answer_in_pieces_is_read_whole() {
        let address = answering(&["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 7\r\n\r\n{\"a\"", ":1}"]);
        assert_eq!(get(address, "/").unwrap()["a"], 1);
    }

    #[test]
    fn a_chunked_answer_ends_at_its_empty_chunk() {
        let address = answering(&[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "3\r\n0\r\n\r\n",
            "2;x=y\r\nok\r\n0\r\n\r\n",
        ]);
        let mut connection = Connection::open(address).unwrap();
        let answer = connection.send(&request(address, "/", None)).unwrap();
        assert!(answer.body.ends_with(b"ok\r\n0\r\n\r\n"));
    }

    #[test]
    fn an_answer_that_is_cut_is_an_error() {
        let address = answering(&["HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"]);
        assert!(get(address, "/").unwrap_err().contains("ended before"));
    }

    #[test]
    fn another_status_is_an_error_that_says_it() {
        let address = answering(&["HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\nbusy"]);
        assert!(get(address, "/ready").unwrap_err().contains("503: busy"));
    }
}

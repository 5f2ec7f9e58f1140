//! What is measured against? A provider that answers at once, always the same.

use std::{
    io::{Read, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

const BODY: &str = concat!(
    r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench","#,
    r#""choices":[{"index":0,"finish_reason":"stop","#,
    r#""message":{"role":"assistant","content":"Hello there, how are you?"}}],"#,
    r#""usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}"#
);

/// Starts it, on a free port of loopback. It ends with this process.
///
/// # Errors
/// There is no free port.
pub(super) fn start() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// Answers each request of one connection until it ends.
fn serve(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer: Vec<u8> = Vec::with_capacity(16 * 1024);
    let mut part = [0; 16 * 1024];
    loop {
        let request = loop {
            if let Some(end) = request_end(&buffer) {
                break end;
            }
            match stream.read(&mut part).ok()? {
                0 => return None,
                n => buffer.extend_from_slice(&part[..n]),
            }
        };
        buffer.drain(..request);
        stream.write_all(answer.as_bytes()).ok()?;
    }
}

/// Where the first request in `bytes` ends, if it is whole: its head, and as much body as the head
/// says or, if it says chunked, up to the empty chunk.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line[name.len()..].trim().to_owned())
    };
    if value("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        let end = bytes[head..].windows(5).position(|five| five == b"0\r\n\r\n")?;
        return Some(head + end + 5);
    }
    let length = value("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    let end = head + length;
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Connection, request};

    #[test]
    fn it_answers_each_request_of_a_connection() {
        let address = start().unwrap();
        let mut connection = Connection::open(address).unwrap();
        for _ in 0..3 {
            let answer = connection.send(&request(address, "/v1/x", Some("{}"))).unwrap();
            assert_eq!((answer.status, answer.body), (200, BODY.as_bytes()));
        }
    }

    #[test]
    fn a_request_ends_where_its_head_says() {
        let sized = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nokGET";
        assert_eq!(request_end(sized), Some(sized.len() - 3));
        assert_eq!(request_end(&sized[..sized.len() - 4]), None);
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(request_end(chunked), Some(chunked.len()));
    }
}

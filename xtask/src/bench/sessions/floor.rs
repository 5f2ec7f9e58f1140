//! What does it cost to write the same bytes to so many sockets, and nothing else?
//!
//! A process of its own: each connection is upgraded and kept; what comes on `/publish` is written
//! to all of them, one after the other, by one thread.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use super::sockets::header;

/// The path of the socket whose texts all others get.
pub(super) const PUBLISH: &str = "/publish";

/// Serves on a port of loopback until it is ended.
///
/// # Errors
/// No port, or the port is taken.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let port: u16 =
        arguments.first().and_then(|port| port.parse().ok()).ok_or("the floor takes a port")?;
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|e| e.to_string())?;
    let mut sockets: Vec<TcpStream> = Vec::new();
    for stream in listener.incoming().flatten() {
        match upgrade(stream) {
            Some((stream, path)) if path == PUBLISH => {
                publish(stream, &mut sockets);
            }
            Some((stream, _)) => sockets.push(stream),
            None => {}
        }
    }
    Ok(true)
}

/// Who connects, and to which path. The client looks at the status only.
fn upgrade(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    stream.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    let mut part = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&part[..read]);
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1)?.to_owned();
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(answer).ok()?;
    Some((stream, path))
}

/// Each text of `stream` to all `sockets`, until it ends.
fn publish(mut stream: TcpStream, sockets: &mut [TcpStream]) -> Option<()> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).ok()?;
        let length = match head[1] & 127 {
            126 => {
                let mut long = [0; 2];
                stream.read_exact(&mut long).ok()?;
                usize::from(u16::from_be_bytes(long))
            }
            short => usize::from(short),
        };
        let mut masked = vec![0; 4 + length];
        stream.read_exact(&mut masked).ok()?;
        // Its mask is zeros.
        let frame = [header(length, 0), masked.split_off(4)].concat();
        for socket in sockets.iter_mut() {
            let _ = socket.write_all(&frame);
        }
    }
}

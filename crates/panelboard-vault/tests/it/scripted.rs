//! How does a server play its script? HTTP/1.1, one reply a request, each held back if asked.
//!
//! Every answer has `server: scripted`: it is none of a Vault.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinHandle,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query, from `/v1/` on.
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// What is done with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// A status and a body, and header lines.
    Say(u16, String, Vec<String>),
    /// Bytes as they are, and the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// Once the gate has a permit.
    Held(Gate, Box<Reply>),
}

pub(crate) type Gate = Arc<Semaphore>;

pub(crate) fn gate() -> Gate {
    Arc::new(Semaphore::new(0))
}

pub(crate) fn say(status: u16, body: &str) -> Reply {
    Reply::Say(status, body.to_owned(), Vec::new())
}

pub(crate) fn held(gate: &Gate, reply: Reply) -> Reply {
    Reply::Held(Arc::clone(gate), Box::new(reply))
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// The server; its task ends with it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    script: Mutex<Script>,
    seen: watch::Sender<Vec<Seen>>,
    /// In hand now, and the most at once.
    out: Mutex<(usize, usize)>,
    connections: AtomicUsize,
}

impl Server {
    /// Plays `script`. What it does not care for, such as the look-up of a token, has an answer
    /// already.
    pub(crate) async fn start(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(script)),
            seen: watch::Sender::new(Vec::new()),
            out: Mutex::new((0, 0)),
            connections: AtomicUsize::new(0),
        });
        let its = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let its = Arc::clone(&its);
                connections.spawn(async move {
                    its.connections.fetch_add(1, Ordering::Relaxed);
                    serve(socket, &its).await;
                    its.connections.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn play(&self, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.shared.script.lock().expect("no panic") = Arc::new(script);
    }

    /// Requests whose path holds `part`.
    pub(crate) fn count(&self, part: &str) -> usize {
        self.shared.seen.borrow().iter().filter(|seen| seen.path.contains(part)).count()
    }

    pub(crate) fn seen(&self, part: &str) -> Vec<Seen> {
        let all = self.shared.seen.borrow();
        all.iter().filter(|seen| seen.path.contains(part)).cloned().collect()
    }

    /// Once so many requests have come whose path holds `part`.
    pub(crate) async fn arrived(&self, part: &str, count: usize) {
        let mut seen = self.shared.seen.subscribe();
        let all = |seen: &Vec<Seen>| seen.iter().filter(|s| s.path.contains(part)).count();
        let waiting = seen.wait_for(|seen| all(seen) >= count);
        drop(super::rig::within(waiting).await.expect("the server lives"));
    }

    /// Connections that the client holds.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The most that were in hand at once; of the paths below `secret/` only.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.out.lock().expect("no panic").1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut socket, &mut buffer).await {
        let script = Arc::clone(&*shared.script.lock().expect("no panic"));
        let mut reply = script(&seen);
        let counted = Counted::new(shared, seen.path.contains("/secret/"));
        shared.seen.send_modify(|all| all.push(seen));
        while let Reply::Held(gate, then) = reply {
            let permitted = async { gate.acquire().await.expect("never closed").forget() };
            let mut more = [0; 1];
            tokio::select! {
                () = permitted => {}
                // The client has gone: it asks for nothing while it waits.
                _ = socket.read(&mut more) => return,
            }
            reply = *then;
        }
        drop(counted);
        let bytes = match reply {
            Reply::Say(status, body, headers) => head(status, &body, &headers).into_bytes(),
            Reply::Bytes(bytes) => {
                let _ = socket.write_all(&bytes).await;
                return;
            }
            Reply::Hang => {
                let _ = socket.read(&mut [0; 1]).await;
                return;
            }
            Reply::Held(..) => unreachable!("unwrapped above"),
        };
        if socket.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

struct Counted<'a>(&'a Shared, bool);

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared, counts: bool) -> Self {
        if counts {
            let mut out = shared.out.lock().expect("no panic");
            out.0 += 1;
            out.1 = out.1.max(out.0);
        }
        Self(shared, counts)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.out.lock().expect("no panic").0 -= 1;
        }
    }
}

pub(crate) fn head(status: u16, body: &str, headers: &[String]) -> String {
    let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Scripted\r\nserver: scripted\r\ncontent-length: {length}\r\n{more}\r\n\
         {body}"
    )
}

/// A whole request; none once the client has gone.
async fn read(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(buffer[..end].to_vec()).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers: HashMap<String, String> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let length: usize = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    while buffer.len() < end + length {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[end..end + length].to_vec()).ok()?;
    buffer.drain(..end + length);
    Some(Seen { method, path, headers, body })
}

//! How does the scripted provider play a reply over a socket?

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::reply::{After, Framing, Reply, Step};
use super::{Request, Shared, request};

/// How long a wait in a test may take before it is called stuck. Real time.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Accepts until it is aborted; its connections end with it.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut accepting = shared.accepting.subscribe();
    loop {
        let Ok(_) = accepting.wait_for(|&yes| yes).await else { return };
        tokio::select! {
            biased;
            _ = accepting.changed() => {}
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                shared.lock().connections += 1;
                connections.spawn(serve(socket, Arc::clone(&shared)));
            }
        }
    }
}

/// How playing a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    ClientGone,
    Cut { reset: bool },
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    // Each write is a packet of its own; errors here mean that the client is gone already.
    drop(socket.set_nodelay(true));
    let mut buffer = BytesMut::new();
    let mut last: Option<(String, After)> = None;
    loop {
        let Ok(Some(mut request)) = request::read(&mut socket, &mut buffer).await else { return };
        if let Some((key, After::CloseWhenReused)) = &last {
            reset(&socket);
            return shared.count(key, |stats| stats.stale += 1);
        }
        let reply = begin(&shared, &mut request);
        let flight = Flight { shared: &shared, key: &request.key, end: None };
        let end = play(&mut socket, &mut buffer, &reply, &flight).await;
        if end == (End::Cut { reset: true }) {
            reset(&socket);
        }
        flight.finish(end);
        if end != End::Whole || reply.after == After::Close {
            return;
        }
        last = Some((request.key, reply.after));
    }
}

/// Counts the request in, and chooses its reply.
fn begin(shared: &Shared, request: &mut Request) -> Reply {
    {
        let mut board = shared.lock();
        let stats = &mut board.keys.entry(request.key.clone()).or_default().stats;
        stats.hits += 1;
        stats.in_flight += 1;
        stats.max_in_flight = stats.max_in_flight.max(stats.in_flight);
        request.n = stats.hits;
        stats.requests.push(Arc::new(request.clone()));
    }
    shared.changed.notify_waiters();
    shared.reply_to(request)
}

/// One answer being given; counts itself out exactly once, also when the provider is taken down.
struct Flight<'a> {
    shared: &'a Shared,
    key: &'a str,
    end: Option<End>,
}

impl Flight<'_> {
    fn finish(mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let end = self.end;
        self.shared.count(self.key, |stats| {
            stats.in_flight -= 1;
            match end {
                Some(End::Whole) => stats.ended += 1,
                Some(End::ClientGone) => stats.aborted += 1,
                Some(End::Cut { .. }) | None => stats.cut += 1,
            }
        });
    }
}

/// Plays the steps while watching for the client to leave.
async fn play(
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
    reply: &Reply,
    flight: &Flight<'_>,
) -> End {
    let (mut reads, writes) = socket.split();
    let mut pen = Pen { writes, drip: reply.drip, flight };
    tokio::select! {
        // The script first: an answer that is whole is not counted as left.
        biased;
        end = steps(&mut pen, reply) => end.unwrap_or(End::ClientGone),
        () = left(&mut reads, buffer) => End::ClientGone,
    }
}

async fn steps(pen: &mut Pen<'_>, reply: &Reply) -> io::Result<End> {
    for step in &reply.steps {
        match step {
            Step::Head => pen.write(&head(reply)).await?,
            Step::Body(bytes) => pen.write(&framed(bytes, reply.framing)).await?,
            Step::Raw(bytes) => pen.write(bytes).await?,
            Step::Gate(gate) => gate.wait().await,
            Step::Hang => std::future::pending().await,
            Step::Endless(bytes) => loop {
                pen.write(&framed(bytes, reply.framing)).await?;
                // A client that is fast on the same thread must get its turn.
                tokio::task::yield_now().await;
            },
            Step::Cut { reset } => return Ok(End::Cut { reset: *reset }),
        }
    }
    if matches!(reply.framing, Framing::Chunked) {
        pen.write(b"0\r\n\r\n").await?;
    }
    Ok(End::Whole)
}

struct Pen<'a> {
    writes: WriteHalf<'a>,
    drip: bool,
    flight: &'a Flight<'a>,
}

impl Pen<'_> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let step = if self.drip { 1 } else { bytes.len().max(1) };
        for piece in bytes.chunks(step) {
            self.writes.write_all(piece).await?;
            self.flight
                .shared
                .count(self.flight.key, |stats| stats.sent_bytes += piece.len() as u64);
            if self.drip {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }
}

/// Ends when the client closes its side or the connection breaks.
async fn left(reads: &mut ReadHalf<'_>, buffer: &mut BytesMut) {
    while let Ok(1..) = reads.read_buf(buffer).await {}
}

fn head(reply: &Reply) -> Bytes {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.framing {
        Framing::Length => head.push_str(&format!("content-length: {}\r\n", reply.body_len())),
        Framing::Forged(length) => head.push_str(&format!("content-length: {length}\r\n")),
        Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Framing::UntilClose => head.push_str("connection: close\r\n"),
    }
    head.push_str("\r\n");
    head.into()
}

fn framed(bytes: &Bytes, framing: Framing) -> Bytes {
    if !matches!(framing, Framing::Chunked) || bytes.is_empty() {
        return bytes.clone();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat().into()
}

/// Makes the close that follows an RST: what the client has not read yet is lost.
fn reset(socket: &TcpStream) {
    // Fails only when the client has gone, and then there is nothing to reset.
    drop(socket.set_zero_linger());
}

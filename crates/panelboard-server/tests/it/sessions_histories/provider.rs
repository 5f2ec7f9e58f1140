//! A fake of a provider: it says what it is told to, a word for each call that its clients make.
//!
//! So answers go on while calls are made, whatever the machine's speed, and nothing waits for a
//! clock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

/// A provider that is none, on loopback. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    paces: Paces,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// By the first word of what is said to it, which names the session.
type Paces = Arc<Mutex<HashMap<String, Pace>>>;

/// How fast the answers of one session go on.
#[derive(Clone, Debug)]
pub(crate) struct Pace(Arc<Semaphore>);

impl Pace {
    /// One more word.
    pub(crate) fn word(&self) {
        self.0.add_permits(1);
    }

    /// As many as there are.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn wait(&self) {
        // An error: nobody waits any more.
        if let Ok(permit) = self.0.acquire().await {
            permit.forget();
        }
    }
}

impl Fake {
    pub(crate) fn start() -> Self {
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        let paces = Paces::default();
        let known = Arc::clone(&paces);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    loop {
                        let (socket, _) = listener.accept().await.unwrap();
                        tokio::spawn(answer(socket, Arc::clone(&known)));
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        let addr = address.recv().unwrap();
        Self { addr, paces, stop: Some(stop), thread: Some(thread) }
    }

    /// The pace of a session's answers.
    pub(crate) fn pace(&self, session: &str) -> Pace {
        let pace = Pace(Arc::new(Semaphore::new(0)));
        self.paces.lock().unwrap().insert(session.to_owned(), pace.clone());
        pace
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// What is to be answered: a text such as `h7 12 words 3`, or `h7 12 fails`.
async fn answer(socket: TcpStream, paces: Paces) -> Option<()> {
    let mut socket = BufReader::new(socket);
    let body = request(&mut socket).await?;
    let text = body["messages"].as_array()?.last()?["content"].as_str()?.to_owned();
    let mut words = text.split(' ');
    let pace = paces.lock().unwrap().get(words.next()?)?.clone();
    let (message, how) = (words.next()?, words.next()?);
    if how == "fails" {
        pace.wait().await;
        let refusal = json!({ "error": { "message": "as asked for", "type": "invalid_request_error",
            "code": "fails" } });
        let refusal = refusal.to_string();
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{refusal}",
            refusal.len()
        );
        return socket.write_all(head.as_bytes()).await.ok();
    }
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";
    socket.write_all(head.as_bytes()).await.ok()?;
    for word in 0..words.next()?.parse().ok()? {
        pace.wait().await;
        let chunk = json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0,
            "delta": { "content": format!("{message}-{word} ") }, "finish_reason": null }] });
        socket.write_all(format!("data: {chunk}\n\n").as_bytes()).await.ok()?;
        socket.flush().await.ok()?;
    }
    let end = json!({ "object": "chat.completion.chunk",
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let end = format!("data: {end}\n\ndata: [DONE]\n\n");
    socket.write_all(end.as_bytes()).await.ok()?;
    socket.shutdown().await.ok()
}

async fn request(socket: &mut BufReader<TcpStream>) -> Option<serde_json::Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await.ok()?;
    serde_json::from_slice(&body).ok()
}

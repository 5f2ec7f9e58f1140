//! How does a test play a provider that misbehaves on cue?
//!
//! **This is a fake, and on purpose.** It is a real TCP server on 127.0.0.1 that speaks HTTP/1.1 by
//! hand, so that a test can force every fault a provider or the road to it can have: a forged
//! `Content-Length`, a cut in the middle of a chunk, garbage instead of HTTP, a connection reset. A
//! proper HTTP library would refuse to do most of these. No real provider does them when asked.
//!
//! A test scripts replies by key (the bearer token or `x-api-key`), and asks afterwards what the
//! provider saw: [`Stats`]. Nothing here sleeps: a [`Gate`] holds a reply until the test turns it.
//!
//! ```ignore
//! let provider = Scripted::start().await;
//! provider.on("secret-1", Reply::status(503).header("retry-after", "7"));
//! provider.always("secret-1", Reply::chat("hello"));
//! // ... call the gateway with base URL provider.base_url() ...
//! provider.wait_until("secret-1", |seen| seen.hits == 2 && seen.in_flight == 0).await;
//! ```

mod gate;
mod ports;
mod reply;
mod request;
mod server;
mod stats;
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

pub(crate) use self::gate::Gate;
pub(crate) use self::ports::{Deaf, Refusing};
pub(crate) use self::reply::Reply;
pub(crate) use self::request::Request;
pub(crate) use self::stats::Stats;

/// The fake provider. Dropping it ends every connection.
#[derive(Debug)]
pub(crate) struct Scripted {
    shared: Arc<Shared>,
    addr: SocketAddr,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Scripted {
    /// A provider on a free port of 127.0.0.1, with nothing scripted: each key answers 500 and
    /// says so.
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound listener has an address");
        let running = Mutex::new(Some(tokio::spawn(server::run(listener, Arc::clone(&shared)))));
        Self { shared, addr, running }
    }

    /// `http://127.0.0.1:PORT/v1`, as a provider's `base_url`.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Queues one reply for `key`; queued replies go first, in order.
    pub(crate) fn on(&self, key: &str, reply: Reply) -> &Self {
        self.shared.lock().keys.entry(key.into()).or_default().queue.push_back(reply);
        self
    }

    /// Queues `reply` for `key` `times` over.
    pub(crate) fn on_times(&self, key: &str, times: usize, reply: &Reply) -> &Self {
        (0..times).fold(self, |this, _| this.on(key, reply.clone()))
    }

    /// What `key` answers when its queue is empty.
    pub(crate) fn always(&self, key: &str, reply: Reply) -> &Self {
        self.shared.lock().keys.entry(key.into()).or_default().always = Some(reply);
        self
    }

    /// Asks `decide` first, for every key; `None` goes on to the queue, then to what is
    /// [`always`](Self::always) said.
    pub(crate) fn decide(
        &self,
        decide: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> &Self {
        self.shared.lock().decide = Some(Arc::new(decide));
        self
    }

    /// From now on connections are made by the kernel but nobody takes them: no byte comes back.
    pub(crate) fn stop_accepting(&self) {
        self.shared.accepting.send_replace(false);
    }

    /// Takes the connections that wait, and those to come.
    pub(crate) fn accept_again(&self) {
        self.shared.accepting.send_replace(true);
    }

    /// As if the provider's process had died: the port refuses, every connection is reset.
    pub(crate) async fn down(&self) {
        let running = self.running.lock().expect("no panic under this lock").take();
        if let Some(running) = running {
            running.abort();
            drop(running.await);
        }
    }

    /// After [`down`](Self::down): the same port answers again, by the same script.
    pub(crate) async fn up(&self) {
        self.down().await;
        let listener = tokio::net::TcpListener::bind(self.addr).await.expect("our own port");
        let task = tokio::spawn(server::run(listener, Arc::clone(&self.shared)));
        *self.running.lock().expect("no panic under this lock") = Some(task);
    }

    /// What `key` has seen so far.
    pub(crate) fn stats(&self, key: &str) -> Stats {
        self.shared.lock().keys.get(key).map(|script| script.stats.clone()).unwrap_or_default()
    }

    /// What all keys together have seen (the requests are in no particular order of keys).
    pub(crate) fn total(&self) -> Stats {
        self.shared.lock().keys.values().fold(Stats::default(), |sum, one| sum.plus(&one.stats))
    }

    /// Connections accepted since the start.
    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// Waits until `enough` holds for `key`, without polling. Panics with the stats after 20 s.
    pub(crate) async fn wait_until(&self, key: &str, enough: impl Fn(&Stats) -> bool) -> Stats {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.shared.changed.notified());
                // Registered before the look, so that a change in between is not missed.
                changed.as_mut().enable();
                let stats = self.stats(key);
                if enough(&stats) {
                    return stats;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(server::PATIENCE, wait).await {
            Ok(stats) => stats,
            Err(_) => panic!("{key} never got there: {:?}", self.stats(key)),
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if let Ok(mut running) = self.running.lock()
            && let Some(running) = running.take()
        {
            running.abort();
        }
    }
}

type Decide = Arc<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

struct Shared {
    /// Scripts and counts. Held for one look-up; nothing is awaited under it.
    board: Mutex<Board>,
    /// Told after each change of a count.
    changed: Notify,
    accepting: watch::Sender<bool>,
}

#[derive(Default)]
struct Board {
    keys: HashMap<String, Script>,
    decide: Option<Decide>,
    connections: usize,
}

#[derive(Default)]
struct Script {
    queue: VecDeque<Reply>,
    always: Option<Reply>,
    stats: Stats,
}

impl Default for Shared {
    fn default() -> Self {
        let accepting = watch::Sender::new(true);
        Self { board: Mutex::default(), changed: Notify::new(), accepting }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().expect("no panic under this lock")
    }

    /// Changes the counts of `key` and wakes those who wait for it.
    fn count(&self, key: &str, change: impl FnOnce(&mut Stats)) {
        change(&mut self.lock().keys.entry(key.into()).or_default().stats);
        self.changed.notify_waiters();
    }

    /// The reply to `request`: the closure's, the queue's, the standing one, or a 500 that says
    /// why.
    fn reply_to(&self, request: &Request) -> Reply {
        let decide = self.lock().decide.clone();
        if let Some(reply) = decide.and_then(|decide| decide(request)) {
            return reply;
        }
        let mut board = self.lock();
        let script = board.keys.entry(request.key.clone()).or_default();
        script.queue.pop_front().or_else(|| script.always.clone()).unwrap_or_else(|| {
            Reply::error(500, "nothing_scripted", "the test scripted no reply for this key")
        })
    }
}

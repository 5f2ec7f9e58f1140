//! What do breaker, pool, token and cache add to one read, beside the bare HTTP client in the same
//! run? `cargo xtask bench vault`.
//!
//! | contestant | a read is |
//! | --- | --- |
//! | `bare` | a GET by the same HTTP client, the same headers, the same JSON decoded |
//! | `read` | `Kv2::read` |
//! | `cached` | `Kv2::read_cached` of a secret that is fresh |
//!
//! The server is in the same process, on a thread of its own, and says the same bytes to all; each
//! contestant has connections of its own. A round takes one sample of each, in shuffled order. The
//! median over the rounds is told; what is added is the median of the differences and of the ratios
//! within each round, so a machine that is slow for a while is slow for both sides.
//!
//! Then the locks: threads that do nothing but read through one client, so that they meet where
//! callers meet. Without `--bench`, one short round that shows that it runs. Nothing fails for
//! being slow.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, header::HOST};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use panelboard_vault::{Auth, Config, Contention, Kv2, Secret, Vault};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const BODY: &str = concat!(
    r#"{"request_id":"0","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":"#,
    r#"{"api_key":"0123456789abcdef0123456789abcdef"},"metadata":{"created_time":"#,
    r#""2026-01-01T00:00:00Z","deletion_time":"","destroyed":false,"version":3}}}"#,
);
const LOOKED_UP: &str = r#"{"data":{"ttl":0,"renewable":false}}"#;

/// Reads from the cache in the place of one that asks.
const CACHED: u32 = 50;

/// How much is done.
#[derive(Clone, Copy)]
struct Extent {
    rounds: u32,
    reads: u32,
}

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let extent = match measures {
        true => Extent { rounds: 41, reads: 2_000 },
        false => Extent { rounds: 1, reads: 20 },
    };
    let address = serve();
    costs(address, extent);
    println!();
    for threads in [1, 2] {
        locks(address, threads, extent);
    }
}

fn costs(address: SocketAddr, extent: Extent) {
    let Extent { rounds, reads } = extent;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let [bare, read, cached] = runtime.block_on(measure(address, extent));
    let pairs = || bare.iter().zip(&read);
    let added = median(pairs().map(|(bare, read)| read - bare));
    let ratio = median(pairs().map(|(bare, read)| 100.0 * (read - bare) / bare));
    println!("one read, nanoseconds, medians of {rounds} rounds of {reads}, in shuffled order\n");
    for (name, samples) in [("bare", &bare), ("read", &read), ("cached", &cached)] {
        println!("  {name:<8}{:>10.0}", median(samples.iter().copied()));
    }
    println!(
        "\n  added by read: {added:.0} ns (goal: at most 5,000), {ratio:.2} % (goal: at most 2)"
    );
    println!("  cached: goal at most 200 ns");
}

/// The server of all, on a thread that ends with the process.
fn serve() -> SocketAddr {
    let (told, hears) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                tokio::spawn(async move {
                    let (answers, looked_up) = (answer(BODY), answer(LOOKED_UP));
                    let mut request = [0; 4_096];
                    while let Ok(n @ 1..) = socket.read(&mut request).await {
                        let is_token = request[..n].windows(6).any(|six| six == b"lookup");
                        let all = if is_token { &looked_up } else { &answers };
                        if socket.write_all(all.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    });
    hears.recv().unwrap()
}

fn answer(body: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}

fn open(address: SocketAddr) -> Vault {
    let auth = Auth::token(Secret::new("hvs.bench".to_owned()));
    let config = Config::builder(format!("http://{address}"), auth);
    let config = config.cache_ttl(Duration::from_secs(3_600)).max_concurrent(100);
    Vault::open(config.build().unwrap()).unwrap()
}

/// The same client, without anything around it.
struct Bare {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    host: String,
}

/// What a caller of the bare client wants of the answer.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    data: BTreeMap<String, String>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
}

impl Bare {
    fn new(address: SocketAddr) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(tcp);
        let url = format!("http://{address}/v1/secret/data/app");
        Self { client, url, host: address.to_string() }
    }

    async fn read(&self) -> (String, u64) {
        let correlation = "0123456789abcdef0123456789abcdef".to_owned();
        let request = Request::get(self.url.as_str())
            .header(HOST, self.host.as_str())
            .header("x-vault-request", HeaderValue::from_static("true"))
            .header("x-vault-token", "hvs.bench")
            .header("x-correlation-id", correlation)
            .body(Full::default())
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let Answer { data } = serde_json::from_slice(&body).unwrap();
        let Data { mut data, metadata: Metadata { version } } = data;
        (data.remove("api_key").unwrap(), version)
    }
}

async fn read(kv: &Kv2) -> (Secret<String>, Option<u64>) {
    let found = kv.read("app").await.unwrap().unwrap();
    (found.data.field("api_key").unwrap(), found.version)
}

async fn cached(kv: &Kv2) {
    assert!(black_box(kv.read_cached("app").await).is_ok_and(|found| found.is_some()));
}

/// Nanoseconds of a read of each contestant, a sample a round.
async fn measure(address: SocketAddr, Extent { rounds, reads }: Extent) -> [Vec<f64>; 3] {
    let (vault, bare) = (open(address), Bare::new(address));
    let kv = vault.kv2("secret");
    cached(&kv).await;
    let mut measured = [vec![], vec![], vec![]];
    // The first round warms up.
    for round in 0..=rounds {
        let mut order = [0, 1, 2];
        fastrand::shuffle(&mut order);
        for contestant in order {
            let (start, mut times) = (now(), reads);
            match contestant {
                0 => {
                    for _ in 0..reads {
                        black_box(bare.read().await);
                    }
                }
                1 => {
                    for _ in 0..reads {
                        black_box(read(&kv).await);
                    }
                }
                _ => {
                    times = CACHED * reads;
                    for _ in 0..times {
                        cached(&kv).await;
                    }
                }
            }
            if round > 0 {
                let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(times);
                measured[contestant].push(each);
            }
        }
    }
    let _ = vault.shutdown(Duration::from_secs(1)).await;
    measured
}

/// How long operations waited for the client's short locks (the token's, the cache's, that of who
/// is inside), with as many callers at once as may run. The locks that are read at once by all,
/// tokio's semaphores and the HTTP client's own are not in it: what they cost is in the time of a
/// read.
fn locks(address: SocketAddr, threads: usize, Extent { rounds, reads }: Extent) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(threads).enable_all().build().unwrap();
    let each = rounds * reads / 10;
    for (name, callers, times) in [("read", 100, each / 20), ("cached", threads, each * CACHED)] {
        let vault = runtime.block_on(async { open(address) });
        let start = now();
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..callers {
                let kv = vault.kv2("secret");
                tasks.spawn(async move {
                    for _ in 0..times.max(1) {
                        match name {
                            "read" => drop(black_box(read(&kv).await)),
                            _ => cached(&kv).await,
                        }
                    }
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap();
            }
        });
        let operations = callers as f64 * f64::from(times.max(1));
        let took = start.elapsed().as_secs_f64() * 1e9 / operations;
        println!("locks, {name}, {threads} threads, {callers} callers, {operations} operations:");
        for (lock, Contention { taken, contended, waited, .. }) in vault.health().locks {
            let waited = waited.as_secs_f64() * 1e9 / operations;
            println!(
                "  {lock:<6} taken {taken}, contended {contended}: {waited:.2} ns of waiting an \
                 operation, of {took:.0} (goal: at most 100)"
            );
        }
        let _ = runtime.block_on(vault.shutdown(Duration::from_secs(1)));
    }
}

fn median(all: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = all.collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

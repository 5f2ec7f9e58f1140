//! What do breaker, pool, token and cache add to one read, beside the bare HTTP client in the same
//! run? `cargo bench -p panelboard-vault`.
//!
//! | contestant | a read is |
//! | --- | --- |
//! | `bare` | the same client of HTTP, the same headers, the body read to its end |
//! | `read` | `Kv2::read` |
//! | `cached` | `Kv2::read_cached` of a secret that is fresh |
//!
//! The server is in the same process, on a thread of its own, and says the same bytes to all.
//! Rounds are taken in turn; the median counts. Without `--bench`, one short round that shows that
//! it runs. How often the locks were fought for is shown at the end.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use panelboard_vault::{Auth, Config, Secret, Vault};
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

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rounds, reads) = if measures { (15, 4_000) } else { (1, 20) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = serve();
    let (bare, read, cached, locks) = runtime.block_on(measure(address, rounds, reads));
    println!("nanoseconds a read, median of {rounds} rounds of {reads}\n");
    println!("{:>10} {:>12} {:>12}", "bare", "read", "cached");
    println!("{bare:>10.0} {read:>12.0} {cached:>12.0}");
    let added = read - bare;
    println!("\nadded by read: {added:.0} ns, {:.1} % (goal: 5,000 ns, 2 %)", 100.0 * added / bare);
    println!("cached (goal: 200 ns): {cached:.0} ns");
    println!("locks: {locks}");
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
                    let mut request = [0; 4_096];
                    while let Ok(n @ 1..) = socket.read(&mut request).await {
                        let is_token = request[..n].windows(6).any(|six| six == b"lookup");
                        let body = if is_token { LOOKED_UP } else { BODY };
                        let length = body.len();
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
                        let all = format!("{head}content-length: {length}\r\n\r\n{body}");
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

async fn measure(address: SocketAddr, rounds: u32, reads: u32) -> (f64, f64, f64, String) {
    let auth = Auth::token(Secret::new("hvs.bench".to_owned()));
    let config = Config::builder(format!("http://{address}"), auth);
    let vault = Vault::open(config.cache_ttl(Duration::from_secs(3_600)).build().unwrap()).unwrap();
    let kv = vault.kv2("secret");
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ));
    let tls = tls.with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls);
    let client = client.build().unwrap();
    let url = format!("http://{address}/v1/secret/data/app");
    let bare_read = async || {
        let request = client
            .get(&url)
            .header("x-vault-request", "true")
            .header("x-vault-token", "hvs.bench")
            .header("x-correlation-id", "00000000000000000000000000000000");
        assert!(!request.send().await.unwrap().bytes().await.unwrap().is_empty());
    };
    let mut measured = [vec![], vec![], vec![]];
    kv.read_cached("app").await.unwrap();
    for _ in 0..rounds {
        let start = now();
        for _ in 0..reads {
            bare_read().await;
        }
        measured[0].push(each(start.elapsed(), reads));
        let start = now();
        for _ in 0..reads {
            assert!(kv.read("app").await.unwrap().is_some());
        }
        measured[1].push(each(start.elapsed(), reads));
        let (start, many) = (now(), 50 * reads);
        for _ in 0..many {
            assert!(kv.read_cached("app").await.unwrap().is_some());
        }
        measured[2].push(each(start.elapsed(), many));
    }
    let locks = format!("{:?}", vault.health().locks);
    let _ = vault.shutdown(Duration::from_secs(1)).await;
    let [bare, read, cached] = measured.map(median);
    (bare, read, cached, locks)
}

fn each(time: Duration, reads: u32) -> f64 {
    time.as_secs_f64() * 1e9 / f64::from(reads)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures by the machine's clock")]
fn now() -> Instant {
    Instant::now()
}

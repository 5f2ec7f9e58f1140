//! An axum server that answers 503 with `Retry-After` while the database behind a route is down.
//!
//! `cargo run -p panelboard-tower --example axum`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::StatusCode, routing::get};
use panelboard::{Clock, Config, Panel};
use panelboard_tower::{BreakerLayer, unavailable};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::builder()
        .failure_threshold(2)
        .recovery_timeout(Duration::from_secs(30))
        .jitter(0.0);
    // A clock that this program turns itself; without `clock` it is the machine's.
    let (clock, hand) = Clock::manual();
    let panel: Panel = Panel::builder().defaults(config.build()?).clock(clock).build();
    let database = panel.breaker("database")?;

    let up = Arc::new(AtomicBool::new(false));
    let (seen, breaker) = (Arc::clone(&up), database.clone());
    let query = move || async move {
        if seen.load(Ordering::Relaxed) {
            Ok("rows")
        } else {
            Err((StatusCode::INTERNAL_SERVER_ERROR, "the database is down"))
        }
    };
    let guarded = BreakerLayer::new(breaker).rejected_with(unavailable::<Body>);
    let app = Router::new()
        .route("/rows", get(query))
        .route_layer(guarded)
        // Routes that are added after the layer do without it.
        .route("/about", get(|| async { "about" }));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    for _ in 0..3 {
        println!("/rows   {}", ask(address, "/rows").await?);
    }
    println!("/about  {}", ask(address, "/about").await?);
    up.store(true, Ordering::Relaxed);
    hand.advance(Duration::from_secs(30));
    println!("30 s later, with the database up:");
    println!("/rows   {}", ask(address, "/rows").await?);
    println!("the breaker is {}", database.state());
    Ok(())
}

/// The status, and `Retry-After` if there is one.
async fn ask(address: SocketAddr, path: &str) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let status = text.lines().next().unwrap_or_default().to_owned();
    let wait = text.lines().find(|line| line.starts_with("retry-after"));
    Ok(wait.map_or_else(|| status.clone(), |wait| format!("{status}, {wait}")))
}

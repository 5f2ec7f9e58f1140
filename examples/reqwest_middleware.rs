//! A reqwest client with a breaker among its middlewares, and a server that asks for a pause.
//!
//! `cargo run -p panelboard-tower --example reqwest_middleware`; in a program of your own, with the
//! feature `reqwest-middleware` of `panelboard-tower`.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{borrow::Cow, error::Error as StdError, net::SocketAddr};

use panelboard::{Config, Panel};
use panelboard_tower::{BreakerMiddleware, NoPermit};
use reqwest_middleware::{ClientBuilder, Error};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let address = server().await?;
    let config = Config::builder().jitter(0.0).build()?;
    let panel: Panel = Panel::builder().defaults(config).build();
    let client = ClientBuilder::new(reqwest::Client::builder().no_proxy().build()?)
        .with(BreakerMiddleware::keyed(panel, first_segment))
        .build();

    for path in ["search/a", "search/b", "search/c", "files/a"] {
        let told = match client.get(format!("http://{address}/{path}")).send().await {
            Ok(response) => format!("{}: {}", response.status().as_u16(), response.text().await?),
            Err(Error::Middleware(error)) => match error.downcast_ref() {
                Some(NoPermit::Rejected(rejected)) => {
                    let seconds = rejected.retry_after.map(|wait| wait.as_secs_f64().round());
                    format!("{}, for {} s", rejected.state, seconds.unwrap_or_default())
                }
                _ => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        println!("{path:<9} {told}");
    }
    Ok(())
}

/// The key of a request: the service that its path begins with.
fn first_segment(request: &reqwest::Request) -> Cow<'_, str> {
    let mut segments = request.url().path_segments().into_iter().flatten();
    segments.next().unwrap_or_default().into()
}

/// Its second answer is a 429 that asks for 20 seconds without calls.
async fn server() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut answers = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            answers += 1;
            let head = match answers {
                2 => "429 Too Many Requests\r\nretry-after: 20",
                _ => "200 OK",
            };
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let text = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\nhello");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    Ok(address)
}

//! A hyper client with a breaker for each host: one host cuts its answers short, the other is well.
//!
//! `cargo run -p panelboard-tower --example hyper`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error as StdError, net::SocketAddr};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use panelboard::{Config, Panel};
use panelboard_tower::{BreakerLayer, Error, host};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tower::{Service, ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let well = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine").await?;
    let ill = server("HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\nand then not").await?;

    let config = Config::builder().failure_threshold(2).build()?;
    let panel: Panel = Panel::builder().defaults(config).build();
    let mut client = ServiceBuilder::new()
        .layer(BreakerLayer::keyed(panel.clone(), host))
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    for (name, address) in
        [("well", well), ("ill", ill), ("ill", ill), ("ill", ill), ("well", well)]
    {
        let request = Request::get(format!("http://{address}/")).body(Empty::new())?;
        let told = match client.ready().await?.call(request).await {
            // The head was fine both times: only the end of the body is the outcome.
            Ok(response) => match response.into_body().collect().await {
                Ok(body) => format!("answered {} bytes", body.to_bytes().len()),
                Err(error) => format!("cut short: {error}"),
            },
            Err(Error::Rejected(rejected)) => rejected.state.to_string(),
            Err(error) => error.to_string(),
        };
        println!("{name:<4}  {told}");
    }
    panel.each(|_, breaker| println!("a breaker is {}", breaker.state()));
    Ok(())
}

/// Answers every connection with `text`, and closes it.
async fn server(text: &'static str) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    Ok(address)
}

//! Does a breaker among reqwest's middlewares follow the body, and leave the response alone?

use std::{borrow::Cow, future::Future, net::SocketAddr, sync::Arc};

use panelboard::{Breaker, Panel, State};
use panelboard_tower::{BreakerMiddleware, NoPermit, Verdict};
use reqwest::StatusCode;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{closed, config, context, probe_is_out, probing};

/// Answers each connection with `text` as it stands, and closes it.
async fn server(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    address
}

fn plain() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn client(breaker: &Arc<Breaker>) -> ClientWithMiddleware {
    ClientBuilder::new(plain()).with(BreakerMiddleware::new(Arc::clone(breaker))).build()
}

#[tokio::test]
async fn the_end_of_the_body_decides_and_the_response_is_as_it_was() {
    let (breaker, _hand) = probing();
    let text =
        "HTTP/1.1 200 OK\r\nx-id: 7\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n";
    let url = format!("http://{}/a?b=c", server(text).await);
    let mut response = client(&breaker).get(&url).send().await.unwrap();
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.headers()["x-id"], "7");
    assert!(response.remote_addr().is_some());
    assert_eq!(response.chunk().await.unwrap().unwrap(), "done");
    assert!(probe_is_out(&breaker));
    assert!(response.chunk().await.unwrap().is_none());
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_body_that_breaks_is_a_failure() {
    let (breaker, _hand) = probing();
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let response = client(&breaker).get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(response.content_length(), Some(10));
    assert!(probe_is_out(&breaker));
    assert!(response.text().await.is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn a_response_that_is_dropped_gives_the_place_back() {
    let (breaker, _hand) = probing();
    let address = server("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone").await;
    let response = client(&breaker).get(format!("http://{address}/")).send().await.unwrap();
    drop(response);
    assert_eq!((breaker.state(), breaker.would_admit()), (State::HalfOpen, true));
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_the_place_back() {
    let (breaker, _hand) = probing();
    let address = server("").await;
    let client = client(&breaker);
    let mut call = Box::pin(client.get(format!("http://{address}/")).send());
    assert!(call.as_mut().poll(&mut context()).is_pending());
    assert!(probe_is_out(&breaker));
    drop(call);
    assert_eq!((breaker.state(), breaker.would_admit()), (State::HalfOpen, true));
}

#[tokio::test]
async fn a_status_counts_at_once_and_a_rejection_is_a_middlewares_error() {
    let (breaker, _hand) = closed();
    let address = server("HTTP/1.1 503 Down\r\ncontent-length: 5\r\n\r\nsorry").await;
    let client = client(&breaker);
    let response = client.get(format!("http://{address}/")).send().await.unwrap();
    assert_eq!(
        (response.status(), breaker.state()),
        (StatusCode::SERVICE_UNAVAILABLE, State::Open)
    );
    assert_eq!(response.text().await.unwrap(), "sorry");
    let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
    let Error::Middleware(error) = error else { panic!("{error}") };
    assert!(matches!(error.downcast_ref(), Some(NoPermit::Rejected(_))));
}

#[tokio::test]
async fn no_route_is_a_failure_and_a_request_that_cannot_be_sent_is_none() {
    let (breaker, _hand) = closed();
    let client = client(&breaker);
    assert!(client.get("nothing://that.http/knows").send().await.is_err());
    let counts = breaker.snapshot().counts;
    assert_eq!((breaker.state(), counts.ignored, counts.failures), (State::Closed, 1, 0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(client.get(format!("http://{address}/")).send().await.is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn each_key_has_its_breaker_and_errors_can_be_classified() {
    fn path(request: &reqwest::Request) -> Cow<'_, str> {
        request.url().path().into()
    }
    let panel: Panel = Panel::builder().defaults(config().build().unwrap()).build();
    let classify = |answer: Result<&http::response::Parts, &Error>| match answer {
        Ok(head) if head.status == StatusCode::NOT_FOUND => Verdict::Failure,
        _ => Verdict::Success,
    };
    let client = ClientBuilder::new(plain())
        .with(BreakerMiddleware::keyed(panel.clone(), path).classify(classify))
        .build();
    let address = server("HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n").await;
    assert!(client.get(format!("http://{address}/a")).send().await.is_ok());
    assert!(client.get(format!("http://{address}/a")).send().await.is_err());
    assert!(client.get(format!("http://{address}/b")).send().await.is_ok());
    assert_eq!(panel.len(), 2);
}

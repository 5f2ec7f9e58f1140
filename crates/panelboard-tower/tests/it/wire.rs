//! Do real clients and servers poll and drop bodies as the layer expects?

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body as AxumBody, routing::get};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::server::conn::http1;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use panelboard::{Breaker, State};
use panelboard_tower::{BreakerLayer, BreakerService, Error, unavailable};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tower::{Layer, Service, ServiceExt};

use crate::support::{OPEN, closed, probe_is_out, probing};

type HyperClient = BreakerService<Client<HttpConnector, Empty<Bytes>>, Arc<Breaker>>;

fn client(breaker: &Arc<Breaker>) -> HyperClient {
    let client = Client::builder(TokioExecutor::new()).build_http();
    BreakerLayer::new(Arc::clone(breaker)).layer(client)
}

fn request(address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}/")).body(Empty::new()).unwrap()
}

/// Answers each connection with one text, written as it stands, and closes it when told.
async fn scripted(texts: Vec<&'static str>) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (hang_up, hung_up) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut hung_up = Some(hung_up);
        for text in texts {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4_096];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            if let Some(hung_up) = hung_up.take() {
                let _ = hung_up.await;
            }
        }
    });
    (address, hang_up)
}

#[tokio::test]
async fn a_server_that_is_killed_mid_body_is_a_failure_of_a_hyper_client() {
    let (breaker, hand) = probing();
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
    let (address, hang_up) = scripted(vec![cut, whole]).await;
    let mut client = client(&breaker);

    let response = client.ready().await.unwrap().call(request(address)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "half");
    assert!(probe_is_out(&breaker), "the head decided");
    hang_up.send(()).unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(breaker.state(), State::Open);

    let rejected = client.ready().await.unwrap().call(request(address)).await;
    assert!(matches!(rejected, Err(Error::Rejected(_))));
    hand.advance(OPEN);
    let response = client.ready().await.unwrap().call(request(address)).await.unwrap();
    assert!(probe_is_out(&breaker));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_server_that_nobody_answers_for_is_a_failure() {
    let (breaker, _hand) = closed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let answer = client(&breaker).oneshot(request(address)).await;
    assert!(matches!(answer, Err(Error::Inner(error)) if error.is_connect()));
    assert_eq!(breaker.state(), State::Open);
}

/// Serves one connection with `service`. The task is over when every body of it was dropped.
async fn serve_one<S, B>(service: S) -> (SocketAddr, JoinHandle<()>)
where
    S: Service<Request<hyper::body::Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    });
    (address, task)
}

/// Sends `head`, reads until the server closes, and waits until it has dropped everything.
async fn exchange(address: SocketAddr, task: JoinHandle<()>, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    task.await.unwrap();
    text
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Five bytes, and never a word that they were all.
struct Five(u8);

impl Body for Five {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(self.0 < 5, "polled after its announced length");
        self.0 += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
    }
}

fn router(breaker: &Arc<Breaker>) -> Router {
    let five = || async { ([("content-length", "5")], AxumBody::new(Five(0))) };
    let layer = BreakerLayer::new(Arc::clone(breaker)).rejected_with(unavailable::<AxumBody>);
    Router::new().route("/", get(five)).layer(layer)
}

#[tokio::test]
async fn a_body_of_announced_length_is_a_success_on_a_server() {
    let (breaker, _hand) = probing();
    let (address, task) = serve_one(router(&breaker)).await;
    let text = exchange(address, task, GET).await;
    assert!(text.ends_with("\r\n\r\nxxxxx"), "{text}");
    assert_eq!((breaker.state(), breaker.snapshot().counts.cancelled), (State::Closed, 0));
}

#[tokio::test]
async fn an_answer_to_head_is_a_success_on_a_server() {
    let (breaker, _hand) = probing();
    let (address, task) = serve_one(router(&breaker)).await;
    let text = exchange(address, task, HEAD).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("\r\n\r\n"), "{text}");
    assert_eq!((breaker.state(), breaker.snapshot().counts.cancelled), (State::Closed, 0));
}

#[tokio::test]
async fn a_rejection_is_an_answer_on_a_server() {
    let (breaker, _hand) = closed();
    breaker.trip();
    let (address, task) = serve_one(router(&breaker)).await;
    let text = exchange(address, task, GET).await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("retry-after: 10\r\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_mid_body_holds_nothing_against_a_server() {
    let (breaker, _hand) = probing();
    let endless = || async {
        let first = Frame::data(Bytes::from_static(b"first"));
        AxumBody::new(StreamBody::new(FirstThenNothing(Some(first))))
    };
    let layer = BreakerLayer::new(Arc::clone(&breaker)).rejected_with(unavailable::<AxumBody>);
    let (address, task) = serve_one(Router::new().route("/", get(endless)).layer(layer)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("first") {
        assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
    }
    assert!(probe_is_out(&breaker));
    drop(stream);
    task.await.unwrap();
    assert_eq!((breaker.state(), breaker.would_admit()), (State::HalfOpen, true));
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.cancelled, counts.failures), (1, 0));
}

/// A stream of one frame, after which it waits for ever.
struct FirstThenNothing(Option<Frame<Bytes>>);

impl futures_core::Stream for FirstThenNothing {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.take().map_or(Poll::Pending, |frame| Poll::Ready(Some(Ok(frame))))
    }
}

#[tokio::test]
async fn a_server_task_that_is_aborted_mid_body_releases_there_and_fails_here() {
    let (theirs, _hand) = probing();
    let (ours, _hand) = probing();
    let endless = || async {
        let first = Frame::data(Bytes::from_static(b"first"));
        AxumBody::new(StreamBody::new(FirstThenNothing(Some(first))))
    };
    let layer = BreakerLayer::new(Arc::clone(&theirs)).rejected_with(unavailable::<AxumBody>);
    let (address, task) = serve_one(Router::new().route("/", get(endless)).layer(layer)).await;
    let response = client(&ours).oneshot(request(address)).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    assert!(probe_is_out(&theirs) && probe_is_out(&ours));
    task.abort();
    assert!(task.await.is_err_and(|error| error.is_cancelled()));
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(ours.state(), State::Open);
    assert_eq!((theirs.state(), theirs.snapshot().counts.cancelled), (State::HalfOpen, 1));
}

#[tokio::test]
async fn a_task_that_polls_the_call_itself_and_panics_counts_the_panic() {
    let (breaker, _hand) = probing();
    let mut service = BreakerLayer::new(Arc::clone(&breaker)).layer(tower::service_fn(
        async |_: Request<()>| -> Result<Response<AxumBody>, Infallible> {
            panic!("its own fault")
        },
    ));
    let call = service.call(Request::new(()));
    assert!(is_send(&call));
    assert!(tokio::spawn(call).await.is_err_and(|error| error.is_panic()));
    assert_eq!(breaker.state(), State::Open);
}

fn is_send<F: Future + Send + 'static>(_: &F) -> bool {
    true
}

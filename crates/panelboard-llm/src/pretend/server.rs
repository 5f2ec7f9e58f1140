//! How do the pretend providers serve HTTP, and how do their faults show on the wire?

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::{Answer, answer};
use super::paced::Paced;
use super::{Fault, Key, Shared};

/// More connections wait in the listener's queue until one ends.
pub const CONNECTIONS_MAX: usize = 4096;

/// A longer request body is answered with 413.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// Between two words, so that a person sees that it is a stream.
const WORD_EVERY: Duration = Duration::from_millis(20);
/// The same for a slow key.
const WORD_EVERY_SLOW: Duration = Duration::from_millis(500);
/// Before the first word of a slow key.
const SLOW_START: Duration = Duration::from_secs(3);
/// What a 429 asks for when the fault has no end.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// After an error of `accept`, which is mostly one of too many files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is aborted; its connections end with it.
pub(super) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        // Never closed: an error can not be.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((socket, _)) => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    serve(socket, shared).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    // Words go out one by one. Fails only if the client has left already.
    drop(socket.set_nodelay(true));
    let service = service_fn(|request| handle(request, Arc::clone(&shared)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(socket), service);
    // An error is a client that left, or a fault that was asked for.
    drop(connection.await);
}

/// Answers one request. An error closes the connection without an answer.
async fn handle(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Paced>> {
    let Some(key) = key_of(&request, &shared) else {
        return Ok(refusal(401, "invalid_api_key", "this is no key of a pretend provider"));
    };
    let fault = key.fault_at(Instant::now());
    let path = request.uri().path().trim_start_matches("/v1").to_owned();
    // Read before failing, as a real server does: the client has sent it in any case.
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let Ok(body) = body.map(|body| body.to_bytes()) else {
        return Ok(refusal(413, "request_too_large", "the request body is too long"));
    };
    if let Some(failed) = fail(fault).await? {
        return Ok(failed);
    }
    // Carries only itself.
    let number = shared.answers.fetch_add(1, Ordering::Relaxed) + 1;
    let mut response = respond(answer(&path, &body, &key.provider, number), fault.map(|it| it.0));
    if let Ok(who) = HeaderValue::from_str(&format!("{}/{}", key.provider, key.name)) {
        response.headers_mut().insert("x-pretend-provider", who);
    }
    Ok(response)
}

fn key_of(request: &Request<Incoming>, shared: &Shared) -> Option<Key> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    shared.lock().get(value.strip_prefix("Bearer ")?).cloned()
}

/// The answer of a fault that needs no look at the request; `None` if there is one to be made.
async fn fail(fault: Option<(Fault, Option<Duration>)>) -> io::Result<Option<Response<Paced>>> {
    let Some((fault, left)) = fault else { return Ok(None) };
    Ok(Some(match fault {
        Fault::None | Fault::Cut => return Ok(None),
        Fault::Slow => {
            tokio::time::sleep(SLOW_START).await;
            return Ok(None);
        }
        Fault::Hang => return pending().await,
        Fault::Refuse => return Err(io::Error::other("refused, as asked for")),
        Fault::RateLimited => {
            let mut answer = refusal(429, "rate_limit_exceeded", "pretend: too many requests");
            let seconds = left.unwrap_or(RETRY_AFTER).as_secs_f64().ceil();
            answer.headers_mut().insert(header::RETRY_AFTER, (seconds as u64).into());
            answer
        }
        Fault::ServerError => refusal(500, "server_error", "pretend: an error, as asked for"),
        Fault::Unavailable => refusal(503, "service_unavailable", "pretend: not available"),
        Fault::Overloaded => refusal(529, "overloaded_error", "pretend: overloaded"),
        Fault::Unauthorized => refusal(401, "invalid_api_key", "pretend: the key is not accepted"),
    }))
}

fn respond(answer: Answer, fault: Option<Fault>) -> Response<Paced> {
    let interval = if fault == Some(Fault::Slow) { WORD_EVERY_SLOW } else { WORD_EVERY };
    let (body, content_type) = match answer {
        Answer::Whole(value) => (Paced::whole(value.to_string().into()), "application/json"),
        Answer::Stream(events) => (Paced::new(events, interval), "text/event-stream"),
        Answer::Wrong(status, message) => {
            return refusal(status, "invalid_request_error", &message);
        }
    };
    let body = if fault == Some(Fault::Cut) { body.cut() } else { body };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn refusal(status: u16, code: &str, message: &str) -> Response<Paced> {
    let error = json!({"message": message, "type": code, "param": null, "code": code});
    let body = Bytes::from(json!({ "error": error }).to_string());
    let mut response = Response::new(Paced::whole(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

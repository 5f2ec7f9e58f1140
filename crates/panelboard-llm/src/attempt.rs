//! One try at one key: what is sent, within which times, and what came of it.

mod admitted;
pub(crate) mod read;
pub(crate) mod settle;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header, response::Parts};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::admitted::{Admitted, Early, With};
use crate::{
    anthropic::{self, StreamTranslator},
    calls::{CallGuard, Stage},
    observe::Usage,
    openai::Refusal,
    request::{Ask, Endpoint},
    settings::{Kind, Limits},
    stream::{Held, Source},
    transport::{Body, Connection, Sent},
    verdict::{self, Class, Verdict},
};

/// What a call asks for, and until when it may take.
#[derive(Debug)]
pub(crate) struct Errand<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: &'a Limits,
    /// The end of the whole call.
    pub(crate) deadline: Instant,
}

/// What a provider answered.
#[expect(clippy::large_enum_variant, reason = "made once a call, and taken apart at once")]
pub(crate) enum Reply {
    /// A whole answer.
    Whole { head: Parts, body: Bytes, usage: Option<Usage> },
    /// A stream whose first output is there.
    Stream { head: Parts, source: Source, held: Held },
    /// The provider's API has no words for the request: nothing was sent.
    Unsupported(Refusal),
    /// A 4xx about the request, to be passed on as it is.
    RequestFault { head: Parts, body: Bytes, verdict: Verdict },
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) verdict: Verdict,
    pub(crate) status: Option<u16>,
    /// The call's own time was over: says nothing about the provider.
    pub(crate) out_of_time: bool,
}

impl Failure {
    pub(crate) fn new(class: Class, message: &str) -> Self {
        Self { verdict: Verdict::new(class, message), status: None, out_of_time: false }
    }

    pub(crate) fn out_of_time() -> Self {
        Self { out_of_time: true, ..Self::new(Class::ClientGone, "the call's time is over") }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

/// A limit within the call's own time. Which of the two was the shorter one decides whom a time-out
/// is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) at: Instant,
    own: bool,
    limit: Duration,
    what: &'static str,
}

impl Until {
    /// `limit` from now, but not beyond the call's deadline.
    pub(crate) fn new(what: &'static str, limit: Duration, deadline: Instant) -> Self {
        let at = Instant::now() + limit;
        Self { at: at.min(deadline), own: deadline < at, limit, what }
    }

    /// It has passed.
    pub(crate) fn passed(&self) -> Failure {
        if self.own {
            return Failure::out_of_time();
        }
        Failure::new(Class::Timeout, &format!("no {} within {:?}", self.what, self.limit))
    }
}

/// Sends the call to the admitted key and waits for what decides: a whole answer, an error, or a
/// stream's first output. Dropping the future closes the connection.
pub(crate) async fn run(
    errand: &Errand<'_>,
    admitted: &Admitted,
    call: &CallGuard,
) -> Result<Reply, Failure> {
    let timeouts = &admitted.route.provider.timeouts;
    let body = match read::outgoing(errand, admitted) {
        Ok(body) => body,
        Err(refusal) => return Ok(Reply::Unsupported(refusal)),
    };
    let sent = send(errand, admitted, call, body).await?;
    admitted.answered();
    let status = sent.head.status.as_u16();
    let verdict_of_head = (200..300).contains(&status);
    let waiting = Reading { errand, admitted, idle: timeouts.idle };
    if !verdict_of_head {
        return waiting.error(sent).await;
    }
    admitted.heard();
    if errand.ask.stream && !is_json(&sent.head.headers) {
        waiting.stream(sent).await
    } else {
        waiting.whole(sent).await
    }
}

/// Connects, or takes an idle connection, and sends. What meets a connection that the provider had
/// closed while it was idle is sent once more: nothing was received, so nobody answered it.
async fn send(
    errand: &Errand<'_>,
    admitted: &Admitted,
    call: &CallGuard,
    body: Bytes,
) -> Result<Sent, Failure> {
    let transport = &admitted.route.provider.transport;
    let request = |body: Bytes| request(errand, admitted, body);
    let mut until = first_byte(errand, admitted);
    if let Some(connection) = transport.reuse().await {
        call.stage(Stage::FirstByte);
        match exchange(connection, request(body.clone())?, until).await {
            Err((failure, false)) => return Err(failure),
            Err((_, true)) => {}
            Ok(sent) => return Ok(sent),
        }
    }
    call.stage(Stage::Connecting);
    let connect =
        Until::new("connection", admitted.route.provider.timeouts.connect, errand.deadline);
    let within = connect.at - Instant::now();
    let connection = transport.connect(within).await.map_err(|error| match error.timed_out {
        true if connect.own => Failure::out_of_time(),
        _ => Failure::new(Class::Connect, &error.to_string()),
    })?;
    call.stage(Stage::FirstByte);
    until = first_byte(errand, admitted);
    exchange(connection, request(body)?, until).await.map_err(|(failure, _)| failure)
}

fn first_byte(errand: &Errand<'_>, admitted: &Admitted) -> Until {
    Until::new("answer", admitted.route.provider.timeouts.first_byte, errand.deadline)
}

/// One request over one connection. The flag of an error says that the connection was stale.
async fn exchange(
    connection: Connection,
    request: Request<Full<Bytes>>,
    until: Until,
) -> Result<Sent, (Failure, bool)> {
    match timeout_at(until.at, connection.send(request)).await {
        Err(_) => Err((until.passed(), false)),
        Ok(Ok(sent)) => Ok(sent),
        Ok(Err(error)) => {
            let class = if error.garbage() { Class::Garbage } else { Class::Cut };
            Err((Failure::new(class, &error.to_string()), error.stale))
        }
    }
}

fn request(
    errand: &Errand<'_>,
    admitted: &Admitted,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let provider = &admitted.route.provider;
    let endpoint = match provider.kind {
        Kind::Anthropic => "/messages",
        _ => errand.endpoint.as_str(),
    };
    let accept = if errand.ask.stream { "text/event-stream" } else { "application/json" };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(provider.transport.base().path(endpoint))
        .header(header::HOST, provider.transport.base().authority.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::USER_AGENT, concat!("panelboard/", env!("CARGO_PKG_VERSION")));
    if provider.kind == Kind::Anthropic {
        request = request.header("anthropic-version", "2023-06-01");
    }
    if let Some((name, value)) = admitted.key.credential(provider.kind) {
        request = request.header(name, value);
    }
    request.body(Full::new(body)).map_err(|e| Failure::new(Class::Connect, &e.to_string()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"application/json"))
}

/// Reads an answer's body.
struct Reading<'a> {
    errand: &'a Errand<'a>,
    admitted: &'a Admitted,
    idle: Duration,
}

/// An error's body is read up to here; no provider writes longer ones.
const ERROR_BYTES_MAX: usize = 1 << 20;

impl Reading<'_> {
    async fn error(&self, sent: Sent) -> Result<Reply, Failure> {
        let Sent { head, body } = sent;
        let status = head.status.as_u16();
        let (body, cut) = match self.collect(body, ERROR_BYTES_MAX).await {
            Ok(body) => (body, None),
            Err((partial, failure)) => (partial, Some(failure)),
        };
        let body = self.admitted.without_secret(body);
        let verdict = self.judge(&head, &body);
        match (verdict.class, cut) {
            (_, Some(failure)) if failure.out_of_time => Err(failure),
            (Class::RequestFault, Some(failure)) => Err(failure.status(status)),
            (Class::RequestFault, None) => {
                let body = read::incoming_error(self.admitted, body);
                Ok(Reply::RequestFault { head, body, verdict })
            }
            _ => Err(Failure { verdict, status: Some(status), out_of_time: false }),
        }
    }

    async fn whole(&self, sent: Sent) -> Result<Reply, Failure> {
        let Sent { head, body } = sent;
        let status = head.status.as_u16();
        let body = self.collect(body, self.errand.limits.max_answer_bytes).await;
        let body = body.map_err(|(_, failure)| failure.status(status))?;
        let verdict = self.judge(&head, &body);
        if verdict.class != Class::Success {
            return Err(Failure { verdict, status: Some(status), out_of_time: false });
        }
        let answer =
            read::incoming(self.admitted, body).map_err(|failure| failure.status(status))?;
        if self.errand.ask.stream {
            let message = "it answered a request for a stream with one that is none";
            return Err(Failure::new(Class::Garbage, message).status(status));
        }
        let (body, usage) = answer;
        Ok(Reply::Whole { head, body, usage })
    }

    async fn stream(&self, sent: Sent) -> Result<Reply, Failure> {
        let Sent { head, body } = sent;
        let status = head.status.as_u16();
        let provider = &self.admitted.route.provider;
        let mut source = Source::new(body, provider.kind, self.translator());
        let first =
            Until::new("event of the stream", provider.timeouts.first_byte, self.errand.deadline);
        let held = Held::until_output(&mut source, self.errand, first, self.idle).await;
        match held {
            Ok(held) => Ok(Reply::Stream { head, source, held }),
            Err(mut failure) => {
                failure.verdict = failure.verdict.without(self.admitted.secret());
                Err(failure.status(status))
            }
        }
    }

    /// For a provider whose streams have another shape.
    fn translator(&self) -> Option<StreamTranslator> {
        if self.admitted.route.provider.kind != Kind::Anthropic {
            return None;
        }
        let wants_usage =
            self.errand.ask.parsed().is_some_and(|body| anthropic::wants_usage(&body));
        let (model, created) = (&self.admitted.route.model, crate::clock::created());
        Some(StreamTranslator::new(model, created, wants_usage))
    }

    fn judge(&self, head: &Parts, body: &[u8]) -> Verdict {
        let kind = self.admitted.route.provider.kind;
        let now = crate::clock::wall();
        let verdict = verdict::of_status(kind, head.status.as_u16(), &head.headers, body, now);
        verdict.without(self.admitted.secret())
    }

    /// The whole body, or what came of it and why no more did.
    async fn collect(&self, mut body: Body, max_bytes: usize) -> Result<Bytes, (Bytes, Failure)> {
        let mut whole = Pieces::default();
        loop {
            let idle = Until::new("next piece of the answer", self.idle, self.errand.deadline);
            let failure = match timeout_at(idle.at, body.chunk()).await {
                Ok(None) => return Ok(whole.join()),
                Ok(Some(Ok(piece))) if whole.bytes + piece.len() <= max_bytes => {
                    whole.push(piece);
                    continue;
                }
                Ok(Some(Ok(_))) => {
                    let message = format!("the answer is longer than {max_bytes} bytes");
                    Failure::new(Class::Garbage, &message)
                }
                Ok(Some(Err(error))) => Failure::new(Class::Cut, &error.to_string()),
                Err(_) => idle.passed(),
            };
            return Err((whole.join(), failure));
        }
    }
}

/// A body in pieces; one piece, the usual case, is not copied.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn join(mut self) -> Bytes {
        match self.pieces.len() {
            0 => Bytes::new(),
            1 => self.pieces.swap_remove(0),
            _ => self.pieces.concat().into(),
        }
    }
}

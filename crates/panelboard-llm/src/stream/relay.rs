//! The committed stream: each piece to the client at once, and an honest end.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use tokio::time::{Instant, Sleep};

use super::{
    hold::Held,
    source::{Piece, Source},
};
use crate::{
    attempt::{Admitted, Failure, Until},
    calls::CallGuard,
    observe::Outcome,
    openai::{self, Attempt},
    verdict::Class,
};

/// After the end mark the connection may take so long to end; then it is closed instead of kept.
const DRAIN: Duration = Duration::from_secs(1);

/// A stream of server-sent events for the client, as a [`futures_core::Stream`] and as an
/// [`http_body::Body`]. Each item is to be sent at once.
///
/// It reads from the provider only as fast as it is polled. Dropping it closes the connection to
/// the provider at once and ends the call as its client's leaving.
pub struct AnswerStream(Box<Relay>);

impl fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerStream").finish_non_exhaustive()
    }
}

/// What a committed stream begins with.
pub(crate) struct Begin {
    pub(crate) source: Source,
    pub(crate) held: Held,
    pub(crate) admitted: Admitted,
    pub(crate) call: CallGuard,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) status: u16,
    pub(crate) deadline: Instant,
    /// The classes that the call has already held against a key.
    pub(crate) counted: Vec<Class>,
}

struct Relay {
    source: Option<Source>,
    held: Held,
    running: Option<Running>,
    idle: Duration,
    until: Until,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

/// What lives until the stream's end is known.
struct Running {
    admitted: Admitted,
    call: CallGuard,
    attempts: Vec<Attempt>,
    status: u16,
    counted: Vec<Class>,
}

impl AnswerStream {
    pub(crate) fn new(begin: Begin) -> Self {
        let Begin { source, held, admitted, call, attempts, status, deadline, counted } = begin;
        let idle = admitted.route.provider.timeouts.idle;
        let until = Until::new("next piece of the stream", idle, deadline);
        Self(Box::new(Relay {
            source: Some(source),
            held,
            running: Some(Running { admitted, call, attempts, status, counted }),
            idle,
            until,
            deadline,
            timer: Box::pin(tokio::time::sleep_until(until.at)),
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.0.poll(cx)
    }
}

impl Relay {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.running.is_none() {
                return Poll::Ready(None);
            }
            if let Some(bytes) = self.pass_on() {
                return Poll::Ready(Some(bytes));
            }
            let Some(source) = &mut self.source else { return Poll::Ready(None) };
            match source.poll_pieces(cx) {
                Poll::Ready(pieces) => {
                    self.held.pieces.extend(pieces);
                    self.until = Until::new("next piece of the stream", self.idle, self.deadline);
                    self.timer.as_mut().reset(self.until.at);
                }
                Poll::Pending => {
                    ready!(self.timer.as_mut().poll(cx));
                    let event = self.fail(self.until.passed());
                    return Poll::Ready(event);
                }
            }
        }
    }

    /// All that is there, in one buffer; with the end, if it is there.
    fn pass_on(&mut self) -> Option<Bytes> {
        let mut out = Out::default();
        while let Some(piece) = self.held.pieces.pop_front() {
            match piece {
                Piece::Pass { bytes, usage, .. } => {
                    if let Some(running) = &mut self.running {
                        running.call.usage(usage);
                        running.admitted.usage(usage);
                    }
                    out.push(bytes);
                }
                Piece::Done { bytes, usage } => {
                    if let Some(running) = &mut self.running {
                        running.call.usage(usage);
                        running.admitted.usage(usage);
                    }
                    out.push(bytes);
                    self.finish();
                    break;
                }
                Piece::Failed(verdict) => {
                    let failure = Failure { verdict, status: None, out_of_time: false };
                    if let Some(event) = self.fail(failure) {
                        out.push(event);
                    }
                    break;
                }
            }
        }
        out.take()
    }

    /// The stream ended well. The verdict falls before the client sees the end.
    fn finish(&mut self) {
        let Some(Running { admitted, mut call, status, .. }) = self.running.take() else {
            return;
        };
        admitted.success(status);
        call.end(Outcome::Succeeded);
        drop(call);
        if let Some(source) = self.source.take() {
            drain(source);
        }
    }

    /// The stream failed: the event that says so, and no end mark after it.
    fn fail(&mut self, failure: Failure) -> Option<Bytes> {
        self.source = None; // closes the connection
        let Running { admitted, mut call, mut attempts, status, mut counted } =
            self.running.take()?;
        let verdict = failure.verdict.clone().without(admitted.secret());
        let (provider, key) = (admitted.route.provider.name.clone(), admitted.key.name.clone());
        let failure = Failure { verdict, ..failure }.status(status);
        attempts.push(admitted.fail(&failure, &mut counted));
        let (status, code) = code_of(&failure);
        let said = &failure.verdict.message;
        let message = format!("the stream of {provider}/{key} broke off: {said}");
        let error = openai::error_value(status, code, &message, &attempts);
        call.end(Outcome::Cut);
        Some(openai::error_event(&error))
    }
}

/// The status and code that stand for a failure within a stream.
fn code_of(failure: &Failure) -> (u16, &'static str) {
    match failure.verdict.class {
        _ if failure.out_of_time => (504, "upstream_timeout"),
        Class::Timeout => (504, "upstream_timeout"),
        Class::Cut => (502, "upstream_stream_cut"),
        Class::RateLimited | Class::Quota => (429, "rate_limit_exceeded"),
        Class::Credentials | Class::Permission => (502, "upstream_credentials_rejected"),
        _ => (503, "upstream_unavailable"),
    }
}

/// The end of the body comes with the end mark or just after it. Nobody waits for it but the
/// connection, which can be used again once it has come.
fn drain(mut source: Source) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    if source.poll_drained(&mut cx).is_pending() {
        tokio::spawn(async move {
            let drained = std::future::poll_fn(|cx| source.poll_drained(cx));
            drop(tokio::time::timeout(DRAIN, drained).await);
        });
    }
}

/// Pieces for one write; one piece, the usual case, is not copied.
#[derive(Default)]
struct Out {
    first: Option<Bytes>,
    more: BytesMut,
}

impl Out {
    fn push(&mut self, bytes: Bytes) {
        match &self.first {
            None => self.first = Some(bytes),
            Some(first) => {
                if self.more.is_empty() {
                    self.more.extend_from_slice(first);
                }
                self.more.extend_from_slice(&bytes);
            }
        }
    }

    fn take(self) -> Option<Bytes> {
        if self.more.is_empty() { self.first } else { Some(self.more.freeze()) }
    }
}

impl futures_core::Stream for AnswerStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.get_mut().poll(cx)
    }
}

impl http_body::Body for AnswerStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().poll(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

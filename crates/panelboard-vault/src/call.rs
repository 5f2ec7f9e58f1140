//! How does one operation go: place, token, turn, breaker, request, verdict, and perhaps again?

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, uri::PathAndQuery};

use crate::{
    correlation::CorrelationId,
    error::{Error, ErrorKind, Operation},
    fault,
    life::Life,
    pool,
    secret::Secret,
    stop::Stage,
    transport::{Raw, Request},
    verdict::{self, Again, NoAnswer, Reply, Verdict},
    wire,
};

/// What is to be done.
pub(crate) struct Op {
    pub(crate) operation: Operation,
    /// For the breaker of its own that a mount may have.
    pub(crate) mount: Box<str>,
    pub(crate) method: Method,
    /// Whole, encoded, with its query.
    pub(crate) path: PathAndQuery,
    pub(crate) body: Option<Bytes>,
    pub(crate) repeat: Repeat,
    pub(crate) correlation: CorrelationId,
    /// A watch's look: how many of them ask at once is bounded beside the pool.
    pub(crate) is_look: bool,
}

/// Takes what is wanted out of a successful answer. None: it is not there, and the answer is none
/// of a Vault.
pub(crate) type Read<T> = fn(&[u8]) -> Option<T>;

/// Whether doing it twice is doing it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing.
    Reads,
    /// It changes something, and a second time nothing more.
    Idempotent,
    /// A second time may do harm.
    Once,
}

/// What the attempts of one operation have come to so far.
#[derive(Default)]
pub(crate) struct Sent {
    attempts: u32,
    maybe_done: bool,
    /// The request for a token whose failure ended the operation.
    pub(crate) token_request: Option<CorrelationId>,
}

impl Op {
    pub(crate) fn error(&self, kind: ErrorKind, sent: &Sent) -> Error {
        let Sent { attempts, maybe_done, token_request } = *sent;
        let Self { operation, correlation, .. } = *self;
        Error { kind, operation, correlation, token_request, attempts, maybe_done }
    }

    fn writes(&self) -> bool {
        self.repeat != Repeat::Reads
    }

    fn may_go_again(&self, again: Again) -> bool {
        match again {
            Again::Never => false,
            Again::IfRepeatable => self.repeat != Repeat::Once,
            Again::Always => true,
        }
    }
}

impl Life {
    /// What `read` takes out of the answer; none if the server has nothing there (404).
    ///
    /// # Cancel safety
    /// Dropping the future closes the request's connection and gives every place back. A write may
    /// then have been done.
    pub(crate) async fn call<T>(
        self: &Arc<Self>,
        op: &Op,
        read: Read<T>,
    ) -> Result<Option<T>, Error> {
        let mut sent = Sent::default();
        let result = self.run(op, read, &mut sent).await;
        result.map_err(|kind| op.error(kind, &sent))
    }

    /// As [`call`](Self::call), where a 404 says that the request is wrong: there is no such mount.
    pub(crate) async fn call_for<T>(self: &Arc<Self>, op: &Op, read: Read<T>) -> Result<T, Error> {
        let mut sent = Sent::default();
        let found = self.run(op, read, &mut sent).await;
        let found = found.and_then(|found| found.ok_or(ErrorKind::BadRequest { status: 404 }));
        found.map_err(|kind| op.error(kind, &sent))
    }

    async fn run<T>(
        self: &Arc<Self>,
        op: &Op,
        read: Read<T>,
        sent: &mut Sent,
    ) -> Result<Option<T>, ErrorKind> {
        let _inside = self.stop.enter().ok_or(ErrorKind::ShuttingDown)?;
        // While a breaker is open nobody waits for a turn, only to be told so then.
        self.gate.look(&op.mount)?;
        // A look would take a place from a caller, or be refused for the want of one.
        let takes_place = !op.is_look || fault::LOOKS_UNBOUNDED.planted();
        let _place = match takes_place {
            true => Some(self.pool.enter().ok_or(ErrorKind::QueueFull)?),
            false => None,
        };
        let mut has_changed_token = false;
        loop {
            let (token, generation) = self.token_ready(op.correlation, sent).await?;
            let turn = self.turn(op).await?;
            let came = self.attempt(op, Some(&token), read, sent).await;
            drop(turn);
            let (kind, again) = match came? {
                Ok(found) => return Ok(found),
                Err(failed) => failed,
            };
            if kind == ErrorKind::Forbidden {
                // Nothing was done. If the token turns out to be revoked, the next one is tried.
                if has_changed_token || !self.token_changes(generation).await? {
                    return Err(kind);
                }
                has_changed_token = true;
            } else if !op.may_go_again(again) || sent.attempts >= self.settings().max_attempts {
                return Err(kind);
            } else {
                self.back_off(op, sent.attempts, kind).await?;
            }
        }
    }

    async fn turn(&self, op: &Op) -> Result<pool::Turn<'_>, ErrorKind> {
        let within = self.settings().queue_timeout;
        if fault::PERMIT_BEFORE_QUEUE.planted() {
            return self.turn_within_the_call(op, self.now() + within).await;
        }
        // The usual case needs no clock.
        if let Some(turn) = self.pool.turn_now() {
            return Ok(turn);
        }
        let until = self.now() + within;
        tokio::select! {
            biased;
            turn = self.pool.turn() => Ok(turn),
            () = self.stop.reached(Stage::Draining) => Err(ErrorKind::ShuttingDown),
            () = self.sleep_until(until) => Err(ErrorKind::QueueTimeout),
        }
    }

    /// The planted fault: the wait is held against the server.
    async fn turn_within_the_call(
        &self,
        op: &Op,
        until: Duration,
    ) -> Result<pool::Turn<'_>, ErrorKind> {
        let pass = self.gate.admit(&op.mount, op.correlation)?;
        tokio::select! {
            biased;
            turn = self.pool.turn() => Ok(turn),
            () = self.sleep_until(until) => {
                pass.end(panelboard::Outcome::Failure, true);
                Err(ErrorKind::QueueTimeout)
            }
        }
    }

    /// One request. The outer error ends the operation; the inner one is a verdict.
    pub(crate) async fn attempt<T>(
        &self,
        op: &Op,
        token: Option<&Arc<Secret<String>>>,
        read: Read<T>,
        sent: &mut Sent,
    ) -> Result<Result<Option<T>, (ErrorKind, Again)>, ErrorKind> {
        let pass = match self.gate.admit(&op.mount, op.correlation) {
            Ok(pass) => Some(pass),
            Err(_) if sent.attempts > 0 && fault::RETRIES_WHILE_OPEN.planted() => None,
            Err(kind) => return Err(kind),
        };
        sent.attempts += 1;
        let request = Request {
            method: &op.method,
            path: &op.path,
            body: op.body.clone(),
            token,
            correlation: op.correlation,
        };
        let deadline = self.now() + self.settings().timeout;
        let came = tokio::select! {
            biased;
            came = self.transport.send(&request) => came,
            () = self.sleep_until(deadline) => Err(NoAnswer::Timeout),
            () = self.stop.reached(Stage::Cancelling) => {
                sent.maybe_done |= op.writes();
                return Err(ErrorKind::ShuttingDown);
            }
        };
        let (verdict, found) = judge(came, read);
        if let Some(pass) = pass {
            pass.end(verdict.outcome(), is_servers_own(&verdict));
        }
        Ok(match verdict {
            Verdict::Answered | Verdict::Missing => Ok(found),
            Verdict::Failed { kind, again, maybe_done, .. } => {
                sent.maybe_done |= maybe_done && op.writes();
                Err((kind, again))
            }
        })
    }

    /// Waits before the next attempt; an error, if there is to be none.
    async fn back_off(&self, op: &Op, attempts: u32, kind: ErrorKind) -> Result<(), ErrorKind> {
        let settings = self.settings();
        let (first, most, jitter) = (settings.backoff, settings.max_backoff, settings.jitter);
        let mut wait = pool::back_off(attempts, first, most, jitter, fastrand::f64());
        if let ErrorKind::RateLimited { retry_after: Some(asked) } = kind {
            // Who is to come back later than we would wait is told so.
            if asked > most {
                return Err(kind);
            }
            wait = wait.max(asked);
        }
        let closed = || fault::RETRIES_WHILE_OPEN.planted() || self.gate.look(&op.mount).is_ok();
        if !closed() {
            return Err(kind);
        }
        let until = self.now() + wait;
        let deaf = fault::BACKOFF_OUTLIVES_SHUTDOWN.planted();
        tokio::select! {
            biased;
            () = self.stop.reached(Stage::Draining), if !deaf => Err(ErrorKind::ShuttingDown),
            () = self.sleep_until(until) => if closed() { Ok(()) } else { Err(kind) },
        }
    }
}

/// With what was read, if the verdict is that it was answered.
fn judge<T>(came: Result<Raw, NoAnswer>, read: Read<T>) -> (Verdict, Option<T>) {
    let raw = match came {
        Ok(raw) => raw,
        Err(what) => return (verdict::of_silence(what), None),
    };
    if (200..=299).contains(&raw.status) {
        return match read(&raw.body) {
            Some(found) => (Verdict::Answered, Some(found)),
            None => (verdict::of_garbage(), None),
        };
    }
    let errors = wire::errors(&raw.body);
    let reply =
        Reply { status: raw.status, retry_after: raw.retry_after, errors: errors.as_deref() };
    (verdict::of_reply(reply), None)
}

/// What is held against the server although a mount has a breaker of its own.
fn is_servers_own(verdict: &Verdict) -> bool {
    let Verdict::Failed { kind, .. } = verdict else { return true };
    use ErrorKind::{Connect, Cut, Garbage, NotInitialized, Redirected, Sealed, Standby, Timeout};
    matches!(
        kind,
        Connect | Cut | Garbage | NotInitialized | Redirected | Sealed | Standby | Timeout
    )
}

//! How does one operation go: place, token, turn, breaker, request, verdict, and perhaps again?

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::Method;

use crate::{
    correlation::CorrelationId,
    error::{Error, ErrorKind, Operation},
    fault,
    http::{Raw, Request},
    life::Life,
    pool,
    secret::Secret,
    stop::Stage,
    verdict::{self, Again, NoAnswer, Reply, Verdict},
    wire,
};

/// What is to be done.
pub(crate) struct Op {
    pub(crate) operation: Operation,
    /// For the breaker of its own that a mount may have.
    pub(crate) mount: Box<str>,
    pub(crate) method: Method,
    /// What follows `/v1/`, encoded, with its query.
    pub(crate) path: String,
    pub(crate) body: Option<Bytes>,
    pub(crate) repeat: Repeat,
    pub(crate) correlation: CorrelationId,
    /// Whether a successful answer has what it must have.
    pub(crate) shape: fn(&[u8]) -> bool,
}

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
}

/// An answer with a status of 2xx, or 404.
pub(crate) struct Answer {
    pub(crate) is_missing: bool,
    pub(crate) raw: Raw,
}

impl Op {
    pub(crate) fn error(&self, kind: ErrorKind, sent: &Sent) -> Error {
        let Sent { attempts, maybe_done } = *sent;
        let Self { operation, correlation, .. } = *self;
        Error { kind, operation, correlation, attempts, maybe_done }
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
    /// # Cancel safety
    /// Dropping the future closes the request's connection and gives every place back. A write may
    /// then have been done.
    pub(crate) async fn call(self: &Arc<Self>, op: &Op) -> Result<Answer, Error> {
        let mut sent = Sent::default();
        let result = self.run(op, &mut sent).await;
        result.map_err(|kind| op.error(kind, &sent))
    }

    async fn run(self: &Arc<Self>, op: &Op, sent: &mut Sent) -> Result<Answer, ErrorKind> {
        let _inside = self.stop.enter().ok_or(ErrorKind::ShuttingDown)?;
        // While a breaker is open nobody waits for a turn, only to be told so then.
        self.gate.look(&op.mount)?;
        let _place = self.pool.enter().ok_or(ErrorKind::QueueFull)?;
        let mut has_changed_token = false;
        loop {
            let (token, generation) = self.token_ready(op.correlation).await?;
            let turn = self.turn(op).await?;
            let answer = self.attempt(op, Some(&*token), sent).await;
            drop(turn);
            let (kind, again) = match answer? {
                Ok(answer) => return Ok(answer),
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
        // The usual case needs no clock.
        let until = self.now() + self.settings().queue_timeout;
        if fault::PERMIT_BEFORE_QUEUE.planted() {
            return self.turn_within_the_call(op, until).await;
        }
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
    pub(crate) async fn attempt(
        &self,
        op: &Op,
        token: Option<&Secret<String>>,
        sent: &mut Sent,
    ) -> Result<Result<Answer, (ErrorKind, Again)>, ErrorKind> {
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
            came = self.http.send(&request) => came,
            () = self.sleep_until(deadline) => Err(NoAnswer::Timeout),
            () = self.stop.reached(Stage::Cancelling) => {
                sent.maybe_done |= op.writes();
                return Err(ErrorKind::ShuttingDown);
            }
        };
        let (verdict, raw) = judge(op, came);
        if let Some(pass) = pass {
            pass.end(verdict.outcome(), is_servers_own(&verdict));
        }
        Ok(match (verdict, raw) {
            (Verdict::Answered, Some(raw)) => Ok(Answer { is_missing: false, raw }),
            (Verdict::Missing, Some(raw)) => Ok(Answer { is_missing: true, raw }),
            (Verdict::Failed { kind, again, maybe_done, .. }, _) => {
                sent.maybe_done |= maybe_done && op.writes();
                Err((kind, again))
            }
            // An answer has a body, if an empty one.
            (Verdict::Answered | Verdict::Missing, None) => Err((ErrorKind::Garbage, Again::Never)),
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

fn judge(op: &Op, came: Result<Raw, NoAnswer>) -> (Verdict, Option<Raw>) {
    let raw = match came {
        Ok(raw) => raw,
        Err(what) => return (verdict::of_silence(what), None),
    };
    if (200..=299).contains(&raw.status) {
        return match (op.shape)(&raw.body) {
            true => (Verdict::Answered, Some(raw)),
            false => (verdict::of_garbage(), None),
        };
    }
    let errors = wire::errors(&raw.body);
    let reply =
        Reply { status: raw.status, retry_after: raw.retry_after, errors: errors.as_deref() };
    (verdict::of_reply(reply), Some(raw))
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

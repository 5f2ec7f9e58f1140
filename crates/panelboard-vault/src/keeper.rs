//! Who looks after the token? One task that begins what is due, and whoever has none and waits. The
//! task takes out of the cache what has ended, too.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use http::{Method, uri::PathAndQuery};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    call::{Op, Read, Repeat, Sent},
    config::Auth,
    correlation::CorrelationId,
    error::{Error, ErrorKind, Operation},
    fault, json,
    life::Life,
    secret::Secret,
    stop::Stage,
    token::{Begin, Came, Flight, Granted, Renewal, TokenState, Work},
    transport, wire,
};

impl Life {
    /// Begins what is due, and takes out of the cache what has ended, until this life does. It
    /// holds the life only while it does something.
    pub(crate) async fn keep(life: Weak<Self>) {
        loop {
            let Some(strong) = life.upgrade() else { return };
            // Subscribed before the look, so that news in between are not missed.
            let mut news = strong.token_news.subscribe();
            strong.tend(false, CorrelationId::new());
            let now = strong.now();
            // Wiped outside the lock.
            drop(strong.cache.with(|cache| cache.take_ended(now)));
            let next_end = strong.cache.with(|cache| cache.next_end());
            let due = strong.token.with(|token| token.due(now)).into_iter().chain(next_end).min();
            let (time, stop) = (strong.settings().time.clone(), Arc::clone(&strong.stop));
            let cache_news = Arc::clone(&strong.cache_news);
            drop(strong);
            let deaf = fault::SHUTDOWN_LEAVES_TASK.planted();
            tokio::select! {
                biased;
                () = stop.reached(Stage::Draining), if !deaf => return,
                changed = news.changed() => if changed.is_err() { return },
                () = cache_news.notified() => {}
                () = time.sleep_until(due.unwrap_or(Duration::MAX)), if due.is_some() => {}
            }
        }
    }

    /// Begins what is due. None: there is something under way now that will tell its news.
    fn tend(self: &Arc<Self>, early: bool, correlation: CorrelationId) -> Option<Begin> {
        let now = self.now();
        match self.token.with(|token| token.begin(now, early)) {
            Begin::Flight(flight) => {
                self.take_off(flight, correlation);
                None
            }
            Begin::UnderWay => None,
            other => Some(other),
        }
    }

    /// In a task of its own: it goes on if whoever wanted it goes away.
    fn take_off(self: &Arc<Self>, flight: Flight, correlation: CorrelationId) {
        let life = Arc::clone(self);
        self.spawn(async move { life.fly(flight, correlation).await });
    }

    /// The token for one request and its generation; waits for one if that can be had.
    pub(crate) async fn token_ready(
        self: &Arc<Self>,
        correlation: CorrelationId,
        sent: &mut Sent,
    ) -> Result<(Arc<Secret<String>>, u64), ErrorKind> {
        let mut until = None;
        loop {
            let now = self.now();
            if let Some(good) = self.token.with(|token| token.current(now)) {
                return Ok(good);
            }
            let until = *until.get_or_insert(now + self.settings().queue_timeout);
            let mut news = self.token_news.subscribe();
            match self.tend(true, correlation) {
                None => {}
                Some(Begin::NotYet(error)) => {
                    sent.token_request = Some(error.correlation);
                    return Err(error.kind);
                }
                // It may have come in between.
                Some(_) => {
                    let good = self.token.with(|token| token.current(self.now()));
                    return good.ok_or_else(|| self.no_token());
                }
            }
            self.wait_for_news(&mut news, until).await?;
        }
    }

    fn no_token(&self) -> ErrorKind {
        match self.stop.stage() {
            Stage::Serving => ErrorKind::TokenExpired,
            _ => ErrorKind::ShuttingDown,
        }
    }

    async fn wait_for_news(
        &self,
        news: &mut tokio::sync::watch::Receiver<u64>,
        until: Duration,
    ) -> Result<(), ErrorKind> {
        tokio::select! {
            biased;
            () = self.stop.reached(Stage::Draining) => Err(ErrorKind::ShuttingDown),
            // The sender is ours.
            _ = news.changed() => Ok(()),
            () = self.sleep_until(until) => Err(ErrorKind::QueueTimeout),
        }
    }

    /// After a 403: whether there is a newer token than that, once the doubt about it is settled.
    pub(crate) async fn token_changes(
        self: &Arc<Self>,
        generation: u64,
    ) -> Result<bool, ErrorKind> {
        let now = self.now();
        if !self.token.with(|token| token.suspect(generation, now)) {
            return Ok(false);
        }
        let until = now + self.settings().queue_timeout;
        loop {
            let mut news = self.token_news.subscribe();
            let settled = self.token.with(|token| token.is_settled(generation));
            if settled {
                let newest = self.token.with(|token| token.generation());
                return Ok(newest != generation);
            }
            match self.tend(true, CorrelationId::new()) {
                None => self.wait_for_news(&mut news, until).await?,
                // The look can't be had now: the 403 stands.
                Some(_) => return Ok(false),
            }
        }
    }

    /// Renews the token now, or waits for the renewal that is under way.
    pub(crate) async fn renew_now(
        self: &Arc<Self>,
        correlation: CorrelationId,
    ) -> Result<(), Error> {
        let operation = Operation::RenewToken;
        let unsent = |kind| Error::unsent(operation, kind, correlation);
        let _inside = self.stop.enter().ok_or_else(|| unsent(ErrorKind::ShuttingDown))?;
        // A look-up that is under way, and the renewal.
        let until = self.now() + self.settings().timeout * 2;
        loop {
            let mut news = self.token_news.subscribe();
            let now = self.now();
            let landed = match self.token.with(|token| token.renew(now)) {
                Renewal::Awaited(landed, flight) => {
                    flight.into_iter().for_each(|flight| self.take_off(flight, correlation));
                    Some(landed)
                }
                Renewal::Later => None,
                Renewal::NotYet(of) => {
                    let token_request = Some(of.correlation);
                    return Err(Error { token_request, ..unsent(of.kind) });
                }
                Renewal::Nothing => return Err(unsent(self.no_token())),
            };
            loop {
                self.wait_for_news(&mut news, until).await.map_err(unsent)?;
                // After a look-up, and if the token was replaced or the flight's task dropped, the
                // renewal is begun anew.
                let Some(landed) = &landed else { break };
                if let Some(result) = landed.get() {
                    return result.clone().map_err(|of| Error {
                        operation,
                        correlation,
                        token_request: Some(of.correlation),
                        ..of
                    });
                }
                if !self.token.with(|token| token.is_awaited(landed)) {
                    break;
                }
            }
        }
    }

    /// One request for the token. It takes no place in the pool: there is one at a time, and the
    /// operations in the pool may be waiting for it.
    async fn fly(self: Arc<Self>, flight: Flight, correlation: CorrelationId) {
        let landing = Landing { life: &self, flight: &flight };
        let sent_at = self.now();
        let came = match self.op_for(&flight, correlation) {
            Some(op) => self.ask(&op, &flight).await,
            None => {
                let operation = flight.work.operation();
                Came::Failed(Error::unsent(operation, ErrorKind::NotJson, correlation))
            }
        };
        let now = self.now();
        self.token.with(|token| token.end(&flight, came, (sent_at, now), fastrand::f64()));
        drop(landing);
    }

    async fn ask(&self, op: &Op, flight: &Flight) -> Came {
        let mut sent = Sent::default();
        let read: Read<Granted> = match flight.work {
            Work::LookUp => looked_up,
            Work::LogIn | Work::Renew => granted,
        };
        match self.attempt(op, flight.token.as_ref(), read, &mut sent).await {
            Ok(Ok(Some(granted))) => Came::Granted(granted),
            // The server answered, and has no such token, role or mount.
            Ok(Ok(None)) => Came::Refused(op.error(ErrorKind::BadRequest { status: 404 }, &sent)),
            Ok(Err((kind @ (ErrorKind::Forbidden | ErrorKind::BadRequest { .. }), _))) => {
                Came::Refused(op.error(kind, &sent))
            }
            Ok(Err((kind, _))) | Err(kind) => Came::Failed(op.error(kind, &sent)),
        }
    }

    fn op_for(&self, flight: &Flight, correlation: CorrelationId) -> Option<Op> {
        let op = |method, path, body| Op {
            operation: flight.work.operation(),
            mount: Box::default(),
            method,
            path,
            body,
            repeat: Repeat::Once,
            correlation,
            is_look: false,
        };
        match (flight.work, &self.settings().auth) {
            (Work::LookUp, _) => {
                let path = PathAndQuery::from_static(LOOK_UP);
                Some(op(Method::GET, path, None))
            }
            (Work::Renew, _) => {
                let body = Some(transport::body(Zeroizing::new(b"{}".to_vec())));
                let path = PathAndQuery::from_static("/v1/auth/token/renew-self");
                Some(op(Method::POST, path, body))
            }
            (Work::LogIn, Auth::AppRole { mount, role_id, secret_id }) => {
                let (role_id, secret_id) = (role_id.expose(), secret_id.expose());
                let body = Some(transport::body(json::write(&LogIn { role_id, secret_id })?));
                let path = crate::path::whole(&["auth/", mount, "/login"], "").ok()?;
                Some(op(Method::POST, path, body))
            }
            (Work::LogIn, Auth::Token(_)) => None,
        }
    }

    pub(crate) fn has_token_news(&self) {
        self.token_news.send_modify(|news| *news = news.wrapping_add(1));
    }
}

impl Work {
    fn operation(self) -> Operation {
        match self {
            Self::LogIn => Operation::LogIn,
            Self::LookUp => Operation::LookUpToken,
            Self::Renew => Operation::RenewToken,
        }
    }
}

/// Where a token is looked up.
pub(crate) const LOOK_UP: &str = "/v1/auth/token/lookup-self";

/// Tells the news of a flight, also if its task is dropped.
struct Landing<'a> {
    life: &'a Life,
    flight: &'a Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        // Of one that was ended there is nothing to abandon.
        if !fault::RENEWS_EACH.planted() {
            self.life.token.with(|token: &mut TokenState| token.abandon(self.flight));
        }
        self.life.has_token_news();
    }
}

#[derive(Serialize)]
struct LogIn<'a> {
    role_id: &'a str,
    secret_id: &'a str,
}

/// What a log-in or a renewal gives.
fn granted(body: &[u8]) -> Option<Granted> {
    let wire::Grant { client_token, lease_duration, renewable } = wire::answer(body)?.auth?;
    let token = json::text(client_token?)?;
    let fits = !token.expose().is_empty() && token.expose().bytes().all(|b| b.is_ascii_graphic());
    let ttl = Some(Duration::from_secs(lease_duration?)).filter(|ttl| !ttl.is_zero());
    fits.then(|| Granted { token: Some(token), ttl, renewable: renewable.unwrap_or(false) })
}

/// What a look-up says.
fn looked_up(body: &[u8]) -> Option<Granted> {
    let said: wire::LookedUp = wire::data(body)?;
    said.ttl?;
    Some(Granted { token: None, ttl: said.life(), renewable: said.renewable.unwrap_or(false) })
}

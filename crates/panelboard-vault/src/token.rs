//! Which token is good now, what must be done for it, and by whom? Pure: time and results come in,
//! work goes out.
//!
//! A *flight* is one request for the token: a log-in, a look-up or a renewal. At most one is under
//! way. It carries the generation of the token that it is for; a result for another generation
//! changes nothing.

use std::{sync::Arc, time::Duration};

use crate::{error::ErrorKind, fault, secret::Secret};

/// What is known of the token of one life.
pub(crate) struct TokenState {
    generation: u64,
    held: Option<Held>,
    /// Its number and the generation that it is for.
    flight: Option<(u64, u64)>,
    flights: u64,
    /// Why the last flight failed, and until when none begins.
    failure: Option<(ErrorKind, Duration)>,
    failures_in_a_row: u32,
    /// Somebody was told 403 with it: it may be revoked.
    suspect: bool,
    /// When a look-up last said that it is good.
    confirmed: Option<Duration>,
    can_log_in: bool,
    renew_after: f64,
    figures: Figures,
}

struct Held {
    token: Arc<Secret<String>>,
    /// None: it does not end.
    expires: Option<Duration>,
    renew_at: Option<Duration>,
    renewable: bool,
    /// The longest life that it was ever given.
    longest: Duration,
    /// False until the server has said how long it lives.
    known: bool,
}

/// Counts since the life began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) log_ins: u64,
    pub(crate) renewals: u64,
    pub(crate) failures: u64,
    pub(crate) stale: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    LogIn,
    LookUp,
    Renew,
}

/// One request for the token, to be ended by [`TokenState::end`].
pub(crate) struct Flight {
    pub(crate) id: u64,
    pub(crate) generation: u64,
    pub(crate) work: Work,
    /// The token that is looked up or renewed.
    pub(crate) token: Option<Arc<Secret<String>>>,
}

/// What a server gave.
pub(crate) struct Granted {
    /// None: the same token as before.
    pub(crate) token: Option<Secret<String>>,
    /// Zero: it does not end.
    pub(crate) ttl: Duration,
    pub(crate) renewable: bool,
}

/// What a flight came to.
pub(crate) enum Came {
    Granted(Granted),
    /// The server answered, and said no.
    Refused,
    Failed(ErrorKind),
}

/// What whoever wants a flight is told.
pub(crate) enum Begin {
    Flight(Flight),
    UnderWay,
    /// Not before that time, as the last one failed.
    NotYet(ErrorKind),
    /// There is nothing to be done, or nothing that could be.
    Nothing,
}

/// How often the server is asked whether a token that met a 403 is still good.
const CONFIRMED_FOR: Duration = Duration::from_secs(30);

impl TokenState {
    /// With a token that was made elsewhere, or with credentials to log in with.
    pub(crate) fn new(token: Option<Arc<Secret<String>>>, renew_after: f64) -> Self {
        let can_log_in = token.is_none();
        Self {
            generation: 0,
            held: token.map(Held::unknown),
            flight: None,
            flights: 0,
            failure: None,
            failures_in_a_row: 0,
            suspect: false,
            confirmed: None,
            can_log_in,
            renew_after,
            figures: Figures::default(),
        }
    }

    /// The token, if it is good now, and its generation.
    pub(crate) fn current(&self, now: Duration) -> Option<(Arc<Secret<String>>, u64)> {
        let held = self.held.as_ref().filter(|held| held.is_good(now))?;
        Some((Arc::clone(&held.token), self.generation))
    }

    /// What must be done next, and when.
    fn wanted(&self, now: Duration) -> Option<(Work, Duration)> {
        let log_in = self.can_log_in.then_some((Work::LogIn, Duration::ZERO));
        let Some(held) = self.held.as_ref().filter(|held| held.is_good(now)) else { return log_in };
        if self.suspect || !held.known {
            return Some((Work::LookUp, Duration::ZERO));
        }
        let at = held.renew_at?;
        match held.renewable {
            true => Some((Work::Renew, at)),
            false => log_in.map(|(work, _)| (work, at)),
        }
    }

    /// When somebody should look again; none while a flight is under way, or if nothing is to do.
    pub(crate) fn due(&self, now: Duration) -> Option<Duration> {
        if self.flight.is_some() {
            return None;
        }
        let (_, at) = self.wanted(now)?;
        let not_before = self.failure.as_ref().map_or(Duration::ZERO, |(_, until)| *until);
        Some(at.max(not_before))
    }

    /// Begins what is due. With `early`, also a renewal before its time.
    pub(crate) fn begin(&mut self, now: Duration, early: bool) -> Begin {
        if self.flight.is_some() && !fault::RENEWS_EACH.planted() {
            return Begin::UnderWay;
        }
        let Some((work, at)) = self.wanted(now) else { return Begin::Nothing };
        if now < at && !early {
            return Begin::Nothing;
        }
        if let Some((kind, until)) = &self.failure
            && now < *until
        {
            return Begin::NotYet(kind.clone());
        }
        let id = self.flights;
        self.flights += 1;
        self.flight = Some((id, self.generation));
        let held = self.held.as_ref().filter(|_| work != Work::LogIn);
        let token = held.map(|held| Arc::clone(&held.token));
        Begin::Flight(Flight { id, generation: self.generation, work, token })
    }

    /// Takes a flight's result, if it is still for this token. `sent` is when its request went out:
    /// a life is counted from there, so it is never thought to be longer than it is.
    pub(crate) fn end(
        &mut self,
        flight: &Flight,
        came: Came,
        (sent, now): (Duration, Duration),
        chance: f64,
    ) -> bool {
        let is_current = self.flight == Some((flight.id, flight.generation));
        if !is_current && !fault::STALE_RENEWAL_WINS.planted() && !fault::RENEWS_EACH.planted() {
            self.figures.stale += 1;
            return false;
        }
        if is_current {
            self.flight = None;
        }
        match came {
            Came::Granted(granted) => self.granted(flight, granted, sent, chance),
            Came::Refused => self.refused(flight.work, now, chance),
            Came::Failed(kind) => self.failed(kind, now, chance),
        }
        true
    }

    fn granted(&mut self, flight: &Flight, granted: Granted, sent: Duration, chance: f64) {
        self.failure = None;
        self.failures_in_a_row = 0;
        self.suspect = false;
        if flight.work == Work::LookUp {
            self.confirmed = Some(sent);
        }
        let Granted { token, ttl, renewable } = granted;
        let longest = match (flight.work, &self.held) {
            (Work::LogIn, _) | (_, None) => ttl,
            (_, Some(held)) => held.longest.max(ttl),
        };
        match flight.work {
            Work::LogIn => self.figures.log_ins += 1,
            Work::Renew => self.figures.renewals += 1,
            Work::LookUp => {}
        }
        let token = token.map(Arc::new).or_else(|| flight.token.clone());
        let Some(token) = token else { return };
        if flight.work == Work::LogIn {
            self.generation += 1;
            self.confirmed = None;
        }
        // A life that gets shorter is near its server's maximum: renewing it would go on for ever
        // smaller parts.
        let exhausted = flight.work == Work::Renew && ttl < longest / 2;
        let ends = !ttl.is_zero();
        let spread = 0.9 + 0.1 * chance;
        self.held = Some(Held {
            token,
            expires: ends.then(|| sent + ttl),
            renew_at: ends.then(|| sent + ttl.mul_f64(self.renew_after * spread)),
            renewable: renewable && !exhausted,
            longest,
            known: true,
        });
    }

    fn refused(&mut self, work: Work, now: Duration, chance: f64) {
        match work {
            Work::LogIn => self.failed(ErrorKind::LogInRefused, now, chance),
            // The server does not know it any more.
            Work::LookUp if self.can_log_in => {
                self.held = None;
                self.suspect = false;
                self.generation += 1;
            }
            // Its policy may forbid the look-up. Whether it is good, the next call will tell.
            Work::LookUp => {
                self.suspect = false;
                self.confirmed = Some(now);
                if let Some(held) = &mut self.held {
                    held.known = true;
                }
            }
            Work::Renew => {
                self.figures.failures += 1;
                if let Some(held) = &mut self.held {
                    held.renewable = false;
                }
            }
        }
    }

    fn failed(&mut self, kind: ErrorKind, now: Duration, chance: f64) {
        self.figures.failures += 1;
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let own = Duration::from_secs(1 << self.failures_in_a_row.min(6).saturating_sub(1));
        let own = own.min(Duration::from_secs(30)).mul_f64(0.5 + 0.5 * chance);
        let wait = match &kind {
            ErrorKind::Unavailable { retry_after: Some(wait), .. } => *wait,
            ErrorKind::RateLimited { retry_after: Some(wait) } => own.max(*wait),
            _ => own,
        };
        self.failure = Some((kind, now + wait));
    }

    /// What kept the last flight from going well is out of the way: the next one need not wait.
    pub(crate) fn hurry(&mut self) {
        if let Some((_, until)) = &mut self.failure {
            *until = Duration::ZERO;
        }
    }

    /// A flight that nobody ends any more.
    pub(crate) fn abandon(&mut self, flight: &Flight) {
        if self.flight == Some((flight.id, flight.generation)) {
            self.flight = None;
        }
    }

    /// Puts a token in its place by hand. What is under way is for the old one.
    pub(crate) fn put(&mut self, token: Secret<String>) {
        self.generation += 1;
        self.flight = None;
        self.failure = None;
        self.failures_in_a_row = 0;
        self.suspect = false;
        self.confirmed = None;
        self.held = Some(Held::unknown(Arc::new(token)));
    }

    /// Somebody was told 403 with the token of that generation. True if it is worth to wait for a
    /// look at it: it may be revoked, and another one can be had.
    pub(crate) fn suspect(&mut self, generation: u64, now: Duration) -> bool {
        if !self.can_log_in {
            return false;
        }
        if generation != self.generation || self.suspect {
            return true;
        }
        let of_late = |at| now.saturating_sub(at) < CONFIRMED_FOR;
        let fresh = self.confirmed.is_some_and(of_late);
        self.suspect = !fresh;
        self.suspect
    }

    /// Whether the doubt about a token is settled.
    pub(crate) fn is_settled(&self, generation: u64) -> bool {
        generation != self.generation || !self.suspect
    }

    /// Why the last flight failed, if none has succeeded since.
    pub(crate) fn failure(&self) -> Option<&ErrorKind> {
        self.failure.as_ref().map(|(kind, _)| kind)
    }

    #[cfg(test)]
    pub(crate) fn can_log_in(&self) -> bool {
        self.can_log_in
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.flight.is_some()
    }

    /// Its generation, how long it is good (none: without an end), whether it is renewable; none if
    /// there is none that is good.
    pub(crate) fn seen(&self, now: Duration) -> Option<(u64, Option<Duration>, bool)> {
        let held = self.held.as_ref().filter(|held| held.is_good(now))?;
        let left = held.expires.map(|at| at.saturating_sub(now));
        Some((self.generation, left, held.renewable))
    }

    pub(crate) fn figures(&self) -> Figures {
        self.figures
    }

    /// Forgets the token, and what is under way.
    pub(crate) fn forget(&mut self) {
        self.generation += 1;
        self.flight = None;
        self.held = None;
        self.can_log_in = false;
    }
}

impl Held {
    fn unknown(token: Arc<Secret<String>>) -> Self {
        let longest = Duration::ZERO;
        Self { token, expires: None, renew_at: None, renewable: false, longest, known: false }
    }

    fn is_good(&self, now: Duration) -> bool {
        self.expires.is_none_or(|at| now < at)
    }
}

#[cfg(test)]
mod tests;

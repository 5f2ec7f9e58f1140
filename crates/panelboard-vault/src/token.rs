//! Which token is good now, what must be done for it, and by whom? Pure: time and results come in,
//! work goes out.
//!
//! A *flight* is one request for the token: a log-in, a look-up or a renewal. At most one is under
//! way. It carries the generation of the token that it is for; a result for another generation
//! changes nothing.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    error::{Error, ErrorKind},
    fault,
    secret::Secret,
};

/// What is known of the token of one life.
pub(crate) struct TokenState {
    generation: u64,
    held: Option<Held>,
    flight: Option<UnderWay>,
    flights: u64,
    /// Why the last flight failed, and until when none begins.
    failure: Option<(Error, Duration)>,
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

/// A flight whose result is waited for.
struct UnderWay {
    id: u64,
    /// Of the token that it is for.
    generation: u64,
    work: Work,
    landed: Landed,
}

/// What a flight has come to, for whoever waits for it. It stays empty if nobody ends the flight,
/// or if another token has taken the place of the one that it was for.
pub(crate) type Landed = Arc<OnceLock<Result<(), Error>>>;

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
    landed: Landed,
}

/// What a server gave.
pub(crate) struct Granted {
    /// None: the same token as before.
    pub(crate) token: Option<Secret<String>>,
    /// None: it does not end. Zero: it is in its last second.
    pub(crate) ttl: Option<Duration>,
    pub(crate) renewable: bool,
}

/// What a flight came to.
pub(crate) enum Came {
    Granted(Granted),
    /// The server answered, and said no.
    Refused(Error),
    Failed(Error),
}

/// What whoever wants a flight is told.
pub(crate) enum Begin {
    Flight(Flight),
    UnderWay,
    /// Not now, as the last one failed.
    NotYet(Error),
    /// There is nothing to be done, or nothing that could be.
    Nothing,
}

/// What whoever renews by hand is told.
pub(crate) enum Renewal {
    /// What it comes to will be there. A flight, if it begins now.
    Awaited(Landed, Option<Flight>),
    /// Once the look-up has landed that is under way.
    Later,
    /// Not now, as the last flight failed.
    NotYet(Error),
    /// There is no token to be renewed, and none can be had.
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
        match self.not_yet(now) {
            Some(error) => Begin::NotYet(error),
            None => Begin::Flight(self.take_off(work)),
        }
    }

    /// Renews by hand: whatever is due, its result is that of a renewal that ends after this call,
    /// or of a log-in where a renewal is of no use. A token whose life is not known is renewed all
    /// the same, and one that the server does not renew is refused by the server.
    pub(crate) fn renew(&mut self, now: Duration) -> Renewal {
        if let Some(under_way) = &self.flight
            && !fault::RENEWS_EACH.planted()
        {
            let any = fault::LOOK_UP_IS_RENEWAL.planted();
            return match under_way.work {
                Work::LookUp if !any => Renewal::Later,
                _ => Renewal::Awaited(Arc::clone(&under_way.landed), None),
            };
        }
        let of_use = |held: &Held| held.renewable || !held.known || !self.can_log_in;
        let work = match self.held.as_ref().filter(|held| held.is_good(now)) {
            Some(held) if of_use(held) => Work::Renew,
            _ if self.can_log_in => Work::LogIn,
            _ => return Renewal::Nothing,
        };
        if let Some(error) = self.not_yet(now) {
            return Renewal::NotYet(error);
        }
        let flight = self.take_off(work);
        Renewal::Awaited(Arc::clone(&flight.landed), Some(flight))
    }

    /// Why none begins now.
    fn not_yet(&self, now: Duration) -> Option<Error> {
        self.failure.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error.clone())
    }

    fn take_off(&mut self, work: Work) -> Flight {
        let (id, generation) = (self.flights, self.generation);
        self.flights += 1;
        let landed = Landed::default();
        self.flight = Some(UnderWay { id, generation, work, landed: Arc::clone(&landed) });
        let held = self.held.as_ref().filter(|_| work != Work::LogIn);
        let token = held.map(|held| Arc::clone(&held.token));
        Flight { id, generation, work, token, landed }
    }

    fn is_current(&self, flight: &Flight) -> bool {
        let its = |one: &UnderWay| (one.id, one.generation) == (flight.id, flight.generation);
        self.flight.as_ref().is_some_and(its)
    }

    /// Whether the flight is under way that comes to that.
    pub(crate) fn is_awaited(&self, landed: &Landed) -> bool {
        self.flight.as_ref().is_some_and(|one| Arc::ptr_eq(&one.landed, landed))
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
        let is_current = self.is_current(flight);
        if !is_current && !fault::STALE_RENEWAL_WINS.planted() && !fault::RENEWS_EACH.planted() {
            self.figures.stale += 1;
            return false;
        }
        if is_current {
            self.flight = None;
        }
        let told = match came {
            Came::Granted(granted) => {
                self.granted(flight, granted, sent, chance);
                Ok(())
            }
            Came::Refused(error) => Err(self.refused(flight.work, error, now, chance)),
            Came::Failed(error) => {
                self.failed(error.clone(), now, chance);
                Err(error)
            }
        };
        // Set once: a flight ends once.
        let _ = flight.landed.set(told);
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
        // A renewal of a life that ends says no time, and not that it has no end, if nothing is
        // left of it.
        let ends = self.held.as_ref().is_some_and(|held| held.expires.is_some());
        let ttl = ttl.or((flight.work == Work::Renew && ends).then_some(Duration::ZERO));
        let life = ttl.unwrap_or_default();
        let longest = match (flight.work, &self.held) {
            (Work::LogIn, _) | (_, None) => life,
            (_, Some(held)) => held.longest.max(life),
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
        let exhausted = flight.work == Work::Renew && life < longest / 2;
        let spread = 0.9 + 0.1 * chance;
        self.held = Some(Held {
            token,
            expires: ttl.map(|ttl| sent + ttl),
            renew_at: ttl.map(|ttl| sent + ttl.mul_f64(self.renew_after * spread)),
            renewable: renewable && !exhausted,
            longest,
            known: true,
        });
    }

    /// What whoever waits is told of it.
    fn refused(&mut self, work: Work, error: Error, now: Duration, chance: f64) -> Error {
        match work {
            Work::LogIn => {
                let error = Error { kind: ErrorKind::LogInRefused, ..error };
                self.failed(error.clone(), now, chance);
                return error;
            }
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
        error
    }

    fn failed(&mut self, error: Error, now: Duration, chance: f64) {
        self.figures.failures += 1;
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        let own = Duration::from_secs(1 << self.failures_in_a_row.min(6).saturating_sub(1));
        let own = own.min(Duration::from_secs(30)).mul_f64(0.5 + 0.5 * chance);
        let wait = match &error.kind {
            ErrorKind::Unavailable { retry_after: Some(wait), .. } => *wait,
            ErrorKind::RateLimited { retry_after: Some(wait) } => own.max(*wait),
            _ => own,
        };
        self.failure = Some((error, now + wait));
    }

    /// What kept the last flight from going well is out of the way: the next one need not wait.
    pub(crate) fn hurry(&mut self) {
        if let Some((_, until)) = &mut self.failure {
            *until = Duration::ZERO;
        }
    }

    /// A flight that nobody ends any more.
    pub(crate) fn abandon(&mut self, flight: &Flight) {
        if self.is_current(flight) {
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
    pub(crate) fn failure(&self) -> Option<&Error> {
        self.failure.as_ref().map(|(error, _)| error)
    }

    #[cfg(test)]
    pub(crate) fn can_log_in(&self) -> bool {
        self.can_log_in
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
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

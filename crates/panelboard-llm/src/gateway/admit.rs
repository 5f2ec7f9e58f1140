//! Which key takes the call next? Targets in order, keys by load, and never past a breaker.

use std::{sync::Arc, time::Duration};

use panelboard::{Cause, State};

use super::{Shared, refuse::PROBE, sooner};
use crate::{
    attempt::{Admitted, Early, With, settle},
    choose,
    key::KeyState,
    routing::Route,
};

/// What one call has tried. A pair of target and key is tried once, until the call has waited.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pairs: Vec<Pair>,
    /// Providers that are unreachable or full: their other keys come last.
    last: Vec<Arc<str>>,
    /// Providers whose API has no words for the request.
    skip: Vec<Arc<str>>,
    passed: Vec<Passed>,
}

/// A target that did not admit the call, before the call has asked it.
#[derive(Debug)]
struct Passed {
    target: usize,
    told: bool,
}

/// A target, by its place, and a key, by its breaker's name.
#[derive(Debug)]
struct Pair {
    target: usize,
    key: Arc<str>,
    /// It admitted the call.
    asked: bool,
    /// It failed in this call: waiting makes it no better.
    failed: bool,
    /// The call has waited since: it may be tried again.
    forgotten: bool,
}

impl Tried {
    /// The pair that was admitted last failed, in a way that waiting does not mend.
    pub(super) fn failed(&mut self) {
        if let Some(pair) = self.pairs.last_mut() {
            pair.failed = true;
        }
    }

    pub(super) fn put_last(&mut self, provider: &Arc<str>) {
        if !self.last.contains(provider) {
            self.last.push(Arc::clone(provider));
        }
    }

    pub(super) fn skip(&mut self, provider: &Arc<str>) {
        self.skip.push(Arc::clone(provider));
    }

    pub(super) fn skips_all(&self, routes: &[Route]) -> bool {
        routes.iter().all(|route| self.skip.contains(&route.provider.name))
    }

    /// The call has waited: what was out or cooling may be tried again.
    pub(super) fn forget(&mut self) {
        // Those that were asked stay, of which a call that waits has a bounded number.
        self.pairs.retain(|pair| pair.failed || pair.asked);
        for pair in &mut self.pairs {
            pair.forgotten = !pair.failed;
        }
        self.last.clear();
    }

    /// The pair that was tried last admits the call.
    fn asked(&mut self, target: usize) {
        if let Some(pair) = self.pairs.last_mut() {
            pair.asked = true;
        }
        self.passed.retain(|passed| passed.told || passed.target != target);
    }

    /// None of a target's keys admits the call. One that the call has asked was not passed by.
    fn pass_by(&mut self, target: usize) {
        let asked = self.pairs.iter().any(|pair| pair.asked && pair.target == target);
        if !asked && self.passed.iter().all(|passed| passed.target != target) {
            self.passed.push(Passed { target, told: false });
        }
    }

    /// The targets that were passed by and have not been told of.
    pub(super) fn newly_passed(&mut self) -> impl Iterator<Item = usize> {
        let untold = self.passed.iter_mut().filter(|passed| !passed.told);
        untold.map(|passed| {
            passed.told = true;
            passed.target
        })
    }

    fn has(&self, target: usize, key: &KeyState) -> bool {
        self.pairs.iter().any(|pair| !pair.forgotten && pair.is(target, key))
    }

    fn has_failed(&self, target: usize, key: &KeyState) -> bool {
        self.pairs.iter().any(|pair| pair.failed && pair.is(target, key))
    }
}

impl Pair {
    fn new(target: usize, key: &KeyState) -> Self {
        let key = Arc::clone(&key.breaker_name);
        Self { target, key, asked: false, failed: false, forgotten: false }
    }

    fn is(&self, target: usize, key: &KeyState) -> bool {
        self.target == target && *self.key == *key.breaker_name
    }
}

impl Shared {
    /// Leave to try the next key, if there is one.
    pub(super) fn admit(&self, routes: &[Route], tried: &mut Tried) -> Option<Admitted> {
        let last = |route: &Route, tried: &Tried| tried.last.contains(&route.provider.name);
        for now_last in [false, true] {
            for (target, route) in routes.iter().enumerate() {
                if last(route, tried) != now_last || tried.skip.contains(&route.provider.name) {
                    continue;
                }
                if let Some(admitted) = self.admit_at(route, target, tried) {
                    tried.asked(target);
                    return Some(admitted);
                }
                tried.pass_by(target);
            }
        }
        None
    }

    fn admit_at(&self, route: &Route, target: usize, tried: &mut Tried) -> Option<Admitted> {
        while is_to_ask(&route.provider.breaker) {
            let key = self.choose(route, target, tried)?;
            tried.pairs.push(Pair::new(target, key));
            // Each of the three may have changed since it was looked at: then the next key.
            let Ok(key_permit) = key.breaker.acquire_owned() else { continue };
            let Ok(model_try) = key.live.benches.enter(&route.model, self.clock.now()) else {
                continue;
            };
            let Ok(provider_permit) = route.provider.breaker.acquire_owned() else { return None };
            let permits = (key_permit, provider_permit);
            return Some(Admitted::new(route, key, permits, model_try, self.with()));
        }
        None
    }

    fn with(&self) -> With<'_> {
        With { clock: &self.clock, register: &self.register }
    }

    fn choose<'a>(
        &self,
        route: &'a Route,
        target: usize,
        tried: &Tried,
    ) -> Option<&'a Arc<KeyState>> {
        let now = self.clock.now();
        let free = |key: &&Arc<KeyState>| {
            let is_out = key.live.benches.is_out(&route.model, now);
            let usable = !key.awaits_secret() && is_to_ask(&key.breaker) && !is_out;
            !tried.has(target, key) && usable
        };
        let keys: Vec<&Arc<KeyState>> = route.provider.keys.iter().filter(free).collect();
        // One call finds out whether a key is back. If it is not, the call goes on to the next key.
        if let Some(probe) = keys.iter().find(|key| key.breaker.state() == State::HalfOpen) {
            return Some(probe);
        }
        let candidates: Vec<_> = keys.iter().map(|key| key.candidate()).collect();
        choose::pick(&candidates, now, |n| fastrand::usize(..n)).map(|index| keys[index])
    }

    /// Whether a key that has not failed in this call would admit it now.
    pub(super) fn would_admit(&self, routes: &[Route], tried: &Tried) -> bool {
        let now = self.clock.now();
        routes.iter().enumerate().any(|(target, route)| {
            let free =
                |key: &Arc<KeyState>| !tried.has_failed(target, key) && key.would_admit(route, now);
            !tried.skip.contains(&route.provider.name)
                && route.provider.breaker.would_admit()
                && route.provider.keys.iter().any(free)
        })
    }

    /// Leave to probe the nearest key early. Only for a call that no key has admitted.
    pub(super) fn admit_early(&self, routes: &[Route]) -> Option<Admitted> {
        let mut closed: Vec<(Duration, &Route, &Arc<KeyState>)> = Vec::new();
        for route in routes {
            for key in route.provider.keys.iter().filter(|key| !key.awaits_secret()) {
                let waits = [&route.provider.breaker, &key.breaker]
                    .map(|breaker| breaker.snapshot().retry_after);
                closed.push((waits.into_iter().flatten().max().unwrap_or_default(), route, key));
            }
        }
        closed.sort_by_key(|(wait, ..)| *wait);
        closed.into_iter().find_map(|(_, route, key)| {
            let early = Early::enter(route, key)?;
            Some(Admitted::early(route, key, early, self.with()))
        })
    }
}

/// Whether a call is to ask this breaker. One that chance rejects is asked as well: only by that
/// the next call has another chance, and a throttle counts what it sheds.
fn is_to_ask(breaker: &panelboard::Breaker) -> bool {
    matches!(breaker.state(), State::Closed | State::Recovering) || breaker.would_admit()
}

impl KeyState {
    fn would_admit(&self, route: &Route, now: Duration) -> bool {
        !self.awaits_secret()
            && self.breaker.would_admit()
            && !self.live.benches.is_out(&route.model, now)
    }

    /// A call with an empty secret would be held against the key, and tell the provider that
    /// somebody guesses.
    fn awaits_secret(&self) -> bool {
        self.settings.secret.is_awaited()
    }
}

impl Route {
    pub(super) fn would_admit(&self, now: Duration) -> bool {
        self.provider.breaker.would_admit()
            && self.provider.keys.iter().any(|key| key.would_admit(self, now))
    }
}

/// Why a key can not take the call now.
#[derive(Debug)]
pub(super) struct Blocked {
    /// The breaker's name: the key's, or the provider's for all its keys.
    pub(super) breaker: Arc<str>,
    pub(super) why: Why,
    /// In the panel's words.
    pub(super) reason: &'static str,
    /// Until it may take a call; none if only a person can tell.
    pub(super) wait: Option<Duration>,
}

/// What stands behind a block, as far as the client's answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The provider asked to be left alone: 429.
    Cooling,
    /// It is not well, full, set apart, just being probed, or has no secret yet: 503.
    Open,
    /// Our credentials are not accepted: 502.
    Credentials,
}

/// Why none of the keys can take a call now. Keys that could are not in it.
pub(super) fn blocked(routes: &[Route], now: Duration) -> Vec<Blocked> {
    let mut blocked = Vec::new();
    for route in routes {
        if let Some(block) = Blocked::by(&route.provider.name, &route.provider.breaker) {
            blocked.push(block);
            continue;
        }
        for key in &route.provider.keys {
            let by_secret = Blocked::by_secret(key);
            let by_breaker = || Blocked::by(&key.breaker_name, &key.breaker);
            let by_bench = || Blocked::by_bench(key, route, now);
            blocked.extend(by_secret.or_else(by_breaker).or_else(by_bench));
        }
    }
    blocked
}

/// The earliest time at which one of them may take a call.
pub(super) fn earliest(blocked: &[Blocked]) -> Option<Duration> {
    blocked.iter().fold(None, |earliest, block| sooner(earliest, block.wait))
}

impl Blocked {
    fn by(name: &Arc<str>, breaker: &panelboard::Breaker) -> Option<Self> {
        if breaker.would_admit() {
            return None;
        }
        let seen = breaker.snapshot();
        let cause = seen.cause.filter(|_| seen.state == State::Open);
        let (why, reason) = match (seen.state, cause) {
            (State::HalfOpen, _) => (Why::Open, PROBE),
            (State::ForcedOpen, _) => (Why::Open, "isolated"),
            (State::Closed | State::Recovering, _) => (Why::Open, "throttled"),
            (_, Some(Cause::OpenFor(reason))) => (why(reason), reason),
            (_, cause) => (Why::Open, cause.map_or("open", Cause::as_str)),
        };
        // A probe's end is not known; asking again in a second is cheap for all.
        let wait = match seen.state {
            State::HalfOpen => Some(Duration::from_secs(1)),
            _ => seen.retry_after,
        };
        Some(Self { breaker: Arc::clone(name), why, reason, wait })
    }

    /// When it comes is not known here; that it is the secret says more than the breaker does.
    fn by_secret(key: &KeyState) -> Option<Self> {
        let breaker = Arc::clone(&key.breaker_name);
        let block = Self { breaker, why: Why::Open, reason: AWAITS_SECRET, wait: None };
        key.awaits_secret().then_some(block)
    }

    fn by_bench(key: &KeyState, route: &Route, now: Duration) -> Option<Self> {
        let wait = key.live.benches.wait(&route.model, now)?;
        let breaker = Arc::clone(&key.breaker_name);
        Some(Self { breaker, why: Why::Credentials, reason: settle::NOT_ALLOWED, wait: Some(wait) })
    }
}

/// The reason of a key whose secret is still to come.
const AWAITS_SECRET: &str = "waiting for its secret";

fn why(reason: &str) -> Why {
    match reason {
        settle::RATE_LIMITED | settle::OUT_OF_QUOTA => Why::Cooling,
        settle::NO_CREDENTIALS | settle::NOT_ALLOWED => Why::Credentials,
        _ => Why::Open,
    }
}

impl From<&Blocked> for serde_json::Value {
    fn from(blocked: &Blocked) -> Self {
        let wait = blocked.wait.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        let (key, reason) = (&*blocked.breaker, blocked.reason);
        serde_json::json!({ "key": key, "reason": reason, "retry_after_ms": wait })
    }
}

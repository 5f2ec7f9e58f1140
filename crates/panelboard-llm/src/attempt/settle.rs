//! What each verdict does to the breakers.
//!
//! | verdict | the key's breaker | the provider's breaker |
//! | --- | --- | --- |
//! | success | success | success |
//! | request, client gone | nothing | nothing |
//! | rate limited | open until `retry-after`; else 5 s, doubling to 60 s | nothing |
//! | quota | open for 15 min, doubling to 6 h | nothing |
//! | credentials | open for 5 min, doubling to 1 h | nothing |
//! | permission | (key, model) benched; the second model opens the whole key | nothing |
//! | overloaded, with a time | open until then | open, once a second key says so |
//! | overloaded | nothing | failure |
//! | connect | nothing | failure |
//! | server, timeout, cut, garbage | failure, if first of a call | failure, if not the first |
//!
//! Keys of one quota group are opened together.

use std::time::Duration;

use panelboard::{Cause, OpenFor, Permit, State};

use super::admitted::Permits;
use crate::{
    bench,
    key::{KeyState, Steps},
    routing::Route,
    verdict::{Class, Verdict},
};

/// A wait, and what it doubles to.
type Times = [Duration; 2];

const QUOTA: Times = [Duration::from_secs(15 * 60), Duration::from_secs(6 * 60 * 60)];
const CREDENTIALS: Times = [Duration::from_secs(5 * 60), Duration::from_secs(60 * 60)];
const RATE: Times = [Duration::from_secs(5), Duration::from_secs(60)];

/// The reasons of breakers that were opened until a time.
pub(crate) const RATE_LIMITED: &str = "rate limited";
pub(crate) const OUT_OF_QUOTA: &str = "quota";
pub(crate) const NO_CREDENTIALS: &str = "credentials";
pub(crate) const NOT_ALLOWED: &str = "permission";
pub(crate) const OVERLOADED: &str = "overloaded";

/// The table above, for one key of one provider.
pub(super) struct Rules<'a> {
    pub(super) route: &'a Route,
    pub(super) key: &'a KeyState,
    pub(super) now: Duration,
}

impl Rules<'_> {
    pub(super) fn hold_against(
        &self,
        permits: Permits,
        verdict: &Verdict,
        counted: &mut Vec<Class>,
    ) {
        match verdict.class {
            Class::Success | Class::RequestFault | Class::ClientGone => permits.ignore(),
            Class::RateLimited => self.rate_limited(permits, verdict.wait),
            Class::Quota => self.open_group(permits, OUT_OF_QUOTA, &self.key.live.quota, QUOTA),
            Class::Credentials => {
                let wait = self.key.live.credentials.wait(CREDENTIALS[0], CREDENTIALS[1]);
                let opened = self.open_key(permits, wait, NO_CREDENTIALS);
                step(&self.key.live.credentials, opened);
            }
            Class::Permission => self.not_allowed(permits),
            Class::Overloaded => self.overloaded(permits, verdict.wait),
            Class::Connect => fail_provider(permits),
            Class::Server | Class::Timeout | Class::Cut | Class::Garbage => {
                // A request that fails everywhere would otherwise take every key out.
                if counted.contains(&verdict.class) {
                    fail_provider(permits);
                } else {
                    counted.push(verdict.class);
                    fail_key(permits);
                }
            }
        }
    }

    fn rate_limited(&self, permits: Permits, wait: Option<Duration>) {
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => {
                self.open_others(wait, RATE_LIMITED);
                self.open_key(permits, wait, RATE_LIMITED);
            }
            None => self.open_group(permits, RATE_LIMITED, &self.key.live.rate, RATE),
        }
    }

    fn open_group(&self, permits: Permits, reason: &'static str, steps: &Steps, times: Times) {
        let wait = steps.wait(times[0], times[1]);
        self.open_others(wait, reason);
        let opened = self.open_key(permits, wait, reason);
        step(steps, opened);
    }

    fn not_allowed(&self, permits: Permits) {
        let (wait, models) = self.key.live.benches.refused(&self.route.model, self.now);
        if models >= 2 {
            self.open_key(permits, wait.max(bench::FIRST), NOT_ALLOWED);
        } else {
            permits.ignore();
        }
    }

    fn overloaded(&self, permits: Permits, wait: Option<Duration>) {
        let Some(wait) = wait.filter(|wait| !wait.is_zero()) else {
            return fail_provider(permits);
        };
        let others = self.route.provider.keys.iter().filter(|key| key.name != self.key.name);
        let said_before = others.into_iter().any(|key| {
            let seen = key.breaker.snapshot();
            seen.state == State::Open && seen.cause == Some(Cause::OpenFor(OVERLOADED))
        });
        if said_before {
            self.route.provider.breaker.open_for(wait, OVERLOADED);
        }
        self.open_key(permits, wait, OVERLOADED);
    }

    fn open_key(&self, permits: Permits, wait: Duration, reason: &'static str) -> OpenFor {
        match permits {
            Permits::Given { key, provider } => {
                provider.map(Permit::ignore);
                key.open_for(wait, reason)
            }
            Permits::Early(_) => self.key.breaker.open_for(wait, reason),
        }
    }

    fn open_others(&self, wait: Duration, reason: &'static str) {
        for other in &self.route.provider.keys {
            if other.name != self.key.name && other.same_group(self.key) {
                other.breaker.open_for(wait, reason);
            }
        }
    }
}

/// Several calls that were under way together are one refusal, and one step.
fn step(steps: &Steps, opened: OpenFor) {
    if matches!(opened, OpenFor::Tripped(_)) {
        steps.next();
    }
}
fn fail_key(permits: Permits) {
    if let Permits::Given { key, provider } = permits {
        key.failure();
        provider.map(Permit::ignore);
    }
}

fn fail_provider(permits: Permits) {
    if let Permits::Given { key, provider } = permits {
        key.ignore();
        provider.map(Permit::failure);
    }
}

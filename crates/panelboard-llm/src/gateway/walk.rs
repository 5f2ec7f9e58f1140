//! One call's way past the keys, until one of them answers or none is left.
//!
//! Walking on costs nothing where the last key did no work: it was out, cooling, not allowed or not
//! to be reached. After a server's failure the call is sent again only if the budget, the number of
//! re-sends and the call's own time allow it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response::Parts};
use panelboard::State;
use tokio::{sync::futures::Notified, time::Instant};

use super::{
    Shared,
    admit::{self, Tried},
    refuse,
};
use crate::{
    answer::{self, Answer, AnswerBody},
    attempt::{self, Admitted, Errand, Failure, Reply},
    calls::{CallGuard, Stage},
    observe::{Outcome, Rejected, Usage},
    openai::{Attempt, Refusal},
    request::{Ask, Endpoint},
    routing::{Route, Routing},
    stream::{AnswerStream, Begin, Held, Source},
    verdict::{Class, Verdict},
};

/// A waiting call looks again at least so often: a probe may have ended without a transition.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A call that waits gives up after so many attempts: a provider that always says "in a
/// millisecond" is not to be asked a thousand times a second.
const WAITING_ATTEMPTS_MAX: usize = 100;

/// A call on its way.
pub(super) struct Walk<'a> {
    shared: &'a Arc<Shared>,
    routing: &'a Routing,
    routes: &'a [Route],
    errand: Errand<'a>,
    call: CallGuard,
    begun: Instant,
    tried: Tried,
    attempts: Vec<Attempt>,
    /// The classes of failure that this call has already held against a key.
    counted: Vec<Class>,
    resends: u32,
    last: Option<Failure>,
    unsupported: Option<Refusal>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        routing: &'a Routing,
        ask: &'a Ask,
        endpoint: Endpoint,
        call: CallGuard,
        time: Duration,
    ) -> Self {
        let begun = Instant::now();
        let limits = &routing.settings.limits;
        Self {
            shared,
            routing,
            routes: routing.routes(&ask.model).unwrap_or(&[]),
            errand: Errand { ask, endpoint, limits, deadline: begun + time },
            call,
            begun,
            tried: Tried::default(),
            attempts: Vec::new(),
            counted: Vec::new(),
            resends: 0,
            last: None,
            unsupported: None,
        }
    }

    pub(super) async fn run(mut self) -> Answer {
        loop {
            let Some(mut admitted) = self.next_key().await else { return self.give_up() };
            if self.needs_budget() {
                if !self.may_resend(&admitted) {
                    admitted.give_back();
                    return self.give_up();
                }
                self.resends += 1;
                admitted.is_resend();
            }
            self.call.attempt(admitted.serving());
            let begun = Instant::now();
            let outcome = attempt::run(&self.errand, &admitted, &self.call).await;
            self.call.spent(begun.elapsed());
            match outcome {
                Ok(Reply::Unsupported(refusal)) => self.skip(admitted, refusal),
                Ok(reply) => return self.answer(admitted, reply),
                Err(failure) => self.fail(admitted, failure),
            }
            if self.errand.deadline <= Instant::now() {
                return self.give_up();
            }
        }
    }

    async fn next_key(&mut self) -> Option<Admitted> {
        let admitted = self.find_key().await;
        for target in self.tried.newly_passed() {
            let Some(route) = self.routes.get(target) else { continue };
            // One that is probed early is asked after all.
            if !admitted.as_ref().is_some_and(|admitted| admitted.is_at(route)) {
                let (provider, model) = (&route.provider.name, &route.model);
                self.shared.register.observer().rejected(&Rejected { provider, model });
            }
        }
        admitted
    }

    async fn find_key(&mut self) -> Option<Admitted> {
        loop {
            // From before the look, so that no change after it is missed.
            let changed = self.shared.changed.notified();
            if let Some(admitted) = self.shared.admit(self.routes, &mut self.tried) {
                return Some(admitted);
            }
            if self.attempts.is_empty()
                && let Some(admitted) = self.shared.admit_early(self.routes)
            {
                return Some(admitted);
            }
            if !self.wait(changed).await {
                return None;
            }
            self.tried.forget();
        }
    }

    /// Waits for the earliest key, if the settings and the call's time allow it; false if not.
    async fn wait(&self, changed: Notified<'_>) -> bool {
        let Some(up_to) = self.routing.settings.wait_up_to else { return false };
        if self.attempts.len() >= WAITING_ATTEMPTS_MAX {
            return false;
        }
        let end = (self.begun + up_to).min(self.errand.deadline);
        let blocked = admit::blocked(self.routes, self.shared.clock.now());
        // A deadline may have passed since the look, which is no change that anybody is told of.
        if self.shared.would_admit(self.routes, &self.tried) {
            return true;
        }
        let Some(earliest) = admit::earliest(&blocked) else { return false };
        let now = Instant::now();
        let probing = blocked.iter().any(|block| block.reason == refuse::PROBE);
        if now >= end || (now + earliest > end && !probing) {
            return false;
        }
        self.call.stage(Stage::Waiting);
        let at = if probing { now + LOOK_AGAIN } else { now + earliest };
        // Its end is either the time or a change of some breaker: in both cases look again.
        drop(tokio::time::timeout_at(at.min(end), changed).await);
        true
    }

    /// Whether the last attempt failed at a server that may have worked on the call.
    fn needs_budget(&self) -> bool {
        let class = self.last.as_ref().map(|failure| failure.verdict.class);
        matches!(
            class,
            Some(Class::Server | Class::Timeout | Class::Cut | Class::Garbage | Class::Overloaded)
        )
    }

    fn may_resend(&self, next: &Admitted) -> bool {
        let left = self.errand.deadline.saturating_duration_since(Instant::now());
        let expected = next.key.live.ttfb().filter(|_| next.key.breaker.state() == State::Closed);
        self.resends < self.errand.limits.max_resends
            && left > expected.unwrap_or_default().min(next.route.provider.timeouts.first_byte)
            && self.shared.budget.try_resend(self.errand.limits, self.shared.clock.now())
    }

    fn fail(&mut self, admitted: Admitted, failure: Failure) {
        if matches!(failure.verdict.class, Class::Connect | Class::Overloaded) {
            self.tried.put_last(&admitted.route.provider.name);
        }
        let cooled = failure.verdict.class == Class::RateLimited || failure.verdict.wait.is_some();
        if !cooled {
            self.tried.failed();
        }
        self.attempts.push(admitted.fail(&failure, &mut self.counted));
        self.last = Some(failure);
    }

    /// The provider's API has no words for this request. Another one's may have.
    fn skip(&mut self, admitted: Admitted, refusal: Refusal) {
        self.tried.skip(&admitted.route.provider.name);
        admitted.give_back();
        self.unsupported = Some(refusal);
    }

    fn give_up(self) -> Answer {
        if let Some(refusal) = self.unsupported.filter(|_| self.tried.skips_all(self.routes)) {
            return refuse::request(self.call, &refusal);
        }
        let blocked = admit::blocked(self.routes, self.shared.clock.now());
        refuse::call(self.call, &self.errand.ask.model, self.attempts, self.last.as_ref(), &blocked)
    }

    fn answer(self, admitted: Admitted, reply: Reply) -> Answer {
        match reply {
            Reply::Unsupported(refusal) => refuse::request(self.call, &refusal),
            Reply::Whole { head, body, usage } => self.whole(admitted, &head, body, usage),
            Reply::RequestFault { head, body, verdict } => {
                self.request_fault(admitted, &head, body, &verdict)
            }
            Reply::Stream { head, source, held } => self.stream(admitted, &head, source, held),
        }
    }

    fn whole(
        mut self,
        mut admitted: Admitted,
        head: &Parts,
        body: Bytes,
        usage: Option<Usage>,
    ) -> Answer {
        let mut frame = self.frame(&admitted, head, Class::Success);
        // Whatever the provider called it, it has been read as such.
        answer::json(&mut frame.headers);
        admitted.usage(usage);
        // Every place is free before the client sees the answer.
        admitted.success(head.status.as_u16());
        self.call.usage(usage);
        self.call.end(Outcome::Succeeded);
        frame.answer(AnswerBody::Whole(body), self.attempts)
    }

    /// A 4xx about the request goes to the client as it is.
    fn request_fault(
        mut self,
        admitted: Admitted,
        head: &Parts,
        body: Bytes,
        verdict: &Verdict,
    ) -> Answer {
        let frame = self.frame(&admitted, head, verdict.class);
        admitted.neutral(verdict.class, head.status.as_u16());
        self.call.end(Outcome::RequestFault);
        frame.answer(AnswerBody::Whole(body), self.attempts)
    }

    fn stream(
        mut self,
        mut admitted: Admitted,
        head: &Parts,
        source: Source,
        held: Held,
    ) -> Answer {
        let mut frame = self.frame(&admitted, head, Class::Success);
        answer::event_stream(&mut frame.headers);
        admitted.committed();
        self.call.stage(Stage::Streaming);
        self.call.first_chunk();
        let stream = AnswerStream::new(Begin {
            source,
            held,
            admitted,
            call: self.call,
            attempts: self.attempts[..self.attempts.len() - 1].to_vec(),
            status: head.status.as_u16(),
            deadline: self.errand.deadline,
            counted: self.counted,
        });
        frame.answer(AnswerBody::Stream(stream), self.attempts)
    }

    /// Enters the last attempt, and makes the answer's head.
    fn frame(&mut self, admitted: &Admitted, head: &Parts, class: Class) -> Frame {
        let (provider, key) = (&admitted.route.provider.name, &admitted.key.name);
        self.attempts.push(Attempt {
            provider: Arc::clone(provider),
            key: Arc::clone(key),
            outcome: class,
            status: Some(head.status.as_u16()),
            took: admitted.age(),
        });
        self.call.status(head.status.as_u16());
        let mut headers = answer::headers(&self.call, self.attempts.len());
        answer::served_by(&mut headers, provider, key);
        answer::pass_on(&mut headers, &head.headers);
        Frame { status: head.status, headers, provider: Arc::clone(provider), key: Arc::clone(key) }
    }
}

/// An answer without its body.
struct Frame {
    status: StatusCode,
    headers: HeaderMap,
    provider: Arc<str>,
    key: Arc<str>,
}

impl Frame {
    fn answer(self, body: AnswerBody, attempts: Vec<Attempt>) -> Answer {
        let Self { status, headers, provider, key } = self;
        Answer { status, headers, body, provider: Some(provider), key: Some(key), attempts }
    }
}

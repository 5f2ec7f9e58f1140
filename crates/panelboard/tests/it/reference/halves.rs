//! What are the two moments of an end that counts in a window? First the call is counted, then its
//! life is told of it: the run, and the verdict if it is bad. Threads may come in between.
//! (`linear.rs` needs this; alone, a thread sees no difference.)

use std::time::Duration;

use panelboard::Outcome;

use super::{Body, Change, Held, MOST_IN_A_ROW, Reference, Ticket, Told};

/// A call of which the second moment is to come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Half {
    /// A bad one that is counted and not judged yet.
    Judged(Judged),
    /// A good one that is counted, and has not ended the run yet.
    Counted { life: u64 },
    /// A good one that has found nothing to tell the word, and is not counted yet.
    Seen { life: u64 },
}

/// A bad call that is counted and not judged yet, and what its judge sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Judged {
    life: u64,
    failed: bool,
    /// The time window. Of what others have counted since, the judge sees any part.
    time: Held,
    since: Vec<Held>,
    /// The count window, as it was at some instant since.
    last: Vec<Held>,
}

/// What has just been counted: in which life, and what the count window holds with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    life: u64,
    call: Held,
    last: Held,
}

impl Judged {
    /// Somebody else has counted a call.
    pub(crate) fn may_see(&mut self, news: News) {
        if self.life == news.life {
            self.since.push(news.call);
            self.since.sort_unstable();
            self.last.push(news.last);
            self.last.sort_unstable();
            self.last.dedup();
        }
    }

    /// Every state of the time window that the judge may see, each once.
    fn times(&self) -> Vec<Held> {
        let mut views = vec![self.time];
        for call in &self.since {
            let with: Vec<Held> = views.iter().map(|view| view.plus(*call)).collect();
            views.extend(with);
            views.sort_unstable();
            views.dedup();
        }
        views
    }
}

impl Reference {
    /// True if the end of this permit counts in a window, or changes nothing.
    pub(crate) fn ends_in_two(&self, ticket: Ticket, outcome: Outcome) -> bool {
        let policy = &self.rules.policy;
        let windowed = policy.time().is_some() || policy.last().is_some();
        let closed = matches!(self.body, Body::Closed { .. } | Body::Recovering { .. });
        let counts = matches!(outcome, Outcome::Success | Outcome::Failure);
        windowed && closed && counts && self.is_current(ticket)
    }

    /// The first moment of a call that ends in its generation, in each way that it can go; with
    /// what others see of it, if it is counted. No second one is left of a good call where no run
    /// is counted.
    pub(crate) fn first(
        &self,
        now: Duration,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Vec<(Self, Option<Half>, Option<News>)> {
        let failed = outcome == Outcome::Failure;
        let call = Held::call(failed, self.is_slow(now, ticket));
        let Some((run, life)) = self.run_and_life() else { return vec![] };
        let mut counted = self.clone();
        let news = counted.count_call(now, life, call);
        if call.failures + call.slow > 0 {
            let (time, last) = counted.windows(now);
            let (time, last) = (time.unwrap_or_default(), vec![last.unwrap_or_default()]);
            let judged = Judged { life, failed, time, since: vec![], last };
            return vec![(counted, Some(Half::Judged(judged)), Some(news))];
        }
        if self.rules.policy.run().is_none() {
            return vec![(counted, None, Some(news))];
        }
        let mut ways = vec![(counted, Some(Half::Counted { life }), Some(news))];
        if run == 0 {
            ways.push((self.clone(), Some(Half::Seen { life }), None));
        }
        ways
    }

    fn run_and_life(&self) -> Option<(u32, u64)> {
        match self.body {
            Body::Closed { run, life } | Body::Recovering { run, life, .. } => Some((run, life)),
            Body::Open { .. } | Body::HalfOpen { .. } => None,
        }
    }

    fn count_call(&mut self, now: Duration, life: u64, call: Held) -> News {
        let policy = self.rules.policy.clone();
        self.log.count(&policy, now, life, call);
        News { life, call, last: self.windows(now).1.unwrap_or_default() }
    }

    /// The second moment, with what others see of it; none if its caller can't have been told so.
    pub(crate) fn second(
        &mut self,
        now: Duration,
        half: &Half,
        told: Told,
    ) -> Option<Option<News>> {
        let (Half::Judged(Judged { life, .. }) | Half::Counted { life } | Half::Seen { life }) =
            half;
        if self.run_and_life().is_none_or(|(_, own)| own != *life) {
            // Somebody else has ended the life, with all that is counted in it.
            return (told == Told::Counted).then_some(None);
        }
        match half {
            Half::Judged(judged) => self.judge(now, judged, told).then_some(None),
            Half::Counted { .. } => {
                self.set_run(|_| 0);
                (told == Told::Counted).then_some(None)
            }
            Half::Seen { life } => {
                let news = self.count_call(now, *life, Held::call(false, false));
                (told == Told::Counted).then_some(Some(news))
            }
        }
    }

    fn set_run(&mut self, next: impl Fn(u32) -> u32) -> u32 {
        match &mut self.body {
            Body::Closed { run, .. } | Body::Recovering { run, .. } => {
                *run = next(*run);
                *run
            }
            Body::Open { .. } | Body::HalfOpen { .. } => 0,
        }
    }

    /// The verdict on the life as it is now, whatever has been set beside it since.
    fn judge(&mut self, now: Duration, judged: &Judged, told: Told) -> bool {
        let policy = self.rules.policy.clone();
        let more = u32::from(policy.run().is_some());
        let failed = judged.failed;
        let run = self.set_run(|run| if failed { (run + more).min(MOST_IN_A_ROW) } else { 0 });
        let times = judged.times();
        let views = times.iter().flat_map(|time| judged.last.iter().map(|last| (*time, *last)));
        let mut causes = views.map(|(time, last)| policy.failing(run, time, last));
        match told {
            Told::Counted => causes.any(|cause| cause.is_none()),
            Told::Changed(Change { cause, .. }) => {
                let can = causes.any(|failing| failing == Some(cause));
                can && {
                    self.open(now, cause);
                    self.last.map(Told::Changed) == Some(told)
                }
            }
            Told::Late | Told::Unrecorded => false,
        }
    }
}

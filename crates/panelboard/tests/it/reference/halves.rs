//! What are the two moments of an end that counts in a window? First the call is counted, then, if
//! it is bad, the window is judged: threads may come in between. (`linear.rs` needs this; alone, a
//! thread sees no difference.)

use std::time::Duration;

use panelboard::Outcome;

use super::{Body, Change, Held, Reference, Ticket, Told};

/// A bad call that is counted and not judged yet, and what its judge sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Judged {
    generation: u64,
    run: u32,
    /// The time window. Of what others have counted since, the judge sees any part.
    time: Held,
    since: Vec<Held>,
    /// The count window, as it was at some instant since.
    last: Vec<Held>,
}

impl Judged {
    /// Somebody else has counted a call, after which the count window holds `last`.
    pub(crate) fn may_see(&mut self, generation: u64, call: Held, last: Held) {
        if self.generation == generation {
            self.since.push(call);
            self.since.sort_unstable();
            self.last.push(last);
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

    /// The first half: the call as it is counted, what the count window then holds, and the
    /// judgement to come, if it is bad.
    pub(crate) fn count_first(
        &mut self,
        now: Duration,
        ticket: Ticket,
        outcome: Outcome,
    ) -> (Held, Held, Option<Judged>) {
        let (call, run) = self.count(now, ticket, outcome == Outcome::Failure);
        let bad = call.failures + call.slow > 0;
        let (time, last) = self.windows(now);
        let (time, last) = (time.unwrap_or_default(), last.unwrap_or_default());
        let generation = self.generation;
        let judged = bad.then(|| Judged { generation, run, time, since: vec![], last: vec![last] });
        (call, last, judged)
    }

    /// The second half; true if its caller can have been told so.
    pub(crate) fn judge_then(&mut self, now: Duration, judged: &Judged, told: Told) -> bool {
        let generation = judged.generation;
        if self.generation != generation {
            // Somebody else was the first to open it.
            return told == Told::Counted;
        }
        let policy = self.rules.policy.clone();
        let times = judged.times();
        let views = times.iter().flat_map(|time| judged.last.iter().map(|last| (*time, *last)));
        let mut causes = views.map(|(time, last)| policy.failing(judged.run, time, last));
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

//! What does a call do that changes something, and what is it told?

use super::{Active, Known, Phase, Run, Slot, Step};
use crate::{
    call::{Accepted, Asked, Call, Told},
    event::{At, Event, Policy, Reason, Status},
    rule::Rule,
};

impl Step<'_> {
    /// Does a call, if it can be answered so now. `aimed` is what a cancel without a run has found.
    pub(super) fn call(&mut self, call: &Call, aimed: Option<u64>) -> Option<()> {
        let told = &call.told;
        if let Some(key) = &call.key
            && self.rules.has(Rule::Key)
            && let Some(known) = self.now.keys.get(key)
        {
            return self.again(call, &known.clone());
        }
        // Nothing happens by a look, whatever came of it.
        if *told == Told::KeyMismatch {
            return self.demand(Rule::Mismatch, false);
        }
        match &call.asked {
            Asked::Submit { input, policy, .. } => self.submit(input, *policy, told),
            Asked::Cancel { run, force, rollback } => {
                let target = run.or(aimed);
                self.cancel(target, run.is_none(), (*force, *rollback), told)
            }
            Asked::Clear { if_idle } => self.clear(*if_idle, told),
            Asked::Note { item } => self.note(item, told),
            Asked::Replace { tag, items } => self.replace(*tag, items, told),
            Asked::Unqueue(run) => self.unqueue(*run, told),
            Asked::Memory | Asked::Queue | Asked::Run(_) => self.read(&call.asked, told),
        }?;
        self.remember(call);
        Some(())
    }

    /// The key was used: the same is answered the same, and nothing is done.
    fn again(&self, call: &Call, known: &Known) -> Option<()> {
        let same = known.asked == format!("{:?}", call.asked);
        match (&call.told, &known.told) {
            (Told::Unknown, _) => Some(()),
            (Told::KeyMismatch, _) => self.demand(Rule::Mismatch, !same),
            (_, _) if !same => self.demand(Rule::Key, false),
            (Told::Accepted { run, more }, Told::Accepted { run: first, .. }) => {
                self.demand(Rule::Key, run == first)?;
                let status = self.now.runs.get(run).map(|one| one.status);
                let told = |more: &Accepted| more.replayed && Some(more.status) == status;
                self.demand(Rule::Input, more.as_ref().is_none_or(told))
            }
            // How the first was answered is not known, and so not what is the same.
            (_, Told::Unknown) => Some(()),
            (told, first) => self.demand(Rule::Key, told == first),
        }
    }

    /// A refusal that changed nothing may be asked again.
    fn remember(&mut self, call: &Call) {
        let done = matches!(
            call.told,
            Told::Accepted { .. }
                | Told::Cleared { .. }
                | Told::Written { .. }
                | Told::Stopped { .. }
                | Told::Unknown
        );
        let Some(key) = call.key.as_ref().filter(|_| done) else { return };
        let mut told = call.told.clone();
        if let (Asked::Submit { .. }, Told::Unknown) = (&call.asked, &told) {
            told = Told::Accepted { run: self.now.last_run, more: None };
        }
        let known = Known { asked: format!("{:?}", call.asked), told };
        self.now.keys.insert(key.clone(), known);
    }

    fn submit(&mut self, input: &str, policy: Policy, told: &Told) -> Option<()> {
        let holder = self.now.holder();
        match told {
            Told::Busy { run, phase } => {
                self.demand(Rule::Idle, holder.is_some())?;
                self.demand(Rule::Holder, holder.is_none() || holder == Some((*run, *phase)))?;
                self.demand(Rule::Reject, policy == Policy::Reject)
            }
            Told::QueueFull => {
                let full = self.waiting() >= self.rules.queue;
                self.demand(Rule::Full, holder.is_some() && full && !policy.goes_first())
            }
            Told::Accepted { .. } | Told::Unknown => self.accept(input, policy, told),
            _ => None,
        }
    }

    fn waiting(&self) -> usize {
        self.now.queue.len() + self.now.inbox().len()
    }

    fn accept(&mut self, input: &str, policy: Policy, told: &Told) -> Option<()> {
        let idle = self.now.holder().is_none();
        let mut run = self.now.last_run + 1;
        let mut starts = idle;
        match self.next() {
            At::Event(Event::Created { run: its, input: said, policy: by, starts: begins }) => {
                self.demand(Rule::Number, *its == run)?;
                self.demand(Rule::Input, said == input && *by == policy)?;
                (run, starts) = (*its, *begins);
            }
            At::Event(_) | At::End => return None,
            At::Hole => {}
        }
        self.demand(Rule::OneRun, !starts || idle)?;
        self.demand(Rule::Idle, starts || !idle)?;
        self.demand(Rule::Reject, starts || policy != Policy::Reject)?;
        let room = policy.goes_first() || self.waiting() < self.rules.queue;
        self.demand(Rule::Room, starts || room)?;
        self.now.head += 1;
        self.now.last_run = run;
        let new = Run { status: Status::Queued, input: input.to_owned(), output: None };
        self.now.runs.insert(run, new);
        let position = self.place(run, policy, starts)?;
        let Told::Accepted { run: its, more } = told else { return Some(()) };
        self.demand(Rule::Number, *its == run)?;
        let status = if starts { Status::Starting } else { Status::Queued };
        let right = Accepted { status, position, replayed: false };
        self.demand(Rule::Input, more.is_none_or(|more| more == right))
    }

    /// Puts a new run where it belongs; answers its place in the queue.
    fn place(&mut self, run: u64, policy: Policy, starts: bool) -> Option<Option<usize>> {
        if starts {
            self.hold(run);
            return Some(None);
        }
        if policy.goes_first() {
            if let Some(earlier) = self.now.front.replace(run) {
                let status = Status::Superseded;
                self.write_by(Rule::Stops, &Event::Finished { run: earlier, status })?;
                self.status(earlier, status);
            }
            let back = policy == Policy::Rollback;
            let reason = if back { Reason::RolledBack } else { Reason::Superseded };
            self.stop(reason, back)?;
            return Some(Some(0));
        }
        if self.now.policy_waits(policy) || policy == Policy::Reject {
            self.now.queue.push(run);
            let before = usize::from(self.now.front.is_some());
            return Some(Some(before + self.now.queue.len() - 1));
        }
        if let Slot::Active(active) = &mut self.now.slot {
            active.inbox.push(run);
        }
        Some(None)
    }

    /// Tells the run that has the slot to stop; answers whether that was news.
    fn stop(&mut self, why: Reason, rollback: bool) -> Option<bool> {
        let Slot::Active(active) = &mut self.now.slot else { return Some(false) };
        let takes_back = rollback && !active.takes_back;
        active.takes_back |= rollback;
        let run = active.run;
        let Phase::Stopping { reason, .. } = &mut active.phase else {
            let begun = active.phase == Phase::Running;
            active.phase = Phase::Stopping { reason: why, begun };
            self.status(run, Status::Stopping);
            self.write_by(Rule::Stops, &Event::Stopping { run, reason: why })?;
            return Some(true);
        };
        // The first reason decides, except that a rollback is more than an interrupt.
        if (*reason, why) == (Reason::Superseded, Reason::RolledBack) {
            *reason = why;
        }
        let reason = *reason;
        if takes_back {
            self.write_by(Rule::Stops, &Event::Stopping { run, reason })?;
        }
        Some(takes_back)
    }

    fn cancel(
        &mut self,
        target: Option<u64>,
        current: bool,
        (force, rollback): (bool, bool),
        told: &Told,
    ) -> Option<()> {
        let Some(run) = target else {
            let right = Told::Stopped { changed: false, run: None, status: None };
            let idle = self.now.active().is_none();
            return self.demand(Rule::Changed, current && idle && *told == right);
        };
        if *told == Told::NoSuchRun {
            return self.demand(Rule::Changed, !self.now.runs.contains_key(&run));
        }
        self.now.runs.get(&run)?;
        let before = self.now.active();
        let stops = before == Some(run) && self.now.holder() == Some((run, Status::Stopping));
        let mut changed = if before == Some(run) {
            self.stop(Reason::Cancelled, rollback)?
        } else if self.now.waits(run) {
            self.end_waiting(Rule::Stops, run)?;
            true
        } else {
            false
        };
        let Told::Stopped { changed: said, run: its, status } = told else {
            return (*told == Told::Unknown).then_some(());
        };
        // How hard it was told to stop already, by a clock or by somebody else, nobody is shown.
        if stops && force && !changed {
            changed = *said;
        }
        let now = self.now.runs.get(&run).map(|one| one.status);
        let right = *said == changed && *its == Some(run) && *status == now;
        self.demand(Rule::Changed, right)
    }

    fn end_waiting(&mut self, rule: Rule, run: u64) -> Option<()> {
        self.now.forget(run);
        let status = Status::Cancelled;
        self.write_by(rule, &Event::Finished { run, status })?;
        self.status(run, status);
        Some(())
    }

    fn clear(&mut self, if_idle: bool, told: &Told) -> Option<()> {
        let holder = self.now.holder();
        if let Told::Busy { run, phase } = told {
            self.demand(Rule::Idle, holder.is_some())?;
            self.demand(Rule::Holder, holder.is_none() || holder == Some((*run, *phase)))?;
            return self.demand(Rule::IfIdle, if_idle);
        }
        self.demand(Rule::IfIdle, !if_idle || holder.is_none())?;
        let mut waiting: Vec<u64> = self.now.front.into_iter().collect();
        waiting.extend(&self.now.queue);
        waiting.extend(self.now.inbox());
        for run in waiting {
            self.end_waiting(Rule::Ends, run)?;
        }
        if let Slot::Active(Active { run, .. }) = self.now.slot {
            let status = Status::Cancelled;
            self.write_by(Rule::Ends, &Event::Finished { run, status })?;
            self.status(run, status);
            self.now.slot = Slot::Leaving(run);
        }
        let At::Event(Event::Cleared { era }) = self.next() else {
            return matches!(self.next(), At::Hole).then(|| self.cleared(self.now.era + 1));
        };
        self.demand(Rule::Era, *era == self.now.era + 1)?;
        self.cleared(*era);
        match told {
            Told::Unknown => Some(()),
            Told::Cleared { era, seq } => {
                self.demand(Rule::Era, *era == self.now.era)?;
                self.demand(Rule::Place, *seq == self.now.head)
            }
            _ => None,
        }
    }

    fn cleared(&mut self, era: u64) {
        self.now.head += 1;
        (self.now.era, self.now.changed) = (era, self.now.head);
        self.now.items.clear();
        // What was said is forgotten; that there were runs, and how they ended, is not.
        for run in self.now.runs.values_mut() {
            (run.input, run.output) = (String::new(), None);
        }
    }

    fn note(&mut self, (role, text): &(String, String), told: &Told) -> Option<()> {
        self.written(told)?;
        self.say(role, Some(text.clone()), None, None);
        Some(())
    }

    fn replace(&mut self, tag: (u64, u64), items: &[(String, String)], told: &Told) -> Option<()> {
        let current = self.now.tag();
        if let Told::Stale { current: said } = told {
            return self.demand(Rule::Stale, tag != current && *said == current);
        }
        self.demand(Rule::Match, tag == current)?;
        self.written(told)?;
        self.now.items.clear();
        for (role, text) in items {
            self.say(role, Some(text.clone()), None, None);
        }
        Some(())
    }

    /// A write of a person, and its place.
    fn written(&mut self, told: &Told) -> Option<()> {
        let tag = (self.now.era, self.now.head + 1);
        match self.next() {
            At::Event(Event::Memory { run: None, tag: its }) => {
                self.demand(Rule::Tag, *its == tag)?;
            }
            At::Hole => {}
            At::Event(_) | At::End => return None,
        }
        self.now.head += 1;
        self.now.changed = self.now.head;
        match told {
            Told::Unknown => Some(()),
            Told::Written { seq, tag: its } => {
                self.demand(Rule::Place, *seq == self.now.head)?;
                self.demand(Rule::Tag, *its == tag)
            }
            _ => None,
        }
    }

    fn unqueue(&mut self, run: u64, told: &Told) -> Option<()> {
        let status = self.now.runs.get(&run).map(|one| one.status);
        match told {
            Told::Removed if status == Some(Status::Cancelled) => Some(()),
            Told::Removed => {
                self.demand(Rule::Removed, self.now.waits(run))?;
                self.end_waiting(Rule::Removed, run)
            }
            Told::Unknown => self.now.waits(run).then(|| self.end_waiting(Rule::Removed, run))?,
            Told::AlreadyStarted => {
                let gone = status.is_some_and(|status| status != Status::Cancelled);
                self.demand(Rule::Removed, gone && !self.now.waits(run))
            }
            Told::NoSuchRun => self.demand(Rule::Removed, status.is_none()),
            _ => None,
        }
    }
}

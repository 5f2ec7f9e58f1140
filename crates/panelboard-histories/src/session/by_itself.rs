//! What happens without being asked for: a run begins, says something, ends, and another follows?

use super::{Phase, Session, Slot, Step};
use crate::{
    event::{At, Event, Log, Reason, Status},
    rule::{Rule, Rules},
};

impl Session {
    /// All sessions that this one may become by itself, by the next event or by none.
    pub(crate) fn by_itself(&self, log: &Log, rules: Rules) -> Vec<Self> {
        let guesses = self.guesses();
        let events: Vec<&Event> = match log.at(self.head + 1) {
            At::Event(event) => vec![event],
            At::Hole => guesses.iter().collect(),
            At::End => vec![],
        };
        let mut after: Vec<Self> = events
            .into_iter()
            .filter_map(|event| {
                let mut step = Step::new(self, log, rules);
                step.happens(event)?;
                Some(step.now)
            })
            .collect();
        // What is left of a cleared run goes without a word, if nobody waits for its place.
        if matches!(self.slot, Slot::Leaving(_)) && self.first().is_none() {
            after.push(Self { slot: Slot::Idle, ..self.clone() });
        }
        after
    }

    /// What may stand where nobody looked.
    fn guesses(&self) -> Vec<Event> {
        let mut guesses: Vec<Event> =
            self.first().map(|run| Event::Taken { run }).into_iter().collect();
        let Slot::Active(active) = &self.slot else { return guesses };
        let run = active.run;
        let ends = match active.phase {
            Phase::Stopping { reason, .. } => vec![reason.end()],
            _ => vec![Status::Succeeded, Status::Failed, Status::Lost],
        };
        guesses.extend(ends.into_iter().map(|status| Event::Finished { run, status }));
        guesses.push(Event::Started { run });
        guesses.push(Event::Said { run });
        for partial in [false, true] {
            guesses.push(Event::Completed { run, text: None, partial });
        }
        for reason in [Reason::TimedOut, Reason::Disconnected] {
            guesses.push(Event::Stopping { run, reason });
        }
        let consumed = active.inbox.first();
        guesses.extend(consumed.map(|run| Event::Finished { run: *run, status: Status::Consumed }));
        guesses
    }
}

impl Step<'_> {
    /// Does what this event tells, if nobody needs to ask for it.
    fn happens(&mut self, event: &Event) -> Option<()> {
        match event {
            Event::Started { run } => self.begins(*run),
            Event::Said { run } => {
                self.may_say(*run)?;
                self.now.head += 1;
                self.now.changed = self.now.head;
                Some(())
            }
            Event::Completed { run, text, partial } => {
                self.may_say(*run)?;
                self.now.head += 1;
                self.say("assistant", text.clone(), Some(*run), Some(*run));
                if let Some(said) = self.now.items.last_mut() {
                    said.item.partial = *partial;
                }
                if let Some(one) = self.now.runs.get_mut(run) {
                    one.output = Some(text.clone());
                }
                Some(())
            }
            Event::Stopping { run, reason } => self.told_to_stop(*run, *reason),
            Event::Finished { run, status: Status::Consumed } => self.reads_a_steer(*run),
            Event::Finished { run, status } => self.ends(*run, *status),
            Event::Taken { run } => {
                let leaves = matches!(self.now.slot, Slot::Leaving(_));
                self.demand(Rule::OneRun, leaves)?;
                self.taken(*run)
            }
            Event::Abandoned { run } => {
                (self.now.slot == Slot::Leaving(*run)).then(|| self.now.head += 1)?;
                self.release()
            }
            // Somebody asked for these, or a run's end brings them.
            Event::Created { .. } | Event::Memory { .. } | Event::Cleared { .. } => None,
        }
    }

    fn begins(&mut self, run: u64) -> Option<()> {
        let waits_to_begin = matches!(&self.now.slot, Slot::Active(active)
            if active.run == run && active.phase == Phase::Starting);
        self.demand(Rule::Begins, waits_to_begin)?;
        self.now.head += 1;
        if let Slot::Active(active) = &mut self.now.slot
            && waits_to_begin
        {
            active.phase = Phase::Running;
            self.status(run, Status::Running);
        }
        Some(())
    }

    fn may_say(&self, run: u64) -> Option<()> {
        let may = matches!(&self.now.slot, Slot::Active(active) if active.run == run && matches!(
            active.phase,
            Phase::Running | Phase::Stopping { begun: true, .. }
        ));
        self.demand(Rule::Fence, may)
    }

    /// By a clock, or because everybody has left.
    fn told_to_stop(&mut self, run: u64, why: Reason) -> Option<()> {
        let by_itself = matches!(why, Reason::TimedOut | Reason::Disconnected | Reason::Shutdown);
        self.demand(Rule::Caused, by_itself)?;
        let Slot::Active(active) = &mut self.now.slot else { return None };
        if active.run != run || matches!(active.phase, Phase::Stopping { .. }) {
            return None;
        }
        let begun = active.phase == Phase::Running;
        active.phase = Phase::Stopping { reason: why, begun };
        self.status(run, Status::Stopping);
        self.now.head += 1;
        Some(())
    }

    fn reads_a_steer(&mut self, run: u64) -> Option<()> {
        let Slot::Active(active) = &mut self.now.slot else { return None };
        let reads = active.phase == Phase::Running && active.inbox.first() == Some(&run);
        let owner = active.run;
        self.demand(Rule::Steer, reads)?;
        self.now.forget(run);
        self.now.head += 1;
        self.status(run, Status::Consumed);
        let input = self.now.runs.get(&run).map(|one| one.input.clone());
        self.say("user", input, Some(run), Some(owner));
        Some(())
    }

    fn ends(&mut self, run: u64, status: Status) -> Option<()> {
        let Slot::Active(active) = &self.now.slot else { return self.ends_again(run) };
        if active.run != run {
            return self.ends_again(run);
        }
        let right = match active.phase {
            Phase::Stopping { reason, .. } => status == reason.end(),
            _ => matches!(status, Status::Succeeded | Status::Failed | Status::Lost),
        };
        self.demand(Rule::Reason, right)?;
        let (base, takes_back, inbox) = (active.base, active.takes_back, active.inbox.clone());
        self.now.head += 1;
        self.status(run, status);
        if status == Status::Succeeded {
            self.now.changed = self.now.head;
        }
        self.now.slot = Slot::Idle;
        if takes_back {
            let tag = (self.now.era, self.now.head + 1);
            self.write_by(Rule::TakenBack, &Event::Memory { run: Some(run), tag })?;
            self.now.changed = self.now.head;
            self.now.items.retain(|said| said.owner != Some(run) || said.item.seq <= base);
        }
        // What it has not read waits among the others.
        self.now.queue.extend(inbox);
        self.now.queue.sort_unstable();
        if self.next_is(&Event::Abandoned { run }) {
            self.now.head += 1;
        }
        self.release()
    }

    /// An end of a run that does not run.
    fn ends_again(&mut self, run: u64) -> Option<()> {
        let ended = self.now.runs.contains_key(&run) && !self.now.waits(run);
        self.demand(Rule::Once, false)?;
        ended.then(|| self.now.head += 1)
    }

    /// The slot is free: whoever waits gets it.
    fn release(&mut self) -> Option<()> {
        self.now.slot = Slot::Idle;
        let Some(first) = self.now.first() else { return Some(()) };
        match self.next() {
            At::Event(Event::Taken { run }) => self.taken(*run),
            At::Hole => self.taken(first),
            At::Event(_) | At::End => self.demand(Rule::Next, false),
        }
    }

    fn taken(&mut self, run: u64) -> Option<()> {
        self.demand(Rule::First, self.now.first() == Some(run))?;
        self.now.waits(run).then_some(())?;
        self.now.forget(run);
        self.now.head += 1;
        self.hold(run);
        Some(())
    }
}

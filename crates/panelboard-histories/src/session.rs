//! The naive session: what does it hold, and how does it write its log?
//!
//! It does one thing at a time, and each thing whole. What it writes is compared with the log that
//! clients were shown: a step that would write something else is none that was done.

mod by_itself;
mod reads;
mod writes;

use std::collections::BTreeMap;

use crate::{
    call::{Call, Item, Told},
    event::{At, Event, Log, Policy, Reason, Status},
    rule::{Rule, Rules},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    /// The last seq.
    pub(crate) head: u64,
    era: u64,
    /// The last seq that changed the memory.
    changed: u64,
    last_run: u64,
    slot: Slot,
    /// The one place before the queue.
    front: Option<u64>,
    queue: Vec<u64>,
    items: Vec<Said>,
    runs: BTreeMap<u64, Run>,
    keys: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Slot {
    #[default]
    Idle,
    Active(Active),
    /// The run has ended, and what does its work has not.
    Leaving(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Active {
    run: u64,
    /// The last seq before it had the slot.
    base: u64,
    phase: Phase,
    /// What it says is taken back at its end.
    takes_back: bool,
    /// Steers that it has not read.
    inbox: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Starting,
    Running,
    /// `begun`: it may finish what it says.
    Stopping {
        reason: Reason,
        begun: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Run {
    status: Status,
    input: String,
    /// The outer none: it has said nothing. The inner: nobody saw what.
    output: Option<Option<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Said {
    item: Item,
    /// The run that takes it back.
    owner: Option<u64>,
}

/// What a key was used for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Known {
    asked: String,
    told: Told,
}

impl Phase {
    fn status(self) -> Status {
        match self {
            Self::Starting => Status::Starting,
            Self::Running => Status::Running,
            Self::Stopping { .. } => Status::Stopping,
        }
    }
}

/// A step of the session under a log and under rules. Of one that has failed nothing is used.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    log: &'a Log,
    rules: Rules,
    now: Session,
}

impl<'a> Step<'a> {
    fn new(session: &Session, log: &'a Log, rules: Rules) -> Self {
        Self { log, rules, now: session.clone() }
    }

    fn demand(&self, rule: Rule, holds: bool) -> Option<()> {
        self.rules.demand(rule, holds)
    }

    /// What the log has next.
    fn next(&self) -> At<'a> {
        self.log.at(self.now.head + 1)
    }

    fn next_is(&self, event: &Event) -> bool {
        matches!(self.next(), At::Event(next) if next == event)
    }

    /// Writes an event: the log has it, or may have it, next.
    fn write(&mut self, event: &Event) -> Option<()> {
        let there = self.next_is(event) || matches!(self.next(), At::Hole);
        there.then(|| self.now.head += 1)
    }

    /// Writes what `rule` asks for; without the rule, it may be missing.
    fn write_by(&mut self, rule: Rule, event: &Event) -> Option<()> {
        match self.write(event) {
            None => self.demand(rule, false),
            written => written,
        }
    }

    fn status(&mut self, run: u64, status: Status) {
        if let Some(one) = self.now.runs.get_mut(&run) {
            one.status = status;
        }
    }

    fn say(&mut self, role: &str, text: Option<String>, run: Option<u64>, owner: Option<u64>) {
        let (seq, role, partial) = (self.now.head, role.to_owned(), false);
        let item = Item { seq, role, text, run, partial };
        self.now.items.push(Said { item, owner });
        self.now.changed = seq;
    }

    /// Gives the slot to a run whose event is written.
    fn hold(&mut self, run: u64) {
        let (base, phase) = (self.now.head - 1, Phase::Starting);
        let active = Active { run, base, phase, takes_back: false, inbox: Vec::new() };
        self.now.slot = Slot::Active(active);
        self.status(run, Status::Starting);
        let input = self.now.runs.get(&run).map(|one| one.input.clone());
        self.say("user", input, Some(run), Some(run));
    }
}

impl Session {
    fn tag(&self) -> (u64, u64) {
        (self.era, self.changed)
    }

    /// Who has the slot, and where it is.
    fn holder(&self) -> Option<(u64, Status)> {
        match &self.slot {
            Slot::Idle => None,
            Slot::Active(active) => Some((active.run, active.phase.status())),
            Slot::Leaving(run) => Some((*run, Status::Stopping)),
        }
    }

    /// The run that has the slot and has not ended.
    pub(crate) fn active(&self) -> Option<u64> {
        if let Slot::Active(active) = &self.slot { Some(active.run) } else { None }
    }

    fn inbox(&self) -> &[u64] {
        if let Slot::Active(active) = &self.slot { &active.inbox } else { &[] }
    }

    /// Who goes next.
    fn first(&self) -> Option<u64> {
        self.front.or_else(|| self.queue.first().copied())
    }

    fn waits(&self, run: u64) -> bool {
        self.front == Some(run) || self.queue.contains(&run) || self.inbox().contains(&run)
    }

    fn forget(&mut self, run: u64) {
        self.front.take_if(|front| *front == run);
        self.queue.retain(|waiting| *waiting != run);
        if let Slot::Active(active) = &mut self.slot {
            active.inbox.retain(|waiting| *waiting != run);
        }
    }

    fn policy_waits(&self, policy: Policy) -> bool {
        // To a run that stops nobody can say anything any more: the steer waits like others.
        let steers = matches!(&self.slot, Slot::Active(active)
            if !matches!(active.phase, Phase::Stopping { .. }));
        policy == Policy::Enqueue || policy == Policy::Steer && !steers
    }

    /// After a call that is answered so at this moment; none if it can't be.
    pub(crate) fn after(
        &self,
        call: &Call,
        aimed: Option<u64>,
        log: &Log,
        rules: Rules,
    ) -> Option<Self> {
        let mut step = Step::new(self, log, rules);
        step.call(call, aimed)?;
        Some(step.now)
    }
}

//! In which states are the breakers, and when was a service's trouble noticed?

use panelboard::{Breaker, Config, ConfigBuilder, State};

use super::chance::{Question, seed};
use crate::plan::Plan;

/// The breakers of one run: of each caller, for each service that it calls, for each node.
#[derive(Debug)]
pub(crate) struct Breakers {
    pub(super) all: Vec<Breaker>,
    groups: Vec<Group>,
}

/// A caller's breakers for one service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) service: usize,
    pub(super) first: usize,
    pub(super) breakers: u32,
    /// Breakers that are open or half-open.
    out: u32,
    /// Since when an episode holds that it has not noticed.
    unnoticed: Option<u64>,
}

impl Breakers {
    /// Closed ones, on this clock. Without a policy there are none.
    pub(crate) fn new(
        plan: &Plan,
        policy: Option<&ConfigBuilder>,
        run: u64,
        clock: &panelboard::Clock,
    ) -> Self {
        let Some(policy) = policy else { return Self { all: Vec::new(), groups: Vec::new() } };
        let (mut all, mut groups) = (Vec::new(), Vec::new());
        for caller in &plan.callers {
            for &service in &caller.calls {
                let (first, breakers) = (all.len(), caller.breakers());
                all.extend((first..first + breakers).map(|number| {
                    let seed = seed(run, Question::Breaker, number as u64);
                    let config = policy.clone().jitter_seed(seed).build();
                    // A policy was built once when the scenario was checked.
                    Breaker::with_clock(config.unwrap_or_else(|_| Config::default()), clock.clone())
                }));
                let breakers = breakers as u32;
                groups.push(Group { service, first, breakers, out: 0, unnoticed: None });
            }
        }
        Self { all, groups }
    }

    pub(super) fn watch(&self) -> Watch {
        let out = vec![false; self.all.len()];
        Watch { groups: self.groups.clone(), out, noticed: Vec::new(), missed: 0 }
    }
}

/// What is seen of the breakers.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) groups: Vec<Group>,
    /// Which breakers are open or half-open, as far as it was seen.
    out: Vec<bool>,
    /// Nanoseconds from the beginning of an episode until half of a group's breakers were open.
    pub(super) noticed: Vec<u64>,
    /// Episodes that ended before that.
    pub(super) missed: u32,
}

impl Watch {
    /// A breaker, the `own`-th of a group, is seen in a state. True if it has tripped: it was
    /// closed or recovering, and is not.
    pub(super) fn sees(&mut self, group: usize, own: usize, state: State, now: u64) -> bool {
        let after = matches!(state, State::Open | State::HalfOpen);
        let group = &mut self.groups[group];
        let out = &mut self.out[group.first + own];
        if std::mem::replace(out, after) == after {
            return false;
        }
        if !after {
            group.out -= 1;
            return false;
        }
        group.out += 1;
        if let Some(since) = group.unnoticed.filter(|_| group.noticed()) {
            group.unnoticed = None;
            self.noticed.push(now - since);
        }
        true
    }

    /// An episode of a service begins.
    pub(super) fn begins(&mut self, service: usize, now: u64) {
        for group in self.groups.iter_mut().filter(|group| group.service == service) {
            if group.noticed() {
                self.noticed.push(0);
            } else {
                group.unnoticed.get_or_insert(now);
            }
        }
    }

    /// No episode of a service holds any more.
    pub(super) fn ends(&mut self, service: usize) {
        for group in self.groups.iter_mut().filter(|group| group.service == service) {
            self.missed += u32::from(group.unnoticed.take().is_some());
        }
    }

    /// How many breakers are open, and half-open. Looks at them only if one is.
    pub(super) fn states(&self, breakers: &[Breaker]) -> (u32, u32) {
        let (mut open, mut half_open) = (0, 0);
        for group in self.groups.iter().filter(|group| group.out > 0) {
            let own = &breakers[group.first..group.first + group.breakers as usize];
            for breaker in own {
                match breaker.state() {
                    State::Open => open += 1,
                    State::HalfOpen => half_open += 1,
                    _ => {}
                }
            }
        }
        (open, half_open)
    }
}

impl Group {
    fn noticed(&self) -> bool {
        2 * self.out >= self.breakers
    }
}

//! How does one run go: one seed, one policy, from the first event to the last?
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | what happens next | `queue`, and the lanes here |
//! | what does a caller do | `caller` |
//! | what becomes of a call at its service | `service`, `condition`, `work` |
//! | in which states are the breakers | `watch` |
//! | what is counted | `tally` |
//! | what does chance say | `chance` |
//! | what is written down of each call | `record` |
//!
//! In the steady state nothing allocates: requests and jobs stand in slabs that have grown to what
//! the run needs, and events in a heap and in lanes that have done so as well.

mod caller;
mod chance;
mod condition;
mod queue;
mod record;
mod service;
mod slab;
mod tally;
mod watch;
mod work;

use std::{ops::ControlFlow, time::Duration};

use hdrhistogram::Histogram;
use panelboard::{Breaker, ManualClock};

use self::{
    caller::{Caller, Request},
    queue::{Queue, Who},
    record::Each,
    service::{Call, Service},
    slab::Slab,
    watch::Watch,
    work::Job,
};
pub(crate) use self::{
    tally::{Bucket, ByPhase, Load, Phase, Requests},
    watch::Breakers,
};
use crate::plan::Plan;

/// What a run came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) requests: ByPhase<Requests>,
    /// Of each service.
    pub(crate) loads: Vec<ByPhase<Load>>,
    /// Of each caller: requests that ended after the warm-up, and those of them that were served.
    pub(crate) callers: Vec<(u64, u64)>,
    pub(crate) timeline: Vec<Bucket>,
    /// Nanoseconds from the beginning of an episode until it was noticed.
    pub(crate) noticed: Vec<u64>,
    /// Episodes that were not.
    pub(crate) missed: u32,
    /// Of requests that were served after the warm-up, in microseconds.
    pub(crate) latencies: Histogram<u64>,
    /// Requests that had not ended when the run did.
    pub(crate) in_hand: u64,
}

/// One run.
pub(crate) struct Engine<'p, 'b> {
    plan: &'p Plan,
    hand: ManualClock,
    breakers: &'b [Breaker],
    now: u64,
    phase: Phase,
    queue: Queue,
    /// When the next of each lane is: callers' arrivals, callers' time-outs, services' changes,
    /// and the three that [`Engine::fixed`] numbers.
    lanes: Vec<u64>,
    callers: Vec<Caller<'p>>,
    services: Vec<Service<'p>>,
    requests: Slab<Request<'b>>,
    jobs: Slab<Job>,
    watch: Watch,
    tally: ByPhase<Requests>,
    bucket: Bucket,
    timeline: Vec<Bucket>,
    latencies: Histogram<u64>,
    /// Calls that a service which falls leaves behind; empty but while it does.
    left: Vec<Call>,
    /// Who is told each call that ends, if anybody is.
    each: Option<Each<'b>>,
    /// The key of the call that is told.
    key: String,
}

/// Events after which `watch` is asked within a bucket: about a tenth of a second's.
const EVENTS_UNWATCHED: u64 = 1 << 20;

/// A lane that there is once, after those of callers and services.
#[derive(Clone, Copy)]
enum Fixed {
    Bucket,
    Phase,
    Surge,
}

impl<'p, 'b> Engine<'p, 'b> {
    pub(crate) fn new(
        plan: &'p Plan,
        seed: u64,
        breakers: &'b Breakers,
        hand: ManualClock,
    ) -> Self {
        let watch = breakers.watch();
        let mut callers = Vec::with_capacity(plan.callers.len());
        let mut groups = 0;
        for (number, caller) in plan.callers.iter().enumerate() {
            callers.push(Caller::new(caller, seed, number, groups));
            groups += caller.calls.len();
        }
        let services = plan.services.iter().enumerate();
        let mut engine = Self {
            plan,
            hand,
            breakers: &breakers.all,
            now: 0,
            phase: phase_at(plan, 0).0,
            queue: Queue::default(),
            lanes: vec![u64::MAX; 2 * plan.callers.len() + plan.services.len() + 3],
            callers,
            services: services.map(|(i, service)| Service::new(service, seed, i)).collect(),
            requests: Slab::default(),
            jobs: Slab::default(),
            watch,
            tally: ByPhase::default(),
            bucket: Bucket::default(),
            timeline: Vec::with_capacity(plan.buckets()),
            latencies: latencies(),
            left: Vec::new(),
            each: None,
            key: String::new(),
        };
        for caller in 0..plan.callers.len() {
            engine.plan_arrival(caller);
        }
        for service in 0..plan.services.len() {
            engine.change(service);
        }
        engine.set(Fixed::Bucket, plan.run.bucket.min(plan.run.lasts));
        engine.set(Fixed::Phase, phase_at(plan, 0).1);
        engine.set(Fixed::Surge, engine.next_surge());
        engine
    }

    /// Runs to the end. After each bucket, and now and then within a long one, `watch` is told how
    /// much is done, and may stop it.
    pub(crate) fn run(
        mut self,
        watch: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> ControlFlow<(), Outcome> {
        let lasts = self.plan.run.lasts;
        let mut events = 0_u64;
        loop {
            events += 1;
            if events.is_multiple_of(EVENTS_UNWATCHED) {
                watch(self.now as f64 / lasts as f64)?;
            }
            let (lane, soonest) = self.soonest();
            let head = self.queue.head();
            // An answer that comes at the moment of its time-out comes in time.
            if head <= soonest {
                debug_assert!(head >= self.now, "time goes on");
                self.now = head;
                match self.queue.pop() {
                    Some(Who::Job(number)) => self.work_ends(number),
                    Some(Who::Pause(number)) => self.call(number),
                    None => break,
                }
                continue;
            }
            debug_assert!(soonest >= self.now, "time goes on");
            self.now = soonest;
            let (callers, services) = (self.callers.len(), self.services.len());
            match lane {
                lane if lane < callers => self.arrive(lane),
                lane if lane < 2 * callers => self.time_out(lane - callers),
                lane if lane < 2 * callers + services => self.change(lane - 2 * callers),
                lane => match lane - 2 * callers - services {
                    0 => {
                        self.bucket_ends();
                        watch(self.now as f64 / lasts as f64)?;
                        if self.now >= lasts {
                            break;
                        }
                    }
                    1 => self.phase_ends(),
                    _ => self.surge(),
                },
            }
        }
        ControlFlow::Continue(self.outcome())
    }

    /// The lane whose next is soonest; of two, the first.
    #[inline]
    fn soonest(&self) -> (usize, u64) {
        let mut found = (0, u64::MAX);
        for (lane, &at) in self.lanes.iter().enumerate() {
            if at < found.1 {
                found = (lane, at);
            }
        }
        found
    }

    fn set(&mut self, lane: Fixed, at: u64) {
        let first = 2 * self.callers.len() + self.services.len();
        self.lanes[first + lane as usize] = at;
    }

    /// Sets the breakers' clock. Only who asks one or tells it has to.
    #[inline]
    fn turn_clock(&self) {
        self.hand.set(Duration::from_nanos(self.now));
    }

    #[inline]
    fn counted(&mut self) -> &mut Requests {
        &mut self.tally[self.phase as usize]
    }

    fn bucket_ends(&mut self) {
        self.turn_clock();
        (self.bucket.open, self.bucket.half_open) = self.watch.states(self.breakers);
        self.timeline.push(self.bucket);
        self.bucket = Bucket::default();
        let run = &self.plan.run;
        self.set(Fixed::Bucket, self.now.saturating_add(run.bucket).min(run.lasts));
        for service in 0..self.services.len() {
            let ill = self.is_troubled(service);
            let service = &mut self.services[service];
            service.well = !ill && u64::from(service.bad) * 19 <= u64::from(service.good);
            (service.good, service.bad) = (0, 0);
        }
    }

    /// Whether a service is sick, or more come to it than usual.
    fn is_troubled(&self, service: usize) -> bool {
        let surges = |caller: &Caller<'_>| {
            caller.plan.calls.contains(&service) && caller.plan.factor(self.now) > 1.0
        };
        self.services[service].is_sick(self.now) || self.callers.iter().any(surges)
    }

    fn phase_ends(&mut self) {
        for service in &mut self.services {
            service.count(self.now, self.phase);
        }
        let (phase, until) = phase_at(self.plan, self.now);
        self.phase = phase;
        self.set(Fixed::Phase, until);
    }

    fn next_surge(&self) -> u64 {
        let surges = self.plan.callers.iter().flat_map(|caller| &caller.surges);
        let times = surges.flat_map(|surge| [surge.from, surge.to]);
        times.filter(|at| *at > self.now).min().unwrap_or(u64::MAX)
    }

    /// A surge begins or ends. An arrival that was planned at the old rate is planned again: what
    /// chance has not said yet does not depend on how long it was silent.
    fn surge(&mut self) {
        for caller in 0..self.callers.len() {
            if !self.callers[caller].plan.surges.is_empty() {
                self.plan_arrival(caller);
            }
        }
        for service in 0..self.services.len() {
            self.services[service].well &= !self.is_troubled(service);
        }
        self.set(Fixed::Surge, self.next_surge());
    }

    fn outcome(mut self) -> Outcome {
        for service in &mut self.services {
            service.count(self.now, self.phase);
        }
        Outcome {
            requests: self.tally,
            loads: self.services.iter().map(|service| service.loads).collect(),
            callers: self.callers.iter().map(|caller| (caller.ended, caller.served)).collect(),
            timeline: self.timeline,
            noticed: self.watch.noticed,
            missed: self.watch.missed,
            latencies: self.latencies,
            in_hand: self.requests.in_use() as u64,
        }
    }
}

/// The phase of a moment, and until when it lasts.
fn phase_at(plan: &Plan, now: u64) -> (Phase, u64) {
    let (from, to) = plan.trouble().unwrap_or((u64::MAX, u64::MAX));
    let rest = to.saturating_add(plan.run.metastable_after);
    let ends = [
        (Phase::WarmUp, plan.run.warm_up),
        (Phase::Before, from),
        (Phase::During, to),
        (Phase::After, rest),
    ];
    ends.into_iter().find(|(_, end)| now < *end).unwrap_or((Phase::Rest, u64::MAX))
}

/// Up to a day, exact to a hundredth.
fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 86_400_000_000, 2).expect("bounds that the library takes")
}

#[cfg(test)]
mod tests;

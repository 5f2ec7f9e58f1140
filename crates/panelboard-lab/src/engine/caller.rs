//! What does a caller do: whom does it ask, how long does it wait, and what then?

use std::{collections::VecDeque, time::Duration};

use panelboard::{Breaker, OpenFor, Outcome, Permit, Transition};

use super::{
    Engine,
    chance::{Chance, Question},
    queue::Who,
    service::Call,
};
use crate::{calls::Ended, plan};

#[derive(Debug)]
pub(super) struct Caller<'p> {
    pub(super) plan: &'p plan::Caller,
    arrivals: Chance,
    chance: Chance,
    /// Its first group of breakers; the others follow in the order of its services.
    groups: usize,
    /// Requests that each node has in hand, if there is a limit.
    in_hand: Vec<u32>,
    /// Requests that ended after the warm-up, and those of them that were served.
    pub(super) ended: u64,
    pub(super) served: u64,
    /// Calls in the order of their deadlines, also those that have ended since.
    deadlines: VecDeque<Call>,
}

/// A request, from its arrival to its end.
#[derive(Debug)]
pub(super) struct Request<'b> {
    /// Of the call that is out.
    permit: Option<Permit<&'b Breaker>>,
    arrived: u64,
    /// When the call that is out was.
    sent: u64,
    /// Raised with each call that ends, so that what belongs to an earlier one is told apart. It
    /// goes on from request to request of the same place.
    number: u32,
    node: u32,
    caller: u16,
    /// Of the caller's services, the one that is asked first, and the one that is asked now.
    first: u16,
    asked: u16,
    tries: u16,
    /// The call waits in its service's queue.
    pub(super) waits: bool,
}

impl Request<'_> {
    /// Whether a call is still the one that the request waits for.
    #[inline]
    pub(super) fn waits_for(&self, call: Call) -> bool {
        self.number == call.number
    }

    /// Of the call that is out: its caller, its node, and when it was sent.
    pub(super) fn call(&self) -> (usize, u32, u64) {
        (usize::from(self.caller), self.node, self.sent)
    }
}

/// Deadlines of calls that have ended, beside as many as there are requests in hand, before they
/// are swept out: with a time-out that is long beside the latency there would be millions.
const DEADLINES_KEPT: usize = 4096;

/// How a request ends for which there was a place.
#[derive(Clone, Copy, Debug)]
enum End {
    Served,
    Failed,
    Rejected,
}

impl<'p> Caller<'p> {
    pub(super) fn new(plan: &'p plan::Caller, run: u64, number: usize, groups: usize) -> Self {
        let nodes = if plan.max_in_flight.is_some() { plan.nodes as usize } else { 0 };
        Self {
            plan,
            arrivals: Chance::new(run, Question::Arrivals, number),
            chance: Chance::new(run, Question::Caller, number),
            groups,
            in_hand: vec![0; nodes],
            ended: 0,
            served: 0,
            deadlines: VecDeque::new(),
        }
    }

    /// Which breaker of a group is a node's.
    #[inline]
    fn own(&self, node: u32) -> usize {
        if self.plan.shared_breaker { 0 } else { node as usize }
    }
}

impl Engine<'_, '_> {
    /// Draws when the caller's next request comes.
    pub(super) fn plan_arrival(&mut self, number: usize) {
        let caller = &mut self.callers[number];
        let plan = caller.plan;
        let rate = plan.rate * if plan.surges.is_empty() { 1.0 } else { plan.factor(self.now) };
        let gap = if plan.even { 1.0 } else { caller.arrivals.exponential() };
        // A rate of nothing comes to an end of all times, which the conversion takes as the last.
        self.lanes[number] = self.now.saturating_add((gap / rate * 1e9) as u64);
    }

    /// A request comes.
    pub(super) fn arrive(&mut self, number: usize) {
        self.plan_arrival(number);
        let (now, caller) = (self.now, &mut self.callers[number]);
        let node = caller.arrivals.one_of(caller.plan.nodes);
        let services = caller.plan.calls.len() as u32;
        let first = if caller.plan.spread { caller.chance.one_of(services) as u16 } else { 0 };
        self.bucket.offered += 1;
        let phase = self.phase as usize;
        self.tally[phase].offered += 1;
        self.services[caller.plan.calls[usize::from(first)]].loads[phase].wanted += 1;
        if let (Some(most), Some(held)) =
            (caller.plan.max_in_flight, caller.in_hand.get_mut(node as usize))
        {
            if *held >= most {
                caller.ended += u64::from(phase > 0);
                self.bucket.turned_away += 1;
                self.tally[phase].turned_away += 1;
                return;
            }
            *held += 1;
        }
        let new = || Request {
            permit: None,
            arrived: 0,
            sent: 0,
            number: 0,
            node: 0,
            caller: 0,
            first: 0,
            asked: 0,
            tries: 0,
            waits: false,
        };
        let place = self.requests.put(new, |request| {
            (request.arrived, request.node, request.caller) = (now, node, number as u16);
            (request.first, request.tries) = (first, 0);
        });
        self.call(place);
    }

    /// A request asks for its first call, or for the next one: of its services the one whose turn
    /// it is, or else the next that a breaker lets it through to.
    pub(super) fn call(&mut self, place: u32) {
        let breakers = !self.watch.groups.is_empty();
        if breakers {
            self.turn_clock();
        }
        let request = self.requests.at_mut(place);
        let caller = &self.callers[usize::from(request.caller)];
        let services = &caller.plan.calls;
        let turn = usize::from(request.first) + usize::from(request.tries);
        if !breakers {
            request.asked = (turn % services.len()) as u16;
            return self.send(place);
        }
        for step in 0..services.len() {
            let asked = (turn + step) % services.len();
            let number = caller.groups + asked;
            let group = &self.watch.groups[number];
            let own = caller.own(request.node);
            match self.breakers[group.first + own].acquire() {
                Ok(permit) => {
                    request.permit = Some(permit);
                    request.asked = asked as u16;
                    return self.send(place);
                }
                Err(rejected) => {
                    let well = u64::from(self.services[group.service].well);
                    let counted = &mut self.tally[self.phase as usize];
                    counted.wrongly_rejected += well;
                    // One that trips as it is asked, by calls that are out too long, tells it so.
                    if self.watch.sees(number, own, rejected.state, self.now) {
                        counted.trips += 1;
                        counted.false_trips += well;
                    }
                }
            }
        }
        if caller.plan.retry_rejected {
            self.retry(place, End::Rejected);
        } else {
            self.end(place, End::Rejected);
        }
    }

    /// A call goes out.
    fn send(&mut self, place: u32) {
        let request = self.requests.at_mut(place);
        request.sent = self.now;
        let request = self.requests.at(place);
        let number = usize::from(request.caller);
        let caller = &mut self.callers[number];
        let deadline = self.now.saturating_add(caller.plan.timeout);
        let call = Call { request: place, number: request.number, deadline };
        if caller.deadlines.is_empty() {
            self.lanes[self.plan.callers.len() + number] = deadline;
        }
        let most = 2 * self.requests.in_use() + DEADLINES_KEPT;
        if caller.deadlines.len() >= most {
            let requests = &self.requests;
            caller.deadlines.retain(|call| requests.at(call.request).waits_for(*call));
        }
        caller.deadlines.push_back(call);
        let service = caller.plan.calls[usize::from(request.asked)];
        self.bucket.calls += 1;
        self.counted().calls += 1;
        self.offer(service, call);
    }

    /// Whether a call is still the one that its request waits for.
    #[inline]
    pub(super) fn is_out(&self, call: Call) -> bool {
        self.requests.at(call.request).waits_for(call)
    }

    /// The soonest deadline of a caller's calls has come. Most calls have ended before.
    pub(super) fn time_out(&mut self, number: usize) {
        while let Some(&call) = self.callers[number].deadlines.front() {
            if self.is_out(call) {
                if call.deadline > self.now {
                    break;
                }
                self.callers[number].deadlines.pop_front();
                let request = self.requests.at_mut(call.request);
                if std::mem::take(&mut request.waits) {
                    let service = self.callers[number].plan.calls[usize::from(request.asked)];
                    self.services[service].leave(self.now, self.phase);
                }
                self.fails(call.request, None);
            } else {
                self.callers[number].deadlines.pop_front();
            }
        }
        let next = self.callers[number].deadlines.front().map_or(u64::MAX, |call| call.deadline);
        self.lanes[self.plan.callers.len() + number] = next;
    }

    /// The call that is out was answered well.
    pub(super) fn succeeds(&mut self, place: u32) {
        self.note(place, Ended::Success);
        self.tell(place, |permit| permit.end(Outcome::Success).transition().copied());
        let service = self.service_of(place);
        self.services[service].good += 1;
        self.end(place, End::Served);
    }

    /// The call that is out failed, or takes too long.
    pub(super) fn fails(&mut self, place: u32, retry_after: Option<u64>) {
        self.note(place, Ended::Failure);
        self.tell(place, |permit| match retry_after {
            None => permit.end(Outcome::Failure).transition().copied(),
            Some(nanos) => {
                let time = Duration::from_nanos(nanos);
                match permit.open_for(time, "rate limited") {
                    OpenFor::Tripped(transition) => Some(transition),
                    OpenFor::Extended | OpenFor::Unchanged => None,
                }
            }
        });
        self.counted().wasted += 1;
        let service = self.service_of(place);
        self.services[service].bad += 1;
        self.retry(place, End::Failed);
    }

    /// The service that a request's call went to.
    #[inline]
    pub(super) fn service_of(&self, place: u32) -> usize {
        let request = self.requests.at(place);
        self.plan.callers[usize::from(request.caller)].calls[usize::from(request.asked)]
    }

    /// Ends the permit of the call that is out, if it has one.
    #[inline]
    fn tell(&mut self, place: u32, end: impl FnOnce(Permit<&Breaker>) -> Option<Transition>) {
        let request = self.requests.at_mut(place);
        let Some(permit) = request.permit.take() else { return };
        let caller = &self.callers[usize::from(request.caller)];
        let group = caller.groups + usize::from(request.asked);
        let own = caller.own(request.node);
        self.turn_clock();
        let Some(transition) = end(permit) else { return };
        if self.watch.sees(group, own, transition.to, self.now) {
            let well = self.services[self.watch.groups[group].service].well;
            let counted = self.counted();
            counted.trips += 1;
            counted.false_trips += u64::from(well);
        }
    }

    /// A try has come to nothing: after a pause there is another, or the request ends.
    fn retry(&mut self, place: u32, end: End) {
        let request = self.requests.at_mut(place);
        request.number = request.number.wrapping_add(1);
        let caller = &mut self.callers[usize::from(request.caller)];
        if u32::from(request.tries) >= caller.plan.retries {
            return self.end(place, end);
        }
        request.tries += 1;
        let backoff = &caller.plan.backoff;
        let pause = backoff.pause(u32::from(request.tries), caller.chance.share());
        self.queue.push(self.now.saturating_add(pause), Who::Pause(place));
    }

    fn end(&mut self, place: u32, end: End) {
        let (now, phase) = (self.now, self.phase as usize);
        let request = self.requests.at_mut(place);
        request.number = request.number.wrapping_add(1);
        let waited = now - request.arrived;
        let caller = &mut self.callers[usize::from(request.caller)];
        if let Some(held) = caller.in_hand.get_mut(request.node as usize) {
            *held -= 1;
        }
        let measured = u64::from(phase > 0);
        caller.ended += measured;
        self.requests.free(place);
        let counted = &mut self.tally[phase];
        counted.waited += u128::from(waited);
        match end {
            End::Served => {
                caller.served += measured;
                counted.served += 1;
                self.bucket.served += 1;
                if phase > 0 {
                    self.latencies.saturating_record(waited / 1_000);
                }
            }
            End::Failed => {
                counted.failed += 1;
                self.bucket.failed += 1;
            }
            End::Rejected => {
                counted.rejected += 1;
                self.bucket.rejected += 1;
            }
        }
    }
}

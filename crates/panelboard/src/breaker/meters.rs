//! What a breaker counts its calls by, as far as its policy asks for it.

use std::{sync::OnceLock, time::Duration};

use super::Breaker;
use crate::{
    clock::floor_ms,
    config::Settings,
    in_flight::{InFlight, Ticket},
    limits::Needs,
    permit::Started,
    policy::rule::Seen,
    window::{LastWindow, TimeWindow, WindowCounts},
};

/// Made when a policy first needs one of them; each stays, and is asked while the limits say so.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    time: OnceLock<TimeWindow>,
    last: OnceLock<LastWindow>,
    in_flight: OnceLock<InFlight>,
}

impl Breaker {
    /// The meters, if `needs` names any.
    #[inline]
    pub(super) fn meters(&self, needs: Needs) -> Option<&Meters> {
        if needs.windowed() { self.meters.get().map(|meters| &**meters) } else { None }
    }

    /// Makes, or sets, what `settings` count by. A window of another length starts empty.
    pub(super) fn prepare(&self, settings: &Settings) {
        let plan = &settings.plan;
        if !plan.needs().windowed() {
            return;
        }
        let meters = self.meters.get_or_init(Box::default);
        if let Some(length) = plan.time {
            meters.time.get_or_init(|| TimeWindow::new(length)).set_length(length);
        }
        if let Some(n) = plan.last {
            meters.last.get_or_init(|| LastWindow::new(n)).set_length(n);
        }
        if let (Some(slow), true) = (plan.slow, settings.limits.needs.has(Needs::IN_FLIGHT)) {
            meters.in_flight.get_or_init(|| InFlight::new(slow)).set_slow(slow);
        }
    }
}

impl Meters {
    /// Counts a call that was good and ended at `now_ms`.
    #[inline(always)]
    pub(super) fn good(&self, needs: Needs, now_ms: u64, life: u16) {
        if let (true, Some(time)) = (needs.has(Needs::TIME_WINDOW), self.time.get()) {
            time.good(now_ms, life);
        }
        if let (true, Some(last)) = (needs.has(Needs::LAST_WINDOW), self.last.get()) {
            last.record(life, false, false);
        }
    }

    /// Counts a call that failed or was slow.
    pub(super) fn bad(&self, needs: Needs, now: Duration, life: u16, failed: bool, slow: bool) {
        if let (true, Some(time)) = (needs.has(Needs::TIME_WINDOW), self.time.get()) {
            time.bad(floor_ms(now), life, failed, slow);
        }
        if let (true, Some(last)) = (needs.has(Needs::LAST_WINDOW), self.last.get()) {
            last.record(life, failed, slow);
        }
    }

    /// Counts a call that was rejected by a throttle.
    pub(super) fn rejected(&self, now: Duration, life: u16) {
        if let Some(time) = self.time.get() {
            time.rejected(floor_ms(now), life);
        }
    }

    /// What a throttle judges by: the window, and the rejections in it.
    pub(super) fn throttled(&self, now: Duration, life: u16) -> (WindowCounts, u64) {
        let time = self.time.get().map(|time| {
            let now_ms = floor_ms(now);
            (time.counts(now_ms, life), time.rejections(now_ms, life))
        });
        time.unwrap_or_default()
    }

    /// What a policy judges by, all but the run.
    pub(super) fn seen(&self, needs: Needs, now: Duration, life: u16) -> Seen {
        let now_ms = floor_ms(now);
        let time = self.time.get().filter(|_| needs.has(Needs::TIME_WINDOW));
        let last = self.last.get().filter(|_| needs.has(Needs::LAST_WINDOW));
        Seen {
            run: 0,
            time: time.map(|time| time.counts(now_ms, life)).unwrap_or_default(),
            last: last.map(|last| last.counts(life)).unwrap_or_default(),
            overdue: self.overdue(needs, now, life),
        }
    }

    /// Calls of this life that are out and slow already.
    pub(super) fn overdue(&self, needs: Needs, now: Duration, life: u16) -> u64 {
        let in_flight = self.in_flight.get().filter(|_| needs.has(Needs::IN_FLIGHT));
        in_flight.map_or(0, |in_flight| in_flight.overdue(floor_ms(now), life))
    }

    /// A call goes out; its end needs the ticket.
    pub(super) fn started(&self, now: Duration, life: u16) -> Ticket {
        self.in_flight
            .get()
            .map_or(Ticket::NONE, |in_flight| in_flight.started(floor_ms(now), life))
    }

    /// The call that went out then has ended.
    pub(super) fn ended(&self, started: Started, life: u16) {
        if let Some(in_flight) = self.in_flight.get() {
            in_flight.ended(started.ms(), started.ticket, life);
        }
    }

    /// What a snapshot shows: the time window if one judges, or the count window.
    pub(super) fn shown(&self, needs: Needs, now: Duration, life: u16) -> Option<WindowCounts> {
        if needs.has(Needs::TIME_WINDOW) {
            return self.time.get().map(|time| time.counts(floor_ms(now), life));
        }
        self.last.get().map(|last| last.counts(life))
    }
}

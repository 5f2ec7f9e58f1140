//! What is known of a session's log, and what follows a connection's position?

use bytes::Bytes;

use super::{
    delivery::{Delivery, DeltaRefused, Ended, Epoch, Event, Mode, Position},
    limits::HubLimits,
    ring::{After, Ring},
    transient::{Told, Transient},
};
use crate::{fault, session::Fence};

#[derive(Debug)]
pub(super) struct Log {
    /// None: it is not known yet where the log stands. What is published until then raises the
    /// head.
    pub(super) epoch: Option<Epoch>,
    pub(super) head: u64,
    ring: Ring,
    /// The newest that was told of.
    fence: Fence,
    transient: Transient,
    ended: Option<Ended>,
    /// It was given up: whoever has it must look again.
    pub(super) dead: bool,
}

/// What to do for a connection.
#[derive(Debug)]
pub(super) enum Next {
    Deliver(Delivery),
    /// It is to be read from the history, up to this seq.
    Read(u64),
    /// There is nothing that may be told now; `true`: there is something for later.
    Wait(bool),
}

impl Log {
    pub(super) fn new(epoch: Option<Epoch>) -> Self {
        Self {
            epoch,
            head: 0,
            ring: Ring::default(),
            fence: Fence(0),
            transient: Transient::default(),
            ended: None,
            dead: false,
        }
    }

    /// Where the history says that it stands; what was published meanwhile may be ahead of it.
    pub(super) fn load(&mut self, epoch: Epoch, head: u64) {
        if self.epoch.is_none() {
            self.epoch = Some(epoch);
            self.head = self.head.max(head);
            self.ring.begin_after(self.head);
        }
    }

    /// The end of the log, as whoever read it has it; `false` if this is another log.
    pub(super) fn restore(
        &mut self,
        epoch: &Epoch,
        head: u64,
        events: impl IntoIterator<Item = Event>,
        limits: &HubLimits,
    ) -> bool {
        if self.epoch.as_ref().is_some_and(|known| known != epoch) {
            return false;
        }
        let (known, ahead) = (self.epoch.is_some(), self.head > head);
        self.epoch = Some(epoch.clone());
        // Of a log that was known already, what is new.
        let news = events.into_iter().filter(|event| event.seq > self.head || !known);
        news.for_each(|event| self.ring.push(event, limits));
        self.head = self.head.max(head);
        // What was published before it was known is not here.
        if !known && ahead || !self.ring.ends_at(self.head) {
            self.ring.begin_after(self.head);
        }
        true
    }

    pub(super) fn publish(&mut self, event: Event, fence: Fence, limits: &HubLimits) {
        let seq = event.seq;
        if fence > self.fence {
            self.fence = fence;
            self.transient.end_older(fence);
        }
        let again = seq <= self.head;
        if again && !fault::DUPLICATES_TOLD.planted() {
            return;
        }
        self.head = self.head.max(seq);
        if again {
            // Planted: it is told under the next number.
            self.head += 1;
            return self.ring.push(Event { seq: self.head, ..event }, limits);
        }
        if self.epoch.is_some() {
            self.ring.push(event, limits);
        }
    }

    pub(super) fn hint(&mut self, head: u64) {
        if head > self.head {
            self.head = head;
            self.ring.begin_after(head);
        }
    }

    pub(super) fn delta(
        &mut self,
        fence: Fence,
        message: &str,
        offset: u64,
        text: &str,
        limits: &HubLimits,
    ) -> Result<(), DeltaRefused> {
        if fence < self.fence {
            return Err(DeltaRefused::Stale);
        }
        self.transient.delta(fence, message, offset, text, limits)
    }

    pub(super) fn begin_message(
        &mut self,
        fence: Fence,
        message: &str,
        after: u64,
        limits: &HubLimits,
    ) -> Result<(), DeltaRefused> {
        if fence < self.fence {
            return Err(DeltaRefused::Stale);
        }
        self.transient.begin_message(fence, message, after, limits);
        Ok(())
    }

    pub(super) fn end_message(&mut self, message: &str) {
        self.transient.end_message(message);
    }

    pub(super) fn latest(
        &mut self,
        key: &str,
        frame: Bytes,
        limits: &HubLimits,
    ) -> Result<(), DeltaRefused> {
        self.transient.latest(key, frame, limits)
    }

    pub(super) fn forget_latest(&mut self, key: &str) {
        self.transient.forget_latest(key);
    }

    pub(super) fn end(&mut self, why: Ended) {
        self.ended.get_or_insert(why);
        self.dead = true;
    }

    /// How a connection from here on begins; `None` if the history must say it.
    pub(super) fn mode(&self, from: Option<&Position>) -> Option<Mode> {
        let Some(from) = from else { return Some(Mode::Fresh) };
        let of_this_log =
            Some(&from.epoch) == self.epoch.as_ref() || fault::EPOCH_IGNORED.planted();
        if !of_this_log || from.seq > self.head {
            return Some(Mode::Resync);
        }
        // At the head however long ago: nothing after it is gone.
        self.ring.covers_after(from.seq).then_some(Mode::Resumed)
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// How many things there are that are told and not kept.
    pub(super) fn transients(&self) -> usize {
        self.transient.len()
    }

    /// What is next for a connection, durable events first. `now`: others may be told, too.
    pub(super) fn next(
        &mut self,
        at: &mut Position,
        told: &mut Told,
        (now, present): (bool, Option<usize>),
        limits: &HubLimits,
    ) -> Next {
        if at.seq < self.head {
            return match self.ring.after(at.seq, limits) {
                After::Here(events) => {
                    at.seq = events.last().map_or(at.seq, |event| event.seq);
                    Next::Deliver(Delivery::Events(events))
                }
                After::Older if fault::LAG_SILENT.planted() => {
                    at.seq = self.ring.before();
                    self.next(at, told, (now, present), limits)
                }
                After::Older => Next::Read(self.head),
            };
        }
        if now && let Some(delivery) = self.transient.next(told, at.seq, present) {
            return Next::Deliver(delivery);
        }
        match self.ended {
            Some(why) => Next::Deliver(Delivery::Ended(why)),
            None => Next::Wait(self.transient.has_more(told, at.seq, present)),
        }
    }

    /// Whether there is nothing that a connection was not told, and will not be told of by itself.
    pub(super) fn is_told(&self, at: &Position, told: &Told, present: Option<usize>) -> bool {
        at.seq == self.head
            && self.ended.is_none()
            && !self.transient.has_more(told, at.seq, present)
    }
}

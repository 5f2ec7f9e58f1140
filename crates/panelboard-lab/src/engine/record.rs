//! What is written down of a call, so that it can be replayed?

use std::fmt::Write as _;

use super::Engine;
use crate::calls::{Ended, RecordedCall};

/// Who is told each call when it ends.
pub(crate) type Each<'e> = &'e mut dyn FnMut(&RecordedCall<'_>);

impl<'b> Engine<'_, 'b> {
    /// Has `each` told every call that ends.
    pub(crate) fn telling(mut self, each: Each<'b>) -> Self {
        self.each = Some(each);
        self
    }

    /// The call of a request that is out ends now. Its key is what a breaker would stand for: the
    /// caller, the service and, if each node has its own, the node.
    #[inline]
    pub(super) fn note(&mut self, place: u32, ended: Ended) {
        if self.each.is_some() {
            self.tell_call(place, ended);
        }
    }

    #[cold]
    fn tell_call(&mut self, place: u32, ended: Ended) {
        let service = self.service_of(place);
        let request = self.requests.at(place);
        let (caller, node, sent) = request.call();
        let plan = &self.plan.callers[caller];
        self.key.clear();
        // Writing to a String does not fail.
        let _ = write!(self.key, "{}/{}", plan.name, self.plan.services[service].name);
        if plan.breakers() > 1 {
            let _ = write!(self.key, "/{node}");
        }
        let at_us = (sent / 1_000) as i64;
        // Of the moments in whole microseconds: so an end is never before its beginning.
        let took_us = self.now / 1_000 - sent / 1_000;
        if let Some(each) = &mut self.each {
            each(&RecordedCall::new(at_us, &self.key, took_us, ended));
        }
    }
}

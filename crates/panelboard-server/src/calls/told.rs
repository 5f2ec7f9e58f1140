//! Who is told of what happens in the gateway? What counts, and what logs.

use std::sync::Arc;

use panelboard::Event;
use panelboard_llm::{AttemptEnded, CallEnded, Observer, Rejected};

use super::Calls;
use crate::metrics::Metrics;

/// Tells both.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) calls: Arc<Calls>,
}

impl Observer for Told {
    fn attempt(&self, ended: &AttemptEnded<'_>) {
        self.metrics.attempt(ended);
        self.calls.attempt(ended);
    }

    fn rejected(&self, rejected: &Rejected<'_>) {
        self.calls.rejected(rejected);
    }

    fn call(&self, ended: &CallEnded<'_>) {
        self.metrics.call(ended);
    }

    fn transition(&self, event: &Event<Arc<str>>) {
        self.metrics.transition(event);
    }
}

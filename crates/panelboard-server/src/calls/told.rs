//! Who is told of what happens in the gateway? What counts, what logs, and where secrets come from.

use std::sync::Arc;

use panelboard::Event;
use panelboard_llm::{AttemptEnded, CallEnded, Class, Observer, Rejected};

use super::Calls;
use crate::metrics::Metrics;
use crate::vault::Secrets;

/// Tells all of them.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) vault: Arc<Secrets>,
}

impl Observer for Told {
    fn attempt(&self, ended: &AttemptEnded<'_>) {
        self.metrics.attempt(ended);
        self.calls.attempt(ended);
        if matches!(ended.outcome, Class::Credentials | Class::Permission) {
            self.vault.refused(ended.provider, ended.key);
        }
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

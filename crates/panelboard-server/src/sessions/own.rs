//! What does a session have of its own, from its making on?

use std::time::Duration;

use panelboard_tasks::Policy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::trouble::Trouble;
use crate::config;

/// What whoever makes a session says of it. It stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Own {
    /// What is wanted back.
    #[serde(default)]
    pub(crate) metadata: Map<String, Value>,
    /// What a run does on a conflict that does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Policy>,
    #[serde(default, skip_serializing_if = "Limits::are_none")]
    pub(crate) limits: Limits,
}

/// Bounds of one session, each within that of all: a missing one is that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Runs that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_queue: Option<usize>,
    /// Of what is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_input_bytes: Option<usize>,
    /// How long a run may hold the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_timeout_ms: Option<u64>,
}

impl Limits {
    fn are_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn max_queue(&self, all: &config::Sessions) -> usize {
        self.max_queue.map_or(all.max_queue, |own| own.min(all.max_queue))
    }

    pub(crate) fn max_input_bytes(&self, all: &config::Sessions) -> usize {
        self.max_input_bytes.map_or(all.max_input_bytes, |own| own.min(all.max_input_bytes))
    }

    pub(crate) fn run_timeout(&self, all: &config::Sessions) -> Duration {
        let own = self.run_timeout_ms.map(Duration::from_millis);
        own.map_or(all.run_timeout, |own| own.min(all.run_timeout))
    }
}

impl Own {
    /// Out of the store.
    pub(super) fn read(config: &str) -> Self {
        serde_json::from_str(config).unwrap_or_default()
    }

    /// As it stands in the store. Two are the same if this is.
    pub(super) fn write(&self) -> String {
        json!(self).to_string()
    }

    /// A bound that would be none is a mistake.
    pub(super) fn check(&self, all: &config::Sessions) -> Result<(), Trouble> {
        let Limits { max_queue, max_input_bytes, run_timeout_ms } = &self.limits;
        let count = |own: &Option<usize>| own.map(|own| own as u64);
        let timeout = u64::try_from(all.run_timeout.as_millis()).unwrap_or(u64::MAX);
        for (name, own, most) in [
            ("max_queue", count(max_queue), all.max_queue as u64),
            ("max_input_bytes", count(max_input_bytes), all.max_input_bytes as u64),
            ("run_timeout_ms", *run_timeout_ms, timeout),
        ] {
            if own.is_some_and(|own| own == 0 || own > most) {
                let what = format!("`limits/{name}` must be from 1 to {most}, as configured");
                return Err(Trouble::Bad { what });
            }
        }
        Ok(())
    }

    /// Adds it to a session as people see it.
    pub(super) fn show(&self, session: &mut Value) {
        let Value::Object(own) = json!(self) else { return };
        own.into_iter().for_each(|(name, value)| session[name] = value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_store_of_a_session_without_any_is_as_it_always_was() {
        let none = Own::default();
        assert_eq!(none.write(), "{\"metadata\":{}}");
        assert_eq!(Own::read("{\"metadata\":{\"k\":1}}").write(), "{\"metadata\":{\"k\":1}}");
        assert_eq!(Own::read("{}"), none);
        let limits = Limits { max_queue: Some(1), ..Limits::default() };
        let own = Own { policy: Some(Policy::Enqueue), limits, ..Own::default() };
        let text = "{\"metadata\":{},\"policy\":\"enqueue\",\"limits\":{\"max_queue\":1}}";
        assert_eq!(own.write(), text);
        assert_eq!(Own::read(text), own);
    }
}

//! What may a session's one task slot do next? A pure step: state, command and time in, reply,
//! records and effects out.
//!
//! Nothing here waits, locks, spawns or reads a clock. `sessions.rs` runs it under a lock.

mod arrange;
mod command;
mod effect;
mod ids;
mod limits;
mod record;
mod reply;
mod restore;
mod state;
mod step;
#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
mod thin;

pub use arrange::{ArrangeRefused, Arranged, Place};
pub use command::{CancelMode, ClearMode, DrainMode, OnDisconnect, Policy, Submission};
pub(crate) use command::{Command, Given, Outcome, Timer};
pub use effect::StopReason;
pub(crate) use effect::{Effect, Spawn};
pub use ids::{
    BadSessionId, ConnId, Fence, Fingerprint, IdempotencyKey, RequestId, RunId, SessionId,
};
pub use limits::{Exclusive, SessionLimits};
pub use record::{Kind, Record, Tag};
pub(crate) use reply::Reply;
pub use reply::{
    AnswerRefused, ClearRefused, Cleared, Fenced, Recalled, Refused, RunStatus, Stopped, Submitted,
    WriteRefused, Written,
};
pub(crate) use state::{Life, State};
pub use state::{RunView, SessionView};
pub(crate) use step::{Step, step};
pub use thin::thin;

//! What may each job do next, and who gets the next permit? A pure step over all jobs: state,
//! command and time in, reply, writes and effects out.
//!
//! Nothing here waits, locks, starts threads or reads a clock. `jobs.rs` runs it under a lock.

mod command;
mod effect;
mod id;
mod limits;
mod options;
mod reply;
mod restore;
mod row;
mod state;
mod step;
#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;

pub use command::{Cleanup, JobMove};
pub(crate) use command::{Command, Given, Outcome};
pub(crate) use effect::{Effect, Start};
pub use id::{BadJobId, JobId};
pub use limits::JobLimits;
pub use options::{JobOptions, NewJob, OnShutdown};
pub use reply::{JobDeleteRefused, JobMoveRefused, JobMoved, JobRefused, JobSubmitted};
pub(crate) use reply::{Park, Reply};
pub use row::{
    Desired, JobAnswer, JobEvent, JobRecord, JobRow, JobState, JobWhy, JobWrite, Progress,
};
pub use state::JobView;
pub(crate) use state::{Job, State};
pub(crate) use step::{Step, step};

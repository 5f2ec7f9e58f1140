//! What must follow from a step, outside, in order?

use std::sync::Arc;

use bytes::Bytes;

use super::id::JobId;

/// What to do after the lock was given back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// Start a thread, once the writes of this step are durable.
    Start(Start),
    /// There is something that the job's thread must look at: it is woken if it is parked.
    News(JobId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Start {
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
    pub(crate) kind: Arc<str>,
    pub(crate) args: Bytes,
    pub(crate) saved: Option<Bytes>,
}

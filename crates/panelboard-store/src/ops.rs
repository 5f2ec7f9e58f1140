//! What can be asked of the writer? Creating, appending, changing, deleting; each is checked when
//! it is made, so that what is queued can be written.

mod append;
mod body;
mod change;
mod create;
mod delete;
mod idempotency;
mod jobs;

pub use append::Append;
pub(crate) use body::{Body, is_json};
pub use change::{Change, NewItem};
pub(crate) use change::{NewItems, What};
pub use create::Create;
pub use delete::Delete;
pub use idempotency::Idempotency;
pub(crate) use jobs::{JobWrite, PutJob, When};
pub use jobs::{JobWrites, MAX_JOB_ID};

use crate::{
    ids::{Class, Epoch, SessionId},
    invalid::Invalid,
    snapshot::Snapshot,
};

/// The longest body of an [`Append`] or [`Create`], in bytes: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;

/// The longest body of a [`Change`], in bytes: 8 MiB.
pub const MAX_CHANGE: usize = 8 << 20;

/// The longest kind of a record, in bytes.
pub const MAX_KIND: usize = 64;

/// The most items in one [`Change`].
pub const MAX_ITEMS: usize = 10_000;

/// What a queued write weighs beside its body: the entry itself, its texts, its receipt.
pub(crate) const OVERHEAD: usize = 512;

/// A write in the queue.
#[derive(Debug)]
pub(crate) enum Op {
    Create(Create),
    Append(Append),
    Change(Change),
    Delete(Delete),
    Jobs(JobWrites),
    /// A snapshot, if it is newer than the one that is there.
    Save(Snapshot),
    /// Removes a bounded part of what a session's snapshot, clear or deletion has made superfluous.
    Trim {
        id: SessionId,
        epoch: Epoch,
    },
    /// Deletes a session that nobody has written to since.
    Expire {
        id: SessionId,
        epoch: Epoch,
        untouched_since: u64,
    },
    /// Notes that there is nothing left to do in a session, as of its last record then.
    Settle {
        id: SessionId,
        seen: (Epoch, u64),
    },
    /// Removes a bounded part of the idempotency keys that are over their time.
    Forget,
    /// Nothing but a place in the order.
    Flush,
}

impl Op {
    /// The class at which it is acknowledged. What upkeep does can be done again: it needs no sync
    /// of its own, and the order of the log keeps it behind what it depends on.
    pub(crate) fn class(&self) -> Class {
        match self {
            Self::Append(append) => append.class,
            Self::Jobs(jobs) => jobs.class,
            Self::Create(_) | Self::Change(_) | Self::Delete(_) | Self::Flush => Class::Disk,
            Self::Save(_) | Self::Trim { .. } | Self::Expire { .. } => Class::Os,
            Self::Settle { .. } | Self::Forget => Class::Os,
        }
    }

    /// Whether it is a caller's, and would leave something in the file.
    pub(crate) fn counts(&self) -> bool {
        match self {
            Self::Create(_) | Self::Append(_) | Self::Change(_) | Self::Delete(_) => true,
            Self::Jobs(_) => true,
            Self::Save(_) | Self::Trim { .. } | Self::Expire { .. } => false,
            Self::Settle { .. } | Self::Forget | Self::Flush => false,
        }
    }

    /// What it weighs in the queue.
    pub(crate) fn bytes(&self) -> usize {
        let (body, key) = match self {
            Self::Create(create) => (create.config.len(), create.key.as_ref()),
            Self::Append(append) => (append.body.len(), append.key.as_ref()),
            Self::Change(change) => (change.body.len(), change.key.as_ref()),
            Self::Delete(delete) => (0, delete.key.as_ref()),
            Self::Jobs(jobs) => (jobs.bytes(), jobs.key.as_ref()),
            Self::Save(snapshot) => (snapshot.bytes(), None),
            Self::Trim { .. } | Self::Expire { .. } | Self::Settle { .. } => (0, None),
            Self::Forget | Self::Flush => (0, None),
        };
        OVERHEAD + body + key.map_or(0, Idempotency::bytes)
    }
}

/// The kind of a record, by its rule.
pub(crate) fn kind(kind: &str) -> Result<Box<str>, Invalid> {
    let good = !kind.is_empty() && kind.len() <= MAX_KIND;
    if !good || kind.chars().any(char::is_control) {
        return Err(Invalid::Kind { bytes: kind.len() });
    }
    Ok(kind.into())
}

//! Sessions: at most one running task in each, whatever races; one lock for what threads and async
//! tasks share; and a hub, where each connection is a cursor over its session's log.
//!
//! It does not listen, write to sockets, keep files or know what a run does: runs are the bodies
//! that you give it, records go to a [`Journal`], frames come from and go to whoever has the
//! sockets. It knows no breaker.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use panelboard_tasks::{
//!     CancelMode, Policy, RunContext, RunStatus, SessionId, Sessions, Submission,
//! };
//!
//! let sessions = Sessions::builder().build(|run: RunContext, input: bytes::Bytes| async move {
//!     run.append("message", "thinking")?; // fenced: dropped if the run no longer holds the slot
//!     if input == "long" {
//!         run.stopped().await;
//!     }
//!     Ok(input)
//! })?;
//! let chat = SessionId::new("chat-1")?;
//! let first = sessions.submit(&chat, Submission::new("long")).await?.run;
//! let next = Submission::new("short").policy(Policy::Enqueue);
//! let second = sessions.submit(&chat, next).await?.run;
//! sessions.cancel(&chat, Some(first), CancelMode::Graceful).await?;
//! assert_eq!(sessions.finished(&chat, first).await?, Some(RunStatus::Cancelled));
//! assert_eq!(sessions.finished(&chat, second).await?, Some(RunStatus::Succeeded));
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! - [`Guarded`]: the lock.
//! - [`Sessions`]: sessions by name; [`RunContext`]: what a run's body can do.
//! - [`Hub`], [`Cursor`]: who hears of it.
//! - [`Journal`], [`Record`]: what is written down, in its order; [`MemoryJournal`].
//!
//! # Guarantees
//!
//! - S1, S2: at most one run holds a session, and the next one's body is not entered before the
//!   task
//!   of the last is gone, or was given up after it ignored two deadlines.
//! - S3, S4: each run has a [`Fence`] of its own, higher than all before. What a run writes is
//!   written only while its fence is the slot's.
//! - S5: a run ends exactly once: as what its body answered, or as what it was stopped for,
//!   whichever was first. A body that answers after a cancel was cancelled; the answer is kept,
//!   marked late.
//! - S7, S8: nothing of a run from before a clear is written after it; what is admitted after it
//!   starts on an empty memory.
//! - S9: a run that is cancelled before its body is entered is never entered.
//! - S11: at most one run for an idempotency key, and at most one entry of a run's body, across
//!   crashes. A run that had started is lost in a crash and not started again.
//! - S12: what was accepted is run, read by a run, or ended with a status that says why.
//! - S14: one live session for a name. One that is given up takes no command any more.
//! - A reply leaves, and a body starts, when what it depends on is durable.
//!
//! - H1 to H5: a connection sees each durable event once, in order, or is told that something is
//!   gone; publishing waits for no reader; a connection's memory does not depend on how far it is
//!   behind. H6: one that goes takes no other with it. H8: a position of another log is never
//!   resumed.
//!
//! Each is held by a test that is named after it; the step that decides is explored to the end by a
//! model with two clients, tasks that end late or never, and a journal that crashes.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | sessions in memory | `max_sessions`, 100,000 | refused; see [`Sessions::passivate_unused`] |
//! | runs that wait in a session | `queue`, 64, and one that interrupts | refused |
//! | bytes of an input, an answer, an item | `input_bytes`, 1 MiB | refused |
//! | idempotency keys of a session | `keys`, 256 of 255 bytes | the oldest is forgotten |
//! | ends of runs that are remembered | `ended`, 256 | the oldest is forgotten |
//! | connections of a session | `connections`, 64 | refused |
//! | from a stop to the abort, and to giving up | `grace`, `abort_grace`, 5 s each | see there |
//! | tasks that were given up, of all sessions | `max_zombies`, 32 | idle sessions start no run |
//! | a session's events in memory | 1,024, 1 MiB | the oldest goes to the [`History`], or is gone |
//! | connections to the hub | 20,000, 5,000 of a session | refused |
//! | messages that are being written, keys | 8 of 256 KiB, 64 | the oldest goes; refused |
//! | a connection that is behind | `max_lag`, 10,000 events for 30 s | ended, with its position |
//! | wait for a session's lock | `lock_deadline`, 1 s | an error, never past the lock |
//! | a session's name | 256 bytes | refused |
//! | [`MemoryJournal`] | 10,000 records of a session; 100,000 sessions | the oldest goes; full |
//!
//! # Cost
//!
//! A command is a look-up without a lock, one reading of the clock, one short lock and the step; it
//! does not wait for other sessions, and for its own only while another command's step is made. Of
//! threads with sessions of their own none writes a line that another reads. An idle session is
//! about 1.7 KB, its log in the hub with one connection 1.1 KB, each further connection about 300
//! bytes; to wait for the next event allocates nothing. A run is one task of the runtime, and one
//! more for each deadline that is set for it.
//!
//! # Features
//!
//! - `serde`: [`Record`] and what it holds can be serialised.

mod clock;
mod fault;
mod guarded;
mod histogram;
mod hub;
mod journal;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
mod models;
mod race;
mod runtime;
mod session;
mod sessions;
mod striped;
mod sync;

pub use guarded::{Contention, Guarded, LockError};
pub use histogram::Histogram;
pub use hub::{
    AttachRefused, Cursor, CursorError, Delivery, DeltaRefused, Ended, Epoch, Event, History,
    HistoryError, Hub, HubLimits, Mode, Offset, Position, Welcome,
};
pub use journal::{BoxFuture, Journal, Lsn, MemoryJournal, NotKept, Unreadable};
pub use session::{
    AnswerRefused, BadSessionId, CancelMode, ClearMode, ClearRefused, Cleared, ConnId, DrainMode,
    Exclusive, Fence, Fenced, Fingerprint, IdempotencyKey, Kind, OnDisconnect, Policy, Record,
    Refused, RequestId, RunId, RunStatus, RunView, SessionId, SessionLimits, SessionView,
    StopReason, Stopped, Submission, Submitted, Tag, WriteRefused, Written, thin,
};
pub use sessions::{
    Body, Drained, Failure, Keyed, NoRuntime, RunContext, Sessions, SessionsBuilder, SessionsStats,
    Steer, Unavailable,
};

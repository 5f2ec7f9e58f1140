//! Sessions: at most one running task in each, whatever races; jobs: work in the background, on
//! threads of their own, as many at once as may; one lock for what threads and async tasks share;
//! and a hub, where each connection is a cursor over its session's log.
//!
//! It does not listen, write to sockets, keep files or know what a run or a job does: those are the
//! bodies that you give it, records go to a [`Journal`], frames come from and go to whoever has the
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
//! - [`Jobs`]: jobs by number; [`JobContext`]: what a job's body can do; [`JobJournal`]: who keeps
//!   them.
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
//! - J1, J2: no more permits are held than there are. A job that runs has one; one that was told to
//!   stop keeps it until its thread has ended, also if that is never; one that is paused has given
//!   it back, unless it was to keep it. One that was paused and is stopped unwinds without.
//! - J3, J11: each start of a job has a number of its own, and what comes from an older one is
//!   dropped. A job is started again only if it may be, and a bounded number of times; a start that
//!   the end of a program has cut short does not count.
//! - J4, J5: a job ends once, and a stop is never taken back. J6: one that is stopped while it
//!   waits is never entered.
//! - J7: only what has ended, durably, is removed.
//! - J8: what an earlier life of the process left running is ended, or queued again, before
//!   anything can be asked.
//! - J9: a job that is shown as paused has its thread parked at a checkpoint.
//! - J12: whatever shows a job's state shows the same. J13: progress does not fall within an
//!   attempt, and its last is written with the end.
//! - J10: a job whose body is silent for longer than its lease is told to stop. Its permit and its
//!   attempt are its thread's until that has ended, so it is never run again beside itself.
//! - L5 to L7: a permit that is free goes to whoever waits, in their order; who does not stop is
//!   told stuck; who is paused keeps nobody from running.
//!
//! Each is held by a test that is named after it; the steps that decide are explored to the end by
//! models with clients, tasks and threads that end late or never, and a journal that crashes.
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
//! | jobs that run | `permits`, 10 | they wait |
//! | jobs that wait | `queue`, 10,000 | refused |
//! | jobs that are known | `records`, 20,000, 24 h or their own time | the oldest goes; refused |
//! | keys of pauses, resumes and stops of a job | `answers`, 32 | the oldest is forgotten |
//! | threads of jobs that are paused | `paused`, 64 | a pause is refused |
//! | bytes of a job's arguments, what it saves | `args_bytes`, 1 MiB | refused |
//! | bytes of a job's answer | `output_bytes`, 16 MiB | the job has failed |
//! | from a stop to being stuck | `grace`, 5 s | its permit stays held |
//! | starts of a job that may be run again | `max_attempts`, 3 | it is lost |
//! | a job's log | `log_lines`, 1,000 of 4 KiB | the oldest goes; cut |
//! | what is told and written of progress | ten a second of a job | the latest is kept |
//! | [`MemoryJournal`] | 10,000 records of a session; 100,000 sessions | the oldest goes; full |
//!
//! # Cost
//!
//! A command is a look-up without a lock, one reading of the clock, one short lock and the step; it
//! does not wait for other sessions, and for its own only while another command's step is made. Of
//! threads with sessions of their own none writes a line that another reads. An idle session is
//! about 1.7 KB, its log in the hub with one connection 1.1 KB, each further connection about 300
//! bytes; to wait for the next event allocates nothing. A run is one task of the runtime, and one
//! more for each deadline that is set for it. A job that waits or has ended is its row and no
//! thread; one that runs is one thread, and a checkpoint of it is three loads while nobody asks for
//! anything.
//!
//! # Features
//!
//! - `serde`: [`Record`] and what it holds can be serialised.

mod clock;
mod fault;
mod guarded;
mod histogram;
mod hub;
mod job;
mod job_journal;
mod jobs;
mod journal;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
mod models;
mod panicked;
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
pub use job::{
    BadJobId, Cleanup, Desired, JobAnswer, JobDeleteRefused, JobEvent, JobId, JobLimits, JobMove,
    JobMoveRefused, JobMoved, JobOptions, JobRecord, JobRefused, JobRow, JobState, JobSubmitted,
    JobView, JobWhy, JobWrite, NewJob, OnShutdown, Progress,
};
pub use job_journal::{FaultyJobJournal, JobJournal, MemoryJobJournal};
pub use jobs::{
    Checkpoint, JobBody, JobContext, JobFilter, JobLine, JobPage, JobReporter, Jobs, JobsBuilder,
    JobsStats, JobsUnavailable, NoJobs,
};
pub use journal::{BoxFuture, Journal, Lsn, MemoryJournal, NotKept, Unreadable};
pub use session::{
    AnswerRefused, ArrangeRefused, Arranged, BadSessionId, CancelMode, ClearMode, ClearRefused,
    Cleared, ConnId, DrainMode, Exclusive, Fence, Fenced, Fingerprint, IdempotencyKey, Kind,
    OnDisconnect, Place, Policy, Recalled, Record, Refused, RequestId, RunId, RunStatus, RunView,
    SessionId, SessionLimits, SessionView, StopReason, Stopped, Submission, Submitted, Tag,
    WriteRefused, Written, thin,
};
pub use sessions::{
    Body, Drained, Failure, Keyed, NoRuntime, RunContext, Sessions, SessionsBuilder, SessionsStats,
    Steer, Unavailable,
};

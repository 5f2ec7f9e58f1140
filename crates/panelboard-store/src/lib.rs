//! Session memory that survives: a log of records and its snapshots in one SQLite file, written by
//! one thread in groups, read by a few connections.
//!
//! Beside it a [`CallLog`]: what became of calls to providers, in a file of its own, bounded, and
//! never in a call's way.
//!
//! It does not decide what a session may do next, run tasks, await, or know a runtime, a breaker or
//! a protocol: it keeps, orders and refuses.
//!
//! ```
//! use panelboard_store::{Append, Config, Create, Owner, SessionId, Store};
//! use std::time::Duration;
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path().join("panelboard.db"), Config::new())?;
//! let id = SessionId::new("support/42")?;
//! store.create(Create::new(&id, "{}")?)?;
//!
//! // Never waits. The receipt does: `receipt.await` in async code of any runtime.
//! let owner = Owner { term: store.term(), fence: 1 };
//! let receipt = store.append(Append::new(&id, "message", r#"{"text":"hello"}"#)?.owner(owner))?;
//! let written = receipt.wait(Duration::from_secs(5)).expect("the disk answers")?;
//! assert_eq!(written.tag.seq, 1);
//!
//! assert_eq!(&*store.memory(&id, None, 100)?.items[0].body, r#"{"text":"hello"}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a write goes through
//!
//! ```text
//! submit ─► queue (numbered, bounded) ─► writer: BEGIN IMMEDIATE
//!    │                                     each write: refused, or made
//!    ▼                                   COMMIT, synced if one asks for it
//! Receipt ◄─── resolved ◄─── marks raised ◄──┘
//! ```
//!
//! The order of the queue is the order of everything: of what is refused, of the records in the
//! file, of what is acknowledged. All checks are made in the transaction, on what the writes before
//! have left. A batch is kept whole or not at all.
//!
//! # Guarantees
//!
//! - What was acknowledged in a [`Class`] survives what the class says. What is there after a crash
//!   is a prefix of what was submitted: no record without those before it, of any session.
//! - The seqs of a session are dense: a record that is missing is found, and so is one that is not
//!   what was written (each has a checksum). Such a session is [`Degraded`](ReadError::Degraded):
//!   reads say so, writes are refused, its bytes stay. It is never empty, and never new.
//! - A write by an [`Owner`] that is older than the session's latest is refused. A structural write
//!   ([`Change`]) is made exactly if its [`Tag`] is the session's at that moment.
//! - What was cleared or deleted is never read again, from the moment of its receipt, through
//!   restarts, snapshots and late writes.
//! - The fold of a snapshot and of the records after it is the fold of all records. Of two
//!   snapshots the newer wins, whichever comes last.
//! - A write with an [`Idempotency`] key is made once, and its answer is given again; the key is
//!   kept in the transaction of the record.
//! - [`JobWrites`] are kept as a whole or not at all, in the order of the queue; a job's attempt is
//!   compared in the statement that replaces it, its state in the one that removes it.
//! - Every [`Receipt`] is resolved, exactly once, whatever becomes of the writer.
//!
//! - Logging a call ([`CallLog::record`]) never waits; what is not logged is counted. The log's
//!   bounds hold exactly, and a killed process loses at most the calls of one batch.
//!
//! # When something is wrong
//!
//! | what | is told | what is kept |
//! | --- | --- | --- |
//! | the file can't be used | [`OpenError`]: file, fault, what to do | as it was |
//! | the queue is full | [`SubmitError::Full`], at once | nothing of the write |
//! | the disk is full, or fails | [`WriteError::Failed`], to the whole batch | nothing of it |
//! | the disk is late | [`Receipt::wait`] gives None: it is not decided | it will be, or is told |
//! | a session can't be read | `Degraded`, to readers and writers | its bytes |
//! | the file was taken over | [`FailureKind::TakenOver`] | what the other process writes |
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | writes that wait | [`queue`](Config::queue), 4,096 and 64 MiB | `SubmitError::Full` |
//! | a batch | 256 writes, 2 ms | the next one |
//! | a body | 1 MiB, nested 100 deep | [`Invalid`] |
//! | a structural write | 8 MiB, 10,000 items | `Invalid` |
//! | a kind; a session id | 64 bytes; 512 bytes | `Invalid` |
//! | a memory | [`max_session_bytes`][session], 16 MiB | [`Refusal::SessionFull`] |
//! | the file | [`max_bytes`](Config::max_bytes), 1 GiB | [`Refusal::StoreFull`] for what adds |
//! | the write-ahead log | copied at 8 MiB | a page that is being read delays it |
//! | jobs | [`max_jobs`](Config::max_jobs), 100,000 | [`Refusal::TooManyJobs`] |
//! | sessions | [`max_sessions`](Config::max_sessions), 100,000 | [`Refusal::TooManySessions`] |
//! | idempotency keys | [`max_idempotency_keys`][keys], 100,000 | the oldest goes, counted |
//! | a key; a tombstone; a session | 24 hours; 7 days; 30 days untouched | the upkeep removes it |
//! | records since a snapshot | [`snapshot_every`](Config::snapshot_every), 256 | a new one |
//! | an owner's state beside a snapshot | [`MAX_STATE`], 64 MiB | `Invalid` |
//! | readers | [`readers`](Config::readers), 4 | they wait, then [`ReadError::Busy`] |
//! | a page | [`MAX_PAGE`], about 8 MiB | the next one |
//! | logged calls | [7 days][age], [5,000,000][rows], [512 MiB][size] | the oldest go |
//! | calls that wait to be logged | [`CallConfig::queue`], 8,192 | not logged, and counted |
//! | a page of calls | [`MAX_CALLS`] | the next one |
//!
//! [age]: CallConfig::keep
//! [rows]: CallConfig::max_rows
//! [size]: CallConfig::max_bytes
//! [session]: Config::max_session_bytes
//! [keys]: Config::max_idempotency_keys
//!
//! # Cost
//!
//! A submission is one short lock; the body is checked and summed where it is made. A write is one
//! insert; a session's row, the store's last number and the sync are paid once a batch. The first
//! write to a session after the store was opened reads the session once, on the writer's thread. A
//! page of the log reads its records; a page of a memory reads the snapshot and the records after
//! it.
//!
//! # What it does not promise
//!
//! - Of the class [`Os`](Class::Os), the last writes are gone after a loss of power, though readers
//!   may have seen them: their seqs are then given again, in the same [`Epoch`]. Show to others
//!   what is of the class [`Disk`](Class::Disk).
//! - A disk that lies about its syncs is not found out. One that refuses a commit, and then to undo
//!   it, may show that commit to the next process, though it was told as failed.
//! - A session that can't be read is not mended: that takes a person, and SQLite's tools.

mod calls;
mod clock;
mod config;
mod crc;
mod db;
mod error;
mod fault;
mod fold;
mod ids;
mod inbox;
mod inject;
mod invalid;
mod job;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
mod models;
mod open;
mod ops;
mod page;
mod places;
mod queue;
mod readers;
mod receipt;
mod record;
mod schema;
mod session;
mod shared;
mod snapshot;
mod stats;
mod store;
mod sync;
mod tail;
mod upkeep;
mod watermark;
mod writer;

pub use calls::{
    Call, CallConfig, CallLog, CallPage, CallPosition, CallQuery, CallReader, CallStats, Calls,
    MAX_CALLS, Tokens,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use error::{
    Failure, FailureKind, OpenError, OpenFault, ReadError, Refusal, SubmitError, WriteError,
};
pub use fold::Item;
pub use ids::{Class, Epoch, Lsn, MAX_SESSION_ID, Owner, SessionId, Tag};
pub use inject::{Moment, Step, Verdict};
pub use invalid::Invalid;
pub use job::{Job, JobPage, JobQuery};
pub use ops::{
    Append, Change, Create, Delete, Idempotency, JobWrites, MAX_BODY, MAX_CHANGE, MAX_ITEMS,
    MAX_JOB_ID, MAX_KIND, NewItem,
};
pub use page::{Answered, LogPage, MAX_PAGE, MemoryPage, Position, SessionPage};
pub use places::Places;
pub use receipt::{Outcome, Receipt, Written};
pub use record::{Effect, Record};
pub use session::Session;
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use store::Store;
pub use tail::{MAX_STATE, Tail};
pub use upkeep::Maintained;
pub use watermark::Reached;

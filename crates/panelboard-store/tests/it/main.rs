//! Is what was acknowledged there, whole and in order, whatever happens? One binary, a module a
//! question; tests named `m01_..` to `m11_..` hold the entries of the catalogue of races in session
//! memory.

#![expect(clippy::unwrap_used, reason = "what a test sets up does not fail")]

mod bad_input;
mod bounds;
mod calls;
mod calls_opening;
mod contention;
mod crashes;
mod idempotency;
mod jobs;
mod kills;
mod naive;
mod opening;
mod racing;
mod reading;
mod receipts;
mod restarts;
mod scripts;
mod snapshots;
mod states;
mod stress;
mod support;
mod unfinished;
mod unreadable;

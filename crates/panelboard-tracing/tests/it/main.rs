//! Does a dead sink never slow the program, and is every record accounted for?
//!
//! Receivers in here are scripted fakes, but for the system's own sockets and files; real ones are
//! started by `cargo xtask real-sinks`.

#![expect(clippy::unwrap_used, reason = "what helps a test is a test")]

mod allocations;
mod bad_input;
mod build;
mod clock;
mod concurrency;
mod conservation;
mod contained;
mod disk;
mod files;
mod halves;
mod hanging;
mod http;
mod points;
mod receiver;
mod records;
mod redaction;
mod rig;
mod shutdown;
mod spill;
mod syslog;

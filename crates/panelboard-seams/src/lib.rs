//! Where can a build put something else into the shipped code? At its atomics and locks, and where
//! faults can be planted.
//!
//! What a test shows of other code than that which ships, it does not show. So our crates are built
//! as they are, and a `cfg` of the whole build changes what lies beneath them:
//!
//! | `cfg` | set by | what it puts in |
//! | --- | --- | --- |
//! | `panelboard_loom` | `cargo xtask loom` | loom's atomics, locks and threads, by [`sync`] |
//! | `panelboard_shuttle` | `cargo xtask shuttle` | shuttle's |
//! | `panelboard_faults` | `cargo xtask faults` | the fault of `PANELBOARD_FAULT`, by [`faults!`] |
//!
//! In any other build [`sync`] names the types of std and of parking_lot themselves, and a fault is
//! a constant `false`: nothing of this crate is left in the program.
//!
//! A crate takes what it needs of [`sync`] in its own `sync.rs`, and declares its faults in its own
//! `fault.rs`; nothing else in it names this crate. It is made for them alone: what it holds may
//! change in any version.
//!
//! # What it does not do
//! It searches no interleavings and states no outcomes: `panelboard-explore` does. It knows no
//! breaker, session, store or sink, and not which test finds a fault.

mod fault;
pub mod sync;

pub use fault::Fault;

//! Models of the races: the shipped code under loom and under shuttle, every interleaving of a few
//! steps of two or three threads.
//!
//! Each model is named for the claim that it checks and states the set of outcomes that must be
//! reached, no more and no less (`panelboard-explore`). Loom takes what has no runtime in it: the
//! lock, the map of sessions, the wake-up of a cursor, and that of a job that is paused. Shuttle
//! takes these too, and whole sessions and jobs with their tasks and threads.

mod cursor;
mod jobs;
mod lock;
mod registry;
#[cfg(panelboard_shuttle)]
mod sessions;
#[cfg(panelboard_shuttle)]
mod threads;

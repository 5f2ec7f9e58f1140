//! Does the crate hold what its documentation promises? One binary, a module a question.

mod means;
mod anthropic;
mod pretend;
mod retry_after;
mod rig;
mod scripted;
mod serving;
mod sse;
mod verdicts_pure;

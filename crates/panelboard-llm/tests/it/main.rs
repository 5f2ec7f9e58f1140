//! Does the crate hold what its documentation promises? One binary, a module a question.

mod retry_after;
mod scripted;
mod sse;

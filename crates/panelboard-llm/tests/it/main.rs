//! Does the crate hold what its documentation promises? One binary, a module a question.

mod scripted;
mod sse;

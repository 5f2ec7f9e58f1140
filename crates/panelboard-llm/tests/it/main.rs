//! Does the crate hold what its documentation promises? One binary, a module a question.

mod faults_breaker;
mod faults_leave;
mod faults_more;
mod faults_stream;
mod means;
mod anthropic;
mod faults_fuzz;
mod faults_protocol;
mod pretend;
mod reload;
mod retry_after;
mod rig;
mod scripted;
mod serving;
mod sse;
mod verdicts_pure;

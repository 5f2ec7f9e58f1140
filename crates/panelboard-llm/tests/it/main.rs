//! Does the crate hold what its documentation promises? One binary, a module a question.

mod anthropic;
mod anthropic_served;
mod bad_input;
mod faults_breaker;
mod faults_fuzz;
mod faults_leave;
mod faults_more;
mod faults_protocol;
mod faults_stream;
mod logged;
mod means;
mod pool;
mod pretend;
mod reload;
mod retry_after;
mod rig;
mod scripted;
mod serving;
mod settings;
mod sse;
mod verdicts_pure;

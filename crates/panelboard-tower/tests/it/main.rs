//! Does each call through a layer take one permit, and end it once, with the right outcome?

#![expect(clippy::unwrap_used, reason = "what a test sets up does not fail")]

mod answers;
mod bodies;
mod classifying;
mod futures;
mod grpc;
mod keyed;
mod middleware;
mod readiness;
mod support;
mod wire;

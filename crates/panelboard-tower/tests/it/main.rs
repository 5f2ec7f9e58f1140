//! Does each call through a layer take one permit, and end it once, with the right outcome?

mod bodies;
mod futures;
mod readiness;
mod support;

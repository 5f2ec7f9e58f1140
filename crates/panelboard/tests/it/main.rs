//! Does the breaker do what it says? The tests of the core from outside, one module for each part.

mod attribution;
mod back_off;
mod callbacks;
mod clocks;
mod corpus;
mod crooked_clocks;
mod events;
mod eviction;
mod histories;
mod linear;
mod memory;
mod observed;
mod overrides;
mod pair;
mod panel;
mod permits;
mod progress;
mod publication;
mod reference;
mod script;
mod seeds;
mod streams;
mod support;
mod thin;
mod timeline;
mod windows;

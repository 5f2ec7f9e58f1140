//! Do sessions, jobs and the hub do what they say? From outside, one module for each part; a test
//! that is named by a letter and a number holds that entry of the catalogue of races.

mod exclusive;
mod hub;
mod jobs;
mod journal;
mod keyed;
mod lifetimes;
mod locks;
mod logical;
mod stopping;
mod submitting;
mod support;

//! The `panelboard` program: a gateway to LLM providers, its panel, and the dashboard to both.
//!
//! It does not decide when a breaker trips (that is `panelboard`) or which key serves a call (that
//! is `panelboard-llm`); it reads configurations, speaks HTTP, and tells people what happens.

pub mod cli;
pub mod commands;
pub mod config;
pub mod token;

//! The `panelboard` program: a gateway to LLM providers, its panel, and the dashboard to both.
//!
//! It does not decide when a breaker trips (that is `panelboard`) or which key serves a call (that
//! is `panelboard-llm`); it reads configurations, speaks HTTP, and tells people what happens.
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | what can be typed, and with which exit codes does it end | [`cli`], [`commands`] |
//! | what does a configuration mean, and what is wrong with it | [`config`] |
//! | how does the server start, run and stop | [`serve`] |
//! | who may ask | `guard` |
//! | which answer does each refusal get | `error` |
//! | which paths are there | `routes` |
//! | how does news leave the panel | `events` |
//! | what is a session, and who keeps it | `sessions` |
//! | how does a WebSocket go | `ws` |
//! | what is counted | `metrics` |
//! | what is logged of calls | `calls` |
//! | where do its own logs go | `logs` |
//! | which keys' secrets come from a Vault, and what are they now | `vault` |
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | connections | `server.max_connections`, 16,384 | new ones wait in the system's backlog |
//! | head of a request | `server.max_header_bytes`, 64 KiB; 100 headers | 431 |
//! | time for a head, and idle | `server.header_timeout`, 1 min | disconnected |
//! | body of a call | `gateway.max_body_bytes`, 32 MiB; `max_depth`, 128 | 413; 400 |
//! | body elsewhere | 16 KiB | 413 |
//! | time for a body | `server.body_timeout`, 1 min | 408 |
//! | streams of events | `server.max_event_streams`, 64 | 503 |
//! | events kept | 1,024 | a slower reader is told how many it missed |
//! | events of one JSON answer | 256 | the newest; the rest counts as missed |
//! | sessions in memory | `sessions.max_sessions`, 100,000 | 503 |
//! | sessions in the store | `sessions.expire_after`, never | deleted |
//! | runs that wait in a session | `sessions.max_queue`, 64 | 429 |
//! | an input; a session's memory | `sessions.max_input_bytes`, 256 KiB; 16 MiB | 413 |
//! | an answer of a run | 640 KiB | cut there, and the run fails |
//! | runs, keys and ends that a session shows | 1,000 each | the oldest are forgotten |
//! | sockets and streams of sessions | `sessions.max_connections`, 16,384 | 429 |
//! | sessions that a socket follows | `sessions.max_subscriptions`, 64 | refused |
//! | a frame of a socket | twice the longest input, and 16 KiB | skipped and told; 16 MiB: closed |
//! | commands of a socket | `sessions.max_commands_per_second`, 1,000 | closed |
//! | commands of a socket that wait | 64 | it is read no further |
//! | a reader who does not read | `sessions.write_timeout`, 10 s | closed |
//! | events in memory | `sessions.ring_events`, 1,024 a session | read from the store |
//! | events in the store | `sessions.keep_events`, 10,000 behind a snapshot | a resync, or 410 |
//! | log without a snapshot | `sessions.snapshot_every`, 512; `snapshot_bytes`, 4 MiB | a new one |
//! | the store | `store.max_bytes`, 1 GiB | 503; clears and deletions go on |
//! | the log of calls | `calls.keep`, `max_rows`, `max_bytes` | the oldest go |
//! | calls that wait for the log | `calls.queue`, 8,192 | not logged, and counted |
//! | secrets in a Vault | 1,000 | refused |
//! | the wait for them at the start | 3 s | their keys wait for them, and the others serve |
//! | tripping and breaking by hand | 1 day | 400 |
//! | time to stop | `server.stop_within`, 10 s, and 1 s | streams are told, then dropped |
//! | configuration file | 1 MiB | refused |
//! | lines of log that wait for a slow reader | 8,192 | the newest are left out and counted |
//! | sinks of its own logs | 64; for each what `panelboard-tracing` says | refused; counted |
//! | time for them at the end | what is left of `stop_within`, at least 1 s | counted, and told |

mod app;
mod body;
mod calls;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
mod error;
mod events;
mod fault;
mod guard;
mod jobs;
mod logs;
mod metrics;
mod pointer;
mod pretend;
mod reload;
mod routes;
mod scratch;
pub mod serve;
mod sessions;
pub mod token;
mod vault;
mod ws;

pub use logs::Logs;
pub use reload::Reload;

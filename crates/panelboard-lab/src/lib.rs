//! The lab: outages in virtual time, and what a breaker's settings would have done in them.
//!
//! It does not model a breaker: calls go through the shipped [`panelboard::Breaker`], on its manual
//! clock. It does not open files, print, call anybody or look at the machine's clock, and it does
//! not change any setting of a running program.
//!
//! A [`Scenario`] says which services there are, how long they take, what goes wrong with them and
//! when, who calls them, and which policies are to be compared; `docs/lab.md` describes each key.
//! [`simulate`] runs it, each policy with each seed, and makes a [`Report`] of it: a table, a
//! chart, or JSON.
//!
//! ```
//! use panelboard_lab::{Measure, Options, Scenario, simulate};
//! use std::ops::ControlFlow;
//!
//! let text = r#"
//!     [run]
//!     lasts = "2m"
//!     seeds = 3
//!
//!     [[service]]
//!     name = "provider"
//!     latency = { kind = "lognormal", median = "40ms", p99 = "300ms" }
//!     episode = [{ kind = "hangs", at = "30s", lasts = "30s" }]
//!
//!     [[caller]]
//!     name = "app"
//!     calls = ["provider"]
//!     rate = 50
//!     timeout = "2s"
//!
//!     [[policy]]
//!     name = "quick"
//!     failure_threshold = 5
//!     recovery_timeout = "5s"
//! "#;
//! let scenario = Scenario::from_toml("hangs.toml", text)?;
//! let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
//! let quick = report.policy("quick").ok_or("it is in the scenario")?;
//! // Five calls hang for two seconds, then nobody waits any more.
//! let detected = quick.estimate(Measure::TimeToDetect).mean.unwrap_or(f64::INFINITY);
//! assert!((2.0..2.5).contains(&detected), "{detected}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Recording`] holds calls that were made; a [`CallReader`] reads it from CSV or Parquet, and a
//! [`Recorder`] takes it from anywhere. [`tune`] replays it with many settings and recommends one.
//! [`record`] makes one out of a scenario.
//!
//! [`Settings`] are those of a breaker, and [`Setting::ALL`] is the one table of their keys: the
//! server's configuration, the policies of a scenario and what a search tells are read and written
//! by it.
//!
//! # Guarantees
//!
//! - The same scenario and seeds, and the same recording and options, give the same result, to the
//!   last bit, whatever the number of threads.
//! - Policies are compared on the same days: the same requests come at the same times to the same
//!   nodes.
//! - Each request ends in exactly one way, and time never goes back.
//! - A row of recorded calls that cannot be understood is told, or counted if it may be skipped.
//! - A scenario with any mistake is refused, with the place and what would be right. Nothing that
//!   is written is ignored.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | a scenario's text | 1 MiB | refused |
//! | services, callers | 32 each | refused |
//! | policies | 16, and the base line | refused |
//! | runs of a policy | 1,000 | refused |
//! | nodes of a caller; breakers of a run | 10,000; 100,000 | refused |
//! | requests of a run; calls, with all retries | 100 million; 1,000 million | refused |
//! | requests in hand at once | 4 million, by rate, time-out, retries and pauses | refused |
//! | calls that a service without `servers` works on at once | 1 million | further ones fail |
//! | buckets of the timeline | 10,000 | refused |
//! | threads | 256 | no more are started |
//! | recorded calls; keys; time between two | 20 million; 100,000; four years | refused |
//! | a row of CSV; rows of Parquet at once | 1 MiB; 4,096 | refused; the next follow |
//! | settings that are tried | 100,000, 500 by default | no more are tried |
//!
//! # Cost
//!
//! About 100 to 200 ns for each simulated call. The memory of a run grows with its breakers, the
//! requests in hand, and the calls of one time-out; each thread has one run at a time. A replay
//! takes about 50 ns for each call, and each setting is replayed four times; a recorded call takes
//! 16 bytes, and up to 100 while it is searched for.

mod calls;
mod chart;
mod engine;
mod judge;
mod plan;
mod replay;
mod report;
mod scenario;
mod search;
mod settings;
mod simulate;
mod tune;

pub use calls::{
    BadRow, CallReader, CallsError, CallsRead, CallsWriter, Column, Ended, RecordedCall, Recorder,
    Recording, Unfit,
};
pub use chart::ChartError;
pub use judge::Measure;
pub use replay::Figures;
pub use report::{
    CallerReport, Estimate, Metastable, PolicyReport, Report, ServiceReport, Timeline,
};
pub use scenario::{MAX_SCENARIO_BYTES, Mistake, Mistakes, Scenario};
pub use settings::{Combine, Setting, SettingKind, SettingValue, Settings, SettingsError};
pub use simulate::{Options, Stopped, record, simulate};
pub use tune::{Candidate, KeyTimeline, Pairs, TuneOptions, Tuning, Waste, tune};

//! Circuit breakers: one lock-free breaker for each thing that can fail, and the panel that holds
//! them by key.
//!
//! It does not await, sleep, spawn, log or do I/O, and knows no async runtime: it decides, and
//! tells what it has decided as values.
//!
//! ```
//! use panelboard::{Config, Panel};
//! use std::time::Duration;
//!
//! let config = Config::builder().failure_threshold(3).recovery_timeout(Duration::from_secs(10));
//! let panel = Panel::builder().defaults(config.build()?).build();
//!
//! // Scoped: `Err(CallError::Rejected(_))` without a call, `Err(CallError::Inner(_))` with one.
//! let answer = panel.breaker("openai/team-a")?.call(|| Ok::<_, std::io::Error>("hello"));
//! assert_eq!(answer.ok(), Some("hello"));
//!
//! // By hand, across any boundary.
//! let permit = panel.breaker("openai/team-a")?.acquire_owned()?;
//! std::thread::spawn(move || permit.success()).join().ok();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # States
//!
//! ```text
//! closed, recovering -- the policy says failing          --> open
//! closed, recovering -- open_for, trip                   --> open
//! open               -- first acquire after the deadline --> half-open
//! half-open          -- enough successes                 --> closed, recovering
//! half-open          -- enough failures                  --> open
//! half-open          -- open_for, trip                   --> open
//! half-open          -- lease of the newest probe over   --> half-open
//! recovering         -- first acquire after the ramp     --> closed
//! any                -- reset                            --> closed
//! ```
//!
//! With a [`ramp`](ConfigBuilder::ramp) a breaker is recovering after half-open; without one it is
//! closed at once. Beside the automatic state there is what people set: forced open, disabled,
//! metrics-only. No automatic transition can write it.
//!
//! # Guarantees
//!
//! - A permit ends exactly once, and belongs to the generation that it was given in: an outcome
//!   that comes after a transition changes nothing, and its caller is told so.
//! - While half-open, at most [`half_open_max_calls`](ConfigBuilder::half_open_max_calls) permits
//!   of a generation are out; a probe that never ends loses its place after its lease.
//! - The n-th failure in a row trips: not the one before it, nor the one after, whatever the number
//!   of threads.
//! - Between a trip and its deadline nobody is admitted; the first caller at or after it is.
//! - Each transition is given to exactly one caller, with a number that is one more than that of
//!   the transition before it.
//! - No code of yours runs under a lock or within a compare-exchange loop.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | failures in a row | 8,388,607 | the threshold can't be set higher |
//! | probes at once, successes to close | 127 | can't be set higher |
//! | open time, deadline | 4.3 years from the clock's origin | capped; beyond it calls go through |
//! | calls in a window | 40 million a second | the bucket's count stays |
//! | breakers of a panel | `max_breakers`, 100,000 | the least recently used goes, or an error |
//! | events behind | `events_capacity`, 1,024 | the subscriber is told how many it missed |
//! | calls out in a [`TwoStep`] | `max_held`, 10,000; 8 in a context | the oldest is cancelled |
//!
//! # Features
//!
//! - `stream`: `wrap_stream`, for streams and iterators whose end is the outcome.
//! - `serde`: [`Saved`] and [`State`] can be serialised.

mod backoff;
mod breaker;
mod call;
mod clock;
mod config;
mod counts;
mod events;
mod fault;
mod in_flight;
mod isolate;
mod limits;
#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
mod models;
mod owned;
mod panel;
mod permit;
mod policy;
mod snapshot;
mod state;
#[cfg(feature = "stream")]
mod stream;
mod striped;
mod sync;
mod thin;
mod transition;
mod window;
mod word;

pub use breaker::{Breaker, OpenFor, Saved};
pub use call::CallError;
pub use clock::{Clock, ManualClock, Ticker, TimeSource};
pub use config::{Config, ConfigBuilder, ConfigError};
pub use counts::{Counts, Outcome};
pub use events::{Event, Missed, Subscription};
pub use isolate::IsolateGuard;
pub use panel::{Group, Handle, Key, Overflow, Panel, PanelBuilder, PanelError};
pub use permit::{Permit, Recorded, Rejected};
pub use policy::{Policy, Window};
pub use snapshot::Snapshot;
#[cfg(feature = "stream")]
pub use stream::{ByResult, ClassifyItem, Guarded};
pub use thin::{TwoStep, TwoStepCounts};
pub use transition::{Cause, State, Transition};
pub use window::WindowCounts;

/// A permit that owns its share of a panel's breaker: `Send` and `'static`.
///
/// ```
/// use panelboard::{OwnedPermit, Panel};
///
/// /// A job that ends where it runs.
/// struct Job(OwnedPermit);
///
/// let panel = Panel::builder().build();
/// let job = Job(panel.breaker("search")?.acquire_owned()?);
/// std::thread::spawn(move || job.0.success()).join().expect("no panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type OwnedPermit = Permit<Handle>;

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
mod guide {}

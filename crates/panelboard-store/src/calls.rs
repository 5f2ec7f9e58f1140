//! What is written down of a call to a provider, and where?
//!
//! A log of its own, in a file of its own beside the sessions': what, when, how it ended and how
//! long it took, and nothing of what was said. It is bounded by age, by rows and by bytes, written
//! by one thread in batches, and read while it is written.
//!
//! # Why a file of its own
//!
//! - SQLite has one writer for each file. In the sessions' file a batch of the log, or the removal
//!   of its old rows, would stand before a durable submission; here it has a lock, a thread and a
//!   write-ahead log of its own.
//! - A session must survive, and is synced and backed up. A log of calls may lose its last second:
//!   it is never synced for a batch, may be deleted at any time, and would only make the sessions'
//!   back-up larger, by far the most of which would be rows that are gone next week.
//! - Its bound is its own: a log that is full loses its oldest rows, sessions that are full refuse.
//!
//! What the two still share is the disk. When its write-ahead log has come to 4 MiB the log is
//! copied into the file, and that copy is synced: about once in 60,000 calls.

mod config;
mod keep;
mod layout;
mod line;
mod log;
mod names;
mod query;
mod reader;
mod stats;
mod writer;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use config::CallConfig;
pub use log::CallLog;
pub use query::{CallPage, CallPosition, CallQuery};
pub use reader::{CallReader, Calls, MAX_CALLS};
pub use stats::CallStats;

#[cfg(all(test, any(panelboard_loom, panelboard_shuttle)))]
pub(crate) use line::{Line, Taken};

/// One attempt at a provider. It holds no content, and there is no place for any.
///
/// Names are shared and not copied: whoever logs a call has them as they are in its configuration.
///
/// ```
/// use panelboard_store::{Call, Tokens};
/// use std::time::{Duration, SystemTime};
///
/// let call = Call {
///     at: SystemTime::UNIX_EPOCH,
///     provider: "openai".into(),
///     key: "team-a".into(),
///     model: "gpt-4o-mini".into(),
///     outcome: "success".into(),
///     status: Some(200),
///     took: Duration::from_millis(800),
///     first_byte: Some(Duration::from_millis(120)),
///     tokens: Some(Tokens { input: 12, output: 40 }),
/// };
/// assert!(call.first_byte < Some(call.took));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it began. Kept in microseconds.
    pub at: SystemTime,
    /// Whom it asked. Of this and the other names, the first 512 bytes are kept.
    pub provider: Arc<str>,
    /// With which key; empty if none was chosen.
    pub key: Arc<str>,
    /// The model's name there.
    pub model: Arc<str>,
    /// How it ended: a short word.
    pub outcome: Arc<str>,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// How long it took. Kept in microseconds, as the next.
    pub took: Duration,
    /// Of it: to the head of the answer.
    pub first_byte: Option<Duration>,
    /// What the provider counted.
    pub tokens: Option<Tokens>,
}

/// Tokens of one call, as the provider counted them.
///
/// ```
/// let tokens = panelboard_store::Tokens { input: 12, output: 40 };
/// assert_eq!(tokens.input + tokens.output, 52);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

//! How does a socket end, and what is its client told: when to come back, and from where to go on?
//!
//! Whoever is sent away without having asked for it, and may come back, is told by a last frame,
//! `goaway`, before the close. Its `resume` is what `hello` takes: the place in everything that the
//! socket follows, after what was sent before that frame.

use std::ops::Range;

use serde_json::{Value, json};

use crate::sessions::shown;
use crate::ws::close;

/// How a connection ends.
#[derive(Debug)]
pub(super) struct Over {
    /// None: there is nobody to say anything to.
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

impl Over {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code: Some(code), reason: reason.into() }
    }

    pub(super) fn gone() -> Self {
        Self { code: None, reason: String::new() }
    }
}

/// Why a client is sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SentAway {
    /// The server stops.
    Stops,
    /// What it was sent it did not read.
    Slow,
    /// It asked for more in a second than it may.
    Hurried,
}

impl SentAway {
    fn code(self) -> u16 {
        match self {
            Self::Stops => close::RESTART,
            Self::Slow => close::SLOW,
            Self::Hurried => close::HURRIED,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Stops => "the server stops",
            Self::Slow => "what was sent was not read",
            Self::Hurried => "more commands came in a second than may",
        }
    }

    /// When to come back, in milliseconds. Not all at once, when many are told.
    fn after(self) -> Range<u64> {
        match self {
            Self::Stops | Self::Slow => 500..3_000,
            Self::Hurried => 5_000..10_000,
        }
    }

    /// The last frame, and the close behind it.
    pub(super) fn say(self, resume: &[Value]) -> (String, Over) {
        let (code, after) = (self.code(), fastrand::u64(self.after()));
        let frame = json!({ "type": "goaway", "code": code, "reason": self.words(),
            "reconnect_after_ms": after, "resume": resume });
        let reason = json!({ "reconnect_after_ms": after }).to_string();
        (shown::typed(&frame), Over::new(code, reason))
    }
}

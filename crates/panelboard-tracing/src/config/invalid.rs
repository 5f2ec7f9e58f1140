//! What is refused before anything runs, and in which words?

use std::{error, fmt, time::Duration};

/// Why a pipeline, or a sink, can't be built. Nothing has been started, and nothing is left behind.
///
/// ```
/// use panelboard_tracing::{BuildError, Pipeline, SinkConfig, sinks::Console};
///
/// let sink = SinkConfig::new("console", Console::stdout()).fallback("disc");
/// let refused = Pipeline::builder().sink(sink).build().unwrap_err();
/// assert_eq!(refused.to_string(), "sink `console`: no sink is called `disc`, its fallback");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// A pipeline without a sink.
    NoSinks,
    /// More sinks than a pipeline may have.
    TooManySinks {
        /// How many it may have.
        most: usize,
    },
    /// Two sinks of one name, or one without.
    Name {
        /// The name.
        name: String,
    },
    /// The fallback is no sink of the pipeline.
    UnknownFallback {
        /// Whose fallback it is.
        sink: String,
        /// What it is called.
        fallback: String,
    },
    /// Fallbacks that lead back to where they began.
    FallbackCircle {
        /// A sink that is on the way.
        sink: String,
    },
    /// Two sinks that write to one file.
    SameFile {
        /// The one.
        sink: String,
        /// The other.
        other: String,
        /// The file, as the first spells it.
        file: String,
    },
    /// Both ways to keep what can't be delivered.
    SpillAndFallback {
        /// The sink.
        sink: String,
    },
    /// A setting that must not be 0.
    Zero {
        /// The sink, or the pipeline.
        sink: String,
        /// The setting.
        setting: &'static str,
    },
    /// A time that is longer than anybody waits.
    TooLong {
        /// The sink.
        sink: String,
        /// The setting.
        setting: &'static str,
        /// How long it may be.
        most: Duration,
    },
    /// A buffer or a spill that may be smaller than one record.
    TooSmall {
        /// The sink.
        sink: String,
        /// The setting.
        setting: &'static str,
        /// The pipeline's `record_bytes`.
        least: usize,
    },
    /// Levels that leave nothing.
    NothingPasses {
        /// The sink.
        sink: String,
    },
    /// A standby that is nobody's fallback.
    IdleStandby {
        /// The sink.
        sink: String,
    },
    /// A pattern that is no regular expression.
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A rotation that can never happen, or one that would keep nothing.
    Rotation {
        /// What is wrong with it.
        why: &'static str,
    },
    /// An address or a header that is none.
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file, a folder or a thread that can't be had.
    Open {
        /// Which.
        what: String,
        /// What the system said.
        why: String,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSinks => f.write_str("a pipeline needs a sink"),
            Self::TooManySinks { most } => write!(f, "a pipeline has {most} sinks at most"),
            Self::Name { name } if name.is_empty() => f.write_str("a sink needs a name"),
            Self::Name { name } => write!(f, "two sinks are called `{name}`"),
            Self::UnknownFallback { sink, fallback } => {
                write!(f, "sink `{sink}`: no sink is called `{fallback}`, its fallback")
            }
            Self::FallbackCircle { sink } => {
                write!(f, "sink `{sink}`: its fallbacks lead back to it")
            }
            Self::SameFile { sink, other, file } => {
                write!(f, "sink `{sink}`: its file {file} is that of sink `{other}`")
            }
            Self::SpillAndFallback { sink } => {
                write!(f, "sink `{sink}`: a spill and a fallback; choose one")
            }
            Self::Zero { sink, setting } => write!(f, "`{sink}`: `{setting}` must not be 0"),
            Self::TooLong { sink, setting, most } => {
                write!(f, "`{sink}`: `{setting}` must not be longer than {most:?}")
            }
            Self::TooSmall { sink, setting, least } => {
                write!(f, "`{sink}`: `{setting}` must not be less than a record's {least} bytes")
            }
            Self::NothingPasses { sink } => write!(f, "sink `{sink}`: its levels let nothing pass"),
            Self::IdleStandby { sink } => {
                write!(f, "sink `{sink}`: on standby, and nobody's fallback")
            }
            Self::Pattern { pattern, why } => write!(f, "pattern `{pattern}`: {why}"),
            Self::Rotation { why } => write!(f, "rotation: {why}"),
            Self::Address { given, why } => write!(f, "`{given}`: {why}"),
            Self::Open { what, why } => write!(f, "cannot open {what}: {why}"),
        }
    }
}

impl error::Error for BuildError {}

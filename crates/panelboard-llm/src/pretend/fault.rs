//! In which ways can a pretend provider fail?

use std::fmt;
use std::str::FromStr;

/// What a pretend key does instead of answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: it answers.
    None,
    /// 429 with `retry-after`: as long as the fault lasts, or 5 s.
    RateLimited,
    /// 500.
    ServerError,
    /// 503.
    Unavailable,
    /// 529, as Anthropic says that it is overloaded.
    Overloaded,
    /// 401: the key is not accepted.
    Unauthorized,
    /// Takes the request and never answers.
    Hang,
    /// Breaks the connection in the middle of the answer.
    Cut,
    /// Answers, but late and word by word at a crawl.
    Slow,
    /// Closes the connection without an answer. (The port itself goes on listening, for it serves
    /// the other keys too.)
    Refuse,
}

impl Fault {
    /// All of them, in the order in which help lists them.
    pub const ALL: [Self; 10] = [
        Self::RateLimited,
        Self::ServerError,
        Self::Unavailable,
        Self::Overloaded,
        Self::Unauthorized,
        Self::Hang,
        Self::Cut,
        Self::Slow,
        Self::Refuse,
        Self::None,
    ];

    /// Its name on the command line and in the API: `429`, `hang`, `none`, ...
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RateLimited => "429",
            Self::ServerError => "500",
            Self::Unavailable => "503",
            Self::Overloaded => "529",
            Self::Unauthorized => "401",
            Self::Hang => "hang",
            Self::Cut => "cut",
            Self::Slow => "slow",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or(UnknownFault)
    }
}

/// No fault has that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownFault;

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such fault; there are")?;
        Fault::ALL.iter().try_for_each(|fault| write!(f, " {fault}"))
    }
}

impl std::error::Error for UnknownFault {}

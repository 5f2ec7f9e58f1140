//! What are jobs told apart by?

use std::{fmt, str::FromStr};

/// The name of a job: the life of the process that took it, and its number in that life. So two
/// jobs never have the same, whatever was removed in between. Ordered as they were taken; as text
/// `boot-number`.
///
/// ```
/// use panelboard_tasks::JobId;
///
/// let id: JobId = "3-17".parse()?;
/// assert_eq!((id.boot, id.number), (3, 17));
/// assert_eq!(id.to_string(), "3-17");
/// assert!("3-0x1".parse::<JobId>().is_err());
/// # Ok::<(), panelboard_tasks::BadJobId>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(into = "String", try_from = "String")
)]
pub struct JobId {
    /// The life of the process, see [`JobsBuilder::boot`](crate::JobsBuilder::boot).
    pub boot: u64,
    /// From 1.
    pub number: u64,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.number)
    }
}

impl FromStr for JobId {
    type Err = BadJobId;

    fn from_str(text: &str) -> Result<Self, BadJobId> {
        let (boot, number) = text.split_once('-').ok_or(BadJobId)?;
        let number_of = |digits: &str| {
            // Only what is written back as it came: no sign, no zero in front.
            let number: u64 = digits.parse().map_err(|_| BadJobId)?;
            if number.to_string() == digits { Ok(number) } else { Err(BadJobId) }
        };
        Ok(Self { boot: number_of(boot)?, number: number_of(number)? })
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for JobId {
    type Error = BadJobId;

    fn try_from(text: String) -> Result<Self, BadJobId> {
        text.parse()
    }
}

/// A text that names no job.
///
/// ```
/// assert_eq!(panelboard_tasks::BadJobId.to_string(), "a job is named by two numbers, as in 1-17");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadJobId;

impl fmt::Display for BadJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a job is named by two numbers, as in 1-17")
    }
}

impl std::error::Error for BadJobId {}

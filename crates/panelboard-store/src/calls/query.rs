//! Which calls does somebody want to see, and where do they go on?

use std::{fmt, num::ParseIntError, str::FromStr, sync::Arc, time::SystemTime};

use super::Call;

/// Which calls to read: all of them, if nothing is said.
///
/// ```
/// use panelboard_store::CallQuery;
/// use std::time::{Duration, SystemTime};
///
/// let from = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
/// let query = CallQuery::new().since(from).until(from + Duration::from_secs(60)).provider("a");
/// # drop(query);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    pub(super) since: Option<SystemTime>,
    pub(super) until: Option<SystemTime>,
    pub(super) provider: Option<Arc<str>>,
}

impl CallQuery {
    /// All calls.
    ///
    /// ```
    /// let query = panelboard_store::CallQuery::new();
    /// # drop(query);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that began then or later.
    ///
    /// ```
    /// let query = panelboard_store::CallQuery::new().since(std::time::SystemTime::UNIX_EPOCH);
    /// # drop(query);
    /// ```
    #[must_use]
    pub fn since(mut self, at: SystemTime) -> Self {
        self.since = Some(at);
        self
    }

    /// Those that began earlier than that.
    ///
    /// ```
    /// let query = panelboard_store::CallQuery::new().until(std::time::SystemTime::UNIX_EPOCH);
    /// # drop(query);
    /// ```
    #[must_use]
    pub fn until(mut self, at: SystemTime) -> Self {
        self.until = Some(at);
        self
    }

    /// Those of one provider.
    ///
    /// ```
    /// let query = panelboard_store::CallQuery::new().provider("openai");
    /// # drop(query);
    /// ```
    #[must_use]
    pub fn provider(mut self, name: &str) -> Self {
        self.provider = Some(name.into());
        self
    }
}

/// Some calls, and where the rest is.
///
/// ```
/// let page = panelboard_store::CallPage { items: Vec::new(), next: None };
/// assert!(page.items.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPage {
    /// In the order in which they began.
    pub items: Vec<Call>,
    /// What to say as `after`, if there may be more.
    pub next: Option<CallPosition>,
}

/// A place in a log of calls. It stays where it is when calls before it are removed.
///
/// ```
/// use panelboard_store::CallPosition;
///
/// let place: CallPosition = "1767225600000000-17".parse()?;
/// assert_eq!(place.to_string(), "1767225600000000-17");
/// assert!("17".parse::<CallPosition>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallPosition {
    pub(super) at: i64,
    pub(super) number: i64,
}

impl fmt::Display for CallPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at, self.number)
    }
}

impl FromStr for CallPosition {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (at, number) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { at: at.parse()?, number: number.parse()? })
    }
}

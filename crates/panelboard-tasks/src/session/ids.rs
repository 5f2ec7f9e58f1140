//! What are sessions, runs, fences, requests and connections told apart by?

use std::{fmt, sync::Arc};

/// The name of a session: 1 to 256 bytes of UTF-8 without control characters, compared byte by
/// byte. It is no path and no number: `a/b`, `a_b` and `../x` are three names.
///
/// ```
/// use panelboard_tasks::SessionId;
///
/// let id = SessionId::new("team/ünïcode")?;
/// assert_eq!(id.as_str(), "team/ünïcode");
/// let long = SessionId::new(&"x".repeat(257)).expect_err("a byte too long");
/// assert_eq!(long.to_string(), "a session id has 1 to 256 bytes and no control characters");
/// # Ok::<(), panelboard_tasks::BadSessionId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String")
)]
pub struct SessionId(Arc<str>);

const LONGEST: usize = 256;

impl SessionId {
    /// Takes a name.
    ///
    /// # Errors
    /// [`BadSessionId`]: it is empty, too long, or has a control character.
    ///
    /// ```
    /// use panelboard_tasks::SessionId;
    /// assert!(SessionId::new("../x").is_ok()); // a name like others
    /// assert!(SessionId::new("").is_err());
    /// ```
    pub fn new(name: &str) -> Result<Self, BadSessionId> {
        let fits = (1..=LONGEST).contains(&name.len()) && !name.chars().any(char::is_control);
        if fits { Ok(Self(name.into())) } else { Err(BadSessionId) }
    }

    /// The name.
    ///
    /// ```
    /// use panelboard_tasks::SessionId;
    /// assert_eq!(SessionId::new("chat-1").expect("a good name").as_str(), "chat-1");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadSessionId;

    fn try_from(name: String) -> Result<Self, BadSessionId> {
        Self::new(&name)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that no session can have.
///
/// ```
/// assert!(panelboard_tasks::SessionId::new("two\nlines").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSessionId;

impl fmt::Display for BadSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a session id has 1 to {LONGEST} bytes and no control characters")
    }
}

impl std::error::Error for BadSessionId {}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(transparent))]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

numbers! {
    /// The number of a run within its session, from 1 and never used again, also after a clear or a
    /// restart.
    ///
    /// ```
    /// use panelboard_tasks::RunId;
    /// assert_eq!(RunId(3).to_string(), "3");
    /// ```
    RunId
    /// What proves that a run still holds its session's slot: raised whenever the slot changes
    /// hands, and at each clear. What comes with an older one is dropped.
    ///
    /// ```
    /// use panelboard_tasks::Fence;
    /// assert!(Fence(3) > Fence(2));
    /// ```
    Fence
    /// A question that a run has asked a person.
    ///
    /// ```
    /// use panelboard_tasks::RequestId;
    /// assert_ne!(RequestId(4), RequestId(5));
    /// ```
    RequestId
    /// A connection, never dealt twice by a process.
    ///
    /// ```
    /// use panelboard_tasks::ConnId;
    /// assert_ne!(ConnId::next(), ConnId::next());
    /// ```
    ConnId
}

impl ConnId {
    /// A number that this process has not dealt before.
    ///
    /// ```
    /// use panelboard_tasks::ConnId;
    /// assert!(ConnId::next() < ConnId::next());
    /// ```
    #[must_use]
    pub fn next() -> Self {
        static DEALT: crate::sync::Dealt = crate::sync::Dealt::new();
        Self(DEALT.next())
    }
}

/// What a client calls a command, so that sending it again does not do it again: at most
/// `key_bytes` of the limits.
///
/// ```
/// use panelboard_tasks::{Fingerprint, IdempotencyKey};
/// let key = IdempotencyKey::new("order-7", Fingerprint(0xfeed));
/// assert_eq!(key.name(), "order-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IdempotencyKey {
    name: Arc<str>,
    fingerprint: Fingerprint,
}

impl IdempotencyKey {
    /// A key, and the fingerprint of what was asked under it.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey};
    /// let first = IdempotencyKey::new("order-7", Fingerprint(1));
    /// assert_ne!(first, IdempotencyKey::new("order-7", Fingerprint(2)));
    /// ```
    #[must_use]
    pub fn new(name: &str, fingerprint: Fingerprint) -> Self {
        Self { name: name.into(), fingerprint }
    }

    /// What the client calls it.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey};
    /// assert_eq!(IdempotencyKey::new("a", Fingerprint(1)).name(), "a");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was asked under it.
    ///
    /// ```
    /// use panelboard_tasks::{Fingerprint, IdempotencyKey};
    /// assert_eq!(IdempotencyKey::new("a", Fingerprint(1)).fingerprint(), Fingerprint(1));
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// A digest of a command, made by whoever takes commands from clients: the same key with another
/// fingerprint is a mistake of the client and is told so.
///
/// ```
/// use panelboard_tasks::Fingerprint;
/// assert_ne!(Fingerprint(1), Fingerprint(2));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Fingerprint(pub u128);

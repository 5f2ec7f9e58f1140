//! What are things called? Sessions, positions, owners, and how safe a write is.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use crate::invalid::Invalid;

/// The longest session id, in bytes.
pub const MAX_SESSION_ID: usize = 512;

/// What a session is called by those who use it: 1 to [`MAX_SESSION_ID`] bytes of any Unicode but
/// control characters.
///
/// Two ids are one only if they are the same bytes. It is a value in a row, never a path or a part
/// of one, so `../x` and `a/b` are as good as any other. Cloning shares the text.
///
/// ```
/// use panelboard_store::SessionId;
///
/// let id = SessionId::new("../x")?;
/// assert_eq!(id.as_str(), "../x");
/// assert!(SessionId::new("").is_err());
/// assert!(SessionId::new("a\nb").is_err());
/// assert!(SessionId::new(&"x".repeat(10_000)).is_err());
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Checks the rule above.
    ///
    /// # Errors
    /// [`Invalid::SessionId`], which states the rule.
    ///
    /// ```
    /// use panelboard_store::SessionId;
    ///
    /// let why = SessionId::new("").unwrap_err();
    /// assert_eq!(
    ///     why.to_string(),
    ///     "a session id is 1 to 512 bytes without control characters, this one has 0 bytes",
    /// );
    /// ```
    pub fn new(id: &str) -> Result<Self, Invalid> {
        let good = !id.is_empty() && id.len() <= MAX_SESSION_ID;
        if !good || id.chars().any(char::is_control) {
            return Err(Invalid::SessionId { bytes: id.len() });
        }
        Ok(Self(id.into()))
    }

    /// The text.
    ///
    /// ```
    /// let id = panelboard_store::SessionId::new("support/42")?;
    /// assert_eq!(id.as_str(), "support/42");
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SessionId {
    /// As a row has it: also the name of a tombstone that made way.
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    /// Whether it is the name that a tombstone is given when it makes way. No caller's is.
    pub(crate) fn is_away(&self) -> bool {
        self.0.starts_with('\0')
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The place of a write in the store's one order: a later write has a higher one.
///
/// From 1; 0 is before all. It goes on after a restart. Not every number has a record: what was
/// refused, or failed, took one too.
///
/// ```
/// use panelboard_store::Lsn;
///
/// assert!(Lsn(2) > Lsn(1));
/// assert_eq!(Lsn(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of a session's log: drawn at random when the session is created.
///
/// A position (a seq) means something only together with it. A session that was deleted and created
/// again, or a file that was lost, has another. Shown as 16 hexadecimal digits.
///
/// ```
/// use panelboard_store::Epoch;
///
/// let epoch: Epoch = "00000000000000ff".parse()?;
/// assert_eq!((epoch, epoch.to_string().as_str()), (Epoch(255), "00000000000000ff"));
/// assert!("255".parse::<Epoch>().is_err());
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(Invalid::Epoch)
    }
}

/// Who writes: the term of an ownership, and the fence of one run within it. Both only rise.
///
/// Compared by term, then by fence. A session remembers the highest that has written to it, and
/// refuses every lower one from then on.
///
/// ```
/// use panelboard_store::Owner;
///
/// let old = Owner { term: 3, fence: 9 };
/// assert!(old < Owner { term: 3, fence: 10 });
/// assert!(old < Owner { term: 4, fence: 0 });
/// assert_eq!(old.to_string(), "3.9");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Which ownership: [`Store::term`](crate::Store::term) of the process that owns the session.
    pub term: u64,
    /// Which run, clear or rollback within it.
    pub fence: u64,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.fence)
    }
}

/// What a structural write was decided on: the generation of the memory, and its last record.
///
/// Two whole numbers, never a date, so it is equal exactly if nothing came between. As text,
/// `<era>.<seq>`.
///
/// ```
/// use panelboard_store::Tag;
///
/// let tag: Tag = "2.17".parse()?;
/// assert_eq!((tag.era, tag.seq), (2, 17));
/// assert_eq!(tag.to_string(), "2.17");
/// assert!("2".parse::<Tag>().is_err());
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Raised by each clear.
    pub era: u64,
    /// The last record of the session.
    pub seq: u64,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.era, self.seq)
    }
}

impl FromStr for Tag {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (era, seq) = text.split_once('.').ok_or(Invalid::Tag)?;
        let number = |part: &str| {
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().ok_or(Invalid::Tag)
        };
        Ok(Self { era: number(era)?, seq: number(seq)? })
    }
}

/// How safe a write must be before its receipt says that it is kept.
///
/// | class | acknowledged when | survives |
/// | --- | --- | --- |
/// | `Memory` | checked and numbered, before its batch is committed | nothing |
/// | `Os` | committed: handed to the operating system | `kill -9` |
/// | `Disk` | committed and synced | loss of power |
///
/// The order on disk is that of the log sequence numbers, whatever the classes: what a crash leaves
/// is always a prefix. A batch is synced only if it holds a write of the class `Disk`.
///
/// ```
/// use panelboard_store::{Append, Class, SessionId};
///
/// let id = SessionId::new("a")?;
/// let delta = Append::new(&id, "message.delta", r#"{"text":"Hel"}"#)?.class(Class::Os);
/// # drop(delta);
/// assert!(Class::Memory < Class::Os && Class::Os < Class::Disk);
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// In the writer's hands.
    Memory,
    /// In the operating system's.
    Os,
    /// On the disk.
    #[default]
    Disk,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_or_refused() {
        let good = ["a/b", "a%2Fb", "a", "A", "../x", " ", "é", "e\u{301}", "🦀", "'; --"];
        for (index, id) in good.iter().enumerate() {
            let id = SessionId::new(id).expect("allowed");
            let same = |other: &str| other == id.as_str();
            assert_eq!(good.iter().position(|other| same(other)), Some(index));
        }
        let bad = ["", "a\0b", "a\n", "\u{7f}", "\u{85}", &"x".repeat(513), &"é".repeat(257)];
        for id in bad {
            assert!(SessionId::new(id).is_err(), "{id:?}");
        }
        assert!(SessionId::new(&"x".repeat(512)).is_ok());
    }

    #[test]
    fn texts_that_are_no_tags_are_refused() {
        for text in ["", ".", "1.", ".1", "1.2.3", "+1.2", "1.-2", "1 .2", "99999999999999999999.1"]
        {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn texts_that_are_no_epochs_are_refused() {
        for text in ["", "1", "+00000000000000f", "000000000000000g", "00000000000000fff"] {
            assert!(text.parse::<Epoch>().is_err(), "{text:?}");
        }
    }
}

//! How is a memory changed as a whole? Only by who says what it was before.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    ids::{Epoch, Owner, SessionId, Tag},
    invalid::Invalid,
    ops::{Body, Idempotency, MAX_BODY, MAX_CHANGE, MAX_ITEMS, kind},
};

/// A structural write: it is made if the session's [`Tag`] is still the one that it was decided on,
/// and refused with the current one if not ([`Refusal::StaleTag`](crate::Refusal::StaleTag)).
///
/// | | the memory after it | era |
/// | --- | --- | --- |
/// | [`clear`](Self::clear) | empty | +1 |
/// | [`replace`](Self::replace) | the given items | same |
/// | [`import`](Self::import) | what it was, and the given items | same |
/// | [`rollback`](Self::rollback) | what it was, without what came after a record | same |
///
/// Each is one record, whatever it removes, and of the class
/// [`Disk`](crate::Class::Disk).
///
/// ```
/// use panelboard_store::{Change, Config, Create, Refusal, SessionId, Store, Tag, WriteError};
/// # use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// # let wait = Duration::from_secs(10);
/// let id = SessionId::new("a")?;
/// let tag = store.create(Create::new(&id, "{}")?)?.wait(wait).expect("in time")?.tag;
/// // Two that saw the same memory: one is made, the other is told.
/// let first = store.change(Change::clear(&id, tag))?;
/// let second = store.change(Change::clear(&id, tag))?;
/// let cleared = first.wait(wait).expect("in time")?.tag;
/// assert_eq!(cleared, Tag { era: tag.era + 1, seq: tag.seq + 1 });
/// let why = second.wait(wait).expect("in time").unwrap_err();
/// assert_eq!(why, WriteError::Refused(Refusal::StaleTag { current: cleared }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Change {
    pub(crate) id: SessionId,
    pub(crate) tag: Tag,
    pub(crate) owner: Option<Owner>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) what: What,
    /// For a rollback, the last record that stays, as it was asked for.
    pub(crate) to: u64,
    pub(crate) kind: Box<str>,
    pub(crate) body: Body,
    pub(crate) key: Option<Idempotency>,
}

/// What a record does to the memory; the numbers are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Event = 0,
    Item = 1,
    Import = 2,
    Replace = 3,
    Rollback = 4,
    Clear = 5,
}

impl What {
    pub(crate) fn of(number: u64) -> Option<Self> {
        let all =
            [Self::Event, Self::Item, Self::Import, Self::Replace, Self::Rollback, Self::Clear];
        all.into_iter().find(|what| *what as u64 == number)
    }
}

/// An item that a [`Change`] brings in.
///
/// ```
/// use panelboard_store::{Change, NewItem, SessionId, Tag};
///
/// let item = NewItem::new("message", r#"{"role":"system","text":"be brief"}"#)?;
/// let id = SessionId::new("a")?;
/// let replace = Change::replace(&id, Tag { era: 0, seq: 12 }, &[item])?;
/// # drop(replace);
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct NewItem {
    kind: Box<str>,
    body: Box<RawValue>,
}

impl NewItem {
    /// As the record of an [`Append`](crate::Append).
    ///
    /// # Errors
    /// A kind or body that breaks its rule.
    ///
    /// ```
    /// use panelboard_store::NewItem;
    ///
    /// assert!(NewItem::new("message", "{}").is_ok());
    /// assert!(NewItem::new("message", "{").is_err());
    /// ```
    pub fn new(of: &str, body: impl Into<Vec<u8>>) -> Result<Self, Invalid> {
        let body = Body::new(body.into(), MAX_BODY)?;
        let raw = RawValue::from_string(body.text().to_owned());
        let body = raw.map_err(|why| Invalid::NotJson { why: why.to_string() })?;
        Ok(Self { kind: kind(of)?, body })
    }
}

/// The items of a replace or an import, as they stand in its record.
#[derive(Debug, Deserialize)]
pub(crate) struct NewItems<'a>(#[serde(borrow)] pub(crate) Vec<ReadItem<'a>>);

#[derive(Debug, Deserialize)]
pub(crate) struct ReadItem<'a> {
    pub(crate) kind: String,
    #[serde(borrow)]
    pub(crate) body: &'a RawValue,
}

impl Change {
    /// Empties the memory. Whatever an earlier era holds is never read again, and is removed later.
    ///
    /// ```
    /// use panelboard_store::{Change, SessionId, Tag};
    ///
    /// let clear = Change::clear(&SessionId::new("a")?, Tag { era: 0, seq: 12 });
    /// # drop(clear);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn clear(id: &SessionId, tag: Tag) -> Self {
        Self::of(id, tag, What::Clear, "session.cleared", empty())
    }

    /// Takes away all that came after the record `to` of this era. A replacement is never undone:
    /// if `to` is before the last one, or before the clear, it goes back to that
    /// ([`Outcome::RolledBack`](crate::Outcome::RolledBack) says to where), as the writer finds it
    /// in its transaction.
    ///
    /// ```
    /// use panelboard_store::{Change, SessionId, Tag};
    ///
    /// // A run that began after record 9 has been cancelled.
    /// let rollback = Change::rollback(&SessionId::new("a")?, Tag { era: 0, seq: 12 }, 9);
    /// # drop(rollback);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn rollback(id: &SessionId, tag: Tag, to: u64) -> Self {
        Self { to, ..Self::of(id, tag, What::Rollback, "session.rolled_back", empty()) }
    }

    /// Makes the memory these items.
    ///
    /// # Errors
    /// More than [`MAX_ITEMS`], or more than [`MAX_CHANGE`] bytes of them.
    ///
    /// ```
    /// use panelboard_store::{Change, NewItem, SessionId, Tag};
    ///
    /// let items = [NewItem::new("message", r#"{"text":"a summary"}"#)?];
    /// let replace = Change::replace(&SessionId::new("a")?, Tag { era: 0, seq: 12 }, &items)?;
    /// # drop(replace);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    pub fn replace(id: &SessionId, tag: Tag, items: &[NewItem]) -> Result<Self, Invalid> {
        Ok(Self::of(id, tag, What::Replace, "memory.replaced", list(items)?))
    }

    /// Adds these items to the memory, all or none.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    ///
    /// ```
    /// use panelboard_store::{Change, NewItem, SessionId, Tag};
    ///
    /// let items = [NewItem::new("message", r#"{"text":"from elsewhere"}"#)?];
    /// let import = Change::import(&SessionId::new("a")?, Tag { era: 0, seq: 0 }, &items)?;
    /// # drop(import);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    pub fn import(id: &SessionId, tag: Tag, items: &[NewItem]) -> Result<Self, Invalid> {
        Ok(Self::of(id, tag, What::Import, "memory.imported", list(items)?))
    }

    fn of(id: &SessionId, tag: Tag, what: What, kind: &str, body: Body) -> Self {
        Self {
            id: id.clone(),
            tag,
            owner: None,
            epoch: None,
            what,
            to: 0,
            kind: kind.into(),
            body,
            key: None,
        }
    }

    /// Refused if a later owner has written; and every earlier one is from now on. A clear by a
    /// supervisor names the fence that it has just raised: then nothing that a cancelled run sends
    /// late is kept.
    ///
    /// ```
    /// use panelboard_store::{Change, Owner, SessionId, Tag};
    ///
    /// let clear = Change::clear(&SessionId::new("a")?, Tag { era: 0, seq: 12 });
    /// let clear = clear.owner(Owner { term: 1, fence: 4 });
    /// # drop(clear);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Refused if the session has been created anew.
    ///
    /// ```
    /// use panelboard_store::{Change, Epoch, SessionId, Tag};
    ///
    /// let clear = Change::clear(&SessionId::new("a")?, Tag { era: 0, seq: 12 }).epoch(Epoch(7));
    /// # drop(clear);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// At most once under this key.
    ///
    /// ```
    /// use panelboard_store::{Change, Idempotency, SessionId, Tag};
    ///
    /// let key = Idempotency::new("team-a POST /clear", "k1", "{}", "cleared")?;
    /// let clear = Change::clear(&SessionId::new("a")?, Tag { era: 0, seq: 12 }).key(key);
    /// # drop(clear);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: Idempotency) -> Self {
        self.key = Some(key);
        self
    }
}

fn empty() -> Body {
    Body::new(b"{}".into(), MAX_BODY).expect("an empty object is JSON")
}

fn list(items: &[NewItem]) -> Result<Body, Invalid> {
    if items.len() > MAX_ITEMS {
        return Err(Invalid::TooManyItems { items: items.len(), limit: MAX_ITEMS });
    }
    let bytes = serde_json::to_vec(items).expect("checked items are JSON");
    Body::new(bytes, MAX_CHANGE)
}

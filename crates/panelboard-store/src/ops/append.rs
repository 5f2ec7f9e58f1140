//! How is a record added? Without a precondition, by whoever owns the session.

use crate::{
    ids::{Class, Epoch, Owner, SessionId},
    invalid::Invalid,
    ops::{Body, Idempotency, MAX_BODY, kind},
};

/// Adds one record to the end of a session's log.
///
/// Appends need no tag: two that race are both kept, in the order in which they were submitted. A
/// run's append names its [`owner`](Self::owner), and is dropped once a later one has written; a
/// note by a person needs none.
///
/// ```
/// use panelboard_store::{Append, Class, Owner, SessionId};
///
/// let id = SessionId::new("support/42")?;
/// let owner = Owner { term: 1, fence: 3 };
/// let asked = Append::new(&id, "message", r#"{"role":"user","text":"hello"}"#)?.owner(owner);
/// let began = Append::event(&id, "run.started", r#"{"run":"r1"}"#)?.owner(owner).class(Class::Os);
/// # drop((asked, began));
/// # Ok::<(), panelboard_store::Invalid>(())
/// ```
#[derive(Clone, Debug)]
pub struct Append {
    pub(crate) id: SessionId,
    pub(crate) owner: Option<Owner>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) seq: Option<u64>,
    pub(crate) item: bool,
    pub(crate) kind: Box<str>,
    pub(crate) body: Body,
    pub(crate) class: Class,
    pub(crate) key: Option<Idempotency>,
    pub(crate) unfinished: Option<bool>,
}

impl Append {
    /// A record that is part of the session's memory: a message, a tool's result. `kind` is 1 to
    /// [`MAX_KIND`](crate::MAX_KIND) bytes; `body` is JSON, at most [`MAX_BODY`].
    ///
    /// # Errors
    /// A kind or body that breaks its rule.
    ///
    /// ```
    /// use panelboard_store::{Append, Invalid, SessionId};
    ///
    /// let id = SessionId::new("a")?;
    /// assert!(Append::new(&id, "message", br#"{"text":"hello"}"#).is_ok());
    /// assert!(matches!(Append::new(&id, "message", "hello"), Err(Invalid::NotJson { .. })));
    /// assert!(matches!(Append::new(&id, "", "{}"), Err(Invalid::Kind { .. })));
    /// # Ok::<(), Invalid>(())
    /// ```
    pub fn new(id: &SessionId, of: &str, body: impl Into<Vec<u8>>) -> Result<Self, Invalid> {
        Ok(Self {
            id: id.clone(),
            owner: None,
            epoch: None,
            seq: None,
            item: true,
            kind: kind(of)?,
            body: Body::new(body.into(), MAX_BODY)?,
            class: Class::Disk,
            key: None,
            unfinished: None,
        })
    }

    /// A record of the log only, no part of the memory: that a run began, that a queue changed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use panelboard_store::{Append, SessionId};
    ///
    /// let event = Append::event(&SessionId::new("a")?, "run.started", r#"{"run":"r1"}"#)?;
    /// # drop(event);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    pub fn event(id: &SessionId, of: &str, body: impl Into<Vec<u8>>) -> Result<Self, Invalid> {
        Ok(Self { item: false, ..Self::new(id, of, body)? })
    }

    /// Refused if a later owner has written; and every earlier one is from now on.
    ///
    /// ```
    /// # use panelboard_store::{Append, Owner, SessionId};
    /// let append = Append::new(&SessionId::new("a")?, "message", "{}")?;
    /// let append = append.owner(Owner { term: 1, fence: 2 });
    /// # drop(append);
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
    /// # use panelboard_store::{Append, Epoch, SessionId};
    /// let append = Append::new(&SessionId::new("a")?, "message", "{}")?.epoch(Epoch(7));
    /// # drop(append);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Refused unless it is the session's next record. For a caller that numbers them itself: if
    /// one fails, those behind it are refused too, and what is kept stays a prefix. Without it, the
    /// store numbers.
    ///
    /// ```
    /// # use panelboard_store::{Append, SessionId};
    /// let append = Append::new(&SessionId::new("a")?, "message", "{}")?.seq(1);
    /// # drop(append);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn seq(mut self, seq: u64) -> Self {
        self.seq = Some(seq);
        self
    }

    /// How safe it must be before its receipt is resolved; [`Class::Disk`] if not said.
    ///
    /// ```
    /// # use panelboard_store::{Append, Class, SessionId};
    /// let append = Append::new(&SessionId::new("a")?, "delta", "{}")?.class(Class::Os);
    /// # drop(append);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// Whether its owner has something left to do in the session after this record: that is what
    /// [`Store::unfinished`](crate::Store::unfinished) finds. Without it, as it was before.
    ///
    /// ```
    /// # use panelboard_store::{Append, SessionId};
    /// let append = Append::event(&SessionId::new("a")?, "run.created", "{}")?.unfinished(true);
    /// # drop(append);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn unfinished(mut self, unfinished: bool) -> Self {
        self.unfinished = Some(unfinished);
        self
    }

    /// At most once under this key.
    ///
    /// ```
    /// # use panelboard_store::{Append, Idempotency, SessionId};
    /// let key = Idempotency::new("team-a POST /runs", "k1", "fingerprint", r#"{"run":"r1"}"#)?;
    /// let append = Append::new(&SessionId::new("a")?, "message", "{}")?.key(key);
    /// # drop(append);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: Idempotency) -> Self {
        self.key = Some(key);
        self
    }
}

//! How does a session end?

use std::time::SystemTime;

use crate::{
    ids::{Epoch, Owner, SessionId},
    ops::Idempotency,
};

/// Ends a session: from then on nobody reads it and no late write brings it back.
///
/// Its owner and epoch stay for [`Config::tombstone_ttl`](crate::Config::tombstone_ttl); its
/// records are removed later. Repeated within that time it changes nothing
/// ([`Outcome::Same`](crate::Outcome::Same)).
///
/// ```
/// use panelboard_store::{Config, Create, Delete, ReadError, SessionId, Store};
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// store.delete(Delete::new(&id))?.wait(std::time::Duration::from_secs(10)).unwrap()?;
/// assert_eq!(store.session(&id).unwrap_err(), ReadError::Deleted);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Delete {
    pub(crate) id: SessionId,
    pub(crate) owner: Option<Owner>,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) with: Option<SessionId>,
    pub(crate) key: Option<Idempotency>,
    pub(crate) untouched_since: Option<SystemTime>,
}

impl Delete {
    /// Whatever its epoch, whoever asks.
    ///
    /// ```
    /// use panelboard_store::{Delete, SessionId};
    ///
    /// let delete = Delete::new(&SessionId::new("a")?);
    /// # drop(delete);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn new(id: &SessionId) -> Self {
        let id = id.clone();
        Self { id, owner: None, epoch: None, with: None, key: None, untouched_since: None }
    }

    /// Refused if a later owner has written; and every earlier one is from now on.
    ///
    /// ```
    /// use panelboard_store::{Delete, Owner, SessionId};
    ///
    /// let delete = Delete::new(&SessionId::new("a")?).owner(Owner { term: 1, fence: 4 });
    /// # drop(delete);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Refused if the session has been written to since ([`Refusal::Alive`]): for a caller who
    /// deletes what nobody needs, and has looked a while ago. As of the store's
    /// [`clock`](crate::Config::clock).
    ///
    /// ```
    /// use panelboard_store::{Clock, Delete, SessionId, SystemClock};
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let since = SystemClock::new().wall() - 90 * day;
    /// let delete = Delete::new(&SessionId::new("a")?).untouched_since(since);
    /// # drop(delete);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    ///
    /// [`Refusal::Alive`]: crate::Refusal::Alive
    #[must_use]
    pub fn untouched_since(mut self, since: SystemTime) -> Self {
        self.untouched_since = Some(since);
        self
    }

    /// Refused if the session has been created anew.
    ///
    /// ```
    /// use panelboard_store::{Delete, Epoch, SessionId};
    ///
    /// let delete = Delete::new(&SessionId::new("a")?).epoch(Epoch(7));
    /// # drop(delete);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Another session that ends in the same transaction, if it is there: one that is of no use
    /// without the first.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, Delete, ReadError, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// let (id, notes) = (SessionId::new("a")?, SessionId::new("a/notes")?);
    /// store.create(Create::new(&id, "{}")?)?;
    /// store.create(Create::new(&notes, "{}")?)?;
    /// let delete = Delete::new(&id).with(&notes);
    /// store.delete(delete)?.wait(std::time::Duration::from_secs(10)).unwrap()?;
    /// assert_eq!(store.session(&notes).unwrap_err(), ReadError::Deleted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with(mut self, other: &SessionId) -> Self {
        self.with = Some(other.clone());
        self
    }

    /// At most once under this key: what is created anew under the session's name is safe from a
    /// repetition. With a key, a session that is not there is deleted already, so that this is
    /// known of the key.
    ///
    /// ```
    /// use panelboard_store::{Delete, Idempotency, SessionId};
    ///
    /// let key = Idempotency::new("team-a DELETE a", "k1", "", "deleted")?;
    /// let delete = Delete::new(&SessionId::new("a")?).key(key);
    /// # drop(delete);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: Idempotency) -> Self {
        self.key = Some(key);
        self
    }
}

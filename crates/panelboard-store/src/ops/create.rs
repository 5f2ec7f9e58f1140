//! How does a session begin?

use crate::{
    ids::SessionId,
    invalid::Invalid,
    ops::{Body, Idempotency, MAX_BODY},
};

/// Begins a session.
///
/// One that is there with the same config is left as it is
/// ([`Outcome::Same`](crate::Outcome::Same)); with another config it is refused
/// ([`Refusal::Exists`](crate::Refusal::Exists)). After a deletion the id may be used again: for a
/// session with another epoch, and with the owner of the old one, so that what was late then is
/// late now.
///
/// ```
/// use panelboard_store::{Config, Create, Outcome, Refusal, SessionId, Store, WriteError};
/// # use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// # let wait = Duration::from_secs(10);
/// let id = SessionId::new("support/42")?;
/// let create = |config: &str| Ok::<_, Box<dyn std::error::Error>>(
///     store.create(Create::new(&id, config)?)?.wait(wait).expect("in time"),
/// );
/// assert_eq!(create(r#"{"model":"small"}"#)??.outcome, Outcome::New);
/// assert_eq!(create(r#"{"model":"small"}"#)??.outcome, Outcome::Same);
/// assert_eq!(create(r#"{"model":"large"}"#)?, Err(WriteError::Refused(Refusal::Exists)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Create {
    pub(crate) id: SessionId,
    pub(crate) config: Body,
    pub(crate) key: Option<Idempotency>,
}

impl Create {
    /// A session with `config`: any JSON that the caller wants back, at most [`MAX_BODY`].
    ///
    /// # Errors
    /// `config` is no JSON, or too long.
    ///
    /// ```
    /// use panelboard_store::{Create, SessionId};
    ///
    /// let id = SessionId::new("a")?;
    /// assert!(Create::new(&id, r#"{"policy":"enqueue"}"#).is_ok());
    /// assert!(Create::new(&id, "enqueue").is_err());
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    pub fn new(id: &SessionId, config: impl Into<Vec<u8>>) -> Result<Self, Invalid> {
        let config = Body::new(config.into(), MAX_BODY)?;
        Ok(Self { id: id.clone(), config, key: None })
    }

    /// At most once under this key.
    ///
    /// ```
    /// use panelboard_store::{Create, Idempotency, SessionId};
    ///
    /// let key = Idempotency::new("team-a POST /sessions", "k1", "{}", "created a")?;
    /// let create = Create::new(&SessionId::new("a")?, "{}")?.key(key);
    /// # drop(create);
    /// # Ok::<(), panelboard_store::Invalid>(())
    /// ```
    #[must_use]
    pub fn key(mut self, key: Idempotency) -> Self {
        self.key = Some(key);
        self
    }
}

//! How is a write made that may be sent twice? By a key, kept in the transaction of its record.

use crate::invalid::Invalid;

/// A key under which a write is made at most once.
///
/// The first write with a key is made, and `answer` is kept beside it in the same transaction. A
/// later one with the same scope, key and fingerprint is not made: its receipt gives that answer
/// back ([`Outcome::Replayed`](crate::Outcome::Replayed)), also after a crash. One with another
/// fingerprint is refused ([`Refusal::KeyReused`](crate::Refusal::KeyReused)). A write that was
/// refused or failed keeps no key.
///
/// Keys are kept for [`Config::idempotency_ttl`](crate::Config::idempotency_ttl) and at most
/// [`Config::max_idempotency_keys`](crate::Config::max_idempotency_keys) of them; beyond, the
/// oldest go, and are counted.
///
/// ```
/// use panelboard_store::{Append, Config, Idempotency, Outcome, SessionId, Create, Store};
/// # use std::time::Duration;
/// # let folder = tempfile::tempdir()?;
/// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
/// let id = SessionId::new("a")?;
/// store.create(Create::new(&id, "{}")?)?;
/// let submit = || {
///     let key = Idempotency::new("team-a POST /runs", "key-1", "sha of the input", "run 7")?;
///     Ok::<_, Box<dyn std::error::Error>>(store.append(Append::new(&id, "run", "{}")?.key(key))?)
/// };
/// let (first, again) = (submit()?, submit()?);
/// let wait = Duration::from_secs(10);
/// assert_eq!(first.wait(wait).unwrap()?.outcome, Outcome::New);
/// assert_eq!(again.wait(wait).unwrap()?.outcome, Outcome::Replayed("run 7".as_bytes().into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Idempotency {
    pub(crate) scope: Box<str>,
    pub(crate) key: Box<str>,
    pub(crate) fingerprint: Box<[u8]>,
    pub(crate) answer: Box<[u8]>,
    /// Not kept by a write that changes nothing.
    pub(crate) only_new: bool,
    /// Kept beside the write, which is made whatever was kept before.
    pub(crate) aside: bool,
}

impl Idempotency {
    /// `scope` is who asks for what (principal and route) and `key` what they sent, 1 to 255 bytes
    /// each; `fingerprint` tells two requests apart, at most 64 bytes; `answer` is given back, at
    /// most 64 KiB.
    ///
    /// # Errors
    /// [`Invalid::Idempotency`], with the rule that is broken.
    ///
    /// ```
    /// use panelboard_store::Idempotency;
    ///
    /// assert!(Idempotency::new("POST /runs", "", [0; 32], "").is_err());
    /// assert!(Idempotency::new("POST /runs", "k", [0; 32], "{}").is_ok());
    /// ```
    pub fn new(
        scope: &str,
        key: &str,
        fingerprint: impl AsRef<[u8]>,
        answer: impl AsRef<[u8]>,
    ) -> Result<Self, Invalid> {
        let (fingerprint, answer) = (fingerprint.as_ref(), answer.as_ref());
        let rules = [
            ((1..=255).contains(&scope.len()), "an idempotency scope is 1 to 255 bytes"),
            ((1..=255).contains(&key.len()), "an idempotency key is 1 to 255 bytes"),
            (fingerprint.len() <= 64, "a fingerprint is at most 64 bytes"),
            (answer.len() <= MAX_ANSWER, "an answer that is kept is at most 64 KiB"),
        ];
        if let Some((_, rule)) = rules.iter().find(|(kept, _)| !kept) {
            return Err(Invalid::Idempotency { rule });
        }
        Ok(Self {
            scope: scope.into(),
            key: key.into(),
            fingerprint: fingerprint.into(),
            answer: answer.into(),
            only_new: false,
            aside: false,
        })
    }

    /// Kept only by a write that changes something: of one that comes to
    /// [`Outcome::Same`](crate::Outcome::Same) the answer is another, which whoever asked keeps for
    /// himself.
    ///
    /// ```
    /// use panelboard_store::{Config, Create, Idempotency, Outcome, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// # let wait = std::time::Duration::from_secs(10);
    /// let create = |key| {
    ///     let key = Idempotency::new("POST /sessions", key, "f", "made")?.only_new();
    ///     let create = Create::new(&SessionId::new("a")?, "{}")?.key(key);
    ///     Ok::<_, Box<dyn std::error::Error>>(store.create(create)?.wait(wait).unwrap()?.outcome)
    /// };
    /// assert_eq!((create("k1")?, create("k2")?), (Outcome::New, Outcome::Same));
    /// assert!(store.answered("POST /sessions", "k1")?.is_some());
    /// assert!(store.answered("POST /sessions", "k2")?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn only_new(mut self) -> Self {
        self.only_new = true;
        self
    }

    /// Kept with a write that it is not the key of, and that is made in any case; whatever was kept
    /// under it before makes way. For who knows keys himself and hands the older ones on.
    ///
    /// ```
    /// use panelboard_store::{Append, Config, Create, Idempotency, Outcome, SessionId, Store};
    /// # let folder = tempfile::tempdir()?;
    /// # let store = Store::open(folder.path().join("s.db"), Config::new())?;
    /// # let wait = std::time::Duration::from_secs(10);
    /// let id = SessionId::new("a")?;
    /// store.create(Create::new(&id, "{}")?)?;
    /// for answer in ["run 1", "run 2"] {
    ///     let older = Idempotency::new("runs", "k1", "f", answer)?.aside();
    ///     let append = Append::new(&id, "run", "{}")?.key(older);
    ///     assert_eq!(store.append(append)?.wait(wait).unwrap()?.outcome, Outcome::New);
    /// }
    /// assert_eq!(store.answered("runs", "k1")?.map(|it| it.answer), Some(b"run 2".to_vec()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    pub(crate) fn bytes(&self) -> usize {
        self.scope.len() + self.key.len() + self.fingerprint.len() + self.answer.len()
    }
}

const MAX_ANSWER: usize = 64 << 10;

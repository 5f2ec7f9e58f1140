//! Who keeps what sessions write down, and says when it would survive?

mod memory;
mod progress;

use std::{fmt, pin::Pin};

pub use memory::MemoryJournal;
pub(crate) use progress::Progress;

use crate::session::{IdempotencyKey, Record, SessionId};

/// A place in a journal: everything at or below it was handed over before.
///
/// ```
/// use panelboard_tasks::Lsn;
/// assert!(Lsn(2) > Lsn(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// A future of a [`Journal`], which is used behind a pointer.
///
/// ```
/// use panelboard_tasks::BoxFuture;
/// let answer: BoxFuture<'static, u32> = Box::pin(async { 7 });
/// ```
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps the records of sessions, in the order in which they come.
///
/// A store implements this. [`MemoryJournal`] is one for tests, and for programs without a store.
///
/// # The order to call them
/// [`has_room`](Self::has_room) before a client's command; [`append`](Self::append) within the
/// step; [`is_durable`](Self::is_durable), and if it is not, [`durable`](Self::durable), before the
/// reply leaves and before a run's body starts.
///
/// ```
/// use panelboard_tasks::{Journal, Lsn, MemoryJournal};
///
/// fn is_kept(journal: &dyn Journal, at: Lsn) -> bool {
///     journal.is_durable(at)
/// }
/// assert!(is_kept(&MemoryJournal::new(), Lsn(0)));
/// ```
pub trait Journal: Send + Sync + fmt::Debug + 'static {
    /// Takes records, to be made durable in this order; answers the place of the last.
    ///
    /// Called under the lock of the session that they are of, so that their order is the order in
    /// which things happened. It must not block, wait for anything but a short lock of its own, or
    /// call back. It can't refuse: a full journal says so by [`has_room`](Self::has_room) before.
    /// What comes beyond that are the ends of runs that were accepted, and the commands of threads
    /// that asked at the same moment.
    fn append(&self, records: Vec<Record>) -> Lsn;

    /// As [`append`](Self::append), of a command that a client has named
    /// ([`Sessions::keyed`](crate::Sessions::keyed)): a journal that keeps keys keeps this one with
    /// the records, so that after a crash both are there or neither is. One that may keep some of
    /// them without the others keeps it with the record that the command is done by: that of a
    /// clear, or else the first. Before that one the command has not been done, and may be done
    /// again; what comes after it is made up for when the session is taken up.
    ///
    /// A journal that has not been told how forgets the key, and nothing else.
    fn append_keyed(&self, records: Vec<Record>, key: IdempotencyKey) -> Lsn {
        drop(key);
        self.append(records)
    }

    /// Whether clients' commands are to be taken: it is neither full nor has it failed.
    fn has_room(&self) -> bool;

    /// Whether everything at or below this place would survive a crash.
    fn is_durable(&self, at: Lsn) -> bool;

    /// Waits until everything at or below this place would survive a crash. Dropping it stops the
    /// waiting and nothing else.
    ///
    /// # Errors
    /// [`NotKept`]: it never will.
    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>>;

    /// The log of a session, in the order of its seq; nothing if it never was. Called when the
    /// session is not in memory, never twice at once for the same one.
    ///
    /// A long log may be [thinned](crate::thin): what is kept in place of the records before a
    /// snapshot is enough.
    ///
    /// # Errors
    /// [`Unreadable`]: there is a log and it can't be read. That is not the same as none: the
    /// session takes no commands, and its bytes stay as they are.
    fn load<'a>(&'a self, session: &'a SessionId)
    -> BoxFuture<'a, Result<Vec<Record>, Unreadable>>;
}

/// The journal has failed: a record was taken that will not survive.
///
/// ```
/// assert_eq!(panelboard_tasks::NotKept.to_string(), "the journal could not keep it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKept;

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal could not keep it")
    }
}

impl std::error::Error for NotKept {}

/// A session's log can't be read.
///
/// ```
/// use panelboard_tasks::Unreadable;
/// assert_eq!(Unreadable.to_string(), "the session's log can't be read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session's log can't be read")
    }
}

impl std::error::Error for Unreadable {}

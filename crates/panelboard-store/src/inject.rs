//! How does a test stop the writer at a certain write? By a hook before and after each step that it
//! makes in the file.
//!
//! The steps are those that the shipped code makes, each through [`Db`](crate::db::Db), which has
//! no other way to write. Without a hook it is a look at an `Option`.

use std::fmt;

use crate::error::Failure;

/// A step of the writer in the file.
///
/// ```
/// use panelboard_store::{Config, Create, SessionId, Step, Store, Verdict};
/// # use std::sync::{Arc, Mutex};
/// # let folder = tempfile::tempdir()?;
/// let steps = Arc::new(Mutex::new(Vec::new()));
/// let seen = Arc::clone(&steps);
/// let config = Config::new().upkeep(false).inject(move |step, moment| {
///     if moment == panelboard_store::Moment::Before {
///         seen.lock().unwrap().push(step);
///     }
///     Verdict::Go
/// });
/// let store = Store::open(folder.path().join("s.db"), config)?;
/// let receipt = store.create(Create::new(&SessionId::new("a")?, "{}")?)?;
/// receipt.wait(std::time::Duration::from_secs(10)).expect("in time")?;
/// let steps = steps.lock().unwrap();
/// assert_eq!((steps.first(), steps.last()), (Some(&Step::Begin), Some(&Step::Commit)));
/// assert!(steps[1..steps.len() - 1].iter().all(|step| *step == Step::Write));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A transaction begins.
    Begin,
    /// One statement that changes rows.
    Write,
    /// A transaction is committed.
    Commit,
    /// A transaction is rolled back.
    Rollback,
    /// The write-ahead log is copied into the file after a commit that failed.
    Checkpoint,
}

/// On which side of a step.
///
/// ```
/// assert_ne!(panelboard_store::Moment::Before, panelboard_store::Moment::After);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// It has not been made.
    Before,
    /// It has been made.
    After,
}

/// What becomes of a step.
///
/// ```
/// use panelboard_store::{Config, Failure, FailureKind, Moment, Step, Verdict};
///
/// // The third commit finds the disk full.
/// let mut commits = 0;
/// let config = Config::new().inject(move |step, moment| {
///     commits += u32::from((step, moment) == (Step::Commit, Moment::Before));
///     match (step, commits) {
///         (Step::Commit, 3) => Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected")),
///         _ => Verdict::Go,
///     }
/// });
/// # drop(config);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As without a hook.
    Go,
    /// Before it: it is not made, and fails. After it: as [`Go`](Self::Go), since SQLite says of no
    /// step that it failed when it did not.
    Fail(Failure),
    /// The writer ends here as a killed process would: it answers nothing, rolls nothing back, and
    /// writes no more. What the file then holds is for the hook to copy, before it says so: the
    /// file and its `-wal`, without the `-shm`, are what a killed process leaves.
    Crash,
}

/// What is called at each step, on the writer's thread.
pub(crate) struct Hook(pub(crate) Box<dyn FnMut(Step, Moment) -> Verdict + Send>);

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

//! Who takes part in a row, and what is one call of it?

use std::fmt;

/// What lies between two calls of a thread. A type and not a value, so that a loop has one body,
/// and the call is inlined into it.
pub trait Gap: 'static {
    /// At the start of a thread's calls.
    fn begin(first: usize) -> Self;
    /// Before each call.
    fn pass(&mut self);
}

/// Nothing: one call after the other.
#[derive(Clone, Copy, Debug)]
pub struct BackToBack;

impl Gap for BackToBack {
    fn begin(_: usize) -> Self {
        Self
    }

    #[inline]
    fn pass(&mut self) {}
}

/// One side of a row.
pub struct Contestant {
    /// A word, for the tables and the command line.
    pub name: &'static str,
    /// Makes what is called, in the state that the row is about.
    pub make: Box<dyn Fn() -> Work + Send + Sync>,
}

impl Contestant {
    /// `make` runs once in each process that measures this contestant.
    pub fn new(name: &'static str, make: impl Fn() -> Work + Send + Sync + 'static) -> Self {
        Self { name, make: Box::new(make) }
    }
}

/// What is called, by one thread or by several at once.
pub struct Work {
    repeat: Box<dyn Fn(usize, usize) + Send + Sync>,
    prepare: Box<dyn Fn() + Send + Sync>,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Work {
    /// `call` is one call; it is given its number. Its loop is compiled around it, so that it is
    /// inlined as it would be in a program.
    pub fn new<G: Gap>(call: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let repeat = move |first, count| {
            let mut gap = G::begin(first);
            for number in first..first + count {
                gap.pass();
                call(number);
            }
        };
        Self { repeat: Box::new(repeat), prepare: Box::new(|| {}), holds: Box::new(|| true) }
    }

    /// `prepare` runs before each stretch of calls, by one thread, not timed.
    #[must_use]
    pub fn prepared(mut self, prepare: impl Fn() + Send + Sync + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// `holds` says whether it is still in the state that the row is about. Asked after each
    /// sample.
    #[must_use]
    pub fn holding(mut self, holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.holds = Box::new(holds);
        self
    }

    pub(crate) fn repeat(&self, first: usize, count: usize) {
        (self.repeat)(first, count);
    }

    pub(crate) fn prepare(&self) {
        (self.prepare)();
    }

    pub(crate) fn holds(&self) -> bool {
        (self.holds)()
    }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contestant").field(&self.name).finish()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").finish_non_exhaustive()
    }
}

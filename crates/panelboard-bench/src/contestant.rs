//! Who takes part in a row, and what is one call of it?

use std::fmt;

use crate::private_work::PrivateWork;

/// What lies between two calls of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Nothing: one call after the other.
    BackToBack,
    /// 100 to 300 ns of work that touches nothing shared.
    WithPrivateWork,
}

/// One side of a row.
pub struct Contestant {
    /// A word, for the tables and the command line.
    pub name: &'static str,
    /// Makes what is called, in the state that the row is about.
    pub make: Box<dyn Fn() -> Work>,
}

impl Contestant {
    /// `make` runs once in each process that measures this contestant.
    pub fn new(name: &'static str, make: impl Fn() -> Work + 'static) -> Self {
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
    pub fn new(calls: Calls, call: impl Fn(usize) + Send + Sync + 'static) -> Self {
        let repeat: Box<dyn Fn(usize, usize) + Send + Sync> = match calls {
            Calls::BackToBack => Box::new(move |first, count| {
                for number in first..first + count {
                    call(number);
                }
            }),
            Calls::WithPrivateWork => Box::new(move |first, count| {
                let mut private = PrivateWork::new(first);
                for number in first..first + count {
                    private.work();
                    call(number);
                }
            }),
        };
        Self { repeat, prepare: Box::new(|| {}), holds: Box::new(|| true) }
    }

    /// `prepare` runs before each stretch of calls, by one thread, not timed.
    #[must_use]
    pub fn prepared(mut self, prepare: impl Fn() + Send + Sync + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// `holds` says whether it is still in the state that the row is about. Asked after each sample.
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

//! Who takes part in a row, and what is one call of it?

use std::fmt;

use crate::{clock::now, latencies::Latencies};

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
    make: Option<Box<dyn Fn() -> Work + Send + Sync>>,
    pub(crate) note: Option<&'static str>,
}

impl Contestant {
    /// `make` runs once in each process that measures this contestant. It makes what is called, in
    /// the state that the row is about.
    pub fn new(name: &'static str, make: impl Fn() -> Work + Send + Sync + 'static) -> Self {
        Self { name, make: Some(Box::new(make)), note: None }
    }

    /// One that has no such thing: a dash in the tables, and the reason below.
    pub fn absent(name: &'static str, reason: &'static str) -> Self {
        Self { name, make: None, note: Some(reason) }
    }

    /// What it does that is not the work of the row: told below the tables.
    #[must_use]
    pub fn noted(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    pub(crate) fn work(&self) -> Option<Work> {
        self.make.as_ref().map(|make| make())
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.make.is_none()
    }
}

type Loop = Box<dyn Fn(usize, usize) + Send + Sync>;
type TimedLoop = Box<dyn Fn(usize, usize, &mut Latencies) + Send + Sync>;

/// What is called, by one thread or by several at once.
pub struct Work {
    repeat: Loop,
    timed: Option<TimedLoop>,
    prepare: Box<dyn Fn() + Send + Sync>,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Work {
    /// `call` is one call; it is given its number. Its loop is compiled around it, so that it is
    /// inlined as it would be in a program.
    pub fn new<G: Gap>(call: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self::of(move |first, count| repeat::<G>(first, count, &call))
    }

    /// Where each caller needs something of its own to call with, as a clone of a service:
    /// `caller` makes it at the start of a thread's calls.
    pub fn by_callers<G: Gap, C: FnMut(usize)>(
        caller: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        Self::of(move |first, count| repeat::<G>(first, count, caller()))
    }

    fn of(repeat: impl Fn(usize, usize) + Send + Sync + 'static) -> Self {
        Self {
            repeat: Box::new(repeat),
            timed: None,
            prepare: Box::new(|| {}),
            holds: Box::new(|| true),
        }
    }

    /// The same call once more, for where each call is timed. Write it down again: with one and the
    /// same closure in two loops, it is inlined into neither.
    #[must_use]
    pub fn each_timed<C: FnMut(usize)>(
        mut self,
        caller: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        let timed = move |first, count, into: &mut Latencies| timed(first, count, into, caller());
        self.timed = Some(Box::new(timed));
        self
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

    /// The same calls, each of them timed.
    pub(crate) fn timed(&self, first: usize, count: usize, into: &mut Latencies) {
        if let Some(timed) = &self.timed {
            timed(first, count, into);
        }
    }

    pub(crate) fn can_be_timed(&self) -> bool {
        self.timed.is_some()
    }

    pub(crate) fn prepare(&self) {
        (self.prepare)();
    }

    pub(crate) fn holds(&self) -> bool {
        (self.holds)()
    }
}

#[inline]
fn repeat<G: Gap>(first: usize, count: usize, mut call: impl FnMut(usize)) {
    let mut gap = G::begin(first);
    for number in first..first + count {
        gap.pass();
        call(number);
    }
}

/// One reading of the clock ends a call and begins the next: what is told is a call with a reading.
fn timed(first: usize, count: usize, into: &mut Latencies, mut call: impl FnMut(usize)) {
    let mut begun = now();
    for number in first..first + count {
        call(number);
        let ended = now();
        into.add((ended - begun).as_nanos() as u64);
        begun = ended;
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

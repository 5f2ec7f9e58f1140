//! What is called, and how does a contestant stand before it?

use std::{
    fmt,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::case::Shape;

/// What a failed call answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service is down")
    }
}

impl std::error::Error for Down {}

/// The answer of the service to the call with this number.
pub(crate) trait Service:
    Fn(usize) -> Result<u32, Down> + Copy + Send + Sync + 'static
{
}

impl<S: Fn(usize) -> Result<u32, Down> + Copy + Send + Sync + 'static> Service for S {}

#[inline]
pub(crate) fn up(_: usize) -> Result<u32, Down> {
    black_box(Ok(7))
}

/// Down, but for one call in 1,024: failures in a row stay below a high threshold.
#[inline]
pub(crate) fn down(number: usize) -> Result<u32, Down> {
    black_box(if number.is_multiple_of(1_024) { Ok(7) } else { Err(Down) })
}

/// Something that a call goes through.
pub(crate) trait Protect: Send + Sync + 'static {
    /// Calls the service, if it lets the call through, and takes note of the outcome.
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>);

    /// True if a call goes through. May call [`protect`](Self::protect).
    fn admits(&self) -> bool {
        let mut called = false;
        self.protect(|| {
            called = true;
            Ok(0)
        });
        called
    }

    /// Turns its clock past every open time, where it has one that can be turned.
    #[inline]
    fn let_time_pass(&self) {}

    /// True if it is still in the state of the row.
    fn holds(&self, shape: Shape) -> bool {
        (shape == Shape::Open) != self.admits()
    }
}

/// No breaker at all.
pub(crate) struct Bare;

impl Protect for Bare {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        // Looks at the outcome, as a caller would.
        if service().is_err() {
            black_box(());
        }
    }
}

/// What a breaker can't do without: to look before the call and after it.
#[derive(Default)]
pub(crate) struct TwoLoads(AtomicU64);

impl Protect for TwoLoads {
    #[inline]
    fn protect(&self, service: impl FnOnce() -> Result<u32, Down>) {
        // Acquire, both: as a breaker has to, which publishes something with its state.
        let before = self.0.load(Ordering::Acquire);
        if before == 0 {
            let answer = service();
            if answer.is_err() || self.0.load(Ordering::Acquire) != before {
                black_box(());
            }
        }
    }
}

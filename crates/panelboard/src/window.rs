//! How many of the calls of the last while were bad: of those within a time, or of the last n.

pub(crate) mod last;
mod own;
pub(crate) mod place;
pub(crate) mod time;

pub(crate) use last::LastWindow;
pub(crate) use time::TimeWindow;

/// What a window holds.
///
/// ```
/// use panelboard::{Breaker, Config};
///
/// let breaker = Breaker::new(Config::builder().failure_rate(0.5, 100, 20).build()?);
/// breaker.acquire()?.success();
/// breaker.acquire()?.failure();
/// let window = breaker.snapshot().window.expect("a window judges");
/// assert_eq!((window.calls, window.failures, window.slow), (2, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounts {
    /// Calls that were completed within the window.
    pub calls: u64,
    /// Those of them that failed.
    pub failures: u64,
    /// Those of them that were slow, failed or not.
    pub slow: u64,
}

//! What people have set beside the automatic state: one setting, and any number of guards.

use std::ops::Deref;

use crate::{breaker::Breaker, word::Override};

/// What people have set. Lives under the breaker's lock of the same name.
#[derive(Debug)]
pub(crate) struct Overrides {
    pub(crate) set: Override,
    /// Isolate guards that are held.
    pub(crate) guards: u32,
}

impl Default for Overrides {
    fn default() -> Self {
        Self { set: Override::None, guards: 0 }
    }
}

impl Overrides {
    /// What the word shall say: guards go before anything else.
    pub(crate) fn effective(&self) -> Override {
        if self.guards > 0 { Override::ForcedOpen } else { self.set }
    }
}

/// Keeps a breaker forced open while it lives; see [`Breaker::isolate`].
///
/// ```
/// use panelboard::{Breaker, Config, State};
///
/// let breaker = Breaker::new(Config::default());
/// {
///     let (_deploy, _incident) = (breaker.isolate(), breaker.isolate());
///     assert_eq!(breaker.state(), State::ForcedOpen);
/// }
/// assert_eq!(breaker.state(), State::Closed); // the last of them is gone
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard releases the breaker"]
pub struct IsolateGuard<B: Deref<Target = Breaker>>(pub(crate) B);

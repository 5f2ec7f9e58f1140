//! How is a fault planted into the shipped code, to show that a test or a model finds it?

use std::{env, sync::LazyLock};

/// A fault, by its name. [`faults!`](crate::faults) declares them.
///
/// ```
/// assert!(!panelboard_seams::Fault::named("no-lease").planted());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fault(&'static str);

impl Fault {
    /// The fault of that name.
    ///
    /// ```
    /// const NO_LEASE: panelboard_seams::Fault = panelboard_seams::Fault::named("no-lease");
    /// assert!(!NO_LEASE.planted());
    /// ```
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }

    /// Whether the code here is to do wrong: a constant `false` in every build but that of the
    /// planted faults, in which `PANELBOARD_FAULT` names the one that is planted.
    ///
    /// Cost: none, it is compiled away. In the build of the faults: a comparison of two texts.
    ///
    /// ```
    /// let fault = panelboard_seams::Fault::named("trips-late");
    /// let limit = if fault.planted() { 6 } else { 5 };
    /// assert_eq!(limit, 5);
    /// ```
    #[inline]
    #[must_use]
    pub fn planted(self) -> bool {
        static NAME: LazyLock<Option<String>> = LazyLock::new(|| env::var("PANELBOARD_FAULT").ok());
        cfg!(panelboard_faults) && NAME.as_deref() == Some(self.0)
    }
}

/// Declares faults: to each constant its name, and above it what it breaks.
///
/// ```
/// panelboard_seams::faults! {
///     /// B1: a probe is let through whatever is in flight.
///     PROBES_UNLIMITED = "probes-unlimited";
///     /// B8: a probe has no lease.
///     NO_LEASE = "no-lease";
/// }
/// assert!(!PROBES_UNLIMITED.planted() && !NO_LEASE.planted());
/// ```
#[macro_export]
macro_rules! faults {
    ($($(#[$attribute:meta])* $constant:ident = $name:literal;)*) => {
        $(
            $(#[$attribute])*
            pub(crate) const $constant: $crate::Fault = $crate::Fault::named($name);
        )*
    };
}

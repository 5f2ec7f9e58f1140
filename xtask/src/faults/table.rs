//! Which test must go red for which planted fault?
//!
//! To add a fault: declare it in the core's `fault.rs`, plant it (`if fault::NAME { .. }`), write a
//! row here. A fault may have several rows, one for each test that must find it on its own.

use super::{Fault, Kind};

/// The faults of the core: name, invariant, what runs the test, the test's whole path.
pub(super) const BREAKER: &[Fault] = &[row(
    "window-keeps-old-life",
    "window",
    Kind::Unit,
    "window::tests::lives_do_not_see_each_other",
)];

const fn row(name: &'static str, invariant: &'static str, kind: Kind, test: &'static str) -> Fault {
    Fault { name, invariant, kind, test }
}

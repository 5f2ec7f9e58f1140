//! Which test must go red for which planted fault?
//!
//! To add a fault: declare it in the core's `fault.rs`, plant it (`if fault::NAME { .. }`), write a
//! row here. A fault may have several rows, one for each test that must find it on its own.

use super::{
    Fault,
    Kind::{It, Loom, Shuttle, Unit},
};

/// The faults of the core.
pub(super) const BREAKER: &[Fault] = &[];

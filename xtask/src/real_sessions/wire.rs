//! What comes of frames, ids and requests that no client should send?

use std::time::Duration;

use crate::story::Story;

use super::{Scene, pretend};

/// # Errors
/// The server does not start, or the client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let connects = if scene.extent.short { 2_000 } else { 10_000 };
    pretend::conclude(scene, ("wire", ""), &[connects], Duration::from_secs(240), story)
}

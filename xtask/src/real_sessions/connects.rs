//! What is left of tens of thousands of connections that came and went?

use std::time::Duration;

use crate::story::Story;

use super::{Scene, pretend};

/// Connects, and as many disconnects, a minute.
const A_MINUTE: u32 = 10_000;
const MINUTES: u32 = 3;

/// Sessions that nobody uses leave the memory soon: so that what is left is nobody's.
const SESSIONS: &str = "idle_after = \"2s\"";

/// # Errors
/// The server does not start, or the client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let minutes = if scene.extent.short { 1 } else { MINUTES };
    let limit = Duration::from_secs(u64::from(minutes) * 60 + 240);
    pretend::conclude(scene, ("connects", SESSIONS), &[A_MINUTE, minutes], limit, story)
}

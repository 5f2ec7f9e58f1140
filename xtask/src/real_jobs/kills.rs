//! What becomes of jobs when the server is killed at any moment? Again and again, on one store.

use std::time::Duration;

use crate::{chance::Chance, client::Client, http, kills::Mortal, story::Story};

use super::Scene;

/// So few places that most of fifty jobs wait; a grace that is over before the next kill.
const JOBS: &str = "max_running = 4\ngrace = \"500ms\"";

/// # Errors
/// The server does not come back, or a client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let address = http::local(http::free_port()?);
    let config = scene.config("kills", JOBS)?;
    let server = Mortal { program: scene.program.to_owned(), address, config, within_ms: 1_500 };
    let mut command = scene.scripts.script("jobs.py", address);
    command.arg(scene.extent.seed.to_string()).arg(scene.folder.join("kills.jsonl"));
    let mut clients = Client::start("the clients", command)?;
    let mut chance = Chance::new(scene.extent.seed);
    server.die(scene.extent.kills, &mut chance, &mut clients, story)?;
    story.say("all comes to its end, and the record is judged");
    server.conclude(clients, Duration::from_secs(300), story)
}

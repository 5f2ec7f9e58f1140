//! What is left of tens of thousands of connections that came and went?

use std::{fs, time::Duration};

use crate::{http, server, story::Story};

use super::{Scene, client::Client};

/// Connects, and as many disconnects, a minute.
const A_MINUTE: u32 = 10_000;
const MINUTES: u32 = 3;

/// # Errors
/// The server does not start, or the client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let minutes = if scene.extent.short { 1 } else { MINUTES };
    let address = http::local(http::free_port()?);
    let config = scene.folder.join("connects.toml");
    let store = scene.folder.join("connects.db");
    fs::write(&config, self::config(&store.display().to_string()))
        .map_err(|e| format!("{}: {e}", config.display()))?;
    let running = server::start(scene.program, address, &config)?;
    let mut command = scene.kit.script("connects.py", address);
    command.args([running.id().to_string(), A_MINUTE.to_string(), minutes.to_string()]);
    let limit = Duration::from_secs(u64::from(minutes) * 60 + 240);
    Client::start("the client", command)?
        .conclude(limit, story)
        .map_err(|why| format!("{why}\nthe server's last lines:\n{}", running.lines.last(15)))
}

/// Sessions that nobody uses leave the memory soon: so that what is left is nobody's.
fn config(store: &str) -> String {
    format!(
        r#"[store]
path = "{store}"

[sessions]
idle_after = "2s"

[[provider]]
name = "pretend-a"
kind = "pretend"
keys = [{{ name = "key-1" }}]

[[model]]
name = "fast"
targets = ["pretend-a/pretend-1"]
"#
    )
}

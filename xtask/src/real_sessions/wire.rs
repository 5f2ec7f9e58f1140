//! What comes of frames, ids and requests that no client should send?

use std::{fs, time::Duration};

use crate::{http, server, story::Story};

use super::{Scene, client::Client};

/// # Errors
/// The server does not start, or the client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let connects = if scene.extent.short { "2000" } else { "10000" };
    let address = http::local(http::free_port()?);
    let config = scene.folder.join("wire.toml");
    let store = scene.folder.join("wire.db");
    fs::write(&config, self::config(&store.display().to_string()))
        .map_err(|e| format!("{}: {e}", config.display()))?;
    let running = server::start(scene.program, address, &config)?;
    let mut command = scene.kit.script("wire.py", address);
    command.args([&running.id().to_string(), connects]);
    Client::start("the client", command)?
        .conclude(Duration::from_secs(240), story)
        .map_err(|why| format!("{why}\nthe server's last lines:\n{}", running.lines.last(15)))
}

fn config(store: &str) -> String {
    format!(
        r#"[store]
path = "{store}"

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

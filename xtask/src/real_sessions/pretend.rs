//! How does a part run on the pretend provider alone? With a store of its own, where what is looked
//! at is the server and not a model.

use std::{fs, path::PathBuf, time::Duration};

use crate::{client::Client, http, server, story::Story};

use super::Scene;

/// Writes the part's config, with these lines in `[sessions]`; its store stands beside it.
///
/// # Errors
/// It cannot be written.
pub(super) fn config(scene: &Scene<'_>, part: &str, sessions: &str) -> Result<PathBuf, String> {
    let file = scene.folder.join(format!("{part}.toml"));
    let store = scene.folder.join(format!("{part}.db"));
    let store = store.display();
    let config = format!(
        r#"[store]
path = "{store}"

[sessions]
{sessions}

[[provider]]
name = "pretend-a"
kind = "pretend"
keys = [{{ name = "key-1" }}]

[[model]]
name = "fast"
targets = ["pretend-a/pretend-1"]
"#
    );
    fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(file)
}

/// Starts a server and the part's client, which is told the server's process and `arguments`, and
/// tells what it concludes.
///
/// # Errors
/// The server does not start, or the client breaks.
pub(super) fn conclude(
    scene: &Scene<'_>,
    (part, sessions): (&str, &str),
    arguments: &[u32],
    limit: Duration,
    story: &mut Story,
) -> Result<(), String> {
    let address = http::local(http::free_port()?);
    let running = server::start(scene.program, address, &config(scene, part, sessions)?)?;
    let mut command = scene.kit.scripts.script(&format!("{part}.py"), address);
    command.arg(running.id().to_string()).args(arguments.iter().map(u32::to_string));
    Client::start("the client", command)?
        .conclude(limit, story)
        .map_err(|why| format!("{why}\nthe server's last lines:\n{}", running.lines.last(15)))
}

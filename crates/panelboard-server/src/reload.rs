//! How does a running server come by another configuration?
//!
//! On SIGHUP, and when the file or a secret's file has changed (looked at once a second, which sees
//! every way of replacing a file, on every file system). The file is read and checked as at the
//! start; only if it is right as a whole, all of it takes the place of what held before. Breakers
//! whose key and secret are the same keep their state. Secrets from a Vault are asked for before,
//! and waited for a few seconds.
//!
//! What the listener was made with (`listen`, `max_connections`, `max_header_bytes`,
//! `header_timeout`, `max_event_streams`) and the sections `[store]`, `[sessions]`, `[calls]`,
//! `[log]` and `[[sink]]` hold until the next start; a change is logged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock::{rfc3339, wall};
use crate::config::{self, Environment, Seen, Server};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where reloads come from.
#[derive(Clone, Debug)]
pub struct Reload {
    /// The configuration file.
    pub file: PathBuf,
    /// The address that takes the place of the file's.
    pub listen: Option<String>,
    /// Where its references lead.
    pub env: Environment,
}

/// Reloads whenever there is a reason to, until the server begins to stop: one that is under way
/// then is given up, and what it has begun is dropped.
pub(crate) async fn watch(reload: Reload, hangup: Option<Signal>, app: Arc<App>) {
    tokio::select! {
        biased;
        () = app.stop.begun.cancelled() => {}
        () = changes(&reload, hangup, &app) => {}
    }
}

async fn changes(reload: &Reload, mut hangup: Option<Signal>, app: &App) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = app.config().files.clone();
    loop {
        let told = tokio::select! {
            () = received(&mut hangup) => true,
            _ = tick.tick() => false,
        };
        let now: Vec<Seen> = seen.iter().map(Seen::again).collect();
        if !told && now == seen {
            continue;
        }
        // Another configuration may have other files; after a mistake the old ones are watched, as
        // they were just before they were read.
        seen = if once(reload, app).await { app.config().files.clone() } else { now };
    }
}

/// Waits for a hang-up, for ever where nobody listens for them.
async fn received(hangup: &mut Option<Signal>) {
    if let Some(signal) = hangup
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Reads the file; takes it over, or notes what is wrong with it. Says which.
async fn once(reload: &Reload, app: &App) -> bool {
    let done = take_over(reload, app).await;
    app.metrics.reload(done.is_ok());
    let mut reloads = app.reloads();
    match done {
        Ok(()) => {
            reloads.done += 1;
            reloads.last_error = None;
            reloads.loaded_at = rfc3339(wall());
            true
        }
        Err(error) => {
            tracing::error!(%error, "the configuration was not reloaded, the old one holds");
            reloads.last_error = Some(error);
            false
        }
    }
}

async fn take_over(reload: &Reload, app: &App) -> Result<(), String> {
    let task = {
        let reload = reload.clone();
        move || config::load_again(&reload.file, reload.listen.as_deref(), &reload.env)
    };
    let loaded = tokio::task::spawn_blocking(task).await.map_err(|error| error.to_string())?;
    let mut config = loaded.map_err(|mistakes| mistakes.to_string())?;
    app.pretend.fill(&mut config.llm).await.map_err(|error| error.to_string())?;
    // Waited for while the old configuration serves.
    let next = app.vault.next(config.vault.as_ref()).await.map_err(|error| error.to_string())?;
    let old = app.config();
    let done = app.vault.reload(&app.gateway, &mut config.llm, next);
    let done = done.map_err(|error| error.to_string())?;
    app.vault.tell();
    tell_what_waits(&old.server, &config.server);
    for (section, changed) in [
        ("store", old.store != config.store),
        ("sessions", old.sessions != config.sessions),
        ("calls", old.calls != config.calls),
        ("log, sink", old.log != config.log),
    ] {
        if changed {
            tracing::warn!(section, "a change that takes effect at the next start");
        }
    }
    app.swap(config);
    tracing::info!(
        kept = done.kept,
        added = done.added,
        changed = done.changed,
        removed = done.removed,
        "the configuration was reloaded"
    );
    Ok(())
}

fn tell_what_waits(old: &Server, new: &Server) {
    let fields = [
        ("listen", old.listen != new.listen),
        ("max_connections", old.max_connections != new.max_connections),
        ("max_header_bytes", old.max_header_bytes != new.max_header_bytes),
        ("header_timeout", old.header_timeout != new.header_timeout),
        ("max_event_streams", old.max_event_streams != new.max_event_streams),
    ];
    for (field, _) in fields.into_iter().filter(|(_, changed)| *changed) {
        tracing::warn!(field, "a change that takes effect at the next start");
    }
}

//! How does a running server come by another configuration?
//!
//! On SIGHUP, and when the file or a secret's file has changed (looked at once a second, which sees
//! every way of replacing a file, on every file system). The file is read and checked as at the
//! start; only if it is right as a whole, all of it takes the place of what held before. Breakers
//! whose key and secret are the same keep their state.
//!
//! What the listener was made with (`listen`, `max_connections`, `max_header_bytes`,
//! `header_timeout`, `max_event_streams`) holds until the next start; a change is logged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::clock::{rfc3339, wall};
use crate::config::{self, Config, Environment, Server};

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

/// What can be told of a file without reading it.
type Stamp = Vec<Option<(SystemTime, u64)>>;

/// Reloads whenever there is a reason to. Never ends.
pub(crate) async fn watch(reload: Reload, app: Arc<App>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        tracing::error!("SIGHUP cannot be listened for: no reloads");
        return;
    };
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = stamp(&app.config());
    loop {
        tokio::select! {
            received = hangup.recv() => if received.is_none() { return },
            _ = tick.tick() => if stamp(&app.config()) == seen { continue },
        }
        // Taken before reading: what changes meanwhile is seen at the next look.
        seen = stamp(&app.config());
        once(&reload, &app).await;
        if app.reloads().last_error.is_none() {
            // Another configuration may have other files.
            seen = stamp(&app.config());
        }
    }
}

/// Reads the file; takes it over, or notes what is wrong with it.
async fn once(reload: &Reload, app: &App) {
    let done = take_over(reload, app).await;
    app.metrics.reload(done.is_ok());
    let mut reloads = app.reloads();
    match done {
        Ok(()) => {
            reloads.done += 1;
            reloads.last_error = None;
            reloads.loaded_at = rfc3339(wall());
        }
        Err(error) => {
            tracing::error!(%error, "the configuration was not reloaded, the old one holds");
            reloads.last_error = Some(error);
        }
    }
}

async fn take_over(reload: &Reload, app: &App) -> Result<(), String> {
    let task = {
        let reload = reload.clone();
        move || config::load(&reload.file, reload.listen.as_deref(), &reload.env)
    };
    let loaded = tokio::task::spawn_blocking(task).await.map_err(|error| error.to_string())?;
    let mut config = loaded.map_err(|mistakes| mistakes.to_string())?;
    app.pretend.fill(&mut config.llm).await.map_err(|error| error.to_string())?;
    let done = app.gateway.reload(config.llm.clone()).map_err(|error| error.to_string())?;
    tell_what_waits(&app.config().server, &config.server);
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

/// When each file was changed and how long it is; none where it can not be told.
fn stamp(config: &Config) -> Stamp {
    let stamp = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.modified().ok()?, file.len()))
    };
    config.files.iter().map(stamp).collect()
}

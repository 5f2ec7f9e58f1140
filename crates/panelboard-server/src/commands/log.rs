//! Where does the program log: to standard error, or to the sinks of its configuration?

use tokio::sync::oneshot;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Logs;
use crate::cli::exit;
use crate::config::{Environment, Log};

/// Lines of log that wait for whoever reads standard error; more are left out.
const LOG_LINES: usize = 8_192;

/// What keeps the logs going, until it is dropped.
pub(super) enum Logging {
    /// Lines on standard error.
    Lines(#[expect(dead_code, reason = "it is kept to be dropped")] WorkerGuard),
    /// The sinks of the configuration.
    Sinks(Sinks),
}

/// Sinks, and what ends them.
pub(super) struct Sinks {
    pub(super) logs: Logs,
    guard: panelboard_tracing::Guard,
}

/// Why there can be no logs, with the exit code that it makes.
pub(super) type NoLogs = (u8, String);

impl Logging {
    /// From here on everything that is logged goes where the configuration says, or else to
    /// standard error.
    pub(super) fn start(env: &Environment, log: &Log) -> Result<Self, NoLogs> {
        let usage = |wrong: String| (exit::USAGE, format!("panelboard: {wrong}"));
        let filter = match env.get("PANELBOARD_LOG") {
            None => None,
            Some(wanted) => {
                let filter = EnvFilter::builder().parse(wanted);
                Some(filter.map_err(|error| usage(format!("PANELBOARD_LOG: {error}")))?)
            }
        };
        let json = match env.get("PANELBOARD_LOG_FORMAT") {
            Some("json") => true,
            None | Some("text") => false,
            Some(other) => {
                let wrong = format!("{other:?} is unknown, expected text or json");
                return Err(usage(format!("PANELBOARD_LOG_FORMAT: {wrong}")));
            }
        };
        let opened = Logs::open(log).map_err(|error| {
            (exit::REFUSED, format!("panelboard: cannot log: {error}, see [[sink]]"))
        })?;
        let Some((logs, layer, guard)) = opened else {
            let lines = lines(filter.unwrap_or_else(|| EnvFilter::new("info")), json);
            return lines.map(Self::Lines).map_err(usage);
        };
        // What no sink wants costs nothing.
        let widest = layer.max_level();
        let layer = layer.with_filter(widest).with_filter(filter);
        let done = tracing_subscriber::registry().with(layer).try_init();
        done.map_err(|error| usage(format!("cannot log: {error}")))?;
        if env.get("PANELBOARD_LOG_FORMAT").is_some() {
            tracing::warn!("PANELBOARD_LOG_FORMAT says nothing here: each [[sink]] has its format");
        }
        Ok(Self::Sinks(Sinks { logs, guard }))
    }

    pub(super) fn logs(&self) -> Option<Logs> {
        match self {
            Self::Lines(_) => None,
            Self::Sinks(sinks) => Some(sinks.logs.clone()),
        }
    }

    /// Lets the sinks write what they have, for as long as the server's time to stop allows. What
    /// they did not write is said on standard error.
    pub(super) async fn drain(self) -> Option<Self> {
        let Self::Sinks(sinks) = self else { return Some(self) };
        let (tell, told) = oneshot::channel();
        // A thread that nobody has to wait for: whoever is told twice to stop does not.
        let drain = move || {
            let left = sinks.logs.time_left();
            drop(sinks.guard.shutdown_within(left));
            let _ = tell.send(());
        };
        // If it can't be started, the guard is dropped with it, which drains for a second.
        let _ = std::thread::Builder::new().name("drain logs".into()).spawn(drain);
        let _ = told.await;
        None
    }
}

/// Sends lines to standard error, by a thread of their own: a reader that does not read can not
/// stop the server.
fn lines(filter: EnvFilter, json: bool) -> Result<WorkerGuard, String> {
    let (writer, guard): (NonBlocking, WorkerGuard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let done = match json {
        true => lines.json().flatten_event(true).try_init(),
        false => lines.with_ansi(false).try_init(),
    };
    done.map(|()| guard).map_err(|error| format!("cannot log: {error}"))
}

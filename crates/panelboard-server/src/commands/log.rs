//! Where does the program log? To the sinks of its configuration, or to one that is standard error.

use panelboard_tracing::{Format, Guard};
use tokio::sync::oneshot;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::FilterExt;
use tracing_subscriber::layer::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Logs;
use crate::cli::exit;
use crate::config::{Environment, Log};

/// The sinks, and what ends them when it is dropped.
pub(super) struct Logging {
    logs: Logs,
    guard: Guard,
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
        let format = match env.get("PANELBOARD_LOG_FORMAT") {
            Some("json") => Format::Json,
            None | Some("text") => Format::Compact,
            Some(other) => {
                let wrong = format!("{other:?} is unknown, expected text or json");
                return Err(usage(format!("PANELBOARD_LOG_FORMAT: {wrong}")));
            }
        };
        let opened = match log.sinks[..] {
            [] => {
                // The filter says it, if there is one.
                let level = if filter.is_some() { Level::TRACE } else { Level::INFO };
                Logs::open(&log.to_standard_error(format, level))
            }
            _ => Logs::open(log),
        };
        let (logs, layer, guard) = opened.map_err(|error| {
            (exit::REFUSED, format!("panelboard: cannot log: {error}, see [[sink]]"))
        })?;
        // One filter and not two: only so is what no sink wants switched off where it is said.
        let widest = layer.max_level();
        let filter = match filter {
            Some(filter) => filter.and(widest).boxed(),
            None => FilterExt::boxed(widest),
        };
        let done = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
        done.map_err(|error| usage(format!("cannot log: {error}")))?;
        if !log.sinks.is_empty() && env.get("PANELBOARD_LOG_FORMAT").is_some() {
            tracing::warn!("PANELBOARD_LOG_FORMAT says nothing here: each [[sink]] has its format");
        }
        Ok(Self { logs, guard })
    }

    pub(super) fn logs(&self) -> Logs {
        self.logs.clone()
    }

    /// Lets the sinks write what they have, for as long as the server's time to stop allows. What
    /// they did not write is said on standard error.
    pub(super) async fn drain(self) {
        let (tell, told) = oneshot::channel();
        // A thread that nobody has to wait for: whoever is told twice to stop does not.
        let drain = move || {
            let left = self.logs.time_left();
            drop(self.guard.shutdown_within(left));
            let _ = tell.send(());
        };
        // If it can't be started, the guard is dropped with it, which drains for a second.
        let _ = std::thread::Builder::new().name("drain logs".into()).spawn(drain);
        let _ = told.await;
    }
}

//! What do all requests share?

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use panelboard::{Handle, IsolateGuard};
use panelboard_llm::Gateway;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::clock::Calendar;
use crate::config::Config;
use crate::events::Events;
use crate::jobs::Work;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::pretend::Pretenders;
use crate::sessions::Service;
use crate::vault::Secrets;

/// The server's state, one for the process.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gateway: Gateway,
    pub(crate) events: Events,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) calendar: Calendar,
    /// Where it listens, with the port that it got.
    pub(crate) listen: SocketAddr,
    pub(crate) pretend: Pretenders,
    /// Isolations made over HTTP, at most one for each breaker. Held for one map operation; guards
    /// are dropped outside.
    pub(crate) isolated: Mutex<HashMap<Arc<str>, IsolateGuard<Handle>>>,
    pub(crate) stop: Stop,
    pub(crate) service: Arc<Service>,
    pub(crate) work: Arc<Work>,
    /// Where keys' secrets come from that are in a Vault.
    pub(crate) vault: Arc<Secrets>,
    /// The sinks of the program's own logs, if there are any.
    pub(crate) logs: Option<Logs>,
    /// Sockets that are open, to wait for at the end.
    pub(crate) sockets: TaskTracker,
    config: Arc<Holds>,
    /// What came of reloads. Held for one field operation.
    reloads: Mutex<Reloads>,
}

/// The configuration that holds, swapped whole. Held to clone or to replace the `Arc`.
#[derive(Debug)]
pub(crate) struct Holds(RwLock<Arc<Config>>);

impl Holds {
    pub(crate) fn new(config: Config) -> Self {
        Self(RwLock::new(Arc::new(config)))
    }

    /// The one that holds now.
    pub(crate) fn now(&self) -> Arc<Config> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The two steps of a stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// No new connections, no new calls; event streams end.
    pub(crate) begun: CancellationToken,
    /// The same, for who asks often: raised before `begun` wakes anybody.
    begins: Arc<AtomicBool>,
    /// The budget is over: what still runs is told so and ends.
    pub(crate) over: CancellationToken,
}

impl Stop {
    pub(crate) fn begin(&self) {
        // Release: with the Acquire in `has_begun`. Whoever is woken by `begun` sees it by that.
        self.begins.store(true, Ordering::Release);
        self.begun.cancel();
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begins.load(Ordering::Acquire)
    }
}

/// What came of reloads.
#[derive(Clone, Debug)]
pub(crate) struct Reloads {
    /// How many were taken over.
    pub(crate) done: u64,
    /// What was wrong with the last one, if it was not taken over.
    pub(crate) last_error: Option<String>,
    /// When the configuration that holds was loaded.
    pub(crate) loaded_at: String,
}

impl App {
    pub(crate) fn new(
        gateway: Gateway,
        metrics: Arc<Metrics>,
        calls: Arc<Calls>,
        pretend: Pretenders,
        (service, work, vault, logs): (Arc<Service>, Arc<Work>, Arc<Secrets>, Option<Logs>),
        config: Arc<Holds>,
        listen: SocketAddr,
    ) -> Self {
        let calendar = Calendar::new(gateway.panel().clock().clone());
        let streams = config.now().server.max_event_streams;
        let events = Events::new(gateway.panel().clone(), calendar.clone(), streams);
        metrics.stirs(events.stir());
        metrics.of_sessions(Arc::clone(&service));
        metrics.of_calls(Arc::clone(&calls));
        metrics.of_vault(Arc::clone(&vault));
        logs.iter().for_each(|logs| metrics.of_sinks(logs.clone()));
        let loaded_at = calendar.started();
        Self {
            gateway,
            events,
            metrics,
            calls,
            calendar,
            listen,
            pretend,
            isolated: Mutex::default(),
            stop: Stop::default(),
            service,
            work,
            vault,
            logs,
            sockets: TaskTracker::new(),
            config,
            reloads: Mutex::new(Reloads { done: 0, last_error: None, loaded_at }),
        }
    }

    /// The configuration that holds now.
    pub(crate) fn config(&self) -> Arc<Config> {
        self.config.now()
    }

    /// Makes `config` the one that holds.
    pub(crate) fn swap(&self, config: Config) {
        let config = Arc::new(config);
        *self.config.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(crate) fn reloads(&self) -> MutexGuard<'_, Reloads> {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

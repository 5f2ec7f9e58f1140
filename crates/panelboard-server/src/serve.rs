//! How does the server start, run and stop?

pub(crate) mod pace;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use panelboard::Clock;
use panelboard_llm::{Gateway, SettingsError};
use panelboard_store::OpenError;
use panelboard_tasks::NoJobs;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::Signal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use self::pace::Paced;
use crate::app::{App, Holds};
use crate::calls::{Calls, Told};
use crate::config::{Config, Server};
use crate::jobs::journal::StoredJobs;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::pretend::Pretenders;
use crate::reload::Reload;
use crate::sessions::Service;
use crate::sessions::service::Counts;
use crate::sessions::start::Started;
pub use crate::vault::NoVault;
use crate::vault::{self, Secrets};
use crate::{jobs, reload, routes, sessions};

/// What a server can be given beside its configuration.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The clock of all breakers. Default: the system's.
    pub clock: Option<Clock>,
    /// Where reloads come from. Default: there are none.
    pub reload: Option<Reload>,
    /// A signal that asks for a reload. Default: only a change of the file does.
    pub hangup: Option<Signal>,
    /// The sinks that the process logs to, to be shown and worked by hand. Default: none are.
    pub logs: Option<Logs>,
}

/// Why a server did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The pretend providers found no port.
    Pretend(io::Error),
    /// The engine refused the settings.
    Settings(SettingsError),
    /// The listener is broken.
    Listener(io::Error),
    /// The store of sessions can not be opened.
    Store(OpenError),
    /// There can be no client of the Vault.
    Vault(NoVault),
    /// The jobs of an earlier life of the process can not be taken up.
    Jobs(NoJobs),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pretend(error) => write!(f, "the pretend providers cannot start: {error}"),
            Self::Settings(error) => write!(f, "the engine refused the settings: {error}"),
            Self::Listener(error) => write!(f, "the listener is broken: {error}"),
            Self::Vault(error) => error.fmt(f),
            Self::Jobs(error) => write!(f, "the jobs can not be taken up: {error}"),
            Self::Store(error) => {
                write!(f, "the store of sessions can not be opened: {error}, see store.path")
            }
        }
    }
}

impl std::error::Error for ServeError {}

/// How long those who were told to end have to do so.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How long to wait after the system refused a connection, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves on `listener` until `shutdown`, then stops within `server.stop_within` and a second.
///
/// The stop has two steps. First no new connection and no new call is taken, streams of events end
/// and idle connections are closed, while calls in flight go on. When `stop_within` is over,
/// streams are told by an error event and whole calls by a 503, and what is left is dropped.
///
/// Dropping the future stops everything at once.
///
/// # Errors
///
/// If it can not start. Nothing that happens later ends it.
pub async fn run(
    listener: TcpListener,
    mut config: Config,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let listen = listener.local_addr().map_err(ServeError::Listener)?;
    let pretend = Pretenders::default();
    pretend.fill(&mut config.llm).await.map_err(ServeError::Pretend)?;
    let vault = Arc::new(Secrets::default());
    let secrets = vault.next(config.vault.as_ref()).await.map_err(ServeError::Vault)?;
    if let Some(secrets) = &secrets {
        secrets.fill(&mut config.llm);
    }
    drop(vault.replace(secrets));
    vault.tell();
    let metrics = Arc::new(Metrics::new());
    let calls = Arc::new(Calls::new(&config));
    let gateway = Gateway::builder(config.llm.clone())
        .clock(options.clock.unwrap_or_else(Clock::system))
        .observer(Arc::new(Told {
            metrics: Arc::clone(&metrics),
            calls: Arc::clone(&calls),
            vault: Arc::clone(&vault),
        }))
        .build()
        .map_err(ServeError::Settings)?;
    let server = config.server.clone();
    let started = sessions::start::start(&config, &gateway).await.map_err(ServeError::Store)?;
    let service = Arc::clone(&started.service);
    calls.start().await;
    let of_calls = Arc::clone(&calls);
    // Aborted when this future ends or is dropped.
    let mut tasks = tokio::task::JoinSet::new();
    let journal = StoredJobs::new(service.keeper.store.clone());
    tasks.spawn(Arc::clone(&journal).pump());
    let kept = (service.keeper.store.term(), journal);
    let config = Arc::new(Holds::new(config));
    let work = jobs::start::start(&config, kept, &calls).await;
    let work = Arc::new(work.map_err(ServeError::Jobs)?);
    let of_jobs = Arc::clone(&work);
    let all = (service, work, vault, options.logs);
    let app = Arc::new(App::new(gateway, metrics, calls, pretend, all, config, listen));

    tasks.spawn({
        let app = Arc::clone(&app);
        async move { app.events.pump(&app.metrics, app.stop.over.clone()).await }
    });
    for work in [Work::Pump, Work::Tidy, Work::Recover] {
        let service = Arc::clone(&started.service);
        tasks.spawn(async move { work.run(&service).await });
    }
    tasks.spawn(Arc::clone(&of_calls).watch(app.stop.over.clone()));
    tasks.spawn(vault::take_over::rotations(Arc::clone(&app)));
    if let Some(reload) = options.reload {
        tasks.spawn(reload::watch(reload, options.hangup, Arc::clone(&app)));
    }
    tasks.spawn(async move { of_jobs.tidy().await });
    serve(listener, &app, &server, &started, shutdown).await;
    app.stop.over.cancel();
    started.end().await;
    of_calls.end().await;
    tracing::info!("stopped");
    Ok(())
}

/// What is done for the sessions all the time.
#[derive(Clone, Copy)]
enum Work {
    Pump,
    Tidy,
    Recover,
}

impl Work {
    async fn run(self, service: &Service) {
        match self {
            Self::Pump => service.keeper.pump().await,
            Self::Tidy => service.tidy().await,
            Self::Recover => service.recover().await,
        }
    }
}

async fn serve(
    listener: TcpListener,
    app: &Arc<App>,
    server: &Server,
    started: &Started,
    shutdown: impl Future<Output = ()>,
) {
    let connections = TaskTracker::new();
    let open =
        Open { router: routes::router(Arc::clone(app)), http: http(server), app: Arc::clone(app) };
    tokio::select! {
        () = accept(listener, server.max_connections, &open, &connections) => {}
        () = shutdown => {}
    }
    let budget = app.config().server.stop_within;
    tracing::info!(budget_ms = crate::clock::ms(budget), "stopping");
    app.logs.iter().for_each(|logs| logs.stop_within(budget));
    app.stop.begin();
    drop(open);
    let ended = async {
        connections.close();
        app.sockets.close();
        // Runs may be waited for over connections, and write to the store until they end.
        tokio::join!(
            connections.wait(),
            app.sockets.wait(),
            started.drain(budget),
            app.work.drain(budget),
            app.vault.end(budget),
        );
    };
    tokio::pin!(ended);
    if tokio::time::timeout(budget, &mut ended).await.is_ok() {
        return;
    }
    app.stop.over.cancel();
    if tokio::time::timeout(LAST_WORDS, ended).await.is_err() {
        tracing::warn!("connections were dropped that did not end in time");
    }
}

/// What every connection needs.
struct Open {
    router: Router,
    http: http1::Builder,
    app: Arc<App>,
}

fn http(server: &Server) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(server.header_timeout)
        .max_buf_size(server.max_header_bytes);
    http
}

/// Accepts for ever. At the limit of connections it stops accepting until one ends.
async fn accept(listener: TcpListener, limit: usize, open: &Open, connections: &TaskTracker) {
    let places = Arc::new(Semaphore::new(limit));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => open.spawn(stream, place, connections),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Open {
    fn spawn(&self, stream: TcpStream, place: OwnedSemaphorePermit, all: &TaskTracker) {
        // Without it small chunks of a stream wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let stream = Paced::new(stream, self.app.service.settings.write_timeout);
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let connection = connection.with_upgrades();
        let app = Arc::clone(&self.app);
        all.spawn(async move {
            app.metrics.connections().inc();
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = app.stop.begun.cancelled() => {
                    // What is being answered is; nothing more is taken.
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                if pace::is_not_read(&error) {
                    Counts::add(&app.service.counts.slow);
                }
                tracing::debug!(%error, "a connection broke");
            }
            app.metrics.connections().dec();
            drop(place);
        });
    }
}

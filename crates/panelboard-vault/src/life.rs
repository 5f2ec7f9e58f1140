//! What belongs to one life of a client, from opening to shutdown? All of it is made anew when the
//! client is opened again, so nothing of a former life can reach a later one.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, Semaphore, broadcast, watch},
    task::JoinSet,
};

use crate::{
    cache::Cache,
    config::{Auth, Config, Settings},
    correlation::CorrelationId,
    fault,
    gate::{Event, Gate},
    pool::Pool,
    stop::{Ended, Stage, Stop},
    sync::Locked,
    token::TokenState,
    transport::Transport,
    watch::WATCHES,
};

/// One life.
pub(crate) struct Life {
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    pub(crate) gate: Gate,
    pub(crate) pool: Pool,
    pub(crate) stop: Arc<Stop>,
    pub(crate) token: Locked<TokenState>,
    /// Raised whenever the token's state has changed.
    pub(crate) token_news: watch::Sender<u64>,
    pub(crate) cache: Locked<Cache>,
    /// Raised when something is in the cache that ends before all else there.
    pub(crate) cache_news: Arc<Notify>,
    /// Room for watches; each has its place from when it is asked for until its task has ended.
    pub(crate) watches: Arc<Semaphore>,
    /// How many watches may ask at once. Who waits here holds no place of the pool.
    pub(crate) looks: Semaphore,
    /// Raised when a breaker was closed by hand: what failed because of it may go well now.
    pub(crate) resets: watch::Sender<u64>,
    /// The tasks of this life; none once it ends.
    tasks: Locked<Option<JoinSet<()>>>,
    /// Held once by the life, and by each task until it is gone, wherever the set is.
    alive: Arc<()>,
    /// Where they run, whoever begins them.
    runtime: Handle,
}

/// How long cancelled operations have to be polled once more.
const GRACE: Duration = Duration::from_secs(1);

impl Life {
    /// None: what the settings say can't be made, although each is in its range.
    pub(crate) fn new(
        config: &Config,
        events: broadcast::Sender<Event>,
        runtime: Handle,
    ) -> Option<Arc<Self>> {
        let settings = &config.0;
        let given = match &settings.auth {
            Auth::Token(token) => Some(Arc::clone(token)),
            Auth::AppRole { .. } => None,
        };
        let Settings { cache_entries, cache_ttl, stale_for, .. } = **settings;
        Some(Arc::new(Self {
            transport: Transport::new(settings)?,
            gate: Gate::new(settings, events)?,
            pool: Pool::new(settings.max_concurrent, settings.max_queued()),
            stop: Stop::new(),
            token: Locked::new(TokenState::new(given, settings.renew_after)),
            token_news: watch::Sender::new(0),
            cache: Locked::new(Cache::new(cache_entries, cache_ttl, stale_for)),
            cache_news: Arc::default(),
            watches: Arc::new(Semaphore::new(WATCHES)),
            looks: Semaphore::new(settings.max_looks()),
            resets: watch::Sender::new(0),
            tasks: Locked::new(Some(JoinSet::new())),
            alive: Arc::default(),
            runtime,
            config: config.clone(),
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.config.0
    }

    pub(crate) fn now(&self) -> Duration {
        self.settings().time.now()
    }

    pub(crate) async fn sleep_until(&self, at: Duration) {
        self.settings().time.sleep_until(at).await;
    }

    /// Runs a task that ends with this life. False: it has ended, and the task was dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let alive = Arc::clone(&self.alive);
        let task = async move {
            let _alive = alive;
            task.await;
        };
        self.tasks.with(|tasks| {
            let Some(tasks) = tasks else { return false };
            // Those that have ended make room.
            while tasks.try_join_next().is_some() {}
            tasks.spawn_on(task, &self.runtime);
            true
        })
    }

    /// Tasks that there are, also if nobody holds them any more.
    pub(crate) fn tasks(&self) -> usize {
        Arc::strong_count(&self.alive) - 1
    }

    /// Ends this life; whoever asks first, and all get the same answer.
    pub(crate) async fn shut_down(self: Arc<Self>, limit: Duration) -> Ended {
        if self.stop.begin(self.now().saturating_add(limit)) {
            // A task of its own: who asked may give up waiting, and the end must come all the same.
            // On the runtime of who waits, if there is one: ours may be gone.
            let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
            drop(runtime.spawn(Arc::clone(&self).end()));
        }
        self.stop.reached(Stage::Stopped).await;
        self.stop.ended()
    }

    async fn end(self: Arc<Self>) {
        loop {
            let limit = self.stop.limit();
            tokio::select! {
                biased;
                () = self.stop.empty_or_sooner(limit) => if self.stop.inside() == 0 { break },
                () = self.sleep_until(limit) => break,
            }
        }
        self.stop.cancel();
        let grace = self.now() + GRACE;
        tokio::select! {
            biased;
            () = self.stop.empty() => {}
            () = self.sleep_until(grace) => {}
        }
        if !fault::SHUTDOWN_LEAVES_TASK.planted()
            && let Some(mut tasks) = self.tasks.with(Option::take)
        {
            tasks.shutdown().await;
        }
        self.forget();
        self.stop.over();
    }

    fn forget(&self) {
        self.token.with(TokenState::forget);
        self.cache.with(Cache::clear);
        self.gate.end(CorrelationId::new());
        self.transport.close();
    }

    /// Nobody can ask for anything any more: the client was dropped.
    pub(crate) fn abandon(&self) {
        self.stop.begin(Duration::ZERO);
        // Dropping the set aborts its tasks.
        drop(self.tasks.with(Option::take));
        self.forget();
        self.stop.cancel();
        self.stop.over();
    }

    /// For tasks: they don't keep alive what ends them.
    pub(crate) fn weak(self: &Arc<Self>) -> Weak<Self> {
        Arc::downgrade(self)
    }
}

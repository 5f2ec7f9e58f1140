//! The gateway: takes a client's call, finds a key that serves it, and answers.
//!
//! A cheap handle over one shared state. It owns the panel: a breaker for each provider, named
//! `provider`, and one for each of its keys, named `provider/key`.

mod admit;
mod refuse;
mod walk;

use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use panelboard::{Clock, Panel};
use tokio::sync::Notify;

use self::walk::Walk;
use crate::{
    answer::Answer,
    budget::Budget,
    calls::{CallInFlight, Register},
    key::KeyFigures,
    observe::{Nobody, Observer},
    request::{Ask, CallRequest, Endpoint},
    routing::{self, Reloaded, Routing},
    settings::{Settings, SettingsError},
    transport::Tls,
};

/// A gateway to LLM providers. Cloning gives another handle of the same one.
///
/// Calls need a tokio runtime with time and I/O. Dropping the last handle ends no call.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
}

struct Shared {
    panel: Panel<Arc<str>>,
    clock: Clock,
    /// The table of the current settings. Held to clone or to swap an `Arc`.
    routing: RwLock<Arc<Routing>>,
    /// Held for a whole reload: one at a time.
    reload: Mutex<()>,
    tls: OnceLock<Tls>,
    budget: Budget,
    register: Arc<Register>,
    /// Wakes calls that wait for a key, whenever a breaker changes.
    changed: Arc<Notify>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("panel", &self.panel).finish_non_exhaustive()
    }
}

/// Collects what a [`Gateway`] is made of.
pub struct GatewayBuilder {
    settings: Settings,
    clock: Clock,
    observer: Arc<dyn Observer>,
    events_capacity: usize,
}

impl fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl GatewayBuilder {
    /// The clock of breakers, cooling times, averages and the budget. Default: the machine's.
    /// Time-outs of calls run on tokio's clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Who is told of attempts and calls. Default: nobody.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// How many transitions the panel keeps for slow subscribers. Default 1,024; older ones are
    /// counted as missed.
    #[must_use]
    pub fn events_capacity(mut self, n: usize) -> Self {
        self.events_capacity = n;
        self
    }

    /// Makes the gateway.
    ///
    /// # Errors
    /// What [`Settings::check`] finds.
    pub fn build(self) -> Result<Gateway, SettingsError> {
        let changed = Arc::new(Notify::new());
        let (wake, observer) = (Arc::clone(&changed), Arc::clone(&self.observer));
        let panel = Panel::builder()
            .defaults(self.settings.breaker.clone())
            .clock(self.clock.clone())
            .events_capacity(self.events_capacity)
            .on_transition(move |event| {
                wake.notify_waiters();
                observer.transition(event);
            })
            .build();
        let empty = Routing::empty(Arc::new(Settings::new(self.settings.breaker.clone())));
        let gateway = Gateway {
            shared: Arc::new(Shared {
                panel,
                clock: self.clock,
                routing: RwLock::new(Arc::new(empty)),
                reload: Mutex::new(()),
                tls: OnceLock::new(),
                budget: Budget::default(),
                register: Register::new(self.observer),
                changed,
            }),
        };
        gateway.reload(self.settings)?;
        Ok(gateway)
    }
}

impl Gateway {
    /// Starts to make a gateway.
    #[must_use]
    pub fn builder(settings: Settings) -> GatewayBuilder {
        GatewayBuilder {
            settings,
            clock: Clock::system(),
            observer: Arc::new(Nobody),
            events_capacity: 1024,
        }
    }

    /// Serves a call. There is always an answer; errors have OpenAI's shape.
    ///
    /// Dropping the future, or the stream of its answer, cancels the call at the provider at once
    /// and holds it against nobody.
    pub fn call(
        &self,
        endpoint: Endpoint,
        request: CallRequest,
    ) -> impl Future<Output = Answer> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move { shared.call(endpoint, request).await }
    }

    /// Goes over to other settings, as a whole or not at all.
    ///
    /// Calls under way end with the settings they began with. A breaker whose name and secret are
    /// the same keeps its state; one whose secret changed starts closed, as does that of a provider
    /// whose address changed; what is no longer named is gone.
    ///
    /// # Errors
    /// What [`Settings::check`] finds. Nothing has changed then.
    pub fn reload(&self, settings: Settings) -> Result<Reloaded, SettingsError> {
        let shared = &self.shared;
        let _one_at_a_time = shared.reload.lock().unwrap_or_else(PoisonError::into_inner);
        let old = shared.routing();
        let tls = || shared.tls.get_or_init(Tls::of_the_machine).clone();
        let (new, mut reloaded) = routing::follow(&old, settings, &shared.panel, tls)?;
        let new = Arc::new(new);
        *shared.routing.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        reloaded.removed = routing::retire(&old, &new, &shared.panel);
        shared.changed.notify_waiters();
        Ok(reloaded)
    }

    /// The breakers: `provider` and `provider/key`.
    #[must_use]
    pub fn panel(&self) -> &Panel<Arc<str>> {
        &self.shared.panel
    }

    /// The current settings.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.shared.routing().settings)
    }

    /// The names that clients may ask for, in the settings' order.
    #[must_use]
    pub fn models(&self) -> Vec<String> {
        self.shared.routing().settings.models.iter().map(|model| model.name.clone()).collect()
    }

    /// For each model: would any key admit a call now?
    #[must_use]
    pub fn ready(&self) -> Vec<(String, bool)> {
        let routing = self.shared.routing();
        let now = self.shared.clock.now();
        let ready = |model: &str| {
            routing.routes(model).unwrap_or(&[]).iter().any(|route| route.would_admit(now))
        };
        routing
            .settings
            .models
            .iter()
            .map(|model| (model.name.clone(), ready(&model.name)))
            .collect()
    }

    /// What is known of each provider and each of its keys, in the settings' order.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyFigures> {
        self.shared
            .routing()
            .providers
            .iter()
            .flat_map(|provider| provider.figures().collect::<Vec<_>>())
            .collect()
    }

    /// The same for one breaker's name.
    #[must_use]
    pub fn figures(&self, breaker: &str) -> Option<KeyFigures> {
        let name = breaker.split('/').next()?;
        let routing = self.shared.routing();
        let provider = routing.providers.iter().find(|provider| &*provider.name == name)?;
        provider.figures().find(|figures| &*figures.breaker == breaker)
    }

    /// The calls under way, the oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallInFlight> {
        self.shared.register.list()
    }

    /// How many calls could be sent again now, after failures of servers.
    #[must_use]
    pub fn retry_budget_remaining(&self) -> f64 {
        let limits = self.shared.routing().settings.limits;
        self.shared.budget.remaining(&limits, self.shared.clock.now())
    }
}

impl Shared {
    fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn call(self: Arc<Self>, endpoint: Endpoint, request: CallRequest) -> Answer {
        let routing = self.routing();
        let id = request_id(request.request_id);
        self.budget.call(self.clock.now());
        let ask = match Ask::read(request.body, endpoint, &routing.settings.limits) {
            Ok(ask) => ask,
            Err(refusal) => {
                let call = self.register.enter(id, endpoint, String::new(), false);
                return refuse::request(call, &refusal);
            }
        };
        let call = self.register.enter(id, endpoint, ask.model.clone(), ask.stream);
        if routing.routes(&ask.model).is_none() {
            return refuse::request(call, &refuse::no_such_model(&ask.model));
        }
        let total = routing.settings.timeouts.total;
        let time = request.deadline.map_or(total, |deadline| deadline.min(total));
        Walk::new(&self, &routing, &ask, endpoint, call, time).run().await
    }
}

/// The longest name of a call that is taken over.
const ID_CHARS_MAX: usize = 200;

/// The client's name for a call, or a new one where that is not fit for a header and a log line.
fn request_id(id: String) -> String {
    let fits = (1..=ID_CHARS_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    if fits { id } else { format!("req-{:016x}", fastrand::u64(..)) }
}

/// The shorter of two times, where none means for ever.
fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

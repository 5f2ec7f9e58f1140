//! What is counted, under which names?
//!
//! Calls go under the names that OpenTelemetry gives generative AI (`gen_ai_client_...`), everything
//! else begins with `panelboard_`. What the panel and the engine know by themselves is read when
//! somebody asks for it; only what passes is counted here.
//!
//! Labels take values from the configuration and from closed sets alone, never from a request: the
//! number of series is bounded by the configuration.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use panelboard::{State, Transition};
use panelboard_llm::{AttemptEnded, CallEnded, Endpoint, Gateway, Observer, Outcome};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use std::sync::atomic::AtomicU64;
use tokio::sync::Notify;
use utoipa::ToSchema;

/// The content type of what [`Metrics::text`] returns.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Held while somebody reads the metrics: gauges are set from the panel and then written.
    registry: Mutex<Registry>,
    calls: Calls,
    passed: Passed,
    gauges: Gauges,
    /// Wakes the pump of events.
    stir: Mutex<Option<Arc<Notify>>>,
}

#[derive(Debug)]
struct Calls {
    duration: Family<CallLabels, Histogram>,
    first_chunk: Family<CallLabels, Histogram>,
    tokens: Family<TokenLabels, Histogram>,
    overhead: Histogram,
}

#[derive(Debug, Default)]
struct Passed {
    outcomes: Family<OutcomeLabel, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    transitions: Family<TransitionLabels, Counter>,
    failed_over: Counter,
    aborts: Counter,
    cuts: Counter,
    missed: Counter,
    reloads: Family<ResultLabel, Counter>,
}

#[derive(Debug, Default)]
struct Gauges {
    state: Family<KeyLabels, Gauge>,
    in_flight: Family<KeyLabels, Gauge>,
    budget: Gauge<f64, AtomicU64>,
    calls: Gauge,
    memory: Gauge,
    connections: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    error_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_operation_name: &'static str,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AttemptLabels {
    provider: String,
    key: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TransitionLabels {
    from: &'static str,
    to: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KeyLabels {
    provider: String,
    /// Empty for the breaker above the provider's keys.
    key: String,
}

/// How calls ended since the start, for `/status`.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Totals {
    calls: u64,
    succeeded: u64,
    failed: u64,
    /// Succeeded, but not at the first key.
    failed_over: u64,
    client_aborts: u64,
    streams_cut: u64,
}

/// The buckets that OpenTelemetry advises for the duration of operations, in seconds.
const DURATIONS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// As above, for the first chunk.
const FIRST_CHUNKS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// As above, for tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];
/// What the gateway itself takes is well below a millisecond.
const OVERHEADS: [f64; 12] =
    [0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0];

impl Metrics {
    pub(crate) fn new() -> Self {
        let calls = Calls {
            duration: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            first_chunk: Family::new_with_constructor(|| Histogram::new(FIRST_CHUNKS)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            overhead: Histogram::new(OVERHEADS),
        };
        let (passed, gauges) = (Passed::default(), Gauges::default());
        let mut registry = Registry::default();
        calls.register(&mut registry);
        passed.register(&mut registry);
        gauges.register(&mut registry);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("panelboard_build", "The version of the program", version);
        Self { registry: Mutex::new(registry), calls, passed, gauges, stir: Mutex::default() }
    }

    /// From now on the end of an attempt wakes the pump of events.
    pub(crate) fn stirs(&self, pump: Arc<Notify>) {
        *self.stir.lock().unwrap_or_else(PoisonError::into_inner) = Some(pump);
    }

    pub(crate) fn transition(&self, transition: &Transition) {
        let labels = TransitionLabels {
            from: transition.from.as_str(),
            to: transition.to.as_str(),
            reason: transition.cause.as_str(),
        };
        self.passed.transitions.get_or_create(&labels).inc();
    }

    pub(crate) fn missed(&self, events: u64) {
        self.passed.missed.inc_by(events);
    }

    pub(crate) fn reload(&self, done: bool) {
        let result = if done { "ok" } else { "error" };
        self.passed.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// How many connections there are.
    pub(crate) fn connections(&self) -> &Gauge {
        &self.gauges.connections
    }

    pub(crate) fn totals(&self) -> Totals {
        let of = |outcome: Outcome| {
            let label = OutcomeLabel { outcome: outcome.as_str() };
            self.passed.outcomes.get(&label).map_or(0, |counter| counter.get())
        };
        let all = [
            Outcome::Succeeded,
            Outcome::RequestFault,
            Outcome::Failed,
            Outcome::ClientGone,
            Outcome::Cut,
        ];
        Totals {
            calls: all.into_iter().map(of).sum(),
            succeeded: of(Outcome::Succeeded),
            failed: of(Outcome::Failed),
            failed_over: self.passed.failed_over.get(),
            client_aborts: of(Outcome::ClientGone),
            streams_cut: of(Outcome::Cut),
        }
    }

    /// All of it as text, with the panel as it is now.
    pub(crate) fn text(&self, gateway: &Gateway) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.read(gateway);
        let mut text = String::new();
        // Writing to a String fails only if a metric does, and ours do not.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

impl Calls {
    fn register(&self, registry: &mut Registry) {
        let seconds = || Unit::Seconds;
        registry.register_with_unit(
            "gen_ai_client_operation_duration",
            "Whole calls, from the request's head to the end of the answer",
            seconds(),
            self.duration.clone(),
        );
        registry.register_with_unit(
            "gen_ai_client_operation_time_to_first_chunk",
            "Streams, from the request's head to the first chunk of the answer",
            seconds(),
            self.first_chunk.clone(),
        );
        registry.register(
            "gen_ai_client_token_usage",
            "Tokens of a call, as the provider counted them",
            self.tokens.clone(),
        );
        registry.register_with_unit(
            "panelboard_gateway_overhead",
            "Time of a call that was not spent waiting for a provider",
            seconds(),
            self.overhead.clone(),
        );
    }
}

impl Passed {
    fn register(&self, registry: &mut Registry) {
        registry.register("panelboard_calls", "Calls by how they ended", self.outcomes.clone());
        registry.register(
            "panelboard_upstream_attempts",
            "Attempts at providers by how they ended",
            self.attempts.clone(),
        );
        registry.register(
            "panelboard_breaker_transitions",
            "Transitions of breakers",
            self.transitions.clone(),
        );
        registry.register(
            "panelboard_failed_over",
            "Calls that succeeded, but not at the first key",
            self.failed_over.clone(),
        );
        registry.register(
            "panelboard_client_aborts",
            "Calls whose client left before the end",
            self.aborts.clone(),
        );
        registry.register(
            "panelboard_streams_cut",
            "Streams that ended with an error after their first output",
            self.cuts.clone(),
        );
        registry.register(
            "panelboard_events_missed",
            "Transitions that were not counted because too many came at once",
            self.missed.clone(),
        );
        registry.register(
            "panelboard_config_reloads",
            "Reloads of the configuration",
            self.reloads.clone(),
        );
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "panelboard_breaker_state",
            "0 closed, 1 open, 2 half-open, 3 forced-open, 4 disabled, 5 metrics-only; an empty \
             key is the breaker above the provider's keys",
            self.state.clone(),
        );
        registry.register(
            "panelboard_key_calls_in_flight",
            "Calls in flight by key",
            self.in_flight.clone(),
        );
        registry.register(
            "panelboard_retry_budget_remaining",
            "Re-sends that the budget still allows",
            self.budget.clone(),
        );
        registry.register("panelboard_calls_in_flight", "Calls in flight", self.calls.clone());
        registry.register_with_unit(
            "panelboard_resident_memory",
            "Resident memory of the process",
            Unit::Bytes,
            self.memory.clone(),
        );
        registry.register(
            "panelboard_connections",
            "Connections of clients",
            self.connections.clone(),
        );
    }

    /// Sets the gauges to what is so now. Keys that are gone disappear.
    fn read(&self, gateway: &Gateway) {
        self.state.clear();
        self.in_flight.clear();
        for figures in gateway.keys() {
            let labels = KeyLabels {
                provider: figures.provider.to_string(),
                key: figures.key.as_deref().unwrap_or_default().to_owned(),
            };
            if let Some(breaker) = gateway.panel().get(&*figures.breaker) {
                self.state.get_or_create(&labels).set(number(breaker.state()));
            }
            let in_flight = i64::try_from(figures.in_flight).unwrap_or(i64::MAX);
            self.in_flight.get_or_create(&labels).set(in_flight);
        }
        self.budget.set(gateway.retry_budget_remaining());
        self.calls.set(i64::try_from(gateway.calls().len()).unwrap_or(i64::MAX));
        if let Some(bytes) = resident_memory() {
            self.memory.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }
}

/// What [`Gauges::state`] says for each state.
fn number(state: State) -> i64 {
    match state {
        State::Closed => 0,
        State::Open => 1,
        State::HalfOpen => 2,
        State::ForcedOpen => 3,
        State::Disabled => 4,
        State::MetricsOnly => 5,
    }
}

/// The engine tells of every attempt and every call.
impl Observer for Metrics {
    fn attempt(&self, attempt: &AttemptEnded<'_>) {
        let labels = AttemptLabels {
            provider: attempt.provider.to_owned(),
            key: attempt.key.to_owned(),
            outcome: attempt.outcome.as_str(),
        };
        self.passed.attempts.get_or_create(&labels).inc();
        if let Some(pump) = &*self.stir.lock().unwrap_or_else(PoisonError::into_inner) {
            pump.notify_one();
        }
    }

    fn call(&self, call: &CallEnded<'_>) {
        let outcome = call.outcome.as_str();
        self.passed.outcomes.get_or_create(&OutcomeLabel { outcome }).inc();
        match call.outcome {
            Outcome::ClientGone => drop(self.passed.aborts.inc()),
            Outcome::Cut => drop(self.passed.cuts.inc()),
            Outcome::Succeeded if call.attempts > 1 => drop(self.passed.failed_over.inc()),
            _ => {}
        }
        self.calls.overhead.observe(call.took.saturating_sub(call.upstream).as_secs_f64());
        // Without a provider the model may be any text that a client sent.
        if let Some(provider) = call.provider {
            self.generative(call, provider);
        }
        log(call);
    }
}

impl Metrics {
    fn generative(&self, call: &CallEnded<'_>, provider: &str) {
        let labels = CallLabels {
            gen_ai_operation_name: operation(call.endpoint),
            gen_ai_provider_name: provider.to_owned(),
            gen_ai_request_model: call.model.to_owned(),
            error_type: match call.outcome {
                Outcome::Succeeded => "",
                other => other.as_str(),
            },
        };
        self.calls.duration.get_or_create(&labels).observe(call.took.as_secs_f64());
        if let Some(first) = call.first_chunk {
            self.calls.first_chunk.get_or_create(&labels).observe(first.as_secs_f64());
        }
        let Some(usage) = call.usage else { return };
        for (gen_ai_token_type, tokens) in [("input", usage.input), ("output", usage.output)] {
            let labels = TokenLabels {
                gen_ai_operation_name: labels.gen_ai_operation_name,
                gen_ai_provider_name: provider.to_owned(),
                gen_ai_request_model: call.model.to_owned(),
                gen_ai_token_type,
            };
            // Exact up to 2^53, which no call has.
            self.calls.tokens.get_or_create(&labels).observe(tokens as f64);
        }
    }
}

fn operation(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::ChatCompletions => "chat",
        Endpoint::Completions => "text_completion",
        Endpoint::Embeddings => "embeddings",
        _ => "other",
    }
}

/// One line for each call; what went well is for those who ask for it.
fn log(call: &CallEnded<'_>) {
    let ms = |time: Duration| crate::clock::ms(time);
    let failed = matches!(call.outcome, Outcome::Failed | Outcome::Cut);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                request_id = call.request_id,
                endpoint = call.endpoint.as_str(),
                provider = call.provider,
                key = call.key,
                status = call.status,
                stream = call.stream,
                outcome = call.outcome.as_str(),
                attempts = call.attempts,
                took_ms = ms(call.took),
                "call"
            )
        };
    }
    if failed { line!(warn) } else { line!(debug) }
}

/// The process's resident memory, where the system tells it.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

//! Which families of metrics are there, with which labels?

use std::sync::atomic::AtomicU64;

use panelboard::State;
use panelboard_llm::Gateway;
use panelboard_tasks::{JobState, JobsStats};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::resident_memory;

#[derive(Debug)]
pub(super) struct Calls {
    pub(super) duration: Family<CallLabels, Histogram>,
    pub(super) first_chunk: Family<CallLabels, Histogram>,
    pub(super) tokens: Family<TokenLabels, Histogram>,
    pub(super) overhead: Histogram,
}

#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) outcomes: Family<OutcomeLabel, Counter>,
    pub(super) attempts: Family<AttemptLabels, Counter>,
    pub(super) transitions: Family<TransitionLabels, Counter>,
    pub(super) failed_over: Counter,
    pub(super) aborts: Counter,
    pub(super) cuts: Counter,
    pub(super) missed: Counter,
    pub(super) reloads: Family<ResultLabel, Counter>,
}

#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub(super) state: Family<KeyLabels, Gauge>,
    pub(super) in_flight: Family<KeyLabels, Gauge>,
    pub(super) budget: Gauge<f64, AtomicU64>,
    pub(super) calls: Gauge,
    pub(super) memory: Gauge,
    pub(super) connections: Gauge,
    pub(super) jobs: Family<StateLabel, Gauge>,
    pub(super) jobs_running: Gauge,
    pub(super) jobs_stuck: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct CallLabels {
    pub(super) gen_ai_operation_name: &'static str,
    pub(super) gen_ai_provider_name: String,
    pub(super) gen_ai_request_model: String,
    pub(super) error_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct TokenLabels {
    pub(super) gen_ai_operation_name: &'static str,
    pub(super) gen_ai_provider_name: String,
    pub(super) gen_ai_request_model: String,
    pub(super) gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct OutcomeLabel {
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct ResultLabel {
    pub(super) result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    pub(super) provider: String,
    pub(super) key: String,
    pub(super) outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct TransitionLabels {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct KeyLabels {
    pub(super) provider: String,
    /// Empty for the breaker above the provider's keys.
    pub(super) key: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct StateLabel {
    pub(super) state: &'static str,
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

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            duration: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            first_chunk: Family::new_with_constructor(|| Histogram::new(FIRST_CHUNKS)),
            tokens: Family::new_with_constructor(|| Histogram::new(TOKENS)),
            overhead: Histogram::new(OVERHEADS),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
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
    pub(super) fn register(&self, registry: &mut Registry) {
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
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "panelboard_breaker_state",
            "0 closed, 1 open, 2 half-open, 3 forced-open, 4 disabled, 5 metrics-only, \
             6 recovering; an empty key is the breaker above the provider's keys",
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
        registry.register("panelboard_jobs", "Jobs by state", self.jobs.clone());
        registry.register(
            "panelboard_jobs_running",
            "Places of jobs.max_running that are taken",
            self.jobs_running.clone(),
        );
        registry.register(
            "panelboard_jobs_stuck",
            "Jobs that were told to stop and have not ended in time",
            self.jobs_stuck.clone(),
        );
    }

    /// Sets the gauges of the jobs.
    pub(super) fn jobs(&self, stats: &JobsStats) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        for state in JobState::ALL {
            let labels = StateLabel { state: state.name() };
            self.jobs.get_or_create(&labels).set(number(stats.of(state)));
        }
        self.jobs_running.set(number(stats.held));
        self.jobs_stuck.set(number(stats.stuck));
    }

    /// Sets the gauges to what is so now. Keys that are gone disappear.
    pub(super) fn read(&self, gateway: &Gateway) {
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
        State::Recovering => 6,
    }
}

//! What is counted, under which names?
//!
//! Calls go under the names that OpenTelemetry gives generative AI (`gen_ai_client_...`),
//! everything else begins with `panelboard_`. What the panel and the engine know by themselves is
//! read when somebody asks for it; only what passes is counted here.
//!
//! Labels take values from the configuration and from closed sets alone, never from a request: the
//! number of series is bounded by the configuration.

mod calls;
mod families;
mod sessions;
mod sinks;
mod vault;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use panelboard::{Event, Transition};
use panelboard_llm::{AttemptEnded, CallEnded, Endpoint, Gateway, Observer, Outcome};
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;

use self::calls::OfCalls;
use self::families::{
    AttemptLabels, CallLabels, Calls, Gauges, OutcomeLabel, Passed, ResultLabel, TokenLabels,
    TransitionLabels,
};
use self::sessions::OfSessions;
use self::sinks::OfSinks;
use self::vault::OfVault;
use crate::calls::Calls as CallLog;
use crate::logs::Logs;
use crate::sessions::Service;
use crate::vault::Secrets;

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
    stir: OnceLock<Arc<Notify>>,
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

impl Metrics {
    pub(crate) fn new() -> Self {
        let (calls, passed, gauges) = (Calls::new(), Passed::default(), Gauges::default());
        let mut registry = Registry::default();
        calls.register(&mut registry);
        passed.register(&mut registry);
        gauges.register(&mut registry);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("panelboard_build", "The version of the program", version);
        Self { registry: Mutex::new(registry), calls, passed, gauges, stir: OnceLock::new() }
    }

    /// From now on each transition wakes the pump of events.
    pub(crate) fn stirs(&self, pump: Arc<Notify>) {
        // There is one pump, and it is set once.
        let _ = self.stir.set(pump);
    }

    /// From now on the sessions are told of too.
    pub(crate) fn of_sessions(&self, service: Arc<Service>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(OfSessions(service)));
    }

    /// From now on the log of calls is told of too.
    pub(crate) fn of_calls(&self, calls: Arc<CallLog>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(OfCalls(calls)));
    }

    /// From now on the Vault is told of too, whenever there is one.
    pub(crate) fn of_vault(&self, secrets: Arc<Secrets>) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(OfVault(secrets)));
    }

    /// From now on the sinks of the program's own logs are told of too.
    pub(crate) fn of_sinks(&self, logs: Logs) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(OfSinks(logs)));
    }

    /// What there is of jobs now.
    pub(crate) fn jobs(&self, stats: &panelboard_tasks::JobsStats) {
        self.gauges.jobs(stats);
    }

    pub(crate) fn count(&self, transition: &Transition) {
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

/// The engine tells of every attempt and every call.
impl Observer for Metrics {
    fn attempt(&self, attempt: &AttemptEnded<'_>) {
        let labels = AttemptLabels {
            provider: attempt.provider.to_string(),
            key: attempt.key.to_string(),
            outcome: attempt.outcome.as_str(),
        };
        self.passed.attempts.get_or_create(&labels).inc();
    }

    fn transition(&self, _: &Event<Arc<str>>) {
        if let Some(pump) = self.stir.get() {
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

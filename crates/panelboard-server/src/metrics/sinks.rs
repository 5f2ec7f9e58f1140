//! What of the program's own logs do the metrics tell? Read when somebody asks. There is nothing
//! without sinks.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::logs::{Logged, Logs, Shown};

/// Tells of the sinks.
#[derive(Debug)]
pub(super) struct OfSinks(pub(super) Logs);

impl Collector for OfSinks {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let logged = self.0.shown();
        let pressure = ConstGauge::new(logged.pressure.level);
        let help = "How much trouble the log sinks are in, from 0 to 1";
        let kind = pressure.metric_type();
        pressure.encode(encoder.encode_descriptor(
            "panelboard_log_pressure",
            help,
            None,
            kind,
        )?)?;
        let queued = gauge(logged.queued as u64);
        let help = "Log records that wait to be sorted to the sinks";
        let kind = queued.metric_type();
        queued.encode(encoder.encode_descriptor("panelboard_log_queued", help, None, kind)?)?;
        for (name, help, value) in passed(&logged) {
            let counter = ConstCounter::new(value);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        states(&mut encoder, &logged)?;
        for (name, help, value) in NOW {
            let kind = gauge(0).metric_type();
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for sink in &logged.sinks {
                let of = [("sink", sink.name.as_str())];
                gauge(value(sink)).encode(metric.encode_family(&of)?)?;
            }
        }
        for (name, help, value) in OF_SINKS {
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for sink in &logged.sinks {
                let of = [("sink", sink.name.as_str())];
                ConstCounter::new(value(sink)).encode(metric.encode_family(&of)?)?;
            }
        }
        dropped(&mut encoder, &logged)
    }
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The states that a sink's breaker can be in: nobody holds one by hand.
const STATES: [&str; 4] = ["closed", "open", "half-open", "recovering"];

fn states(encoder: &mut DescriptorEncoder<'_>, logged: &Logged) -> Result<(), std::fmt::Error> {
    let help = "Whether the sink's breaker is in this state";
    let kind = gauge(0).metric_type();
    let mut metric =
        encoder.encode_descriptor("panelboard_sink_breaker_state", help, None, kind)?;
    for sink in &logged.sinks {
        for state in STATES {
            let labels = [("sink", sink.name.as_str()), ("state", state)];
            gauge(u64::from(sink.state == state)).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn dropped(encoder: &mut DescriptorEncoder<'_>, logged: &Logged) -> Result<(), std::fmt::Error> {
    let help = "Records that were dropped, by reason";
    let kind = ConstCounter::new(0_u64).metric_type();
    let mut metric = encoder.encode_descriptor("panelboard_sink_dropped", help, None, kind)?;
    for sink in &logged.sinks {
        for (reason, count) in &sink.dropped {
            let labels = [("sink", sink.name.as_str()), ("reason", *reason)];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// A figure of each sink: its name, what it is, and how it is read.
type OfEach = (&'static str, &'static str, fn(&Shown) -> u64);

const NOW: [OfEach; 4] = [
    ("panelboard_sink_waiting", "Records that the sink still has", |sink| sink.waiting),
    ("panelboard_sink_buffered_bytes", "Bytes of them in memory", |sink| sink.buffer.bytes as u64),
    ("panelboard_sink_spilled_bytes", "Bytes of the sink's spill", |sink| {
        sink.spill.as_ref().map_or(0, |spill| spill.bytes)
    }),
    ("panelboard_sink_stuck", "Whether a write has not come back", |sink| u64::from(sink.stuck)),
];

const OF_SINKS: [OfEach; 8] = [
    ("panelboard_sink_routed", "Records that were for the sink", |sink| sink.routed),
    ("panelboard_sink_taken_over", "Records that others handed to it", |sink| sink.taken_over),
    ("panelboard_sink_recovered", "Records of the process before", |sink| sink.recovered),
    ("panelboard_sink_delivered", "Records that were written", |sink| sink.delivered),
    ("panelboard_sink_handed_over", "Records given to the fallback", |sink| sink.handed_over),
    ("panelboard_sink_covered", "Records that the fallback had", |sink| sink.covered),
    ("panelboard_sink_failures", "Writes that failed", |sink| sink.failures),
    ("panelboard_sink_spill_errors", "Errors of the disk of the sink's spill", |sink| {
        sink.spill.as_ref().map_or(0, |spill| spill.errors)
    }),
];

fn passed(logged: &Logged) -> [(&'static str, &'static str, u64); 6] {
    [
        ("panelboard_log_taken", "Log records that were taken in", logged.taken),
        ("panelboard_log_queue_full", "Dropped, as the queue was full", logged.queue_full),
        ("panelboard_log_late", "Log records that came after the end", logged.late),
        ("panelboard_log_unwanted", "Log records that no sink wants", logged.unwanted),
        ("panelboard_log_lost", "Log records that a panic of the pipeline lost", logged.lost),
        ("panelboard_log_redacted", "Log records that held a secret", logged.redacted),
    ]
}

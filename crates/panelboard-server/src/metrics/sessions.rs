//! What of the sessions do the metrics tell? Read when somebody asks.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::sessions::Service;
use crate::sessions::figures::Figures;

/// Tells of the sessions.
#[derive(Debug)]
pub(super) struct OfSessions(pub(super) Arc<Service>);

impl Collector for OfSessions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures = self.0.figures();
        for (name, help, value) in now(&figures) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in passed(&figures) {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        for (name, help, times) in self.0.times() {
            let (seconds, kind) = (Unit::Seconds, MetricType::Histogram);
            let mut metric = encoder.encode_descriptor(name, help, Some(&seconds), kind)?;
            metric.encode_histogram::<NoLabelSet>(times.sum, times.count, &times.buckets, None)?;
        }
        Ok(())
    }
}

fn now(figures: &Figures) -> [(&'static str, &'static str, u64); 13] {
    // Outside of a runtime nobody asks.
    let runtime = tokio::runtime::Handle::try_current();
    let tasks = runtime.map_or(0, |runtime| runtime.metrics().num_alive_tasks());
    [
        ("panelboard_runtime_tasks", "Tasks of the program that have not ended", tasks as u64),
        ("panelboard_sessions_in_memory", "Sessions in memory", figures.in_memory as u64),
        ("panelboard_sessions_active", "Sessions whose slot a run has", figures.active as u64),
        ("panelboard_session_queue_depth", "Runs that wait for a slot", figures.queued as u64),
        ("panelboard_session_tasks", "Runs whose task has not ended", figures.tasks as u64),
        ("panelboard_session_zombies", "Runs given up that have not ended", figures.zombies as u64),
        ("panelboard_session_sockets", "Sockets of sessions", figures.sockets),
        ("panelboard_session_streams", "Event streams of sessions", figures.streams),
        ("panelboard_store_lag_records", "Records waiting for the disk", figures.store.lag as u64),
        ("panelboard_store_durable_lsn", "The last write on disk", figures.store.durable_lsn),
        ("panelboard_store_last_lsn", "The last write submitted", figures.store.last_lsn),
        (
            "panelboard_store_unreadable_sessions",
            "Sessions that can't be read",
            figures.store.unreadable as u64,
        ),
        (
            "panelboard_sessions_not_recovered",
            "Sessions with a run of an earlier process that could not be taken up yet",
            figures.recovery.left + figures.recovery.unreadable,
        ),
    ]
}

fn passed(figures: &Figures) -> [(&'static str, &'static str, u64); 15] {
    [
        ("panelboard_session_submitted", "Submissions", figures.submitted),
        ("panelboard_session_conflicts", "Submissions refused as busy", figures.conflicts),
        (
            "panelboard_session_stale_effects",
            "What runs wanted to do after they had been stopped",
            figures.stale_effects,
        ),
        ("panelboard_session_passivations", "Sessions left the memory", figures.passivations),
        (
            "panelboard_session_given_up",
            "Sessions taken up anew because a record was not kept",
            figures.given_up,
        ),
        ("panelboard_session_sockets_opened", "Sockets opened", figures.sockets_opened),
        ("panelboard_session_slow_readers", "Connections closed as slow", figures.slow_readers),
        ("panelboard_session_silent", "Sockets closed as silent", figures.silent),
        ("panelboard_session_hurried", "Sockets closed as hurried", figures.hurried),
        ("panelboard_session_bad_frames", "Frames that were none", figures.bad_frames),
        ("panelboard_session_resyncs", "Readers whose place was gone", figures.resyncs),
        (
            "panelboard_session_lock_timeouts",
            "Waits for a session's lock that came to their deadline",
            figures.lock.timeouts,
        ),
        ("panelboard_store_writes", "Writes kept", figures.store.writes),
        ("panelboard_store_commits", "Commits", figures.store.commits),
        ("panelboard_store_failed_writes", "Writes not kept", figures.store.failed),
    ]
}

//! What of the log of calls do the metrics tell? Read when somebody asks.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::calls::{Calls, Figures};

/// Tells of the log.
#[derive(Debug)]
pub(super) struct OfCalls(pub(super) Arc<Calls>);

impl Collector for OfCalls {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Figures { recorded, dropped, queued, rows, bytes, removed, .. } = self.0.figures();
        for (name, help, value) in [
            ("panelboard_call_log_lag_records", "Calls waiting to be logged", queued),
            ("panelboard_call_log_rows", "Calls in the log", rows),
            ("panelboard_call_log_size_bytes", "Bytes of the log in use", bytes),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in [
            ("panelboard_call_log_recorded", "Calls logged", recorded),
            ("panelboard_call_log_dropped", "Calls not logged, for want of room or disk", dropped),
            ("panelboard_call_log_removed", "Calls removed as too old or too many", removed),
        ] {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

//! What of the Vault do the metrics tell? Read when somebody asks. There are none without one.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::vault::{Secrets, Shown};

/// Tells of the Vault.
#[derive(Debug)]
pub(super) struct OfVault(pub(super) Arc<Secrets>);

impl Collector for OfVault {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(shown) = self.0.shown() else { return Ok(()) };
        let of_breaker = "Whether the Vault's breaker is in this state";
        let mut metric = encoder.encode_descriptor(
            "panelboard_vault_breaker_state",
            of_breaker,
            None,
            ConstGauge::new(0_i64).metric_type(),
        )?;
        for breaker in &shown.breakers {
            for state in STATES {
                let labels = [("breaker", breaker.name.as_str()), ("state", state)];
                let is = ConstGauge::new(i64::from(breaker.state == state));
                is.encode(metric.encode_family(&labels)?)?;
            }
        }
        for (name, help, value) in now(&shown) {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in passed(&shown) {
            let counter = ConstCounter::new(value);
            let metric = encoder.encode_descriptor(name, help, None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

/// The states that a breaker of the Vault can be in: nobody holds one by hand.
const STATES: [&str; 3] = ["closed", "open", "half-open"];

fn now(shown: &Shown) -> Vec<(&'static str, &'static str, u64)> {
    let awaited = shown.secrets.iter().filter(|secret| !secret.in_use).count();
    let (token, queue) = (&shown.token, &shown.queue);
    let mut now = vec![
        ("panelboard_vault_token_valid", "Whether its token is good", u64::from(token.valid)),
        ("panelboard_vault_running", "Requests to the Vault that run", queue.running as u64),
        ("panelboard_vault_waiting", "Requests to the Vault that wait", queue.waiting as u64),
        ("panelboard_vault_secrets", "Secrets that are watched", shown.secrets.len() as u64),
        ("panelboard_vault_secrets_awaited", "Of them, those without a value", awaited as u64),
    ];
    // A token that does not end has no such time.
    if let Some(left) = token.ttl_left_ms {
        let help = "How long the Vault's token is good, in seconds";
        now.push(("panelboard_vault_token_ttl_seconds", help, left / 1000));
    }
    now
}

fn passed(shown: &Shown) -> [(&'static str, &'static str, u64); 4] {
    let changes = shown.secrets.iter().map(|secret| secret.changes).sum();
    [
        ("panelboard_vault_token_renewals", "Renewals of the token", shown.token.renewals),
        ("panelboard_vault_token_failures", "Renewals and log-ins without", shown.token.failures),
        (
            "panelboard_vault_refused",
            "Requests refused, as the queue was full",
            shown.queue.refused,
        ),
        ("panelboard_vault_secret_changes", "Values of secrets that were others", changes),
    ]
}

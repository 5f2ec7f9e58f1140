//! Which breaker do a policy's keys stand for?
//!
//! As the server's configuration reads `[breaker]`: what is written here can be pasted there.

use std::time::Duration;

use panelboard::{Config, ConfigBuilder};

use super::Policy;
use crate::scenario::{Found, Table};

pub(super) fn policy(table: &Table, found: &mut Vec<Found>) -> Option<Policy> {
    let name = table.text("name")?.to_owned();
    if name == NONE {
        for field in table.entries.keys().filter(|field| **field != "name") {
            let wrong = "is a setting of a breaker, and `none` has no breaker";
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            found.push(mistake.expected("no other key beside the name, or another name"));
        }
        return Some(Policy { name, breaker: None });
    }
    let builder = breaker(table)?;
    match builder.clone().build() {
        Ok(_) => Some(Policy { name, breaker: Some(builder) }),
        Err(error) => {
            // `failure_rate.window` stands there as `window`, `failure_rate.share` as the rate.
            let (rate, part) = error.field.split_once('.').unwrap_or((error.field, ""));
            let field = match part {
                "" | "share" => rate,
                "duration" => "slow_call",
                part => part,
            };
            let wrong = format!("{} is out of range", error.value);
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            found.push(mistake.expected(error.expected));
            None
        }
    }
}

/// The name that stands for no breaker.
pub(super) const NONE: &str = "none";

fn breaker(table: &Table) -> Option<ConfigBuilder> {
    let (window, minimum_calls) = (table.duration("window")?, table.count32("minimum_calls")?);
    let mut policies = Vec::new();
    if table.has("failure_threshold") {
        policies.push(panelboard::Policy::consecutive(table.count32("failure_threshold")?));
    }
    if table.has("failure_rate") {
        let share = table.number("failure_rate")?;
        policies.push(panelboard::Policy::failure_rate(share, window, minimum_calls));
    }
    if policies.is_empty() {
        policies.push(panelboard::Policy::consecutive(5));
    }
    if table.has("slow_call_rate") {
        let (share, slow) = (table.number("slow_call_rate")?, table.duration("slow_call")?);
        policies.push(panelboard::Policy::slow_call_rate(share, slow, window, minimum_calls));
    }
    let mut builder = Config::builder()
        .policy(panelboard::Policy::any_of(policies))
        .recovery_timeout(table.duration("recovery_timeout")?)
        .max_recovery_timeout(table.duration("max_recovery_timeout")?)
        .backoff_factor(table.number("backoff_factor")?)
        .backoff_reset(table.duration("backoff_reset")?)
        .jitter(table.number("jitter")?)
        .half_open_max_calls(table.count32("half_open_max_calls")?)
        .success_threshold(table.count32("success_threshold")?)
        .probe_timeout(table.duration("probe_timeout")?);
    if table.has("ramp") {
        builder = builder.ramp(table.duration("ramp")?);
    }
    Some(builder)
}

/// What the server does where its configuration says nothing.
pub(super) fn defaults() -> Policy {
    let breaker = Config::builder().probe_timeout(Duration::from_secs(660));
    Policy { name: "defaults".to_owned(), breaker: Some(breaker) }
}

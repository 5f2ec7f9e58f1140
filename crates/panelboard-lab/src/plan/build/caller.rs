//! Who calls, how often, and what does it do when a call fails?

use super::service::within;
use crate::{
    plan::{Backoff, Caller, Run, Surge},
    scenario::{Found, Table},
};

pub(super) fn caller(
    table: &Table,
    services: &[&str],
    run: Option<&Run>,
    found: &mut Vec<Found>,
) -> Option<Caller> {
    let calls = calls(table, services, found);
    let surges: Vec<Option<Surge>> =
        table.tables("surge").map(|table| surge(table, run, found)).collect();
    let (first, most) = (table.nanos("backoff"), table.nanos("max_backoff"));
    if let (Some(first), Some(most)) = (first, most)
        && most < first
    {
        let field = if table.has("max_backoff") { "max_backoff" } else { "backoff" };
        let wrong = "leaves no room between the first pause and the longest";
        let mistake = Found::new(table.place(field), table.key(field), wrong);
        found.push(mistake.expected("a `max_backoff` of at least `backoff`"));
    }
    Some(Caller {
        name: table.text("name")?.to_owned(),
        calls: calls?,
        spread: table.text("route")? == "spread",
        nodes: table.count32("nodes")?,
        rate: table.number("rate")?,
        even: table.text("arrivals")? == "even",
        timeout: table.nanos("timeout")?,
        retries: table.count32("retries")?,
        backoff: Backoff {
            first: first?,
            factor: table.number("backoff_factor")?,
            most: most?,
            jitter: table.number("backoff_jitter")?,
        },
        max_in_flight: table.count32("max_in_flight"),
        shared_breaker: table.flag("shared_breaker")?,
        retry_rejected: table.flag("retry_rejected")?,
        surges: surges.into_iter().collect::<Option<_>>()?,
    })
}

/// The services' indexes.
fn calls(table: &Table, services: &[&str], found: &mut Vec<Found>) -> Option<Vec<usize>> {
    let before = found.len();
    let mut calls = Vec::new();
    for (i, name, at) in table.texts("calls") {
        let key = format!("{}[{i}]", table.key("calls"));
        match services.iter().position(|service| *service == name) {
            Some(index) if calls.contains(&index) => {
                let mistake = Found::new(at, key, format!("{name:?} is there already"));
                found.push(mistake.expected("each service once"));
            }
            Some(index) => calls.push(index),
            None => {
                let mistake = Found::new(at, key, format!("{name:?} is no service"));
                let known = format!("one of {}", services.join(", "));
                found.push(mistake.expected(known).nearest(name, services.iter().copied()));
            }
        }
    }
    (found.len() == before && !calls.is_empty()).then_some(calls)
}

fn surge(table: &Table, run: Option<&Run>, found: &mut Vec<Found>) -> Option<Surge> {
    let (from, lasts) = (table.nanos("at")?, table.nanos("lasts")?);
    within(table, from, run, found);
    Some(Surge { from, to: from.saturating_add(lasts), factor: table.number("factor")? })
}

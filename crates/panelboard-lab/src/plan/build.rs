//! What does a scenario mean, and which mistakes take two values to see?

mod caller;
mod service;

use std::collections::HashSet;

use super::{Caller, Plan, Policy, Run, Service, policy};
use crate::scenario::{Found, Table};

/// Steps of a timeline, at most.
const MOST_BUCKETS: u64 = 10_000;
/// Requests of one run, at most, at the callers' highest rates.
const MOST_REQUESTS: f64 = 100_000_000.0;
/// Calls of one run, if each is retried as often as can be.
const MOST_CALLS: f64 = 1_000_000_000.0;
/// Requests that callers may have in hand at once: what the memory of a run depends on.
const MOST_IN_HAND: f64 = 4_000_000.0;
/// Breakers of one run.
const MOST_BREAKERS: usize = 100_000;

/// Makes a plan of checked values, and notes what does not fit together. There is a plan only if
/// nothing was noted.
pub(crate) fn build(file: &Table, found: &mut Vec<Found>) -> Option<Plan> {
    let run = file.table("run").and_then(|table| run(table, found));
    let services: Vec<Option<Service>> =
        file.tables("service").map(|table| service::service(table, run.as_ref(), found)).collect();
    once(file, "service", found);
    let names: Vec<&str> = file.tables("service").filter_map(|table| table.text("name")).collect();
    let callers: Vec<Option<Caller>> = file
        .tables("caller")
        .map(|table| caller::caller(table, &names, run.as_ref(), found))
        .collect();
    once(file, "caller", found);
    let policies = policies(file, found);
    let (services, callers) = (all(services)?, all(callers)?);
    let run = run?;
    bounds(file, &run, &callers, found);
    Some(Plan {
        title: file.text("title").unwrap_or_default().to_owned(),
        teaches: file.text("teaches").unwrap_or_default().to_owned(),
        run,
        services,
        callers,
        policies: policies?,
    })
}

fn all<T>(items: Vec<Option<T>>) -> Option<Vec<T>> {
    items.into_iter().collect()
}

fn run(table: &Table, found: &mut Vec<Found>) -> Option<Run> {
    let run = Run {
        lasts: table.nanos("lasts")?,
        warm_up: table.nanos("warm_up")?,
        bucket: table.nanos("bucket")?,
        seeds: table.count32("seeds")?,
        seed: table.count("seed")?,
        confidence: table.number("confidence")?,
        metastable_after: table.nanos("metastable_after")?,
    };
    if run.warm_up >= run.lasts {
        let wrong = "is the whole run, and nothing is left to measure";
        let mistake = Found::new(table.place("warm_up"), table.key("warm_up"), wrong);
        found.push(mistake.expected("less than `run.lasts`"));
    }
    if run.lasts.div_ceil(run.bucket) > MOST_BUCKETS {
        let wrong = format!("cuts the run into {} buckets", run.lasts.div_ceil(run.bucket));
        let mistake = Found::new(table.place("bucket"), table.key("bucket"), wrong);
        found.push(mistake.expected(format!("at most {MOST_BUCKETS}: a longer bucket")));
    }
    Some(run)
}

fn policies(file: &Table, found: &mut Vec<Found>) -> Option<Vec<Policy>> {
    let written: Vec<Option<Policy>> =
        file.tables("policy").map(|table| policy::policy(table, found)).collect();
    once(file, "policy", found);
    let mut policies = all(written)?;
    if policies.is_empty() {
        policies.push(policy::defaults());
    }
    let baseline = file.table("run").and_then(|table| table.flag("baseline")).unwrap_or(true);
    if baseline && policies.iter().all(|policy| policy.name != policy::NONE) {
        policies.insert(0, Policy { name: policy::NONE.to_owned(), breaker: None });
    }
    Some(policies)
}

/// Notes each name that was there before.
fn once(file: &Table, what: &str, found: &mut Vec<Found>) {
    let mut seen = HashSet::new();
    for table in file.tables(what) {
        let Some(name) = table.text("name") else { continue };
        if !seen.insert(name) {
            let wrong = format!("{name:?} is there already");
            let mistake = Found::new(table.place("name"), table.key("name"), wrong);
            found.push(mistake.expected(format!("each {what} under a name of its own")));
        }
    }
}

/// Notes what would take too long or too much memory.
fn bounds(file: &Table, run: &Run, callers: &[Caller], found: &mut Vec<Found>) {
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let highest = |caller: &Caller| {
        let times = caller.surges.iter().map(|surge| caller.factor(surge.from));
        caller.rate * times.fold(1.0, f64::max)
    };
    let mut too_much = |table: &Table, field: &str, wrong: String, expected: String| {
        found.push(Found::new(table.place(field), table.key(field), wrong).expected(expected));
    };
    let (mut requests, mut calls, mut in_hand, mut breakers) = (0.0, 0.0, 0.0, 0);
    for (table, caller) in file.tables("caller").zip(callers) {
        let own = highest(caller) * seconds(run.lasts);
        requests += own;
        calls += own * f64::from(caller.retries + 1);
        // A pause never exceeds the longest, nor what its factor makes of the first.
        let pauses: u64 = (1..=caller.retries).map(|n| caller.backoff.pause(n, 0.0)).sum();
        let longest = caller.timeout.saturating_mul(u64::from(caller.retries) + 1);
        let held = highest(caller) * seconds(longest.saturating_add(pauses).min(run.lasts));
        let places = caller.max_in_flight.map_or(f64::INFINITY, f64::from);
        in_hand += held.min(places * f64::from(caller.nodes));
        breakers += caller.breakers() * caller.calls.len();
        if requests > MOST_REQUESTS {
            let wrong = format!("makes {requests:.0} requests of one run");
            let most = format!("at most {MOST_REQUESTS:.0}: a lower rate or a shorter run");
            return too_much(table, "rate", wrong, most);
        }
        if calls > MOST_CALLS {
            let wrong = format!("makes {calls:.0} calls of one run");
            let most = format!("at most {MOST_CALLS:.0}: fewer retries or a shorter run");
            return too_much(table, "retries", wrong, most);
        }
        if in_hand > MOST_IN_HAND {
            let wrong = format!("may have {in_hand:.0} requests in hand at once");
            let most = format!(
                "at most {MOST_IN_HAND:.0}: a lower rate, a shorter time-out, fewer retries or \
                 `max_in_flight`"
            );
            return too_much(table, "rate", wrong, most);
        }
        if breakers > MOST_BREAKERS {
            let wrong = format!("needs {breakers} breakers, with those of the callers before it");
            let most = format!("at most {MOST_BREAKERS}: fewer nodes, or `shared_breaker`");
            return too_much(table, "nodes", wrong, most);
        }
    }
}

//! What is called, how long it takes, and what goes wrong with it?

use crate::{
    plan::{Crash, Episode, Latency, Run, Service, Trouble},
    scenario::{Found, Table},
};

/// What stands for no limit: more calls at once than a run may have.
const NO_LIMIT: u32 = 1_000_000;

pub(super) fn service(table: &Table, run: Option<&Run>, found: &mut Vec<Found>) -> Option<Service> {
    let limited = table.has("servers");
    let latency = table.table("latency").and_then(|table| latency(table, found));
    let episodes: Vec<Option<Episode>> = table
        .tables("episode")
        .map(|episode| self::episode(episode, (table, run), found))
        .collect();
    if !limited && table.has("queue") {
        let wrong = "says how many calls wait for a server, and there is no limit of servers";
        let mistake = Found::new(table.place("queue"), table.key("queue"), wrong);
        found.push(mistake.expected("`servers` beside it"));
    }
    Some(Service {
        name: table.text("name")?.to_owned(),
        latency: latency?,
        servers: if limited { table.count32("servers")? } else { NO_LIMIT },
        queue: if limited { table.count32("queue")? } else { 0 },
        error_share: table.number("error_share")?,
        cancels: table.flag("cancels")?,
        limited,
        episodes: episodes.into_iter().collect::<Option<_>>()?,
    })
}

/// Notes the keys that another kind has, and the missing ones; true if there are none.
fn keys_of(
    table: &Table,
    kind: &str,
    (needed, possible): (&[&str], &[&str]),
    found: &mut Vec<Found>,
) -> bool {
    let before = found.len();
    let known: Vec<&str> = needed.iter().chain(possible).copied().collect();
    for (field, checked) in &table.entries {
        if !["kind", "at", "lasts"].contains(field) && !known.contains(field) {
            let wrong = format!("is no key of the kind {kind}");
            let mistake = Found::new(checked.at, table.key(field), wrong);
            found.push(mistake.expected(format!("one of kind, {}", known.join(", "))));
        }
    }
    for field in needed.iter().filter(|field| !table.has(field)) {
        let mistake = Found::new(table.at, table.key(field), "missing");
        found.push(mistake.expected(format!("this key, since the kind is {kind}")));
    }
    found.len() == before
}

fn latency(table: &Table, found: &mut Vec<Found>) -> Option<Latency> {
    let kind = table.text("kind")?;
    let needed: &[&str] = match kind {
        "constant" | "exponential" => &["mean"],
        "uniform" => &["min", "max"],
        "lognormal" => &["median", "p99"],
        _ => &["min", "shape"],
    };
    if !keys_of(table, kind, (needed, &[]), found) {
        return None;
    }
    let nanos = |field| table.nanos(field).map(|nanos| nanos as f64);
    match kind {
        "constant" => Some(Latency::Constant(nanos("mean")?)),
        "exponential" => Some(Latency::Exponential { mean: nanos("mean")? }),
        "uniform" => {
            let (min, max) = (nanos("min")?, nanos("max")?);
            above(table, ("max", max), ("min", min), found)?;
            Some(Latency::Uniform { min, max })
        }
        "lognormal" => {
            let (median, p99) = (nanos("median")?, nanos("p99")?);
            above(table, ("p99", p99), ("median", median), found)?;
            Some(Latency::LogNormal { mu: median.ln(), sigma: (p99 / median).ln() / Z99 })
        }
        _ => Some(Latency::Pareto { min: nanos("min")?, shape: table.number("shape")? }),
    }
}

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

fn above(
    table: &Table,
    (more, upper): (&str, f64),
    (less, lower): (&str, f64),
    found: &mut Vec<Found>,
) -> Option<()> {
    if upper > lower {
        return Some(());
    }
    let mistake = Found::new(table.place(more), table.key(more), "is too low");
    found.push(mistake.expected(format!("more than `{less}`")));
    None
}

fn episode(
    table: &Table,
    (service, run): (&Table, Option<&Run>),
    found: &mut Vec<Found>,
) -> Option<Episode> {
    let kind = table.text("kind")?;
    let (from, lasts) = (table.nanos("at")?, table.nanos("lasts")?);
    within(table, from, run, found);
    let keys: (&[&str], &[&str]) = match kind {
        "errors" => (&[], &["share", "after"]),
        "hangs" | "loss" => (&[], &["share"]),
        "slow" => (&["factor"], &[]),
        "capacity" => (&["share"], &[]),
        "rate-limit" => (&["per_second"], &["retry_after"]),
        _ => (&[], &["warm_up", "cold_share", "collapse_queue", "collapse_down"]),
    };
    if !keys_of(table, kind, keys, found) {
        return None;
    }
    let share = || if table.has("share") { table.number("share") } else { Some(1.0) };
    let trouble = match kind {
        "errors" => Trouble::Errors { share: share()?, after: table.nanos("after") },
        "hangs" => Trouble::Hangs { share: share()? },
        "loss" => Trouble::Loss { share: share()? },
        "slow" => Trouble::Slow { factor: table.number("factor")? },
        "capacity" => Trouble::Capacity { share: share()? },
        "rate-limit" => Trouble::RateLimit {
            per_second: table.number("per_second")?,
            retry_after: table.nanos("retry_after"),
        },
        _ => Trouble::Crash(Crash {
            warm_up: table.nanos("warm_up").unwrap_or(0),
            cold_share: table.number("cold_share").unwrap_or(0.1),
            collapse_queue: table.count32("collapse_queue"),
            collapse_down: table.nanos("collapse_down").unwrap_or(5_000_000_000),
        }),
    };
    fits(table, service, &trouble, found);
    Some(Episode { from, to: from.saturating_add(lasts), trouble })
}

/// Notes what the service's own settings make impossible.
fn fits(table: &Table, service: &Table, trouble: &Trouble, found: &mut Vec<Found>) {
    let mut say = |field: &str, wrong: &str, expected: String| {
        let mistake = Found::new(table.place(field), table.key(field), wrong);
        found.push(mistake.expected(expected));
    };
    let limited = service.has("servers");
    let needs = "`servers` of the service".to_owned();
    match trouble {
        Trouble::Capacity { .. } if !limited => say("kind", "takes servers away", needs),
        Trouble::Crash(_) if !limited && table.has("warm_up") => {
            say("warm_up", "says when servers are back", needs);
        }
        Trouble::Crash(Crash { collapse_queue: Some(_), .. }) if !limited => {
            say("collapse_queue", "says how many wait for a server", needs);
        }
        Trouble::Crash(Crash { collapse_queue: Some(most), .. })
            if service.count32("queue").is_some_and(|queue| *most > queue) =>
        {
            let expected = "at most the service's `queue`".to_owned();
            say("collapse_queue", "is more than may wait", expected);
        }
        _ => {}
    }
}

/// Notes what begins outside the part of the run that is measured.
pub(super) fn within(table: &Table, from: u64, run: Option<&Run>, found: &mut Vec<Found>) {
    let Some(run) = run else { return };
    let wrong = match from {
        from if from >= run.lasts => "begins after the run has ended",
        from if from < run.warm_up => "begins in the warm-up, which is not measured",
        _ => return,
    };
    let mistake = Found::new(table.place("at"), table.key("at"), wrong);
    found.push(mistake.expected("from `run.warm_up` to before `run.lasts`"));
}

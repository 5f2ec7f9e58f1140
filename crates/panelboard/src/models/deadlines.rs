//! Deadlines: nobody is let through before one, and none shrinks (B6, B10).

use std::time::Duration;

use super::{World, ended, explore::explore, opened, plain, wait};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn b6_no_caller_sees_an_open_breaker_with_an_older_deadline() {
    explore(
        || World::half_open(plain(), 1),
        &[|w: &World| ended(w.take(0).failure()), |w: &World| w.acquire(), |w: &World| w.acquire()],
        World::state,
        &[
            "half-open>open#3, no:half-open:60s, no:half-open:60s | open 60s #3",
            "half-open>open#3, no:half-open:60s, no:open:60s | open 60s #3",
            "half-open>open#3, no:open:60s, no:half-open:60s | open 60s #3",
            "half-open>open#3, no:open:60s, no:open:60s | open 60s #3",
        ],
    );
}

#[test]
fn b6_of_two_stated_deadlines_the_later_holds() {
    explore(
        || World::closed(5, 0),
        &[
            |w: &World| opened(w.breaker.open_for(MINUTE, "asked")),
            |w: &World| opened(w.breaker.open_for(MINUTE * 2, "asked")),
        ],
        World::state,
        &["closed>open#1, extended | open 120s #1", "unchanged, closed>open#1 | open 120s #1"],
    );
}

#[test]
fn b6_a_failure_never_shortens_a_stated_deadline() {
    explore(
        || World::closed(1, 1),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| opened(w.breaker.open_for(MINUTE, "asked")),
        ],
        World::state,
        &["closed>open#1, extended | open 60s #1", "late, closed>open#1 | open 60s #1"],
    );
}

#[test]
fn b6_an_extension_at_the_deadline_comes_before_the_probe_or_ends_it() {
    explore(
        || World::ready_to_probe(plain()),
        &[|w: &World| opened(w.breaker.open_for(MINUTE, "asked")), |w: &World| w.acquire()],
        World::state,
        &["extended, no:open:60s | open 60s #1", "half-open>open#3, probe#2 | open 60s #3"],
    );
}

#[test]
fn b10_a_snapshot_is_of_one_generation() {
    explore(
        || World::closed(1, 1),
        &[
            |w: &World| ended(w.take(0).failure()),
            |w: &World| {
                let shown = w.breaker.snapshot();
                let cause = shown.cause.map_or("-", crate::Cause::as_str);
                format!("{} {} {cause}", shown.generation, wait(shown.retry_after))
            },
        ],
        World::state,
        &["closed>open#1, 0 - - | open 30s #1", "closed>open#1, 1 30s failures | open 30s #1"],
    );
}

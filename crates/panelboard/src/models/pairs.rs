//! Every unordered pair of events, in every state in which both can happen: does each take place
//! as if at one instant?
//!
//! An event is one thing that one caller does. Two at once must reach exactly the outcomes of doing
//! them one after the other, in both orders, on the same world; an outcome is what both callers
//! were told and everything that the breaker shows afterwards. What overlaps by design and comes to
//! something else stands in [`BEYOND`], with the reason.

mod by_window;

use std::{collections::BTreeSet, panic::Location};

use super::{
    explore::{Part, Step, at_one_instant, count},
    scenes::{
        ALWAYS, Event, OUTCOMES, RELEASE, Scene, about_to_trip, before_the_ramp, closed, end,
        half_open, half_open_by_rate, open, ramp_over, ready_to_probe, recovering,
    },
};

/// Outcomes that are not those of one after the other: `state: a + b`, and what is reached.
///
/// *lease over*: whoever takes a probe raises the time of the newest one before he exchanges the
/// word. Who reads between the two is rejected by a lease that is not yet in force: he could have
/// had the probe, had the other not been about to take it.
///
/// *by rate*: an outcome looks at the open times and then at the limits. A reconfiguration between
/// the two makes it trip by the new limits for the old time.
const BEYOND: &Beyond = &[
    (
        "by rate: reconfigure + failure",
        &["reconfigured, half-open>open#5 | open/open #5 Some(60s) failures 0 probes 0+0 step 2, \
             Some(ProbeFailed) Some(0ns) failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "lease over: acquire + acquire",
        &[
            "no:half-open:60s in #4, probe#5 in #5 | half-open/half-open #5 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 0 ignored 0 \
             cancelled 0",
            "probe#5 in #5, no:half-open:60s in #4 | half-open/half-open #5 None failures 0 \
             probes 1+0 step 1, Some(LeaseExpired) Some(0ns) failed 1 rejected 1 late 0 ignored 0 \
             cancelled 0",
        ],
    ),
    (
        "lease over: acquire + would_admit",
        &["probe#5 in #5, false | half-open/half-open #5 None failures 0 probes 1+0 step 1, \
             Some(LeaseExpired) Some(0ns) failed 1 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
];

/// Every unordered pair of the events in `groups`, two of the same among them.
#[track_caller]
fn pairs(state: &str, scene: fn() -> Scene, groups: &[&[Event]]) {
    let events: Vec<&Event> = groups.iter().copied().flatten().collect();
    each_with_each(state, scene, &events, BEYOND, at_one_instant);
}

/// Two of [`panelboard_explore`].
type Search = fn(fn() -> Scene, &[Part<Scene>], Step<Scene>, &[&str], &mut u64) -> Option<String>;

type Beyond = [(&'static str, &'static [&'static str])];

#[track_caller]
fn each_with_each(
    state: &str,
    scene: fn() -> Scene,
    events: &[&Event],
    beyond: &Beyond,
    search: Search,
) {
    let (mut executions, mut wrong, mut known) = (0, Vec::new(), BTreeSet::new());
    for (index, a) in events.iter().enumerate() {
        for b in &events[index..] {
            let pair = format!("{state}: {} + {}", a.name, b.name);
            let beyond = beyond.iter().find(|row| row.0 == pair).map_or(&[][..], |row| row.1);
            let differs = search(scene, &[a.part, b.part], end, beyond, &mut executions);
            wrong.extend(differs.map(|differs| format!("{pair}\n{differs}")));
            known.insert(pair);
        }
    }
    count(Location::caller(), executions);
    let mut names = beyond.iter().map(|row| row.0);
    let own = |name: &str| name.split_once(": ").is_some_and(|(of, _)| of == state);
    let unknown = names.find(|name| own(name) && !known.contains(*name));
    // Shuttle does not take all of those that take many steps.
    assert!(unknown.is_none() || cfg!(panelboard_shuttle), "no such pair: {unknown:?}");
    assert!(wrong.is_empty(), "{} pairs:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn closed_and_far_from_tripping() {
    pairs("closed", || closed(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn closed_and_about_to_trip() {
    pairs("about to trip", || about_to_trip(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn open_before_the_deadline() {
    pairs("open", || open(2), &[ALWAYS]);
}

#[test]
fn open_at_the_deadline() {
    pairs("ready to probe", || ready_to_probe(2), &[ALWAYS]);
}

#[test]
fn half_open_with_room() {
    pairs("room", || half_open(2, 3, 3), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_all_probes_out_and_a_success_closes() {
    pairs("full", || half_open(2, 2, 1), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_all_probes_out_and_two_successes_close() {
    pairs("full, two", || half_open(2, 2, 2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_with_the_lease_over() {
    pairs("lease over", || half_open(2, 2, 2).at(160), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_where_two_failures_decide() {
    pairs("by rate", || half_open_by_rate(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn recovering_and_about_to_trip() {
    pairs("recovering", || recovering(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn recovering_with_the_ramp_over() {
    pairs("ramp over", || ramp_over(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn half_open_where_a_success_begins_the_ramp() {
    pairs("to the ramp", || before_the_ramp(2), &[ALWAYS, OUTCOMES]);
}

#[test]
fn forced_open_over_recovering() {
    pairs("forced recovering", || recovering(2).then(|b| _ = b.force_open()), &[ALWAYS]);
}

#[test]
fn metrics_only_over_recovering() {
    let scene = || recovering(2).then(|b| _ = b.metrics_only()).with_permits();
    pairs("metrics recovering", scene, &[ALWAYS, OUTCOMES]);
}

#[test]
fn forced_open_over_closed() {
    pairs("forced", || closed(2).then(|b| _ = b.force_open()), &[ALWAYS]);
}

#[test]
fn forced_open_over_half_open() {
    pairs("forced half-open", || half_open(2, 2, 2).then(|b| _ = b.force_open()), &[ALWAYS]);
}

#[test]
fn isolated_by_two() {
    pairs("isolated", || closed(2).with_guards(), &[ALWAYS, RELEASE]);
}

#[test]
fn disabled() {
    let scene = || closed(2).then(|b| _ = b.disable()).with_permits();
    pairs("disabled", scene, &[ALWAYS, OUTCOMES]);
}

#[test]
fn metrics_only_over_closed_and_about_to_trip() {
    let scene = || about_to_trip(2).then(|b| _ = b.metrics_only()).with_permits();
    pairs("metrics", scene, &[ALWAYS, OUTCOMES]);
}

#[test]
fn metrics_only_over_open() {
    pairs(
        "metrics open",
        || open(2).then(|b| _ = b.metrics_only()).with_permits(),
        &[ALWAYS, OUTCOMES],
    );
}

#[test]
fn metrics_only_over_half_open() {
    let scene = || half_open(2, 2, 2).then(|b| _ = b.metrics_only()).with_permits();
    pairs("metrics half-open", scene, &[ALWAYS, OUTCOMES]);
}

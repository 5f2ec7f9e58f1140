//! The same where outcomes count in windows, beside the word: what is seen of a call between its
//! two steps?

use super::{
    super::{
        explore::at_one_instant_long,
        scenes::{Scene, closed_by_both, event},
    },
    Beyond, each_with_each,
};
#[cfg(panelboard_loom)]
use crate::models::scenes::{closed_by_the_last, ramp_over_by_both, slow_ones_out, throttled};

/// Outcomes that are not those of one after the other, as in `pairs.rs`. A call that counts in a
/// window does so first; then the word takes its part of it, the run and the verdict. Between the
/// two,
///
/// *snapshot*: the window is seen with the call and the run without it.
///
/// *failure, trip, reset, restore*: a life that ends takes the window along. The call was counted
/// in it, for whoever judged it, and is told so; alone, it would have been late.
///
/// *success*: the failure's verdict is the first of the two, and takes the life along.
///
/// *metrics_only, isolate*: what is set is set on the breaker as it is, and the verdict falls
/// beneath it. It comes to the same as before it, with the two transitions in the other order.
///
/// *ramp over*: the run begins anew with the end of the ramp, and the failure is its first.
///
/// *slow ones out*: a call that ends is for a moment no longer out and not yet in the window, so
/// who asks may miss it; or it was still out when he looked.
const BEYOND: &Beyond = &[
    (
        "by both: snapshot + success",
        &["closed/closed #2 None failures 1 probes 0+0 step 0 window 1/3 slow 0, counted | \
                 closed/closed #2 None failures 0 probes 0+0 step 0 window 1/3 slow 0, \
                 Some(Reset) Some(0ns) failed 1 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: snapshot + failure",
        &["closed/closed #2 None failures 1 probes 0+0 step 0 window 2/3 slow 0, closed>open#3 \
                 | open/open #3 Some(30s) failures 0 probes 0+0 step 1, Some(Failures) Some(0ns) \
                 failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: success + failure",
        &["counted, closed>open#3 | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: failure + failure",
        &[
            "closed>open#3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 3 rejected 0 late 0 ignored 0 cancelled 0",
            "counted, closed>open#3 | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 3 rejected 0 late 0 ignored 0 cancelled 0",
        ],
    ),
    (
        "by both: failure + trip",
        &["counted, closed>open#3 tripped | open/open #3 Some(30s) failures 0 probes 0+0 step \
                 1, Some(Tripped) Some(0ns) failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: failure + reset",
        &["counted, closed>closed#3 reset | closed/closed #3 None failures 0 probes 0+0 step 0 \
                 window 0/0 slow 0, Some(Reset) Some(0ns) failed 2 rejected 0 late 0 ignored 0 \
                 cancelled 0"],
    ),
    (
        "by both: failure + metrics_only",
        &["closed>open#4, closed>metrics-only#3 metrics-only | metrics-only/open #4 Some(30s) \
                 failures 0 probes 0+0 step 1, Some(Failures) Some(0ns) failed 2 rejected 0 late \
                 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: failure + isolate",
        &["closed>open#4, isolated | forced-open/open #4 Some(30s) failures 0 probes 0+0 step \
                 1, Some(Failures) Some(0ns) failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by both: failure + restore",
        &["counted, closed>open#3 restored | open/open #3 Some(10s) failures 0 probes 0+0 step \
                 1, Some(Restored) Some(0ns) failed 2 rejected 0 late 0 ignored 0 cancelled 0"],
    ),
    (
        "by the last: failure + failure",
        &[
            "closed>open#3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(FailureRate) Some(0ns) failed 3 rejected 0 late 0 ignored 0 cancelled 0",
            "counted, closed>open#3 | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(FailureRate) Some(0ns) failed 3 rejected 0 late 0 ignored 0 cancelled 0",
        ],
    ),
    (
        "by the last: failure + reset",
        &["counted, closed>closed#3 reset | closed/closed #3 None failures 0 probes 0+0 step 0 \
                 window 0/0 slow 0, Some(Reset) Some(0ns) failed 2 rejected 0 late 0 ignored 0 \
                 cancelled 0"],
    ),
    (
        "by the last: failure + metrics_only",
        &["closed>open#4, closed>metrics-only#3 metrics-only | metrics-only/open #4 Some(30s) \
                 failures 0 probes 0+0 step 1, Some(FailureRate) Some(0ns) failed 2 rejected 0 \
                 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: acquire + failure",
        &["permit#6 in #6, counted | closed/closed #6 None failures 1 probes 0+0 step 1 window \
                 2/2 slow 0, Some(RampOver) Some(0ns) failed 2 rejected 2 late 0 ignored 0 \
                 cancelled 0"],
    ),
    (
        "ramp over by both: snapshot + success",
        &["closed/closed #5 None failures 1 probes 0+0 step 1 window 1/2 slow 0, counted | \
                 closed/closed #5 None failures 0 probes 0+0 step 1 window 1/2 slow 0, \
                 Some(ProbeSucceeded) Some(100s) failed 1 rejected 2 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: snapshot + failure",
        &["closed/closed #5 None failures 1 probes 0+0 step 1 window 2/2 slow 0, \
                 recovering>open#6 | open/open #6 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 2 rejected 2 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: success + failure",
        &["counted, recovering>open#6 | open/open #6 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 2 rejected 2 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: failure + failure",
        &[
            "counted, recovering>open#6 | open/open #6 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 3 rejected 2 late 0 ignored 0 cancelled 0",
            "recovering>open#6, counted | open/open #6 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(Failures) Some(0ns) failed 3 rejected 2 late 0 ignored 0 cancelled 0",
        ],
    ),
    (
        "ramp over by both: failure + trip",
        &["counted, recovering>open#6 tripped | open/open #6 Some(30s) failures 0 probes 0+0 \
                 step 1, Some(Tripped) Some(0ns) failed 2 rejected 2 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: failure + reset",
        &["counted, recovering>closed#6 reset | closed/closed #6 None failures 0 probes 0+0 \
                 step 0 window 0/0 slow 0, Some(Reset) Some(0ns) failed 2 rejected 2 late 0 \
                 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: failure + metrics_only",
        &["recovering>open#7, recovering>metrics-only#6 metrics-only | metrics-only/open #7 \
                 Some(30s) failures 0 probes 0+0 step 1, Some(Failures) Some(0ns) failed 2 \
                 rejected 2 late 0 ignored 0 cancelled 0"],
    ),
    (
        "ramp over by both: failure + isolate",
        &["recovering>open#7, isolated | forced-open/open #7 Some(30s) failures 0 probes 0+0 \
                 step 1, Some(Failures) Some(0ns) failed 2 rejected 2 late 0 ignored 0 cancelled \
                 0"],
    ),
    (
        "ramp over by both: failure + restore",
        &["counted, recovering>open#6 restored | open/open #6 Some(10s) failures 0 probes 0+0 \
                 step 1, Some(Restored) Some(0ns) failed 2 rejected 2 late 0 ignored 0 cancelled \
                 0"],
    ),
    (
        "slow ones out: acquire + success",
        &[
            "no:open:30s in #3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(SlowCallRate) Some(0ns) failed 0 rejected 1 late 0 ignored 0 cancelled 0",
            "permit#2 in #2, closed>open#3 | open/open #3 Some(30s) failures 0 probes 0+0 step \
                 1, Some(SlowCallRate) Some(0ns) failed 0 rejected 0 late 0 ignored 0 cancelled 0",
        ],
    ),
    (
        "slow ones out: acquire + ignore",
        &["no:open:30s in #3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(SlowCallRate) Some(0ns) failed 0 rejected 1 late 0 ignored 1 cancelled 0"],
    ),
    (
        "slow ones out: acquire + metrics_only",
        &["permit#4 in #4, open>metrics-only#4 metrics-only | metrics-only/open #4 Some(30s) \
                 failures 0 probes 0+0 step 1, Some(MetricsOnly) Some(0ns) failed 0 rejected 1 \
                 late 0 ignored 0 cancelled 0"],
    ),
    (
        "slow ones out: success + success",
        &[
            "closed>open#3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(SlowCallRate) Some(0ns) failed 0 rejected 0 late 0 ignored 0 cancelled 0",
            "counted, closed>open#3 | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(SlowCallRate) Some(0ns) failed 0 rejected 0 late 0 ignored 0 cancelled 0",
        ],
    ),
    (
        "slow ones out: success + ignore",
        &["closed>open#3, counted | open/open #3 Some(30s) failures 0 probes 0+0 step 1, \
                 Some(SlowCallRate) Some(0ns) failed 0 rejected 0 late 0 ignored 1 cancelled 0"],
    ),
    (
        "slow ones out: success + metrics_only",
        &["closed>open#4, closed>metrics-only#3 metrics-only | metrics-only/open #4 Some(30s) \
                 failures 0 probes 0+0 step 1, Some(SlowCallRate) Some(0ns) failed 0 rejected 0 \
                 late 0 ignored 0 cancelled 0"],
    ),
];

/// Under loom, each with each. Shuttle, whose schedules are drawn where there are so many steps,
/// takes the two that matter most.
#[cfg(panelboard_shuttle)]
const EVENTS: [&str; 2] = ["failure", "metrics_only"];

#[cfg(panelboard_loom)]
const EVENTS: [&str; 12] = [
    "acquire",
    "snapshot",
    "success",
    "failure",
    "ignore",
    "late failure",
    "trip",
    "reset",
    "metrics_only",
    "isolate",
    "reconfigure",
    "restore",
];

#[track_caller]
fn pairs<const N: usize>(state: &str, scene: fn() -> Scene, events: [&str; N]) {
    each_with_each(state, scene, &events.map(event), BEYOND, at_one_instant_long);
}

#[test]
fn closed_by_a_run_or_a_share() {
    pairs("by both", || closed_by_both(2), EVENTS);
}

#[test]
#[cfg(panelboard_loom)]
fn closed_by_the_last_calls() {
    let events = ["success", "failure", "metrics_only", "reset", "reconfigure"];
    pairs("by the last", || closed_by_the_last(2), events);
}

#[test]
#[cfg(panelboard_loom)]
fn recovering_with_the_ramp_over_by_a_run_or_a_share() {
    pairs("ramp over by both", || ramp_over_by_both(2), EVENTS);
}

#[test]
#[cfg(panelboard_loom)]
fn closed_with_slow_calls_out() {
    let events = ["acquire", "success", "ignore", "metrics_only", "reconfigure"];
    pairs("slow ones out", || slow_ones_out(2), events);
}

#[test]
#[cfg(panelboard_loom)]
fn closed_and_throttled() {
    let events = ["acquire", "success", "failure", "reset", "metrics_only", "reconfigure"];
    pairs("throttled", || throttled(2), events);
}

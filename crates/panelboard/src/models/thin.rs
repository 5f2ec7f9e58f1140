//! The thin layer: each call ends once, whoever records, asks or finds its lease over at once.

use std::{sync::Arc, time::Duration};

use super::{
    World, ended,
    explore::{explore, explore_long},
    plain,
};
use crate::{Breaker, Recorded, TwoStep};

/// A layer over the breaker of a world.
struct Layer {
    world: World,
    thin: TwoStep<Arc<Breaker>>,
}

/// How long a call may be out.
const LEASE: Duration = Duration::from_secs(10);

impl Layer {
    fn over(world: World) -> Self {
        let thin = TwoStep::new(Arc::clone(&world.breaker)).lease(LEASE).expect("in range");
        Self { world, thin }
    }

    /// Half-open since 30 s, with all its probes out by calls 0 and on.
    fn half_open(probes: u32) -> Self {
        let config = plain().half_open_max_calls(probes).success_threshold(probes);
        let layer = Self::over(World::ready_to_probe(config));
        (0..probes).for_each(|call| assert!(layer.thin.should_allow_in(&call)));
        layer
    }

    /// As [`half_open`](Self::half_open), and the leases are over.
    fn lost(probes: u32) -> Self {
        let layer = Self::half_open(probes);
        layer.world.clock.at_seconds(40);
        layer
    }

    fn ask(&self, call: u32) -> String {
        if self.thin.should_allow_in(&call) { "yes" } else { "no" }.into()
    }

    fn success(&self, call: u32) -> String {
        told(self.thin.record_success_in(&call))
    }

    fn failure(&self, call: u32) -> String {
        told(self.thin.record_failure_in(&call))
    }

    /// The breaker, and what is not zero of: calls that it has counted as cancelled, calls that the
    /// layer holds, outcomes without a call that counted or were ignored, leases that were over,
    /// calls that made room.
    fn end(&self) -> String {
        let counts = self.thin.counts();
        let tally = [
            ("cancelled", self.world.breaker.snapshot().counts.cancelled),
            ("held", self.thin.held() as u64),
            ("counted alone", counts.unattributed_recorded),
            ("ignored", counts.unattributed_ignored),
            ("expired", counts.expired),
            ("displaced", counts.displaced),
        ];
        let told = tally.iter().filter(|(_, count)| *count > 0);
        told.fold(self.world.state(), |all, (name, count)| format!("{all}, {count} {name}"))
    }
}

fn told(recorded: Option<Recorded>) -> String {
    recorded.map_or_else(|| "-".into(), ended)
}

/// Without a call of its own, an outcome is judged by the state that it finds.
#[test]
fn two_outcomes_of_one_call_end_it_once() {
    explore(
        || Layer::half_open(1),
        &[|l: &Layer| l.success(0), |l: &Layer| l.failure(0)],
        Layer::end,
        &[
            "-, half-open>open#3 | open 60s #3, 1 ignored",
            "half-open>closed#3, - | closed 0 #3, 1 ignored",
            "half-open>closed#3, closed>open#4 | open 60s #4, 1 counted alone",
        ],
    );
}

#[test]
fn calls_of_two_contexts_end_each_by_its_own_outcome() {
    explore(
        || Layer::half_open(2),
        &[|l: &Layer| l.success(0), |l: &Layer| l.failure(1)],
        Layer::end,
        &["counted, half-open>open#3 | open 60s #3", "late, half-open>open#3 | open 60s #3"],
    );
}

#[test]
fn the_place_of_a_lost_probe_is_taken_once() {
    explore_long(
        || Layer::lost(1),
        &[|l: &Layer| l.ask(1), |l: &Layer| l.ask(2)],
        Layer::end,
        &[
            "no, yes | half-open 1+0 #2, 1 cancelled, 1 held, 1 expired",
            "yes, no | half-open 1+0 #2, 1 cancelled, 1 held, 1 expired",
        ],
    );
}

/// Who asks while the other frees the place is rejected, and never waits.
#[test]
fn an_outcome_that_meets_the_end_of_its_lease_has_no_call() {
    explore(
        || Layer::lost(1),
        &[|l: &Layer| l.success(0), |l: &Layer| l.ask(1)],
        Layer::end,
        &[
            "-, no | half-open 0+0 #2, 1 cancelled, 1 ignored, 1 expired",
            "-, yes | half-open 1+0 #2, 1 cancelled, 1 held, 1 ignored, 1 expired",
        ],
    );
}

/// With room for one call: its own outcome ends it, or it makes room for the next.
#[test]
fn a_call_is_ended_or_displaced() {
    explore(
        || {
            let mut layer = Layer::over(World::closed(9, 0));
            layer.thin =
                TwoStep::new(Arc::clone(&layer.world.breaker)).max_held(1).expect("in range");
            assert!(layer.thin.should_allow_in(&0));
            layer
        },
        &[|l: &Layer| l.success(0), |l: &Layer| l.ask(1)],
        Layer::end,
        &[
            "counted, yes | closed 0 #0, 1 held",
            "counted, yes | closed 0 #0, 1 cancelled, 1 held, 1 counted alone, 1 displaced",
        ],
    );
}

/// The breaker trips, and its time passes, between a reading of its state and the question that
/// would be the probe.
#[test]
fn an_outcome_without_a_call_is_no_probe() {
    explore(
        || Layer::over(World::closed(9, 0)),
        &[
            |l: &Layer| l.failure(0),
            |l: &Layer| {
                l.world.breaker.trip();
                l.world.clock.at_seconds(30);
                "tripped".into()
            },
        ],
        Layer::end,
        &[
            "counted, tripped | half-open 0+0 #1, 1 counted alone",
            "late, tripped | half-open 0+0 #1, 1 counted alone",
            "-, tripped | half-open 0+0 #1, 1 ignored",
            // The probe that it did not want is given back.
            "-, tripped | half-open 0+0 #2, 1 cancelled, 1 ignored",
        ],
    );
}

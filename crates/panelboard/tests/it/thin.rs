//! The thin layer: what holds through it, and what its limits are.

use std::{
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread,
};

use panelboard::{
    Breaker, Cause, Handle, ManualClock, Outcome, Panel, Recorded, State, TwoStep, TwoStepCounts,
};

use crate::support::{
    Gate, SECOND, breaker, built, in_time, ms, panel, quiet, race, raced, trips_at,
};

type Thin = TwoStep<Arc<Breaker>>;

fn thin(config: panelboard::ConfigBuilder) -> (Thin, ManualClock) {
    let (breaker, hand) = breaker(config);
    (TwoStep::new(breaker), hand)
}

/// As [`thin`], with few enough calls that all of them are in one part.
fn in_one_part(config: panelboard::ConfigBuilder) -> (Thin, ManualClock) {
    let (thin, hand) = thin(config);
    (thin.max_held(1_000).expect("in range"), hand)
}

/// Ready to probe, `probes` at once, which as many successes close.
fn ready(probes: u32) -> (Thin, ManualClock) {
    let config = trips_at(1).half_open_max_calls(probes).success_threshold(probes);
    let (thin, hand) = thin(config.backoff_factor(1.0));
    thin.breaker().trip();
    hand.advance(30 * SECOND);
    (thin, hand)
}

/// Unattributed and recorded, unattributed and ignored, expired, displaced.
fn lost(thin: &Thin) -> [u64; 4] {
    let TwoStepCounts { unattributed_recorded, unattributed_ignored, expired, displaced, .. } =
        thin.counts();
    [unattributed_recorded, unattributed_ignored, expired, displaced]
}

#[test]
fn ask_and_record_do_what_permits_do() {
    let (thin, hand) = thin(trips_at(2));
    assert!(thin.should_allow());
    assert_eq!(thin.record_failure(), Some(Recorded::Counted));
    assert!(thin.should_allow());
    let told = thin.record_failure().expect("it had a call");
    assert_eq!(told.transition().map(|told| told.to), Some(State::Open));
    assert!(!thin.should_allow());
    let rejected = thin.check_in("any").unwrap_err();
    assert_eq!((rejected.state, rejected.retry_after), (State::Open, Some(30 * SECOND)));
    hand.advance(30 * SECOND);
    assert_eq!(thin.state(), State::HalfOpen);
    assert!(thin.should_allow());
    assert_eq!(thin.breaker().snapshot().probes_in_flight, 1);
    let told = thin.record_success().expect("it had a call");
    assert_eq!(told.transition().map(|told| told.cause), Some(Cause::ProbeSucceeded));
    assert_eq!((thin.state(), thin.held(), lost(&thin)), (State::Closed, 0, [0; 4]));
}

#[test]
fn a_thousand_failures_of_fifty_threads_are_a_thousand() {
    for asks in [false, true] {
        let (thin, _hand) = thin(trips_at(1_001));
        let gate = Gate::new(50);
        let fail = || {
            gate.wait();
            for _ in 0..20 {
                assert!(!asks || thin.should_allow());
                assert_eq!(thin.record_failure(), Some(Recorded::Counted));
            }
        };
        thread::scope(|scope| (0..50).for_each(|_| quiet(scope.spawn(fail))));
        assert_eq!(thin.breaker().snapshot().consecutive_failures, 1_000);
        assert_eq!(lost(&thin), [if asks { 0 } else { 1_000 }, 0, 0, 0]);
        thin.record_failure();
        assert_eq!(thin.state(), State::Open, "the next one trips");
    }
}

#[test]
fn of_all_who_ask_at_the_deadline_exactly_k_are_allowed() {
    for k in [1, 3] {
        let begin = |_| {
            let config = trips_at(1).half_open_max_calls(k).success_threshold(k);
            let (breaker, hand) = raced(config);
            breaker.trip();
            hand.advance(30 * SECOND);
            TwoStep::new(breaker)
        };
        let ask = |thread: usize, thin: &Thin| {
            (0..3).filter(|turn| thin.should_allow_in(&(thread, turn))).count()
        };
        race(4, 20, 20_000, begin, ask, |thin, allowed| {
            assert_eq!(allowed.iter().sum::<usize>(), k as usize);
            assert_eq!(thin.breaker().snapshot().probes_in_flight, k);
            assert_eq!((thin.held(), thin.breaker().snapshot().generation), (k as usize, 2));
        });
    }
}

#[test]
fn seven_failures_at_threshold_two_open_once_and_keep_it_open_no_longer() {
    let (panel, hand) = panel(trips_at(2));
    let thin = TwoStep::new(panel.breaker("sink").unwrap());
    for call in 0..7 {
        assert!(thin.should_allow_in(&call));
    }
    for call in 0..7 {
        thin.record_failure_in(&call);
        hand.advance(SECOND);
    }
    let mut events = panel.subscribe_from(1);
    let told: Vec<_> = std::iter::from_fn(|| events.next()).flatten().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(thin.breaker().snapshot().retry_after, Some(24 * SECOND), "30 s after the second");
    assert_eq!(thin.breaker().snapshot().counts.late, 5);
}

/// Outcomes find their calls across a trip: those of before it are late, whoever else is out.
#[test]
fn an_outcome_of_before_the_trip_is_late() {
    let (thin, hand) = ready(1);
    thin.breaker().reset();
    assert!(thin.should_allow_in("old"));
    thin.breaker().trip();
    hand.advance(30 * SECOND);
    assert!(thin.should_allow_in("probe"));
    assert_eq!(thin.record_success_in("old"), Some(Recorded::Late));
    assert_eq!(thin.state(), State::HalfOpen, "a late success closes nothing");
    thin.record_success_in("probe");
    assert_eq!((thin.state(), lost(&thin)), (State::Closed, [0; 4]));
}

#[test]
fn calls_of_one_context_nest() {
    let (thin, hand) = ready(1);
    thin.breaker().reset();
    assert!(thin.should_allow());
    thin.breaker().trip();
    hand.advance(30 * SECOND);
    assert!(thin.should_allow());
    assert_eq!(thin.held(), 2);
    let inner = thin.record_success().expect("it had a call");
    assert_eq!(inner.transition().map(|told| told.to), Some(State::Closed), "that of the probe");
    assert_eq!(thin.record_failure(), Some(Recorded::Late), "that of before the trip");
    assert_eq!(thin.held(), 0);
}

#[test]
fn the_default_context_is_the_thread() {
    let (thin, _hand) = thin(trips_at(9));
    assert!(thin.should_allow());
    thread::scope(|scope| {
        scope.spawn(|| thin.record_failure());
    });
    assert_eq!((thin.held(), lost(&thin)), (1, [1, 0, 0, 0]), "another thread has no call");
    assert!(thin.should_allow_in(&thread::current().id()), "it can be named");
    thin.record_success();
    thin.record_success();
    assert_eq!((thin.held(), lost(&thin)), (0, [1, 0, 0, 0]));
}

#[test]
fn a_context_is_what_it_hashes_as() {
    let (thin, _hand) = thin(trips_at(9));
    assert!(thin.should_allow_in("request 7"));
    assert!(thin.should_allow_in(&("tenant", 7)));
    assert!(thin.record_success_in(&String::from("request 7")).is_some());
    assert_eq!((thin.held(), lost(&thin)), (1, [0; 4]), "a borrowed form names the same");
}

/// Without a call an outcome counts while the breaker is closed, and nowhere else.
#[test]
fn an_outcome_without_a_call_is_judged_by_the_state() {
    let (thin, hand) = thin(trips_at(2));
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Cancelled];
    let record = || outcomes.map(|outcome| thin.record_in("nobody", outcome));
    assert_eq!(record(), [Some(Recorded::Counted); 4]);
    let counts = thin.breaker().snapshot().counts;
    assert_eq!((counts.failures, counts.ignored, counts.cancelled), (1, 1, 1));
    let told = thin.record_failure_in("nobody").expect("it is closed");
    assert_eq!(told.transition().map(|told| told.to), Some(State::Open));
    assert_eq!(lost(&thin), [5, 0, 0, 0]);

    type Change = fn(&Breaker, &ManualClock);
    let changes: [(State, Change); 6] = [
        (State::Open, |_, _| {}),
        (State::HalfOpen, |_, hand| hand.advance(30 * SECOND)),
        (State::HalfOpen, |breaker, _| quiet(breaker.acquire().map(std::mem::forget))),
        (State::ForcedOpen, |breaker, _| quiet((breaker.reset(), breaker.force_open()))),
        (State::Disabled, |breaker, _| quiet(breaker.disable())),
        (State::MetricsOnly, |breaker, _| quiet(breaker.metrics_only())),
    ];
    for (index, (state, change)) in changes.into_iter().enumerate() {
        change(thin.breaker(), &hand);
        let before = thin.breaker().snapshot();
        assert_eq!(thin.state(), state);
        assert_eq!(record(), [None; 4], "{state}");
        assert_eq!(thin.breaker().snapshot(), before, "{state}: nothing has changed");
        assert_eq!(lost(&thin), [5, 4 * (index as u64 + 1), 0, 0]);
    }
}

/// Also while recovering, where a call of this moment might not be admitted.
#[test]
fn an_outcome_without_a_call_is_ignored_while_recovering() {
    let (thin, hand) = thin(trips_at(1).ramp(10 * SECOND));
    thin.breaker().trip();
    hand.advance(30 * SECOND);
    assert!(thin.should_allow());
    thin.record_success();
    assert_eq!(thin.state(), State::Recovering);
    assert_eq!(thin.record_failure(), None);
    assert_eq!((thin.state(), lost(&thin)), (State::Recovering, [0, 1, 0, 0]));
}

/// The probe that is lost holds its place until its lease is over; then another one goes out, at
/// once, in the same round.
#[test]
fn a_lost_probe_frees_its_place_after_the_lease() {
    let (thin, hand) = ready(1);
    let thin = thin.lease(10 * SECOND).expect("in range");
    assert!(thin.should_allow_in("lost"));
    hand.advance(10 * SECOND - ms(1));
    assert!(!thin.should_allow_in("next"));
    assert_eq!(lost(&thin), [0; 4]);
    hand.advance(ms(1));
    assert!(thin.should_allow_in("next"));
    let seen = thin.breaker().snapshot();
    assert_eq!((seen.probes_in_flight, seen.generation, seen.counts.cancelled), (1, 2, 1));
    assert_eq!((thin.held(), lost(&thin)), (1, [0, 0, 1, 0]));
    assert_eq!(thin.record_failure_in("lost"), None, "it has no call any more");
    thin.record_success_in("next");
    assert_eq!((thin.state(), lost(&thin)), (State::Closed, [0, 1, 1, 0]));
}

#[test]
fn the_lease_is_that_of_the_breakers_probes_as_it_is_configured_then() {
    let (thin, hand) = in_one_part(trips_at(9).probe_timeout(16 * SECOND));
    assert!(thin.should_allow_in("a"));
    thin.breaker().reconfigure(&built(trips_at(9).probe_timeout(32 * SECOND)));
    assert!(thin.should_allow_in("b"));
    for (passed, held) in [(15, 3), (16, 3), (31, 4), (32, 4)] {
        hand.set(passed * SECOND);
        assert!(thin.should_allow_in(&passed));
        assert_eq!(thin.held(), held, "after {passed} s");
    }
    assert_eq!(lost(&thin), [0, 0, 2, 0]);
}

/// Whether or not anyone has looked at the leases since, and in an order that the clock's lag may
/// turn around.
#[test]
fn an_outcome_after_the_lease_has_no_call() {
    let (thin, hand) = in_one_part(trips_at(9).probe_timeout(16 * SECOND));
    assert!(thin.should_allow());
    hand.advance(16 * SECOND - ms(1));
    assert_eq!(thin.record_success(), Some(Recorded::Counted));
    assert_eq!(lost(&thin), [0; 4]);
    assert!(thin.should_allow());
    hand.advance(16 * SECOND);
    assert_eq!(thin.record_success(), Some(Recorded::Counted), "as of a call of this moment");
    assert_eq!((thin.held(), lost(&thin)), (0, [1, 0, 1, 0]));
    assert!(thin.should_allow());
    hand.set(ms(0));
    assert_eq!(thin.record_success(), Some(Recorded::Counted), "a clock that is set back");
    assert_eq!((thin.held(), lost(&thin)), (0, [1, 0, 1, 0]));
    // So many others are over that this one is not yet looked at.
    for call in 0..100 {
        assert!(thin.should_allow_in(&call));
    }
    hand.advance(16 * SECOND);
    assert_eq!(thin.record_success_in(&99), Some(Recorded::Counted), "as of a call of this moment");
    assert_eq!((thin.held(), lost(&thin)), (36, [2, 0, 65, 0]));
}

/// However many leases are over, none is left once there was reason to look at them.
#[test]
fn a_thousand_lost_calls_are_forgotten() {
    let (thin, hand) = thin(trips_at(9));
    for call in 0..1_000 {
        assert!(thin.should_allow_in(&call));
    }
    thin.breaker().force_open();
    hand.advance(60 * SECOND);
    assert!(!thin.should_allow());
    assert_eq!((thin.held(), lost(&thin)), (0, [0, 0, 1_000, 0]), "a rejection forgets them all");

    thin.breaker().reset();
    for call in 0..1_000 {
        assert!(thin.should_allow_in(&call));
    }
    hand.advance(60 * SECOND);
    for call in 0..500 {
        assert!(thin.should_allow_in(&call));
    }
    assert_eq!(thin.held(), 500, "those that are allowed forget more than they add");
}

/// Wherever the calls are that are lost, one who is rejected finds them, and asks again.
#[test]
fn lost_probes_of_all_contexts_free_their_places() {
    let (thin, hand) = ready(127);
    let thin = thin.lease(10 * SECOND).expect("in range");
    for call in 0..127 {
        assert!(thin.should_allow_in(&call));
    }
    assert!(!thin.should_allow());
    hand.advance(10 * SECOND - ms(1));
    assert!(!thin.should_allow());
    hand.advance(ms(1));
    assert!(thin.should_allow());
    assert_eq!((thin.held(), lost(&thin)), (1, [0, 0, 127, 0]));
    assert_eq!(thin.breaker().snapshot().generation, 2, "the breaker's own lease still runs");
}

#[test]
fn a_ninth_call_of_a_context_displaces_its_oldest() {
    let (thin, _hand) = thin(trips_at(9));
    assert!(thin.should_allow());
    thin.breaker().reset();
    assert!(thin.should_allow_in("other"));
    for _ in 0..8 {
        assert!(thin.should_allow());
    }
    assert_eq!((thin.held(), lost(&thin)), (9, [0, 0, 0, 1]));
    for _ in 0..8 {
        assert_eq!(thin.record_success(), Some(Recorded::Counted), "those after the reset");
    }
    assert_eq!((thin.held(), lost(&thin)), (1, [0, 0, 0, 1]));
    thin.record_success();
    assert_eq!(lost(&thin), [1, 0, 0, 1], "the ninth outcome has no call");
    assert!(thin.record_success_in("other").is_some());
    assert_eq!((thin.held(), lost(&thin)), (0, [1, 0, 0, 1]));
}

#[test]
fn beyond_its_bound_the_oldest_of_all_goes() {
    let (thin, _hand) = thin(trips_at(9));
    let thin = thin.max_held(3).expect("in range");
    for call in 0..100 {
        assert!(thin.should_allow_in(&call), "traffic goes on");
        assert!(thin.held() <= 3);
    }
    assert_eq!((thin.held(), lost(&thin)), (3, [0, 0, 0, 97]));
    assert_eq!(thin.breaker().snapshot().counts.cancelled, 97);
    for call in 97..100 {
        thin.record_success_in(&call);
    }
    assert_eq!((thin.held(), lost(&thin)), (0, [0, 0, 0, 97]), "the newest are those held");
    for bound in [999, 1_000, 1_001, 10_000] {
        let thin = TwoStep::new(Arc::clone(thin.breaker())).max_held(bound).expect("in range");
        for call in 0..2 * bound {
            assert!(thin.should_allow_in(&call));
        }
        let most = if bound > 1_000 { 8 * bound.div_ceil(8) } else { bound };
        assert_eq!((thin.held(), lost(&thin)[3] as usize), (most, 2 * bound - most));
    }
    let least = TwoStep::new(Arc::clone(thin.breaker())).max_held(1).expect("in range");
    assert!(least.should_allow_in("a") && least.should_allow_in("b"));
    assert_eq!(least.held(), 1, "the newest is always held");
}

#[test]
fn what_is_out_when_the_layer_is_dropped_is_cancelled() {
    for by_panic in [false, true] {
        let (thin, hand) = ready(2);
        let (breaker, _hand) = (Arc::clone(thin.breaker()), hand);
        assert!(thin.should_allow_in("a") && thin.should_allow_in("b"));
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let _dropped = thin;
            assert!(!by_panic, "somebody's own panic");
        }));
        assert_eq!(dropped.is_err(), by_panic);
        let seen = breaker.snapshot();
        assert_eq!((seen.probes_in_flight, seen.counts.cancelled), (0, 2));
        assert_eq!((seen.state, seen.counts.failures), (State::HalfOpen, 0));
    }
}

#[test]
fn what_is_out_when_the_bound_is_set_is_cancelled() {
    let (thin, _hand) = ready(2);
    assert!(thin.should_allow_in("a") && thin.should_allow_in("b"));
    let thin = thin.max_held(5).expect("in range");
    assert_eq!((thin.held(), thin.breaker().snapshot().probes_in_flight), (0, 0));
}

/// An outcome is recorded by a value that a panic drops. The calls that it finds lost are not
/// those of that panic.
#[test]
fn a_panic_is_held_against_nobody_else() {
    struct Records<'a>(&'a Thin);
    impl Drop for Records<'_> {
        fn drop(&mut self) {
            self.0.record_failure();
        }
    }
    let (thin, hand) = in_one_part(trips_at(9));
    for call in 0..5 {
        assert!(thin.should_allow_in(&call));
    }
    hand.advance(60 * SECOND);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _records = Records(&thin);
        panic!("the call's own panic");
    }));
    assert!(panicked.is_err());
    let counts = thin.breaker().snapshot().counts;
    assert_eq!((counts.failures, counts.cancelled), (1, 5));
}

/// Hashes by asking and telling the layer that hashes it.
struct Asks<'a>(&'a TwoStep<Handle>);

impl Hash for Asks<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        quiet(self.0.should_allow_in("inner"));
        quiet(self.0.record_failure_in("inner"));
        7.hash(state);
    }
}

/// Neither a listener nor a context's hash runs under the lock.
#[test]
fn users_code_may_call_everything() {
    let counts = in_time(|| {
        let slot: Arc<OnceLock<TwoStep<Handle>>> = Arc::default();
        let own = Arc::clone(&slot);
        let listen = move |_: &panelboard::Event<String>| {
            let Some(thin) = own.get() else { return };
            quiet(thin.should_allow());
            quiet(thin.record_success());
            quiet((thin.state(), thin.held(), thin.counts()));
        };
        let panel: Panel =
            Panel::builder().defaults(built(trips_at(2))).on_transition(listen).build();
        let handle = panel.breaker("sink").expect("there is room");
        let thin = slot.get_or_init(|| TwoStep::new(handle));
        assert!(thin.should_allow_in(&Asks(thin)));
        quiet(thin.record_failure_in(&Asks(thin)));
        assert_eq!(thin.state(), State::Open);
        thin.breaker().snapshot().counts
    });
    // The second of them trips; the listener's and the outer one then find it open.
    assert_eq!((counts.failures, counts.late), (2, 1));
}

#[test]
fn it_holds_a_breaker_by_reference_by_arc_and_by_handle() {
    fn goes_anywhere<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let (breaker, _hand) = breaker(trips_at(3));
    let by_reference = TwoStep::new(&*breaker);
    let by_arc = goes_anywhere(TwoStep::new(Arc::clone(&breaker)));
    assert!(by_reference.should_allow() && by_arc.should_allow());
    by_reference.record_failure();
    by_arc.record_failure();
    assert_eq!(breaker.snapshot().consecutive_failures, 2, "two layers, one breaker");

    let (panel, hand) = panel(trips_at(1));
    let by_handle = goes_anywhere(TwoStep::new(panel.breaker("key").expect("there is room")));
    assert!(by_handle.should_allow());
    hand.advance(60 * SECOND);
    panel.evict_idle();
    panel.evict_idle();
    assert!(panel.get("key").is_some_and(|handle| handle.same_as(by_handle.breaker())));
}

/// One call, two outcomes: exactly one of them is its own.
#[test]
fn two_outcomes_of_one_call_end_it_once() {
    let begin = |_| {
        let (breaker, hand) = raced(trips_at(1));
        breaker.trip();
        hand.advance(30 * SECOND);
        let thin = TwoStep::new(breaker);
        assert!(thin.should_allow_in("call"));
        thin
    };
    let record = |_: usize, thin: &Thin| thin.record_in("call", Outcome::Ignored);
    race(2, 20, 20_000, begin, record, |thin, told| {
        let attributed = told.iter().flatten().filter(|told| **told == Recorded::Counted).count();
        assert_eq!((attributed, lost(&thin)), (1, [0, 1, 0, 0]));
        assert_eq!(thin.breaker().snapshot().probes_in_flight, 0);
    });
}

#[test]
fn a_lease_or_a_bound_of_nothing_is_refused() {
    let two_step = || thin(trips_at(1)).0;
    for lease in [std::time::Duration::ZERO, ms(1) - std::time::Duration::from_nanos(1)] {
        let error = two_step().lease(lease).expect_err("no call ends in it");
        assert_eq!((error.field, error.expected), ("lease", "at least 1 ms"));
        assert_eq!(error.value, format!("{lease:?}"));
    }
    assert!(two_step().lease(ms(1)).is_ok());
    let error = two_step().max_held(0).expect_err("nobody can be held");
    assert_eq!(error.to_string(), "max_held is 0, expected at least 1");
    assert!(two_step().max_held(1).is_ok());
}

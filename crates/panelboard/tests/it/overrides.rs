//! E. What people set: it wins over everything, and leaves nothing behind.

use std::sync::Arc;

use panelboard::{Breaker, Cause, Handle, Outcome, Panel, Recorded, State};

use crate::{
    support::{SECOND, breaker, built, in_time, ms, quiet, race, raced, raced_panel, trips_at},
    timeline::check,
};

#[test]
fn each_override_does_what_it_says_in_every_state() {
    check(trips_at(1), "F . . A s f F A .", "F F F C C O F O O");
    check(trips_at(1), "D f f f A s", "D D- D- D- C C");
    check(trips_at(1), "f D s f A .", "O D D- D- O O");
    check(trips_at(1), "f +30s a F 1s A s", "O H H F F~ H C");
    check(trips_at(1), "F D M A", "F D M C");
    check(trips_at(1), "F R s D R s M R s", "F C C D C C M C C");
    // The open time runs on beneath, and nobody need ask in order to end it.
    check(trips_at(1), "f F +30s A s", "O F F H C");
}

#[test]
fn e33_force_open_that_races_a_trip_a_close_or_a_probe_ends_forced() {
    let starts: [fn(&Arc<Breaker>, &panelboard::ManualClock); 3] = [
        |_, _| (),
        |breaker, _| quiet(breaker.trip()),
        |breaker, hand| {
            breaker.trip();
            hand.advance(30 * SECOND);
        },
    ];
    for start in starts {
        let begin = |_| {
            let (breaker, hand) = raced(trips_at(1).half_open_max_calls(8));
            start(&breaker, &hand);
            breaker
        };
        let step = |thread: usize, breaker: &Arc<Breaker>| {
            for turn in 0..6 {
                match thread {
                    0 if turn == 3 => return breaker.force_open().is_some(),
                    0 => {}
                    1 => drop(breaker.trip()),
                    _ => {
                        let outcomes = [Outcome::Success, Outcome::Failure];
                        let ended = breaker.acquire().map(|permit| permit.end(outcomes[turn % 2]));
                        quiet(ended);
                    }
                }
            }
            false
        };
        race(4, 30, 20_000, begin, step, |breaker, forced| {
            assert_eq!(forced.iter().filter(|forced| **forced).count(), 1);
            assert_eq!(breaker.state(), State::ForcedOpen);
            let rejected = breaker.acquire().unwrap_err();
            assert_eq!((rejected.state, rejected.retry_after), (State::ForcedOpen, None));
            breaker.automatic();
            assert_ne!(breaker.state(), State::ForcedOpen);
        });
    }
}

/// Probes that end beneath an override move the automatic state and never the override.
#[test]
fn e33_an_automatic_transition_never_writes_the_override() {
    let (breaker, hand) = breaker(trips_at(1).backoff_factor(1.0));
    breaker.metrics_only();
    let moves: [(Outcome, State); 4] = [
        (Outcome::Failure, State::Open),
        (Outcome::Failure, State::Open),
        (Outcome::Success, State::Closed),
        (Outcome::Failure, State::Open),
    ];
    for (outcome, automatic) in moves {
        let permit = breaker.acquire().unwrap();
        assert!(permit.end(outcome).transition().is_some_and(|told| told.overridden));
        let seen = breaker.snapshot();
        assert_eq!((seen.state, seen.automatic), (State::MetricsOnly, automatic));
        hand.advance(30 * SECOND);
    }
}

/// A listener that is told to force the panel's breaker open as soon as it trips.
#[test]
fn e34_force_open_from_inside_the_trip_listener_ends_forced() {
    let answer = in_time(|| {
        let slot: Arc<std::sync::OnceLock<Handle>> = Arc::default();
        let own = Arc::clone(&slot);
        let panel: Panel = Panel::builder()
            .defaults(built(trips_at(1)))
            .on_transition(move |event| {
                if let (State::Open, Some(handle)) = (event.transition.to, own.get()) {
                    handle.force_open();
                }
            })
            .build();
        let handle = panel.breaker("key").expect("there is room");
        slot.set(handle.clone()).expect("it is empty");
        let told = handle.acquire().expect("closed").failure();
        (told.transition().map(|told| told.to), handle.state(), handle.snapshot().generation)
    });
    assert_eq!(answer, (Some(State::Open), State::ForcedOpen, 2));
}

#[test]
fn e35_metrics_only_during_a_trip_leaves_the_callers_request_alone() {
    let (breaker, hand) = breaker(trips_at(2));
    let before = breaker.acquire().unwrap();
    breaker.metrics_only();
    assert_eq!(before.failure(), Recorded::Late, "given before it was set");
    for turn in 0..4 {
        let answer = breaker.call(|| Err::<(), _>("its own error"));
        assert_eq!(answer, Err(panelboard::CallError::Inner("its own error")), "turn {turn}");
    }
    // What it would have done: tripped at the second, rejected the third and the fourth.
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.automatic), (State::MetricsOnly, State::Open));
    assert_eq!((seen.counts.failures, seen.counts.rejected), (2, 2));
    assert!(breaker.would_admit());
    hand.advance(30 * SECOND);
    assert_eq!(breaker.call(|| Ok::<_, ()>(7)), Ok(7));
    assert_eq!(breaker.snapshot().automatic, State::Closed, "the probe closed it beneath");
}

#[test]
fn e36_a_reset_ends_every_deadline_and_lease_of_the_old_era() {
    check(trips_at(1), "f R s +30s s", "O C C C C");
    check(trips_at(1), "f +30s a R 1f f +29s . +1s s", "O H H C C~ O O O H C");
    let (breaker, hand) = breaker(trips_at(1).half_open_max_calls(1));
    breaker.trip();
    hand.advance(30 * SECOND);
    let old = breaker.acquire().unwrap();
    hand.advance(59 * SECOND);
    breaker.reset();
    breaker.trip();
    hand.advance(30 * SECOND);
    // The lease of the new probe is its own, and not what was left of the old one's.
    let _new = breaker.acquire().unwrap();
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(60 * SECOND));
    assert_eq!(old.success(), Recorded::Late);
    assert_eq!(breaker.snapshot().probes_in_flight, 1);
}

#[test]
fn e36_a_reset_forgets_counts_back_off_and_override() {
    let (breaker, hand) = breaker(trips_at(3));
    for wait in [30, 60, 120] {
        breaker.trip();
        assert_eq!(breaker.snapshot().retry_after, Some(wait * SECOND));
        hand.advance(wait * SECOND);
        drop(breaker.acquire());
    }
    breaker.disable();
    let told = breaker.reset();
    assert_eq!((told.from, told.to, told.cause), (State::Disabled, State::Closed, Cause::Reset));
    assert_eq!(breaker.snapshot().backoff_step, 0);
    for _ in 0..2 {
        breaker.acquire().unwrap().failure();
    }
    breaker.reset();
    assert_eq!(breaker.snapshot().consecutive_failures, 0);
    breaker.trip();
    assert_eq!(breaker.snapshot().retry_after, Some(30 * SECOND), "the first step again");
}

#[test]
fn e37_the_last_isolate_guard_gives_back_the_state_before() {
    check(trips_at(1), "G G . g . g s", "F F F F F C C");
    check(trips_at(1), "f G G +10s g g . +20s s", "O F F F F O O H C");
    check(trips_at(1), "f +30s G g s", "O H F H C");
    check(trips_at(2), "f G g f", "C F C O");
    // What was set meanwhile holds from then on; a guard goes before it.
    check(trips_at(1), "G D . g f", "F F F D D-");
    check(trips_at(1), "D G . g f A s", "D F F D D- C C");
    check(trips_at(1), "F G A . g s", "F F F F C C");
    // Guards outlive a reset.
    check(trips_at(1), "f G R . g s", "O F F F C C");
}

#[test]
fn e37_guards_on_many_threads_are_counted() {
    let begin = |_| {
        let (panel, _hand) = raced_panel(trips_at(1));
        panel.breaker("key").unwrap()
    };
    let step = |_: usize, handle: &Handle| {
        for _ in 0..10 {
            let guard = handle.isolate_owned();
            assert_eq!(handle.state(), State::ForcedOpen, "while a guard is held");
            drop(guard);
        }
    };
    race(4, 40, 20_000, begin, step, |handle, _| {
        assert_eq!(handle.state(), State::Closed);
        assert!(handle.snapshot().generation.is_multiple_of(2), "as often released as isolated");
    });
}

/// Only what changes something is a transition, and it tells what a person did.
#[test]
fn each_setting_is_told_once_with_its_cause() {
    let (breaker, _hand) = breaker(trips_at(1));
    let told =
        |told: Option<panelboard::Transition>| told.map(|told| (told.from, told.to, told.cause));
    use State::{Closed, Disabled, ForcedOpen, MetricsOnly, Open};
    assert_eq!(told(breaker.automatic()), None);
    assert_eq!(told(breaker.force_open()), Some((Closed, ForcedOpen, Cause::ForceOpen)));
    assert_eq!(told(breaker.force_open()), None);
    assert_eq!(told(breaker.disable()), Some((ForcedOpen, Disabled, Cause::Disable)));
    assert_eq!(told(breaker.metrics_only()), Some((Disabled, MetricsOnly, Cause::MetricsOnly)));
    assert_eq!(told(breaker.trip()), Some((Closed, Open, Cause::Tripped)), "beneath");
    assert_eq!(told(breaker.automatic()), Some((MetricsOnly, Open, Cause::Automatic)));
    assert_eq!(told(breaker.trip()), None, "it is open");
    assert_eq!(breaker.snapshot().generation, 5);
}

/// A transition says how long it will stay open if that is what callers get from here on.
#[test]
fn only_a_transition_to_open_tells_an_open_time() {
    let (breaker, _hand) = breaker(trips_at(1));
    assert_eq!(breaker.trip().and_then(|told| told.retry_after), Some(30 * SECOND));
    assert_eq!(breaker.force_open().and_then(|told| told.retry_after), None);
    assert_eq!(breaker.automatic().and_then(|told| told.retry_after), Some(30 * SECOND));
    assert_eq!(breaker.reset().retry_after, None);
    let rejected = breaker.open_for(ms(5), "test");
    let panelboard::OpenFor::Tripped(told) = rejected else { panic!("was closed: {rejected:?}") };
    assert_eq!(told.retry_after, Some(ms(5)));
}

/// The names that stand in JSON, metrics and logs: they never change.
#[test]
fn each_state_is_shown_by_its_name() {
    use State::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open, Recovering};
    let all = [Closed, Open, HalfOpen, Recovering, ForcedOpen, Disabled, MetricsOnly];
    let names = all.map(State::as_str).join(" ");
    assert_eq!(names, "closed open half-open recovering forced-open disabled metrics-only");
}

//! B. Permits, probes and leases: who holds a place, and how it comes free (B1, B5, B8).

mod forms;

use std::{
    error::Error,
    fmt,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use panelboard::{Breaker, CallError, Outcome, Policy, Recorded, Rejected, State, Window};

use self::forms::{FORMS, Slow, poll};
use crate::{
    support::{Gate, SECOND, breaker, built, ms, panel, race, raced, raced_panel, trips_at},
    timeline::check,
};

/// A breaker that is ready to probe, `probes` at once.
fn ready(probes: u32) -> (Arc<Breaker>, panelboard::ManualClock) {
    let (breaker, hand) = raced(
        trips_at(1).half_open_max_calls(probes).success_threshold(probes).backoff_factor(1.0),
    );
    breaker.trip();
    hand.advance(30 * SECOND);
    (breaker, hand)
}

#[test]
fn b10_exactly_k_probes_are_out_however_many_ask() {
    for k in [1, 3] {
        race(
            4,
            40,
            20_000,
            |_| ready(k).0,
            |_, breaker| breaker.acquire_owned().ok(),
            |breaker, permits| {
                let out: Vec<_> = permits.into_iter().flatten().collect();
                assert_eq!(out.len(), k as usize, "of 4 callers");
                assert!(out.iter().all(|permit| permit.is_probe() && permit.generation() == 2));
                assert_eq!(breaker.snapshot().probes_in_flight, k);
                assert_eq!(breaker.snapshot().generation, 2);
                assert_eq!(breaker.snapshot().counts.rejected, 4 - u64::from(k));
            },
        );
    }
}

/// Probes that come back make room for as many, never for more.
#[test]
fn b10_never_more_than_k_probes_at_once() {
    const K: usize = 2;
    const THREADS: usize = 8;
    let (breaker, _hand) = ready(K as u32);
    let (gate, inside, admitted) = (Gate::new(THREADS), AtomicUsize::new(0), AtomicUsize::new(0));
    let full = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                gate.wait();
                for turn in 0..4_000 {
                    let Ok(permit) = breaker.acquire() else {
                        thread::yield_now();
                        continue;
                    };
                    let now = inside.fetch_add(1, Ordering::AcqRel) + 1;
                    assert!(now <= K, "{now} probes at once");
                    full.fetch_add(usize::from(now == K), Ordering::Relaxed);
                    admitted.fetch_add(1, Ordering::Relaxed);
                    if turn % 16 == 0 {
                        thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::AcqRel);
                    assert_eq!(permit.ignore(), Recorded::Counted);
                }
            });
        }
    });
    assert_eq!(breaker.snapshot().probes_in_flight, 0, "permits given = permits ended");
    assert_eq!(breaker.snapshot().counts.ignored as usize, admitted.into_inner());
    assert!(full.into_inner() > 0, "never were {K} probes out at once: nothing was shown");
}

#[test]
fn b10_a_thousand_callers_at_the_deadline_are_k_probes() {
    const THREADS: usize = 8;
    const EACH: usize = 125;
    for k in [1, 5, 127] {
        let (breaker, _hand) = ready(k);
        let gate = Gate::new(THREADS);
        let out: usize = thread::scope(|scope| {
            let ask = || {
                gate.wait();
                let permits: Vec<_> = (0..EACH).map(|_| breaker.acquire()).collect();
                permits.into_iter().flatten().map(mem::forget).count()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(out, k as usize);
        assert_eq!(breaker.snapshot().counts.rejected as usize, THREADS * EACH - k as usize);
    }
}

#[test]
fn b11_a_dropped_permit_of_the_closed_state_frees_no_probe() {
    check(trips_at(1), "a a f +30s a 1d . 2i . 3s", "C C O H H H H H~ H C");
    let (breaker, hand) = breaker(trips_at(1).half_open_max_calls(3));
    let old: Vec<_> = (0..5).map(|_| breaker.acquire().unwrap()).collect();
    breaker.trip();
    hand.advance(30 * SECOND);
    let _probes = [breaker.acquire().unwrap(), breaker.acquire().unwrap()];
    drop(old);
    assert_eq!(breaker.snapshot().probes_in_flight, 2);
    assert_eq!(breaker.snapshot().counts.late, 5);
}

#[test]
fn b12_the_count_of_probes_never_under_or_overflows() {
    let (breaker, hand) = ready(127);
    let probes: Vec<_> = (0..127).map(|_| breaker.acquire().unwrap()).collect();
    assert_eq!(breaker.snapshot().probes_in_flight, 127);
    assert!(breaker.acquire().is_err());
    drop(probes);
    assert_eq!(breaker.snapshot().probes_in_flight, 0);
    let left_over: Vec<_> = (0..100).map(|_| breaker.acquire().unwrap()).collect();
    breaker.trip();
    hand.advance(30 * SECOND);
    let fresh = breaker.acquire().unwrap();
    drop(left_over);
    assert_eq!(breaker.snapshot().probes_in_flight, 1, "those of the old round gave nothing back");
    drop(fresh);
    assert_eq!(breaker.snapshot().probes_in_flight, 0);
}

/// The same with threads that acquire, drop, trip and reset: at the end, every place is back.
#[test]
fn b12_places_come_back_after_any_race_of_acquire_drop_trip_and_reset() {
    let step = |thread: usize, breaker: &Arc<Breaker>| {
        for turn in 0..20 {
            match (thread, turn % 4) {
                (0, 0) => drop(breaker.trip()),
                (1, 3) => drop(breaker.reset()),
                _ => drop(breaker.acquire()),
            }
        }
    };
    race(
        4,
        40,
        20_000,
        |_| ready(3).0,
        step,
        |breaker, _| {
            let snapshot = breaker.snapshot();
            assert_eq!(snapshot.probes_in_flight, 0, "{snapshot:?}");
            breaker.reset();
            assert!(breaker.acquire().is_ok());
        },
    );
}

#[test]
fn b13_a_future_that_is_dropped_gives_its_place_back() {
    for (form, call) in FORMS {
        let (breaker, _hand) = ready(1);
        // Before the first poll: no permit was taken.
        let work = Slow::new(1);
        let polls = Arc::clone(&work.polls);
        drop(call(&breaker, work));
        assert_eq!(polls.load(Ordering::Relaxed), 0, "{form}");
        let seen = breaker.snapshot();
        assert_eq!((seen.generation, seen.counts.cancelled), (1, 0), "{form}");
        // Between polls.
        let mut task = call(&breaker, Slow::new(2));
        assert!(poll(&mut task).is_pending());
        assert_eq!(breaker.snapshot().probes_in_flight, 1, "{form}");
        assert!(breaker.acquire().is_err(), "{form}: the only place is taken");
        drop(task);
        let seen = breaker.snapshot();
        assert_eq!((seen.probes_in_flight, seen.counts.cancelled), (0, 1), "{form}");
        assert_eq!(seen.counts.failures, 0, "{form}: nothing is held against the service");
        // When it has answered, it is recorded; dropping it then changes nothing.
        let mut task = call(&breaker, Slow::new(1));
        assert!(poll(&mut task).is_pending());
        assert_eq!(poll(&mut task), Poll::Ready(true), "{form}");
        assert_eq!(breaker.state(), State::Closed, "{form}");
        drop(task);
        assert_eq!(breaker.snapshot().counts.cancelled, 1, "{form}");
    }
}

/// All probes are out: the work is never begun, and dropping it ends nothing.
#[test]
fn b13_a_future_that_is_dropped_while_it_is_rejected_is_not_polled() {
    for (form, call) in FORMS {
        let (breaker, _hand) = ready(1);
        let _probe = breaker.acquire().unwrap();
        let work = Slow::new(0);
        let polls = Arc::clone(&work.polls);
        assert_eq!(poll(&mut call(&breaker, work)), Poll::Ready(false), "{form}");
        assert_eq!(polls.load(Ordering::Relaxed), 0, "{form}: work that is rejected is not polled");
    }
    let (breaker, _hand) = ready(1);
    let _probe = breaker.acquire().unwrap();
    let mut call = pin!(breaker.call_async(Slow::new(0)));
    let answer = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(CallError::Rejected(rejected))) = answer else {
        panic!("must be rejected at once")
    };
    assert_eq!(rejected.state, State::HalfOpen);
}

/// A handle's future is a task of its own: it goes to another thread and outlives the panel.
#[test]
fn b13_the_owned_future_of_a_handle_goes_anywhere() {
    fn goes_anywhere<T: Send + 'static>(task: T) -> T {
        task
    }
    let (panel, _hand) = panel(trips_at(1));
    let handle = panel.breaker("key").unwrap();
    let task = goes_anywhere(handle.call_async_owned(async { Err::<(), _>("no route") }));
    drop(panel);
    assert_eq!(handle.state(), State::Closed, "it takes its permit at the first poll");
    let answer = thread::spawn(move || pin!(task).poll(&mut Context::from_waker(Waker::noop())));
    assert_eq!(answer.join().unwrap(), Poll::Ready(Err(CallError::Inner("no route"))));
    assert_eq!(handle.state(), State::Open);
}

/// Whoever gets it as any error finds out by its source whether the call was made.
#[test]
fn the_error_of_a_call_names_what_lies_under_it() {
    let (breaker, _hand) = breaker(trips_at(1));
    // An error with another under it: the call of a breaker that rejects.
    let open = Breaker::new(built(trips_at(1)));
    open.trip();
    let fails = || open.call(|| Err::<(), _>(fmt::Error));
    let inner = breaker.call(fails).unwrap_err();
    assert!(inner.source().is_some_and(|source| source.is::<Rejected>()), "{inner}");
    let rejected = breaker.call(fails).unwrap_err();
    assert!(matches!(rejected, CallError::Rejected(_)));
    assert!(rejected.source().is_some_and(|source| source.is::<Rejected>()), "{rejected}");
}

#[test]
fn an_option_that_is_none_is_a_failure() {
    let (breaker, _hand) = breaker(trips_at(2));
    assert_eq!(breaker.call_option(|| None::<u8>), Ok(None));
    assert_eq!(breaker.snapshot().consecutive_failures, 1);
    assert_eq!(breaker.call_option(|| Some(7)), Ok(Some(7)));
    assert_eq!(breaker.snapshot().consecutive_failures, 0, "an answer is a success");
    let awaited = |answer| {
        let mut call = pin!(breaker.call_option_async(async move { answer }));
        call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
    assert_eq!(awaited(Some(7)), Poll::Ready(Ok(Some(7))));
    assert_eq!([awaited(None), awaited(None)], [Poll::Ready(Ok(None)); 2]);
    assert_eq!(breaker.state(), State::Open);
    let Poll::Ready(Err(rejected)) = awaited(Some(7)) else { panic!("must be rejected") };
    assert_eq!(breaker.call_option(|| Some(7)), Err(rejected));
    assert_eq!(rejected.state, State::Open);
}

#[test]
fn b14_a_panic_frees_the_place_and_counts_as_a_failure() {
    check(trips_at(2), "p s p p", "C C C O");
    check(trips_at(1).backoff_factor(1.0), "f +30s p . +30s s", "O H O O H C");
    // Where that was asked for, it is a cancelled call.
    check(trips_at(1).panic_is_failure(false), "p f +30s p s", "C O H H C");
}

/// Each form of a call, and the future lives on after its panic, as one that is joined does.
#[test]
fn b14_a_panic_in_any_form_counts_where_it_happens() {
    for (form, call) in FORMS {
        for (is_failure, state, failures) in [(true, State::Open, 1), (false, State::HalfOpen, 0)] {
            let (breaker, hand) = breaker(trips_at(1).panic_is_failure(is_failure));
            breaker.trip();
            hand.advance(30 * SECOND);
            let mut task = call(&breaker, Slow { panics: true, ..Slow::new(1) });
            assert!(poll(&mut task).is_pending());
            let panicked = catch_unwind(AssertUnwindSafe(|| poll(&mut task)));
            assert!(panicked.is_err(), "{form}: it goes on to the caller");
            let seen = breaker.snapshot();
            assert_eq!((seen.state, seen.counts.failures), (state, failures), "{form}");
            assert_eq!((seen.probes_in_flight, seen.counts.cancelled), (0, 1 - failures), "{form}");
            drop(task);
            assert_eq!(breaker.snapshot().counts, seen.counts, "{form}: and once");
        }
    }
    let (breaker, _hand) = ready(1);
    let panics = || breaker.call_option(|| -> Option<u8> { panic!("the call's own panic") });
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    assert_eq!((breaker.state(), breaker.snapshot().counts.failures), (State::Open, 1));
}

#[test]
fn b14_a_permit_dropped_by_a_panic_counts_as_a_failure() {
    let (breaker, _hand) = ready(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = breaker.acquire().unwrap();
        panic!("between acquire and outcome");
    }));
    assert!(panicked.is_err());
    assert_eq!((breaker.state(), breaker.snapshot().counts.failures), (State::Open, 1));
}

#[test]
fn b15_a_leaked_probe_loses_its_place_after_its_lease() {
    let (breaker, hand) = ready(1);
    mem::forget(breaker.acquire().unwrap());
    hand.advance(60 * SECOND - ms(1));
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(ms(1)));
    hand.advance(ms(1));
    let second = breaker.acquire().unwrap();
    assert_eq!(second.generation(), 3, "a generation of its own");
    assert_eq!(breaker.snapshot().cause, Some(panelboard::Cause::LeaseExpired));
    assert!(breaker.acquire().is_err(), "the new probe has a lease of its own");
    second.success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn b15_the_late_original_of_a_lost_probe_changes_nothing() {
    for (how, mark) in [("1s", "H~"), ("1f", "H~"), ("1i", "H~"), ("1d", "H")] {
        check(
            trips_at(1),
            &format!("f +30s a . +60s a . {how} . 2s"),
            &format!("O H H H H H H {mark} H C"),
        );
    }
}

/// The lease runs from the newest probe: a busy half-open breaker is not torn down under its
/// probes.
#[test]
fn b15_the_lease_runs_from_the_newest_probe() {
    let two = trips_at(1).half_open_max_calls(2).success_threshold(2);
    check(two, "f +30s a +50s a . +50s . 1s 2s", "O H H H H H H H H C");
    let (breaker, hand) = ready(2);
    let _first = breaker.acquire().unwrap();
    hand.advance(50 * SECOND);
    let _second = breaker.acquire().unwrap();
    hand.advance(59 * SECOND);
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(SECOND));
    hand.advance(SECOND);
    assert_eq!(breaker.acquire().unwrap().generation(), 3);
}

#[test]
fn b15_a_probe_that_ends_moves_no_lease() {
    let minute = 60 * SECOND;
    // Calls are timed, so that a success is recorded with the time of its end.
    let policy = Policy::any_of([
        Policy::consecutive(1),
        Policy::slow_call_rate(1.0, minute, Window::time(minute), 9),
    ]);
    let probes = |n| trips_at(1).policy(policy.clone()).half_open_max_calls(n).success_threshold(3);
    let (breaker, hand) = breaker(probes(3));
    breaker.trip();
    hand.advance(30 * SECOND);
    mem::forget((breaker.acquire().unwrap(), breaker.acquire().unwrap()));
    let third = breaker.acquire().unwrap();
    hand.advance(20 * SECOND);
    assert_eq!(third.success(), Recorded::Counted);
    // Full again without another probe.
    breaker.reconfigure(&built(probes(2)));
    assert_eq!(breaker.acquire().unwrap_err().retry_after, Some(40 * SECOND));
}

/// B16 is by type: `end` takes the permit. What is left to show is that a drop after it is none.
#[test]
fn b16_an_ended_permit_is_not_dropped_as_a_cancelled_call() {
    let (breaker, _hand) = breaker(trips_at(9));
    let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Cancelled];
    for outcome in outcomes {
        breaker.acquire().unwrap().end(outcome);
    }
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.failures, counts.ignored, counts.cancelled), (1, 1, 1));
}

#[test]
fn b18_callers_beyond_the_limit_are_rejected_at_once() {
    check(trips_at(1), "f +30s a . . . 1s", "O H H H H H C");
    let (breaker, _hand) = ready(1);
    let _probe = breaker.acquire().unwrap();
    let rejected = breaker.acquire().unwrap_err();
    assert_eq!(rejected.state, State::HalfOpen);
    assert_eq!(rejected.retry_after, Some(60 * SECOND), "no later than the end of the lease");
    assert_eq!(rejected.generation, 2);
    assert!(!breaker.would_admit());
}

#[test]
fn b19_an_ignored_probe_decides_nothing_and_frees_its_place() {
    check(trips_at(1), "f +30s i i a . 1i s", "O H H H H H H C");
}

#[test]
fn b20_a_cancelled_probe_decides_nothing_and_frees_its_place() {
    check(trips_at(1), "f +30s d d a . 1d s", "O H H H H H H C");
}

#[test]
fn b21_those_who_see_the_deadline_together_make_one_transition() {
    let begin = |_| {
        let (panel, hand) = raced_panel(trips_at(1).half_open_max_calls(2));
        let handle = panel.breaker("key").unwrap();
        handle.trip();
        hand.advance(30 * SECOND);
        (panel, handle)
    };
    let ask =
        |_: usize, shared: &(panelboard::Panel, panelboard::Handle)| shared.1.acquire_owned().ok();
    race(4, 40, 20_000, begin, ask, |(panel, handle), permits| {
        assert_eq!(permits.iter().flatten().count(), 2, "two probes");
        assert_eq!(handle.snapshot().generation, 2, "one transition");
        let mut events = panel.subscribe_from(1);
        let told: Vec<_> = std::iter::from_fn(|| events.next()).flatten().collect();
        let causes: Vec<_> = told.iter().map(|event| event.transition.cause).collect();
        assert_eq!(causes, [panelboard::Cause::Tripped, panelboard::Cause::DeadlinePassed]);
    });
}

/// A reconfiguration to fewer places takes none from those who hold one.
#[test]
fn fewer_places_hold_for_new_probes_only() {
    let (breaker, _hand) = ready(3);
    let probes: Vec<_> = (0..3).map(|_| breaker.acquire().unwrap()).collect();
    breaker.reconfigure(&built(trips_at(1)));
    let mut probes = probes.into_iter();
    assert!(breaker.acquire().is_err());
    probes.next().unwrap().ignore();
    probes.next().unwrap().ignore();
    assert!(breaker.acquire().is_err(), "one is out, one may be");
    probes.next().unwrap().ignore();
    assert!(breaker.acquire().is_ok());
}

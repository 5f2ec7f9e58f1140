//! C. What a reader sees while the breaker moves: never one generation's state beside another's
//! numbers (B6, B10).

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use panelboard::{Breaker, Cause, Outcome, Recorded, Snapshot, State};

use crate::support::{SECOND, breaker, ms, race, raced, trips_at};

/// Trips and resets go on on one thread while others read: each snapshot fits in itself, and
/// generations never go back for one reader.
#[test]
fn c22_no_snapshot_mixes_two_generations() {
    let (breaker, _hand) = breaker(trips_at(1).half_open_max_calls(2));
    let (over, mixed) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !over.load(Ordering::Relaxed) {
                    let seen = breaker.snapshot();
                    fits_in_itself(&seen);
                    assert!(seen.generation >= last, "{} after {last}", seen.generation);
                    mixed.fetch_add(u64::from(seen.generation > last), Ordering::Relaxed);
                    last = seen.generation;
                }
            });
        }
        // Odd generations are open for their own number of seconds, even ones closed.
        let mut turns = 0;
        while mixed.load(Ordering::Relaxed) < 2_000 && turns < 5_000_000 {
            let generation = 2 * turns + 1;
            breaker.open_for(ms(generation), "test");
            breaker.reset();
            turns += 1;
        }
        over.store(true, Ordering::Relaxed);
    });
    let moves = mixed.into_inner();
    assert!(moves >= 2_000, "the readers saw only {moves} moves: nothing was shown");
}

/// The deadline, the cause and the count are those of the generation (the clock stands at 0).
fn fits_in_itself(seen: &Snapshot) {
    let open = !seen.generation.is_multiple_of(2);
    assert_eq!(seen.automatic, if open { State::Open } else { State::Closed }, "{seen:?}");
    assert_eq!(seen.retry_after, open.then(|| ms(seen.generation)), "{seen:?}");
    let cause = if open { Cause::OpenFor("test") } else { Cause::Reset };
    assert!(seen.cause.is_none_or(|noted| noted == cause), "{seen:?}");
    assert_eq!(seen.counts.transitions, seen.generation);
}

/// A rejection carries the deadline of the generation that rejected.
#[test]
fn c22_no_rejection_tells_an_older_generations_deadline() {
    let begin = |_| raced(trips_at(1).half_open_max_calls(2)).0;
    let step = |thread: usize, breaker: &std::sync::Arc<Breaker>| {
        for turn in 0..50_u64 {
            if thread == 0 {
                breaker.open_for(ms(2 * turn + 1), "test");
                breaker.reset();
            } else if let Err(rejected) = breaker.acquire() {
                assert_eq!(rejected.state, State::Open);
                assert_eq!(rejected.retry_after, Some(ms(rejected.generation)));
            }
        }
    };
    race(3, 40, 20_000, begin, step, |breaker, _| {
        assert_eq!(breaker.snapshot().generation, 100);
    });
}

/// Closing and tripping again race: what is left is open with a deadline ahead, or closed; never an
/// open breaker that admits.
#[test]
fn c23_a_trip_that_races_a_close_leaves_a_state_of_the_table() {
    let begin = |_| {
        let (breaker, hand) = raced(trips_at(1).half_open_max_calls(2).success_threshold(1));
        breaker.trip();
        hand.advance(30 * SECOND);
        let probes = [breaker.acquire_owned().unwrap(), breaker.acquire_owned().unwrap()];
        (breaker, std::sync::Mutex::new(probes.map(Some)))
    };
    type Shared = (
        std::sync::Arc<Breaker>,
        std::sync::Mutex<[Option<panelboard::Permit<std::sync::Arc<Breaker>>>; 2]>,
    );
    let step = |thread: usize, shared: &Shared| {
        if thread == 2 {
            return shared.0.trip().map(Recorded::Transition);
        }
        let permit = shared.1.lock().expect("no panic")[thread].take();
        let outcome = if thread == 0 { Outcome::Success } else { Outcome::Failure };
        permit.map(|permit| permit.end(outcome))
    };
    race(3, 60, 20_000, begin, step, |(breaker, _), told| {
        let told: Vec<_> = told.into_iter().flatten().collect();
        let mut made: BTreeMap<u64, _> = BTreeMap::new();
        for transition in told.iter().filter_map(Recorded::transition) {
            assert!(made.insert(transition.generation, *transition).is_none(), "given twice");
        }
        let seen = breaker.snapshot();
        assert_eq!(
            made.keys().copied().collect::<Vec<_>>(),
            (3..=seen.generation).collect::<Vec<_>>()
        );
        let path: Vec<_> = made.values().map(|made| (made.from, made.to)).collect();
        assert!(path.windows(2).all(|pair| pair[0].1 == pair[1].0), "{path:?}");
        let last = made.values().next_back().expect("one of the three was first");
        assert_eq!(seen.automatic, last.to);
        match last.to {
            State::Open => {
                assert!(seen.retry_after.is_some_and(|wait| wait >= 30 * SECOND), "{seen:?}");
                assert!(breaker.acquire().is_err(), "open, and admits");
            }
            _ => assert!(breaker.acquire().is_ok()),
        }
    });
}

/// A failure that was admitted after the close counts, however late the closing thread goes on.
#[test]
fn c24_what_is_counted_after_a_close_is_not_erased() {
    let begin = |_| {
        let (breaker, hand) = raced(trips_at(100));
        breaker.trip();
        hand.advance(30 * SECOND);
        let probe = std::sync::Mutex::new(Some(breaker.acquire_owned().unwrap()));
        (breaker, probe)
    };
    type Shared = (
        std::sync::Arc<Breaker>,
        std::sync::Mutex<Option<panelboard::Permit<std::sync::Arc<Breaker>>>>,
    );
    let step = |thread: usize, shared: &Shared| {
        if thread == 0 {
            let probe = shared.1.lock().expect("no panic").take();
            probe.map(panelboard::Permit::success);
            return 0;
        }
        let admitted = (0..20).filter_map(|_| shared.0.acquire().ok());
        admitted.map(panelboard::Permit::failure).filter(|told| *told == Recorded::Counted).count()
    };
    race(3, 60, 20_000, begin, step, |(breaker, _), counted| {
        let counted: usize = counted.into_iter().sum();
        assert_eq!(breaker.state(), State::Closed);
        assert_eq!(breaker.snapshot().consecutive_failures as usize, counted);
    });
}

#[test]
fn c25_a_rejection_is_counted_once() {
    let (breaker, hand) = breaker(trips_at(1));
    let rejected = |breaker: &Breaker| breaker.snapshot().counts.rejected;
    breaker.trip();
    assert!(breaker.acquire().is_err());
    assert_eq!(rejected(&breaker), 1);
    assert!(breaker.call(|| Ok::<(), ()>(())).is_err());
    assert_eq!(rejected(&breaker), 2);
    hand.advance(30 * SECOND);
    let probe = breaker.acquire().unwrap();
    assert!(breaker.acquire().is_err());
    assert_eq!(rejected(&breaker), 3);
    probe.success();
    breaker.force_open();
    assert!(breaker.acquire().is_err());
    assert_eq!(rejected(&breaker), 4);
    assert!(!breaker.would_admit(), "a question is no rejection");
    assert_eq!(rejected(&breaker), 4);
}

#[test]
fn c26_state_acquire_and_snapshot_agree_at_every_point_of_a_trip() {
    let (breaker, hand) = breaker(trips_at(2));
    let agree = |expected: State, admits: bool| {
        let seen = breaker.snapshot();
        assert_eq!((breaker.state(), seen.state, seen.automatic), (expected, expected, expected));
        assert_eq!(breaker.would_admit(), admits, "{expected}");
        // A generation as the answer tells it, without leaving a trace: a dropped permit.
        match breaker.acquire() {
            Ok(permit) => {
                assert!(admits, "{expected} admitted");
                assert!(permit.generation() >= seen.generation);
            }
            Err(rejected) => {
                assert!(!admits, "{expected} rejected");
                assert_eq!((rejected.state, rejected.generation), (expected, seen.generation));
                assert_eq!(rejected.retry_after, seen.retry_after);
            }
        }
    };
    agree(State::Closed, true);
    breaker.acquire().unwrap().failure();
    agree(State::Closed, true);
    breaker.acquire().unwrap().failure();
    agree(State::Open, false);
    hand.advance(30 * SECOND - ms(1));
    agree(State::Open, false);
    hand.advance(ms(1));
    assert!(breaker.snapshot().ready_to_probe);
    agree(State::HalfOpen, true);
    assert!(!breaker.snapshot().ready_to_probe, "it has probed");
    agree(State::HalfOpen, true);
    breaker.acquire().unwrap().success();
    agree(State::Closed, true);
}

//! Does the lock keep what it promises, with threads that wait, nest and panic?

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Barrier, mpsc},
    thread,
};

use super::*;
use crate::sync::{AtomicU64, Ordering};

#[test]
fn a_closure_in_a_closure_is_told_so_whatever_it_wants_to_enter() {
    let (one, other) = (Guarded::new(1), Guarded::new(2));
    let nested = one.with(|_| (one.with(|_| ()), other.with(|_| ()), other.contention()));
    let (same, second, contention) = nested.expect("the outer one is free");
    assert_eq!(same, Err(LockError::Nested));
    assert_eq!(second, Err(LockError::Nested));
    assert_eq!(contention, Err(LockError::Nested));
    assert_eq!(other.with(|value| *value), Ok(2), "the mark is gone");
}

#[test]
fn a_wait_ends_at_its_deadline_and_never_gets_in() {
    let value = Arc::new(Guarded::with_deadline(0, Duration::from_millis(1)));
    let (inside, holds) = (Arc::new(Barrier::new(2)), Arc::clone(&value));
    let (release, released) = mpsc::sync_channel::<()>(0);
    let entered = Arc::clone(&inside);
    let holder = thread::spawn(move || {
        holds.with(|value| {
            entered.wait();
            released.recv().ok();
            *value = 1;
        })
    });
    inside.wait();
    assert_eq!(value.with(|value| *value = 2), Err(LockError::Timeout));
    drop(release);
    assert_eq!(holder.join().expect("no panic"), Ok(()));
    assert_eq!(value.with(|value| *value), Ok(1));
    assert_eq!(value.contention().expect("free").timeouts, 1);
}

#[test]
fn a_wait_that_gets_in_is_measured() {
    // Who comes just when the lock is given back does not wait: then once more.
    let measured = (0..1_000).any(|_| {
        let value = Guarded::new(());
        let (comes, holds) = (AtomicU64::new(0), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                let held = value.with(|()| {
                    holds.wait();
                    while comes.load(Ordering::Acquire) == 0 {
                        thread::yield_now();
                    }
                    // Time for it to find the lock held.
                    (0..20).for_each(|_| thread::yield_now());
                });
                assert_eq!(held, Ok(()));
            });
            holds.wait();
            comes.store(1, Ordering::Release);
            assert_eq!(value.with(|()| ()), Ok(()));
        });
        let contention = value.contention().expect("free");
        assert_eq!(contention.entries, 2);
        assert_eq!(contention.wait.count() > 0, contention.wait.sum() > Duration::ZERO);
        contention.wait.count() == 1
    });
    assert!(measured);
}

#[test]
fn values_that_are_entered_twice_each_are_measured_at_both() {
    // As a session is that is loaded and asked once: the second time is the one that takes long.
    let long = Duration::from_micros(200);
    let mut sum = Contention::default();
    for _ in 0..SAMPLE {
        let value = Guarded::new(());
        value.with(|()| ()).expect("free");
        let slow = value.with(|()| {
            let start = clock::measure();
            while start.elapsed() < long {}
        });
        assert_eq!(slow, Ok(()));
        sum.add(&value.contention().expect("free"));
    }
    assert_eq!((sum.entries, sum.hold.count()), (2 * u64::from(SAMPLE), 2));
    assert!(sum.hold.sum() >= long, "one of the two that were measured was the long one");
}

#[test]
fn a_panic_is_told_to_all_who_come_after_until_it_is_repaired() {
    let value = Guarded::new((0, 0));
    let other = Guarded::new(0);
    let half = catch_unwind(AssertUnwindSafe(|| {
        value.with(|pair| {
            pair.0 += 1;
            if pair.0 == 1 {
                panic!("between the two");
            }
            pair.1 += 1;
        })
    }));
    assert!(half.is_err());
    assert_eq!(value.with(|_| ()), Err(LockError::Poisoned));
    assert_eq!(other.with(|value| *value), Ok(0), "the mark of the thread is gone");
    assert_eq!(value.repair(|pair| pair.1 = pair.0), Ok(()));
    assert_eq!(value.with(|pair| *pair), Ok((1, 1)));
}

#[test]
fn totals_of_many_threads_are_exact() {
    let value = Arc::new(Guarded::new(0_u64));
    let threads: Vec<_> = (0..64)
        .map(|_| {
            let value = Arc::clone(&value);
            thread::spawn(move || {
                for _ in 0..100 {
                    value.with(|value| *value += 1).expect("held for nanoseconds");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(value.with(|value| *value), Ok(6_400));
    assert_eq!(value.contention().expect("free").entries, 6_401);
}

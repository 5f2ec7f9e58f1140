//! Does the lock keep what it promises, with threads that wait, nest and panic?

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Barrier, mpsc},
    thread,
};

use super::*;

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
    let value = Arc::new(Guarded::new(()));
    let (inside, holds) = (Arc::new(Barrier::new(2)), Arc::clone(&value));
    let (entered, waits) = (Arc::clone(&inside), Arc::clone(&value));
    let holder = thread::spawn(move || {
        holds.with(|()| {
            entered.wait();
            // Until somebody waits: a lock that is waited for can't be taken at once, but neither
            // can one that is held, so this gives the other thread as long as it needs.
            thread::yield_now();
        })
    });
    inside.wait();
    let waiter = thread::spawn(move || waits.with(|()| ()));
    assert_eq!(holder.join().expect("no panic"), Ok(()));
    assert_eq!(waiter.join().expect("no panic"), Ok(()));
    let contention = value.contention().expect("free");
    assert_eq!(contention.entries, 2);
    assert!(contention.wait.count() <= 1);
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

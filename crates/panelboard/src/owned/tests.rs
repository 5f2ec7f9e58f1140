//! Who gets which place.

use std::{
    collections::BTreeSet,
    sync::{Barrier, Mutex},
    thread,
};

use super::*;
use crate::sync::{deal_thread_index, thread_index};

type Words = Owned<AtomicU64, AtomicU64>;

fn same<T>(a: Option<&T>, b: &T) -> bool {
    a.is_some_and(|a| std::ptr::eq(a, b))
}

#[test]
fn the_first_thread_has_the_first_place_and_others_have_none() {
    let places = Words::new();
    assert!(places.own().is_none(), "nobody has come yet");
    assert!(same(places.settle(), &places.first) && same(places.own(), &places.first));
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(places.settle().is_none() && places.own().is_none());
            assert!(std::ptr::eq(places.shared_here(), &places.shared.0));
        });
    });
}

#[test]
fn with_slots_each_thread_has_its_own_as_far_as_they_go() {
    let places = Words::new();
    places.spread();
    places.spread();
    let made = places.all_own().count() - 1;
    let threads = made + 2;
    let (gate, own, shared) = (Barrier::new(threads), Mutex::new(vec![]), Mutex::new(vec![]));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let place = places.settle().map(|place| std::ptr::from_ref(place).addr());
                match place {
                    Some(place) => own.lock().unwrap().push(place),
                    None => shared.lock().unwrap().push(places.shared_here() as *const _ as usize),
                }
                // All at once: a number is dealt again when its thread has ended.
                gate.wait();
            });
        }
    });
    let (own, shared) = (own.into_inner().unwrap(), shared.into_inner().unwrap());
    assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), own.len(), "no two have the same");
    assert_eq!(own.len() + shared.len(), threads);
    assert!(shared.len() >= 2, "there are fewer slots than threads");
    assert!(own.iter().all(|&place| place != std::ptr::from_ref(&places.first).addr()));
    assert_eq!(places.all_shared().count(), made + 1);
}

#[test]
fn live_threads_have_numbers_of_their_own_and_keep_them() {
    let gate = Barrier::new(100);
    let numbers = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let own = deal_thread_index();
                assert_eq!((deal_thread_index(), thread_index()), (own, own));
                assert!(numbers.lock().unwrap().insert(own), "{own} twice");
                gate.wait();
            });
        }
    });
    assert!(!numbers.into_inner().unwrap().contains(&NO_INDEX));
}

#[test]
fn a_thread_that_ends_has_no_number_but_can_still_ask() {
    struct AtTheEnd;
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            assert_eq!(thread_index(), NO_INDEX);
            let places = Words::new();
            assert!(places.settle().is_none());
            places.spread();
            assert!(places.settle().is_none());
            places.shared_here();
        }
    }
    thread_local!(static LAST: AtTheEnd = const { AtTheEnd });
    thread::scope(|scope| {
        scope
            .spawn(|| {
                // The last destructor runs first: the number is given back before `LAST` goes.
                LAST.with(|_| ());
                deal_thread_index();
            })
            .join()
            .expect("no panic");
    });
}

#[test]
fn slots_are_a_power_of_two_and_enough_for_the_threads_that_count() {
    let gate = Barrier::new(40);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                deal_thread_index();
                gate.wait();
                let slots = slots();
                assert!(slots.is_power_of_two() && slots == 64, "{slots}");
                gate.wait();
            });
        }
    });
    assert!((2..=64).contains(&slots()));
}

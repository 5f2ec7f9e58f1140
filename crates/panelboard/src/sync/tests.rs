//! Has each live thread a number of its own, and as many slots as it needs?

use std::{
    collections::BTreeSet,
    sync::{Barrier, Mutex, RwLock},
    thread,
};

use super::{
    MOST_SLOTS, NO_INDEX, deal_thread_index, index::in_use, slots, slots_for, thread_index,
};

/// More threads at once than any test beside this one starts.
const FEW: usize = 24;

/// One test, since the numbers are the process's: what one part holds would be missed by another.
#[test]
fn live_threads_have_numbers_of_their_own_and_ended_ones_give_theirs_back() {
    at_once(FEW, |numbers, highest| {
        assert!(numbers.iter().all(|&number| number < MOST_SLOTS), "{numbers:?}");
        let last = numbers.last().copied().unwrap_or(NO_INDEX);
        assert!(highest > last && highest <= MOST_SLOTS, "{highest} after {last}");
        assert!(slots() >= FEW.next_power_of_two());

        // One that ends gives back its own number and nobody else's.
        let ended = on_a_thread(deal_thread_index);
        let next = on_a_thread(deal_thread_index);
        assert!(!numbers.contains(&ended) && !numbers.contains(&next), "{ended}, {next}");
    });
    // Those of the threads that have ended are dealt again, so the numbers stay low.
    let in_turn: BTreeSet<_> = (0..1_000).map(|_| on_a_thread(deal_thread_index)).collect();
    assert!(in_turn.iter().all(|&number| number < MOST_SLOTS), "{in_turn:?}");

    at_once(MOST_SLOTS + 8, |numbers, highest| {
        assert!(numbers.iter().any(|&number| number >= MOST_SLOTS), "{numbers:?}");
        assert_eq!((highest, slots()), (MOST_SLOTS, MOST_SLOTS));
    });
}

#[test]
fn a_thread_has_no_number_until_one_is_dealt_and_keeps_it() {
    let told = on_a_thread(|| [thread_index(), deal_thread_index(), thread_index()]);
    assert_eq!(told[0], NO_INDEX);
    assert_ne!(told[1], NO_INDEX);
    assert_eq!(told[1], told[2]);
    let twice = on_a_thread(|| [deal_thread_index(), deal_thread_index()]);
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn there_are_slots_for_twice_the_processors_and_for_all_threads_that_count() {
    assert_eq!(slots_for(1, 0), 2);
    assert_eq!(slots_for(3, 0), 8);
    assert_eq!(slots_for(8, 1), 16);
    assert_eq!(slots_for(1, 17), 32);
    assert_eq!(slots_for(1, MOST_SLOTS), MOST_SLOTS);
    assert_eq!(slots_for(96, 5), MOST_SLOTS);
    assert!(slots().is_power_of_two() && slots() >= 2, "{}", slots());
}

fn on_a_thread<T: Send>(work: impl Fn() -> T + Sync) -> T {
    thread::scope(|scope| scope.spawn(&work).join()).expect("no panic")
}

/// Looks while so many threads have numbers: at these, no two the same, and at one more than the
/// highest that is in use.
fn at_once(threads: usize, look: impl FnOnce(&BTreeSet<usize>, usize)) {
    // Who looks holds it; the others end when it is given back, be it by a panic.
    let held = RwLock::new(());
    let (numbers, dealt) = (Mutex::new(Vec::new()), Barrier::new(threads + 1));
    thread::scope(|scope| {
        let looks = held.write().expect("nobody panics under it before");
        for _ in 0..threads {
            scope.spawn(|| {
                let number = deal_thread_index();
                numbers.lock().expect("nobody panics under it").push(number);
                dealt.wait();
                drop(held.read());
            });
        }
        dealt.wait();
        let all = numbers.lock().expect("nobody panics under it");
        let distinct: BTreeSet<_> = all.iter().copied().collect();
        assert_eq!(distinct.len(), threads, "two have the same: {all:?}");
        look(&distinct, in_use());
        drop(looks);
    });
}

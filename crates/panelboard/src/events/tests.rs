//! In which order are transitions told that come in another one?

use std::time::Duration;

use super::*;
use crate::transition::{Cause, State};

fn hub() -> Arc<Hub<&'static str>> {
    Arc::new(Hub::new(4 * MAX_PARKED, Vec::new()))
}

fn announcer(hub: &Arc<Hub<&'static str>>, key: &'static str, id: u64) -> Announcer<&'static str> {
    Announcer::new(Arc::clone(hub), key, id)
}

fn arrives(announcer: &Announcer<&'static str>, generation: u64) {
    announcer.announce(&Transition {
        generation,
        from: State::Closed,
        to: State::Open,
        cause: Cause::Tripped,
        overridden: false,
        at: Duration::ZERO,
        retry_after: None,
    });
}

/// Whose, and of which generation, from the oldest on.
fn told(hub: &Arc<Hub<&'static str>>) -> Vec<(&'static str, u64)> {
    let mut events = Subscription::new(Arc::clone(hub), 1);
    let mut told = vec![];
    while let Some(Ok(event)) = events.next() {
        assert_eq!(event.seq, told.len() as u64 + 1);
        told.push((event.key, event.transition.generation));
    }
    told
}

fn waiting(hub: &Hub<&'static str>) -> usize {
    hub.stream.lock().parked.len()
}

#[test]
fn those_of_one_breaker_wait_for_the_one_before_them_and_for_no_other() {
    let hub = hub();
    let (a, b) = (announcer(&hub, "a", 1), announcer(&hub, "b", 2));
    arrives(&a, 3);
    arrives(&a, 2);
    assert_eq!((told(&hub), waiting(&hub)), (vec![], 2));
    (1..=3).rev().for_each(|generation| arrives(&b, generation));
    assert_eq!((told(&hub), waiting(&hub)), (vec![("b", 1), ("b", 2), ("b", 3)], 2));
    arrives(&a, 1);
    assert_eq!((&told(&hub)[3..], waiting(&hub)), (&[("a", 1), ("a", 2), ("a", 3)][..], 0));
}

/// Its thread was stopped for good, or for very long.
#[test]
fn beyond_the_bound_the_one_that_all_wait_for_is_left_out() {
    let hub = hub();
    let (a, b) = (announcer(&hub, "a", 1), announcer(&hub, "b", 2));
    // It waits for another one, and goes on waiting.
    arrives(&b, 2);
    let waits = 3..MAX_PARKED as u64 + 2;
    waits.clone().rev().for_each(|generation| arrives(&a, generation));
    assert_eq!((told(&hub), waiting(&hub)), (vec![], MAX_PARKED), "as many as may wait");
    let last = waits.end;
    arrives(&a, last);
    let all: Vec<_> = (3..=last).map(|generation| ("a", generation)).collect();
    assert_eq!((told(&hub), waiting(&hub)), (all.clone(), 1));
    // Both of them come too late.
    arrives(&a, 2);
    arrives(&a, 1);
    assert_eq!((told(&hub), waiting(&hub)), (all.clone(), 1));
    arrives(&a, last + 1);
    arrives(&b, 1);
    let more = [("a", last + 1), ("b", 1), ("b", 2)];
    assert_eq!((told(&hub), waiting(&hub)), ([&all[..], &more].concat(), 0));
}

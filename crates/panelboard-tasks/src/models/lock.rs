//! The lock: one closure at a time, and a thread's own mark.

use panelboard_explore::explore;

use crate::guarded::{Guarded, LockError};

/// Reads, and writes one more than it read: two at once would lose one.
fn raise(value: &Guarded<u32>) -> String {
    let raised = value.with(|value| {
        let read = *value;
        *value = read + 1;
        read
    });
    format!("{raised:?}")
}

#[test]
fn p1_two_closures_run_one_after_the_other() {
    explore(
        || Guarded::new(0),
        &[raise, raise],
        |value| format!("{:?}", value.with(|value| *value)),
        &["Ok(0), Ok(1) | Ok(2)", "Ok(1), Ok(0) | Ok(2)"],
    );
}

/// Enters one within the other; the other thread does the same the other way round.
fn nested(outer: &Guarded<u32>, inner: &Guarded<u32>) -> String {
    let nested = outer.with(|_| inner.with(|value| *value));
    format!("{}", nested == Ok(Err(LockError::Nested)))
}

#[test]
fn s15_who_nests_is_told_so_and_nobody_waits_for_ever() {
    explore(
        || (Guarded::new(0), Guarded::new(0)),
        &[|(one, other)| nested(one, other), |(one, other)| nested(other, one)],
        |(one, other)| format!("{:?}", one.with(|_| ()).and(other.with(|_| ()))),
        &["true, true | Ok(())"],
    );
}

//! What becomes of records when a write does not come back?

use std::time::Duration;

use panelboard::State;
use tracing::Level;

use crate::rig::{Fake, LONG, Mode, Paper, Rig, builder, numbers, opens_after};

const LIMIT: Duration = Duration::from_secs(1);

#[test]
fn a_write_that_hangs_opens_the_breaker_and_the_fallback_takes_over() {
    let (main, spare) = (Fake::new(Mode::Hang), Fake::fine());
    let rig = Rig::new([
        main.sink("main").timeout(LIMIT).breaker(opens_after(9)).fallback("spare"),
        spare.sink("spare").standby(),
    ]);
    rig.info(0..3);
    main.wait_hanging();
    rig.turn(LIMIT * 2);
    rig.until("given away", |it| it.sink("main").unwrap().stuck);
    // What comes now goes there, too, though the sink's own thread is in the write.
    rig.info(3..6);
    spare.wait_seen(6);
    assert_eq!(spare.seen(), numbers(0..6));
    assert_eq!(rig.pipeline.sink("main").unwrap().state, State::Open);
    // The answer comes in the end, and decides nothing.
    main.set(Mode::Fine);
    rig.until("back", |it| it.sink("main").unwrap().late_answers == 1);
    let ledger = rig.ledger("main");
    assert_eq!((ledger.delivered, ledger.handed_over), (0, 6));
    assert!(ledger.balances());
    // And it is of use again, after its open time.
    rig.turn(Duration::from_secs(60));
    rig.info(6..9);
    rig.until("delivered", |_| rig.ledger("main").delivered == 3);
}

#[test]
fn without_a_fallback_a_batch_that_hangs_is_decided_by_its_answer() {
    let (main, other) = (Fake::new(Mode::Hang), Fake::fine());
    let paper = Paper::default();
    let sinks = [
        main.sink("main").timeout(LIMIT).breaker(opens_after(9)),
        other.sink("other").level(Level::WARN),
    ];
    let rig = Rig::of(builder(sinks).complaints(paper.clone(), LIMIT));
    rig.info(0..3);
    main.wait_hanging();
    rig.turn(LIMIT * 2);
    // Who looks for writes that hang complains after each look: what it says of a failure that came
    // after the turn is said after a look at it.
    other.set(Mode::Fail);
    rig.run(|| tracing::warn!("for both"));
    rig.until("looked", |_| paper.text().contains("sink other"));
    assert_eq!(rig.pipeline.sink("main").unwrap().state, State::Open);
    let status = rig.pipeline.sink("main").unwrap();
    assert_eq!(status.last_error.map(|(class, ..)| class), Some("timed out"));
    assert_eq!((status.ledger.waiting, status.failures), (4, 1));
    main.set(Mode::Fine);
    other.set(Mode::Fine);
    rig.until("delivered", |_| rig.ledger("main").delivered == 3);
    assert_eq!(rig.pipeline.sink("main").unwrap().late_answers, 0);
    rig.turn(Duration::from_secs(60));
    rig.settles();
}

/// The program's own way is the same whether a sink hangs or not: it ends at the line.
#[test]
fn the_program_does_not_wait_for_a_sink_that_hangs() {
    let (bad, good) = (Fake::new(Mode::Hang), Fake::fine());
    let sinks = [bad.sink("bad").buffer_records(100), good.sink("good")];
    let rig = Rig::of(builder(sinks).queue(1 << 14));
    rig.info(0..10);
    bad.wait_hanging();
    let start = crate::clock::now();
    rig.info(10..5_000);
    // A generous bound: what is asserted is that nothing waits for the sink, which never answers.
    assert!(start.elapsed() < LONG / 4, "{:?}", start.elapsed());
    good.wait_seen(5_000);
    assert_eq!(good.seen(), numbers(0..5_000));
    let hanging = rig.pipeline.sink("bad").unwrap();
    assert!(hanging.buffered.0 <= 100 && hanging.ledger.balances(), "{hanging:?}");
    bad.set(Mode::Fine);
}

#[test]
fn what_failed_is_written_first_and_what_was_written_of_it_not_again() {
    let main = Fake::new(Mode::FailAfter(2));
    let rig = Rig::new([main.sink("main").breaker(opens_after(99)).batch_records(5)]);
    rig.info(0..10);
    main.wait_writes(1);
    rig.until("answered", |it| it.sink("main").unwrap().failures == 1);
    assert_eq!(rig.ledger("main").delivered, 2);
    main.set(Mode::Fail);
    rig.turn(Duration::from_secs(1));
    main.wait_writes(2);
    main.set(Mode::Fine);
    rig.until("all", |_| {
        rig.turn(Duration::from_secs(1));
        rig.ledger("main").delivered == 10
    });
    assert_eq!(main.seen(), numbers(0..10));
}

#[test]
fn after_the_attempts_that_are_allowed_a_batch_is_given_up() {
    let main = Fake::new(Mode::Fail);
    let sink = main.sink("main").breaker(opens_after(99)).attempts(3);
    let rig = Rig::new([sink]);
    rig.info(["a"]);
    for writes in 1..=3 {
        main.wait_writes(writes);
        rig.until("answered", |it| it.sink("main").unwrap().writing_for.is_none());
        rig.turn(Duration::from_secs(10));
    }
    rig.settles();
    let dropped = rig.ledger("main").dropped;
    assert_eq!(dropped.of(panelboard_tracing::Reason::GaveUp), 1);
    assert_eq!(main.writes(), 3);
}

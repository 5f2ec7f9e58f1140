//! How does it end, and what is said of it?

use std::time::Duration;

use panelboard_tracing::{Pipeline, Reason};

use crate::rig::{Fake, LONG, Mode, Paper, Rig, builder, numbers, opens_after};

#[test]
fn a_flush_waits_for_what_was_said_before_and_for_no_full_batch() {
    let main = Fake::fine();
    let rig = Rig::new([main.sink("main").batch_delay(Duration::from_secs(3_600))]);
    rig.info(0..1_000);
    assert!(rig.pipeline.flush(LONG).is_complete());
    assert_eq!(main.seen(), numbers(0..1_000));
}

#[test]
fn a_flush_says_what_still_waits_when_its_time_is_over() {
    let main = Fake::new(Mode::Hang);
    let rig = Rig::new([main.sink("main")]);
    rig.info(["a"]);
    let report = rig.pipeline.flush(Duration::from_millis(50));
    assert!(!report.is_complete());
    assert_eq!(report.sinks[0].1.waiting, 1);
    assert!(report.to_string().ends_with("1 not written"), "{report}");
    main.set(Mode::Fine);
}

#[test]
fn it_does_not_wait_for_a_breaker_that_stays_open_for_longer() {
    let main = Fake::fine();
    let mut rig = Rig::on_time(builder([main.sink("main").breaker(opens_after(1))]).drain(LONG));
    rig.pipeline.trip("main");
    rig.info(0..3);
    let start = crate::clock::now();
    let report = rig.shutdown();
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    assert_eq!(report.sinks[0].1.dropped.of(Reason::Shutdown), 3);
}

#[test]
fn it_does_not_wait_for_a_breaker_that_is_held_open() {
    let main = Fake::fine();
    let mut rig = Rig::on_time(builder([main.sink("main")]).drain(LONG));
    rig.pipeline.breaker("main").unwrap().force_open();
    rig.info(0..3);
    let start = crate::clock::now();
    assert_eq!(rig.pipeline.flush(LONG).sinks[0].1.waiting, 3);
    let report = rig.shutdown();
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    assert_eq!(report.sinks[0].1.dropped.of(Reason::Shutdown), 3);
}

#[test]
fn an_end_with_a_time_of_its_own_takes_that_one() {
    let main = Fake::new(Mode::Hang);
    let mut rig = Rig::on_time(builder([main.sink("main")]).drain(LONG));
    rig.info(0..3);
    let start = crate::clock::now();
    let report = rig.shutdown_within(Duration::from_millis(50));
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    assert_eq!(report.sinks[0].1.dropped.of(Reason::Shutdown), 3);
    main.set(Mode::Fine);
}

#[test]
fn what_comes_after_the_end_is_counted_and_goes_nowhere() {
    let main = Fake::fine();
    let mut rig = Rig::new([main.sink("main")]);
    rig.info(["before"]);
    rig.shutdown();
    rig.info(["after"]);
    assert_eq!(rig.pipeline.status().late, 1);
    assert_eq!(main.seen(), ["before"]);
    // A flush after the end does not wait.
    assert!(rig.pipeline.flush(LONG).is_complete());
}

#[test]
fn events_that_race_the_end_are_written_or_counted() {
    for _ in 0..20 {
        let main = Fake::fine();
        let mut rig = Rig::new([main.sink("main")]);
        let dispatch = rig.dispatch().clone();
        let talker = std::thread::spawn(move || {
            let said = |_: &u32| tracing::info!("x");
            tracing::dispatcher::with_default(&dispatch, || (0..500).inspect(said).count())
        });
        main.wait_seen(1);
        rig.shutdown();
        let said = talker.join().expect("no panic") as u64;
        let status = rig.pipeline.status();
        assert_eq!(status.taken + status.queue_full + status.late, said);
        assert_eq!(rig.ledger("main").delivered, main.seen().len() as u64);
        assert_eq!(rig.ledger("main").routed, status.taken);
    }
}

#[test]
fn a_full_line_drops_and_counts_and_never_waits() {
    let main = Fake::new(Mode::Hang);
    let mut rig = Rig::of(builder([main.sink("main").buffer_records(8)]).queue(8));
    rig.info(0..10_000);
    main.set(Mode::Fine);
    let report = rig.shutdown();
    let status = rig.pipeline.status();
    assert_eq!(status.taken + report.queue_full, 10_000);
    assert!(!report.is_complete());
}

#[test]
fn it_complains_at_a_bounded_rate_and_not_through_itself() {
    let (paper, main, good) = (Paper::default(), Fake::new(Mode::Fail), Fake::fine());
    let sinks = [main.sink("main").breaker(opens_after(1_000)).attempts(1), good.sink("good")];
    let every = Duration::from_secs(10);
    let mut rig = Rig::of(builder(sinks).complaints(paper.clone(), every));
    let said = || paper.text();
    for round in 0..50 {
        rig.info([round]);
        rig.settles();
    }
    rig.until("said", |_| said().lines().count() >= 1);
    assert_eq!(said().lines().count(), 1, "{}", said());
    rig.turn(every);
    rig.info([50]);
    rig.until("said again", |_| said().lines().count() == 2);
    let line = said().lines().last().expect("two").to_owned();
    assert!(line.starts_with("panelboard-tracing: sink main (custom): "), "{line}");
    assert!(line.ends_with("breaker closed; last: scripted: it fails"), "{line}");
    rig.shutdown();
    let last = said().lines().last().expect("three").to_owned();
    assert!(last.contains("at the end: main: 0 delivered, 51 dropped"), "{last}");
    assert_eq!(good.seen(), numbers(0..51), "and not a word of it through the sinks");
}

#[test]
fn nothing_is_kept_running_by_a_handle() {
    let main = Fake::fine();
    let (layer, guard) = builder([main.sink("main")]).build().expect("valid");
    let handle: Pipeline = layer.pipeline();
    drop(guard);
    assert!(!handle.trip("nobody") && handle.trip("main"));
    assert_eq!(handle.status().sinks.len(), 1);
}

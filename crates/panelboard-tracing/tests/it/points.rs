//! Does it work as its users would say it does? The eighteen points, by their numbers.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use panelboard::{Breaker, Recorded, State, TwoStep};
use panelboard_tracing::{
    Batch, BuildError, FanOut, Pipeline, Reason, Sink, SinkConfig, WriteError,
};
use tracing::Level;

use crate::{
    clock,
    rig::{Fake, LONG, Mode, Rig, builder, numbers, opens_after},
};

const FAN_OUTS: [FanOut; 2] = [FanOut::Parallel, FanOut::Sequence];

/// A sink's breaker.
fn breaker(rig: &Rig, name: &str) -> Arc<Breaker> {
    Arc::clone(rig.pipeline.breaker(name).expect("there is one"))
}

#[test]
fn p01_the_thin_calls_decide_about_a_sinks_breaker() {
    let (main, spare) = (Fake::fine(), Fake::fine());
    let rig = Rig::new([
        main.sink("main").breaker(opens_after(3)).fallback("spare"),
        spare.sink("spare").standby(),
    ]);
    let thin = TwoStep::new(breaker(&rig, "main"));
    for _ in 0..3 {
        assert!(thin.should_allow());
        thin.record_failure();
    }
    assert_eq!(thin.state(), State::Open);
    rig.info(["a"]);
    spare.wait_seen(1);
    assert_eq!(main.writes(), 0);
    rig.turn(Duration::from_secs(30));
    assert!(thin.should_allow());
    assert!(!thin.should_allow(), "one probe");
    thin.record_success();
    rig.info(["b"]);
    main.wait_seen(1);
    assert_eq!((main.seen(), spare.seen()), (vec!["b".into()], vec!["a".into()]));
}

#[test]
fn p02_fifty_threads_of_twenty_failures_count_a_thousand() {
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(1_000))]);
    let (breaker, start) = (breaker(&rig, "main"), Barrier::new(50));
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..20 {
                    breaker.acquire().expect("closed until the last").failure();
                }
            });
        }
    });
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.generation), (State::Open, 1), "{seen:?}");
    assert_eq!(seen.counts.failures, 1_000);
}

#[test]
fn p03_exactly_k_probes_whoever_asks_and_however_it_is_written() {
    for fan_out in FAN_OUTS {
        let main = Fake::new(Mode::Fail);
        let config = panelboard::Config::builder().failure_threshold(1).half_open_max_calls(3);
        let config = config.jitter(0.0).build().expect("valid");
        let rig = Rig::with(fan_out, [main.sink("main").breaker(config)]);
        rig.info(["a"]);
        rig.until("open", |it| it.pressure().open == 1 && main.writes() == 1);
        main.set(Mode::Hang);
        rig.turn(Duration::from_secs(30));
        main.wait_hanging();
        // The sink's own write is one of the three.
        let (breaker, start) = (breaker(&rig, "main"), Barrier::new(20));
        let admitted = AtomicUsize::new(0);
        let permits = std::sync::Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    start.wait();
                    if let Ok(permit) = breaker.acquire_owned() {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        permits.lock().expect("no panic").push(permit);
                    }
                });
            }
        });
        assert_eq!(admitted.load(Ordering::Relaxed), 2, "{fan_out:?}");
        main.set(Mode::Fine);
        rig.settles();
        assert_eq!(main.writes(), 2);
    }
}

#[test]
fn p04_a_probe_without_a_verdict_makes_room_for_the_next() {
    for mode in [Mode::Defer, Mode::Panic] {
        let main = Fake::new(Mode::Fail);
        let rig = Rig::new([main.sink("main").breaker(opens_after(1))]);
        rig.info(["a"]);
        rig.until("open", |it| it.pressure().open == 1);
        main.set(mode);
        rig.turn(Duration::from_secs(30));
        main.wait_writes(2);
        main.set(Mode::Fine);
        rig.until("back", |it| {
            // Within one recovery time, whichever it was.
            rig.turn(Duration::from_secs(1));
            it.pressure().open == 0
        });
        rig.settles();
        assert_eq!(main.seen(), ["a"], "{mode:?}");
    }
    // A caller's own that is dropped.
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(1))]);
    let breaker = breaker(&rig, "main");
    breaker.trip();
    rig.hand.advance(Duration::from_secs(60));
    drop(breaker.acquire().expect("the probe"));
    breaker.acquire().expect("the next one").success();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn p05_one_transition_for_seven_failures_and_a_matched_sequence() {
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(2))]);
    let breaker = breaker(&rig, "main");
    let permits: Vec<_> = (0..7).filter_map(|_| breaker.acquire_owned().ok()).collect();
    assert_eq!(permits.len(), 7);
    let told: Vec<Recorded> = permits.into_iter().map(|permit| permit.failure()).collect();
    let opened: Vec<_> = told.iter().filter_map(|recorded| recorded.transition()).collect();
    assert_eq!(opened.len(), 1);
    assert_eq!((opened[0].from, opened[0].to), (State::Closed, State::Open));
    rig.hand.advance(Duration::from_secs(60));
    let probe = breaker.acquire().expect("the probe");
    assert_eq!(breaker.state(), State::HalfOpen);
    let closed = *probe.success().transition().expect("it closes");
    assert_eq!((closed.from, closed.to, closed.generation), (State::HalfOpen, State::Closed, 3));
}

#[test]
fn p06_failures_of_writes_already_out_do_not_extend_the_open_time() {
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(1))]);
    let breaker = breaker(&rig, "main");
    let (first, late) = (breaker.acquire().unwrap(), breaker.acquire().unwrap());
    first.failure();
    rig.hand.advance(Duration::from_secs(10));
    let before = rig.pipeline.sink("main").unwrap().next_probe;
    late.failure();
    let after = rig.pipeline.sink("main").unwrap();
    assert_eq!((before, after.next_probe), (Some(Duration::from_secs(20)), before));
    assert_eq!(after.breaker.generation, 1);
}

/// A sink that asks, and does, everything that its pipeline can be asked and told.
struct Curious(Arc<std::sync::OnceLock<Pipeline>>, Fake);

impl Sink for Curious {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        let pipeline = self.0.wait();
        let status = pipeline.status();
        assert!(status.sinks.iter().all(|sink| sink.ledger.balances()));
        assert!(status.sinks[0].writing_for.is_some());
        let _ = (pipeline.pressure(), pipeline.sink("main"));
        pipeline.trip("main");
        pipeline.reset("main");
        pipeline.nudge();
        let _ = pipeline.breaker("main").expect("itself").snapshot();
        // A wait for itself ends when its time is over.
        pipeline.flush(Duration::from_millis(1));
        tracing::error!("of our own thread: it goes nowhere");
        if batch.iter().any(|record| record.message() == "block") {
            self.1.wait_seen(1);
            panic!("and a panic");
        }
        Ok(())
    }
}

#[test]
fn p07_a_sink_may_call_everything_block_and_panic() {
    let (known, gate) = (Arc::new(std::sync::OnceLock::new()), Fake::fine());
    let rig = Rig::new([
        SinkConfig::new("main", Curious(Arc::clone(&known), gate.clone())).breaker(opens_after(9)),
        gate.sink("gate").level(Level::ERROR),
    ]);
    known.set(rig.pipeline.clone()).expect("once");
    rig.info(["a"]);
    rig.settles();
    rig.info(["block"]);
    rig.until("blocked", |it| it.sink("main").unwrap().writing_for.is_some());
    // While it blocks, others are admitted at once.
    let breaker = breaker(&rig, "main");
    thread::scope(|scope| {
        let asks = scope.spawn(|| (0..1_000).filter(|_| breaker.acquire().is_ok()).count());
        assert_eq!(asks.join().expect("no panic"), 1_000);
    });
    rig.run(|| tracing::error!("release"));
    rig.until("the panic is its failure", |it| {
        let main = it.sink("main").unwrap();
        main.last_error.is_some_and(|(class, said, _)| class == "panicked" && said == "and a panic")
    });
}

#[test]
fn p08_pressure_is_nothing_when_all_is_well_whatever_was_before() {
    let fakes: Vec<Fake> = (0..3).map(|_| Fake::fine()).collect();
    let names = ["a", "b", "c"];
    let sinks = fakes
        .iter()
        .zip(names)
        .map(|(fake, name)| fake.sink(name).breaker(opens_after(2)).buffer_records(50));
    let rig = Rig::new(sinks);
    assert_eq!(rig.pipeline.pressure().level(), 0.0);
    // A history with every step that there is, in an order without a pattern.
    let mut chance = 7u32;
    for step in 0..200 {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let which = (chance >> 16) as usize % 3;
        match (chance >> 24) % 8 {
            0 => fakes[which].set(Mode::Fail),
            1 => fakes[which].set(Mode::Fine),
            2 => fakes[which].set(Mode::Panic),
            3 => drop(rig.pipeline.trip(names[which])),
            4 => drop(rig.pipeline.reset(names[which])),
            5 => rig.turn(Duration::from_secs(7)),
            _ => rig.info([step]),
        }
    }
    fakes.iter().for_each(|fake| fake.set(Mode::Fail));
    rig.info(["last"]);
    rig.until("open", |it| {
        rig.turn(Duration::from_secs(1));
        it.pressure().open == 3
    });
    assert_eq!(rig.pipeline.pressure().level(), 1.0);
    fakes.iter().for_each(|fake| fake.set(Mode::Fine));
    rig.until("well", |it| {
        rig.turn(Duration::from_secs(5));
        it.pressure().level() == 0.0
    });
}

/// An idle sink has nothing to be probed with: its breaker would show half-open until a record
/// comes, which may be never.
#[test]
fn p08_pressure_comes_to_nothing_by_itself() {
    let main = Fake::new(Mode::Fail);
    let rig = Rig::new([main.sink("main").breaker(opens_after(1)), Fake::fine().sink("b")]);
    let pressure = || (rig.pipeline.pressure().open, rig.pipeline.pressure().level());
    assert!(rig.pipeline.trip("main"));
    assert_eq!(pressure(), (1, 0.5));
    rig.turn(Duration::from_secs(29));
    assert_eq!(pressure(), (1, 0.5));
    rig.turn(Duration::from_secs(1));
    assert_eq!(rig.pipeline.sink("main").unwrap().state, State::HalfOpen);
    assert_eq!(pressure(), (0, 0.0));
    // With something to write it is in trouble until that is written.
    main.set(Mode::Hang);
    rig.info(["a"]);
    main.wait_hanging();
    assert_eq!(rig.pipeline.pressure().open, 1);
    main.set(Mode::Fine);
    rig.settles();
    assert_eq!(pressure(), (0, 0.0));
    // By hand it stays open for as long as the hand says, and no breaker at all is no trouble.
    let breaker = breaker(&rig, "main");
    breaker.force_open();
    rig.turn(Duration::from_secs(3_600));
    assert_eq!(rig.pipeline.pressure().open, 1);
    breaker.disable();
    assert_eq!(rig.pipeline.pressure().open, 0);
}

#[test]
fn p09_a_sink_that_hangs_holds_others_up_for_its_time_out_at_most() {
    const LIMIT: Duration = Duration::from_millis(400);
    for fan_out in FAN_OUTS {
        let (bad, good) = (Fake::new(Mode::Hang), Fake::fine());
        let sinks = [bad.sink("bad").timeout(LIMIT), good.sink("good").timeout(LIMIT)];
        let rig = Rig::on_time(builder(sinks).fan_out(fan_out).drain(Duration::from_millis(50)));
        let start = clock::now();
        rig.info(0..5);
        bad.wait_hanging();
        good.wait_seen(5);
        let waited = start.elapsed();
        match fan_out {
            // It still hangs: nobody has waited for its end.
            FanOut::Parallel => assert_eq!(bad.seen().len(), 0),
            // Its time-out and a quarter, and what the machine needs to go on.
            _ => assert!(waited < LIMIT + LIMIT / 4 + Duration::from_millis(600), "{waited:?}"),
        }
        bad.set(Mode::Fine);
    }
}

#[test]
fn p10_every_record_is_in_one_count_and_the_receivers_agree() {
    let (a, b) = (Fake::fine(), Fake::new(Mode::FailAfter(3)));
    let sinks = [
        a.sink("a").level(Level::WARN),
        b.sink("b").attempts(2).batch_records(8).breaker(opens_after(10_000)),
    ];
    let mut rig = Rig::on_time(builder(sinks.map(|it| it.backoff(MOMENT, MOMENT))).queue(64));
    let mut handed_in = 0;
    for round in 0..50 {
        rig.run(|| {
            tracing::info!("{round} info");
            tracing::warn!("{round} warn");
        });
        handed_in += 2;
    }
    let report = rig.shutdown();
    let status = rig.pipeline.status();
    assert_eq!(status.taken + report.queue_full + report.late, handed_in);
    for (name, ledger, _) in &report.sinks {
        assert!(ledger.balances() && ledger.waiting == 0, "{name}: {ledger:?}");
    }
    let (ours, theirs) = (rig.ledger("a"), rig.ledger("b"));
    assert_eq!((ours.delivered, theirs.delivered), (a.seen().len() as u64, b.seen().len() as u64));
    assert_eq!(theirs.routed, status.taken);
    assert!(theirs.delivered > 0);
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn p11_with_a_fallback_nothing_is_lost_and_nothing_written_twice() {
    for fan_out in FAN_OUTS {
        let (main, spare) = (Fake::new(Mode::Fail), Fake::fine());
        let rig = Rig::with(
            fan_out,
            [
                main.sink("main").breaker(opens_after(2)).fallback("spare").batch_records(4),
                spare.sink("spare").standby(),
            ],
        );
        rig.info(0..20);
        rig.until("open", |it| {
            rig.turn(Duration::from_millis(200));
            it.pressure().open == 1
        });
        spare.wait_seen(20);
        main.set(Mode::Fine);
        rig.turn(Duration::from_secs(60));
        rig.info(20..40);
        main.wait_seen(20);
        rig.settles();
        // Also the batch that tripped it; each in the order in which it was said.
        assert_eq!(spare.seen(), numbers(0..20), "{fan_out:?}");
        assert_eq!(main.seen(), numbers(20..40), "{fan_out:?}");
        assert_eq!(rig.ledger("main").handed_over, 20);
        assert_eq!(rig.ledger("spare").taken_over, 20);
    }
}

#[test]
fn p11_a_fallback_that_has_a_record_already_is_not_given_it_again() {
    let (main, other) = (Fake::new(Mode::Fail), Fake::fine());
    let rig = Rig::new([
        main.sink("main").breaker(opens_after(1)).fallback("other"),
        other.sink("other").level(Level::WARN),
    ]);
    rig.run(|| {
        tracing::warn!("both");
        tracing::info!("main only");
    });
    other.wait_seen(2);
    rig.settles();
    let mut seen = other.seen();
    seen.sort();
    assert_eq!(seen, ["both", "main only"]);
    let ledger = rig.ledger("main");
    assert_eq!((ledger.covered, ledger.handed_over), (1, 1));
}

#[test]
fn p12_a_fallback_that_is_no_sink_is_refused_at_build() {
    let refused = builder([Fake::fine().sink("main").fallback("nobody")]).build();
    let expected = BuildError::UnknownFallback { sink: "main".into(), fallback: "nobody".into() };
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn p13_a_fallback_works_the_same_with_routing_by_level() {
    let (errors, rest, spare) = (Fake::new(Mode::Fail), Fake::fine(), Fake::fine());
    let rig = Rig::new([
        errors.sink("errors").level(Level::WARN).breaker(opens_after(1)).fallback("spare"),
        rest.sink("rest").up_to(Level::INFO),
        spare.sink("spare").standby(),
    ]);
    rig.run(|| {
        for round in 0..5 {
            tracing::error!("{round} error");
            tracing::info!("{round} info");
        }
    });
    spare.wait_seen(5);
    rest.wait_seen(5);
    rig.settles();
    assert!(spare.seen().iter().all(|message| message.ends_with("error")), "{:?}", spare.seen());
    assert!(rest.seen().iter().all(|message| message.ends_with("info")), "{:?}", rest.seen());
    assert_eq!(rig.ledger("errors").handed_over, 5);
}

#[test]
fn p14_a_fallback_that_fails_is_counted_and_no_write() {
    let (main, spare) = (Fake::new(Mode::Fail), Fake::new(Mode::Reject));
    let rig = Rig::new([
        main.sink("main").breaker(opens_after(1)).fallback("spare"),
        spare.sink("spare").standby().breaker(opens_after(99)),
    ]);
    rig.info(0..3);
    rig.until("decided", |_| rig.ledger("spare").dropped.of(Reason::Rejected) == 3);
    let ledger = rig.ledger("spare");
    assert_eq!((ledger.taken_over, ledger.delivered, spare.seen().len()), (3, 0, 0));
    assert!(rig.pipeline.sink("spare").unwrap().failures >= 1);
    assert!(!rig.pipeline.flush(LONG).is_complete());
}

#[test]
fn p15_rejected_and_failed_are_failures_and_neutral_is_neither() {
    for (mode, open) in [(Mode::Reject, 1), (Mode::Fail, 1), (Mode::Panic, 1), (Mode::Defer, 0)] {
        let main = Fake::new(mode);
        let rig = Rig::new([main.sink("main").breaker(opens_after(3)).batch_records(1)]);
        rig.info(0..6);
        for writes in 1..=3 {
            main.wait_writes(writes);
            let status = || rig.pipeline.sink("main").unwrap();
            rig.until("it has answered", |_| status().writing_for.is_none());
            rig.turn(Duration::from_secs(2));
        }
        rig.until("judged", |it| it.pressure().open == open);
        let counts = rig.pipeline.sink("main").unwrap().breaker.counts;
        assert_eq!(counts.failures > 0, open == 1, "{mode:?} {counts:?}");
    }
}

#[test]
fn p16_the_health_of_a_sink_says_since_when_why_and_for_how_long() {
    let main = Fake::new(Mode::Fail);
    let rig = Rig::new([main.sink("main").breaker(opens_after(1))]);
    let well = rig.pipeline.sink("main").unwrap();
    assert_eq!((well.state, well.since, well.next_probe), (State::Closed, None, None));
    assert_eq!(well.last_error, None);
    rig.info(["a"]);
    rig.until("open", |it| it.sink("main").unwrap().state == State::Open);
    rig.hand.advance(Duration::from_secs(10));
    let ill = rig.pipeline.sink("main").unwrap();
    let seconds = Duration::from_secs;
    assert_eq!((ill.since, ill.next_probe), (Some(seconds(10)), Some(seconds(20))));
    let error = ("scripted", "it fails".to_owned(), seconds(10));
    assert_eq!(ill.last_error, Some(error));
    assert_eq!((ill.buffered.0, ill.ledger.waiting), (1, 1));
    rig.hand.advance(seconds(20));
    assert_eq!(rig.pipeline.sink("main").unwrap().state, State::HalfOpen);
}

#[test]
fn p17_the_end_drains_within_its_time_and_says_what_was_not_written() {
    let (good, bad) = (Fake::fine(), Fake::new(Mode::Hang));
    let sinks = [good.sink("good").batch_delay(LONG), bad.sink("bad").batch_records(10)];
    let mut rig = Rig::on_time(builder(sinks).drain(Duration::from_millis(300)));
    rig.info(0..100);
    bad.wait_hanging();
    let start = clock::now();
    let report = rig.shutdown();
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(good.seen(), numbers(0..100));
    assert!(!report.is_complete());
    let (_, lost, _) = report.sinks[1];
    assert_eq!(lost.dropped.of(Reason::Shutdown), 100);
    let said = report.to_string();
    assert!(said.contains("good: 100 delivered, bad: 0 delivered, 100 dropped"), "{said}");
    // The write that comes back after the end changes nothing.
    bad.set(Mode::Fine);
    bad.wait_seen(10);
    assert_eq!(rig.ledger("bad").delivered, 0);
    assert!(rig.ledger("bad").balances());
}

/// The figures themselves are measured by `cargo xtask bench`; this finds an order of magnitude,
/// and threads that wait for each other. Of a few runs the best counts: nobody was in the way then.
#[test]
fn p18_admission_and_record_are_cheap_and_two_threads_do_not_queue_for_them() {
    const PAIRS: u32 = 2_000;
    let rig = Rig::new([Fake::fine().sink("main")]);
    let breaker = breaker(&rig, "main");
    let run = |threads: usize| {
        let gate = Barrier::new(threads);
        let times = thread::scope(|scope| {
            let pairs = || {
                gate.wait();
                let start = clock::now();
                for _ in 0..PAIRS {
                    breaker.acquire().expect("closed").success();
                }
                start.elapsed() / PAIRS
            };
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(pairs)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
        });
        times.into_iter().max().expect("a thread")
    };
    let best = |threads| (0..40).map(|_| run(threads)).min().expect("a run");
    let (alone, both) = (best(1), best(2));
    assert!(alone < Duration::from_micros(8), "unoptimised: {alone:?}");
    // Where others are at work the two share a core.
    assert!(both < alone * 6, "alone {alone:?}, both at once {both:?}");
}

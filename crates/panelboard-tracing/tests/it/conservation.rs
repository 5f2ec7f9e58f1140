//! Do the sums agree, whatever the sinks do? Random sinks, policies and events, counted at the
//! receiving ends.

use std::time::Duration;

use panelboard_tracing::{DropPolicy, FanOut, Reason};
use tracing::Level;

use crate::rig::{Fake, Mode, Rig, builder, opens_after};

/// Rolls that repeat.
struct Chance(u64);

impl Chance {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// So many that the disk is the bound.
const OF_E: usize = 100;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

const MODES: [Mode; 7] = [
    Mode::Fine,
    Mode::Fail,
    Mode::FailAfter(2),
    Mode::Reject,
    Mode::Defer,
    Mode::Panic,
    Mode::Hang,
];

#[test]
fn whatever_sinks_do_each_record_is_in_one_count() {
    for seed in 1..=12 {
        story(seed);
    }
}

fn story(seed: u64) {
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().unwrap();
    let fakes: Vec<Fake> = (0..5).map(|_| Fake::fine()).collect();
    let policies = [DropPolicy::Newest, DropPolicy::Oldest, DropPolicy::ByLevel];
    let policy = policies[chance.roll(3) as usize];
    let fan_out = if seed.is_multiple_of(2) { FanOut::Parallel } else { FanOut::Sequence };
    let of = |index: usize, name| {
        let sink = fakes[index].sink(name).breaker(opens_after(2)).batch_records(5);
        sink.buffer_records(20).drop_policy(policy).attempts(3)
    };
    let sinks = [
        of(0, "a").fallback("c"),
        of(1, "b").fallback("c").level(Level::WARN),
        of(2, "c").fallback("d").standby(),
        of(3, "d").level(Level::ERROR),
        // The spill has room for a part of what is said.
        of(4, "e").spill(folder.path(), 16 << 10).buffer_records(OF_E),
    ];
    let mut rig = Rig::of(builder(sinks).fan_out(fan_out).queue(256));
    let mut handed_in = 0;
    for step in 0..150 {
        match chance.roll(10) {
            0 => fakes[chance.roll(5) as usize].set(MODES[chance.roll(7) as usize]),
            1 => rig.turn(Duration::from_secs(chance.roll(20))),
            2 => drop(rig.pipeline.trip(NAMES[chance.roll(5) as usize])),
            3 => drop(rig.pipeline.reset(NAMES[chance.roll(5) as usize])),
            _ => {
                let count = chance.roll(12);
                handed_in += count;
                rig.run(|| {
                    for number in 0..count {
                        match chance.roll(3) {
                            0 => tracing::error!("{step} {number}"),
                            1 => tracing::warn!("{step} {number}"),
                            _ => tracing::info!("{step} {number}"),
                        }
                    }
                });
            }
        }
        // At every moment.
        for sink in rig.pipeline.status().sinks {
            assert!(sink.ledger.balances(), "seed {seed}: {sink:#?}");
            // A batch that was read from the disk is beside what is on its way there.
            let most = if sink.name == "e" { OF_E + 5 } else { 20 };
            assert!(sink.buffered.0 <= most, "seed {seed}: {sink:#?}");
        }
    }
    fakes.iter().for_each(|fake| fake.set(Mode::Fine));
    rig.until("decided", |it| {
        // So that nobody waits for a breaker, nor for a write that has hung.
        rig.turn(Duration::from_secs(3_600));
        let status = it.status();
        status.queued == 0 && status.sinks.iter().all(|sink| sink.ledger.waiting == 0)
    });
    let report = rig.shutdown();
    let status = rig.pipeline.status();
    assert_eq!(status.taken + report.queue_full + report.late, handed_in, "seed {seed}");
    let ledger = |name: &str| rig.ledger(name);
    for name in ["a", "e"] {
        assert_eq!(ledger(name).routed, status.taken, "seed {seed}");
    }
    let handed_over = ledger("a").handed_over + ledger("b").handed_over;
    assert_eq!(ledger("c").taken_over, handed_over, "seed {seed}");
    assert_eq!(ledger("d").taken_over, ledger("c").handed_over, "seed {seed}");
    for (index, name) in NAMES.into_iter().enumerate() {
        let ledger = ledger(name);
        assert_eq!(ledger.waiting, 0, "seed {seed}, {name}: {ledger:?}");
        assert!(ledger.balances(), "seed {seed}, {name}: {ledger:?}");
        // What was given away while it hung, the receiver may have got all the same: late answers
        // are not counted as delivered, and here they come from batches of 5 at most.
        let seen = fakes[index].seen();
        let sink = rig.pipeline.sink(name).unwrap();
        let beyond = seen.len() as u64 - ledger.delivered;
        assert!(beyond <= 5 * sink.late_answers, "seed {seed}, {name}: {ledger:?} {beyond}");
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "seed {seed}, {name}: a record came twice");
    }
}

#[test]
fn what_no_sink_wants_is_counted() {
    let (rest, errors) = (Fake::fine(), Fake::fine());
    let sinks = [rest.sink("rest").up_to(Level::INFO), errors.sink("errors").level(Level::ERROR)];
    let mut rig = Rig::new(sinks);
    rig.run(|| {
        tracing::info!("for the one");
        tracing::warn!("for nobody");
        tracing::error!("for the other");
    });
    assert!(rig.shutdown().is_complete(), "nothing that anybody wants is lost");
    let status = rig.pipeline.status();
    assert_eq!((status.taken, status.unwanted), (3, 1));
    assert_eq!((rig.ledger("rest").routed, rig.ledger("errors").routed), (1, 1));
}

/// Five records of each level for a buffer of ten, while nothing can be written.
fn full(policy: DropPolicy) -> (Vec<String>, Rig) {
    let fake = Fake::fine();
    let sink = fake.sink("main").buffer_records(10).drop_policy(policy);
    let rig = Rig::new([sink]);
    rig.pipeline.breaker("main").unwrap().force_open();
    rig.run(|| {
        for round in 0..5 {
            tracing::trace!("{round} trace");
            tracing::info!("{round} info");
            tracing::error!("{round} error");
        }
    });
    rig.until("full", |it| it.sink("main").unwrap().ledger.routed == 15);
    assert_eq!(rig.pipeline.pressure().fullest, 1.0);
    rig.pipeline.breaker("main").unwrap().automatic();
    rig.pipeline.reset("main");
    fake.wait_seen(10);
    rig.settles();
    (fake.seen(), rig)
}

#[test]
fn at_the_bound_the_newest_goes_and_is_counted() {
    let (seen, rig) = full(DropPolicy::Newest);
    assert_eq!(seen.first().map(String::as_str), Some("0 trace"));
    assert_eq!(seen.last().map(String::as_str), Some("3 trace"));
    assert_eq!(rig.ledger("main").dropped.of(Reason::Newest), 5);
}

#[test]
fn at_the_bound_the_oldest_goes_and_is_counted() {
    let (seen, rig) = full(DropPolicy::Oldest);
    assert_eq!(seen.first().map(String::as_str), Some("1 error"));
    assert_eq!(seen.last().map(String::as_str), Some("4 error"));
    assert_eq!(rig.ledger("main").dropped.of(Reason::Oldest), 5);
}

#[test]
fn at_the_bound_what_matters_least_goes_and_the_order_stays() {
    let (seen, rig) = full(DropPolicy::ByLevel);
    let expected: Vec<_> =
        (0..5).flat_map(|round| [format!("{round} info"), format!("{round} error")]).collect();
    assert_eq!(seen, expected);
    assert_eq!(rig.ledger("main").dropped.of(Reason::ByLevel), 5);
}

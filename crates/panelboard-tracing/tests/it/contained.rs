//! What if a panic comes in the pipeline's own threads, or a time is too long to be added to? A
//! clock of somebody's own is the only foreign code that they run, so it is what panics here.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use panelboard::{Clock, TimeSource};
use panelboard_tracing::{Batch, Reason, SinkConfig, WriteError};

use crate::rig::{Fake, LONG, Rig, builder, numbers};

/// Panics once, or stands still, on the thread that is called so.
#[derive(Debug, Default)]
struct Bad {
    thread: &'static str,
    panics: AtomicBool,
    stands: Mutex<bool>,
    changed: Condvar,
}

impl Bad {
    fn on(thread: &'static str) -> Arc<Self> {
        Arc::new(Self { thread, ..Self::default() })
    }

    fn go_on(&self) {
        *self.stands.lock().unwrap() = false;
        self.changed.notify_all();
    }
}

impl TimeSource for Bad {
    fn now(&self) -> Duration {
        if thread::current().name() == Some(self.thread) {
            assert!(!self.panics.swap(false, Ordering::Relaxed), "a scripted panic");
            let stands = self.stands.lock().unwrap();
            drop(self.changed.wait_while(stands, |stands| *stands).unwrap());
        }
        Duration::from_secs(1)
    }
}

fn rig(bad: &Arc<Bad>, sinks: impl IntoIterator<Item = SinkConfig>) -> Rig {
    Rig::on_time(builder(sinks).clock(Clock::custom(Arc::clone(bad) as _)))
}

#[test]
fn a_panic_in_the_dispatcher_loses_nothing() {
    let (bad, main) = (Bad::on("pb-log dispatch"), Fake::fine());
    let mut rig = rig(&bad, [main.sink("main")]);
    for round in 0..3 {
        bad.panics.store(true, Ordering::Relaxed);
        rig.info(round * 100..(round + 1) * 100);
        assert!(rig.pipeline.flush(LONG).is_complete());
    }
    assert!(!bad.panics.load(Ordering::Relaxed), "it has panicked");
    assert!(rig.shutdown().is_complete());
    assert_eq!(main.seen(), numbers(0..300));
}

#[test]
fn a_panic_between_a_write_and_its_answer_loses_no_batch() {
    let (bad, main) = (Bad::on("pb-log main"), Fake::fine());
    let (own, fake) = (Arc::clone(&bad), main.clone());
    let first = AtomicBool::new(true);
    let sink = move |batch: &Batch<'_>| {
        own.panics.store(first.swap(false, Ordering::Relaxed), Ordering::Relaxed);
        fake.write(batch)
    };
    let mut rig = rig(&bad, [SinkConfig::new("main", sink)]);
    rig.info(["a"]);
    rig.settles();
    rig.info(["b"]);
    let report = rig.shutdown();
    assert!(report.is_complete(), "{report}");
    // The answer is not known, so it is written once more.
    assert_eq!(main.seen(), ["a", "a", "b"]);
    assert_eq!(rig.ledger("main").delivered, 2);
}

#[test]
fn what_had_come_to_no_sink_at_the_end_is_reported() {
    let (bad, main) = (Bad::on("pb-log dispatch"), Fake::fine());
    *bad.stands.lock().unwrap() = true;
    let mut rig = rig(&bad, [main.sink("main")]);
    rig.info(0..3);
    let flushed = rig.pipeline.flush(Duration::from_millis(20));
    assert!(!flushed.is_complete() && flushed.unsorted == 3, "{flushed:?}");
    let start = crate::clock::now();
    let report = rig.shutdown_within(Duration::from_millis(20));
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    assert!(!report.is_complete() && report.unsorted == 3, "{report:?}");
    assert!(report.to_string().starts_with("3 came to no sink; main: 0 delivered"), "{report}");
    bad.go_on();
    rig.until("sorted", |_| rig.ledger("main").dropped.of(Reason::Shutdown) == 3);
}

#[test]
fn a_sink_that_asks_for_all_eternity_is_asked_again_after_an_hour() {
    let main = Fake::fine();
    let (fake, asks) = (main.clone(), AtomicBool::new(true));
    let sink = move |batch: &Batch<'_>| match asks.swap(false, Ordering::Relaxed) {
        true => Err(WriteError::deferred(Duration::MAX, "scripted", "a little time")),
        false => fake.write(batch),
    };
    let rig = Rig::new([SinkConfig::new("main", sink)]);
    rig.info(["a"]);
    rig.until("asked", |it| it.sink("main").unwrap().last_error.is_some());
    let ledger = rig.ledger("main");
    assert!(ledger.balances() && ledger.waiting == 1, "{ledger:?}");
    rig.turn(Duration::from_secs(60 * 60));
    rig.settles();
    assert_eq!(main.seen(), ["a"]);
}

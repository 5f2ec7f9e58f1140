//! Does everybody learn what became of a write: from threads, from async code, late, and never?

use std::{
    future::Future as _,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use panelboard_store::{Class, Create, Lsn, Moment, Step, SubmitError, Verdict, WriteError};

use crate::support::{Gate, Rig, WAIT, append, bodies, create, end, id, item, kept};

/// The smallest runtime: one future, one thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_future_is_woken_by_the_writer() {
    let (gate, hook) = Gate::new(Step::Commit, true);
    let rig = Rig::with(|config| config.inject(hook));
    let mut receipt = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let poll = Pin::new(&mut receipt).poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending(), "the commit has not been made");
    let lsn = receipt.lsn();
    let waiter = thread::scope(|scope| {
        let reached = scope.spawn(|| block_on(rig.store.reached(Class::Disk, lsn)));
        let waiter = scope.spawn(|| block_on(receipt));
        drop(gate);
        reached.join().unwrap().unwrap();
        waiter.join().unwrap()
    });
    assert_eq!(waiter.unwrap().lsn, lsn);
}

/// A store that answers late. The caller gives up waiting; the write is made all the same.
#[test]
fn a_disk_that_answers_late_is_neither_a_success_nor_a_failure() {
    let (gate, hook) = Gate::new(Step::Commit, false);
    let rig = Rig::with(|config| config.inject(hook));
    let receipt = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let short = Duration::from_millis(5);
    assert_eq!(receipt.wait(short), None);
    assert_eq!(rig.store.wait_for(Class::Disk, receipt.lsn(), short), None);
    assert!(rig.store.session(&id("a")).is_err(), "what is not committed is not seen");
    // Others are held up behind it, and are told as much.
    let behind = rig.store.append(item("a", "1")).unwrap();
    assert_eq!(behind.wait(short), None);
    gate.open();
    kept(&receipt);
    kept(&behind);
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
}

#[test]
fn a_receipt_that_is_dropped_takes_nothing_with_it() {
    let rig = Rig::new();
    create(&rig.store, "a");
    drop(rig.store.append(item("a", "1")).unwrap());
    kept(&rig.store.flush().unwrap());
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
}

/// What each class waits for, and which batches sync.
#[test]
fn each_class_is_acknowledged_when_it_is_reached() {
    let (gate, hook) = Gate::new(Step::Commit, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let send = |body: &str, class| rig.store.append(item("a", body).class(class)).unwrap();
    let memory = send("1", Class::Memory);
    gate.arrived();
    // Numbered and checked, and not committed.
    assert_eq!(kept(&memory).tag.seq, 1);
    assert_eq!(bodies(&rig.store, "a").len(), 0);
    let marks = || [Class::Memory, Class::Os, Class::Disk].map(|class| rig.store.mark(class));
    let start = Lsn(memory.lsn().0 - 1);
    assert_eq!(marks(), [memory.lsn(), start, start]);
    gate.open();
    let os = send("2", Class::Os);
    gate.arrived();
    assert_eq!(os.wait(Duration::from_millis(5)), None);
    gate.open();
    kept(&os);
    assert_eq!(marks(), [os.lsn(), os.lsn(), start], "nothing was synced");
    assert_eq!(rig.store.stats().synced, 0);
    let disk = send("3", Class::Disk);
    gate.arrived();
    gate.open();
    kept(&disk);
    assert_eq!(marks(), [disk.lsn(); 3], "all before it too");
    assert_eq!(rig.store.stats().synced, 1);
    assert_eq!(bodies(&rig.store, "a"), ["1", "2", "3"]);
}

/// A batch that does not sync ends before the first write that must be.
#[test]
fn a_batch_of_lower_classes_does_not_take_one_along_that_needs_a_sync() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let send = |body: &str, class| rig.store.append(item("a", body).class(class)).unwrap();
    let first = send("1", Class::Os);
    gate.arrived();
    let second = send("2", Class::Os);
    let third = send("3", Class::Disk);
    let fourth = send("4", Class::Os);
    gate.open();
    kept(&first);
    kept(&second);
    assert_eq!(rig.store.stats().batches, 1);
    gate.arrived();
    assert_eq!(third.wait(Duration::ZERO), None);
    drop(gate);
    kept(&third);
    kept(&fourth);
    let stats = rig.store.stats();
    assert_eq!((stats.batches, stats.synced), (2, 1), "the last went along with the third");
}

/// A batch takes in what comes while it is made, up to 256 and to 2 ms.
#[test]
fn a_batch_ends_at_256_writes_and_at_two_milliseconds() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let first = rig.store.append(item("a", "0")).unwrap();
    gate.arrived();
    let rest: Vec<_> =
        (1..600).map(|n| rig.store.append(item("a", &n.to_string())).unwrap()).collect();
    drop(gate);
    kept(&first);
    rest.iter().for_each(|receipt| drop(kept(receipt)));
    assert_eq!(rig.store.stats().batches, 3, "256, 256 and 88");
    // With a clock that goes on by a millisecond at each write, two go into a batch.
    let (gate, mut stand) = Gate::new(Step::Begin, false);
    let clock = rig.clock.clone();
    let rig = rig.reopen_with(move |config| {
        config.inject(move |step, moment| {
            if (step, moment) == (Step::Write, Moment::After) {
                clock.advance(Duration::from_millis(1));
            }
            stand(step, moment)
        })
    });
    let first = rig.store.append(item("a", "0")).unwrap();
    gate.arrived();
    let rest: Vec<_> =
        (1..5).map(|n| rig.store.append(item("a", &n.to_string())).unwrap()).collect();
    gate.open();
    kept(&first);
    rest.iter().for_each(|receipt| drop(kept(receipt)));
    // The first alone is taken, then what is there; that is four, and their time is over.
    assert_eq!(rig.store.stats().batches, 1);
}

#[test]
fn a_writer_that_ends_by_force_answers_everybody() {
    let (gate, mut stand) = Gate::new(Step::Begin, false);
    let rig = Rig::with(|config| {
        config.inject(move |step, moment| {
            stand(step, moment);
            if step == Step::Write { Verdict::Crash } else { Verdict::Go }
        })
    });
    let first = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let second = rig.store.append(item("a", "1")).unwrap();
    let reached = rig.store.reached(Class::Disk, second.lsn());
    gate.open();
    assert_eq!(end(&first), Err(WriteError::Stopped));
    assert_eq!(end(&second), Err(WriteError::Stopped));
    assert_eq!(block_on(reached), Err(SubmitError::Stopped));
    assert_eq!(rig.store.flush().unwrap_err(), SubmitError::Stopped);
    assert_eq!(rig.store.reserve(1, 1).unwrap_err(), SubmitError::Stopped);
}

/// A hook that panics stands for any fault of ours on the writer's thread.
#[test]
fn a_writer_that_panics_answers_everybody() {
    let rig = Rig::with(|config| {
        config.inject(|step, _| {
            if step == Step::Write {
                // Without the message and the backtrace of a panic that is meant.
                std::panic::resume_unwind(Box::new("the writer's own fault"));
            }
            Verdict::Go
        })
    });
    let receipt = rig.store.create(Create::new(&id("a"), "{}").unwrap()).unwrap();
    assert_eq!(end(&receipt), Err(WriteError::Stopped));
    assert_eq!(
        rig.store.wait_for(Class::Disk, receipt.lsn(), WAIT),
        Some(Err(SubmitError::Stopped))
    );
    rig.store.shut();
}

#[test]
fn shutting_writes_what_is_queued() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let first = rig.store.append(item("a", "1")).unwrap();
    gate.arrived();
    let second = rig.store.append(item("a", "2")).unwrap();
    let done = Mutex::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            rig.store.shut();
            *done.lock().unwrap() = true;
        });
        drop(gate);
    });
    assert!(*done.lock().unwrap());
    kept(&first);
    kept(&second);
    assert_eq!(bodies(&rig.store, "a"), ["1", "2"], "reading goes on");
    let rig = rig.reopen();
    append(&rig.store, "a", "3");
}

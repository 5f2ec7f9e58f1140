//! I. Does a thread that is stopped in the middle of a call hold up the others? (Lock-freedom, seen
//! from outside: a thread can be stopped for certain only where it reads the clock, which it does
//! in the middle of asking, of ending and of tripping. The models stop it anywhere.)

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
    time::Duration,
};

use panelboard::{Breaker, Clock, ConfigBuilder, ManualClock, Permit, Recorded, State, TimeSource};

use crate::support::{SECOND, built, quiet, trips_at, within_a_minute};

/// A clock that one thread can be stopped in.
#[derive(Debug)]
struct Stops {
    hand: ManualClock,
    /// The thread that stops at its next reading.
    next: Mutex<Option<ThreadId>>,
    stopped: Mutex<mpsc::SyncSender<()>>,
    go_on: AtomicBool,
    woken: Condvar,
}

impl TimeSource for Stops {
    fn now(&self) -> Duration {
        let mut next = self.next.lock().expect("no panic under this lock");
        if *next == Some(thread::current().id()) {
            self.stopped.lock().expect("no panic").send(()).expect("the test listens");
            while !self.go_on.load(Ordering::Acquire) {
                next = self.woken.wait(next).expect("no panic");
            }
            *next = None;
        }
        self.hand.now()
    }
}

impl Stops {
    fn go_on(&self) {
        let _next = self.next.lock().expect("no panic");
        self.go_on.store(true, Ordering::Release);
        self.woken.notify_all();
    }
}

/// Stops a thread in `call`, has this thread do everything there is, then lets the other go on.
fn with_one_stopped(
    config: ConfigBuilder,
    prepare: impl FnOnce(&Breaker, &ManualClock),
    call: impl FnOnce(Permit<Arc<Breaker>>) + Send + 'static,
) {
    let (stopped, is_stopped) = mpsc::sync_channel(1);
    let (_, hand) = Clock::manual();
    let stops = Arc::new(Stops {
        hand: hand.clone(),
        next: Mutex::new(None),
        stopped: Mutex::new(stopped),
        go_on: AtomicBool::new(false),
        woken: Condvar::new(),
    });
    let source: Arc<dyn TimeSource> = stops.clone();
    let breaker = Arc::new(Breaker::with_clock(built(config), Clock::custom(source)));
    let permit = breaker.acquire_owned().expect("closed");
    prepare(&breaker, &hand);
    let other = {
        let stops = Arc::clone(&stops);
        thread::spawn(move || {
            *stops.next.lock().expect("no panic") = Some(thread::current().id());
            call(permit);
        })
    };
    // A call that reads no clock would never stop there.
    is_stopped.recv_timeout(60 * SECOND).expect("the other thread reads the clock");
    within_a_minute({
        let (breaker, hand) = (Arc::clone(&breaker), hand.clone());
        move || everything(&breaker, &hand)
    });
    stops.go_on();
    other.join().expect("it ends what it began");
    breaker.reset();
    assert!(breaker.acquire().expect("closed").failure().transition().is_some());
}

/// Through all states and back.
fn everything(breaker: &Arc<Breaker>, hand: &ManualClock) {
    breaker.reset();
    breaker.acquire().expect("closed").success();
    let tripped = breaker.acquire().expect("closed").failure();
    assert!(matches!(tripped, Recorded::Transition(_)), "{tripped:?}");
    assert_eq!(breaker.acquire().expect_err("open").state, State::Open);
    hand.advance(300 * SECOND);
    let probe = breaker.acquire().expect("a probe");
    assert_eq!(breaker.acquire().expect_err("its place is taken").state, State::HalfOpen);
    assert!(probe.success().transition().is_some());
    quiet((breaker.force_open(), breaker.disable(), breaker.automatic(), breaker.snapshot()));
    drop(breaker.isolate());
    breaker.reset();
}

#[test]
fn i54_a_thread_that_is_stopped_in_a_call_holds_nobody_up() {
    let windowed = || trips_at(1).failure_rate(0.1, SECOND, 1);
    for config in [|| trips_at(1), windowed] {
        // While it ends a call, in time at first.
        with_one_stopped(config(), |_, _| {}, |permit| quiet(permit.failure()));
        with_one_stopped(config(), |_, _| {}, |permit| quiet(permit.open_for(SECOND, "test")));
        // While it asks, rejected or with a probe.
        let asks = |permit: Permit<Arc<Breaker>>| quiet(permit.breaker().acquire().is_ok());
        with_one_stopped(config(), |breaker, _| quiet(breaker.trip()), asks);
        let ready = |breaker: &Breaker, hand: &ManualClock| {
            breaker.trip();
            hand.advance(300 * SECOND);
        };
        with_one_stopped(config(), ready, asks);
        // While it reads, or changes the state by hand.
        with_one_stopped(config(), |_, _| {}, |permit| quiet(permit.breaker().snapshot()));
        with_one_stopped(config(), |_, _| {}, |permit| quiet(permit.breaker().reset()));
        with_one_stopped(config(), |_, _| {}, |permit| drop(permit.breaker().isolate()));
    }
}

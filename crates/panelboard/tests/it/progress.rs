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

use crate::support::{SECOND, built, in_time, quiet, trips_at};

/// A clock that one thread can be stopped in.
#[derive(Debug)]
struct Stops {
    hand: ManualClock,
    /// The thread that stops, and after how many more readings.
    next: Mutex<Option<(ThreadId, u32)>>,
    /// True: it is stopped. False: it has come to its end without.
    stopped: mpsc::SyncSender<bool>,
    go_on: AtomicBool,
    woken: Condvar,
}

impl TimeSource for Stops {
    fn now(&self) -> Duration {
        let mut next = self.next.lock().expect("no panic under this lock");
        match &mut *next {
            Some((id, left)) if *id == thread::current().id() && *left > 0 => *left -= 1,
            Some((id, _)) if *id == thread::current().id() => {
                self.stopped.send(true).expect("the test listens");
                while !self.go_on.load(Ordering::Acquire) {
                    next = self.woken.wait(next).expect("no panic");
                }
                *next = None;
            }
            _ => {}
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

type Prepare = fn(&Breaker, &ManualClock);
type Call = fn(Permit<Arc<Breaker>>);

/// Stops a thread at each reading of the clock in `call`, one after the other.
fn stopped_everywhere(config: fn() -> ConfigBuilder, prepare: Prepare, call: Call) {
    let readings = (0..).take_while(|n| with_one_stopped(config(), prepare, call, *n)).count();
    assert!(readings > 0, "the call reads no clock: nothing was shown");
}

/// Stops a thread in `call` after `readings` of the clock, has another do everything there is, then
/// lets it go on. False if the call ends before.
fn with_one_stopped(config: ConfigBuilder, prepare: Prepare, call: Call, readings: u32) -> bool {
    let (stopped, is_stopped) = mpsc::sync_channel(2);
    let (_, hand) = Clock::manual();
    let stops = Arc::new(Stops {
        hand: hand.clone(),
        next: Mutex::new(None),
        stopped,
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
            *stops.next.lock().expect("no panic") = Some((thread::current().id(), readings));
            call(permit);
            stops.stopped.send(false).expect("there is room");
        })
    };
    if !is_stopped.recv_timeout(60 * SECOND).expect("it stops or ends") {
        other.join().expect("it has ended");
        return false;
    }
    in_time({
        let (breaker, hand) = (Arc::clone(&breaker), hand.clone());
        move || everything(&breaker, &hand)
    });
    stops.go_on();
    other.join().expect("it ends what it began");
    breaker.reset();
    assert!(breaker.acquire().expect("closed").failure().transition().is_some());
    true
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
    let plain: fn() -> ConfigBuilder = || trips_at(1);
    let windowed: fn() -> ConfigBuilder = || trips_at(1).failure_rate(0.1, SECOND, 1);
    let closed: Prepare = |_, _| {};
    let open: Prepare = |breaker, _| quiet(breaker.trip());
    let ready: Prepare = |breaker, hand| {
        breaker.trip();
        hand.advance(300 * SECOND);
    };
    let asks: Call = |permit| quiet(permit.breaker().acquire().is_ok());
    for config in [plain, windowed] {
        // While it ends a call, in time at first.
        stopped_everywhere(config, closed, |permit| quiet(permit.failure()));
        stopped_everywhere(config, closed, |permit| quiet(permit.open_for(SECOND, "test")));
        // While it asks, rejected or with a probe.
        stopped_everywhere(config, open, asks);
        stopped_everywhere(config, ready, asks);
        // While it reads, or changes the state by hand.
        stopped_everywhere(config, closed, |permit| quiet(permit.breaker().snapshot()));
        stopped_everywhere(config, closed, |permit| quiet(permit.breaker().reset()));
        stopped_everywhere(config, closed, |permit| quiet(permit.breaker().trip()));
        stopped_everywhere(config, closed, |permit| quiet(permit.breaker().metrics_only()));
    }
}

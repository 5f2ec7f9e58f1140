//! Is the breaker lock-free? A thread is stopped for good at each step of what it does, and the
//! others must end all the same.
//!
//! Whoever is stopped, wherever, holds no caller up. So a scheduler runs two callers for some
//! steps, then one thread for some steps, and never runs that one again: for every number of steps
//! of both. That one thread does any event that there is; the callers do all that callers do.
//! (People who set overrides wait for each other: they are no callers.)
//!
//! Not shown are the few instructions in which the note of a transition is written under its lock:
//! that lock takes no step of a model. Who only asks or succeeds takes no lock.

use std::{
    panic::Location,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

use super::{
    explore::count,
    scenes::{
        ALWAYS, Event, OUTCOMES, RELEASE, Scene, about_to_trip, before_the_ramp, closed, half_open,
        ramp_over, recovering,
    },
};

/// The thread that is stopped: the first that a model's main thread makes.
const STOPPED: usize = 1;

/// How far a run came.
#[derive(Debug, Default)]
struct Came {
    /// The callers have ended.
    callers: AtomicBool,
    /// The one thread has ended, so it was not stopped.
    stopped: AtomicBool,
}

/// Runs the callers for `before` steps, the one thread for `steps` steps, and then only the
/// callers, in turn. Each run takes other numbers, until there are none left.
#[derive(Debug)]
struct StopOne {
    came: Arc<Came>,
    before: usize,
    steps: usize,
    /// What is left of them in this run.
    left: Option<(usize, usize)>,
    turn: usize,
}

impl Scheduler for StopOne {
    fn new_execution(&mut self) -> Option<Schedule> {
        if let Some(left) = self.left {
            let Self { before, steps, .. } = *self;
            let ended = self.came.callers.swap(false, Ordering::Relaxed);
            assert!(
                ended,
                "held up: stopped after {steps} steps, {before} steps of callers before"
            );
            if self.came.stopped.swap(false, Ordering::Relaxed) {
                (self.before, self.steps) = (before + 1, 0);
            } else if left != (0, 0) {
                // The callers had ended before its steps were done.
                return None;
            } else {
                self.steps += 1;
            }
        }
        self.left = Some((self.before, self.steps));
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        _current: Option<TaskId>,
        _is_yielding: bool,
    ) -> Option<TaskId> {
        let (before, steps) = self.left.as_mut()?;
        let ids = || runnable.iter().map(|task| task.id());
        let one = ids().find(|id| usize::from(*id) == STOPPED);
        if let (Some(one), 0, 1..) = (one, *before, *steps) {
            *steps -= 1;
            return Some(one);
        }
        *before = before.saturating_sub(1);
        self.turn += 1;
        // None, which ends the run, if only the one that is stopped could go on.
        let callers: Vec<_> = ids().filter(|id| usize::from(*id) != STOPPED).collect();
        (!callers.is_empty()).then(|| callers[self.turn % callers.len()])
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// All that callers do, the second in another order.
fn calls(scene: &Scene, own: usize) {
    let breaker = &scene.world.breaker;
    if own == 1 {
        drop(scene.permit(own));
        breaker.trip();
    } else {
        scene.permit(own).failure();
    }
    scene.late(own).failure();
    for _ in 0..2 {
        breaker.acquire().map(|permit| permit.success()).ok();
        breaker.acquire().map(|permit| permit.failure()).ok();
    }
    breaker.open_for(std::time::Duration::from_secs(60), "stated");
    let _ = (breaker.would_admit(), breaker.state(), breaker.snapshot());
}

/// Stops a thread at each step of `event`. Answers in how many runs.
fn stop_in(scene: fn() -> Scene, event: &Event) -> u64 {
    let came = Arc::new(Came::default());
    let of_run = Arc::clone(&came);
    let part = event.part;
    let stop = StopOne { came, before: 0, steps: 0, left: None, turn: 0 };
    let runs = shuttle::Runner::new(stop, shuttle::Config::default()).run(move || {
        let scene = Arc::new(scene());
        let of_one = (Arc::clone(&scene), Arc::clone(&of_run));
        // Kept: dropping its handle would be a step.
        let one = shuttle::thread::spawn(move || {
            part(&of_one.0, 2);
            of_one.1.stopped.store(true, Ordering::Relaxed);
        });
        let callers = [0, 1].map(|own| {
            let scene = Arc::clone(&scene);
            shuttle::thread::spawn(move || calls(&scene, own))
        });
        for caller in callers {
            caller.join().expect("no panic");
        }
        of_run.callers.store(true, Ordering::Relaxed);
        drop(one);
    });
    runs as u64
}

#[test]
fn i54_a_thread_stopped_anywhere_holds_nobody_up() {
    let scenes: [fn() -> Scene; 8] = [
        || closed(3),
        || about_to_trip(3),
        // Open, and ready to probe: the callers' permits are late.
        || about_to_trip(3).then(|breaker| _ = breaker.trip()).at(10),
        || about_to_trip(3).then(|breaker| _ = breaker.trip()).at(30),
        || half_open(3, 3, 2),
        || before_the_ramp(3),
        || recovering(3),
        || ramp_over(3),
    ];
    let mut runs = 0;
    for scene in scenes {
        for event in ALWAYS.iter().chain(OUTCOMES) {
            runs += stop_in(scene, event);
        }
    }
    for event in RELEASE {
        runs += stop_in(|| closed(3).with_guards(), event);
    }
    count(Location::caller(), runs);
}

//! Are the races that made other projects' tests flaky answered the same way each time? Each is
//! run until its threads have met in `PANELBOARD_REPEATS` rounds; every round gives one answer.
//!
//! They come from the post-mortems of five services around hand-written breakers: check-then-act on
//! a table and on half-open, lost counts, outcomes that come late, a clean-up that frees somebody
//! else's place, a table that changes under its reader, threads and tasks with a lock each.

mod table;

use std::{
    cell::Cell,
    fmt::Debug,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::yield_now,
};

use parking_lot::Mutex;

use panelboard::{Breaker, ConfigBuilder, Permit, Recorded, State};

use crate::support::{SECOND, from_environment, quiet, race, raced, trips_at};

/// Runs `step` in `threads` threads at once, round after round, and asserts that `answer` is
/// `expected` in each.
#[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
fn repeated<S: Sync + Send, T: Send, A: PartialEq + Debug>(
    name: &str,
    threads: usize,
    begin: impl Fn() -> S,
    step: impl Fn(usize, &S) -> T + Sync,
    answer: impl Fn(S, Vec<T>) -> A,
    expected: A,
) {
    let meetings = from_environment("PANELBOARD_REPEATS", 20);
    let rounds = Cell::new(0_u64);
    let end = |shared: S, told: Vec<T>| {
        let seen = answer(shared, told);
        assert_eq!(seen, expected, "{name}: round {}", rounds.get());
        rounds.set(rounds.get() + 1);
    };
    race(threads, meetings, 10_000 + meetings * 200, |_| begin(), step, end);
    println!("\nrepeated {name}: {} rounds, {meetings} of them met, one answer", rounds.get());
}

type Owned = Permit<Arc<Breaker>>;

/// A breaker, and the permits that the threads end. The lock is one that the thread sanitizer
/// understands.
struct World {
    breaker: Arc<Breaker>,
    permits: Mutex<Vec<Option<Owned>>>,
}

impl World {
    /// Closed, with so many permits out.
    fn closed(config: ConfigBuilder, permits: usize) -> Self {
        let (breaker, _) = raced(config);
        let permits = (0..permits).map(|_| Some(breaker.acquire_owned().expect("closed")));
        Self { permits: Mutex::new(permits.collect()), breaker }
    }

    /// Tripped and half-open again: `old` permits of the closed state, then all `probes`.
    fn half_open(config: ConfigBuilder, old: usize, probes: u32) -> Self {
        let (breaker, hand) = raced(config.half_open_max_calls(probes));
        let take = || Some(breaker.acquire_owned().expect("it admits"));
        let mut permits: Vec<_> = (0..old).map(|_| take()).collect();
        breaker.trip();
        hand.advance(30 * SECOND);
        permits.extend((0..probes).map(|_| take()));
        Self { permits: Mutex::new(permits), breaker }
    }

    fn take(&self, index: usize) -> Owned {
        let taken = self.permits.lock()[index].take();
        taken.expect("each permit is taken once")
    }

    /// The permits that fall to `thread` of `threads`.
    fn share(&self, thread: usize, threads: usize) -> Vec<Owned> {
        let mut permits = self.permits.lock();
        permits.iter_mut().skip(thread).step_by(threads).filter_map(Option::take).collect()
    }
}

/// How many were counted, made a transition, came late.
fn tally<'a>(told: impl IntoIterator<Item = &'a Recorded>) -> (usize, usize, usize) {
    told.into_iter().fold((0, 0, 0), |(counted, made, late), recorded| match recorded {
        Recorded::Counted => (counted + 1, made, late),
        Recorded::Transition(_) => (counted, made + 1, late),
        _ => (counted, made, late + 1),
    })
}

/// Failures were counted by read, add and write: some were lost, or two tripped.
#[test]
fn of_twenty_failures_the_tenth_trips() {
    let step = |thread: usize, world: &World| {
        let own = world.share(thread, 4);
        own.into_iter().map(|permit| permit.failure()).collect::<Vec<_>>()
    };
    let answer = |world: World, told: Vec<Vec<Recorded>>| {
        let seen = world.breaker.snapshot();
        (tally(told.iter().flatten()), seen.state, seen.counts.failures, seen.counts.late)
    };
    let begin = || World::closed(trips_at(10), 20);
    repeated("tenth failure", 4, begin, step, answer, ((9, 1, 10), State::Open, 10, 10));
}

/// Successes and a failure at once in half-open: the state was whatever the last writer left.
#[test]
fn a_failure_among_nine_successes_opens_again() {
    let step = |thread: usize, world: &World| {
        let end = |(index, permit): (usize, Owned)| match (thread, index) {
            (0, 0) => permit.failure(),
            _ => permit.success(),
        };
        world.share(thread, 4).into_iter().enumerate().map(end).collect::<Vec<_>>()
    };
    let answer = |world: World, told: Vec<Vec<Recorded>>| {
        let (counted, made, late) = tally(told.iter().flatten());
        (world.breaker.snapshot().state, world.breaker.snapshot().generation, made, counted + late)
    };
    let begin = || World::half_open(trips_at(1).success_threshold(10), 0, 10);
    repeated("mixed half-open", 4, begin, step, answer, (State::Open, 3, 1, 9));
}

#[test]
fn the_first_result_in_half_open_decides_and_the_others_are_late() {
    let step = |thread: usize, world: &World| {
        let end = |permit: Owned| if thread < 2 { permit.failure() } else { permit.success() };
        world.share(thread, 4).into_iter().map(end).collect::<Vec<_>>()
    };
    let answer = |world: World, told: Vec<Vec<Recorded>>| {
        let made = told.iter().flatten().find_map(Recorded::transition).map(|made| made.to);
        (tally(told.iter().flatten()), made == Some(world.breaker.state()))
    };
    let begin = || World::half_open(trips_at(1), 0, 8);
    repeated("first result", 4, begin, step, answer, ((0, 1, 7), true));
}

/// `should_allow` looked, and counted later: more probes went out than were allowed.
#[test]
fn at_the_deadline_exactly_the_allowed_probes_go_out() {
    let begin = || {
        let (breaker, hand) = raced(trips_at(1).half_open_max_calls(3));
        breaker.trip();
        hand.advance(30 * SECOND);
        breaker
    };
    let step = |_: usize, breaker: &Arc<Breaker>| [(); 2].map(|()| breaker.acquire_owned().ok());
    let answer = |breaker: Arc<Breaker>, told: Vec<[Option<Owned>; 2]>| {
        let admitted = told.iter().flatten().flatten().filter(|permit| permit.is_probe()).count();
        let seen = breaker.snapshot();
        (admitted, seen.probes_in_flight, seen.generation, seen.counts.rejected)
    };
    repeated("probes at the deadline", 4, begin, step, answer, (3, 3, 2, 5));
}

/// A task was looked for and then made: two ran at once.
#[test]
fn never_two_in_the_one_place() {
    let begin = || {
        let world = World::half_open(trips_at(1), 0, 1);
        drop(world.take(0));
        (world, AtomicUsize::new(0))
    };
    let step = |_: usize, (world, inside): &(World, AtomicUsize)| {
        let mut most = 0;
        for _ in 0..20 {
            if let Ok(permit) = world.breaker.acquire() {
                most = most.max(inside.fetch_add(1, Ordering::SeqCst) + 1);
                yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        }
        most
    };
    let answer = |(world, _): (World, AtomicUsize), most: Vec<usize>| {
        (most.into_iter().max(), world.breaker.snapshot().probes_in_flight)
    };
    repeated("one place", 3, begin, step, answer, (Some(1), 0));
}

/// The clean-up of an old task ran after a new one had begun, and took the new one's entry away.
#[test]
fn a_lost_probe_that_is_cleaned_up_frees_no_newer_place() {
    let begin = || {
        let (breaker, hand) = raced(trips_at(1));
        breaker.trip();
        hand.advance(30 * SECOND);
        let lost = breaker.acquire_owned().expect("the first probe");
        hand.advance(60 * SECOND);
        World { breaker, permits: Mutex::new(vec![Some(lost)]) }
    };
    let step = |thread: usize, world: &World| {
        let lost = (thread == 0).then(|| world.take(0));
        // Each is one exchange: the threads have to be let come near each other.
        yield_now();
        match lost {
            Some(lost) => {
                drop(lost);
                None
            }
            None => world.breaker.acquire_owned().ok(),
        }
    };
    let answer = |world: World, told: Vec<Option<Owned>>| {
        (told.iter().flatten().count(), world.breaker.snapshot().probes_in_flight)
    };
    repeated("old clean-up", 3, begin, step, answer, (1, 1));
}

/// A success of before the trip closed what a probe had just found broken, a failure of before it
/// opened what a probe had just found well.
#[test]
fn what_comes_late_decides_nothing() {
    for (probe_succeeds, to) in [(false, State::Open), (true, State::Closed)] {
        let step = |thread: usize, world: &World| match (thread, probe_succeeds) {
            (0, _) => world.take(0).success(),
            (1, _) => world.take(1).failure(),
            (_, true) => world.take(2).success(),
            (_, false) => world.take(2).failure(),
        };
        let answer = |world: World, told: Vec<Recorded>| {
            let late = told.iter().filter(|told| **told == Recorded::Late).count();
            let seen = world.breaker.snapshot();
            (late, seen.state, seen.generation, seen.consecutive_failures)
        };
        let begin = || World::half_open(trips_at(1), 2, 1);
        repeated("late outcomes", 3, begin, step, answer, (2, to, 3, 0));
    }
}

/// A shutdown set everything back while calls ran, whose results then counted in the new life.
#[test]
fn a_reset_amid_calls_leaves_nothing_of_them() {
    let step = |thread: usize, world: &World| match thread {
        0 => quiet(world.breaker.reset()),
        _ => world.share(thread - 1, 3).into_iter().for_each(|permit| quiet(permit.failure())),
    };
    let answer = |world: World, _| {
        let seen = world.breaker.snapshot();
        let all = seen.counts.failures + seen.counts.late;
        (seen.state, seen.consecutive_failures, seen.backoff_step, all)
    };
    let begin = || World::closed(trips_at(5), 9);
    repeated("shutdown", 4, begin, step, answer, (State::Closed, 0, 0, 9));
}

/// A session was cleared between the check for a running task and the start of one.
#[test]
fn a_start_that_races_a_clear_is_before_it_or_after_it() {
    let step = |thread: usize, world: &World| match thread {
        0 => {
            world.breaker.reset();
            None
        }
        1 => {
            world.take(0).failure();
            None
        }
        _ => world.breaker.acquire_owned().ok(),
    };
    let answer = |world: World, told: Vec<Option<Owned>>| {
        let cleared = world.breaker.snapshot().generation;
        let started = told.into_iter().flatten().next();
        // One of before the clear is late, one of after it counts: the number says which.
        let in_order = started.is_none_or(|permit| {
            let after = permit.generation() == cleared;
            (permit.failure() == Recorded::Late) != after
        });
        (in_order, world.breaker.state())
    };
    let begin = || World::closed(trips_at(5), 1);
    repeated("clear", 3, begin, step, answer, (true, State::Closed));
}

/// Comes back to its task once before it ends: another task or thread goes between.
fn after_a_turn<T>(answer: T) -> impl Future<Output = T> {
    let (mut answer, mut turned) = (Some(answer), false);
    poll_fn(move |_| match std::mem::replace(&mut turned, true) {
        true => Poll::Ready(answer.take().expect("polled until it is ready")),
        false => Poll::Pending,
    })
}

/// The tasks had an asynchronous lock and the threads another one, for the same table.
#[test]
fn threads_and_tasks_share_one_breaker() {
    let begin = || raced(trips_at(12)).0;
    let failing = |breaker: Arc<Breaker>| async move {
        for _ in 0..3 {
            quiet(breaker.call_async(after_a_turn(Err::<(), _>(()))).await);
        }
    };
    let step = |thread: usize, breaker: &Arc<Breaker>| {
        if thread < 2 {
            let failing = || {
                yield_now();
                Err::<(), _>(())
            };
            (0..3).for_each(|_| quiet(breaker.call(failing)));
            return;
        }
        // Two tasks that take turns on this thread.
        let (one, two) = (pin!(failing(Arc::clone(breaker))), pin!(failing(Arc::clone(breaker))));
        let mut tasks: Vec<Pin<&mut dyn Future<Output = ()>>> = vec![one, two];
        let mut context = Context::from_waker(Waker::noop());
        while !tasks.is_empty() {
            tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        }
    };
    let answer = |breaker: Arc<Breaker>, _| {
        let seen = breaker.snapshot();
        (seen.state, seen.counts.failures, seen.counts.transitions, seen.counts.late)
    };
    repeated("threads and tasks", 3, begin, step, answer, (State::Open, 12, 1, 0));
}

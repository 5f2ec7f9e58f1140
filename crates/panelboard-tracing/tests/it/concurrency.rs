//! Do the races that broke others hold here? Each from threads and from tasks, through a pipeline's
//! breakers and through what it delivers.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Arc,
    thread,
    time::Duration,
};

use panelboard::{Breaker, Permit, State, Transition, TwoStep};
use panelboard_tracing::{Ledger, SinkConfig};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Barrier,
    task::yield_now,
};

use crate::rig::{Fake, LONG, Mode, Rig, builder, opens_after};

/// Who races.
#[derive(Clone, Copy, Debug)]
enum Who {
    Threads,
    /// Of a runtime with two threads.
    Tasks,
}

const WHO: [Who; 2] = [Who::Threads, Who::Tasks];

fn runtime(mut builder: Builder) -> Runtime {
    builder.build().expect("a runtime")
}

impl Who {
    /// Does the work as so many of them, which begin at once, and gives what they answer.
    fn race<T, W, F>(self, count: usize, work: W) -> Vec<T>
    where
        T: Send + 'static,
        W: Fn(usize) -> F,
        F: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(count));
        let one = |which| {
            let (start, work) = (Arc::clone(&start), work(which));
            async move {
                start.wait().await;
                work.await
            }
        };
        let all = (0..count).map(one);
        match self {
            Self::Threads => {
                let run =
                    |one| thread::spawn(|| runtime(Builder::new_current_thread()).block_on(one));
                let threads: Vec<_> = all.map(run).collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            }
            Self::Tasks => {
                let mut two = Builder::new_multi_thread();
                two.worker_threads(2);
                let runtime = runtime(two);
                let tasks: Vec<_> = all.map(|one| runtime.spawn(one)).collect();
                let ended = tasks.into_iter().map(|task| runtime.block_on(task));
                ended.map(|ended| ended.expect("no panic")).collect()
            }
        }
    }
}

fn rig_of(failures: u32) -> (Rig, Arc<Breaker>) {
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(failures))]);
    let breaker = Arc::clone(rig.pipeline.breaker("main").expect("there is one"));
    (rig, breaker)
}

/// What somebody saw of a breaker: the transitions that it was told, and the generations of the
/// probes that it was given. Nobody is told of the transition to half-open but by such a permit.
#[derive(Default)]
struct Saw {
    told: Vec<Transition>,
    probes: Vec<u64>,
}

impl Saw {
    fn has(&mut self, permit: &Permit<Arc<Breaker>>) {
        self.probes.extend(permit.is_probe().then(|| permit.generation()));
    }

    fn end(&mut self, permit: Permit<Arc<Breaker>>, fails: bool) {
        self.has(&permit);
        let recorded = if fails { permit.failure() } else { permit.success() };
        self.told.extend(recorded.transition().copied());
    }

    fn join(all: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        for saw in all {
            sum.told.extend(saw.told);
            sum.probes.extend(saw.probes);
        }
        sum
    }

    /// Each transition was given to one caller, with the next number, from where the last one led;
    /// none is missing up to this one. What the breaker was in at each number.
    fn matched(self, last: u64) -> BTreeMap<u64, State> {
        let mut all = BTreeMap::new();
        for told in &self.told {
            let twice = all.insert(told.generation, (vec![told.from], told.to));
            assert!(twice.is_none(), "{told:?} was told twice");
        }
        for probe in BTreeSet::from_iter(self.probes) {
            // From half-open if the lease of the probe before was over.
            let from = vec![State::Open, State::HalfOpen];
            let told = all.insert(probe, (from, State::HalfOpen));
            assert!(told.is_none(), "{probe}: {told:?}");
        }
        let mut states = BTreeMap::from([(0, State::Closed)]);
        for (generation, (from, to)) in all {
            let before = states.get(&(generation - 1));
            assert!(before.is_some_and(|it| from.contains(it)), "{generation} {before:?} {from:?}");
            states.insert(generation, to);
        }
        assert_eq!(states.len() as u64, last + 1, "{states:?}");
        states
    }
}

#[test]
fn c1_failures_at_once_open_it_once() {
    for who in WHO {
        let (_rig, breaker) = rig_of(10);
        let saw = who.race(20, |_| {
            let breaker = Arc::clone(&breaker);
            async move {
                let mut saw = Saw::default();
                for _ in 0..5 {
                    let permit = breaker.acquire_owned();
                    yield_now().await;
                    let Ok(permit) = permit else { continue };
                    saw.end(permit, true);
                }
                saw
            }
        });
        let seen = breaker.snapshot();
        assert_eq!((seen.state, seen.generation), (State::Open, 1), "{who:?}");
        assert_eq!(Saw::join(saw).matched(1)[&1], State::Open);
        // Ten that counted; what came after the trip is late or was rejected, and nothing is lost.
        let counts = seen.counts;
        assert_eq!(counts.failures + counts.late + counts.rejected, 100, "{who:?} {counts:?}");
    }
}

#[test]
fn c2_mixed_outcomes_never_open_it_on_fewer_failures_in_a_row() {
    for who in WHO {
        let (_rig, breaker) = rig_of(1_000);
        who.race(8, |which| {
            let breaker = Arc::clone(&breaker);
            async move {
                for round in 0..500 {
                    let permit = breaker.acquire().expect("never so many in a row");
                    if round % 16 == 0 {
                        yield_now().await;
                    }
                    if (round + which) % 2 == 0 {
                        permit.success()
                    } else {
                        permit.failure()
                    };
                }
            }
        });
        let seen = breaker.snapshot();
        let expected = (State::Closed, 0, 2_000);
        assert_eq!((seen.state, seen.generation, seen.counts.failures), expected, "{who:?}");
    }
}

#[test]
fn c3_outcomes_of_racing_probes_make_one_transition_each_time() {
    for who in WHO {
        let (rig, breaker) = rig_of(1);
        let mut all = vec![Saw { told: breaker.trip().into_iter().collect(), ..Saw::default() }];
        for round in 0..20 {
            rig.hand.advance(Duration::from_secs(3_600));
            let saw = who.race(20, |which| {
                let breaker = Arc::clone(&breaker);
                async move {
                    let mut saw = Saw::default();
                    let Ok(permit) = breaker.acquire_owned() else { return saw };
                    yield_now().await;
                    saw.end(permit, (round + which) % 2 == 0);
                    saw
                }
            });
            let probes: BTreeSet<u64> = saw.iter().flat_map(|saw| saw.probes.clone()).collect();
            assert_eq!(probes.len(), 1, "{who:?}: one at the deadline, and no second one");
            let judged = |told: &&Transition| told.from == State::HalfOpen;
            let judged = saw.iter().flat_map(|saw| &saw.told).filter(judged).count();
            assert_eq!(judged, 1, "{who:?}: what the probe said was told once");
            all.extend(saw);
            let by_hand = breaker.trip().into_iter().chain([breaker.reset()]).chain(breaker.trip());
            all.push(Saw { told: by_hand.collect(), ..Saw::default() });
        }
        Saw::join(all).matched(breaker.snapshot().generation);
    }
}

#[test]
fn c4_a_hundred_at_once_lose_no_call_and_no_place() {
    for who in WHO {
        let (rig, breaker) = rig_of(50);
        let saw = who.race(100, |which| {
            let (breaker, hand) = (Arc::clone(&breaker), rig.hand.clone());
            async move {
                let mut saw = Saw::default();
                for round in 0..100 {
                    if (round + which) % 25 == 0 {
                        hand.advance(Duration::from_secs(10));
                        yield_now().await;
                    }
                    let Ok(permit) = breaker.acquire_owned() else { continue };
                    match (round + which) % 3 {
                        2 => saw.has(&permit),
                        outcome => saw.end(permit, outcome == 0),
                    }
                }
                saw
            }
        });
        let seen = breaker.snapshot();
        assert_eq!(seen.probes_in_flight, 0, "{who:?} {seen:?}");
        Saw::join(saw).matched(seen.generation);
        // It is not stuck: by the longest open time it lets somebody through, who closes it.
        rig.hand.advance(Duration::from_secs(24 * 3_600));
        breaker.acquire().expect("after the deadline").success();
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[test]
fn c5_failures_recorded_in_two_steps_count_each() {
    for who in WHO {
        let (_rig, breaker) = rig_of(100);
        let thin = Arc::new(TwoStep::new(Arc::clone(&breaker)));
        who.race(20, |which| {
            let thin = Arc::clone(&thin);
            async move {
                for round in 0..5 {
                    let context = (which, round);
                    assert!(thin.should_allow_in(&context), "closed until the last");
                    yield_now().await;
                    thin.record_failure_in(&context);
                }
            }
        });
        let seen = breaker.snapshot();
        let expected = (State::Open, 1, 100);
        assert_eq!((seen.state, seen.generation, seen.counts.failures), expected, "{who:?}");
    }
}

/// One looks while three make it open, probe and close: what is seen at a number is what the
/// transition of that number led to, and numbers never go back.
#[test]
fn c6_transitions_under_load_are_seen_in_their_order_and_as_they_were_told() {
    for who in WHO {
        let (rig, breaker) = rig_of(3);
        let all = who.race(4, |which| {
            let (breaker, hand) = (Arc::clone(&breaker), rig.hand.clone());
            async move {
                let (mut saw, mut looks) = (Saw::default(), Vec::new());
                for round in 0..2_000 {
                    if which == 0 {
                        let seen = breaker.snapshot();
                        looks.push((seen.generation, seen.state, seen.ready_to_probe));
                    } else if let Ok(permit) = breaker.acquire_owned() {
                        // In runs, so that it comes to open and to close again.
                        saw.end(permit, round / 8 % 2 == 0);
                    } else {
                        hand.advance(Duration::from_secs(5));
                    }
                    yield_now().await;
                }
                (saw, looks)
            }
        });
        let (saw, looks): (Vec<Saw>, Vec<_>) = all.into_iter().unzip();
        let last = breaker.snapshot().generation;
        assert!(last > 10, "{who:?}: it went round");
        let states = Saw::join(saw).matched(last);
        let looks: Vec<(u64, State, bool)> = looks.into_iter().flatten().collect();
        assert!(looks.iter().is_sorted_by_key(|look| look.0), "{who:?}");
        for (generation, state, ready) in looks {
            // Open, but its time is over: it is shown as what the next caller makes of it.
            let told = if ready { State::Open } else { state };
            assert_eq!(states[&generation], told, "{who:?}: {generation} {state:?} {ready}");
        }
    }
}

#[test]
fn a_pipeline_under_load_accounts_for_each_event() {
    WHO.into_iter().for_each(accounts);
}

fn accounts(who: Who) {
    let (main, spare) = (Fake::fine(), Fake::fine());
    let mut rig = Rig::of(
        builder([
            main.sink("main").breaker(opens_after(2)).fallback("spare").batch_records(7),
            spare.sink("spare").standby(),
        ])
        .queue(1 << 14),
    );
    let modes = [Mode::Fail, Mode::Fine, Mode::Panic, Mode::Fine, Mode::FailAfter(3), Mode::Fine];
    let pipeline = rig.pipeline.clone();
    who.race(9, |who| {
        let (dispatch, main) = (rig.dispatch().clone(), main.clone());
        let (pipeline, hand) = (pipeline.clone(), rig.hand.clone());
        async move {
            if who == 8 {
                // Meanwhile it fails, recovers, panics, is tripped and reset.
                for mode in modes {
                    main.set(mode);
                    yield_now().await;
                    hand.advance(Duration::from_secs(31));
                    pipeline.nudge();
                    pipeline.trip("main");
                    yield_now().await;
                    pipeline.reset("main");
                }
                return;
            }
            for round in 0..250 {
                tracing::dispatcher::with_default(&dispatch, || tracing::info!("{who} {round}"));
                yield_now().await;
            }
        }
    });
    main.set(Mode::Fine);
    rig.until("decided", |it| {
        // Again where a write was out when the clock was turned: it has hung by it, and opened its
        // breaker.
        rig.turn(Duration::from_secs(3_600));
        it.flush(LONG).is_complete()
    });
    let report = rig.shutdown();
    assert!(report.is_complete(), "{report}");
    let (ours, theirs): (Ledger, Ledger) = (rig.ledger("main"), rig.ledger("spare"));
    // A write that was out when the clock was turned has hung by it: its batch was handed over, and
    // the late answer is counted as one, whatever came of it.
    let late: BTreeSet<String> = main.seen().into_iter().collect();
    let late = spare.seen().into_iter().filter(|message| late.contains(message)).count() as u64;
    let answers = rig.pipeline.sink("main").expect("there is one").late_answers;
    assert!(late <= 7 * answers, "{late} records at both, {answers} late answers");
    assert_eq!((ours.delivered + late, theirs.delivered), counted(&main, &spare));
    assert_eq!(ours.delivered + theirs.delivered, 2_000);
    // Each event at one of them, and a task's in their order at each of the two.
    let mut all: Vec<String> = main.seen().into_iter().chain(spare.seen()).collect();
    for seen in [main.seen(), spare.seen()] {
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        for message in seen {
            let (task, round) = message.split_once(' ').expect("two numbers");
            let round = round.parse().expect("a number");
            let before = last.insert(task.into(), round);
            assert!(before.is_none_or(|before| before < round), "{task}: {before:?}, {round}");
        }
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2_000);
}

fn counted(main: &Fake, spare: &Fake) -> (u64, u64) {
    (main.seen().len() as u64, spare.seen().len() as u64)
}

/// Two pipelines beside each other know nothing of each other.
#[test]
fn two_subscribers_in_one_process_are_two_pipelines() {
    let (one, two) = (Fake::fine(), Fake::fine());
    let rigs = [Rig::new([one.sink("main")]), Rig::new([two.sink("main")])];
    thread::scope(|scope| {
        for (which, rig) in rigs.iter().enumerate() {
            scope.spawn(move || rig.info((0..100).map(|round| format!("{which} {round}"))));
        }
    });
    rigs.iter().for_each(Rig::settles);
    for (which, fake) in [one, two].iter().enumerate() {
        let expected: Vec<_> = (0..100).map(|round| format!("{which} {round}")).collect();
        assert_eq!(fake.seen(), expected);
    }
}

/// And one registry may have two of them: each gets each event, spans and all.
#[test]
fn two_pipelines_of_one_registry_get_each_event() {
    use tracing_subscriber::prelude::*;

    let fakes = [Fake::fine(), Fake::fine()];
    let built = fakes.clone().map(|fake| {
        let sink = SinkConfig::new("main", move |batch: &panelboard_tracing::Batch<'_>| {
            assert!(batch.iter().all(|record| record.spans().count() == 1));
            Ok(())
        });
        builder([sink, fake.sink("fake")]).build().expect("valid")
    });
    let [(one, guard_one), (two, guard_two)] = built;
    let subscriber = tracing_subscriber::registry().with(one).with(two);
    tracing::subscriber::with_default(subscriber, || {
        let span = tracing::info_span!("around", id = 1, later = tracing::field::Empty);
        span.record("later", 2);
        span.in_scope(|| (0..10).for_each(|number| tracing::info!("{number}")));
    });
    for (guard, fake) in [(guard_one, &fakes[0]), (guard_two, &fakes[1])] {
        assert!(guard.pipeline().flush(LONG).is_complete());
        assert!(guard.shutdown().is_complete());
        assert_eq!(fake.seen().len(), 10);
    }
}

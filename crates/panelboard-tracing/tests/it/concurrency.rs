//! Do the races that broke others hold here? From threads and from tasks, through a pipeline's
//! breakers and through what it delivers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Barrier, Mutex},
    thread,
    time::Duration,
};

use panelboard::{Breaker, State, Transition, TwoStep};
use panelboard_tracing::{Ledger, SinkConfig};

use crate::rig::{Fake, LONG, Mode, Rig, builder, opens_after};

fn rig_of(failures: u32) -> (Rig, Arc<Breaker>) {
    let rig = Rig::new([Fake::fine().sink("main").breaker(opens_after(failures))]);
    let breaker = Arc::clone(rig.pipeline.breaker("main").expect("there is one"));
    (rig, breaker)
}

/// Each transition was given to one caller, with the next number, from where the last one led.
fn matched(mut told: Vec<Transition>) -> usize {
    told.sort_by_key(|transition| transition.generation);
    let mut state = State::Closed;
    for (index, transition) in told.iter().enumerate() {
        assert_eq!(transition.generation, index as u64 + 1, "{told:#?}");
        assert_eq!(transition.from, state, "{told:#?}");
        state = transition.to;
    }
    told.len()
}

#[test]
fn c1_threads_that_record_failures_open_it_once() {
    let (_rig, breaker) = rig_of(10);
    let (start, told) = (Barrier::new(20), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..5 {
                    let Ok(permit) = breaker.acquire() else { continue };
                    let recorded = permit.failure();
                    told.lock().unwrap().extend(recorded.transition().copied());
                }
            });
        }
    });
    assert_eq!(matched(told.into_inner().unwrap()), 1);
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.generation), (State::Open, 1));
    // Ten that counted; what came after the trip is late or was rejected, and nothing is lost.
    let counts = seen.counts;
    assert_eq!(counts.failures + counts.late + counts.rejected, 100, "{counts:?}");
}

#[test]
fn c2_mixed_outcomes_never_open_it_on_fewer_failures_in_a_row() {
    let (_rig, breaker) = rig_of(1_000);
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for which in 0..8 {
            let (breaker, start) = (&breaker, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..500 {
                    let permit = breaker.acquire().expect("never so many in a row");
                    if (round + which) % 2 == 0 {
                        permit.success()
                    } else {
                        permit.failure()
                    };
                }
            });
        }
    });
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.generation, seen.counts.failures), (State::Closed, 0, 2_000));
}

#[test]
fn c3_outcomes_of_racing_probes_make_one_transition_each_time() {
    let (rig, breaker) = rig_of(1);
    let mut told = Vec::new();
    told.extend(breaker.acquire().unwrap().failure().transition().copied());
    for round in 0..50 {
        rig.hand.advance(Duration::from_secs(3_600));
        let (start, seen) = (Barrier::new(20), Mutex::new((Vec::new(), 0)));
        thread::scope(|scope| {
            for which in 0..20 {
                let (breaker, start, seen) = (&breaker, &start, &seen);
                scope.spawn(move || {
                    start.wait();
                    let Ok(permit) = breaker.acquire() else { return };
                    let fails = (round + which) % 2 == 0;
                    let recorded = if fails { permit.failure() } else { permit.success() };
                    let mut seen = seen.lock().unwrap();
                    seen.0.extend(recorded.transition().copied());
                    seen.1 += 1;
                });
            }
        });
        let (new, admitted) = seen.into_inner().unwrap();
        assert!(admitted >= 1, "nobody was let through at the deadline");
        told.extend(new);
        breaker.trip();
        // By hand it is told, too, but to us: begin anew.
        breaker.reset();
        breaker.trip();
    }
    // Those by hand, and to half-open by the callers, are not in `told`: each number once, rising.
    let mut numbers: Vec<u64> = told.iter().map(|transition| transition.generation).collect();
    let all = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), all);
}

#[test]
fn c4_a_hundred_threads_lose_no_call_and_no_place() {
    let (rig, breaker) = rig_of(50);
    let start = Barrier::new(100);
    thread::scope(|scope| {
        for which in 0..100u32 {
            let (breaker, start, rig) = (&breaker, &start, &rig);
            scope.spawn(move || {
                start.wait();
                for round in 0..100u32 {
                    if (round + which) % 25 == 0 {
                        rig.hand.advance(Duration::from_secs(10));
                    }
                    let Ok(permit) = breaker.acquire() else { continue };
                    match (round + which) % 3 {
                        0 => drop(permit.failure()),
                        1 => drop(permit.success()),
                        _ => drop(permit),
                    }
                }
            });
        }
    });
    let seen = breaker.snapshot();
    assert_eq!(seen.probes_in_flight, 0, "{seen:?}");
    // It is not stuck: by the longest open time it lets somebody through, who closes it.
    rig.hand.advance(Duration::from_secs(24 * 3_600));
    breaker.acquire().expect("after the deadline").success();
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c5_tasks_that_record_failures_count_each() {
    let (_rig, breaker) = rig_of(100);
    let thin = Arc::new(TwoStep::new(Arc::clone(&breaker)));
    let mut tasks = Vec::new();
    for task in 0..20u32 {
        let thin = Arc::clone(&thin);
        tasks.push(tokio::spawn(async move {
            for round in 0..5u32 {
                let context = (task, round);
                assert!(thin.should_allow_in(&context), "closed until the last");
                tokio::task::yield_now().await;
                thin.record_failure_in(&context);
            }
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let seen = breaker.snapshot();
    assert_eq!((seen.state, seen.generation, seen.counts.failures), (State::Open, 1, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c6_a_pipeline_under_load_from_tasks_accounts_for_each_event() {
    let (main, spare) = (Fake::fine(), Fake::fine());
    let mut rig = Rig::of(
        builder([
            main.sink("main").breaker(opens_after(2)).fallback("spare").batch_records(7),
            spare.sink("spare").standby(),
        ])
        .queue(1 << 14),
    );
    let mut tasks = Vec::new();
    for task in 0..8 {
        let dispatch = rig.dispatch().clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..250 {
                tracing::dispatcher::with_default(&dispatch, || tracing::info!("{task} {round}"));
                tokio::task::yield_now().await;
            }
        }));
    }
    // Meanwhile it fails, hangs, recovers, is tripped and reset.
    for mode in [Mode::Fail, Mode::Fine, Mode::Panic, Mode::Fine, Mode::FailAfter(3), Mode::Fine] {
        main.set(mode);
        tokio::task::yield_now().await;
        rig.turn(Duration::from_secs(31));
        rig.pipeline.trip("main");
        tokio::task::yield_now().await;
        rig.pipeline.reset("main");
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    main.set(Mode::Fine);
    rig.turn(Duration::from_secs(3_600));
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

//! Does a replay say what a person would who goes through the calls with a breaker in his hand?

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{
    calls::{Call, Ended, RecordedCall, Recorder},
    settings::{Combine, Settings},
};

/// Calls of one key, in milliseconds: when, for how long, how it ended.
fn calls(rows: &[(u64, u64, Ended)]) -> Vec<Call> {
    let mut recorder = Recorder::default();
    for &(at, took, ended) in rows {
        let call = RecordedCall::new(at as i64 * 1_000, "a", took * 1_000, ended);
        recorder.push(&call).unwrap();
    }
    recorder.finish().keys.pop().map_or(Vec::new(), |key| key.calls)
}

fn track(calls: &[Call], slow_us: Option<u64>) -> Track {
    Track::new(calls, &(0..i64::MAX), 0, slow_us, &episodes(calls, 0, slow_us))
}

fn run(track: &Track, settings: Settings) -> (Figures, Changes) {
    let config = settings.builder().jitter(0.0).jitter_seed(7).build().unwrap();
    let mut changes = Changes::new();
    let figures = replay(track, &config, &mut changes, &mut |_| ControlFlow::Continue(()));
    (figures.continue_value().unwrap(), changes)
}

const BAD: Ended = Ended::Failure;
const GOOD: Ended = Ended::Success;

fn quick(n: u32) -> Settings {
    let recovery_timeout = Duration::from_secs(1);
    Settings { failure_threshold: Some(n), recovery_timeout, ..Settings::default() }
}

#[test]
fn two_failures_open_it_and_a_probe_closes_it() {
    let rows = [
        (0, 10, BAD),
        (100, 10, BAD), // trips at 110 ms, until 1,110 ms
        (105, 20, BAD), // out by then: wasted, and late
        (110, 5, GOOD), // the end comes before the beginning: rejected
        (500, 5, BAD),  // rejected
        (600, 5, Ended::Ignored),
        (1_109, 5, GOOD),  // rejected
        (1_110, 40, GOOD), // the probe, until 1,150 ms
        (1_120, 5, GOOD),  // one probe at a time
        (1_150, 5, GOOD),
    ];
    let track = track(&calls(&rows), None);
    let (figures, changes) = run(&track, quick(2));
    let expected = Figures {
        calls: 10,
        wasted_calls: 3,
        wasted_us: 40_000,
        rejected_rightly: 1,
        rejected_wrongly: 3,
        rejected_others: 1,
        trips: 1,
        not_closed_us: 1_040_000,
        // Of the calls of the first second six of seven count, and four are bad.
        detected: 1,
        missed: 0,
        detect_us: 110_000,
    };
    assert_eq!(figures, expected);
    let open = [(110_000, State::Open), (1_110_000, State::HalfOpen), (1_150_000, State::Closed)];
    assert_eq!(changes, open);
}

#[test]
fn a_failed_probe_opens_it_for_longer_and_is_no_trip() {
    let mut rows: Vec<(u64, u64, Ended)> = vec![(0, 1, BAD)];
    rows.extend((1..60).map(|tenth| (tenth * 100, 1, BAD)));
    let track = track(&calls(&rows), None);
    let (figures, changes) = run(&track, quick(1));
    let told: Vec<(u64, State)> = changes.iter().map(|(at, state)| (at / 1_000, *state)).collect();
    let expected = [
        (1, State::Open),
        (1_100, State::HalfOpen),
        (1_101, State::Open), // 2 s
        (3_200, State::HalfOpen),
        (3_201, State::Open), // 4 s, and the calls end before
    ];
    assert_eq!(told, expected);
    assert_eq!((figures.wasted_calls, figures.rejected_rightly, figures.trips), (3, 57, 1));
    assert_eq!(figures.not_closed_us, 5_901_000 - 1_000);
}

#[test]
fn slow_calls_are_bad_where_something_is_slow_and_the_breaker_sees_how_long_they_took() {
    let rows: Vec<(u64, u64, Ended)> =
        (0..20).map(|i| (i * 100, if i < 10 { 5 } else { 80 }, GOOD)).collect();
    let calls = calls(&rows);
    let slow = Duration::from_millis(80);
    let by_slow = Settings {
        slow_call_rate: Some(0.2),
        slow_call: slow,
        window: Duration::from_secs(10),
        minimum_calls: 5,
        ..quick(5)
    };
    let (figures, _) = run(&track(&calls, Some(80_000)), by_slow);
    // The third slow one makes three of thirteen.
    assert_eq!((figures.wasted_calls, figures.rejected_rightly), (3, 7));
    let (figures, _) = run(&track(&calls, None), by_slow);
    assert_eq!((figures.wasted_calls, figures.rejected_wrongly), (0, 7), "only failures are bad");
    let (figures, _) = run(&track(&calls, Some(80_000)), quick(5));
    assert_eq!((figures.wasted_calls, figures.trips), (10, 0), "it does not look at slow calls");
}

#[test]
fn a_call_of_no_time_ends_after_it_began_and_before_the_next() {
    let rows = [(5, 0, BAD), (5, 0, BAD), (5, 0, GOOD)];
    let track = track(&calls(&rows), None);
    assert_eq!(track.slots, 1);
    let (figures, _) = run(&track, quick(2));
    assert_eq!((figures.wasted_calls, figures.rejected_wrongly), (2, 1));
}

#[test]
fn a_part_is_the_calls_that_began_in_it_and_their_episodes() {
    let rows: Vec<(u64, u64, Ended)> =
        (0..100).map(|i| (i * 100, 300, if (20..50).contains(&i) { BAD } else { GOOD })).collect();
    let calls = calls(&rows);
    let whole = episodes(&calls, 0, None);
    assert_eq!(whole, [Episode { from: 2_000_000, to: 5_200_000 }]);
    let part = |part: std::ops::Range<i64>| Track::new(&calls, &part, 0, None, &whole);
    let first = part(0..2_000_000);
    assert_eq!((first.events.len(), first.episodes.len()), (40, 0));
    let rest = part(2_000_000..i64::MAX);
    assert_eq!((rest.events.len(), rest.episodes.len(), rest.slots), (160, 1, 3));
}

#[test]
fn episodes_are_dense_and_small_gaps_do_not_end_them() {
    // One call each 50 ms: a bucket is a second, and holds twenty.
    let bad_in = |seconds: &[u64], each: u64| {
        let rows: Vec<(u64, u64, Ended)> = (0..400)
            .map(|i| {
                let bad = seconds.contains(&(i / 20)) && i % each == 0;
                (i * 50, 10, if bad { BAD } else { GOOD })
            })
            .collect();
        episodes(&calls(&rows), 0, None)
    };
    assert_eq!(bad_in(&[3], 7), [], "three of twenty are less than a fifth");
    let one = |from: u64, to: u64| Episode { from: from * 1_000, to: to * 1_000 };
    assert_eq!(bad_in(&[3], 4), [one(3_000, 3_810)]);
    assert_eq!(bad_in(&[3, 6], 4), [one(3_000, 6_810)], "two seconds between them");
    assert_eq!(bad_in(&[3, 7], 4), [one(3_000, 3_810), one(7_000, 7_810)]);
    let all = vec![one(3_000, 5_000), one(1_000, 3_500), one(6_000, 7_000)];
    assert_eq!(merged(all), [one(1_000, 5_000), one(6_000, 7_000)]);
}

#[test]
fn what_is_open_when_it_gets_bad_has_been_detected_at_once() {
    let mut rows = vec![(0, 1, BAD), (10, 1, BAD)];
    rows.extend((1..40).map(|i| (i * 100, 50, if i >= 5 { BAD } else { GOOD })));
    let calls = calls(&rows);
    let whole = [Episode { from: 500_000, to: 4_000_000 }];
    let track = Track::new(&calls, &(0..i64::MAX), 0, None, &whole);
    let (figures, _) =
        run(&track, Settings { recovery_timeout: Duration::from_secs(9), ..quick(2) });
    assert_eq!((figures.detected, figures.missed, figures.detect_us), (1, 0, 0));
    let (figures, _) = run(&track, quick(1_000));
    assert_eq!((figures.detected, figures.missed), (0, 1));
}

/// The same by another way: every moment is looked at, calls are found in a map, and the states are
/// asked for and not concluded.
fn by_hand(calls: &[Call], settings: Settings, slow_us: Option<u64>) -> (Figures, Changes) {
    let config = settings.builder().jitter(0.0).jitter_seed(7).build().unwrap();
    let (clock, hand) = Clock::manual();
    let breaker = Breaker::with_clock(config, clock);
    let mut out = HashMap::new();
    let (mut figures, mut changes, mut seen) = (Figures::default(), Changes::new(), State::Closed);
    let mut moments: Vec<u64> =
        calls.iter().flat_map(|call| [call.at as u64, call.at as u64 + call.took()]).collect();
    moments.sort_unstable();
    moments.dedup();
    for now in moments {
        hand.set(Duration::from_micros(now));
        let note = |seen: &mut State, changes: &mut Changes| {
            let snapshot = breaker.snapshot();
            // An open breaker whose deadline has passed says half-open before its probe comes.
            if snapshot.state != *seen && !snapshot.ready_to_probe {
                *seen = snapshot.state;
                changes.push((now, *seen));
            }
        };
        for (number, call) in calls.iter().enumerate() {
            let ends = call.at as u64 + call.took() == now;
            if ends && let Some(permit) = out.remove(&number) {
                end(permit, *call, slow_us, &mut figures);
                note(&mut seen, &mut changes);
            }
        }
        for (number, call) in calls.iter().enumerate().filter(|(_, c)| c.at as u64 == now) {
            figures.calls += 1;
            match breaker.acquire() {
                Ok(permit) => {
                    note(&mut seen, &mut changes);
                    match call.took() {
                        0 => end(permit, *call, slow_us, &mut figures),
                        _ => drop(out.insert(number, permit)),
                    }
                    note(&mut seen, &mut changes);
                }
                Err(rejected) => {
                    if rejected.state == State::Open {
                        figures.trips += u64::from(seen == State::Closed);
                        note(&mut seen, &mut changes);
                    }
                    match call.ended() {
                        _ if is_bad(*call, slow_us) => figures.rejected_rightly += 1,
                        Ended::Ignored => figures.rejected_others += 1,
                        _ => figures.rejected_wrongly += 1,
                    }
                }
            }
        }
    }
    (figures, changes)
}

fn end(permit: Permit<&Breaker>, call: Call, slow_us: Option<u64>, figures: &mut Figures) {
    let told = match call.ended() {
        Ended::Success => permit.success(),
        Ended::Failure => permit.failure(),
        Ended::Ignored => permit.ignore(),
    };
    if is_bad(call, slow_us) {
        figures.wasted_calls += 1;
        figures.wasted_us += call.took();
    }
    let tripped =
        |told: &&panelboard::Transition| (told.from, told.to) == (State::Closed, State::Open);
    figures.trips += u64::from(told.transition().filter(tripped).is_some());
}

fn some_settings() -> impl Strategy<Value = Settings> {
    let share = prop::option::of(prop::sample::select(vec![0.2, 0.5]));
    let trips = (prop::option::of(1_u32..4), share.clone(), share.clone(), any::<[bool; 2]>());
    let counts = (prop::option::of(3_u32..9), prop::option::weighted(0.2, 1.0_f64..3.0));
    let recovers = (1_u32..4, 1_u64..4, share, prop::option::of(20_u64..200));
    (trips, counts, recovers).prop_map(|(trips, (window_calls, adaptive_k), recovers)| {
        let (failure_threshold, failure_rate, slow_call_rate, [all, in_flight]) = trips;
        let (probes, recovery, half_open_failure_rate, ramp) = recovers;
        let settings = Settings {
            slow_call: Duration::from_millis(40),
            window: Duration::from_millis(300),
            minimum_calls: 3,
            recovery_timeout: Duration::from_millis(50 * recovery),
            max_recovery_timeout: Duration::from_millis(400),
            half_open_max_calls: probes,
            success_threshold: probes,
            half_open_failure_rate,
            ramp: ramp.map(Duration::from_millis),
            ..Settings::default()
        };
        if adaptive_k.is_some() {
            return Settings { failure_threshold: None, adaptive_k, ..settings };
        }
        Settings {
            failure_threshold,
            failure_rate,
            slow_call_rate,
            window_calls,
            combine: if all { Combine::All } else { Combine::Any },
            count_slow_in_flight: in_flight && slow_call_rate.is_some(),
            ..settings
        }
    })
}

fn some_calls() -> impl Strategy<Value = Vec<(u64, u64, Ended)>> {
    // Few moments, so that many things happen at once.
    let ended = prop::sample::select(vec![GOOD, GOOD, BAD, BAD, Ended::Ignored]);
    prop::collection::vec((0_u64..60, 0_u64..8, ended), 0..120)
        .prop_map(|rows| rows.into_iter().map(|(a, t, e)| (a * 10, t * 10, e)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn it_is_the_breaker_stepped_by_hand(
        rows in some_calls(),
        settings in some_settings(),
        slow in prop::option::of(Just(40_000_u64)),
    ) {
        let calls = calls(&rows);
        let (figures, changes) = run(&track(&calls, slow), settings);
        let (by_hand, seen) = by_hand(&calls, settings, slow);
        let times = Figures { not_closed_us: 0, detected: 0, missed: 0, detect_us: 0, ..figures };
        prop_assert_eq!(times, by_hand);
        prop_assert_eq!(changes, seen);
    }

    #[test]
    fn every_call_is_counted_once(rows in some_calls(), settings in some_settings()) {
        let calls = calls(&rows);
        let (figures, _) = run(&track(&calls, None), settings);
        let bad = rows.iter().filter(|row| row.2 == BAD).count() as u64;
        prop_assert_eq!(figures.wasted_calls + figures.rejected_rightly, bad);
        prop_assert_eq!(figures.calls, rows.len() as u64);
        let others = rows.iter().filter(|row| row.2 == Ended::Ignored).count() as u64;
        prop_assert!(figures.rejected_others <= others);
        prop_assert!(figures.rejected_wrongly <= figures.calls - bad - others);
    }

    #[test]
    fn a_threshold_that_is_never_reached_rejects_nothing(rows in some_calls()) {
        let (figures, changes) = run(&track(&calls(&rows), None), quick(1_000));
        prop_assert_eq!(figures.rejected_rightly + figures.rejected_wrongly, 0);
        prop_assert!(changes.is_empty());
    }
}

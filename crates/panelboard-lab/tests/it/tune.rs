//! Is what `tune` recommends the same on any number of threads, a front, and better?

use std::{fs, ops::ControlFlow, path::PathBuf, time::Duration};

use panelboard_lab::{
    CallReader, CallsWriter, Ended, Figures, Measure, Options, PolicyReport, RecordedCall,
    Recorder, Recording, Report, Scenario, Settings, Stopped, TuneOptions, Tuning, Waste, record,
    simulate, tune,
};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

/// What callers without breakers record in a scenario, by way of a file.
fn recorded(scenario: &Scenario, seed: u64) -> Recording {
    let mut writer = CallsWriter::new(Vec::new()).unwrap();
    let mut each = |call: &RecordedCall<'_>| writer.write(call).unwrap();
    record(scenario, Some(seed), &mut each, |_| ControlFlow::Continue(())).unwrap();
    let text = writer.finish().unwrap();
    CallReader::default().csv("calls.csv", &text[..]).unwrap().recording
}

fn tuned(recording: &Recording, options: &TuneOptions) -> Tuning {
    tune(recording, options, |_| ControlFlow::Continue(())).expect("nobody stops it")
}

/// Twenty minutes of two keys, two calls a second each; `bad` says which second's calls fail.
fn made(bad: impl Fn(usize, u64) -> bool) -> Recording {
    let mut recorder = Recorder::default();
    for half in 0..2_400_u64 {
        for (number, key) in ["a", "b"].into_iter().enumerate() {
            let ended = if bad(number, half) { Ended::Failure } else { Ended::Success };
            // Never two at the same moment, and not all of one length.
            let at = 1_790_000_000_000_000 + half as i64 * 500_000 + number as i64 * 777;
            let took = 20_000 + half * 7_919 % 60_000;
            recorder.push(&RecordedCall::new(at, key, took, ended)).unwrap();
        }
    }
    recorder.finish()
}

/// `a` is down for two minutes and later for one; `b` loses half for one minute.
fn outages(number: usize, half: u64) -> bool {
    let second = half / 2;
    match number {
        0 => {
            (200..320).contains(&second) || (900..960).contains(&second) || half.is_multiple_of(997)
        }
        _ => (600..660).contains(&second) && half.is_multiple_of(2),
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let recording = made(outages);
    let bytes = |threads, seed| {
        let options = TuneOptions::default().candidates(70).threads(threads).seed(seed);
        let tuning = tuned(&recording, &options);
        (serde_json::to_vec(&tuning).unwrap(), tuning.table("c.csv"), tuning.svg().unwrap())
    };
    let alone = bytes(1, 3);
    for threads in [2, 5, 16] {
        assert!(bytes(threads, 3) == alone, "{threads} threads");
    }
    assert!(bytes(1, 4) != alone, "another seed tries others");
}

#[test]
fn nothing_that_was_tried_is_better_than_the_front() {
    let tuning = tuned(&made(outages), &TuneOptions::default().candidates(160));
    let better = |a: (u64, u64), b: (u64, u64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    let (all, front) = (&tuning.pairs.all, &tuning.pairs.front);
    assert_eq!(all.len() as u64, tuning.tried);
    for pair in all {
        assert!(!front.iter().any(|best| better(*pair, *best)), "{pair:?}");
        assert!(front.iter().any(|best| best == pair || better(*best, *pair)), "{pair:?}");
    }
    assert!(tuning.front.iter().all(|candidate| front.contains(&candidate.judged)));
    assert_eq!(all[0], tuning.current.judged);
}

#[test]
fn two_thirds_of_the_episodes_choose_and_the_rest_checks() {
    let tuning = tuned(&made(outages), &TuneOptions::default().candidates(150));
    let starts: Vec<u64> = tuning.episodes_s.iter().map(|(from, _)| *from as u64).collect();
    assert_eq!(starts, [200, 600, 900]);
    let cut = tuning.held_out_from_s.unwrap();
    assert!((661.0..900.0).contains(&cut), "{cut}");
    let current = tuning.current;
    let held = current.held_out.unwrap();
    assert_eq!((current.chosen_on.calls + held.calls, current.all.calls), (4_800, 4_800));
    assert!(held.detected + held.missed == 1 && current.all.detected + current.all.missed == 3);
    // It is better on the part that it has not seen as well.
    let then = tuning.recommended.held_out.unwrap();
    let sum = |figures: Figures| figures.wasted_calls + figures.rejected_wrongly;
    assert!(sum(then) < sum(held), "{then:?} {held:?}");
    assert!(tuning.reason.contains("On the calls held out"), "{}", tuning.reason);
}

#[test]
fn one_episode_leaves_nothing_to_check_on_and_no_failure_nothing_to_choose_by() {
    let one = made(|number, half| number == 0 && (600..800).contains(&half));
    let tuning = tuned(&one, &TuneOptions::default().candidates(120));
    assert!(tuning.held_out_from_s.is_none() && tuning.recommended.held_out.is_none());
    assert!(tuning.reason.ends_with("nothing could be held out to check it."), "{}", tuning.reason);
    assert_eq!(tuning.timeline.key, "a");
    let tuning = tuned(&made(|_, _| false), &TuneOptions::default().candidates(120));
    assert_eq!(tuning.reason, "No call is bad: there is nothing to choose by.");
    assert_eq!((tuning.recommended, tuning.toml.as_str()), (tuning.current, "[breaker]\n"));
}

#[test]
fn settings_that_are_current_are_what_is_compared_with() {
    let own = Settings { failure_threshold: Some(50), ..Settings::default() };
    let options = TuneOptions::default().candidates(120).current(own);
    let tuning = tuned(&made(outages), &options);
    assert_eq!(tuning.current.settings, own);
    assert!(tuning.current.all.wasted_calls > 90);
}

#[test]
fn what_the_search_does_not_vary_stays_as_it_is_now() {
    let own = Settings {
        failure_threshold: None,
        failure_rate: Some(0.9),
        window_calls: Some(100),
        jitter: 0.2,
        ramp: Some(Duration::from_secs(3)),
        ..Settings::default()
    };
    let options = TuneOptions::default().candidates(160).current(own);
    let tuning = tuned(&made(outages), &options);
    assert_eq!(tuning.current.settings, own);
    let recommended = tuning.recommended.settings;
    assert_ne!(recommended, own, "{}", tuning.reason);
    assert_eq!((recommended.jitter, recommended.ramp), (own.jitter, own.ramp));
    assert!(tuning.toml.contains("ramp = \"3s\"\n"), "{}", tuning.toml);
    let table = tuning.table("c.csv");
    let now = "current:     90 % of the last 100 calls, 20 at least; open 30s";
    assert!(table.contains(now), "{table}");
}

#[test]
fn what_throttles_rejects_and_is_never_open() {
    let own = Settings { failure_threshold: None, adaptive_k: Some(2.0), ..Settings::default() };
    let options = TuneOptions::default().candidates(1).current(own);
    let now = tuned(&made(outages), &options).current.all;
    let bad = now.wasted_calls + now.rejected_rightly;
    assert!(now.rejected_rightly > bad / 2, "{now:?}");
    assert_eq!((now.trips, now.not_closed_us, now.detected, now.missed), (0, 0, 0, 3));
}

#[test]
fn settings_are_judged_by_the_worst_near_their_own_open_times() {
    let twenty = Duration::from_secs(20);
    let own = Settings { recovery_timeout: twenty, backoff_factor: 1.0, ..Settings::default() };
    let long = made(|number, half| number == 0 && (400..1_600).contains(&half));
    let tuning = tuned(&long, &TuneOptions::default().candidates(1).current(own));
    let (alone, judged) = (tuning.current.all, tuning.current.judged);
    // Ten minutes: a probe each 19 s or so, and each 11 s where they are open 0.6 times as long.
    let probes = |wasted: u64| wasted - 5;
    assert!((30..=36).contains(&probes(alone.wasted_calls)), "{alone:?}");
    assert!((50..=58).contains(&probes(judged.0)), "{judged:?}");
    assert!(judged.1 >= alone.rejected_wrongly);
}

#[test]
fn slow_calls_are_waste_and_waste_is_time_if_one_says_so() {
    let mut recorder = Recorder::default();
    for tenth in 0..3_000_u64 {
        let slow = (1_000..2_000).contains(&tenth);
        let took = if slow { 900_000 } else { 30_000 };
        let at = 1_790_000_000_000_000 + tenth as i64 * 100_000;
        recorder.push(&RecordedCall::new(at, "a", took, Ended::Success)).unwrap();
    }
    let recording = recorder.finish();
    assert_eq!(tuned(&recording, &TuneOptions::default().candidates(50)).bad_calls, 0);
    let slow = Duration::from_millis(500);
    let options = TuneOptions::default().slow(slow).by(Waste::Time).candidates(250);
    let tuning = tuned(&recording, &options);
    assert_eq!((tuning.bad_calls, tuning.current.all.wasted_us), (1_000, 900_000_000));
    assert!(tuning.recommended.settings.slow_call_rate.is_some(), "{}", tuning.toml);
    assert!(tuning.recommended.all.wasted_us < 300_000_000, "{:?}", tuning.recommended.all);
    assert!(tuning.toml.contains("slow_call = \"500ms\"\n"), "{}", tuning.toml);
}

#[test]
fn who_watches_sees_it_advance_and_can_stop_it() {
    let recording = made(outages);
    let options = TuneOptions::default().candidates(60).threads(2);
    let mut seen = Vec::new();
    let watch = |done| {
        seen.push(done);
        ControlFlow::Continue(())
    };
    tune(&recording, &options, watch).unwrap();
    assert!(seen.is_sorted() && seen.iter().all(|done| (0.0..=1.0).contains(done)));
    assert!(seen.last().is_some_and(|done| *done > 0.95), "{:?}", seen.last());
    let mut asked = 0;
    let stopped = tune(&recording, &options, |_| {
        asked += 1;
        if asked > 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(stopped, Err(Stopped));
}

/// The scenario with the defaults and the recommended settings, on another day.
fn compared(text: &str, tuning: &Tuning, seed: u64) -> Report {
    let run = text.split("[[policy]]").next().unwrap();
    let keys = tuning.recommended.settings.keys_toml();
    let text = format!(
        "{run}\n[[policy]]\nname = \"defaults\"\n[[policy]]\nname = \"recommended\"\n{keys}"
    );
    let scenario = Scenario::from_toml("s.toml", &text).unwrap_or_else(|said| panic!("{said}"));
    let options = Options::default().seeds(3).seed(seed);
    simulate(&scenario, options, |_| ControlFlow::Continue(())).unwrap()
}

/// On a third of the machines, with as many calls for each.
fn smaller(name: &str, rate: &str, third: &str) -> String {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    assert!(text.contains("nodes = 10\n") && text.contains(rate));
    text.replace("nodes = 10\n", "nodes = 3\n").replace(rate, third)
}

fn check(text: &str) {
    let scenario = Scenario::from_toml("s.toml", text).unwrap_or_else(|said| panic!("{said}"));
    let tuning = tuned(&recorded(&scenario, 1), &TuneOptions::default().candidates(140));
    let report = compared(text, &tuning, 1_000);
    let mean = |policy: &str, measure| {
        let policy: &PolicyReport = report.policy(policy).unwrap();
        policy.estimate(measure).mean.unwrap()
    };
    let both = |measure| [mean("defaults", measure), mean("recommended", measure)];
    let [wasted, wrong, served] =
        [Measure::WastedCalls, Measure::WronglyRejected, Measure::Availability].map(both);
    let told = format!(
        "wasted {wasted:?}, wrongly rejected {wrong:?}, served {served:?}\n{}",
        tuning.table("calls.csv")
    );
    // Better by both measures that it promised, clearly by their sum, and nothing is lost for it.
    assert!(wasted[1] < wasted[0] && wrong[1] < wrong[0], "{told}");
    assert!(wasted[1] / wasted[0] + wrong[1] / wrong[0] < 1.75, "{told}");
    assert!(served[1] > served[0] - 0.001, "{told}");
}

#[test]
fn what_is_recommended_for_a_hard_failure_is_better_on_another_day() {
    check(&smaller("fails-hard.toml", "rate = 80\n", "rate = 24\n"));
}

#[test]
fn what_is_recommended_for_a_partial_failure_is_better_on_another_day() {
    check(&smaller("regional-partial.toml", "rate = 150\n", "rate = 45\n"));
}

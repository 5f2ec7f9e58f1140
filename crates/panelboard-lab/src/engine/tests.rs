//! Is nothing lost, made up, or let through that a breaker refused? That time goes on is asserted
//! by the loop itself, in every test.

use std::{fmt::Write as _, ops::ControlFlow, time::Duration};

use panelboard::Clock;
use proptest::prelude::*;

use super::*;
use crate::Scenario;

fn plan(text: &str) -> Plan {
    Scenario::from_toml("s.toml", text).unwrap_or_else(|said| panic!("{said}\n{text}")).plan
}

/// Runs one seed of one policy, and gives what it left of the breakers as well.
fn run(plan: &Plan, policy: usize, seed: u64) -> (Outcome, Breakers) {
    let (clock, hand) = Clock::manual();
    let breakers = Breakers::new(plan, plan.policies[policy].breaker.as_ref(), seed, &clock);
    let engine = Engine::new(plan, seed, &breakers, hand);
    let outcome = engine.run(&mut |_| ControlFlow::Continue(())).continue_value().unwrap();
    (outcome, breakers)
}

fn sums(outcome: &Outcome) -> Requests {
    outcome.requests.into_iter().fold(Requests::default(), Requests::plus)
}

/// Each request ends in exactly one place, and each call is counted once, everywhere.
fn conserves(outcome: &Outcome) {
    let all = sums(outcome);
    assert_eq!(all.offered, all.ended() + outcome.in_hand, "{all:?}");
    let of = |of: fn(&Bucket) -> u32| -> u64 {
        outcome.timeline.iter().map(|bucket| u64::from(of(bucket))).sum()
    };
    assert_eq!(of(|b| b.offered), all.offered);
    assert_eq!(of(|b| b.served), all.served);
    assert_eq!(of(|b| b.failed), all.failed);
    assert_eq!(of(|b| b.rejected), all.rejected);
    assert_eq!(of(|b| b.turned_away), all.turned_away);
    assert_eq!(of(|b| b.calls), all.calls);
    let carried: u64 = outcome.loads.iter().flatten().map(|load| load.calls).sum();
    assert_eq!(carried, all.calls);
    let wanted: u64 = outcome.loads.iter().flatten().map(|load| load.wanted).sum();
    assert_eq!(wanted, all.offered);
    assert!(all.served + all.wasted <= all.calls, "{all:?}");
    // What is neither served nor wasted is still out.
    assert!(all.calls - all.served - all.wasted <= outcome.in_hand, "{all:?}");
}

const HARD: &str = r#"
    [run]
    lasts = "60s"
    [[service]]
    name = "a"
    servers = 20
    queue = 100
    latency = { kind = "exponential", mean = "50ms" }
    episode = [{ kind = "errors", at = "10s", lasts = "20s", after = "1ms" }]
    [[caller]]
    name = "app"
    calls = ["a"]
    rate = 100
    nodes = 5
    timeout = "1s"
    [[policy]]
    name = "x"
    failure_threshold = 3
    recovery_timeout = "2s"
"#;

#[test]
fn what_a_breaker_rejects_is_not_sent() {
    let plan = plan(HARD);
    let (outcome, breakers) = run(&plan, 1, 1);
    conserves(&outcome);
    let all = sums(&outcome);
    let rejected: u64 = breakers.all.iter().map(|b| b.snapshot().counts.rejected).sum();
    assert!(rejected > 500, "{rejected}");
    assert_eq!((all.rejected, all.calls), (rejected, all.offered - rejected));
}

#[test]
fn where_every_breaker_is_open_nothing_is_sent() {
    let plan = plan(HARD);
    let (clock, hand) = Clock::manual();
    let breakers = Breakers::new(&plan, plan.policies[1].breaker.as_ref(), 1, &clock);
    for breaker in &breakers.all {
        breaker.open_for(Duration::from_secs(3600), "a test");
    }
    let engine = Engine::new(&plan, 1, &breakers, hand);
    let outcome = engine.run(&mut |_| ControlFlow::Continue(())).continue_value().unwrap();
    let all = sums(&outcome);
    assert_eq!((all.calls, all.rejected), (0, all.offered));
    conserves(&outcome);
}

#[test]
fn half_open_breakers_let_one_probe_through_at_a_time() {
    let text = HARD.replace(
        "kind = \"errors\", at = \"10s\", lasts = \"20s\", after = \"1ms\"",
        "kind = \"hangs\", at = \"10s\", lasts = \"49s\"",
    );
    let plan = plan(&text);
    let (outcome, _) = run(&plan, 1, 1);
    // Once all five nodes are open, each sends one probe after two, four, eight seconds and more,
    // which hangs for a second.
    let late: u32 = outcome.timeline[20..58].iter().map(|bucket| bucket.calls).sum();
    assert!((10..=25).contains(&late), "{late}");
}

#[test]
fn trouble_is_noticed_once_half_of_the_nodes_know() {
    let plan = plan(HARD);
    let (outcome, _) = run(&plan, 1, 1);
    assert_eq!((outcome.noticed.len(), outcome.missed), (1, 0));
    // Three failures at twenty a second, on three of five nodes.
    assert!((50_000_000..500_000_000).contains(&outcome.noticed[0]), "{:?}", outcome.noticed);
    let (bare, _) = run(&plan, 0, 1);
    assert_eq!((bare.noticed.len(), bare.missed), (0, 0));
}

#[test]
fn nothing_trips_on_a_good_day_and_chance_failures_are_false_trips() {
    let quiet = HARD.replace("episode = ", "#");
    let good = sums(&run(&plan(&quiet), 1, 1).0);
    assert_eq!((good.trips, good.false_trips, good.rejected), (0, 0, 0));
    // A service that is well by and large: two percent of its calls fail, two in a row trip.
    let unlucky = quiet
        .replace("name = \"a\"", "name = \"a\"\nerror_share = 0.02")
        .replace("failure_threshold = 3", "failure_threshold = 2");
    let bad = sums(&run(&plan(&unlucky), 1, 1).0);
    assert!(bad.trips > 0 && bad.false_trips == bad.trips, "{bad:?}");
    assert!(bad.wrongly_rejected > 0 && bad.wrongly_rejected <= bad.rejected, "{bad:?}");
}

#[test]
fn a_full_node_turns_requests_away() {
    let text = HARD
        .replace("nodes = 5", "nodes = 5\nmax_in_flight = 2")
        .replace("mean = \"50ms\"", "mean = \"500ms\"");
    let (outcome, _) = run(&plan(&text), 0, 1);
    conserves(&outcome);
    assert!(sums(&outcome).turned_away > 1_000);
}

#[test]
fn a_crash_ends_what_was_going_on_and_a_cold_service_falls_again() {
    let text = HARD
        .replace(
            "kind = \"errors\", at = \"10s\", lasts = \"20s\", after = \"1ms\"",
            "kind = \"crash\", at = \"10s\", lasts = \"5s\", warm_up = \"10s\", \
             collapse_queue = 50, \
             collapse_down = \"3s\"",
        )
        .replace("timeout = \"1s\"", "timeout = \"10s\"\nretries = 3");
    let (outcome, _) = run(&plan(&text), 0, 1);
    conserves(&outcome);
    let served = |from: usize, to: usize| -> u32 {
        outcome.timeline[from..to].iter().map(|bucket| bucket.served).sum()
    };
    assert!(served(11, 15) == 0, "nothing is served while it is down");
    // Two servers of twenty meet a hundred requests a second: in a few seconds it is down again.
    assert!(served(15, 60) < 45 * 100, "it falls again");
    assert!(outcome.loads[0][Phase::After as usize].sick > 3_000_000_000);
}

#[test]
fn a_service_that_cancels_does_not_work_for_those_who_left() {
    let slow = HARD
        .replace("episode = ", "#")
        .replace("servers = 20", "servers = 4")
        .replace("queue = 100", "queue = 1000");
    let (stale, _) = run(&plan(&slow), 0, 1);
    let text = slow.replace("servers = 4", "servers = 4\ncancels = true");
    let (cancelled, _) = run(&plan(&text), 0, 1);
    conserves(&cancelled);
    let served = [sums(&stale).served, sums(&cancelled).served];
    // It can do 80 of the 100 that come a second. In both, those whose turn comes have waited for
    // nearly as long as they will; in one, most have left by then.
    assert!(served[1] > 2_000 && served[0] < served[1] / 2, "{served:?}");
}

#[test]
fn surges_multiply_the_rate() {
    let text = HARD.replace("episode = ", "#").replace(
        "nodes = 5",
        "nodes = 5\nsurge = [{ at = \"20s\", lasts = \"10s\", factor = 3 }, { at = \"40s\", \
         lasts = \
         \"10s\", factor = 0 }]",
    );
    let (outcome, _) = run(&plan(&text), 0, 1);
    let offered = |from: usize, to: usize| -> u32 {
        outcome.timeline[from..to].iter().map(|bucket| bucket.offered).sum()
    };
    assert!((900..1_100).contains(&offered(0, 10)), "{}", offered(0, 10));
    assert!((2_800..3_200).contains(&offered(20, 30)), "{}", offered(20, 30));
    assert_eq!(offered(40, 50), 0);
    assert!((900..1_100).contains(&offered(50, 60)), "{}", offered(50, 60));
}

#[test]
fn a_rate_limit_lets_in_what_it_says() {
    let text = HARD.replace(
        "kind = \"errors\", at = \"10s\", lasts = \"20s\", after = \"1ms\"",
        "kind = \"rate-limit\", at = \"10s\", lasts = \"20s\", per_second = 40",
    );
    let (outcome, _) = run(&plan(&text), 0, 1);
    let served: u32 = outcome.timeline[11..30].iter().map(|bucket| bucket.served).sum();
    // Nineteen seconds at forty, and what is left of the first second's.
    assert!((750..=810).contains(&served), "{served}");
}

/// A scenario with a bit of everything.
fn any_scenario() -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        Just("kind = \"errors\", share = 0.7".to_owned()),
        Just("kind = \"errors\", after = \"3ms\"".to_owned()),
        Just("kind = \"hangs\", share = 0.5".to_owned()),
        Just("kind = \"slow\", factor = 30".to_owned()),
        Just("kind = \"loss\", share = 0.4".to_owned()),
        Just("kind = \"capacity\", share = 0.1".to_owned()),
        Just("kind = \"capacity\", share = 0".to_owned()),
        Just("kind = \"rate-limit\", per_second = 20, retry_after = \"1s\"".to_owned()),
        Just("kind = \"crash\", warm_up = \"2s\", collapse_queue = 5".to_owned()),
        Just("kind = \"crash\"".to_owned()),
    ];
    let episodes = prop::collection::vec((kinds, 0_u64..18_000, 1_u64..8_000), 1..4);
    let caller = (1_u32..40, 1_u32..4, 20_u64..2_000, any::<[bool; 4]>(), 1_u32..6);
    let service = (1_u32..8, 5_u32..40, any::<bool>(), episodes);
    (prop::collection::vec(service, 1..3), prop::collection::vec(caller, 1..3)).prop_map(
        |(services, callers)| {
            let mut text = "[run]\nlasts = \"20s\"\n".to_owned();
            for (i, (servers, queue, cancels, episodes)) in services.iter().enumerate() {
                let _ = write!(
                    text,
                    "[[service]]\nname = \"s{i}\"\nservers = {servers}\nqueue = {queue}\n\
                     cancels = {cancels}\nlatency = {{ kind = \"exponential\", mean = \"40ms\" }}\n"
                );
                for (kind, at, lasts) in episodes {
                    let _ = write!(
                        text,
                        "[[service.episode]]\nat = \"{at}ms\"\nlasts = \"{lasts}ms\"\n{}\n",
                        kind.replace(", ", "\n")
                    );
                }
            }
            let all = (0..services.len()).map(|i| format!("\"s{i}\"")).collect::<Vec<_>>();
            for (i, (rate, nodes, timeout, flags, retries)) in callers.iter().enumerate() {
                let [spread, shared, again, limit] = flags;
                let _ = write!(
                    text,
                    "[[caller]]\nname = \"c{i}\"\ncalls = [{}]\nrate = {rate}\nnodes = {nodes}\n\
                     timeout = \"{timeout}ms\"\nretries = {retries}\nroute = \"{}\"\n\
                     shared_breaker = {shared}\nretry_rejected = {again}\n{}",
                    all.join(", "),
                    if *spread { "spread" } else { "in-order" },
                    if *limit { "max_in_flight = 3\n" } else { "" },
                );
            }
            text.push_str(
                "[[policy]]\nname = \"x\"\nfailure_rate = 0.5\nwindow = \"3s\"\nminimum_calls = 4\n\
                 recovery_timeout = \"500ms\"\nramp = \"1s\"\nslow_call_rate = 0.9\n\
                 slow_call = \"1s\"\n",
            );
            text
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_request_ends_once_and_every_run_again_is_the_same(text in any_scenario(), seed: u64) {
        let plan = plan(&text);
        for policy in [0, 1] {
            let (outcome, _) = run(&plan, policy, seed);
            conserves(&outcome);
            prop_assert_eq!(run(&plan, policy, seed).0, outcome);
        }
    }
}

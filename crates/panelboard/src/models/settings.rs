//! Two configurations at once: does the breaker end with one of them, whole?

use std::time::Duration;

use super::{World, explore::explore_long, plain};
use crate::{Config, ConfigBuilder};

const TEN_SECONDS: Duration = Duration::from_secs(10);

fn a_run() -> ConfigBuilder {
    plain().failure_threshold(2)
}

/// Of a window that the failures at 0 s and those after 15 s are not both in.
fn a_share_of_three() -> ConfigBuilder {
    plain().failure_rate(1.0, TEN_SECONDS, 3)
}

/// Of one that they are both in.
fn a_share_of_two() -> ConfigBuilder {
    plain().failure_rate(1.0, 10 * TEN_SECONDS, 2)
}

fn reconfigure(w: &World, config: ConfigBuilder) -> String {
    let config: Config = config.build().expect("in range");
    w.breaker.reconfigure(&config);
    "reconfigured".into()
}

/// What the failures at 0 s and at 15 s come to: which of them trips, if any, and by what.
fn judged(w: &World) -> String {
    for (nth, second) in [0, 15, 15, 15].into_iter().enumerate() {
        w.clock.at_seconds(second);
        let permit = w.breaker.acquire().expect("closed");
        if let Some(made) = permit.failure().transition() {
            return format!("failure {} trips, {}", nth + 1, made.cause.as_str());
        }
    }
    "nothing trips".into()
}

#[test]
fn of_a_run_and_a_share_at_once_one_holds() {
    explore_long(
        || World::of(plain(), 0),
        &[|w: &World| reconfigure(w, a_run()), |w: &World| reconfigure(w, a_share_of_three())],
        judged,
        &[
            "reconfigured, reconfigured | failure 2 trips, failures",
            "reconfigured, reconfigured | failure 4 trips, failure-rate",
        ],
    );
}

#[test]
fn of_two_windows_at_once_one_holds_with_its_own_length() {
    explore_long(
        || World::of(a_share_of_two(), 0),
        &[
            |w: &World| reconfigure(w, a_share_of_two()),
            |w: &World| reconfigure(w, a_share_of_three()),
        ],
        judged,
        &[
            "reconfigured, reconfigured | failure 2 trips, failure-rate",
            "reconfigured, reconfigured | failure 4 trips, failure-rate",
        ],
    );
}

//! Which configuration do the bytes stand for?

use std::time::Duration;

use panelboard::{Config, ConfigBuilder, Policy, Window};

use super::bytes::Bytes;

/// Any option, with any value.
pub(super) fn any(bytes: &mut Bytes<'_>) -> ConfigBuilder {
    let mut builder = match bytes.byte() % 8 {
        0 => Config::llm(),
        1 => Config::sink(),
        2 => Config::vault(),
        _ => Config::builder(),
    };
    for _ in 0..bytes.byte() % 12 {
        builder = one(builder, bytes);
    }
    builder
}

fn one(builder: ConfigBuilder, bytes: &mut Bytes<'_>) -> ConfigBuilder {
    match bytes.byte() % 17 {
        0 => builder.failure_threshold(bytes.number()),
        1 => builder.failure_rate(bytes.float(), bytes.time(), bytes.number()),
        2 => builder.recovery_timeout(bytes.time()),
        3 => builder.max_recovery_timeout(bytes.time()),
        4 => builder.backoff_factor(bytes.float()),
        5 => {
            let times = [(); 4].map(|()| bytes.time());
            builder.backoff(move |step| times[step as usize % times.len()])
        }
        6 => builder.backoff_reset(bytes.time()),
        7 => builder.jitter(bytes.float()),
        8 => builder.jitter_seed(bytes.wide()),
        9 => builder.half_open_max_calls(bytes.number()),
        10 => builder.success_threshold(bytes.number()),
        11 => builder.probe_timeout(bytes.time()),
        12 => builder.panic_is_failure(bytes.flag()),
        13 => builder.policy(policy(bytes, 3)),
        14 => builder.count_slow_in_flight(bytes.flag()),
        15 => builder.half_open_failure_rate(bytes.float(), bytes.number()),
        _ => builder.ramp(bytes.time()),
    }
}

/// Any tree of policies, no deeper than this.
fn policy(bytes: &mut Bytes<'_>, depth: u32) -> Policy {
    match bytes.byte() % if depth == 0 { 4 } else { 6 } {
        0 => Policy::consecutive(bytes.number()),
        1 => Policy::failure_rate(bytes.float(), window(bytes), bytes.number()),
        2 => Policy::slow_call_rate(bytes.float(), bytes.time(), window(bytes), bytes.number()),
        3 => Policy::adaptive(bytes.float(), bytes.time()),
        kind => {
            let count = bytes.byte() % 4;
            let parts: Vec<Policy> = (0..count).map(|_| policy(bytes, depth - 1)).collect();
            if kind == 4 { Policy::any_of(parts) } else { Policy::all_of(parts) }
        }
    }
}

fn window(bytes: &mut Bytes<'_>) -> Window {
    if bytes.flag() { Window::time(bytes.time()) } else { Window::last(bytes.number()) }
}

/// Options in their ranges, small enough that a script reaches what they bound.
pub(super) fn plain(bytes: &mut Bytes<'_>) -> ConfigBuilder {
    let builder = Config::builder()
        .recovery_timeout(ms(bytes.of(&[1, 7, 100, 30_000])))
        .backoff_factor(bytes.of(&[1.0, 1.5, 2.0, 10.0]))
        .backoff_reset(ms(bytes.of(&[0, 500, 60_000])))
        .jitter(bytes.of(&[0.0, 0.1, 0.5]))
        .jitter_seed(7)
        .probe_timeout(ms(bytes.of(&[1, 160, 60_000])))
        .ramp(ms(bytes.of(&[0, 0, 1, 50, 1_000])));
    let builder = match bytes.byte() % 8 {
        0 => builder.half_open_failure_rate(0.5, 4),
        1 => builder.half_open_failure_rate(1.0, 3).half_open_max_calls(1),
        _ => {
            let probes = bytes.of(&[1, 2, 3, 127]);
            builder.half_open_max_calls(probes).success_threshold(bytes.of(&[1, 2, 3]))
        }
    };
    tripping(builder, bytes)
}

fn tripping(builder: ConfigBuilder, bytes: &mut Bytes<'_>) -> ConfigBuilder {
    let slow = || Policy::slow_call_rate(0.5, ms(16), ms(1_000), 2);
    match bytes.byte() % 16 {
        0 => builder.failure_rate(0.5, ms(1_000), 4),
        1 => builder.failure_rate(1.0, ms(33), 1),
        2 => builder.failure_rate(0.01, ms(86_400_000), 10),
        3 => builder.failure_rate(0.5, 4, 2),
        4 => builder.policy(slow()),
        5 => builder.policy(slow()).count_slow_in_flight(true),
        6 => builder.policy(Policy::any_of([Policy::consecutive(3), slow()])),
        7 => {
            let rate = Policy::failure_rate(0.3, 5, 2);
            builder.policy(Policy::all_of([Policy::consecutive(2), rate]))
        }
        8 => builder.policy(Policy::adaptive(1.5, ms(1_000))),
        choice => builder.failure_threshold(u32::from(choice) - 8),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

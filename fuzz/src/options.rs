//! Which configuration do the bytes stand for?

use std::time::Duration;

use panelboard::{Config, ConfigBuilder};

use super::bytes::Bytes;

/// Any option, with any value.
pub(super) fn any(bytes: &mut Bytes<'_>) -> ConfigBuilder {
    let mut builder = Config::builder();
    for _ in 0..bytes.byte() % 12 {
        builder = one(builder, bytes);
    }
    builder
}

fn one(builder: ConfigBuilder, bytes: &mut Bytes<'_>) -> ConfigBuilder {
    match bytes.byte() % 13 {
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
        _ => builder.panic_is_failure(bytes.flag()),
    }
}

/// Options in their ranges, small enough that a script reaches what they bound.
pub(super) fn plain(bytes: &mut Bytes<'_>) -> ConfigBuilder {
    let ms = Duration::from_millis;
    let builder = Config::builder()
        .recovery_timeout(ms(bytes.of(&[1, 7, 100, 30_000])))
        .backoff_factor(bytes.of(&[1.0, 1.5, 2.0, 10.0]))
        .backoff_reset(ms(bytes.of(&[0, 500, 60_000])))
        .jitter(bytes.of(&[0.0, 0.1, 0.5]))
        .jitter_seed(7)
        .half_open_max_calls(bytes.of(&[1, 2, 3, 127]))
        .success_threshold(bytes.of(&[1, 2, 3]))
        .probe_timeout(ms(bytes.of(&[1, 160, 60_000])));
    match bytes.byte() % 8 {
        0 => builder.failure_rate(0.5, ms(1_000), 4),
        1 => builder.failure_rate(1.0, ms(33), 1),
        2 => builder.failure_rate(0.01, ms(86_400_000), 10),
        choice => builder.failure_threshold(u32::from(choice) - 2),
    }
}

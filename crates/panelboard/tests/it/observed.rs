//! What a script is made of: the rules and the times; and what the real breaker answers, in the
//! reference's words.

use std::time::Duration;

use panelboard::{Config, OpenFor, Recorded, Transition};

use crate::{
    reference::{Change, Opened, Rules, Told},
    support::{built, ms, trips_at},
};

/// The rules that a script goes between.
pub(crate) fn rules(number: usize) -> Rules {
    let plain = Rules {
        threshold: 3,
        rate: None,
        open: (100, 2, 1_000),
        back_off_reset: 500,
        probes: 1,
        successes: 1,
        lease: 160,
    };
    match number % 7 {
        0 => plain,
        1 => Rules { threshold: 1, open: (1, 1, 1), probes: 2, successes: 3, ..plain },
        2 => Rules { threshold: 8, probes: 3, successes: 2, lease: 48, back_off_reset: 0, ..plain },
        3 => Rules { rate: Some((50, 1_000, 4)), probes: 2, ..plain },
        4 => Rules { rate: Some((10, 1_000, 10)), successes: 2, lease: 16, ..plain },
        5 => Rules { rate: Some((100, 33, 1)), open: (30_000, 10, 300_000), ..plain },
        _ => Rules {
            threshold: 2,
            open: (7, 3, u64::from(u32::MAX)),
            back_off_reset: 60_000,
            ..plain
        },
    }
}

/// Sub-millisecond, odd, around the deadlines and leases of the rules, and huge.
pub(crate) const TIMES: [Duration; 16] = [
    Duration::from_nanos(1),
    Duration::from_micros(1),
    Duration::from_nanos(999_999),
    ms(1),
    Duration::from_nanos(1_000_001),
    ms(15),
    ms(16),
    ms(33),
    ms(99),
    ms(100),
    Duration::from_micros(100_500),
    ms(333),
    ms(1_000),
    ms(60_000),
    Duration::from_secs(86_400),
    Duration::from_secs(2 * 365 * 86_400),
];

/// The same rules as a configuration.
pub(crate) fn config(rules: &Rules, jitter: f64) -> Config {
    let (first, factor, cap) = rules.open;
    let builder = trips_at(rules.threshold)
        .recovery_timeout(ms(first))
        .backoff_factor(factor as f64)
        .max_recovery_timeout(ms(cap))
        .backoff_reset(ms(rules.back_off_reset))
        .half_open_max_calls(rules.probes)
        .success_threshold(rules.successes)
        .probe_timeout(ms(rules.lease))
        .jitter(jitter)
        .jitter_seed(7);
    built(match rules.rate {
        Some((percent, window, minimum)) => {
            builder.failure_rate(percent as f64 / 100.0, ms(window), minimum as u32)
        }
        None => builder,
    })
}

impl From<&Transition> for Change {
    fn from(made: &Transition) -> Self {
        let Transition { generation, from, to, cause, overridden, .. } = *made;
        Self { generation, from, to, cause, overridden }
    }
}

impl From<&Recorded> for Told {
    fn from(recorded: &Recorded) -> Self {
        match recorded {
            Recorded::Counted => Self::Counted,
            Recorded::Late => Self::Late,
            Recorded::Unrecorded => Self::Unrecorded,
            Recorded::Transition(made) => Self::Changed(made.into()),
            other => panic!("the reference knows no {other:?}"),
        }
    }
}

impl From<&OpenFor> for Opened {
    fn from(opened: &OpenFor) -> Self {
        match opened {
            OpenFor::Tripped(made) => Self::Tripped(made.into()),
            OpenFor::Extended => Self::Extended,
            OpenFor::Unchanged => Self::Unchanged,
        }
    }
}

//! What is a script made of: the rules and the times; and what does the real breaker answer, in the
//! reference's words?

use std::time::Duration;

use panelboard::{Config, OpenFor, Recorded, Transition};

use crate::{
    reference::{Bad, Change, Opened, Policy, Rules, Span, Told},
    support::{built, ms, trips_at},
};

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

/// Numbers that look like chance, by SplitMix64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below `below`.
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.draw(of.len() as u64) as usize]
    }
}

/// The rules of a number: 0 are the plain ones.
pub(crate) fn rules(number: u64) -> Rules {
    let mut chance = Chance(number);
    let plain = Rules::plain(Policy::Run(3));
    if number == 0 {
        return plain;
    }
    let most = 1 + chance.draw(6) as u32;
    Rules {
        policy: policy(&mut chance),
        open: chance.one_of(&[(100, 2, 1_000), (1, 1, 1), (30_000, 10, 300_000), (7, 3, 1 << 32)]),
        back_off_reset: chance.one_of(&[500, 0, 60_000]),
        probes: 1 + chance.draw(3) as u32,
        successes: 1 + chance.draw(3) as u32,
        by_share: chance.one_of(&[None, None, Some((34, most)), Some((50, most))]),
        lease: chance.one_of(&[160, 1, 16, 33]),
        ramp: chance.one_of(&[0, 0, 1, 100, 1_000]),
        ..plain
    }
}

fn policy(chance: &mut Chance) -> Policy {
    if chance.draw(10) == 0 {
        let hundredths = chance.one_of(&[100, 110, 200, 350]);
        return Policy::Adaptive { hundredths, window: chance.one_of(&[33, 1_000]) };
    }
    let time = Span::Time(chance.one_of(&[33, 100, 1_000, 60_000]));
    let last = Span::Last(chance.one_of(&[1, 2, 7, 8, 9, 33]));
    let slow = Bad::Slow(chance.one_of(&[1, 15, 100, 333]));
    node(chance, ([time, last], [Bad::Failed, slow]), 0)
}

/// A policy whose rules share their windows and what is slow.
fn node(chance: &mut Chance, of: ([Span; 2], [Bad; 2]), depth: u64) -> Policy {
    match chance.draw(8 - 2 * depth) {
        0 | 1 => Policy::Run(chance.one_of(&[1, 2, 3, 8])),
        2 | 3 => {
            let (bad, over) = (chance.one_of(&of.1), chance.one_of(&of.0));
            let most = if let Span::Last(n) = over { n as u64 } else { 10 };
            let percent = chance.one_of(&[10, 34, 50, 100]);
            Policy::Rate { bad, percent, over, minimum: 1 + chance.draw(most) }
        }
        kind => {
            let parts = (0..1 + chance.draw(3)).map(|_| node(chance, of, depth + 1)).collect();
            if kind % 2 == 0 { Policy::Any(parts) } else { Policy::All(parts) }
        }
    }
}

/// The same rules as a configuration.
pub(crate) fn config(rules: &Rules, jitter: f64) -> Config {
    let (first, factor, cap) = rules.open;
    let builder = trips_at(1)
        .policy(real(&rules.policy))
        .recovery_timeout(ms(first))
        .backoff_factor(factor as f64)
        .max_recovery_timeout(ms(cap))
        .backoff_reset(ms(rules.back_off_reset))
        .probe_timeout(ms(rules.lease))
        .ramp(ms(rules.ramp))
        .jitter(jitter)
        .jitter_seed(rules.seed);
    built(match rules.by_share {
        // As many at once as are asked for, unless that is set.
        Some((percent, calls)) if rules.probes == calls => {
            builder.half_open_failure_rate(f64::from(percent) / 100.0, calls)
        }
        Some((percent, calls)) => builder
            .half_open_failure_rate(f64::from(percent) / 100.0, calls)
            .half_open_max_calls(rules.probes),
        None => builder.half_open_max_calls(rules.probes).success_threshold(rules.successes),
    })
}

fn real(policy: &Policy) -> panelboard::Policy {
    use panelboard::{Policy as Real, Window};
    match *policy {
        Policy::Run(n) => Real::consecutive(n),
        Policy::Rate { bad, percent, over, minimum } => {
            let over = match over {
                Span::Time(length) => Window::time(ms(length)),
                Span::Last(n) => Window::last(n as u32),
            };
            let (share, minimum) = (percent as f64 / 100.0, minimum as u32);
            match bad {
                Bad::Failed => Real::failure_rate(share, over, minimum),
                Bad::Slow(slow) => Real::slow_call_rate(share, ms(slow), over, minimum),
            }
        }
        Policy::Any(ref of) => Real::any_of(of.iter().map(real)),
        Policy::All(ref of) => Real::all_of(of.iter().map(real)),
        Policy::Adaptive { hundredths, window } => {
            Real::adaptive(hundredths as f64 / 100.0, ms(window))
        }
    }
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

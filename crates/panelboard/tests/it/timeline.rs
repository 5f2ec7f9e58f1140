//! Timelines as rows: what happens to one breaker, step by step, and what state it is in after
//! each.
//!
//! | step                  | what happens                                                       |
//! | --------------------- | ------------------------------------------------------------------ |
//! | `f` `s` `i` `d` `p`   | a call that fails, succeeds, is ignored, is dropped, panics         |
//! | `.`                   | a call that must be rejected                                       |
//! | `a`                   | a permit is taken and kept; the first is permit 1                  |
//! | `1f` `1s` `1i` `1d`   | permit 1 ends so                                                   |
//! | `+5s` `+5ms` `+5us`   | the clock moves                                                    |
//! | `o5s`                 | `open_for` 5 s                                                     |
//! | `T` `R` `F` `D` `M` `A` | trip, reset, force_open, disable, metrics_only, automatic          |
//! | `G` `g`               | an isolate guard is taken, the oldest is dropped                   |
//!
//! States: `C`losed, `O`pen, `H`alf-open, `R`ecovering, `F`orced open, `D`isabled, `M`etrics-only;
//! `~` after it: the outcome was told to be late; `-`: it was told that nothing is recorded.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use panelboard::{
    Breaker, ConfigBuilder, IsolateGuard, ManualClock, Outcome, Permit, Recorded, State,
};

use crate::support::breaker;

struct Run<'a> {
    breaker: &'a Breaker,
    hand: &'a ManualClock,
    permits: Vec<Option<Permit<&'a Breaker>>>,
    guards: Vec<IsolateGuard<&'a Breaker>>,
}

/// Runs `steps` and compares the states after them.
#[track_caller]
pub(crate) fn check(config: ConfigBuilder, steps: &str, states: &str) {
    let (breaker, hand) = breaker(config);
    let mut run = Run { breaker: &breaker, hand: &hand, permits: vec![], guards: vec![] };
    let seen: Vec<String> = steps.split_whitespace().map(|step| run.step(step)).collect();
    let expected: Vec<&str> = states.split_whitespace().collect();
    assert_eq!(seen, expected, "after {steps}");
}

impl<'a> Run<'a> {
    fn step(&mut self, step: &str) -> String {
        let recorded = match step.split_at(1) {
            ("+", time) => {
                self.hand.advance(duration(time));
                None
            }
            ("o", time) => {
                self.breaker.open_for(duration(time), "test");
                None
            }
            ("a", "") => {
                self.permits.push(Some(self.acquire()));
                None
            }
            (".", "") => {
                let rejected = self.breaker.acquire().expect_err("must be rejected");
                assert_eq!(rejected.state, self.breaker.state(), "the rejection says why");
                None
            }
            ("p", "") => {
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    self.breaker.call(|| -> Result<(), ()> { panic!("the call's own panic") })
                }));
                assert!(panicked.is_err(), "a panic goes on to the caller");
                None
            }
            (letter, "") if letter.chars().all(char::is_lowercase) && letter != "g" => {
                let permit = self.acquire();
                end(permit, letter)
            }
            (_, "") => self.by_hand(step),
            (index, how) => {
                let index: usize = index.parse().expect("a permit's number");
                end(self.permits[index - 1].take().expect("a permit ends once"), how)
            }
        };
        let mark = match recorded {
            Some(Recorded::Late) => "~",
            Some(Recorded::Unrecorded) => "-",
            _ => "",
        };
        format!("{}{mark}", letter(self.breaker.state()))
    }

    fn acquire(&self) -> Permit<&'a Breaker> {
        self.breaker.acquire().expect("must be admitted")
    }

    fn by_hand(&mut self, step: &str) -> Option<Recorded> {
        match step {
            "T" => drop(self.breaker.trip()),
            "R" => drop(self.breaker.reset()),
            "F" => drop(self.breaker.force_open()),
            "D" => drop(self.breaker.disable()),
            "M" => drop(self.breaker.metrics_only()),
            "A" => drop(self.breaker.automatic()),
            "G" => self.guards.push(self.breaker.isolate()),
            "g" => drop(self.guards.remove(0)),
            other => panic!("no such step: {other}"),
        }
        None
    }
}

fn end(permit: Permit<&Breaker>, how: &str) -> Option<Recorded> {
    match how {
        "f" => Some(permit.end(Outcome::Failure)),
        "s" => Some(permit.end(Outcome::Success)),
        "i" => Some(permit.end(Outcome::Ignored)),
        "d" => {
            drop(permit);
            None
        }
        other => panic!("no such outcome: {other}"),
    }
}

fn letter(state: State) -> &'static str {
    match state {
        State::Closed => "C",
        State::Open => "O",
        State::HalfOpen => "H",
        State::Recovering => "R",
        State::ForcedOpen => "F",
        State::Disabled => "D",
        State::MetricsOnly => "M",
    }
}

fn duration(text: &str) -> Duration {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().expect("a number");
    match unit {
        "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "us" => Duration::from_micros(number),
        "ns" => Duration::from_nanos(number),
        other => panic!("no such unit: {other}"),
    }
}

/// The rows can fail: a wrong one does.
#[test]
#[should_panic(expected = "after f")]
fn a_wrong_row_is_found() {
    check(crate::support::trips_at(1), "f", "C");
}

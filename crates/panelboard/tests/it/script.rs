//! Does the real breaker answer as the reference does? Random scripts run through both, and every
//! answer, every field of the snapshot and every event is compared after each step.
//!
//! `PANELBOARD_CASES` says how many scripts; `PANELBOARD_SEED` which ones. What differs is shrunk
//! to a short script.

use std::{cell::RefCell, collections::BTreeMap};

use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config as Cases, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use crate::{pair::Pair, support::from_environment};

/// Scripts of up to 400 steps, by the numbers that each step is made of.
#[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
fn scripts(jitter: f64, name: &str) {
    let cases = from_environment("PANELBOARD_CASES", 5_000) as u32;
    let seed = from_environment("PANELBOARD_SEED", 1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Cases { cases, failure_persistence: None, ..Cases::default() };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let (steps, met) = (RefCell::new(0_u64), RefCell::new(BTreeMap::<&str, u64>::new()));
    let ran = runner.run(&(any::<u32>(), vec(any::<u32>(), 1..400)), |(start, script)| {
        let mut pair = Pair::new(start.into(), jitter);
        *steps.borrow_mut() += script.len() as u64;
        for step in script {
            pair.step(step).map_err(|differs| {
                TestCaseError::fail(format!("{differs}\nafter {}", pair.told.join(", ")))
            })?;
        }
        for what in pair.met {
            *met.borrow_mut().entry(what).or_default() += 1;
        }
        Ok(())
    });
    let (steps, met) = (steps.into_inner(), met.into_inner());
    println!("{name}: {steps} operations in {cases} scripts, seed {seed}; met in scripts: {met:?}");
    ran.unwrap_or_else(|differs| panic!("seed {seed}: {differs}"));
    for what in MUST_MEET {
        assert!(
            met.get(what).is_some_and(|scripts| scripts * 200 > cases.into()),
            "{what}: {met:?}"
        );
    }
}

/// Causes and answers that scripts must come to, or they show nothing of them.
const MUST_MEET: [&str; 16] = [
    "failures",
    "failure-rate",
    "slow-call-rate",
    "probe-failed",
    "test",
    "deadline-passed",
    "probe-succeeded",
    "lease-expired",
    "ramp-over",
    "tripped",
    "reset",
    "recovering rejects",
    "recovering admits",
    "closed rejects",
    "late",
    "unrecorded",
];

#[test]
fn any_script_is_answered_as_the_reference_answers_it() {
    scripts(0.0, "without jitter");
}

/// With jitter a deadline lies within its bounds; everything else is the same.
#[test]
fn any_script_with_jitter_keeps_within_its_bounds() {
    scripts(0.3, "with jitter");
}

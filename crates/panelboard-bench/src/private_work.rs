//! What does a thread do between two calls that no other thread sees?

use std::{hint::black_box, sync::OnceLock, time::Duration};

use crate::{clock::now, contestant::Gap};

/// 100 to 300 ns of arithmetic in registers, of a length drawn anew each time so that two threads
/// fall into no step.
#[derive(Debug)]
pub struct PrivateWork(u64);

impl Gap for PrivateWork {
    fn begin(first: usize) -> Self {
        Self(first as u64)
    }

    #[inline]
    fn pass(&mut self) {
        let in_100_ns = steps_in_100_ns();
        let drawn = (self.0 >> 33) % (2 * in_100_ns + 1);
        self.0 = black_box(steps(self.0, in_100_ns + drawn));
    }
}

/// Each step waits for the one before it.
#[inline]
fn steps(mut x: u64, count: u64) -> u64 {
    for _ in 0..count {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    x
}

fn steps_in_100_ns() -> u64 {
    static STEPS: OnceLock<u64> = OnceLock::new();
    *STEPS.get_or_init(|| {
        const PROBE: u64 = 20_000;
        // The fastest of many: whatever disturbs makes it slower.
        let fastest = (0..50).map(|_| {
            let begun = now();
            black_box(steps(black_box(1), PROBE));
            begun.elapsed()
        });
        let nanos = fastest.min().unwrap_or(Duration::ZERO).as_nanos().max(1) as u64;
        (100 * PROBE / nanos).max(1)
    })
}

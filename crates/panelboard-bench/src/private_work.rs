//! What does a thread do between two calls that no other thread sees?

use std::{hint::black_box, sync::OnceLock, time::Duration};

use crate::{clock::now, contestant::Gap};

/// 100 to 300 ns of arithmetic in registers. Every 256 calls take each of 256 lengths once, each
/// thread in an order of its own: threads fall into no step, and all have the same work to do.
#[derive(Debug)]
pub struct PrivateWork {
    place: u64,
    stride: u64,
    value: u64,
}

const LENGTHS: u64 = 256;

impl Gap for PrivateWork {
    fn begin(first: usize) -> Self {
        let first = first as u64;
        // An odd stride visits every length.
        Self { place: first, stride: (first * 2 + 77) | 1, value: first }
    }

    #[inline]
    fn pass(&mut self) {
        self.place = self.place.wrapping_add(self.stride) % LENGTHS;
        let in_100_ns = steps_in_100_ns();
        let count = in_100_ns + 2 * in_100_ns * self.place / LENGTHS;
        self.value = black_box(steps(self.value, count));
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

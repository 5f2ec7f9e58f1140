//! Which values can each setting take?

use std::time::Duration;

use crate::settings::Settings;

/// Failures in a row; 0 counts none.
const RUNS: [u32; 11] = [0, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30];
/// Shares of failures, or of slow calls; 0 counts none.
const SHARES: [f64; 11] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8];
const WINDOWS_S: [u64; 9] = [1, 2, 5, 10, 20, 30, 60, 120, 300];
const MINIMUM_CALLS: [u32; 6] = [3, 5, 10, 20, 50, 100];
const RECOVERIES_S: [u64; 10] = [1, 2, 3, 5, 10, 15, 20, 30, 60, 120];
const FACTORS: [f64; 4] = [1.0, 1.5, 2.0, 3.0];
const LONGEST_S: [u64; 7] = [5, 10, 20, 30, 60, 120, 300];
const PROBES: [u32; 5] = [1, 2, 3, 5, 10];

/// A setting's place in its list, in the order of the lists above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point([u8; DIMENSIONS]);

const DIMENSIONS: usize = 9;
const RUN: usize = 0;
const FAILED: usize = 1;
const SLOW: usize = 2;
const WINDOW: usize = 3;
const MINIMUM: usize = 4;
const RECOVERY: usize = 5;
const FACTOR: usize = 6;
const LONGEST: usize = 7;
const PROBE: usize = 8;

/// The defaults' places.
const USUAL: [u8; DIMENSIONS] = [4, 0, 0, 5, 3, 7, 2, 6, 0];

/// All points: those with slow calls only if something is said to be slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    slow: Option<Duration>,
}

impl Space {
    pub(super) fn new(slow: Option<Duration>) -> Self {
        Self { slow }
    }

    fn lengths(self) -> [usize; DIMENSIONS] {
        let slow = if self.slow.is_some() { SHARES.len() } else { 1 };
        [
            RUNS.len(),
            SHARES.len(),
            slow,
            WINDOWS_S.len(),
            MINIMUM_CALLS.len(),
            RECOVERIES_S.len(),
            FACTORS.len(),
            LONGEST_S.len(),
            PROBES.len(),
        ]
    }

    /// Where the search begins: ways to trip, times ways to recover.
    pub(super) fn grid(self) -> Vec<Point> {
        // Run, failed, slow, window, minimum.
        let mut trips: Vec<[u8; 5]> = vec![
            [1, 0, 0, 5, 3],
            [2, 0, 0, 5, 3],
            [4, 0, 0, 5, 3],
            [7, 0, 0, 5, 3],
            [0, 2, 0, 3, 2],
            [0, 5, 0, 3, 2],
            [0, 8, 0, 3, 2],
            [0, 5, 0, 6, 3],
            [4, 8, 0, 5, 3],
        ];
        if self.slow.is_some() {
            trips.extend([[4, 0, 5, 3, 2], [4, 0, 8, 3, 2], [0, 5, 5, 3, 2], [0, 8, 8, 5, 3]]);
        }
        // Recovery, factor, longest, probes.
        let recoveries: [[u8; 4]; 12] = [
            [0, 0, 6, 0],
            [1, 0, 6, 0],
            [3, 0, 6, 0],
            [4, 0, 6, 0],
            [7, 0, 6, 0],
            [0, 2, 2, 0],
            [1, 2, 4, 0],
            [3, 2, 2, 0],
            [4, 2, 6, 0],
            [7, 2, 6, 0],
            [1, 0, 6, 2],
            [3, 0, 6, 3],
        ];
        let mut grid = Vec::new();
        for [run, failed, slow, window, minimum] in trips {
            for [recovery, factor, longest, probes] in recoveries {
                let point = [run, failed, slow, window, minimum, recovery, factor, longest, probes];
                grid.push(self.plain(point));
            }
        }
        grid
    }

    /// A point by chance: `below` has a number below the one it is given.
    pub(super) fn any(self, mut below: impl FnMut(usize) -> usize) -> Point {
        self.plain(self.lengths().map(|length| below(length) as u8))
    }

    /// Those one step away in one setting.
    pub(super) fn neighbours(self, point: Point) -> Vec<Point> {
        let mut found = Vec::new();
        for (dimension, length) in self.lengths().into_iter().enumerate() {
            let at = point.0[dimension];
            for next in [at.wrapping_sub(1), at + 1] {
                if usize::from(next) < length {
                    let mut moved = point.0;
                    moved[dimension] = next;
                    found.push(self.plain(moved));
                }
            }
        }
        found.retain(|found| *found != point);
        found
    }

    /// One point for all those that come to the same settings.
    fn plain(self, mut point: [u8; DIMENSIONS]) -> Point {
        if self.slow.is_none() {
            point[SLOW] = 0;
        }
        if point[FAILED] == 0 {
            if point[RUN] == 0 {
                point[RUN] = USUAL[RUN];
            }
            if point[SLOW] == 0 {
                (point[WINDOW], point[MINIMUM]) = (USUAL[WINDOW], USUAL[MINIMUM]);
            }
        }
        let recovery = RECOVERIES_S[usize::from(point[RECOVERY])];
        let longest = usize::from(point[LONGEST]);
        let enough = LONGEST_S.iter().position(|longest| *longest >= recovery);
        let longest = longest.max(enough.unwrap_or(LONGEST_S.len() - 1));
        point[LONGEST] = longest as u8;
        if LONGEST_S[longest] == recovery {
            point[FACTOR] = 0;
        }
        if point[FACTOR] == 0 {
            point[LONGEST] = USUAL[LONGEST];
        }
        Point(point)
    }

    pub(super) fn settings(self, point: Point) -> Settings {
        let at = |dimension: usize| usize::from(point.0[dimension]);
        let usual = Settings::default();
        let share = |at: usize| (at > 0).then(|| SHARES[at]);
        let seconds = Duration::from_secs;
        Settings {
            failure_threshold: (at(RUN) > 0).then(|| RUNS[at(RUN)]),
            failure_rate: share(at(FAILED)),
            slow_call_rate: share(at(SLOW)),
            slow_call: self.slow.unwrap_or(usual.slow_call),
            window: seconds(WINDOWS_S[at(WINDOW)]),
            minimum_calls: MINIMUM_CALLS[at(MINIMUM)],
            recovery_timeout: seconds(RECOVERIES_S[at(RECOVERY)]),
            max_recovery_timeout: seconds(LONGEST_S[at(LONGEST)]),
            backoff_factor: FACTORS[at(FACTOR)],
            half_open_max_calls: PROBES[at(PROBE)],
            success_threshold: PROBES[at(PROBE)],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_point_builds_and_its_settings_are_its_own() {
        for slow in [None, Some(Duration::from_secs(2))] {
            let space = Space::new(slow);
            let mut state = 1_u64;
            let mut seen = BTreeSet::new();
            for _ in 0..3_000 {
                let point = space.any(|most| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 33) as usize % most
                });
                for point in space.neighbours(point).into_iter().chain([point]) {
                    let settings = space.settings(point);
                    assert!(settings.build().is_ok(), "{settings:?}");
                    assert!(settings.slow_call_rate.is_none() || slow.is_some());
                    seen.insert(point);
                }
            }
            let texts: BTreeSet<String> =
                seen.iter().map(|point| space.settings(*point).toml()).collect();
            assert_eq!(texts.len(), seen.len(), "two points with the same settings");
        }
    }

    #[test]
    fn the_defaults_are_a_point() {
        let space = Space::new(None);
        assert_eq!(space.plain(USUAL), Point(USUAL));
        assert_eq!(space.settings(Point(USUAL)), Settings::default());
    }

    #[test]
    fn the_grid_has_no_point_twice() {
        let grid = Space::new(Some(Duration::from_secs(1))).grid();
        let set: BTreeSet<Point> = grid.iter().copied().collect();
        assert_eq!((grid.len(), set.len()), (13 * 12, 13 * 12));
    }
}

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
/// Calls of a window by count; 0 counts by time.
const LASTS: [u32; 8] = [0, 10, 20, 30, 50, 100, 200, 500];
/// What throttles let through, as a multiple of what succeeded; 0 throttles nothing, and of the
/// others the laxest stands next to it.
const KS: [f64; 7] = [0.0, 5.0, 3.0, 2.0, 1.5, 1.25, 1.1];

/// A setting's place in its list, in the order of the lists above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Point([u8; DIMENSIONS]);

const DIMENSIONS: usize = 11;
const RUN: usize = 0;
const FAILED: usize = 1;
const SLOW: usize = 2;
const WINDOW: usize = 3;
const MINIMUM: usize = 4;
const RECOVERY: usize = 5;
const FACTOR: usize = 6;
const LONGEST: usize = 7;
const PROBE: usize = 8;
const LAST: usize = 9;
const K: usize = 10;

/// The defaults' places.
const USUAL: [u8; DIMENSIONS] = [4, 0, 0, 5, 3, 7, 2, 6, 0, 0, 0];

/// All points: those with slow calls only if something is said to be slow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    slow: Option<Duration>,
    /// What stays as it is.
    rest: Settings,
}

impl Space {
    /// What it does not vary is as in `current`, but for what changes the meaning of what it does.
    pub(super) fn new(current: Settings, slow: Option<Duration>) -> Self {
        let Settings { backoff_reset, jitter, probe_timeout, ramp, .. } = current;
        let usual = Settings::default();
        Self { slow, rest: Settings { backoff_reset, jitter, probe_timeout, ramp, ..usual } }
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
            LASTS.len(),
            KS.len(),
        ]
    }

    /// Where the search begins: ways to trip, times ways to recover.
    pub(super) fn grid(self) -> Vec<Point> {
        // Run, failed, slow, window, minimum, last.
        let mut trips: Vec<[u8; 6]> = vec![
            [1, 0, 0, 5, 3, 0],
            [2, 0, 0, 5, 3, 0],
            [4, 0, 0, 5, 3, 0],
            [7, 0, 0, 5, 3, 0],
            [0, 2, 0, 3, 2, 0],
            [0, 5, 0, 3, 2, 0],
            [0, 8, 0, 3, 2, 0],
            [0, 5, 0, 6, 3, 0],
            [4, 8, 0, 5, 3, 0],
            [0, 5, 0, 5, 2, 2],
            [0, 8, 0, 5, 3, 4],
        ];
        if self.slow.is_some() {
            trips.extend([
                [4, 0, 5, 3, 2, 0],
                [4, 0, 8, 3, 2, 0],
                [0, 5, 5, 3, 2, 0],
                [0, 8, 8, 5, 3, 0],
            ]);
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
        for [run, failed, slow, window, minimum, last] in trips {
            for [recovery, factor, longest, probes] in recoveries {
                grid.push(self.plain([
                    run, failed, slow, window, minimum, recovery, factor, longest, probes, last, 0,
                ]));
            }
        }
        // What is throttled never opens: windows alone.
        for (k, window) in [(3, 5), (3, 7), (5, 3)] {
            let mut point = USUAL;
            (point[K], point[WINDOW]) = (k, window);
            grid.push(self.plain(point));
        }
        grid
    }

    /// A point by chance: `below` has a number below the one it is given.
    pub(super) fn any(self, mut below: impl FnMut(usize) -> usize) -> Point {
        let mut point = self.lengths().map(|length| below(length) as u8);
        // As if they were one value among some: else most points would throttle.
        if below(8) > 0 {
            point[K] = 0;
        }
        if below(3) > 0 {
            point[LAST] = 0;
        }
        self.plain(point)
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
        if point[K] > 0 {
            let (k, window) = (point[K], point[WINDOW]);
            point = USUAL;
            (point[K], point[WINDOW]) = (k, window);
            return Point(point);
        }
        if self.slow.is_none() {
            point[SLOW] = 0;
        }
        if point[FAILED] == 0 {
            if point[RUN] == 0 {
                point[RUN] = USUAL[RUN];
            }
            if point[SLOW] == 0 {
                (point[WINDOW], point[MINIMUM]) = (USUAL[WINDOW], USUAL[MINIMUM]);
                point[LAST] = 0;
            }
        }
        if point[LAST] > 0 {
            point[WINDOW] = USUAL[WINDOW];
            let most = LASTS[usize::from(point[LAST])];
            while MINIMUM_CALLS[usize::from(point[MINIMUM])] > most {
                point[MINIMUM] -= 1;
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
        let share = |at: usize| (at > 0).then(|| SHARES[at]);
        let seconds = Duration::from_secs;
        if at(K) > 0 {
            let window = seconds(WINDOWS_S[at(WINDOW)]);
            let adaptive_k = Some(KS[at(K)]);
            return Settings { failure_threshold: None, adaptive_k, window, ..self.rest };
        }
        Settings {
            failure_threshold: (at(RUN) > 0).then(|| RUNS[at(RUN)]),
            failure_rate: share(at(FAILED)),
            slow_call_rate: share(at(SLOW)),
            slow_call: self.slow.unwrap_or(self.rest.slow_call),
            window: seconds(WINDOWS_S[at(WINDOW)]),
            window_calls: (at(LAST) > 0).then(|| LASTS[at(LAST)]),
            minimum_calls: MINIMUM_CALLS[at(MINIMUM)],
            recovery_timeout: seconds(RECOVERIES_S[at(RECOVERY)]),
            max_recovery_timeout: seconds(LONGEST_S[at(LONGEST)]),
            backoff_factor: FACTORS[at(FACTOR)],
            half_open_max_calls: PROBES[at(PROBE)],
            success_threshold: PROBES[at(PROBE)],
            ..self.rest
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::Combine;

    #[test]
    fn every_point_builds_and_its_settings_are_its_own() {
        for slow in [None, Some(Duration::from_secs(2))] {
            let space = Space::new(Settings::default(), slow);
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
        let space = Space::new(Settings::default(), None);
        assert_eq!(space.plain(USUAL), Point(USUAL));
        assert_eq!(space.settings(Point(USUAL)), Settings::default());
    }

    #[test]
    fn the_grid_has_no_point_twice() {
        let grid = Space::new(Settings::default(), Some(Duration::from_secs(1))).grid();
        let set: BTreeSet<Point> = grid.iter().copied().collect();
        assert_eq!((grid.len(), set.len()), (15 * 12 + 3, 15 * 12 + 3));
    }

    #[test]
    fn what_is_not_varied_stays_as_it_is_now() {
        let now = Settings {
            failure_threshold: None,
            failure_rate: Some(0.5),
            combine: Combine::All,
            half_open_failure_rate: Some(0.4),
            jitter: 0.3,
            probe_timeout: Duration::from_secs(7),
            backoff_reset: Duration::from_secs(8),
            ramp: Some(Duration::from_secs(9)),
            ..Settings::default()
        };
        let space = Space::new(now, None);
        for point in space.grid() {
            let settings = space.settings(point);
            let kept = (settings.jitter, settings.probe_timeout);
            assert_eq!(kept, (now.jitter, now.probe_timeout));
            assert_eq!((settings.backoff_reset, settings.ramp), (now.backoff_reset, now.ramp));
            assert_eq!((settings.combine, settings.half_open_failure_rate), (Combine::Any, None));
            assert!(settings.build().is_ok());
        }
    }

    #[test]
    fn every_way_to_trip_is_tried_and_no_way_crowds_out_the_others() {
        let space = Space::new(Settings::default(), None);
        let mut state = 1_u64;
        let mut points = Vec::new();
        for _ in 0..1_000 {
            points.push(space.any(|most| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as usize % most
            }));
        }
        let mut shares = [0; 4];
        for settings in points.iter().map(|point| space.settings(*point)) {
            let ways = [
                settings.failure_threshold.is_some(),
                settings.failure_rate.is_some() && settings.window_calls.is_none(),
                settings.window_calls.is_some(),
                settings.adaptive_k.is_some(),
            ];
            for (share, has) in shares.iter_mut().zip(ways) {
                *share += i32::from(has);
            }
        }
        assert!(shares.iter().all(|share| (60..960).contains(share)), "{shares:?} of 1,000");
    }
}

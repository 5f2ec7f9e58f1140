//! When was a key bad?
//!
//! By what was recorded, without any breaker: time is cut into buckets, and a bucket is bad if at
//! least a fifth of the calls that began in it are bad, and at least three. Bad buckets with at
//! most two others between them are one episode, from the beginning of its first bad call to the
//! end of its last one.

use panelboard::State;

use crate::calls::{Call, Ended};

/// A time in which a fifth of the calls or more went wrong, in microseconds since the recording's
/// beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Episode {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Lengths of a bucket, in seconds: the shortest that holds [`CALLS`] on average.
const BUCKETS_S: [u64; 7] = [1, 2, 5, 10, 30, 60, 300];
const CALLS: u64 = 20;
/// Bad calls of a bucket that is bad.
const FEWEST: u32 = 3;
/// Its calls for each of which one is bad.
const OF: u32 = 5;
/// Buckets between two that are bad, in one episode.
const GAP: u64 = 2;

pub(crate) fn is_bad(call: Call, slow_us: Option<u64>) -> bool {
    match call.ended() {
        Ended::Failure => true,
        Ended::Ignored => false,
        Ended::Success => slow_us.is_some_and(|slow| call.took() >= slow),
    }
}

/// Of calls in the order of their beginnings.
pub(crate) fn episodes(calls: &[Call], origin: i64, slow_us: Option<u64>) -> Vec<Episode> {
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return Vec::new() };
    let (count, lasts) = (calls.len() as u64, first.at.abs_diff(last.at));
    let holds = |seconds: &u64| count * seconds * 1_000_000 >= CALLS * lasts;
    let bucket = BUCKETS_S.into_iter().find(holds).unwrap_or(300) * 1_000_000;
    let number = |call: &Call| call.at.abs_diff(origin) / bucket;
    let mut found: Vec<(u64, Episode)> = Vec::new();
    for calls in calls.chunk_by(|a, b| number(a) == number(b)) {
        let mut bad = calls.iter().filter(|call| is_bad(**call, slow_us)).peekable();
        let Some(begins) = bad.peek().map(|call| call.at.abs_diff(origin)) else { continue };
        let (count, ends) = bad.fold((0_u32, 0), |(count, ends), call| {
            (count + 1, ends.max(call.at.abs_diff(origin) + call.took()))
        });
        if count < FEWEST || u64::from(count) * u64::from(OF) < calls.len() as u64 {
            continue;
        }
        let own = number(&calls[0]);
        match found.last_mut() {
            Some((last, episode)) if own - *last <= GAP + 1 => {
                (*last, episode.to) = (own, episode.to.max(ends));
            }
            _ => found.push((own, Episode { from: begins, to: ends })),
        }
    }
    found.into_iter().map(|(_, episode)| episode).collect()
}

/// Those of all keys as times in which some key was bad.
pub(crate) fn merged(mut episodes: Vec<Episode>) -> Vec<Episode> {
    episodes.sort_unstable_by_key(|episode| (episode.from, episode.to));
    let mut merged: Vec<Episode> = Vec::new();
    for episode in episodes {
        match merged.last_mut() {
            Some(last) if episode.from <= last.to => last.to = last.to.max(episode.to),
            _ => merged.push(episode),
        }
    }
    merged
}

/// The times in which a breaker was open or half-open, until `end`.
pub(crate) fn not_closed(changes: &[(u64, State)], end: u64) -> Vec<(u64, u64)> {
    let mut times = Vec::new();
    let mut since = None;
    for &(at, state) in changes {
        match (state, since) {
            (State::Closed, Some(from)) => {
                times.push((from, at));
                since = None;
            }
            (State::Closed, None) | (_, Some(_)) => {}
            (_, None) => since = Some(at),
        }
    }
    times.extend(since.map(|from| (from, end.max(from))));
    times
}

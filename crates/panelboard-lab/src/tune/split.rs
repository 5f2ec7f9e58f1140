//! Which part of the calls chooses, and which one is held out to check the choice?
//!
//! Whoever searches five hundred settings finds one that fits the accidents of the calls that he
//! searches on. So with two bad episodes or more the calls are cut in time: two thirds of the
//! episodes, and at least one, choose, and those that follow only check. The cut lies half-way
//! between two episodes, so that none is torn.

use std::ops::Range;

use crate::{
    calls::Recording,
    replay::{Episode, Track, episodes, is_bad, merged},
};

#[derive(Debug)]
pub(super) struct Split {
    /// In microseconds since the epoch, as the others.
    pub(super) all: Range<i64>,
    pub(super) chooses: Range<i64>,
    pub(super) held_out: Option<Range<i64>>,
    /// Of each key, in microseconds since the recording's beginning.
    pub(super) episodes: Vec<Vec<Episode>>,
    /// Of all keys together.
    pub(super) troubles: Vec<Episode>,
    pub(super) bad_calls: u64,
    /// The key with the most bad calls; of equal ones the first.
    pub(super) worst: usize,
}

impl Split {
    pub(super) fn new(recording: &Recording, slow_us: Option<u64>) -> Self {
        let from = recording.from;
        let of = |key: &crate::calls::KeyCalls| episodes(&key.calls, from, slow_us);
        let episodes: Vec<Vec<Episode>> = recording.keys.iter().map(of).collect();
        let troubles = merged(episodes.iter().flatten().copied().collect());
        let to = from.saturating_add_unsigned(recording.lasts_us()).saturating_add(1);
        let chooses = (2 * troubles.len() / 3).max(1);
        let cut = troubles.get(chooses).map(|next| {
            let before = troubles[chooses - 1].to;
            from.saturating_add_unsigned(before + (next.from - before).div_ceil(2))
        });
        let bad = recording
            .keys
            .iter()
            .map(|key| key.calls.iter().filter(|call| is_bad(**call, slow_us)).count() as u64);
        let bad: Vec<u64> = bad.collect();
        let most = bad.iter().max().copied().unwrap_or(0);
        Self {
            all: from..to,
            chooses: from..cut.unwrap_or(to),
            held_out: cut.map(|cut| cut..to),
            worst: bad.iter().position(|bad| *bad == most).unwrap_or(0),
            bad_calls: bad.iter().sum(),
            episodes,
            troubles,
        }
    }

    /// Calls that began within `part`.
    pub(super) fn calls(&self, recording: &Recording, part: &Range<i64>) -> usize {
        let of = |key: &crate::calls::KeyCalls| {
            let before = |at: i64| key.calls.partition_point(|call| call.at < at);
            before(part.end) - before(part.start)
        };
        recording.keys.iter().map(of).sum()
    }

    /// A track for each key that has a call within `part`.
    pub(super) fn tracks(
        &self,
        recording: &Recording,
        part: &Range<i64>,
        slow_us: Option<u64>,
    ) -> Vec<Track> {
        let each = recording.keys.iter().zip(&self.episodes);
        let tracks = each
            .map(|(key, episodes)| Track::new(&key.calls, part, recording.from, slow_us, episodes));
        tracks.filter(|track| !track.events.is_empty()).collect()
    }
}

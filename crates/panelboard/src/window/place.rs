//! Where a time lies in a ring of cells, and what a cell says about itself.
//!
//! A cell is one word, so that a count and whose count it is change together:
//!
//! | bits         | field | meaning                                                          |
//! | ------------ | ----- | ---------------------------------------------------------------- |
//! | 50..64       | life  | closed life of the breaker (`word.rs`)                           |
//! | 47..50       | era   | +1 with each change of the cells' width                          |
//! | c..47        | lap   | how often the ring has gone round; room for the clock's range    |
//! | 0..c         | count | c = 10 + `BITS` + k for a ring of 2^`BITS` cells of 2^k ms or more |
//!
//! A cell of another life, era or lap counts as empty and is taken over by whoever needs it. So
//! nobody sweeps, and however long the silence, nothing old comes back.
//!
//! # Dividing
//! A cell is `width` ms wide; whoever counts divides the time by it. With k = floor(log2 width) and
//! m = ceil(2^(39+k) / width), which is at most 2^39, a scale is the word m * 2^24 + low, and
//!
//! > floor(n * scale / 2^(63+k)) = floor(n / width) for each n below 2^37:
//!
//! scale / 2^24 is above 2^(39+k) / width by less than 2 (one for the ceiling, one for `low`), so
//! the product is above n / width by less than 2n / 2^(39+k) < 2^(38-39-k) = 2^-(k+1) < 1 / width,
//! as width < 2^(k+1): too little to reach the next whole number.

use crate::{
    sync::{AtomicU64, Ordering},
    word::LIFE_BITS,
};

/// Bits of the clock's milliseconds: 4.3 years, as the deadline's.
const CLOCK_BITS: u32 = 37;
const LIFE_SHIFT: u32 = u64::BITS - LIFE_BITS;
const ERA_SHIFT: u32 = LIFE_SHIFT - ERA_BITS;
const ERA_BITS: u32 = 3;
const ERAS: u64 = 1 << ERA_BITS;
/// The count's bits of a ring of one cell of 1 ms.
const COUNT_BITS: u32 = ERA_SHIFT - CLOCK_BITS;
/// How many lives ahead of a call a cell may be and still count as later; further ahead, it is
/// taken for one of long ago. A call would have to be held up through so many closings in one lap.
const LIVES_AHEAD: u16 = 1 << 10;

/// How wide a cell is, and which width in a row this is: one word, so that both change together.
///
/// | bits   | field                          |
/// | ------ | ------------------------------ |
/// | 24..64 | m, the reciprocal of the width |
/// | 6..18  | era; a cell has its low 3 bits |
/// | 0..6   | k                              |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale(u64);

const RECIPROCAL_SHIFT: u32 = 24;
const SCALE_ERA_SHIFT: u32 = 6;
const SCALE_ERA_BITS: u32 = 12;
const SCALE_ERAS: u64 = 1 << SCALE_ERA_BITS;
const K: u64 = (1 << SCALE_ERA_SHIFT) - 1;

impl Scale {
    /// Cells of `width_ms`, 1 ms to 2^32 - 1 ms.
    pub(crate) fn new(width_ms: u64) -> Self {
        let width = width_ms.clamp(1, u64::from(u32::MAX));
        let k = width.ilog2();
        let reciprocal = (1_u128 << (39 + k)).div_ceil(u128::from(width)) as u64;
        Self(reciprocal << RECIPROCAL_SHIFT | u64::from(k))
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// As much of the era as a cell has room for.
    pub(crate) fn era(self) -> u64 {
        self.0 >> SCALE_ERA_SHIFT & (ERAS - 1)
    }

    fn whole_era(self) -> u64 {
        self.0 >> SCALE_ERA_SHIFT & (SCALE_ERAS - 1)
    }

    /// This width in the era after that of `before`; None if it is the same width.
    pub(crate) fn after(self, before: Self) -> Option<Self> {
        let era = |era: u64| (era % SCALE_ERAS) << SCALE_ERA_SHIFT;
        let width = |scale: Self| scale.0 ^ era(scale.whole_era());
        let same = width(self) == width(before);
        (!same).then(|| Self(width(self) | era(before.whole_era() + 1)))
    }

    /// Empties the cells of eras before this one: they come round again, and nothing of an older
    /// one may stay until then.
    pub(crate) fn empty_older<'a>(self, cells: impl IntoIterator<Item = &'a AtomicU64>) {
        for cell in cells {
            let mut seen = cell.load(Ordering::Relaxed);
            while seen != 0 && self.era_is_over(seen) {
                match cell.compare_exchange(seen, 0, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(newer) => seen = newer,
                }
            }
        }
    }

    /// True if a cell was written in an era before this one.
    fn era_is_over(self, cell: u64) -> bool {
        let behind = self.era().wrapping_sub(cell >> ERA_SHIFT) & (ERAS - 1);
        (1..=ERAS / 2).contains(&behind)
    }

    /// Where `now_ms` lies in a ring of 2^`BITS` cells.
    #[inline]
    pub(crate) fn place<const BITS: u32>(self, now_ms: u64, life: u16) -> Place<BITS> {
        let scaled = self.scaled(now_ms);
        let epoch = scaled >> (self.0 & K);
        let mask = !(!0 << (COUNT_BITS + BITS) << (self.0 & K));
        // The lap stands `COUNT_BITS` higher in a cell than in the scaled time.
        let lap = (scaled << COUNT_BITS) & !mask;
        let tag = u64::from(life) << LIFE_SHIFT | self.era() << ERA_SHIFT | lap;
        Place { tag, mask, epoch }
    }

    /// The same place, as a cell says it that has a word for it.
    #[inline]
    pub(crate) fn stamp(self, now_ms: u64, life: u16) -> Stamp {
        let epoch = self.scaled(now_ms) >> (self.0 & K);
        let era = self.whole_era() << STAMP_ERA_SHIFT;
        Stamp(u64::from(life) << LIFE_SHIFT | era | STAMPED | epoch)
    }

    /// The time in cells, times 2^k.
    #[inline]
    fn scaled(self, now_ms: u64) -> u64 {
        let n = now_ms.min((1 << CLOCK_BITS) - 1);
        ((u128::from(n << 1) * u128::from(self.0)) >> u64::BITS) as u64
    }
}

/// Where a time lies, for one life and one width: a word beside a count that has one of its own.
///
/// | bits   | field                                      |
/// | ------ | ------------------------------------------ |
/// | 50..64 | life                                       |
/// | 38..50 | era                                        |
/// | 37     | a 1: no stamp is 0                         |
/// | 0..37  | how many widths since the clock's origin   |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

const STAMPED: u64 = 1 << CLOCK_BITS;
const STAMP_ERA_SHIFT: u32 = CLOCK_BITS + 1;

impl Stamp {
    /// A cell that belongs to nobody.
    pub(crate) const NONE: u64 = 0;

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// Which cell of a ring of 2^`BITS`.
    #[inline]
    pub(crate) fn index<const BITS: u32>(self) -> usize {
        (self.0 & ((1 << BITS) - 1)) as usize
    }

    /// The same life, so many cells' widths earlier; None before the clock's origin.
    #[inline]
    pub(crate) fn back(self, cells: u64) -> Option<Self> {
        (self.epoch() >= cells).then(|| Self(self.0 - cells))
    }

    fn epoch(self) -> u64 {
        self.0 & (STAMPED - 1)
    }

    /// True if a cell with this word is of a later time, life or width.
    pub(crate) fn is_before(self, cell: u64) -> bool {
        if cell == Self::NONE {
            return false;
        }
        let cell = Self(cell);
        let era = |stamp: Self| stamp.0 >> STAMP_ERA_SHIFT;
        let eras_ahead = era(cell).wrapping_sub(era(self)) & (SCALE_ERAS - 1);
        let life = |stamp: Self| (stamp.0 >> LIFE_SHIFT) as u16;
        let lives_ahead = life(cell).wrapping_sub(life(self)) & ((1 << LIFE_BITS) - 1);
        match eras_ahead {
            // The time in another width says nothing.
            1.. => eras_ahead < SCALE_ERAS / 2,
            0 if cell.epoch() != self.epoch() => cell.epoch() > self.epoch(),
            0 => (1..LIVES_AHEAD).contains(&lives_ahead),
        }
    }
}

/// The sum of a word that [`Place::sum`] made.
pub(crate) fn signed(word: u64) -> i64 {
    let unused = u64::BITS - ERA_SHIFT;
    // Shifting right extends the sign.
    (word << unused) as i64 >> unused
}

const SUM: u64 = (1 << ERA_SHIFT) - 1;

/// Where a time lies in a ring of 2^`BITS` cells, for one life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<const BITS: u32> {
    /// What a cell of this place has above its count.
    tag: u64,
    /// The count's bits.
    mask: u64,
    /// How many cells' widths since the clock's origin.
    epoch: u64,
}

/// What counting one more makes of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Exchange the cell for this.
    Write(u64),
    /// There is no room for another: it stays as it is.
    Full,
    /// It belongs to a later time or life: nobody will read what is counted here.
    Overtaken,
}

/// Whose a cell is, from the point of view of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The place's own: with its count.
    Own(u64),
    /// An older time, life or era, or nobody.
    Earlier,
    /// A later one.
    Later,
}

impl<const BITS: u32> Place<BITS> {
    /// Which cell of the ring.
    #[inline]
    pub(crate) fn index(self) -> usize {
        (self.epoch & ((1 << BITS) - 1)) as usize
    }

    pub(crate) fn count_in(self, cell: u64) -> Counted {
        match self.owner(cell) {
            Owner::Own(count) if count == self.mask => Counted::Full,
            Owner::Own(_) => Counted::Write(cell + 1),
            Owner::Earlier => Counted::Write(self.tag | 1),
            Owner::Later => Counted::Overtaken,
        }
    }

    pub(crate) fn owner(self, cell: u64) -> Owner {
        let count = cell ^ self.tag;
        if count <= self.mask {
            return Owner::Own(count);
        }
        let eras_ahead = (cell >> ERA_SHIFT).wrapping_sub(self.tag >> ERA_SHIFT) & (ERAS - 1);
        let lap = |cell: u64| (cell & !self.mask) << (u64::BITS - ERA_SHIFT);
        let life = |cell: u64| (cell >> LIFE_SHIFT) as u16;
        let lives_ahead = life(cell).wrapping_sub(life(self.tag)) & ((1 << LIFE_BITS) - 1);
        let later = match eras_ahead {
            _ if cell == 0 => false,
            // The lap of another width says nothing.
            1.. => eras_ahead < ERAS / 2,
            0 if lap(cell) != lap(self.tag) => lap(cell) > lap(self.tag),
            0 => lives_ahead < LIVES_AHEAD,
        };
        if later { Owner::Later } else { Owner::Earlier }
    }

    /// The same life, so many cells' widths earlier, at most a lap; None before the clock's origin.
    #[inline]
    pub(crate) fn back(self, cells: u64) -> Option<Self> {
        let epoch = self.epoch.checked_sub(cells)?;
        let a_lap = if cells > self.index() as u64 { self.mask + 1 } else { 0 };
        Some(Self { tag: self.tag - a_lap, epoch, ..self })
    }

    /// What a cell holds for this place.
    #[inline]
    pub(crate) fn count(self, cell: u64) -> u64 {
        let life = ((1 << LIFE_BITS) - 1) << LIFE_SHIFT;
        let any_life = if crate::fault::WINDOW_KEEPS_OLD_LIFE.planted() { life } else { 0 };
        let count = (cell ^ self.tag) & !any_life;
        if count <= self.mask { count } else { 0 }
    }

    /// True if the cell is of this place's life and era, whatever its lap.
    pub(crate) fn same_life(self, cell: u64) -> bool {
        (cell ^ self.tag) >> ERA_SHIFT == 0
    }

    /// The same cell a lap earlier; None in the first lap.
    pub(crate) fn a_lap_earlier(self) -> Option<Self> {
        let epoch = self.epoch.checked_sub(1 << BITS)?;
        Some(Self { tag: self.tag - (self.mask + 1), epoch, ..self })
    }

    /// What a cell holds, if it is of this life and era and of this lap or an earlier one.
    #[inline]
    pub(crate) fn count_until(self, cell: u64) -> u64 {
        let first_lap = self.tag >> ERA_SHIFT << ERA_SHIFT;
        // An earlier life or era wraps round to beyond every lap.
        let in_time = (cell & !self.mask).wrapping_sub(first_lap) <= self.tag - first_lap;
        if in_time { cell & self.mask } else { 0 }
    }

    /// Whose a word is that holds a signed sum beside life and era, for no lap of its own.
    pub(crate) fn owner_of_sum(self, word: u64) -> Owner {
        let of_sum = Self { tag: self.tag >> ERA_SHIFT << ERA_SHIFT, mask: SUM, ..self };
        of_sum.owner(word)
    }

    /// Such a word.
    pub(crate) fn sum(self, sum: i64) -> u64 {
        self.tag >> ERA_SHIFT << ERA_SHIFT | (sum as u64 & SUM)
    }

    /// The count of a cell of the same width.
    pub(crate) fn rest(self, cell: u64) -> u64 {
        cell & self.mask
    }

    /// A cell of this place that holds `count`.
    #[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
    pub(crate) fn holding(self, count: u64) -> u64 {
        self.tag | count.min(self.mask)
    }

    /// The most that a cell of this place can hold.
    #[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
    pub(crate) fn room(self) -> u64 {
        self.mask
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    const LAST: u64 = (1 << CLOCK_BITS) - 1;

    fn widths() -> impl Iterator<Item = u64> {
        let around_powers = (0..32).flat_map(|k| [(1 << k) - 1, 1 << k, (1 << k) + 1]);
        (1..=4_096).chain(around_powers).chain([8_640_000, u64::from(u32::MAX)]).filter(|&w| w > 0)
    }

    /// Times at the boundaries of cells: the first, the last, and at each power of two between.
    fn times(width: u64) -> impl Iterator<Item = u64> {
        let last = LAST / width;
        let powers = (0..=CLOCK_BITS).map(|bit| 1 << bit);
        let cells = powers.chain(0..40).chain((0..40).map(move |back| last.saturating_sub(back)));
        let at = cells.map(move |cell| cell.min(last) * width);
        at.flat_map(|at| [at.saturating_sub(1), at, at + 1]).chain([LAST]).map(|n| n.min(LAST))
    }

    #[test]
    fn multiplying_by_the_reciprocal_is_dividing() {
        for width in widths() {
            let scale = Scale::new(width);
            for n in times(width) {
                assert_eq!(scale.place::<4>(n, 0).epoch, n / width, "{n} / {width}");
            }
        }
    }

    #[test]
    fn a_tag_says_life_era_and_lap_and_nothing_else() {
        for width in widths() {
            for (era, life) in [(0, 0), (7, 0), (0, 16_383), (5, 9_999)] {
                let scale = Scale(Scale::new(width).0 | era << SCALE_ERA_SHIFT);
                for n in times(width) {
                    let place = scale.place::<4>(n, life);
                    let count_bits = COUNT_BITS + 4 + width.ilog2();
                    let lap = n / width / 16;
                    let tag = u64::from(life) << LIFE_SHIFT | era << ERA_SHIFT | lap << count_bits;
                    assert_eq!(
                        (place.tag, place.mask),
                        (tag, (1 << count_bits) - 1),
                        "{width} {n}"
                    );
                    assert_eq!(place.index(), (n / width % 16) as usize);
                }
            }
        }
    }

    #[test]
    fn going_back_is_being_there_earlier() {
        let scale = Scale::new(7);
        for (n, cells) in
            [(0, 0), (6, 1), (7, 1), (1_000, 9), (111, 15), (112, 16), (118, 16), (LAST, 15)]
        {
            let there = scale.place::<4>(n, 3).back(cells);
            let then = n.checked_sub(cells * 7).map(|n| scale.place::<4>(n, 3));
            let parts = |place: Place<4>| (place.tag, place.mask, place.epoch);
            assert_eq!(there.map(parts), then.map(parts), "{n} back {cells}");
        }
    }

    #[test]
    fn a_lap_earlier_is_the_same_cell_of_then() {
        for width in widths().step_by(37) {
            let place = |n| Scale::new(width).place::<5>(n, 3);
            let parts = |place: Place<5>| (place.tag, place.mask, place.epoch);
            for n in times(width) {
                let then = n.checked_sub(32 * width).map(place);
                assert_eq!(place(n).a_lap_earlier().map(parts), then.map(parts), "{width} {n}");
            }
        }
    }

    #[test]
    fn a_sum_is_of_its_life_and_era_whatever_it_is_and_whatever_the_lap() {
        let at = |era: u64, n: u64, life: u16| {
            Scale(Scale::new(1).0 | era << SCALE_ERA_SHIFT).place::<5>(n, life)
        };
        let own = at(2, 1_000, 100);
        for sum in [0, 1, -1, 1 << 20, -(1 << 20), 1 << 45] {
            let word = own.sum(sum);
            assert_eq!(signed(word), sum);
            for now in [0, 31, 1_000, LAST] {
                let owner = at(2, now, 100).owner_of_sum(word);
                assert!(matches!(owner, Owner::Own(_)), "{sum} at {now}: {owner:?}");
            }
            assert_eq!(at(2, 0, 101).owner_of_sum(word), Owner::Earlier, "{sum}");
            assert_eq!(at(2, LAST, 99).owner_of_sum(word), Owner::Later, "{sum}");
            assert_eq!(at(3, 0, 100).owner_of_sum(word), Owner::Earlier, "{sum}");
            assert_eq!(at(1, LAST, 100).owner_of_sum(word), Owner::Later, "{sum}");
        }
        assert_eq!(own.owner_of_sum(0), Owner::Earlier, "untouched");
    }

    #[test]
    fn widths_differ_and_eras_follow_each_other() {
        let mut last = Scale::new(1);
        for width in 2..2 + SCALE_ERAS + 10 {
            let next = Scale::new(width).after(last);
            assert_eq!(next.map(Scale::era), Some((last.era() + 1) % ERAS), "{width}");
            let whole = (last.whole_era() + 1) % SCALE_ERAS;
            assert_eq!(next.map(Scale::whole_era), Some(whole), "{width}");
            last = next.expect("another width");
            assert_eq!(Scale::new(width).after(last), None, "{width}");
        }
    }

    #[test]
    fn the_owner_of_a_cell_is_found_by_era_then_lap_then_life() {
        let at = |era: u64, n: u64, life: u16| {
            Scale(Scale::new(10).0 | era << SCALE_ERA_SHIFT).place::<4>(n, life)
        };
        let own = at(2, 1_000, 100);
        let rows = [
            (0, Owner::Earlier, "untouched"),
            (own.holding(5), Owner::Own(5), "own"),
            (at(2, 1_119, 99).holding(5), Owner::Earlier, "earlier life, same lap"),
            (at(2, 1_000, 101).holding(5), Owner::Later, "later life, same lap"),
            (at(2, 1_000, 1_123).holding(5), Owner::Later, "1,023 lives ahead"),
            (at(2, 1_000, 1_124).holding(5), Owner::Earlier, "as good as long ago"),
            (at(2, 1_120, 100).holding(5), Owner::Later, "the lap after"),
            (at(2, 1_120, 99).holding(5), Owner::Later, "the lap after, an earlier life"),
            (at(2, 959, 101).holding(5), Owner::Earlier, "the lap before, a later life"),
            (at(1, LAST, 101).holding(5), Owner::Earlier, "the era before"),
            (at(5, 0, 0).holding(5), Owner::Later, "three eras ahead"),
            (at(6, 0, 0).holding(5), Owner::Earlier, "four eras behind"),
        ];
        for (cell, owner, what) in rows {
            assert_eq!(own.owner(cell), owner, "{what}");
        }
    }

    #[test]
    fn a_stamp_says_the_same_as_a_place() {
        for width in widths().step_by(37) {
            for n in [0, 1, width - 1, width, 16 * width + 1, LAST / 2, LAST].map(|n| n.min(LAST)) {
                let (place, stamp) =
                    (Scale::new(width).place::<4>(n, 9), Scale::new(width).stamp(n, 9));
                assert_eq!(stamp.epoch(), n / width, "{width} {n}");
                assert_eq!(stamp.index::<4>(), place.index(), "{width} {n}");
                let back = |cells| stamp.back(cells).map(Stamp::epoch);
                assert_eq!(back(3), place.back(3).map(|place| place.epoch), "{width} {n}");
            }
        }
    }

    #[test]
    fn the_later_of_two_stamps_is_found_by_era_then_time_then_life() {
        let at = |era: u64, n: u64, life: u16| {
            Scale(Scale::new(10).0 | (era % SCALE_ERAS) << SCALE_ERA_SHIFT).stamp(n, life)
        };
        let own = at(2, 1_000, 100);
        let rows = [
            (own, false, "itself"),
            (at(2, 1_009, 100), false, "the same width of time"),
            (at(2, 1_010, 100), true, "the next"),
            (at(2, 990, 101), false, "the one before, of a later life"),
            (at(2, 1_010, 99), true, "the next, of an earlier life"),
            (at(2, 1_000, 99), false, "the life before"),
            (at(2, 1_000, 101), true, "the life after"),
            (at(2, 1_000, 102), true, "two lives after"),
            (at(2, 1_000, 1_123), true, "1,023 lives ahead"),
            (at(2, 1_000, 1_124), false, "as good as long ago"),
            (at(3, 0, 0), true, "the era after"),
            (at(1, LAST, 101), false, "the era before"),
            (at(2 + 2_047, 0, 0), true, "2,047 eras ahead"),
            (at(2 + 2_048, 0, 0), false, "as good as behind"),
        ];
        for (cell, later, what) in rows {
            assert_eq!(own.is_before(cell.bits()), later, "{what}");
        }
        assert!(!own.is_before(Stamp::NONE), "nobody's");
    }

    #[test]
    fn a_clock_beyond_its_range_stands_at_its_end() {
        for width in [1, 2, 1_000, u64::from(u32::MAX)] {
            for beyond in [LAST + 1, LAST + 2, u64::MAX] {
                let scale = Scale::new(width);
                assert_eq!(scale.stamp(beyond, 3), scale.stamp(LAST, 3), "{width} {beyond}");
                let tag = |n| scale.place::<4>(n, 3).tag;
                assert_eq!(tag(beyond), tag(LAST), "{width} {beyond}");
            }
        }
    }

    #[test]
    fn an_era_is_over_for_half_a_round() {
        let of_era = |era: u64| Scale(Scale::new(10).0 | era << SCALE_ERA_SHIFT);
        for now in 0..ERAS {
            for behind in 0..ERAS {
                let cell = of_era((now + ERAS - behind) % ERAS).place::<4>(LAST, 77).holding(5);
                let over = (1..=ERAS / 2).contains(&behind);
                assert_eq!(of_era(now).era_is_over(cell), over, "{behind} behind {now}");
            }
        }
    }
}

//! What a block of outcomes is, and how its outcomes are counted.

use super::WindowCounts;
use crate::word::LIFE_BITS;

pub(super) const MODEL: bool = cfg!(any(panelboard_loom, panelboard_shuttle));
/// Calls in a block. Small in models: there a block must end within a few steps.
pub(super) const BLOCK: u32 = if MODEL { 2 } else { 8 };
/// Blocks in a group.
pub(super) const GROUP: u64 = if MODEL { 2 } else { 16 };
pub(super) const FAILED: u64 = 1;
pub(super) const SLOW: u64 = 2;
const OUTCOME_BITS: u32 = 17;
const OUTCOMES: u64 = (1 << OUTCOME_BITS) - 1;
/// The leading 1 of a full block.
const FULL: u64 = 1 << (2 * BLOCK);
const BLOCK_NUMBERS: u64 = (1 << (LIFE_SHIFT - OUTCOME_BITS)) - 1;
const LIFE_SHIFT: u32 = u64::BITS - LIFE_BITS;
/// As in `place.rs`: so many lives ahead a head still counts as later.
const LIVES_AHEAD: u16 = 1 << 10;

const GROUP_SUM_BITS: u32 = 10;
const GROUP_SUM: u64 = (1 << GROUP_SUM_BITS) - 1;
const GROUP_SHIFT: u32 = 2 * GROUP_SUM_BITS;

/// A head, or a block: see the table in `last.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head(pub(super) u64);

impl Head {
    /// No outcome yet.
    pub(super) const NONE: Self = Self(1);

    pub(super) fn life(self) -> u16 {
        (self.0 >> LIFE_SHIFT) as u16
    }

    pub(super) fn block(self) -> u64 {
        self.0 >> OUTCOME_BITS & BLOCK_NUMBERS
    }

    fn outcomes(self) -> u64 {
        self.0 & OUTCOMES
    }

    /// True if a call of `life` goes into this block.
    #[inline]
    pub(super) fn appends(self, life: u16) -> bool {
        self.life() == life && self.0 & FULL == 0
    }

    #[inline]
    pub(super) fn append(self, outcome: u64) -> Self {
        Self((self.0 - self.outcomes()) | (self.outcomes() << 2) | outcome)
    }

    /// An empty block of the same life, so many blocks later.
    pub(super) fn anew(self, blocks: u64) -> Self {
        self.numbered(self.block() + blocks)
    }

    pub(super) fn of(self, life: u16) -> Self {
        Self(self.0 & ((1 << LIFE_SHIFT) - 1) | u64::from(life) << LIFE_SHIFT)
    }

    /// An empty block of the same life, so many blocks earlier.
    #[inline]
    pub(super) fn back(self, blocks: u64) -> Self {
        let empty = (self.0 & !OUTCOMES) | Self::NONE.0;
        if self.0 << LIFE_BITS >= blocks << (LIFE_BITS + OUTCOME_BITS) {
            return Self(empty - (blocks << OUTCOME_BITS));
        }
        self.numbered(self.block().wrapping_sub(blocks))
    }

    fn numbered(self, block: u64) -> Self {
        let number = (block & BLOCK_NUMBERS) << OUTCOME_BITS;
        Self(self.0 >> LIFE_SHIFT << LIFE_SHIFT | number | Self::NONE.0)
    }

    /// True if life `life` is over: its call has been overtaken.
    pub(super) fn is_later_than(self, life: u16) -> bool {
        let ahead = self.life().wrapping_sub(life) & ((1 << LIFE_BITS) - 1);
        self.outcomes() != Self::NONE.0 && ahead != 0 && ahead < LIVES_AHEAD
    }

    pub(super) fn is_ahead_of(self, other: Self) -> bool {
        let ahead = self.block().wrapping_sub(other.block()) & BLOCK_NUMBERS;
        ahead != 0 && ahead <= BLOCK_NUMBERS / 2
    }

    /// True if it is the full block of the life and number of `empty`.
    #[inline]
    pub(super) fn is_full_block(self, empty: Self) -> bool {
        self.0 & !(FULL - 1) == empty.0 - Self::NONE.0 + FULL
    }

    fn group_tag(self) -> u64 {
        // The 1 tells a sum of nothing from no sum.
        let known = self.block() / GROUP * 2 + 1;
        u64::from(self.life()) << LIFE_SHIFT | known << GROUP_SHIFT
    }

    /// True if it is of a later block than `other`, and not an untouched place.
    pub(super) fn is_later_block(self, other: Self) -> bool {
        self.0 != 0 && self.is_ahead_of(other)
    }

    #[inline]
    pub(super) fn ends_group(self) -> bool {
        self.block() % GROUP == GROUP - 1
    }
}

/// Counts of blocks. Whole blocks wait until four of them fill a word: counting its bits costs as
/// much as those of one (the processor's instruction for it is not in the baseline).
#[derive(Debug, Default)]
pub(super) struct Sum {
    counts: WindowCounts,
    waiting: u64,
    blocks_waiting: u32,
}

impl Sum {
    /// How many whole blocks, and how many calls more, make up `length` with what is counted.
    pub(super) fn left_of(&self, length: u64) -> (u64, u64) {
        let left = length - self.counts.calls;
        (left / u64::from(BLOCK), left % u64::from(BLOCK))
    }

    /// Counts the newest outcomes of a block, at most `calls`.
    pub(super) fn newest(&mut self, block: Head, calls: u64) {
        self.settle();
        let held = u64::from(block.outcomes().checked_ilog2().unwrap_or(0) / 2);
        let calls = held.min(calls);
        self.counts.calls += calls;
        self.waiting = block.outcomes() & ((1 << (2 * calls)) - 1);
        self.settle();
    }

    /// Counts all outcomes of a full block.
    #[inline]
    pub(super) fn block(&mut self, block: Head) {
        self.waiting = self.waiting << 16 | (block.0 & (FULL - 1));
        self.blocks_waiting += 1;
        if self.blocks_waiting == 4 {
            self.settle();
        }
    }

    /// Counts the group that ends with block `last`, if this is its sum.
    #[inline]
    pub(super) fn group(&mut self, sum: u64, last: Head) -> bool {
        let known = sum >> GROUP_SHIFT == last.group_tag() >> GROUP_SHIFT;
        if known {
            self.counts.calls += GROUP * u64::from(BLOCK);
            self.counts.failures += sum & GROUP_SUM;
            self.counts.slow += sum >> GROUP_SUM_BITS & GROUP_SUM;
        }
        known
    }

    /// The word that says so of the group that ends with block `last`.
    pub(super) fn of_group(self, last: Head) -> u64 {
        let WindowCounts { failures, slow, .. } = self.counts();
        last.group_tag() | slow << GROUP_SUM_BITS | failures
    }

    #[inline]
    fn settle(&mut self) {
        // Most blocks of a service that is well hold nothing bad.
        if self.waiting != 0 {
            self.counts.failures += u64::from((self.waiting & ALL_FAILED).count_ones());
            self.counts.slow += u64::from((self.waiting & !ALL_FAILED).count_ones());
            self.waiting = 0;
        }
        self.counts.calls += u64::from(self.blocks_waiting * BLOCK);
        self.blocks_waiting = 0;
    }

    pub(super) fn counts(mut self) -> WindowCounts {
        self.settle();
        self.counts
    }
}

/// Of four blocks' outcomes, those that failed.
const ALL_FAILED: u64 = u64::MAX / 3 * FAILED;

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    const LAST_LIFE: u16 = (1 << LIFE_BITS) - 1;

    #[test]
    fn of_two_lives_the_later_is_the_one_that_is_little_ahead() {
        let head = |life| Head::NONE.of(life).append(FAILED);
        let rows = [
            (5, 5, false),
            (6, 5, true),
            (7, 5, true),
            (5 + 1_023, 5, true),
            (5 + 1_024, 5, false),
            (5, 6, false),
            (0, LAST_LIFE, true),
            (1, LAST_LIFE, true),
            (LAST_LIFE, 0, false),
        ];
        for (own, life, later) in rows {
            assert_eq!(head(own).is_later_than(life), later, "{own} beside {life}");
        }
        assert!(!Head::NONE.of(6).is_later_than(5), "one without outcomes says nothing");
    }

    #[test]
    fn a_place_has_been_overtaken_only_by_a_later_block() {
        let block = |number| Head::NONE.of(5).anew(number);
        assert!(block(8).is_later_block(block(7)));
        assert!(block(3).is_later_block(block(BLOCK_NUMBERS)), "the numbers have come round");
        assert!(!block(7).is_later_block(block(7)));
        assert!(!block(6).is_later_block(block(7)));
        assert!(!Head(0).is_later_block(block(BLOCK_NUMBERS)), "nobody has written there");
    }

    #[test]
    fn a_group_is_known_by_its_number_and_its_life() {
        let tag = |life, block| Head::NONE.of(life).anew(block).group_tag();
        assert_eq!(tag(5, 0), tag(5, GROUP - 1));
        assert_ne!(tag(5, 0), tag(5, GROUP));
        assert_ne!(tag(5, 0), tag(6, 0));
        assert_ne!(tag(0, 0), 0, "no sum is told from one of nothing");
    }

    #[test]
    fn the_word_of_a_group_says_what_its_blocks_hold() {
        let outcomes = [0, FAILED, SLOW, FAILED | SLOW];
        let block = |number: u64| {
            let full =
                |head: Head, call: u32| head.append(outcomes[(number as u32 + call) as usize % 4]);
            (0..BLOCK).fold(Head::NONE.of(5).anew(number), full)
        };
        let last = Head::NONE.of(5).anew(2 * GROUP - 1);
        let mut read = Sum::default();
        (GROUP..2 * GROUP).for_each(|number| read.block(block(number)));
        let half = GROUP * u64::from(BLOCK) / 2;
        let counts = WindowCounts { calls: 2 * half, failures: half, slow: half };
        let word = Sum { ..read }.of_group(last);
        assert_eq!(read.counts(), counts);
        let mut known = Sum::default();
        assert!(known.group(word, last));
        assert_eq!(known.counts(), counts);
        assert!(!Sum::default().group(word, last.back(GROUP)), "of another group");
    }

    #[test]
    fn going_back_is_another_number_of_the_same_life() {
        for life in [0, 1, 5, LAST_LIFE] {
            for (block, blocks) in (0..4).flat_map(|block| [0, 1, 2, 17].map(|back| (block, back)))
            {
                let back = Head::NONE.of(life).anew(block).append(SLOW).back(blocks);
                let number = block.wrapping_sub(blocks) & BLOCK_NUMBERS;
                let told = (back.life(), back.block(), back.outcomes());
                assert_eq!(told, (life, number, 1), "{blocks} before block {block}");
            }
        }
    }
}

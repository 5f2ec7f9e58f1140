//! Which random choice is next? From a seed, so that a run can be had again.

/// xorshift64: any order is as good as another.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// From nothing up to, and without, `end`; nothing if that is nothing.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33).checked_rem(end).unwrap_or_default()
    }

    /// Nobody's turn shall always follow the same other's.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let end = u64::try_from(last).unwrap_or(u64::MAX - 1) + 1;
            let other = usize::try_from(self.below(end)).unwrap_or_default();
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_item_and_moves_some() {
        let mut items: Vec<u32> = (0..20).collect();
        Chance::new(42).shuffle(&mut items);
        assert_ne!(items, (0..20).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_choice_is_below_its_end_and_the_same_for_the_same_seed() {
        let choices = |seed| {
            let mut chance = Chance::new(seed);
            (0..100).map(|_| chance.below(7)).collect::<Vec<_>>()
        };
        assert!(choices(42).iter().all(|choice| *choice < 7));
        assert!(choices(42).contains(&0) && choices(42).contains(&6));
        assert_eq!(choices(42), choices(42));
        assert_ne!(choices(42), choices(4_200));
        assert_eq!(Chance::new(42).below(0), 0);
    }
}

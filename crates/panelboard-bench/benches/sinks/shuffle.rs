//! In which order do contestants take their turns?

/// Orders that repeat themselves from run to run, and differ from round to round.
pub(crate) struct Shuffle(pub(crate) u64);

impl Shuffle {
    pub(crate) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
        order
    }
}

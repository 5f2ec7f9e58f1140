//! Which settings is nothing better than, and which of those is the knee?

/// What is to be small: what is wasted, and good calls that are rejected.
pub(crate) type Pair = (u64, u64);

/// The Pareto front: the numbers of those that no other is better than, that is, as small in both
/// and smaller in one; of equal ones the first. In the order of the first figure.
pub(crate) fn front(pairs: &[Pair]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|number| (pairs[*number], *number));
    let mut least = u64::MAX;
    order.retain(|number| {
        let second = pairs[*number].1;
        let better = second < least;
        least = least.min(second);
        better
    });
    order
}

/// The knee of `among`: with both figures scaled so that `least` is 0 and `most` is 1, the one with
/// the least sum. Between the ends of a front it is the one farthest from the line through them
/// (Das: *On characterizing the "knee" of the Pareto curve*, 1999). Of equal ones the first.
pub(crate) fn knee(pairs: &[Pair], among: &[usize], least: Pair, most: Pair) -> Option<usize> {
    let scaled = |n: u64, least: u64, most: u64| match most.saturating_sub(least) {
        0 => 0.0,
        range => n.saturating_sub(least) as f64 / range as f64,
    };
    let sum = |number: usize| {
        let (first, second) = pairs[number];
        scaled(first, least.0, most.0) + scaled(second, least.1, most.1)
    };
    among.iter().copied().min_by(|a, b| sum(*a).total_cmp(&sum(*b)).then(a.cmp(b)))
}

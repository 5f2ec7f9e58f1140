//! What do many samples come to?

/// The value that `share` of the samples are not above. Needs at least one.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The median of `combine` over the samples of the same rounds.
pub(crate) fn paired(a: &[f64], b: &[f64], combine: impl Fn(f64, f64) -> f64) -> f64 {
    let combined: Vec<f64> = a.iter().zip(b).map(|(a, b)| combine(*a, *b)).collect();
    median(&combined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_ignores_one_bad_round() {
        assert_eq!(median(&[2.0, 900.0, 1.0]), 2.0);
        assert_eq!(quantile(&[5.0, 1.0, 2.0, 3.0, 4.0], 1.0), 5.0);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // The second round was three times as slow for both.
        assert_eq!(paired(&[10.0, 30.0, 10.0], &[2.0, 6.0, 2.0], |a, b| a / b), 5.0);
    }
}

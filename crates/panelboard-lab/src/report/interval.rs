//! How sure is a mean over a few runs?

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// A mean over runs, and the interval that the true mean lies in with the report's confidence.
///
/// Student's t over the runs, which differ in nothing but their seeds. With one run there is no
/// interval, with none that says anything there is no mean.
///
/// ```
/// use panelboard_lab::Estimate;
///
/// let nothing = Estimate::default();
/// assert_eq!((nothing.mean, nothing.low, nothing.n), (None, None, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean of the runs that say something.
    pub mean: Option<f64>,
    /// The interval's lower end; not beyond what is possible.
    pub low: Option<f64>,
    /// The interval's upper end.
    pub high: Option<f64>,
    /// The runs that say something.
    pub n: u32,
}

impl Estimate {
    /// Over these values, whose mean cannot lie outside `least` to `most`.
    pub(crate) fn of(
        values: impl Iterator<Item = f64>,
        confidence: f64,
        (least, most): (f64, f64),
    ) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        if values.is_empty() {
            return Self::default();
        }
        let mean = values.iter().sum::<f64>() / n;
        let mut estimate = Self { mean: Some(mean), low: None, high: None, n: n as u32 };
        if let Some(t) = quantile(n - 1.0, confidence) {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let half = t * (squares / (n - 1.0) / n).sqrt();
            estimate.low = Some((mean - half).max(least));
            estimate.high = Some((mean + half).min(most));
        }
        estimate
    }
}

/// How many standard errors the interval reaches to each side; none without a degree of freedom.
fn quantile(freedom: f64, confidence: f64) -> Option<f64> {
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    Some(t.inverse_cdf(f64::midpoint(1.0, confidence)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    #[test]
    fn the_interval_is_students() {
        // t for 4 degrees of freedom at 95 % is 2.776; the standard error of 1..=5 is 0.7071.
        let estimate = Estimate::of((1..=5).map(f64::from), 0.95, ANY);
        assert_eq!((estimate.mean, estimate.n), (Some(3.0), 5));
        assert!((estimate.low.unwrap() - (3.0 - 1.9632)).abs() < 1e-3, "{estimate:?}");
        assert!((estimate.high.unwrap() - (3.0 + 1.9632)).abs() < 1e-3, "{estimate:?}");
    }

    #[test]
    fn one_value_has_no_interval_and_none_no_mean() {
        let one = Estimate::of([2.0].into_iter(), 0.95, ANY);
        assert_eq!((one.mean, one.low, one.high, one.n), (Some(2.0), None, None, 1));
        assert_eq!(Estimate::of([].into_iter(), 0.95, ANY), Estimate::default());
    }

    #[test]
    fn a_share_stays_a_share() {
        let estimate = Estimate::of([1.0, 1.0, 0.9].into_iter(), 0.95, (0.0, 1.0));
        assert_eq!(estimate.high, Some(1.0));
    }
}

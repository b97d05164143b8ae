//! Mean, spread, and how sure the mean is.

use serde::Serialize;

/// What several values of one figure come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Statistics {
    /// How many values there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (of a sample: over `count - 1`); absent of one value.
    pub deviation: Option<f64>,
    /// So far below and above the mean the true mean is, in 95 of 100 such sweeps, if the values are
    /// spread about normally; absent of one value.
    pub confidence: Option<f64>,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

/// Of so many degrees of freedom, from 1 on, how many standard errors 95 % are within: Student's
/// distribution, two-sided.
const STUDENT_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

impl Statistics {
    /// Of these values; absent if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let deviation = (count > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (count - 1) as f64).sqrt()
        });
        let error = deviation.map(|deviation| deviation / (count as f64).sqrt());
        Some(Self {
            count,
            mean,
            deviation,
            confidence: error.map(|error| error * student_95(count - 1)),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// The bounds of the confidence interval; twice the mean where there is none.
    #[must_use]
    pub fn interval(&self) -> (f64, f64) {
        let half = self.confidence.unwrap_or_default();
        (self.mean - half, self.mean + half)
    }
}

fn student_95(freedom: usize) -> f64 {
    match STUDENT_95.get(freedom.saturating_sub(1)) {
        Some(known) => *known,
        // Abramowitz and Stegun 26.7.5, from the normal distribution's 1.95996.
        None => {
            let freedom = freedom as f64;
            1.95996 + 2.3723 / freedom + 2.8225 / freedom.powi(2)
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn mean_deviation_and_confidence_are_the_textbooks() {
        // By R: mean(x), sd(x), t.test(x)$conf.int of c(2, 4, 4, 4, 5, 5, 7, 9).
        let found = Statistics::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((found.count, found.mean, found.min, found.max), (8, 5.0, 2.0, 9.0));
        assert!((found.deviation.unwrap() - 2.138_090).abs() < 1e-6);
        let (low, high) = found.interval();
        assert!((low - 3.212_5).abs() < 1e-3 && (high - 6.787_5).abs() < 1e-3, "{low} {high}");
        let one = Statistics::of(&[3.0]).unwrap();
        assert_eq!((one.deviation, one.interval()), (None, (3.0, 3.0)));
        assert_eq!(Statistics::of(&[]), None);
    }

    #[test]
    fn with_more_values_the_factor_falls_to_that_of_the_normal_distribution() {
        let all: Vec<f64> = (1..200).map(student_95).collect();
        assert!(all.is_sorted_by(|one, other| one > other), "{all:?}");
        // Tables have 2.0395 for 31, 1.9840 for 100.
        assert!((all[30] - 2.0395).abs() < 1e-3 && (all[99] - 1.9840).abs() < 1e-3);
    }
}

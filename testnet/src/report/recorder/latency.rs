//! Distributions of times.

use std::time::Duration;

use super::seconds;
use crate::report::Latency;

/// Bounds of the histogram are `10^(k / 10)` seconds; this is the lowest `k`: 0.1 ms.
const LOWEST: i32 = -40;

/// The distribution of so many times.
pub(super) fn distribution(mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    let percentile = |percent: usize| {
        // The nearest rank.
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times.get(rank - 1).copied().map(seconds).unwrap_or_default()
    };
    Latency {
        count: times.len() as u64,
        min_s: times.first().copied().map(seconds).unwrap_or_default(),
        p50_s: percentile(50),
        p90_s: percentile(90),
        p99_s: percentile(99),
        max_s: percentile(100),
        histogram: histogram(&times),
    }
}

fn histogram(sorted: &[Duration]) -> Vec<(f64, u64)> {
    let mut histogram = Vec::new();
    let mut k = LOWEST;
    let mut done = 0;
    while done < sorted.len() {
        let bound = bound(k);
        let until = sorted.partition_point(|time| seconds(*time) <= bound);
        // It begins with the first that has any.
        if until > 0 {
            histogram.push((bound, (until - done) as u64));
        }
        done = until;
        k += 1;
    }
    histogram
}

/// `10^(k / 10)`, to four digits.
pub(super) fn bound(k: i32) -> f64 {
    let exact = 10_f64.powf(f64::from(k) / 10.0);
    let digits = (3 - k.div_euclid(10)).max(0) as usize;
    // What is written is what is compared with.
    format!("{exact:.digits$}").parse().unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let found = distribution((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(
            (found.min_s, found.p50_s, found.p90_s, found.p99_s, found.max_s),
            (0.001, 0.1, 0.18, 0.198, 0.2)
        );
        assert_eq!(distribution(Vec::new()), Latency::default());
    }

    #[test]
    fn every_time_is_in_one_bucket_of_the_histogram() {
        let times = [0, 1, 999, 1000, 1001, 90_000, 86_400_000].map(Duration::from_millis);
        let found = distribution(times.to_vec());
        assert_eq!(found.histogram.iter().map(|bucket| bucket.1).sum::<u64>(), 7);
        assert_eq!(found.histogram[0], (0.0001, 1));
        assert!(found.histogram.contains(&(1.0, 2)), "at most a second: {:?}", found.histogram);
        let factor = 10_f64.powf(0.1);
        for pair in found.histogram.windows(2) {
            assert!((pair[1].0 / pair[0].0 - factor).abs() < 0.002, "{pair:?}");
        }
    }
}

//! One-way latency of single messages.

use std::time::{Duration, Instant};

use rand::RngExt;

use super::report::{Latency, rounded};
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError};

/// Longest pause before a message; the mean is half of it.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// From just before the send request to the event at the recipient's.
pub(super) async fn run(cluster: &Cluster, messages: usize) -> Result<Latency, ClusterError> {
    let (alice, bob) = flow::pair(cluster, &[]).await?;
    let events = bob.events(None).await?;
    let arrivals = tokio::spawn(flow::arrivals(events, messages, WAIT_MAX));
    let client = alice.client();
    let mut sent = Vec::with_capacity(messages);
    for number in 0..messages {
        tokio::time::sleep(PAUSE_MAX.mul_f64(rand::rng().random_range(0.0..1.0))).await;
        sent.push(Instant::now());
        flow::send(&client, bob.name(), number).await.map_err(|source| alice.error(source))?;
    }
    let arrivals = arrivals.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
    let mut taken = Vec::with_capacity(messages);
    for (sent, arrived) in sent.iter().zip(arrivals) {
        let arrived =
            arrived.ok_or_else(|| ClusterError::Wrong("a message did not arrive".into()))?;
        taken.push((arrived - *sent).as_secs_f64() * 1000.0);
    }
    taken.sort_by(f64::total_cmp);
    Ok(Latency { p50: rounded(percentile(&taken, 50)), p99: rounded(percentile(&taken, 99)) })
}

/// The nearest-rank percentile of sorted values; 0 of none.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_of_nearest_rank() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert!((percentile(&values, 50) - 500.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 99) - 990.0).abs() < f64::EPSILON);
        assert!((percentile(&values[..1], 99) - 1.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 99).abs() < f64::EPSILON);
    }
}

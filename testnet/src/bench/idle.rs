//! What an idle daemon with one peer costs.

use std::time::Duration;

use super::flow;
use super::report::{Idle, rounded};
use crate::cluster::{Cluster, ClusterError, Node};

/// Pause before measuring: what the start and the first messages set off is over by then.
pub(super) const SETTLING: Duration = Duration::from_secs(5);
const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// Measures for `span`; of two daemons the one that costs more.
pub(super) async fn run(cluster: &Cluster, span: Duration) -> Result<Idle, ClusterError> {
    let (alice, bob) = flow::pair(cluster, &[]).await?;
    tokio::time::sleep(SETTLING).await;
    let Cost { cpu_pct, rss_mib } = worst_of(&[&alice, &bob], span).await?;
    Ok(Idle { cpu_pct, rss_mib })
}

/// What a daemon cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Percent of one core.
    pub(super) cpu_pct: f64,
    /// Resident memory at the end, MiB.
    pub(super) rss_mib: f64,
}

/// Watches nodes for `span`; the most that one of them cost.
pub(super) async fn worst_of(nodes: &[&Node], span: Duration) -> Result<Cost, ClusterError> {
    let used = || nodes.iter().map(|node| node.usage()).collect::<Result<Vec<_>, _>>();
    let before = used()?;
    tokio::time::sleep(span).await;
    let mut worst = Cost { cpu_pct: 0.0, rss_mib: 0.0 };
    for (before, after) in before.into_iter().zip(used()?) {
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64() / span.as_secs_f64();
        worst.cpu_pct = worst.cpu_pct.max(rounded(cpu * 100.0));
        worst.rss_mib = worst.rss_mib.max(mib(after.rss_bytes));
    }
    Ok(worst)
}

/// Memory in MiB.
#[expect(clippy::cast_precision_loss, reason = "memory sizes are far below 2^53")]
pub(super) fn mib(bytes: u64) -> f64 {
    rounded(bytes as f64 / BYTES_PER_MIB)
}

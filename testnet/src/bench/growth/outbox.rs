//! A user who writes to someone who is away.

use std::time::Duration;

use martlet_protocol::control::Delivery;

use super::measure::{self, Figures, number};
use super::{GrowthCounts, node, pair};
use crate::bench::report::{Figure, Stage, rounded};
use crate::bench::{SENDERS_DEFAULT, WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Node};

/// Between two messages whose processor time is taken.
const PACE: Duration = Duration::from_millis(50);

/// The figures of each size. A mailbox node is there, which tells the sender what it has on disk.
pub(super) async fn run(
    cluster: &Cluster,
    counts: &GrowthCounts,
) -> Result<Vec<Stage>, ClusterError> {
    let mailbox = node(cluster, "mailbox", &[]).await?;
    let (mut erin, mut frank) = pair(cluster, ["erin", "frank"], &[&mailbox]).await?;
    frank.stop().await?;
    let (mut sent, mut stages) = (0, Vec::new());
    for size in counts.outbox {
        eprintln!("  {size} messages in the outbox …");
        let (count, events) = (size.saturating_sub(sent), erin.events(None).await?);
        let stored = tokio::spawn(flow::reached(events, count, Delivery::Sent, WAIT_MAX));
        flow::send_range(&erin, frank.name(), sent..sent + count, SENDERS_DEFAULT).await?;
        let (stored, _) = stored.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
        if stored.len() < count {
            let stored = stored.len();
            return Err(ClusterError::Wrong(format!(
                "of {count} messages only {stored} are `sent`"
            )));
        }
        sent += count;
        let mut figures = Figures::new();
        figures.insert(Figure::CpuPaced, paced(&erin, frank.name(), sent, counts.paced).await?);
        sent += counts.paced;
        measure::restarts(&mut figures, &mut [&mut erin], &[&mailbox]).await?;
        stages.push(Stage { size: *size, figures });
    }
    Ok(stages)
}

/// Processor time of the sender for each of `count` messages, one after another, milliseconds.
async fn paced(from: &Node, to: &str, first: usize, count: usize) -> Result<f64, ClusterError> {
    let client = from.client();
    let mut tick = tokio::time::interval(PACE);
    let before = from.usage()?.cpu;
    for number in first..first + count {
        tick.tick().await;
        flow::send(&client, to, number).await.map_err(|source| from.error(source))?;
    }
    let cpu = from.usage()?.cpu.saturating_sub(before);
    Ok(rounded(cpu.as_secs_f64() * 1000.0 / number(count)))
}

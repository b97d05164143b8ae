//! A conversation that becomes long.

use std::ops::Range;

use martlet_protocol::control::Delivery;

use super::measure::{self, Figures, PAGE, number};
use super::{GrowthCounts, pair};
use crate::bench::report::{Figure, Stage, rounded};
use crate::bench::{SENDERS_DEFAULT, WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Node};

/// The figures of each size.
pub(super) async fn run(
    cluster: &Cluster,
    counts: &GrowthCounts,
) -> Result<Vec<Stage>, ClusterError> {
    let (mut alice, mut bob) = pair(cluster, ["alice", "bob"], &[]).await?;
    let (mut sent, mut stages) = (0, Vec::new());
    let mut deep = None;
    for size in counts.messages {
        eprintln!("  a conversation of {size} messages …");
        let mut figures = Figures::new();
        let filled = size.saturating_sub(counts.timed_sends).max(sent);
        let mut ids = full_speed(&alice, &bob, sent..filled).await?;
        ids.extend(timed(&mut figures, &alice, &bob, filled..*size).await?);
        if deep.is_none() {
            // The page before it is the oldest.
            deep = ids.get(PAGE).cloned();
        }
        measure::pages(&mut figures, &alice, bob.name(), deep.as_deref()).await?;
        measure::lists(&mut figures, &bob, &alice).await?;
        measure::restarts(&mut figures, &mut [&mut alice, &mut bob], &[]).await?;
        let most = disk(&alice)?.max(disk(&bob)?);
        figures.insert(Figure::Disk, rounded(most / number(*size)));

        let before = alice.usage()?.cpu + bob.usage()?.cpu;
        sent = (*size).max(filled) + counts.full_speed;
        full_speed(&alice, &bob, sent - counts.full_speed..sent).await?;
        let cpu = (alice.usage()?.cpu + bob.usage()?.cpu).saturating_sub(before);
        let thousands = number(counts.full_speed) / 1000.0;
        figures.insert(Figure::CpuFull, rounded(cpu.as_secs_f64() / thousands));
        stages.push(Stage { size: *size, figures });
    }
    Ok(stages)
}

/// Sends these at full speed, until all are delivered.
async fn full_speed(
    from: &Node,
    to: &Node,
    numbers: Range<usize>,
) -> Result<Vec<String>, ClusterError> {
    let (count, events) = (numbers.len(), from.events(None).await?);
    let delivered = tokio::spawn(flow::reached(events, count, Delivery::Delivered, WAIT_MAX));
    let ids = flow::send_range(from, to.name(), numbers, SENDERS_DEFAULT).await?;
    let (delivered, _) = delivered.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
    all(delivered.len(), count)?;
    Ok(ids)
}

/// Sends these one after another, until all are delivered.
async fn timed(
    figures: &mut Figures,
    from: &Node,
    to: &Node,
    numbers: Range<usize>,
) -> Result<Vec<String>, ClusterError> {
    let (count, events) = (numbers.len(), from.events(None).await?);
    let delivered = tokio::spawn(flow::reached(events, count, Delivery::Delivered, WAIT_MAX));
    let ids = measure::sends(figures, from, to.name(), numbers).await?;
    let (delivered, _) = delivered.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
    all(delivered.len(), count)?;
    Ok(ids)
}

fn all(delivered: usize, of: usize) -> Result<(), ClusterError> {
    if delivered < of {
        return Err(ClusterError::Wrong(format!("of {of} messages only {delivered} came")));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes of files are far below 2^53")]
fn disk(node: &Node) -> Result<f64, ClusterError> {
    Ok(measure::disk_bytes(&node.data_dir())? as f64)
}

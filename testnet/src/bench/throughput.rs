//! Messages a second at full speed, and what they cost.

use std::collections::HashSet;
use std::time::Instant;

use martlet_protocol::control::Delivery;

use super::report::{Throughput, rounded};
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError};

/// Sends `messages` over `senders` connections and waits until all are `delivered`.
pub(super) async fn run(
    cluster: &Cluster,
    messages: usize,
    senders: usize,
) -> Result<Throughput, ClusterError> {
    let (alice, bob) = flow::pair(cluster, &[]).await?;
    let events = alice.events(None).await?;
    let delivered = tokio::spawn(flow::reached(events, messages, Delivery::Delivered, WAIT_MAX));
    let cpu_before = alice.usage()?.cpu + bob.usage()?.cpu;
    let started = Instant::now();
    let ids = flow::send_all(&alice, bob.name(), messages, senders).await?;
    let (delivered, ended) =
        delivered.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
    let cpu = (alice.usage()?.cpu + bob.usage()?.cpu).saturating_sub(cpu_before);

    let distinct: HashSet<&String> = ids.iter().collect();
    let undelivered = distinct.iter().filter(|id| !delivered.contains(**id)).count();
    let lost = flow::lost(&bob, alice.name(), messages).await?;
    let count = f64::from(u32::try_from(messages).unwrap_or(u32::MAX));
    Ok(Throughput {
        per_s: rounded(count / (ended - started).as_secs_f64()),
        lost: lost.max(undelivered),
        cpu_s_per_1000: rounded(cpu.as_secs_f64() / (count / 1000.0)),
    })
}

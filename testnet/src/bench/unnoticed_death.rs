//! The recipient is killed unnoticed while messages are sent, and comes back.

use std::time::{Duration, Instant};

use super::report::{UnnoticedDeath, rounded};
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError};

/// Time between two messages: ten a second.
const INTERVAL: Duration = Duration::from_millis(100);

/// Kills the recipient, sends `messages`, starts it again, and waits for them.
pub(super) async fn run(
    cluster: &Cluster,
    messages: usize,
) -> Result<UnnoticedDeath, ClusterError> {
    let (alice, mut bob) = flow::pair(cluster, &[]).await?;
    bob.kill()?;
    let client = alice.client();
    let mut clock = tokio::time::interval(INTERVAL);
    for number in 0..messages {
        clock.tick().await;
        flow::send(&client, bob.name(), number).await.map_err(|source| alice.error(source))?;
    }
    let started = Instant::now();
    bob.start().await?;
    let events = bob.events(Some(0)).await?;
    let arrived = flow::arrivals(events, messages, WAIT_MAX).await;
    let last = arrived.iter().flatten().max().copied().unwrap_or_else(Instant::now);
    Ok(UnnoticedDeath {
        sent: messages,
        lost: flow::lost(&bob, alice.name(), messages).await?,
        seconds_after_return: rounded((last - started).as_secs_f64()),
    })
}

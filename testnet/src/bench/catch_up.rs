//! A returning recipient fetches what waits in a mailbox node; the sender is off.

use std::time::Instant;

use martlet_protocol::control::Delivery;

use super::report::{CatchUp, rounded};
use super::{SENDERS_DEFAULT, WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError};

/// Seconds from the start of the recipient's process to the event of the last of `messages`.
pub(super) async fn run(cluster: &Cluster, messages: usize) -> Result<CatchUp, ClusterError> {
    let mailbox = cluster.start("mailbox", &[]).await?;
    let (mut alice, mut bob) = flow::pair(cluster, &[&mailbox]).await?;
    bob.stop().await?;

    let events = alice.events(None).await?;
    let sent = tokio::spawn(flow::reached(events, messages, Delivery::Sent, WAIT_MAX));
    flow::send_all(&alice, bob.name(), messages, SENDERS_DEFAULT).await?;
    let (sent, _) = sent.await.map_err(|error| ClusterError::Wrong(error.to_string()))?;
    if sent.len() < messages {
        return Err(ClusterError::Wrong(format!(
            "of {messages} messages only {} are `sent`",
            sent.len()
        )));
    }
    flow::held(&mailbox, messages).await?;
    alice.stop().await?;

    let started = Instant::now();
    bob.start().await?;
    // All that came is in the log of events, however early it came.
    let events = bob.events(Some(0)).await?;
    let arrived = flow::arrivals(events, messages, WAIT_MAX).await;
    let last = arrived.iter().flatten().max().copied().unwrap_or_else(Instant::now);
    Ok(CatchUp {
        seconds: rounded((last - started).as_secs_f64()),
        lost: flow::lost(&bob, alice.name(), messages).await?,
    })
}

//! From the start of two daemons to the first message between them.

use std::time::Instant;

use martlet_protocol::control::Delivery;

use super::WAIT_MAX;
use super::report::rounded;
use crate::cluster::{Cluster, ClusterError, introduce};

/// Seconds from the start of both processes, on data directories with an identity and a contact
/// each, to the very first message between the two being `delivered`: so dialling, the exchange of
/// keys, the message and its receipt are in it.
pub(super) async fn run(cluster: &Cluster) -> Result<f64, ClusterError> {
    // Not connected, so that they can't have each other's keys.
    let mut alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[]).await?;
    introduce(&alice, &bob).await?;
    alice.stop().await?;
    bob.stop().await?;
    alice.options_mut().peers = vec![bob.address()?];
    bob.options_mut().peers = vec![alice.address()?];

    let started = Instant::now();
    alice.spawn()?;
    bob.spawn()?;
    alice.ready().await?;
    let sent = alice.send(bob.name(), "the first message").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, WAIT_MAX).await?;
    Ok(rounded(started.elapsed().as_secs_f64()))
}

//! How costs grow: with the messages of a conversation, with the contacts, and with what is in the
//! outbox of a user whose recipient is away.
//!
//! One pair of daemons grows from size to size, so that all of it is real: what is measured at
//! 100,000 messages was sent, delivered and acknowledged. Of two daemons the dearer one counts.

mod contacts;
mod measure;
mod messages;
mod outbox;

use super::report::GrowthFigures;
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce};

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct GrowthCounts {
    /// Messages of a conversation, from the least to the most, each at least the sends that are
    /// timed more than the one before.
    pub(super) messages: &'static [usize],
    /// Contacts, likewise.
    pub(super) contacts: &'static [usize],
    /// Messages in the outbox, likewise.
    pub(super) outbox: &'static [usize],
    /// Sends that are timed, one after another, at each size.
    pub(super) timed_sends: usize,
    /// Messages at full speed whose processor time is taken.
    pub(super) full_speed: usize,
    /// Messages at 20 a second whose processor time is taken.
    pub(super) paced: usize,
}

pub(super) async fn run(
    dir: &Cluster,
    counts: &GrowthCounts,
) -> Result<GrowthFigures, ClusterError> {
    Ok(GrowthFigures {
        messages: messages::run(dir, counts).await?,
        contacts: contacts::run(dir, counts).await?,
        outbox: outbox::run(dir, counts).await?,
    })
}

/// Two users, connected to each other and to `others`, in conversation.
async fn pair(
    cluster: &Cluster,
    names: [&str; 2],
    others: &[&Node],
) -> Result<(Node, Node), ClusterError> {
    let [alice, bob] = names;
    let alice = node(cluster, alice, others).await?;
    alice.init().await?;
    let mut peers = others.to_vec();
    peers.push(&alice);
    let bob = node(cluster, bob, &peers).await?;
    bob.init().await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&peers, WAIT_MAX).await?;
    flow::first_messages(&alice, &bob).await?;
    Ok((alice, bob))
}

/// A started node that takes what filling brings in a minute.
async fn node(cluster: &Cluster, name: &str, peers: &[&Node]) -> Result<Node, ClusterError> {
    let peers = peers.iter().map(|peer| peer.address()).collect::<Result<_, _>>()?;
    // Filling goes as fast as it can, so this is the most that a daemon takes; the default is the share of one peer
    // among many.
    let config = vec!["peer_envelopes_per_minute = 250000".to_owned()];
    let mut node = cluster.node(name, NodeOptions { peers, config, ..NodeOptions::default() });
    node.start().await?;
    Ok(node)
}

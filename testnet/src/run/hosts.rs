//! What the driver asks of where the nodes run.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::ClusterError;
use crate::dashboard::Abilities;
use crate::plan::{NodeIndex, Runner};

/// Where the nodes of a plan run. Nodes are called by their place in [`crate::plan::Plan::nodes`].
///
/// Calls for different nodes run at the same time; for one node, one after the other, in order of
/// their making. What an implementation can't do it says before anything runs, when it is made from
/// the plan.
pub trait Hosts {
    /// Which runner this is.
    fn runner(&self) -> Runner;

    /// What is not as the plan has it, for people: a link whose shape is not applied.
    fn notes(&self) -> &[String];

    /// What can be done to the network by hand, besides stopping and starting nodes; by default
    /// nothing.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }

    /// Cuts the link between two nodes, which are not told, or mends it. Asked only where
    /// [`Self::abilities`] has it.
    fn cut(&self, a: NodeIndex, b: NodeIndex, cut: bool) -> Result<(), ClusterError> {
        let what = if cut { "cut" } else { "mend" };
        Err(ClusterError::Wrong(format!("this network can't {what} the link of {a} and {b}")))
    }

    /// Starts all of `nodes` and connects those that are linked.
    fn begin(&self, nodes: &[NodeIndex]) -> impl Future<Output = Result<(), ClusterError>>;

    /// Starts a node, for the first time or again, with what is on its disk; returns once its
    /// control API answers.
    fn start(&self, node: NodeIndex) -> impl Future<Output = Result<(), ClusterError>>;

    /// Stops a node in an orderly way.
    fn stop(&self, node: NodeIndex) -> impl Future<Output = Result<(), ClusterError>>;

    /// Ends a node at once.
    fn kill(&self, node: NodeIndex) -> impl Future<Output = Result<(), ClusterError>>;

    /// Stops a node if it runs, and erases its disk.
    fn erase(&self, node: NodeIndex) -> impl Future<Output = Result<(), ClusterError>>;

    /// A node's control socket on this machine (of one elsewhere: where its control API is
    /// tunnelled to).
    fn socket(&self, node: NodeIndex) -> Result<PathBuf, ClusterError>;

    /// An error if a node that should run does not.
    fn check(&self, node: NodeIndex) -> impl Future<Output = Result<(), ClusterError>>;

    /// Lets only nodes of the same group reach each other.
    fn partition(
        &self,
        groups: &[Vec<NodeIndex>],
    ) -> impl Future<Output = Result<(), ClusterError>>;

    /// Lets all that are linked reach each other.
    fn heal(&self) -> impl Future<Output = Result<(), ClusterError>>;

    /// Makes every write to the node's disk that needs more room fail, or no longer.
    fn fill_disk(
        &self,
        node: NodeIndex,
        full: bool,
    ) -> impl Future<Output = Result<(), ClusterError>>;

    /// Sets a node's clock forward, or back.
    fn jump_clock(
        &self,
        node: NodeIndex,
        by_ms: i64,
    ) -> impl Future<Output = Result<(), ClusterError>>;

    /// Begins a flood of one node by a hostile one, and returns.
    fn flood(
        &self,
        at: NodeIndex,
        envelopes_per_s: u32,
        bytes: usize,
        lasts: Duration,
    ) -> impl Future<Output = Result<(), ClusterError>>;
}

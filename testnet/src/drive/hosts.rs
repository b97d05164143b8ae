//! Agents, as where a run's nodes are.

use std::path::PathBuf;
use std::time::Duration;

use super::Agents;
use crate::cluster::ClusterError;
use crate::plan::{NodeIndex, Runner};
use crate::run::Hosts;

/// What agents can't do is left out; whoever asked for it was told before.
impl Hosts for Agents {
    fn runner(&self) -> Runner {
        Runner::Agents
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    async fn begin(&self, nodes: &[NodeIndex]) -> Result<(), ClusterError> {
        self.begin(nodes).await
    }

    async fn start(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.start(node).await
    }

    async fn stop(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.stop(node).await
    }

    async fn kill(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.kill(node).await
    }

    async fn erase(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.erase(node).await
    }

    fn socket(&self, node: NodeIndex) -> Result<PathBuf, ClusterError> {
        self.socket(node)
    }

    async fn check(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.check(node).await
    }

    async fn partition(&self, _: &[Vec<NodeIndex>]) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn heal(&self) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn fill_disk(&self, _: NodeIndex, _: bool) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn jump_clock(&self, _: NodeIndex, _: i64) -> Result<(), ClusterError> {
        Ok(())
    }

    async fn flood(&self, _: NodeIndex, _: u32, _: usize, _: Duration) -> Result<(), ClusterError> {
        Ok(())
    }
}

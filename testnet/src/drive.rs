//! Runs a scenario on nodes that run elsewhere, each kept by an agent ([`crate::agent`]).
//!
//! Each agent is reached through a Unix socket made here (`drive/tunnel.rs`), so that whatever speaks with
//! a daemon on this machine speaks with one elsewhere in the same words.

mod hosts;
mod list;
mod tunnel;

use std::path::PathBuf;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use martlet_protocol::control::{PeerList, Status};
use martletctl::client::{Client, ClientError};
use tempfile::TempDir;

use crate::agent::Daemon;
use crate::cluster::{ClusterError, START_MAX, until};
use crate::export::{left_out_by_agents, left_out_of_links};
use crate::plan::{NodeIndex, Plan};

pub use list::{AgentList, AgentListError};

use tunnel::Tunnel;

/// Agents that are asked at the same time.
const ASKED_MAX: usize = 64;
/// How long linked nodes may take to connect, once both are on: their names must be known, and a
/// node whose peer wasn't there yet waits before it tries again.
const CONNECT_MAX: Duration = Duration::from_secs(90);
/// How long a daemon that runs may leave its agent without an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The nodes of a plan, each kept by an agent.
#[derive(Debug)]
pub struct Agents {
    nodes: Vec<Agent>,
    notes: Vec<String>,
    links: Vec<(NodeIndex, NodeIndex)>,
    /// Where the tunnels' sockets are.
    _dir: TempDir,
}

#[derive(Debug)]
struct Agent {
    name: String,
    client: Client,
    tunnel: Tunnel,
}

/// A plan has what agents can't do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("drive can't do all of this scenario; --skip-unsupported runs it without: {}", .0.join(" "))]
pub struct Unsupported(Vec<String>);

/// Refuses a plan with what agents can't do: without it, what it shows would seem to be so and not be tried.
///
/// # Errors
/// [`Unsupported`].
pub fn check(plan: &Plan) -> Result<(), Unsupported> {
    let left_out = left_out_by_agents(plan);
    if left_out.is_empty() { Ok(()) } else { Err(Unsupported(left_out)) }
}

impl Agents {
    /// Those of `list`, one for each node of `plan`, once all of them answer.
    ///
    /// # Errors
    /// When a node has none, or one doesn't answer within `wait`.
    pub async fn connect(
        plan: &Plan,
        list: &AgentList,
        wait: Duration,
    ) -> Result<Self, ClusterError> {
        // Not std::env::temp_dir(): a socket's path has at most 107 bytes.
        let dir = tempfile::Builder::new()
            .prefix("martlet-")
            .tempdir_in("/tmp")
            .map_err(|source| ClusterError::File { path: "/tmp".into(), source })?;
        let nodes = plan.nodes.iter().enumerate().map(|(index, node)| {
            let authority = list.get(&node.name).map_err(wrong)?;
            let socket = dir.path().join(index.to_string());
            let tunnel = Tunnel::open(socket.clone(), authority.to_owned())
                .map_err(|source| ClusterError::Link { node: node.name.clone(), source })?;
            Ok(Agent { name: node.name.clone(), client: Client::new(socket), tunnel })
        });
        let nodes = nodes.collect::<Result<Vec<_>, ClusterError>>()?;
        let links = plan.links.iter().map(|link| (link.a, link.b)).collect();
        let agents = Self { nodes, notes: left_out_of_links(plan), links, _dir: dir };
        let all: Vec<NodeIndex> = (0..agents.nodes.len()).collect();
        agents.each(&all, async |agent| agent.appear(wait).await).await?;
        Ok(agents)
    }

    /// Starts all of `nodes`, and waits until those that are linked are connected.
    ///
    /// # Errors
    /// When one doesn't start, or doesn't connect.
    pub async fn begin(&self, nodes: &[NodeIndex]) -> Result<(), ClusterError> {
        self.each(nodes, async |agent| agent.start().await).await?;
        let mut peer_ids = vec![None; self.nodes.len()];
        for node in nodes {
            let status: Status = self.node(*node)?.get("/v1/status").await?;
            peer_ids[*node] = Some(status.peer_id);
        }
        let links = self.links.iter().filter_map(|(a, b)| {
            peer_ids[*a].as_ref()?;
            Some((*a, *b, peer_ids[*b].as_ref()?))
        });
        stream::iter(links.map(Ok))
            .try_for_each_concurrent(ASKED_MAX, async |(a, b, peer_id)| {
                let (from, to) = (self.node(a)?, self.node(b)?);
                let what = format!(
                    "{} should be connected to {}; is it among its static_peers?",
                    from.name, to.name
                );
                until(what, CONNECT_MAX, async || {
                    let list: PeerList = from.get("/v1/peers").await?;
                    let mut connected = list.peers.iter().filter(|peer| peer.connected);
                    Ok(connected.any(|peer| peer.peer_id == *peer_id).then_some(()))
                })
                .await
            })
            .await
    }

    /// Starts a daemon, and waits until it answers.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn start(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.node(node)?.start().await
    }

    /// Stops a daemon, and waits until it has ended.
    ///
    /// # Errors
    /// When it doesn't in time.
    pub async fn stop(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.node(node)?.tell("stop").await
    }

    /// Kills a daemon.
    ///
    /// # Errors
    /// When its agent can't.
    pub async fn kill(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.node(node)?.tell("crash").await
    }

    /// Stops a daemon, and erases what it kept.
    ///
    /// # Errors
    /// When its agent can't.
    pub async fn erase(&self, node: NodeIndex) -> Result<(), ClusterError> {
        let node = self.node(node)?;
        node.tell("stop").await?;
        node.tell("erase").await
    }

    /// The socket of this machine through which a node is reached.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn socket(&self, node: NodeIndex) -> Result<PathBuf, ClusterError> {
        Ok(self.node(node)?.tunnel.socket().to_owned())
    }

    /// Whether a daemon that should run does.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn check(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.node(node)?.answers(ANSWER_MAX).await
    }

    fn node(&self, node: NodeIndex) -> Result<&Agent, ClusterError> {
        self.nodes.get(node).ok_or_else(|| wrong(format!("there is no node of number {node}")))
    }

    /// Does something with many agents at the same time.
    async fn each(
        &self,
        nodes: &[NodeIndex],
        act: impl AsyncFn(&Agent) -> Result<(), ClusterError>,
    ) -> Result<(), ClusterError> {
        let act = &act;
        let acts = nodes.iter().map(async |node| act(self.node(*node)?).await);
        stream::iter(acts).buffer_unordered(ASKED_MAX).try_collect().await
    }
}

impl Agent {
    /// Waits until it answers, whatever its daemon does.
    async fn appear(&self, wait: Duration) -> Result<(), ClusterError> {
        let what =
            format!("the agent of {} does not answer at {}", self.name, self.tunnel.authority());
        until(what, wait, async || match self.client.get::<Daemon>("/agent/ready").await {
            Ok(_) | Err(ClientError::Problem(_)) => Ok(Some(())),
            Err(ClientError::Protocol(reason)) => {
                Err(wrong(format!("what answers for {} is no agent: {reason}", self.name)))
            }
            Err(_) => Ok(None),
        })
        .await
    }

    async fn start(&self) -> Result<(), ClusterError> {
        self.tell("start").await?;
        self.answers(START_MAX).await
    }

    /// Waits until the daemon runs and answers.
    async fn answers(&self, wait: Duration) -> Result<(), ClusterError> {
        let mut last = None;
        let what = format!("{}'s daemon should answer", self.name);
        let waited =
            until(what, wait, async || match self.client.get::<Daemon>("/agent/ready").await {
                Ok(Daemon::On) => Ok(Some(())),
                Ok(Daemon::Off) => Err(ClusterError::NotRunning { node: self.name.clone() }),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            })
            .await;
        match (waited, last) {
            // The agent knows why better than the clock.
            (Err(ClusterError::TimedOut { .. }), Some(source)) => {
                Err(ClusterError::Client { node: self.name.clone(), source })
            }
            (waited, _) => waited,
        }
    }

    async fn tell(&self, what: &str) -> Result<(), ClusterError> {
        let told = self.client.post_empty(&format!("/agent/{what}")).await;
        told.map_err(|source| ClusterError::Client { node: self.name.clone(), source })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        let got = self.client.get(path).await;
        got.map_err(|source| ClusterError::Client { node: self.name.clone(), source })
    }
}

fn wrong(error: impl std::fmt::Display) -> ClusterError {
    ClusterError::Wrong(error.to_string())
}

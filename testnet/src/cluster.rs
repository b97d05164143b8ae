//! Real daemon processes in a temporary directory.
//!
//! ```text
//! /tmp/martlet-XXXXXX/       0700; removed with the cluster, unless kept
//!     alice.toml             configuration, written at each start
//!     alice.log              the process's output, appended at each start
//!     alice/                 data directory, with control.sock
//!     .owner                 the process that removes it; if that is gone, whoever cleans up does
//! ```
//!
//! Nodes listen on loopback only, on ports the system chose at their first start and that they keep
//! over restarts. mDNS is off: nodes know each other by the static peers a test gives them, directly
//! or over a [`Link`] that can be cut. Where a test is root, nodes can also run in the network
//! namespaces of a [`Lan`], and find each other by mDNS there.

mod clock;
mod error;
mod link;
mod metrics;
mod netns;
mod node;
mod owner;
mod process;
mod talk;
mod usage;
pub mod verbs;
mod wait;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub use clock::{clock_ahead_ms, follow_clock, set_clock};
pub use error::ClusterError;
pub use link::Link;
pub use metrics::Samples;
pub use netns::{HOSTS_MAX, Internet, Lan, LanError, PortMapping};
pub(crate) use netns::{address, needs_netem};
pub use node::{Node, NodeOptions, START_MAX, STOP_MAX};
pub use owner::{Leftovers, ProcessId, remove_leftovers};
pub use process::{Process, die_with_parent, remove_own_variables};
pub(crate) use process::{become_bound, bind_to_this_process};
pub use talk::{next_event, received_message, state_change};
pub use usage::{Usage, usage, written_bytes};
pub use wait::until;

/// Nodes that share a directory.
#[derive(Debug)]
pub struct Cluster {
    dir: Dir,
    program: PathBuf,
}

#[derive(Debug)]
enum Dir {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Cluster {
    /// A new directory under `/tmp`; nodes will run `program`, a `martlet-testnet` executable.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub fn new(program: impl Into<PathBuf>) -> Result<Self, ClusterError> {
        // Not std::env::temp_dir(): a socket's path has at most 107 bytes.
        Self::in_dir(program, Path::new("/tmp"))
    }

    /// The same, in `parent`, whose path should be under 60 bytes.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub fn in_dir(program: impl Into<PathBuf>, parent: &Path) -> Result<Self, ClusterError> {
        let dir = tempfile::Builder::new()
            .prefix(owner::DIR_PREFIX)
            .tempdir_in(parent)
            .map_err(|source| ClusterError::File { path: parent.to_owned(), source })?;
        owner::mark(dir.path())?;
        Ok(Self { dir: Dir::Temporary(dir), program: program.into() })
    }

    /// The same, where this process's own executable is a `martlet-testnet`.
    ///
    /// # Errors
    /// When the directory can't be made, or the executable isn't known.
    pub fn of_this_program(parent: &Path) -> Result<Self, ClusterError> {
        let program = std::env::current_exe()
            .map_err(|source| ClusterError::File { path: "/proc/self/exe".into(), source })?;
        Self::in_dir(program, parent)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.dir {
            Dir::Temporary(dir) => dir.path(),
            Dir::Kept(path) => path,
        }
    }

    /// Leaves the directory when the cluster is dropped.
    pub fn keep(&mut self) {
        if let Dir::Temporary(dir) = &mut self.dir {
            dir.disable_cleanup(true);
            owner::unmark(dir.path());
            self.dir = Dir::Kept(dir.path().to_owned());
        }
    }

    /// The `martlet-testnet` that nodes run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A node that is not started yet.
    #[must_use]
    pub fn node(&self, name: &str, options: NodeOptions) -> Node {
        Node::new(self.path(), &self.program, name, options)
    }

    /// A node, started and answering, with static peers.
    ///
    /// # Errors
    /// When it doesn't start.
    pub async fn start(&self, name: &str, peers: &[&Node]) -> Result<Node, ClusterError> {
        let peers = peers.iter().map(|peer| peer.address()).collect::<Result<_, _>>()?;
        let mut node = self.node(name, NodeOptions { peers, ..NodeOptions::default() });
        node.start().await?;
        Ok(node)
    }

    /// A started node with a user: an identity without a passphrase, called `name`.
    ///
    /// # Errors
    /// When it doesn't start or refuses.
    pub async fn user(&self, name: &str, peers: &[&Node]) -> Result<Node, ClusterError> {
        let node = self.start(name, peers).await?;
        node.init().await?;
        Ok(node)
    }
}

/// A report as JSON.
pub(crate) fn to_json(report: &impl serde::Serialize) -> Result<String, ClusterError> {
    serde_json::to_string(report).map_err(|error| ClusterError::Wrong(error.to_string()))
}

/// Makes contacts of two users, each under the other's node name.
///
/// # Errors
/// When a daemon refuses.
pub async fn introduce(a: &Node, b: &Node) -> Result<(), ClusterError> {
    a.add_contact(b.name(), &b.id().await?).await?;
    b.add_contact(a.name(), &a.id().await?).await?;
    Ok(())
}

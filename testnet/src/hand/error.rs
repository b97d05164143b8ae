//! What can go wrong with a network by hand.

use std::io;
use std::path::PathBuf;

use crate::cluster::ClusterError;

/// Why a network can't be started, used or ended.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// The name is taken.
    #[error(
        "{name} is up already; end it with `martlet-testnet down {name}`, or choose another name with --name"
    )]
    IsUp {
        /// The name.
        name: String,
    },
    /// None is up.
    #[error("no network is up; start one with `martlet-testnet up`")]
    NoneUp,
    /// None of this name.
    #[error("there is no network {name}; there are: {}", names.join(", "))]
    NoNetwork {
        /// What was asked for.
        name: String,
        /// What there is.
        names: Vec<String>,
    },
    /// Several are up, and none was named.
    #[error("which one? There are: {}", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// No such node.
    #[error("{network} has no node {node}; it has n1 to n{count}")]
    NoNode {
        /// The network.
        network: String,
        /// What was asked for.
        node: String,
        /// How many it has.
        count: usize,
    },
    /// It did not come up.
    #[error("{name} did not start: {said}")]
    NotUp {
        /// The network.
        name: String,
        /// What its supervisor said.
        said: String,
    },
    /// It did not go down.
    #[error("{name} does not end; its supervisor is process {pid}")]
    NotDown {
        /// The network.
        name: String,
        /// The process.
        pid: u32,
    },
    /// The directory of states belongs to someone else.
    #[error("{} belongs to another user, or others may write to it; remove it, or set XDG_RUNTIME_DIR", path.display())]
    NotOwn {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A command could not be run.
    #[error("cannot run {command}: {source}")]
    Command {
        /// Its name.
        command: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A node does not do what it should.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl HandError {
    /// Whether the arguments are to blame.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::IsUp { .. }
            | Self::NoneUp
            | Self::NoNetwork { .. }
            | Self::Several { .. }
            | Self::NoNode { .. } => true,
            Self::NotUp { .. }
            | Self::NotDown { .. }
            | Self::NotOwn { .. }
            | Self::File { .. }
            | Self::Command { .. }
            | Self::Cluster(_) => false,
        }
    }
}

//! What can go wrong with a cluster.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use martletctl::client::ClientError;

/// Why a node, or a network of them, did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A file of the cluster could not be used.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A link could not be made.
    #[error("link to node {node}: {source}")]
    Link {
        /// The node's name.
        node: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A network of namespaces could not be made or changed.
    #[error(transparent)]
    Lan(#[from] super::LanError),
    /// The process could not be started or signalled.
    #[error("process of node {node}: {source}")]
    Process {
        /// The node's name.
        node: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The process ended by itself.
    #[error("node {node} ended by itself ({status}); the end of its log:\n{log}")]
    Ended {
        /// The node's name.
        node: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// The node isn't running, or was never started.
    #[error("node {node} is not running")]
    NotRunning {
        /// The node's name.
        node: String,
    },
    /// It did not happen in time.
    #[error("waited {} s in vain: {what}", after.as_secs_f64())]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
    },
    /// A daemon refused, or did not answer.
    #[error("node {node}: {source}")]
    Client {
        /// The node's name.
        node: String,
        /// The client's reason.
        source: ClientError,
    },
    /// A part of a benchmark failed.
    #[error("{part}: {source}")]
    Part {
        /// The part.
        part: String,
        /// Why.
        source: Box<ClusterError>,
    },
    /// Something happened that must not happen.
    #[error("{0}")]
    Wrong(String),
}

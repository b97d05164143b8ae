//! Why a plan can't be run.

use std::io;
use std::time::Duration;

use crate::cluster::{ClusterError, LanError};
use crate::dashboard::DashboardError;
use crate::plan::NodeIndex;

/// Why a plan can't be run, or could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan asks for what this runner can't do.
    #[error("{runner} can't run this scenario: {}", reasons.join("; "))]
    Refused {
        /// The subcommand.
        runner: &'static str,
        /// What it can't do, and what to do instead.
        reasons: Vec<String>,
    },
    /// An event of the plan could not be carried out.
    #[error("{event}, {at:.1} s into the run: {source}", at = at.as_secs_f64())]
    Event {
        /// The word of the scenario file.
        event: &'static str,
        /// When.
        at: Duration,
        /// Why not.
        source: Box<ClusterError>,
    },
    /// A node, or a network of them, does not do what it should.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The page that shows the run can't be served.
    #[error(transparent)]
    Dashboard(#[from] DashboardError),
    /// A report could not be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A place in the plan that isn't there: a defect of what made it.
    #[error("the plan speaks of node {node}, and has none of this number")]
    NoNode {
        /// The number.
        node: NodeIndex,
    },
}

impl From<LanError> for RunError {
    fn from(error: LanError) -> Self {
        Self::Cluster(error.into())
    }
}

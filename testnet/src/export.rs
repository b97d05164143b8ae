//! The same scenario, for machines that this program doesn't run on: files for Kubernetes, for
//! compose, and for the Shadow simulator.
//!
//! Each node gets an agent ([`crate::agent`]), which keeps its daemon, and one more place runs
//! `drive` ([`crate::drive`]), which tells the agents what the scenario says and writes the report.
//! The same plan gives the same files, byte for byte.

mod compose;
mod files;
mod graph;
mod kubernetes;
mod left_out;
mod settings;
mod shadow;
mod yaml;

use std::io;
use std::path::PathBuf;

use crate::plan::Plan;

pub use files::{File, write};
pub use left_out::{left_out_by_agents, left_out_of_links};

/// The port that daemons listen on in exported networks.
const DAEMON_PORT: u16 = 4177;
/// How long a run may take beyond the scenario's own time: to start the nodes, make the users, and
/// stop.
const MARGIN_S: u64 = 300;

/// What runs the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The Shadow simulator: real programs, a simulated network and clock
    Shadow,
    /// A Kubernetes cluster
    Kubernetes,
    /// docker compose or podman-compose, on one machine
    Compose,
}

/// A scenario as it was found, to be taken along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The scenario file's text.
    pub text: String,
    /// The list of edges it names: the file's name and its text.
    pub edges: Option<(String, String)>,
    /// Arguments that `drive` needs to come to the same plan: `--seed 7`.
    pub arguments: Vec<String>,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportOptions {
    /// The container image, for Kubernetes and compose.
    pub image: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The files, in order of their paths.
    pub files: Vec<File>,
    /// What of the scenario this engine doesn't do, for people; it is in the README too.
    pub warnings: Vec<String>,
}

/// Why a scenario can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Two nodes would have the same name on the network.
    #[error(
        "nodes {first} and {second} differ only in capital letters, which names of hosts don't; rename one"
    )]
    SameName {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// The list of edges is in another directory than the scenario.
    #[error(
        "topology.file = {file:?}: put the list of edges beside the scenario, to be exported with it"
    )]
    EdgesElsewhere {
        /// As the scenario names it.
        file: String,
    },
    /// A graph with an edge for each pair would be too large.
    #[error(
        "{nodes} nodes with links of different shapes need a graph with an edge for each pair; Shadow exports have at \
         most {max} such nodes: use fewer nodes, or one shape for all links"
    )]
    TooManyNodes {
        /// The plan's.
        nodes: usize,
        /// The bound.
        max: usize,
    },
    /// A setting is out of the daemon's bounds.
    #[error("node {node}: {reason}")]
    Setting {
        /// The node.
        node: String,
        /// The daemon's reason.
        reason: String,
    },
    /// The directory has other files.
    #[error("{path} is not empty; give another --out, or --force to write into it", path = path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A file can't be written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A defect: values made here are always writable.
    #[error("cannot be written as text: {0}")]
    Text(String),
}

/// Makes the files that run `plan` on `engine`.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    engine: Engine,
    plan: &Plan,
    source: &Source,
    options: &ExportOptions,
) -> Result<Export, ExportError> {
    if let Some((file, _)) = &source.edges
        && file.contains('/')
    {
        return Err(ExportError::EdgesElsewhere { file: file.clone() });
    }
    let warnings = left_out::left_out(plan, engine);
    let mut files = match engine {
        Engine::Shadow => shadow::files(plan, source, &warnings)?,
        Engine::Kubernetes => kubernetes::files(plan, source, options, &warnings)?,
        Engine::Compose => compose::files(plan, source, options, &warnings)?,
    };
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Export { files, warnings })
}

/// Seconds that a run may take, in all.
fn time_max_s(plan: &Plan) -> u64 {
    plan.duration.as_secs() + MARGIN_S
}

/// What `drive` is given, on every engine: `here` has the scenario and the list of agents.
fn drive_arguments(plan: &Plan, source: &Source, here: &str, report: &str) -> Vec<String> {
    let agents = format!("{here}/agents.txt");
    let scenario = format!("{here}/{}", files::scenario_name(plan));
    let mut arguments: Vec<String> = vec!["drive".into(), scenario];
    arguments.extend(source.arguments.iter().cloned());
    // What is left out was told when the files were made.
    let rest = ["--agents", &agents, "--skip-unsupported", "--report", report, "--json"];
    arguments.extend(rest.map(str::to_owned));
    arguments
}

/// The list that `drive` finds the agents by.
fn agents_file(hosts: impl Iterator<Item = (String, String)>) -> String {
    let port = crate::agent::PORT;
    let lines = hosts.map(|(node, host)| format!("{node} http://{host}:{port}\n"));
    format!(
        "# Nodes and their agents, for martlet-testnet drive --agents.\n{}",
        lines.collect::<String>()
    )
}

/// The warnings as a list in a README.
fn as_list(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return "Nothing: this engine does all of it.".into();
    }
    let lines: Vec<String> = warnings.iter().map(|warning| format!("- {warning}")).collect();
    lines.join("\n")
}

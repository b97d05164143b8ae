//! Why a scenario is refused, before anything runs.

use std::path::PathBuf;

/// Why a scenario is refused.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A key or its value is wrong.
    #[error("{file}:{line}: {key}: {message}")]
    Wrong {
        /// The file.
        file: String,
        /// The line of the key, from 1; of its table, if the key is missing.
        line: usize,
        /// The key, such as `events[2].at`; lists are counted from 0.
        key: String,
        /// What is wrong; what to do.
        message: String,
    },
    /// Several things are wrong, in the order of the file.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nmartlet-testnet: "))]
    Several(Vec<ScenarioError>),
    /// What is given otherwise than in the file can't be.
    #[error("--set {setting}: {message}")]
    Setting {
        /// The key and its value.
        setting: String,
        /// What is wrong; what to do.
        message: String,
    },
    /// It is no TOML.
    #[error("{file}:{line}: this is not TOML: {message}")]
    NotToml {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// There is neither a file nor a ready scenario of that name.
    #[error(
        "there is no file {name:?} and no ready scenario of that name; the ready ones are {ready}"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        ready: String,
    },
    /// The file, or the list of edges it names, can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error(
        "{file}: the file is larger than {max} bytes; use groups of nodes (count = …) instead of single ones"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// What is read at most.
        max: u64,
    },
    /// The machine has not enough memory.
    #[error(
        "{scenario}: {nodes} nodes need about {needed_mib} MiB of memory, and {available_mib} MiB are available; \
         use fewer nodes, or --nodes {nodes_max}"
    )]
    Memory {
        /// The scenario's name.
        scenario: String,
        /// How many nodes it has.
        nodes: usize,
        /// What they need, MiB.
        needed_mib: u64,
        /// What there is, MiB.
        available_mib: u64,
        /// How many nodes would fit.
        nodes_max: u64,
    },
}

/// What is wrong with a scenario and by which key, as yet without a file and a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) message: String,
}

impl ScenarioError {
    /// Of at least one: itself, or several, each once.
    pub(crate) fn of(errors: Vec<Self>) -> Self {
        let mut each: Vec<Self> = Vec::new();
        for error in errors {
            if !each.iter().any(|known| known.to_string() == error.to_string()) {
                each.push(error);
            }
        }
        each.sort_by_key(|error| match error {
            Self::Wrong { line, .. } | Self::NotToml { line, .. } => *line,
            Self::Several(_)
            | Self::Setting { .. }
            | Self::Unknown { .. }
            | Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Memory { .. } => 0,
        });
        if each.len() > 1 { Self::Several(each) } else { each.remove(0) }
    }
}

/// What is wrong with a scenario; work goes on after a fault, to find the others too.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// What a step gave; nothing if it failed.
    pub(crate) fn keep<T>(&mut self, found: Result<T, Fault>) -> Option<T> {
        found.map_err(|fault| self.0.push(fault)).ok()
    }

    /// The same of a step that may find several.
    pub(crate) fn keep_all<T>(&mut self, found: Result<T, Vec<Fault>>) -> Option<T> {
        found.map_err(|faults| self.0.extend(faults)).ok()
    }

    /// `value`, if nothing was wrong.
    pub(crate) fn unless<T>(self, value: T) -> Result<T, Vec<Fault>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// What was wrong.
    pub(crate) fn into_inner(self) -> Vec<Fault> {
        self.0
    }
}

impl Fault {
    /// `message` says what is wrong and what to do.
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

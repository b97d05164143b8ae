//! The networks that are up, each in a file `NAME.json` of `$XDG_RUNTIME_DIR/martlet-testnet` or
//! `/tmp/martlet-testnet-UID`, beside its supervisor's log.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HandError;
use crate::cluster::{Leftovers, ProcessId, remove_leftovers, to_json};

/// A network that is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The process that has it.
    pub supervisor: ProcessId,
    /// Where its nodes' data and logs are.
    pub dir: PathBuf,
    /// Whether its users are to be made yet.
    pub bare: bool,
    /// The page that shows it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<String>,
    /// Its nodes.
    pub nodes: Vec<NodeState>,
}

/// A node of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Its process.
    pub process: ProcessId,
    /// Its control socket.
    pub socket: PathBuf,
    /// Its log.
    pub log: PathBuf,
    /// What others dial.
    pub addresses: Vec<String>,
    /// Its network namespace, if it has one.
    pub namespace: Option<String>,
}

/// The directory of the files.
#[derive(Debug)]
pub(super) struct States {
    dir: PathBuf,
}

/// What was left by networks whose supervisor is gone, and by runs that crashed, and removed.
#[derive(Debug, Default)]
pub(super) struct Cleaned {
    /// The networks' names.
    pub(super) names: Vec<String>,
    left: Leftovers,
}

impl States {
    /// Opens the directory; makes it if there is none.
    pub(super) fn open() -> Result<Self, HandError> {
        let own = rustix::process::geteuid().as_raw();
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let dir = match runtime.filter(|path| path.is_absolute() && path.is_dir()) {
            Some(runtime) => runtime.join("martlet-testnet"),
            None => PathBuf::from(format!("/tmp/martlet-testnet-{own}")),
        };
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                return Err(HandError::File { path: dir, source });
            }
            _ => {}
        }
        // /tmp is everyone's: what is read here names processes to end.
        let found = fs::symlink_metadata(&dir)
            .map_err(|source| HandError::File { path: dir.clone(), source })?;
        if !found.is_dir() || found.uid() != own || found.mode() & 0o022 != 0 {
            return Err(HandError::NotOwn { path: dir });
        }
        Ok(Self { dir })
    }

    pub(super) fn log_file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    /// The network of this name, if it is up.
    pub(super) fn get(&self, name: &str) -> Result<Option<Network>, HandError> {
        Ok(self.all()?.into_iter().find(|network| network.name == name))
    }

    /// All networks that are up, by name.
    pub(super) fn all(&self) -> Result<Vec<Network>, HandError> {
        let mut networks = self.read()?;
        networks.retain(|network| network.supervisor.is_alive());
        networks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(networks)
    }

    /// The named one, or the only one.
    pub(super) fn one(&self, name: Option<&str>) -> Result<Network, HandError> {
        let mut networks = self.all()?;
        if networks.is_empty() {
            return Err(HandError::NoneUp);
        }
        let names: Vec<String> = networks.iter().map(|network| network.name.clone()).collect();
        match (name, networks.len()) {
            (None, 1) => Ok(networks.remove(0)),
            (None, _) => Err(HandError::Several { names }),
            (Some(name), _) => networks
                .into_iter()
                .find(|network| network.name == name)
                .ok_or_else(|| HandError::NoNetwork { name: name.to_owned(), names }),
        }
    }

    /// A node, by `NODE` or `NETWORK/NODE`.
    pub(super) fn node(&self, text: &str) -> Result<NodeState, HandError> {
        let (network, node) = match text.split_once('/') {
            Some((network, node)) => (Some(network), node),
            None => (None, text),
        };
        let network = self.one(network)?;
        let found = network.nodes.iter().find(|state| state.name == node).cloned();
        found.ok_or_else(|| HandError::NoNode {
            node: node.to_owned(),
            count: network.nodes.len(),
            network: network.name,
        })
    }

    pub(super) fn write(&self, network: &Network) -> Result<(), HandError> {
        let path = self.file(&network.name);
        let file = |source| HandError::File { path: path.clone(), source };
        // Whole or not at all: others read it at any time.
        let mut new = tempfile::NamedTempFile::new_in(&self.dir).map_err(file)?;
        io::Write::write_all(&mut new, to_json(network)?.as_bytes()).map_err(file)?;
        new.persist(&path).map_err(|error| file(error.error))?;
        Ok(())
    }

    pub(super) fn remove(&self, name: &str) {
        // Without it, or with a supervisor that is gone, it means the same.
        let _ = fs::remove_file(self.file(name));
    }

    /// Removes what is left of networks and runs that ended without doing so: files, directories,
    /// namespaces. (Their processes have ended with them.)
    pub(super) fn clean(&self) -> Cleaned {
        let mut cleaned = Cleaned::default();
        let dead = self.read().unwrap_or_default();
        for network in dead.into_iter().filter(|network| !network.supervisor.is_alive()) {
            self.remove(&network.name);
            cleaned.names.push(network.name);
        }
        cleaned.left = remove_leftovers(Path::new("/tmp"));
        cleaned
    }

    fn read(&self) -> Result<Vec<Network>, HandError> {
        let file = |source| HandError::File { path: self.dir.clone(), source };
        let mut networks = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(file)? {
            let path = entry.map_err(file)?.path();
            if path.extension().is_some_and(|extension| extension == "json")
                // One that was removed this moment, or is of another version, is none.
                && let Ok(bytes) = fs::read(&path)
                && let Ok(network) = serde_json::from_slice(&bytes)
            {
                networks.push(network);
            }
        }
        Ok(networks)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.json"))
    }
}

impl Cleaned {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.left == Leftovers::default()
    }

    /// Says on standard error what was removed.
    pub(super) fn tell(&self) {
        for name in &self.names {
            eprintln!("Removed what was left of {name}, whose supervisor is gone.");
        }
        for path in &self.left.directories {
            eprintln!("Removed {}, left by a run that is gone.", path.display());
        }
        if self.left.namespaces > 0 {
            eprintln!("Removed {} network namespaces of runs that are gone.", self.left.namespaces);
        }
    }
}

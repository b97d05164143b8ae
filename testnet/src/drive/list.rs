//! Where the agents are: `name=http://host:port` on the command line, `name http://host:port` in
//! the lines of a file.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a file, 10,000 nodes with long names.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Nodes and their agents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentList(BTreeMap<String, String>);

/// Why a list is refused, or lacks a node.
#[derive(Debug, thiserror::Error)]
pub enum AgentListError {
    /// The file can't be read.
    #[error("--agents: {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is too long for a list of agents.
    #[error("--agents: {path} has over {FILE_BYTES_MAX} bytes", path = path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Not a name and an address.
    #[error("--agents: {place}: write a node's name and its agent like n1 http://10.0.0.7:4180")]
    Malformed {
        /// Where it stands.
        place: String,
    },
    /// A node twice.
    #[error("--agents: {place}: there is an agent of {node} already")]
    Twice {
        /// Where it stands.
        place: String,
        /// The node.
        node: String,
    },
    /// A node of the scenario has no agent.
    #[error("--agents: there is none of the scenario's node {node}")]
    Missing {
        /// The node.
        node: String,
    },
}

impl AgentList {
    /// From `--agents`, given any number of times: each a pair, or a file.
    ///
    /// # Errors
    /// [`AgentListError`].
    pub fn parse(arguments: &[String]) -> Result<Self, AgentListError> {
        let mut list = Self::default();
        for argument in arguments {
            match argument.split_once("=http://") {
                Some((name, authority)) => list.add(name, authority, argument.clone())?,
                None => list.add_file(Path::new(argument))?,
            }
        }
        Ok(list)
    }

    /// Host and port of a node's agent.
    ///
    /// # Errors
    /// [`AgentListError::Missing`].
    pub fn get(&self, node: &str) -> Result<&str, AgentListError> {
        let found = self.0.get(node).map(String::as_str);
        found.ok_or_else(|| AgentListError::Missing { node: node.to_owned() })
    }

    fn add_file(&mut self, path: &Path) -> Result<(), AgentListError> {
        let failed = |source| AgentListError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = martlet_input::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(AgentListError::TooLong { path: path.to_owned() });
        }
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let place = format!("{}:{}", path.display(), index + 1);
            match line.split_once(char::is_whitespace) {
                Some((name, url)) => {
                    let url = url.trim_start();
                    let authority = url.strip_prefix("http://").unwrap_or_default();
                    self.add(name, authority, place)?;
                }
                None => return Err(AgentListError::Malformed { place }),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, authority: &str, place: String) -> Result<(), AgentListError> {
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let has_port = authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if name.is_empty() || !has_port || authority.contains(['/', '@', ' ']) {
            return Err(AgentListError::Malformed { place });
        }
        match self.0.insert(name.to_owned(), authority.to_owned()) {
            None => Ok(()),
            Some(_) => Err(AgentListError::Twice { place, node: name.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Write;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<AgentList, AgentListError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        AgentList::parse(&arguments)
    }

    #[test]
    fn pairs_and_files_make_one_list() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "# all\n\nn2   http://full-1.nodes:4180/  # the second").unwrap();
        let path = file.path().display().to_string();
        let list = parse(&["n1=http://[::1]:7", &path]).unwrap();
        assert_eq!(list.get("n1").unwrap(), "[::1]:7");
        assert_eq!(list.get("n2").unwrap(), "full-1.nodes:4180");
        assert!(list.get("n3").unwrap_err().to_string().contains("n3"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "n1=http://host",
            "n1=http://:1",
            "=http://a:1",
            "n1=http://a:99999",
            "n1=http://a/b:1",
        ] {
            let error = parse(&[bad]).unwrap_err().to_string();
            assert!(error.contains("like n1 http://"), "{bad}: {error}");
        }
        assert!(parse(&["/nowhere/agents.txt"]).unwrap_err().to_string().contains("nowhere"));
        let twice = parse(&["n1=http://a:1", "n1=http://a:2"]).unwrap_err();
        assert!(matches!(twice, AgentListError::Twice { .. }), "{twice}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "n1 http://a:1\nn2 https://a:1").unwrap();
        let path = file.path().display().to_string();
        let error = parse(&[&path]).unwrap_err().to_string();
        assert!(error.contains(&format!("{path}:2")), "{error}");
    }
}

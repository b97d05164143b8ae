//! Whose a directory of nodes is, so that what a crashed run left can be told from what is in use.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{ClusterError, netns};

/// In the directory of a cluster.
const OWNER_FILE: &str = ".owner";
/// What the directories of clusters begin with.
pub(super) const DIR_PREFIX: &str = "martlet-";

/// A process that can't be taken for a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started, clock ticks after the machine did (field 22 of proc_pid_stat(5)).
    pub started_ticks: u64,
}

/// What [`remove_leftovers`] removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Directories with data of nodes.
    pub directories: Vec<PathBuf>,
    /// Network namespaces.
    pub namespaces: usize,
}

impl ProcessId {
    /// This process; `None` without `/proc`.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// The process that has this number now; `None` if none has (or only one that has ended and is
    /// not waited for).
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name is in parentheses and may hold anything. State is the first field
        // after it, the start's time the 20th.
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut fields = after_name.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        Some(Self { pid, started_ticks: fields.nth(18)?.parse().ok()? })
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, if it still runs.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(self, signal: rustix::process::Signal) -> std::io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        match pid {
            Some(pid) if self.is_alive() => Ok(rustix::process::kill_process(pid, signal)?),
            _ => Ok(()),
        }
    }
}

/// Removes what runs left that ended without doing so themselves: directories under `parent`, and
/// network namespaces (if this is root). What was to be kept, and what is another user's, stays.
#[must_use]
pub fn remove_leftovers(parent: &Path) -> Leftovers {
    let mut left = Leftovers::default();
    let own = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(DIR_PREFIX))
            && entry.metadata().is_ok_and(|found| {
                use std::os::unix::fs::MetadataExt;
                found.is_dir() && found.uid() == own
            })
    }) {
        let path = entry.path();
        let owner = fs::read(path.join(OWNER_FILE)).ok();
        let owner: Option<ProcessId> = owner.and_then(|owner| serde_json::from_slice(&owner).ok());
        // Without an owner: kept, or made this moment.
        if owner.is_some_and(|owner| !owner.is_alive()) && fs::remove_dir_all(&path).is_ok() {
            left.directories.push(path);
        }
    }
    if rustix::process::geteuid().is_root() {
        left.namespaces = netns::remove_leftovers();
    }
    left
}

/// Makes this process the owner of a directory.
pub(super) fn mark(dir: &Path) -> Result<(), ClusterError> {
    let Some(owner) = ProcessId::current() else { return Ok(()) };
    let path = dir.join(OWNER_FILE);
    let owner = super::to_json(&owner)?;
    fs::write(&path, owner).map_err(|source| ClusterError::File { path, source })
}

/// Leaves a directory to the user.
pub(super) fn unmark(dir: &Path) {
    // If it can't be removed the next cleaning takes the directory with it; nothing better can be
    // done here.
    let _ = fs::remove_file(dir.join(OWNER_FILE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_removed_and_nothing_else()
    -> Result<(), Box<dyn std::error::Error>> {
        let parent = tempfile::tempdir()?;
        let dir = |name: &str, owner: Option<ProcessId>| {
            let path = parent.path().join(name);
            fs::create_dir(&path)?;
            if let Some(owner) = owner {
                fs::write(path.join(OWNER_FILE), serde_json::to_vec(&owner)?)?;
            }
            Ok::<_, Box<dyn std::error::Error>>(path)
        };
        let own = ProcessId::current().ok_or("no /proc")?;
        // The same number, another process.
        let reused = ProcessId { started_ticks: own.started_ticks + 1, ..own };
        let dead = dir("martlet-dead", Some(reused))?;
        let kept = [
            dir("martlet-alive", Some(own))?,
            dir("martlet-kept", None)?,
            dir("other", Some(reused))?,
        ];
        assert_eq!(remove_leftovers(parent.path()).directories, std::slice::from_ref(&dead));
        assert!(!dead.exists() && kept.iter().all(|path| path.exists()));
        Ok(())
    }

    #[test]
    fn a_process_that_ended_is_not_alive() -> Result<(), Box<dyn std::error::Error>> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let id = ProcessId::of(child.id()).ok_or("it should run")?;
        assert!(id.is_alive());
        child.kill()?;
        // Not yet waited for, or gone: both are the end.
        while id.is_alive() {
            std::thread::yield_now();
        }
        child.wait()?;
        Ok(())
    }
}

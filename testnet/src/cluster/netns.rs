//! A local network of its own, in network namespaces (network_namespaces(7)): no node in it can
//! reach anything else, and nothing else is touched. Needs Linux, root (`CAP_NET_ADMIN`,
//! `CAP_SYS_ADMIN`), and `ip` of iproute2.
//!
//! ```text
//!     namespace per host          namespace "switch"
//!     eth0 10.77.0.1/24  ──veth── p0 ┐
//!     eth0 10.77.0.2/24  ──veth── p1 ┴ bridge0 ── cross0
//!                                                   │ veth, up or down
//!     eth0 10.77.0.3/24  ──veth── p2 ─ bridge1 ── cross1
//! ```
//!
//! Hosts can also be sorted into any number of groups ([`Lan::separate`]): each has a bridge of its own then, and
//! who is alone has no cable.
//!
//! Namespaces are called `martlet-<process id>-<number>-<host>`. Those of a process that is gone are
//! removed when the next network is made.

mod nat;
mod shape;

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ProcessId;

pub use nat::{Internet, PortMapping};
pub(crate) use shape::needs_netem;

/// Most hosts: what 10.77.0.0/24 has.
pub const HOSTS_MAX: usize = 254;
/// Where iproute2 keeps the names.
const NAMES_DIR: &str = "/run/netns";
const PREFIX: &str = "martlet-";

/// Why there is no such network.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// Only root can make namespaces.
    #[error("network namespaces need root")]
    NotRoot,
    /// More hosts than addresses.
    #[error("{hosts} hosts are more than {HOSTS_MAX}")]
    TooManyHosts {
        /// How many were asked for.
        hosts: usize,
    },
    /// `ip` could not be run.
    #[error("`ip` of iproute2 can't be run: {source}; on Debian it is in the package iproute2")]
    NoIp {
        /// The system's reason.
        source: io::Error,
    },
    /// `ip` or `tc` refused.
    #[error("`{command}`: {said}")]
    Refused {
        /// The program and its arguments, or the batch's first line.
        command: String,
        /// What it said.
        said: String,
    },
}

/// Two segments, one network. Removed when dropped.
#[derive(Debug)]
pub struct Lan {
    name: String,
    hosts: usize,
    /// Bridges of the groups it is separated into.
    groups: AtomicUsize,
}

impl Lan {
    /// A network with so many hosts on each segment, connected. Hosts are numbered from 0, those of
    /// the first segment first.
    ///
    /// # Errors
    /// [`LanError`]: most likely this isn't root, or a container's that may not do this.
    pub fn new(segments: [usize; 2]) -> Result<Self, LanError> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let hosts = segments.iter().sum();
        if hosts > HOSTS_MAX {
            return Err(LanError::TooManyHosts { hosts });
        }
        if !rustix::process::geteuid().is_root() {
            return Err(LanError::NotRoot);
        }
        remove_leftovers();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // From here on what was made is removed, also when the rest fails.
        let lan = Self {
            name: format!("{PREFIX}{}-{number}", std::process::id()),
            hosts,
            groups: AtomicUsize::new(0),
        };
        lan.make(segments)?;
        Ok(lan)
    }

    /// The namespace of a host, for [`super::NodeOptions::namespace`].
    #[must_use]
    pub fn namespace(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }

    /// Cuts the two segments apart, without a word to the hosts: what they send across is lost.
    ///
    /// # Errors
    /// [`LanError::Refused`].
    pub fn split(&self) -> Result<(), LanError> {
        ip(&["-n", &self.switch(), "link", "set", "cross0", "down"], "")
    }

    /// Connects them again.
    ///
    /// # Errors
    /// [`LanError::Refused`].
    pub fn heal(&self) -> Result<(), LanError> {
        ip(&["-n", &self.switch(), "link", "set", "cross0", "up"], "")
    }

    /// Moves each host to the bridge of its group, so that only hosts of one group reach each other; who is alone
    /// in a group finds the cable pulled. `group_of` has each host's group; those past its end stay where they are.
    ///
    /// # Errors
    /// [`LanError::Refused`].
    pub fn separate(&self, group_of: &[usize]) -> Result<(), LanError> {
        self.reunite()?;
        let groups = group_of.iter().max().map_or(0, |last| last + 1);
        self.groups.store(groups, Ordering::Relaxed);
        let mut batch = Vec::new();
        for group in 0..groups {
            batch.push(format!("link add group{group} type bridge"));
            batch.push(format!("link set group{group} up"));
        }
        for (host, group) in group_of.iter().enumerate().take(self.hosts) {
            batch.push(format!("link set p{host} master group{group}"));
            let is_alone = group_of.iter().filter(|other| *other == group).count() == 1;
            if is_alone {
                batch.push(format!("link set p{host} down"));
            }
        }
        ip(&["-n", &self.switch(), "-batch", "-"], &batch.join("\n"))
    }

    /// Connects all that [`Self::separate`] took apart, in one segment. Does nothing if nothing was.
    ///
    /// # Errors
    /// [`LanError::Refused`].
    pub fn reunite(&self) -> Result<(), LanError> {
        let groups = self.groups.swap(0, Ordering::Relaxed);
        if groups == 0 {
            return Ok(());
        }
        let mut batch = Vec::new();
        for host in 0..self.hosts {
            batch.push(format!("link set p{host} master bridge0"));
            batch.push(format!("link set p{host} up"));
        }
        batch.extend((0..groups).map(|group| format!("link delete group{group}")));
        ip(&["-n", &self.switch(), "-batch", "-"], &batch.join("\n"))
    }

    fn make(&self, segments: [usize; 2]) -> Result<(), LanError> {
        let switch = self.switch();
        let mut from_outside = vec![format!("netns add {switch}")];
        let mut in_switch = vec![
            "link add bridge0 type bridge".to_owned(),
            "link add bridge1 type bridge".to_owned(),
            "link add cross0 type veth peer name cross1".to_owned(),
            "link set cross0 master bridge0".to_owned(),
            "link set cross1 master bridge1".to_owned(),
        ];
        for host in 0..self.hosts {
            let namespace = self.namespace(host);
            let segment = usize::from(host >= segments[0]);
            from_outside.push(format!("netns add {namespace}"));
            in_switch.push(format!("link add p{host} type veth peer name eth0 netns {namespace}"));
            in_switch.push(format!("link set p{host} master bridge{segment}"));
            in_switch.push(format!("link set p{host} up"));
        }
        for interface in ["bridge0", "bridge1", "cross0", "cross1"] {
            in_switch.push(format!("link set {interface} up"));
        }
        ip(&["-batch", "-"], &from_outside.join("\n"))?;
        ip(&["-n", &switch, "-batch", "-"], &in_switch.join("\n"))?;
        for host in 0..self.hosts {
            let in_host = format!(
                "link set lo up\naddress add {}/24 dev eth0\nlink set eth0 up",
                address(host)
            );
            ip(&["-n", &self.namespace(host), "-batch", "-"], &in_host)?;
        }
        Ok(())
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // With its namespaces go the links in them. What can't be removed now is found by the next.
        for namespace in (0..self.hosts).map(|host| self.namespace(host)).chain([self.switch()]) {
            if Path::new(NAMES_DIR).join(&namespace).exists() {
                let _ = ip(&["netns", "delete", &namespace], "");
            }
        }
    }
}

/// The address of a host.
pub(crate) fn address(host: usize) -> Ipv4Addr {
    // There are `HOSTS_MAX` at most.
    Ipv4Addr::new(10, 77, 0, u8::try_from(host + 1).unwrap_or(u8::MAX))
}

/// Removes the namespaces of processes that ended without doing so; returns how many.
pub(crate) fn remove_leftovers() -> usize {
    // No directory: no namespaces.
    let Ok(names) = fs::read_dir(NAMES_DIR) else { return 0 };
    let mut removed = 0;
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if owner(&name).is_some_and(|pid| ProcessId::of(pid).is_none()) {
            // Another process may be removing it as well.
            removed += usize::from(ip(&["netns", "delete", &name], "").is_ok());
        }
    }
    removed
}

/// The process that made a namespace of this name.
fn owner(namespace: &str) -> Option<u32> {
    namespace.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Runs `ip`, with `input` as its standard input.
fn ip(args: &[&str], input: &str) -> Result<(), LanError> {
    run("ip", args, input)
}

fn run(program: &str, args: &[&str], input: &str) -> Result<(), LanError> {
    let no_ip = |source| LanError::NoIp { source };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(no_ip)?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it ended before it read all, it says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(no_ip)?;
    if output.status.success() {
        return Ok(());
    }
    let command = match input.lines().next() {
        Some(first) => first.to_owned(),
        None => format!("{program} {}", args.join(" ")),
    };
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(LanError::Refused { command, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_whose_a_namespace_is() {
        assert_eq!(owner("martlet-4711-0-switch"), Some(4711));
        assert_eq!(owner("martlet-4711-0-19"), Some(4711));
        assert_eq!(owner("martlet-ship"), None);
        assert_eq!(owner("somebody-4711-0"), None);
    }
}

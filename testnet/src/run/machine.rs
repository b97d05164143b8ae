//! What this machine can't do for a plan, found out before anything runs.

use std::fs;

use martletd::net::GossipPolicy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::{LinkTransport, Plan, Settings};
use crate::scenario::PROCESS_NODE_BYTES;

/// Files and sockets of this process in any case.
const FILES_BASE: usize = 64;
/// Those for a node: a client, and one of the samples.
const FILES_PER_NODE: usize = 3;
/// Those for a user: two clients more.
const FILES_PER_USER: usize = 2;
/// Those for a link that is proxied: each way a listener, and one connection of two sockets and two
/// timers.
const FILES_PER_LINK: usize = 6;

/// What a run needs of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) nodes: usize,
    pub(super) users: usize,
    /// Links that run through this process.
    pub(super) proxied: usize,
}

/// What is not as the plan has it.
pub(super) fn notes(plan: &Plan) -> Vec<String> {
    let Settings { quiet_factor, gossip, costs, transport, .. } = plan.settings;
    [
        (quiet_factor > 1, "quiet_factor is for sim: these daemons run at their usual pace"),
        (
            gossip != GossipPolicy::default(),
            "settings.gossip is for sim: these daemons gossip as they always do",
        ),
        (costs.is_some(), "settings.costs is for sim: these daemons take what they take"),
        (
            transport != LinkTransport::default(),
            "links.transport is for sim: these daemons encrypt and multiplex as they always do",
        ),
    ]
    .into_iter()
    .filter(|(is_so, _)| *is_so)
    .map(|(_, note)| note.to_owned())
    .collect()
}

/// What the machine has too little of. Raises this process's own limit of open files as far as it
/// may.
pub(super) fn lacks(needs: Needs) -> Vec<String> {
    let mut reasons = Vec::new();
    let files = FILES_BASE
        + FILES_PER_NODE * needs.nodes
        + FILES_PER_USER * needs.users
        + FILES_PER_LINK * needs.proxied;
    reasons.extend(lacks_files(u64::try_from(files).unwrap_or(u64::MAX)));
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    reasons.extend(lacks_memory(needs.nodes, &meminfo));
    reasons
}

fn lacks_files(files: u64) -> Option<String> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No limit is enough.
    let (Some(soft), hard) = (current, maximum.unwrap_or(u64::MAX)) else { return None };
    if soft >= files {
        return None;
    }
    let raised = Rlimit { current: Some(files.min(hard)), maximum };
    if files <= hard && setrlimit(Resource::Nofile, raised).is_ok() {
        return None;
    }
    Some(format!(
        "it needs {files} open files, and {hard} are allowed; raise it: ulimit -Hn {files}"
    ))
}

fn lacks_memory(nodes: usize, meminfo: &str) -> Option<String> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    let available = available.checked_mul(1024)?;
    let needed = PROCESS_NODE_BYTES.checked_mul(u64::try_from(nodes).ok()?)?;
    let mib = |bytes: u64| bytes >> 20;
    (needed > available).then(|| {
        format!(
            "{nodes} processes need about {} MiB of memory, and {} MiB are available: {} nodes would fit; sim needs less",
            mib(needed),
            mib(available),
            available / PROCESS_NODE_BYTES
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_told_with_what_would_fit() {
        let meminfo = "MemTotal:       16000000 kB\nMemAvailable:    1024000 kB\n";
        assert_eq!(lacks_memory(10, meminfo), None);
        let reason = lacks_memory(100, meminfo).unwrap_or_default();
        assert!(reason.contains("100 processes need about 2800 MiB"), "{reason}");
        assert!(reason.contains("1000 MiB are available: 35 nodes would fit"), "{reason}");
        assert_eq!(lacks_memory(100, "no such line"), None);
    }

    #[test]
    fn files_are_refused_only_past_the_hard_limit() {
        assert_eq!(lacks_files(16), None);
        if getrlimit(Resource::Nofile).maximum.is_some() {
            assert!(lacks_files(u64::MAX).is_some());
        }
    }
}

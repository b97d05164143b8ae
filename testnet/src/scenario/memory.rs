//! What a plan needs of memory, estimated before it starts.

use super::error::ScenarioError;
use crate::plan::{Plan, Runner, Way};

/// What a simulated node takes: engine, databases, swarm and its share of links, bytes. With the
/// next, as measured with 100 nodes (2.9 MB each).
const SIM_NODE_BYTES: u64 = 2_500_000;
/// What the keys of each user take in each simulated node's mailbox, bytes.
const SIM_KEYS_BYTES: u64 = 5_000;
/// What a daemon's process takes, bytes: 20 MiB idle, and some for its traffic.
pub(crate) const PROCESS_NODE_BYTES: u64 = 28 << 20;
/// What a message takes: in the plan and the report, bytes.
const MESSAGE_BYTES: u64 = 200;
/// What the runner takes itself, bytes.
const BASE_BYTES: u64 = 50_000_000;

const MIB: u64 = 1 << 20;

/// What a run of `plan` takes, bytes.
#[must_use]
pub fn memory_bytes(plan: &Plan, runner: Runner) -> u64 {
    let nodes = plan.nodes.len() as u64 * node_bytes(plan, runner);
    BASE_BYTES + plan.messages.len() as u64 * MESSAGE_BYTES + nodes + parts_bytes(plan, runner)
}

/// Memory of this machine that programs can still have, bytes (`MemAvailable` of proc_meminfo(5));
/// `None` where the system does not say.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Whether that is available.
///
/// # Errors
///
/// [`ScenarioError::Memory`] if it is not.
pub fn check_memory(
    plan: &Plan,
    runner: Runner,
    available_bytes: u64,
) -> Result<(), ScenarioError> {
    let needed = memory_bytes(plan, runner);
    if needed <= available_bytes {
        return Ok(());
    }
    let of_nodes = plan.nodes.len() as u64 * node_bytes(plan, runner);
    let for_nodes = available_bytes.saturating_sub(needed - of_nodes);
    Err(ScenarioError::Memory {
        scenario: plan.name.clone(),
        nodes: plan.nodes.len(),
        needed_mib: needed.div_ceil(MIB),
        available_mib: available_bytes / MIB,
        nodes_max: for_nodes / node_bytes(plan, runner).max(1),
    })
}

/// What parts of files take in the mailboxes of a simulation, which have one copy of each; of direct files nothing is in memory.
fn parts_bytes(plan: &Plan, runner: Runner) -> u64 {
    let files = plan.messages.iter().filter_map(|message| message.file);
    let goes_so = |bytes: &u64| plan.network.way_of(*bytes) != Way::Direct;
    let bytes: u64 = files.map(|file| file.bytes).filter(goes_so).sum();
    match runner {
        // A part of 32 KB is an envelope of 33 KB.
        Runner::Sim => bytes + bytes / 8,
        Runner::Local | Runner::Netns | Runner::Agents => 0,
    }
}

fn node_bytes(plan: &Plan, runner: Runner) -> u64 {
    let users = plan.nodes.iter().filter(|node| node.user).count() as u64;
    match runner {
        Runner::Sim => SIM_NODE_BYTES + users * SIM_KEYS_BYTES,
        Runner::Local | Runner::Netns => PROCESS_NODE_BYTES,
        // They run elsewhere.
        Runner::Agents => 0,
    }
}

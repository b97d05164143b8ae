//! What is wrong with this node or around it, and what to do.
//!
//! Facts are gathered first; what they mean is decided by a pure function.

pub(super) mod clock;
mod own;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::limits::{
    DISK_FREE_CRITICAL, DISK_FREE_LOW, MAILBOX_CHARGE_MAX, MAILBOX_FULL_PERCENT,
    PEERS_EXPECTED_AFTER,
};
use axum::Json;
use axum::extract::State;
use martlet_protocol::control::{
    Diagnosis, Finding, FindingCode, LockState, MailboxStatus, Problem, Severity,
};
use rustix::fs::StatVfsMountFlags;

use super::Shared;
use super::endpoints::endpoints;
use super::problem::Refusal;
use crate::host::CallError;
use crate::net::names;
use crate::net::report::{MdnsState, NetReport};
use martlet_engine::CommandError;
use martlet_engine::clock::ClockDoubt;
use martlet_engine::command::{
    Ended, GetClockDoubt, GetEnded, GetPutBack, GetStatus, GetStorageFailure, GetVaultFailure,
};

/// Unreachable peers told one by one.
const UNREACHABLE_TOLD_MAX: usize = 5;

endpoints!(diagnose);

/// Looks for what is wrong, and says what to do.
#[utoipa::path(get, path = "/v1/doctor", tag = "daemon", responses(
    (status = 200, body = Diagnosis),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn diagnose(State(shared): State<Shared>) -> Result<Json<Diagnosis>, Refusal> {
    let data_dir = shared.context().data_dir.clone();
    let (status, storage_failure, vault_failure, put_back, ended, clock_doubt, net, surroundings) = tokio::join!(
        shared.engine().call(GetStatus {}),
        shared.engine().call(GetStorageFailure {}),
        shared.engine().call(GetVaultFailure {}),
        shared.engine().call(GetPutBack {}),
        shared.engine().call(GetEnded {}),
        shared.engine().call(GetClockDoubt {}),
        shared.net().report(),
        tokio::task::spawn_blocking(move || Surroundings::look(data_dir)),
    );
    // Where the disk can't even be read, that is found all the same.
    let unreadable = |error: CallError| match error {
        CallError::Command(CommandError::StorageFailed { reason }) => Ok(reason),
        other => Err(other),
    };
    let storage_failure = storage_failure.or_else(|error| unreadable(error).map(Some))?;
    let (mailbox, has_passphrase, lock) = match status {
        Ok(status) => (status.mailbox, status.passphrase, status.lock),
        Err(error) => {
            unreadable(error)?;
            let mailbox = MailboxStatus { envelopes: 0, bytes: 0, bytes_max: u64::MAX };
            (mailbox, None, LockState::Unlocked)
        }
    };
    let facts = Facts {
        net: net.ok_or_else(Refusal::stopping)?,
        surroundings: surroundings.map_err(|_| Refusal::stopping())?,
        mailbox,
        has_passphrase,
        lock,
        is_for_user: shared.context().user,
        storage_failure,
        vault_failure: vault_failure.unwrap_or_default(),
        put_back: put_back.unwrap_or_default(),
        ended: ended.unwrap_or_default(),
        clock_doubt: clock_doubt.unwrap_or_default(),
    };
    Ok(Json(Diagnosis { clock_ahead_ms: facts.net.clock_ahead_ms, findings: findings(&facts) }))
}

/// What is known.
#[derive(Debug)]
struct Facts {
    net: NetReport,
    surroundings: Surroundings,
    mailbox: MailboxStatus,
    has_passphrase: Option<bool>,
    lock: LockState,
    /// Whether the node may have an identity.
    is_for_user: bool,
    storage_failure: Option<String>,
    vault_failure: Option<String>,
    /// For how long back the vault may lack what came, if it was put back.
    put_back: Option<Duration>,
    /// What has ended of the user's, if something has.
    ended: Option<Ended>,
    clock_doubt: Option<ClockDoubt>,
}

/// What the system says.
#[derive(Debug)]
struct Surroundings {
    data_dir: PathBuf,
    /// Bytes free for this user, where the system tells.
    disk_free: Option<u64>,
    /// Whether the disk is mounted read-only, as far as the system tells.
    is_read_only: bool,
    /// Whether a network interface other than loopback is up and takes multicast, where the system
    /// tells.
    has_multicast: Option<bool>,
    /// Whether one has a link (a cable, a Wi-Fi), where the system tells.
    has_link: Option<bool>,
    /// Whether a server is named that names can be looked up with, where the system tells.
    has_resolver: Option<bool>,
}

impl Surroundings {
    fn look(data_dir: PathBuf) -> Self {
        let fs = rustix::fs::statvfs(&data_dir).ok();
        let disk_free = fs.as_ref().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        let is_read_only = fs.is_some_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
        let interfaces = Path::new("/sys/class/net");
        Self {
            disk_free,
            is_read_only,
            has_multicast: has_multicast(interfaces),
            has_link: has_link(interfaces),
            has_resolver: names::has_server(),
            data_dir,
        }
    }
}

/// As Linux tells it: the operational state of each interface (RFC 2863, `ifOperStatus`). Loopback has none ("unknown"), as
/// have tunnels.
fn has_link(interfaces: &Path) -> Option<bool> {
    let mut others = std::fs::read_dir(interfaces).ok()?.filter_map(|interface| {
        let interface = interface.ok()?;
        let state = std::fs::read_to_string(interface.path().join("operstate")).ok()?;
        (interface.file_name() != "lo").then_some(state)
    });
    Some(others.any(|state| matches!(state.trim(), "up" | "unknown" | "dormant")))
}

/// As Linux tells it: the flags of each interface, in hexadecimal (`SIOCGIFFLAGS`, netdevice(7)).
fn has_multicast(interfaces: &Path) -> Option<bool> {
    const UP: u32 = 0x1;
    const LOOPBACK: u32 = 0x8;
    const MULTICAST: u32 = 0x1000;
    let flags = std::fs::read_dir(interfaces).ok()?.filter_map(|interface| {
        let text = std::fs::read_to_string(interface.ok()?.path().join("flags")).ok()?;
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    });
    let mut usable = flags.filter(|flags| flags & (UP | LOOPBACK | MULTICAST) == UP | MULTICAST);
    Some(usable.next().is_some())
}

/// What the facts mean, the worst first.
fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = [
        storage(facts),
        own::vault(facts),
        facts.ended.and_then(own::ended),
        own::put_back(facts),
        disk(&facts.surroundings),
        facts.clock_doubt.as_ref().and_then(clock::jumped),
        clock::clock(&facts.net),
        no_peers(&facts.net, &facts.surroundings),
        key_mismatch(&facts.net),
        no_resolver(&facts.net, &facts.surroundings),
        unreachable(&facts.net),
        not_listening(&facts.net),
        mdns(&facts.net, &facts.surroundings),
        mailbox(&facts.mailbox),
        banned(&facts.net),
        own::passphrase(facts),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn finding(
    code: FindingCode,
    severity: Severity,
    problem: impl Into<String>,
    advice: impl Into<String>,
) -> Option<Finding> {
    Some(Finding { code, severity, problem: problem.into(), advice: advice.into() })
}

fn storage(facts: &Facts) -> Option<Finding> {
    let failure = facts.storage_failure.as_ref();
    if facts.surroundings.is_read_only {
        let dir = facts.surroundings.data_dir.display();
        let more = failure.map(|failure| format!(" ({failure})")).unwrap_or_default();
        let problem = format!(
            "the disk of {dir} takes no writes: nothing is sent, received or changed{more}"
        );
        let advice = "the system mounts a disk read-only when the disk fails: look at dmesg, copy what matters to you, check \
                      the disk (fsck), and mount it for writing; the daemon goes on by itself";
        return finding(FindingCode::StorageFailed, Severity::Error, problem, advice);
    }
    let problem = failure?.clone();
    let advice = "free some space, or look at the disk (dmesg): nothing is sent, received or changed until it takes \
                  writes again; the daemon goes on by itself";
    finding(FindingCode::StorageFailed, Severity::Error, problem, advice)
}

fn disk(surroundings: &Surroundings) -> Option<Finding> {
    let free = surroundings.disk_free?;
    let severity = match free {
        ..DISK_FREE_CRITICAL => Severity::Error,
        DISK_FREE_CRITICAL..DISK_FREE_LOW => Severity::Warning,
        DISK_FREE_LOW.. => return None,
    };
    let dir = surroundings.data_dir.display();
    let problem = format!("{} MiB are free on the disk of {dir}", free / (1024 * 1024));
    let advice = "free some space, or give the mailbox less (mailbox_bytes_max): on a full disk \
                  nothing is taken or sent";
    finding(FindingCode::DiskNearlyFull, severity, problem, advice)
}

fn no_peers(net: &NetReport, surroundings: &Surroundings) -> Option<Finding> {
    if net.connected > 0 {
        return None;
    }
    if surroundings.has_link == Some(false) {
        let problem = "no peer is connected, since no network interface has a link: nothing is sent or received";
        let advice = "plug the cable in, or join a Wi-Fi: connections then come by themselves";
        return finding(FindingCode::NoPeers, Severity::Error, problem, advice);
    }
    if net.up < PEERS_EXPECTED_AFTER {
        return None;
    }
    let advice = match net.mdns {
        MdnsState::Off | MdnsState::Unavailable => {
            "name a node to connect to: martletctl dial ADDRESS, or static_peers in the configuration"
        }
        MdnsState::Silent | MdnsState::Heard => {
            "others on this LAN are found by themselves, if they run the same network; elsewhere: \
             martletctl dial ADDRESS, or static_peers in the configuration"
        }
    };
    let problem = "no peer is connected: nothing is sent or received";
    finding(FindingCode::NoPeers, Severity::Error, problem, advice)
}

fn unreachable(net: &NetReport) -> Option<Finding> {
    let first = net.unreachable.first()?;
    let told: Vec<String> = net
        .unreachable
        .iter()
        .take(UNREACHABLE_TOLD_MAX)
        .map(|one| format!("{} ({})", one.address, one.reason))
        .collect();
    let more = match net.unreachable.len().saturating_sub(told.len()) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let (count, all) = (net.unreachable.len(), net.configured);
    let problem = format!(
        "{count} of {all} static and bootstrap peers can't be reached: {}{more}",
        told.join(", ")
    );
    let severity = if net.connected == 0 { Severity::Error } else { Severity::Warning };
    let advice = format!(
        "check the address, whether the node runs, and whether a firewall is between (it was tried {} times, and is tried on)",
        first.failures
    );
    finding(FindingCode::BootstrapUnreachable, severity, problem, advice)
}

/// Only where a name could not be dialled: one may stand in the file of hosts.
fn no_resolver(net: &NetReport, surroundings: &Surroundings) -> Option<Finding> {
    let has_name = net.unreachable.iter().any(|one| names::is_name(&one.address));
    if surroundings.has_resolver != Some(false) || !has_name {
        return None;
    }
    let severity = if net.connected == 0 { Severity::Error } else { Severity::Warning };
    let problem = "names of peers can't be looked up: /etc/resolv.conf names no server";
    let advice = "most often the server comes with the network, and the daemon then uses it. Else write a line \
                  \"nameserver ADDRESS\" there, or the peer into /etc/hosts, or its IP address into the configuration";
    finding(FindingCode::NoResolver, severity, problem, advice)
}

/// Bad where nobody else is there: then it is most likely this node's key that is wrong. Else another network may be near.
/// What others dialled is never more than a warning: anyone who reaches the port could make an error of it.
fn key_mismatch(net: &NetReport) -> Option<Finding> {
    let listed = |addresses: &[String]| addresses.join(", ");
    let dialled: Vec<String> = net.key_mismatches.iter().map(ToString::to_string).collect();
    let dialling: Vec<String> = net.broken_off.iter().map(ToString::to_string).collect();
    let (severity, problem) = if !dialled.is_empty() {
        let severity = if net.connected == 0 { Severity::Error } else { Severity::Warning };
        let problem = format!(
            "these nodes have another network key, or only one side has one, so that no connection comes about: {}",
            listed(&dialled)
        );
        (severity, problem)
    } else if !dialling.is_empty() {
        let problem = format!(
            "nodes at these addresses try to connect, and hang up before they have proved to have this network's key; \
             most likely they have another, or only one side has one: {}",
            listed(&dialling)
        );
        (Severity::Warning, problem)
    } else {
        return None;
    };
    let advice = "compare name and fingerprint on both sides: martletctl network show. A daemon takes part in a network that \
                  it joined after a restart. If these nodes are of another network, do nothing";
    finding(FindingCode::KeyMismatch, severity, problem, advice)
}

fn not_listening(net: &NetReport) -> Option<Finding> {
    if net.listening > 0 {
        return None;
    }
    let problem = "no address is listened on: only peers that this node dials are reached";
    let advice = "set listen in the configuration, or leave it out for the default; the log says why the \
                  daemon can't listen on an address";
    finding(FindingCode::NotListening, Severity::Warning, problem, advice)
}

fn mdns(net: &NetReport, surroundings: &Surroundings) -> Option<Finding> {
    let dial = "open UDP port 5353 and allow multicast to 224.0.0.251 and ff02::fb (guest Wi-Fi and containers \
                often block it), or name peers: static_peers, martletctl dial ADDRESS";
    match net.mdns {
        MdnsState::Off => finding(
            FindingCode::MdnsOff,
            Severity::Info,
            "mDNS is switched off: nodes on this LAN are not found by themselves",
            "set mdns = true if that is not what you want",
        ),
        MdnsState::Unavailable => finding(
            FindingCode::MdnsUnavailable,
            Severity::Warning,
            "mDNS could not be started: nodes on this LAN are not found by themselves",
            dial,
        ),
        MdnsState::Silent if surroundings.has_multicast == Some(false) => finding(
            FindingCode::MdnsUnavailable,
            Severity::Warning,
            "no network interface that is up takes multicast: mDNS finds nobody",
            dial,
        ),
        // With peers, that nobody else is on this LAN is no news.
        MdnsState::Silent if net.connected == 0 && net.up >= PEERS_EXPECTED_AFTER => finding(
            FindingCode::MdnsSilent,
            Severity::Warning,
            "mDNS has heard no other node: there is none on this LAN, or multicast is blocked",
            dial,
        ),
        MdnsState::Silent | MdnsState::Heard => None,
    }
}

fn mailbox(mailbox: &MailboxStatus) -> Option<Finding> {
    let percent = mailbox.bytes.saturating_mul(100).checked_div(mailbox.bytes_max).unwrap_or(100);
    // What is refused leaves some room: for less than the largest envelope.
    let is_full = mailbox.bytes.saturating_add(MAILBOX_CHARGE_MAX) > mailbox.bytes_max;
    let severity = match percent {
        _ if is_full => Severity::Error,
        ..MAILBOX_FULL_PERCENT => return None,
        MAILBOX_FULL_PERCENT.. => Severity::Warning,
    };
    let problem = format!(
        "the mailbox has {percent} % of the {} MiB that it may have; when it is full it refuses what others send",
        mailbox.bytes_max / (1024 * 1024)
    );
    let advice =
        "raise mailbox_bytes_max, or wait: what is delivered or six days old is removed by itself";
    finding(FindingCode::MailboxNearlyFull, severity, problem, advice)
}

fn banned(net: &NetReport) -> Option<Finding> {
    if net.banned == 0 {
        return None;
    }
    let problem = format!("{} peers are banned", net.banned);
    let advice =
        "see which and why: martletctl peers --banned; to lift a ban: martletctl unban PEER";
    finding(FindingCode::PeersBanned, Severity::Info, problem, advice)
}

/// `3 d`, `5 h`, `7 min`.
fn duration(ms: u64) -> String {
    match ms / 60_000 {
        minutes @ ..120 => format!("{minutes} min"),
        minutes @ 120..2880 => format!("{} h", minutes / 60),
        minutes => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests;

//! What is wrong with this node or around it, and what to do.
//!
//! Facts are gathered first; what they mean is decided by a pure function.

pub(super) mod clock;

use std::path::{Path, PathBuf};

use crate::limits::{
    DISK_FREE_CRITICAL, DISK_FREE_LOW, MAILBOX_FULL_PERCENT, PEERS_EXPECTED_AFTER,
};
use axum::Json;
use axum::extract::State;
use martlet_protocol::control::{
    Diagnosis, ErrorCode, Finding, FindingCode, MailboxStatus, Problem, Severity,
};

use super::Shared;
use super::problem::Refusal;
use crate::net::report::{MdnsState, NetReport};
use martlet_engine::clock::ClockDoubt;
use martlet_engine::command::{GetClockDoubt, GetStatus, GetStorageFailure};

/// Unreachable peers told one by one.
const UNREACHABLE_TOLD_MAX: usize = 5;

/// Looks for what is wrong, and says what to do.
#[utoipa::path(get, path = "/v1/doctor", tag = "daemon", responses(
    (status = 200, body = Diagnosis),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn diagnose(State(shared): State<Shared>) -> Result<Json<Diagnosis>, Refusal> {
    let data_dir = shared.context().data_dir.clone();
    let (status, storage_failure, clock_doubt, net, surroundings) = tokio::join!(
        shared.engine().call(GetStatus {}),
        shared.engine().call(GetStorageFailure {}),
        shared.engine().call(GetClockDoubt {}),
        shared.net().report(),
        tokio::task::spawn_blocking(move || Surroundings::look(data_dir)),
    );
    let status = status?;
    let stopping = || Refusal::new(ErrorCode::Stopping, "the daemon is stopping");
    let facts = Facts {
        net: net.ok_or_else(stopping)?,
        surroundings: surroundings.map_err(|_| stopping())?,
        mailbox: status.mailbox,
        has_passphrase: status.passphrase,
        storage_failure: storage_failure?,
        clock_doubt: clock_doubt?,
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
    storage_failure: Option<String>,
    clock_doubt: Option<ClockDoubt>,
}

/// What the system says.
#[derive(Debug)]
struct Surroundings {
    data_dir: PathBuf,
    /// Bytes free for this user, where the system tells.
    disk_free: Option<u64>,
    /// Whether a network interface other than loopback is up and takes multicast, where the system
    /// tells.
    has_multicast: Option<bool>,
}

impl Surroundings {
    fn look(data_dir: PathBuf) -> Self {
        let disk_free =
            rustix::fs::statvfs(&data_dir).ok().map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        Self { disk_free, has_multicast: has_multicast(Path::new("/sys/class/net")), data_dir }
    }
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
        disk(&facts.surroundings),
        facts.clock_doubt.as_ref().and_then(clock::jumped),
        clock::clock(&facts.net),
        no_peers(&facts.net),
        unreachable(&facts.net),
        not_listening(&facts.net),
        mdns(&facts.net, &facts.surroundings),
        mailbox(&facts.mailbox),
        banned(&facts.net),
        passphrase(facts),
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
    let problem = facts.storage_failure.clone()?;
    let advice = "free some space, or look at the disk; the daemon goes on by itself";
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

fn no_peers(net: &NetReport) -> Option<Finding> {
    if net.connected > 0 || net.up < PEERS_EXPECTED_AFTER {
        return None;
    }
    let advice = match net.mdns {
        MdnsState::Off | MdnsState::Unavailable => {
            "name a node to connect to: martletctl dial MULTIADDR, or static_peers in the configuration"
        }
        MdnsState::Silent | MdnsState::Heard => {
            "others on this LAN are found by themselves, if they run the same network; elsewhere: \
             martletctl dial MULTIADDR, or static_peers in the configuration"
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
        "check the address, that the node runs, and firewalls between (it was tried {} times and still is)",
        first.failures
    );
    finding(FindingCode::BootstrapUnreachable, severity, problem, advice)
}

fn not_listening(net: &NetReport) -> Option<Finding> {
    if net.listening > 0 {
        return None;
    }
    let problem = "no address is listened on: only peers that this node dials are reached";
    let advice = "set listen in the configuration, or leave it out for the default; the log says why an \
                  address could not be had";
    finding(FindingCode::NotListening, Severity::Warning, problem, advice)
}

fn mdns(net: &NetReport, surroundings: &Surroundings) -> Option<Finding> {
    let dial = "open UDP port 5353 and allow multicast to 224.0.0.251 (guest Wi-Fi and containers \
                often block it), or name peers: static_peers, martletctl dial MULTIADDR";
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
    let severity = match percent {
        ..MAILBOX_FULL_PERCENT => return None,
        MAILBOX_FULL_PERCENT..100 => Severity::Warning,
        100.. => Severity::Error,
    };
    let problem = format!(
        "the mailbox holds {percent} % of the {} MiB it may: what others send is refused at 100 %",
        mailbox.bytes_max / (1024 * 1024)
    );
    let advice =
        "raise mailbox_bytes_max, or wait: what is delivered or six days old goes by itself";
    finding(FindingCode::MailboxNearlyFull, severity, problem, advice)
}

fn banned(net: &NetReport) -> Option<Finding> {
    if net.banned == 0 {
        return None;
    }
    let problem = format!("{} peers are banned", net.banned);
    let advice = "see who and why: martletctl peers --banned; lift one: martletctl unban PEER";
    finding(FindingCode::PeersBanned, Severity::Info, problem, advice)
}

fn passphrase(facts: &Facts) -> Option<Finding> {
    if facts.has_passphrase != Some(false) {
        return None;
    }
    let problem = "the vault has no passphrase: who can read its files can read the messages";
    let advice = "nothing, if that was the choice: full-disk encryption protects it as well";
    finding(FindingCode::NoPassphrase, Severity::Info, problem, advice)
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use super::clock::{clock_warning, jump_warning};
    use crate::net::report::Unreachable;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// A node that does well.
    fn well() -> Facts {
        Facts {
            net: NetReport {
                connected: 3,
                listening: 2,
                mdns: MdnsState::Heard,
                configured: 1,
                unreachable: Vec::new(),
                banned: 0,
                clock_ahead_ms: Some(-400),
                far_future: 0,
                taken: 100,
                up: Duration::from_secs(3600),
            },
            surroundings: Surroundings {
                data_dir: "/d".into(),
                disk_free: Some(100 << 30),
                has_multicast: Some(true),
            },
            mailbox: MailboxStatus { envelopes: 1, bytes: 1000, bytes_max: MIB },
            has_passphrase: Some(true),
            storage_failure: None,
            clock_doubt: None,
        }
    }

    /// What is found once something was made worse.
    fn found(worsen: impl FnOnce(&mut Facts)) -> Vec<(FindingCode, Severity)> {
        let mut facts = well();
        worsen(&mut facts);
        let findings = findings(&facts);
        assert!(findings.iter().all(|one| !one.problem.is_empty() && !one.advice.is_empty()));
        findings.into_iter().map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn of_a_node_that_does_well_there_is_nothing_to_say() {
        assert_eq!(found(|_| {}), []);
        let alone = found(|facts| {
            facts.net.connected = 0;
            facts.net.up = Duration::from_secs(1);
        });
        assert_eq!(alone, [], "it has just started");
    }

    #[test]
    fn a_wrong_clock_is_told_from_peers_or_from_what_they_send() {
        let hour = 3_600_000;
        for (ahead, severity) in [
            (299_000, None),
            (-301_000, Some(Severity::Warning)),
            (2 * hour - 1, Some(Severity::Warning)),
            (2 * hour, Some(Severity::Error)),
            (i64::MIN, Some(Severity::Error)),
        ] {
            let findings = found(|facts| facts.net.clock_ahead_ms = Some(ahead));
            let expected = severity.map(|severity| (FindingCode::ClockSkew, severity));
            assert_eq!(findings, Vec::from_iter(expected), "{ahead}");
        }
        for (ahead_ms, jumped_ms, severity) in
            [(25 * hour, 25 * hour, Severity::Error), (0, -hour, Severity::Warning)]
        {
            let doubt = ClockDoubt { ahead_ms, jumped_ms };
            assert!(jump_warning(&doubt).is_some());
            let findings = found(|facts| facts.clock_doubt = Some(doubt));
            assert_eq!(findings, [(FindingCode::ClockSkew, severity)]);
        }
        let refused = found(|facts| {
            facts.net.clock_ahead_ms = None;
            (facts.net.far_future, facts.net.taken) = (11, 9);
        });
        assert_eq!(refused, [(FindingCode::ClockSkew, Severity::Warning)]);
        let day_ahead = NetReport { clock_ahead_ms: Some(24 * hour), ..well().net };
        assert!(clock_warning(&day_ahead).unwrap().contains("24 h ahead of its peers'"));
        assert_eq!(clock_warning(&well().net), None);
    }

    #[test]
    fn the_worst_comes_first() {
        let findings = found(|facts| {
            facts.has_passphrase = Some(false);
            facts.net.connected = 0;
            facts.net.mdns = MdnsState::Silent;
            facts.net.banned = 1;
            facts.surroundings.disk_free = Some(100 * MIB);
        });
        assert_eq!(
            findings,
            [
                (FindingCode::NoPeers, Severity::Error),
                (FindingCode::DiskNearlyFull, Severity::Warning),
                (FindingCode::MdnsSilent, Severity::Warning),
                (FindingCode::PeersBanned, Severity::Info),
                (FindingCode::NoPassphrase, Severity::Info),
            ]
        );
    }

    #[test]
    fn each_trouble_has_its_code() {
        let one = Unreachable {
            address: "/ip4/10.0.0.1/tcp/1".parse().unwrap(),
            failures: 3,
            reason: "Connection refused".into(),
        };
        let bootstrap = found(|facts| facts.net.unreachable = vec![one; 7]);
        assert_eq!(bootstrap, [(FindingCode::BootstrapUnreachable, Severity::Warning)]);
        let deaf = found(|facts| facts.net.listening = 0);
        assert_eq!(deaf, [(FindingCode::NotListening, Severity::Warning)]);
        let full = found(|facts| facts.mailbox.bytes = MIB);
        assert_eq!(full, [(FindingCode::MailboxNearlyFull, Severity::Error)]);
        let nearly = found(|facts| facts.mailbox.bytes = MIB * 9 / 10 + 1);
        assert_eq!(nearly, [(FindingCode::MailboxNearlyFull, Severity::Warning)]);
        let disk = found(|facts| facts.surroundings.disk_free = Some(MIB));
        assert_eq!(disk, [(FindingCode::DiskNearlyFull, Severity::Error)]);
        let failed = found(|facts| facts.storage_failure = Some("no space".into()));
        assert_eq!(failed, [(FindingCode::StorageFailed, Severity::Error)]);
        let off = found(|facts| facts.net.mdns = MdnsState::Off);
        assert_eq!(off, [(FindingCode::MdnsOff, Severity::Info)]);
        let blocked = found(|facts| {
            facts.net.mdns = MdnsState::Silent;
            facts.surroundings.has_multicast = Some(false);
        });
        assert_eq!(blocked, [(FindingCode::MdnsUnavailable, Severity::Warning)]);
    }

    #[test]
    fn interfaces_are_told_by_their_flags() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(has_multicast(&dir.path().join("none")), None);
        let interface = |name: &str, flags: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("flags"), flags).unwrap();
        };
        interface("lo", "0x9\n");
        interface("down", "0x1002\n");
        interface("tunnel", "0x91\n");
        assert_eq!(has_multicast(dir.path()), Some(false));
        interface("eth0", "0x1003\n");
        assert_eq!(has_multicast(dir.path()), Some(true));
    }

    #[test]
    fn the_disk_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Surroundings::look(dir.path().to_owned()).disk_free.is_some());
    }
}

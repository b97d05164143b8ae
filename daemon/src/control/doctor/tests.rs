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
            key_mismatches: Vec::new(),
            broken_off: Vec::new(),
            banned: 0,
            clock_ahead_ms: Some(-400),
            far_future: 0,
            taken: 100,
            up: Duration::from_secs(3600),
        },
        surroundings: Surroundings {
            data_dir: "/d".into(),
            disk_free: Some(100 << 30),
            is_read_only: false,
            has_multicast: Some(true),
            has_link: Some(true),
            has_resolver: Some(true),
        },
        mailbox: MailboxStatus { envelopes: 1, bytes: 1000, bytes_max: MIB },
        has_passphrase: Some(true),
        lock: LockState::Unlocked,
        is_for_user: true,
        storage_failure: None,
        vault_failure: None,
        put_back: None,
        ended: None,
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
fn an_identity_or_a_device_that_has_ended_is_told() {
    for (ended, code) in [
        (Ended::Identity, FindingCode::IdentityTerminated),
        (Ended::Device, FindingCode::DeviceRevoked),
    ] {
        assert_eq!(found(|facts| facts.ended = Some(ended)), [(code, Severity::Error)]);
    }
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

fn unreached(address: &str) -> Unreachable {
    Unreachable {
        address: address.parse().unwrap(),
        peer: None,
        failures: 3,
        reason: "Connection refused".into(),
        given_up: false,
    }
}

#[test]
fn each_trouble_has_its_code() {
    let one = unreached("/ip4/10.0.0.1/tcp/1");
    let bootstrap = found(|facts| facts.net.unreachable = vec![one; 7]);
    assert_eq!(bootstrap, [(FindingCode::BootstrapUnreachable, Severity::Warning)]);
    let deaf = found(|facts| facts.net.listening = 0);
    assert_eq!(deaf, [(FindingCode::NotListening, Severity::Warning)]);
    let full = found(|facts| facts.mailbox.bytes = MIB);
    assert_eq!(full, [(FindingCode::MailboxNearlyFull, Severity::Error)]);
    // What is refused is too large for the room that is left.
    let full = found(|facts| facts.mailbox.bytes = MIB - 20_000);
    assert_eq!(full, [(FindingCode::MailboxNearlyFull, Severity::Error)]);
    let nearly = found(|facts| facts.mailbox.bytes = MIB * 9 / 10 + 1);
    assert_eq!(nearly, [(FindingCode::MailboxNearlyFull, Severity::Warning)]);
    let disk = found(|facts| facts.surroundings.disk_free = Some(MIB));
    assert_eq!(disk, [(FindingCode::DiskNearlyFull, Severity::Error)]);
    let failed = found(|facts| facts.storage_failure = Some("no space".into()));
    assert_eq!(failed, [(FindingCode::StorageFailed, Severity::Error)]);
    let read_only = found(|facts| facts.surroundings.is_read_only = true);
    assert_eq!(read_only, [(FindingCode::StorageFailed, Severity::Error)]);
    let locked = found(|facts| facts.lock = LockState::Locked);
    assert_eq!(locked, [(FindingCode::Locked, Severity::Warning)]);
    let unreadable = found(|facts| {
        (facts.lock, facts.vault_failure) = (LockState::Locked, Some("damaged".into()));
    });
    assert_eq!(unreadable, [(FindingCode::VaultUnreadable, Severity::Error)]);
    let put_back = found(|facts| facts.put_back = Some(Duration::from_secs(3600)));
    assert_eq!(put_back, [(FindingCode::VaultPutBack, Severity::Warning)]);
    let nobody = found(|facts| facts.lock = LockState::NoIdentity);
    assert_eq!(nobody, [(FindingCode::NoIdentity, Severity::Warning)]);
    let mailbox_node =
        found(|facts| (facts.lock, facts.is_for_user) = (LockState::NoIdentity, false));
    assert_eq!(mailbox_node, []);
    let off = found(|facts| facts.net.mdns = MdnsState::Off);
    assert_eq!(off, [(FindingCode::MdnsOff, Severity::Info)]);
    let blocked = found(|facts| {
        facts.net.mdns = MdnsState::Silent;
        facts.surroundings.has_multicast = Some(false);
    });
    assert_eq!(blocked, [(FindingCode::MdnsUnavailable, Severity::Warning)]);
}

/// With the cable pulled out the doctor said to wait, or to look for firewalls.
#[test]
fn a_cable_that_is_out_is_found_at_once() {
    let mut facts = well();
    facts.net.connected = 0;
    facts.net.up = std::time::Duration::ZERO;
    assert_eq!(findings(&facts), []);
    facts.surroundings.has_link = Some(false);
    let found = findings(&facts);
    assert_eq!(found.first().map(|one| one.code), Some(FindingCode::NoPeers));
    assert!(found[0].problem.contains("no network interface has a link"), "{found:?}");
}

/// A laptop that started before its network was there never looked a name up again, and nothing said why.
#[test]
fn that_there_is_no_resolver_is_found_where_a_name_is_to_be_dialled() {
    let without = |address: &str| {
        found(|facts| {
            facts.surroundings.has_resolver = Some(false);
            facts.net.configured = 1;
            facts.net.unreachable = vec![unreached(address)];
        })
    };
    assert!(
        without("/dns/a.example/tcp/1").contains(&(FindingCode::NoResolver, Severity::Warning))
    );
    assert!(
        without("/ip4/192.0.2.1/tcp/1").iter().all(|(code, _)| *code != FindingCode::NoResolver)
    );
}

#[test]
fn links_are_told_by_their_state() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(has_link(&dir.path().join("none")), None);
    let interface = |name: &str, state: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("operstate"), state).unwrap();
    };
    interface("lo", "unknown\n");
    interface("eth0", "down\n");
    interface("wlan0", "lowerlayerdown\n");
    assert_eq!(has_link(dir.path()), Some(false));
    interface("eth0", "up\n");
    assert_eq!(has_link(dir.path()), Some(true));
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

/// A node that was only dialled by one with another network key said nothing of it.
#[test]
fn another_network_key_is_told_on_both_sides_and_strangers_can_make_no_error_of_it() {
    let address = || "/ip4/192.0.2.7/tcp/4177".parse().unwrap();
    let host = || "192.0.2.8".parse().unwrap();
    let of = |dialled: bool, dialling: bool, connected| {
        let mut facts = well();
        facts.net.key_mismatches = dialled.then(address).into_iter().collect();
        facts.net.broken_off = dialling.then(host).into_iter().collect();
        facts.net.connected = connected;
        key_mismatch(&facts.net)
    };
    let severity = |found: Option<Finding>| found.map(|one| one.severity);
    assert_eq!(severity(of(true, true, 0)), Some(Severity::Error));
    assert_eq!(severity(of(true, false, 3)), Some(Severity::Warning));
    assert_eq!(severity(of(false, true, 0)), Some(Severity::Warning));
    assert!(of(false, true, 3).unwrap().problem.ends_with(": 192.0.2.8"));
    assert_eq!(of(false, false, 0), None);
}

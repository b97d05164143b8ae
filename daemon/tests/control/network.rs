//! Peers, bans and the doctor.

use martlet_protocol::control::{
    Ban, BanList, Diagnosis, ErrorCode, FindingCode, PeerList, Problem, Severity, Status,
};
use martlet_protocol::limits::BAN_SECONDS_MAX;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::client::{Client, Response};
use crate::daemon::{Daemon, spawn, until, wait};

fn of<T: DeserializeOwned>(response: &Response) -> T {
    serde_json::from_slice(&response.body).unwrap()
}

fn code(response: &Response) -> ErrorCode {
    of::<Problem>(response).code
}

fn peers(client: &mut Client) -> PeerList {
    of(&client.get("/v1/peers"))
}

#[test]
fn a_peer_is_banned_by_the_end_of_its_id_across_a_restart_and_let_in_again() {
    let other = Daemon::start();
    let there: Status = of(&other.connect().get("/v1/status"));
    let home = tempfile::tempdir().unwrap();
    let daemon = Daemon::start_in(home, &["--static-peer", &there.listen[0]]);
    let mut client = daemon.connect();
    until(|| peers(&mut client).peers.iter().any(|peer| peer.connected));
    let details = peers(&mut client).peers[0].details.clone().unwrap();
    assert!(details.pinned && !details.throttled);

    let end = &there.peer_id[there.peer_id.len() - 8..];
    let body = json!({"peer_id": format!("…{end}"), "seconds": 7200, "reason": "mine"});
    let response = client.call("POST", "/v1/bans", &body);
    assert_eq!(response.status, 201);
    let ban: Ban = of(&response);
    assert_eq!((ban.peer_id.as_str(), ban.reason.as_str()), (there.peer_id.as_str(), "mine"));
    assert_eq!(ban.until.unwrap().0 - ban.since.0, 7_200_000);
    until(|| peers(&mut client).peers.iter().all(|peer| !peer.connected));
    assert_eq!(peers(&mut client).peers[0].ban.as_ref(), Some(&ban));

    daemon.signal(rustix::process::Signal::TERM);
    let (_, home) = daemon.wait();
    let daemon = Daemon::start_in(home, &["--static-peer", &there.listen[0]]);
    let mut client = daemon.connect();
    assert_eq!(of::<BanList>(&client.get("/v1/bans")).bans, [ban]);
    assert!(peers(&mut client).peers.iter().all(|peer| !peer.connected));
    let lifted = client.call("DELETE", &format!("/v1/bans/{}", there.peer_id), &json!(null));
    assert_eq!(lifted.status, 204);
    until(|| peers(&mut client).peers.iter().any(|peer| peer.connected));
    assert_eq!(of::<BanList>(&client.get("/v1/bans")).bans, []);
}

#[test]
fn bans_are_refused_with_a_reason() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let own: Status = of(&client.get("/v1/status"));
    for (body, expected) in [
        (json!({"peer_id": "x"}), ErrorCode::InvalidPeerId),
        (json!({"peer_id": "../../etc"}), ErrorCode::InvalidPeerId),
        (json!({"peer_id": own.peer_id}), ErrorCode::InvalidPeerId),
        (json!({"peer_id": "abcdefgh"}), ErrorCode::UnknownPeer),
        (json!({"peer_id": own.peer_id, "seconds": 0}), ErrorCode::BadRequest),
        (json!({"peer_id": own.peer_id, "seconds": BAN_SECONDS_MAX + 1}), ErrorCode::BadRequest),
        (json!({"peer_id": own.peer_id, "seconds": u64::MAX}), ErrorCode::BadRequest),
        (json!({"peer_id": own.peer_id, "more": 0}), ErrorCode::BadRequest),
    ] {
        assert_eq!(code(&client.call("POST", "/v1/bans", &body)), expected, "{body}");
    }
    let nobody = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    let lifted = client.call("DELETE", &format!("/v1/bans/{nobody}"), &json!(null));
    assert_eq!((lifted.status, code(&lifted)), (404, ErrorCode::UnknownPeer));
}

#[test]
fn the_doctor_says_what_to_do() {
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("/ip4/127.0.0.1/tcp/{port}");
    let daemon = Daemon::start_in(tempfile::tempdir().unwrap(), &["--static-peer", &nobody]);
    let mut client = daemon.connect();
    let mut diagnosis: Option<Diagnosis> = None;
    until(|| {
        let now: Diagnosis = of(&client.get("/v1/doctor"));
        let found = now.findings.iter().any(|one| one.code == FindingCode::BootstrapUnreachable);
        diagnosis = Some(now);
        found
    });
    let diagnosis = diagnosis.unwrap();
    let first = &diagnosis.findings[0];
    assert_eq!(first.severity, Severity::Error);
    assert!(diagnosis.findings.is_sorted_by_key(|finding| finding.severity));
    let unreachable = diagnosis.findings.iter().find(|one| one.problem.contains(&nobody)).unwrap();
    assert!(unreachable.problem.contains("refused"), "{}", unreachable.problem);
    let codes: Vec<FindingCode> = diagnosis.findings.iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&FindingCode::MdnsOff), "{codes:?}");
    assert_eq!(diagnosis.clock_ahead_ms, None);
}

/// A node whose port was taken listened on another, and went on to announce the one that it didn't hold: `status`
/// said that everyone can connect.
#[test]
fn a_node_does_not_announce_a_port_that_another_program_has() {
    let home = tempfile::tempdir().unwrap();
    let descriptor = home.path().join("far.toml");
    std::fs::write(&descriptor, "name = \"far\"\nlan_only = false\n").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let flags = ["--network", descriptor.to_str().unwrap(), "--listen", &listen];
    let announced = [&flags[..], &["--announce", "/ip4/198.51.100.7/tcp/4177"]].concat();

    let status = wait(&mut spawn(home.path(), &announced));
    let said = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains(&listen) && said.contains("announce"), "{said}");

    // Where nobody is told of it a free one will do; and once the port is free, it is announced.
    let daemon = Daemon::start_in(home, &flags);
    daemon.signal(rustix::process::Signal::TERM);
    let (_, home) = daemon.wait();
    drop(taken);
    let daemon = Daemon::start_in(home, &announced);
    let status: Status = of(&daemon.connect().get("/v1/status"));
    assert!(status.listen.iter().any(|address| address.starts_with(&listen)), "{status:?}");
}

/// A ban was confirmed, and not stored where the disk was full: after a restart the peer was let in.
#[test]
fn what_is_said_of_bans_is_on_disk_or_an_error() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let peer = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id().to_base58();
    let on_disk = || {
        let text = std::fs::read_to_string(daemon.home().join("bans.json")).unwrap_or_default();
        text.contains(&peer)
    };
    let body = json!({"peer_id": peer});
    // No new file can be written here.
    let hindrance = daemon.home().join("bans.json.new");
    std::fs::create_dir(&hindrance).unwrap();
    let refused = client.call("POST", "/v1/bans", &body);
    assert_eq!(code(&refused), ErrorCode::StorageFailed, "{refused:?}");
    assert!(refused.problem().detail.contains("bans.json"), "{refused:?}");
    assert!(!on_disk());
    std::fs::remove_dir(&hindrance).unwrap();
    assert_eq!(client.call("POST", "/v1/bans", &body).status, 201);
    assert!(on_disk());

    std::fs::create_dir(&hindrance).unwrap();
    let path = format!("/v1/bans/{peer}");
    let refused = client.call("DELETE", &path, &json!(null));
    assert_eq!(code(&refused), ErrorCode::StorageFailed, "{refused:?}");
    assert!(on_disk());
    std::fs::remove_dir(&hindrance).unwrap();
    assert_eq!(client.call("POST", "/v1/bans", &body).status, 201);
    assert_eq!(client.call("DELETE", &path, &json!(null)).status, 204);
    assert!(!on_disk());
}

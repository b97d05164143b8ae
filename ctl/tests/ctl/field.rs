//! `netcheck` and `bugreport`: what an operator asks, and what may be sent on.

use std::path::Path;

use martlet_protocol::control::ErrorCode;
use serde_json::{Value, json};

use crate::fake::{Answer, Fake};
use crate::run::{command, finish, run};

const ID: &str =
    "martlet132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawq2pg9q5zs2pg9q5zs2pg9q5zsgltq7f";
const PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

/// What nobody who gets the report may find in it, as the daemon tells it in every place that holds text.
const PRIVATE: [&str; 12] = [
    ID,
    PEER,
    "198.51.100.7",
    "192.168.1.7",
    "fd00:",
    "canary-ship",
    "canary-name",
    "canary-text",
    "/home/canary",
    "canary-agent",
    "9464",
    "canary-reason",
];

fn daemon() -> Fake {
    let address = |host: &str, way: &str| format!("/{host}/{way}/p2p/{PEER}");
    let peer = |transport: &str, direction: &str, address: String, latency: f64| {
        json!({"peer_id": PEER, "address": address, "connected": true, "transport": transport,
            "direction": direction, "latency_ms": latency, "details": {"since": 0, "mesh": true, "pinned": false,
            "score": 0.0, "throttled": false, "envelopes_in": 1, "invalid": 0, "agent": "canary-agent"}})
    };
    let status = json!({"version": "0.1.0", "pid": 42, "lock": "unlocked", "passphrase": true,
        "identity": {"id": ID, "name": "canary-name"}, "network": "canary-ship", "privacy": "mixed",
        "peer_id": PEER, "metrics_listen": "127.0.0.1:9464",
        "listen": [address("ip4/127.0.0.1", "tcp/4177"), address("ip4/192.168.1.7", "tcp/4177"),
            address("ip4/192.168.1.7", "udp/4177/quic-v1"), address("ip6/fd00::7", "tcp/4177")],
        "reachability": "private",
        "external": [format!("/ip4/198.51.100.7/tcp/4177/p2p/{PEER}/p2p-circuit/p2p/{PEER}")],
        "peers_connected": 2, "role": "full", "shards": {"total": 16, "kept": 9},
        "mailbox": {"envelopes": 2, "bytes": 3000, "bytes_max": 1 << 30},
        "outbox": 1, "unread": 3, "warnings": ["canary-text at /home/canary"]});
    let network = json!({"name": "canary-ship", "closed": false, "shard_bits": 4, "stamp_bits": 16,
        "lan_only": false, "privacy": "mixed", "bootstrap": ["/ip4/198.51.100.7/tcp/4177"],
        "transports": ["tcp", "quic"], "file": "/home/canary/network.toml"});
    let peers = json!({"peers": [
        peer("quic", "out", address("ip4/198.51.100.7", "udp/4177/quic-v1"), 41.5),
        peer("tcp", "in", address("ip6/fd00::9", "tcp/4177"), 1.25),
        {"peer_id": PEER, "address": address("ip4/198.51.100.7", "tcp/1"), "connected": false,
            "ban": {"peer_id": PEER, "reason": "canary-reason", "since": 0, "by_user": true}},
    ]});
    let doctor = json!({"clock_ahead_ms": -7000, "findings": [
        {"code": "mdns-silent", "severity": "warning", "problem": "canary-text 192.168.1.7", "advice": "canary-text"},
        {"code": "disk-nearly-full", "severity": "error", "problem": "/home/canary", "advice": ID}]});
    let metrics = "# HELP martlet_peers canary-text\n\
        martlet_peers{state=\"connected\"} 2\nmartlet_outbox_messages 1\n\
        martlet_x{address=\"198.51.100.7\"} 1\nother{a=\"canary-text\"} 1\n# EOF\n";
    Fake::start(move |seen| match seen.line().as_str() {
        "GET /v1/status" => Answer::Json(status.clone()),
        "GET /v1/network" => Answer::Json(network.clone()),
        "GET /v1/peers" => Answer::Json(peers.clone()),
        "GET /v1/doctor" => Answer::Json(doctor.clone()),
        "GET /v1/metrics" => Answer::Text(metrics),
        _ => Answer::Problem(ErrorCode::NotFound, "canary-text"),
    })
}

#[test]
fn netcheck_shows_the_network_in_ten_lines() {
    let fake = daemon();
    let ran = run(fake.socket(), &["netcheck"]);
    let expected = "\
Network    reaches beyond the local network; open to all
Transports TCP and QUIC
Listening  2 addresses by TCP, 1 by QUIC; 2 of IPv4, 1 of IPv6
Peers      2 connected, 1 known; 1 dialled us, 1 dialled by us; 1 by IPv4, 1 by IPv6
Carried by TCP 1, QUIC 1, relays 0; 0 went on directly after a relay
Latency    1.2 to 41.5 ms
NAT        behind NAT or a firewall: no one connects directly
Relays     reached through 1 relay
mDNS       on; nobody was heard
Clock      7 s behind the peers' clocks
";
    assert_eq!((ran.code, ran.out.as_str()), (0, expected), "{}", ran.err);
    let ran = run(fake.socket(), &["netcheck", "--json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&value["relays"], &value["mdns"]), (&json!(1), &json!("silent")));
    assert_eq!(value["findings"], json!(["mdns-silent", "disk-nearly-full"]));
}

#[test]
fn a_bug_report_has_no_identity_content_or_address() {
    let fake = daemon();
    let ran = run(fake.socket(), &["bugreport", "--output", "-"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for private in PRIVATE {
        assert!(!ran.out.contains(private), "{private} in:\n{}", ran.out);
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(host.len() < 4 || !ran.out.contains(&host), "{}", ran.out);
    for part in [
        "martletd   0.1.0\n",
        "\nerror      disk-nearly-full\n",
        "\nmartlet_peers{state=\"connected\"} 2\n",
        "\nNAT        behind NAT",
        "shard_bits 4, stamp_bits 16, privacy mixed, 1 bootstrap addresses",
    ] {
        assert!(ran.out.contains(part), "{part} not in:\n{}", ran.out);
    }
}

#[test]
fn a_bug_report_is_shown_before_it_is_written_and_never_over_a_file() {
    let fake = daemon();
    let directory = tempfile::tempdir().unwrap();
    let in_it = |args: &[&str]| {
        let mut command = command(fake.socket(), args);
        finish(command.current_dir(directory.path()).spawn().unwrap())
    };
    // Nobody to ask: it is shown, and not written.
    let ran = in_it(&["bugreport"]);
    assert!(ran.code == 2 && ran.err.contains("--yes") && ran.out.contains("Metrics"), "{ran:?}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let ran = in_it(&["bugreport", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let file = directory.path().join("martlet-bugreport.txt");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), ran.out);
    assert_eq!(in_it(&["bugreport", "--yes"]).code, 2);
    let ran = in_it(&["bugreport", "--yes", "--json", "-o", "other.txt"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["file"], "other.txt");
    assert!(value["report"].as_str().unwrap().contains("Metrics"));
}

#[test]
fn a_bug_report_needs_no_daemon() {
    let ran = run(Path::new("/nonexistent/canary"), &["bugreport", "-o", "-"]);
    assert!(ran.code == 0 && ran.out.contains("daemon     not running\n"), "{ran:?}");
    assert!(!ran.out.contains("canary"), "{}", ran.out);
}

//! `invite`: what it asks and prints.

use martlet_protocol::UnixMillis;
use martlet_protocol::control::ErrorCode;
use martlet_protocol::identity::RootKey;
use martlet_protocol::ids::Id;
use martlet_protocol::invite::{Invite, InviteSecret};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use serde_json::{Value, json};

use crate::fake::{Answer, Fake, Seen};
use crate::run::{Ran, run, run_with_input};
use crate::verbs::{ask, check};

const PEER: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

fn link(network: NetworkDescriptor) -> String {
    let root = RootKey::from_seed([1; 32]);
    let invite = Invite {
        network,
        id: Id { identity: root.identity(), secret: root.first_rendezvous_secret() },
        secret: InviteSecret([9; 16]),
        expires_at: UnixMillis(1_900_000_000_000),
        addresses: ["198.51.100.7", "192.168.178.27"]
            .map(|ip| format!("/ip4/{ip}/tcp/4177/p2p/{PEER}"))
            .into(),
        name: Some("Ann".into()),
    };
    invite.to_link().unwrap().to_string()
}

fn closed() -> NetworkDescriptor {
    let key = Some(NetworkKey::from_bytes([7; 32]));
    NetworkDescriptor { name: "ship".into(), key, ..NetworkDescriptor::default() }
}

fn made(link: Option<&str>, state: &str) -> Value {
    let mut made =
        json!({"number": 3, "created_at": 0, "expires_at": 1_900_000_000_000_u64, "state": state});
    if let Some(link) = link {
        made["link"] = json!(link);
    }
    made
}

/// Makes an invite at a daemon of the network "lan", which has joined another one perhaps: the run, and what it asked for.
fn create(args: &[&str], made: Value, pending: Option<&'static str>) -> (Ran, Value) {
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/network" => {
            let mut network = json!({"name": "lan", "closed": false, "shard_bits": 0,
                "stamp_bits": 0, "lan_only": true, "bootstrap": []});
            if let Some(name) = pending {
                network["pending"] = json!({"name": name, "closed": false});
            }
            Answer::Json(network)
        }
        _ => Answer::Json(made.clone()),
    });
    let ran = run(fake.socket(), args);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(fake.lines(), ["POST /v1/invites", "GET /v1/network"]);
    let body = serde_json::from_str(&fake.seen()[0].body).unwrap();
    (ran, body)
}

#[test]
fn an_invite_is_made_shown_listed_and_revoked() {
    let open = link(NetworkDescriptor::default());
    let (ran, body) = create(&["invite", "create"], made(Some(&open), "open"), None);
    assert_eq!((ran.err.as_str(), body), ("", json!({})));
    // Whole, on a line of its own: it is copied.
    assert!(ran.out.lines().any(|line| line == open), "{}", ran.out);
    assert!(
        ran.out.contains("martletctl invite accept -") && !ran.out.contains("closed"),
        "{}",
        ran.out
    );
    let args = ["invite", "create", "--name", "carol", "--expires", "1d", "--qr"];
    let (ran, body) = create(&args, made(Some(&link(closed())), "open"), Some("ship"));
    // It was made and said nothing, and whoever came by it never met the node after its restart.
    assert!(ran.err.contains("for the network lan. The network ship, which"), "{}", ran.err);
    assert_eq!(body, json!({"name": "carol", "expires_seconds": 86_400}));
    assert!(
        ran.out.contains('▄') && ran.out.contains("closed network with its key"),
        "{}",
        ran.out
    );
    let is_narrow = |line: &str| line.chars().count() <= 80;
    assert!(ran.out.lines().filter(|line| line.contains('▄')).all(is_narrow), "{}", ran.out);
    let (_, asked, _) = ask(&["invite", "show", "3"], &made(Some(&open), "open"));
    assert_eq!(asked, "GET /v1/invites/3");
    let mut used = made(None, "used");
    used["used_by"] = json!("bob");
    used["refused"] = json!(["martlet1x"]);
    let (ran, asked, _) = ask(&["invite", "list"], &json!({"invites": [used]}));
    assert_eq!(asked, "GET /v1/invites");
    assert!(ran.out.contains("used") && ran.out.contains("bob"), "{}", ran.out);
    assert!(ran.out.contains("1 other came by invite 3"), "{}", ran.out);
    let human = "Invite 3 is good no more.\n";
    check(&["invite", "revoke", "3"], "DELETE /v1/invites/3", &Value::Null, &Value::Null, human);
    let fake = Fake::start(|_| Answer::Problem(ErrorCode::UnknownInvite, "no such invite"));
    assert_eq!(run(fake.socket(), &["invite", "show", "9"]).code, 6);
    for bad in ["30s", "31d", "x", "0", "off"] {
        assert_eq!(run(fake.socket(), &["invite", "create", "--expires", bad]).code, 2, "{bad}");
    }
}

/// A daemon of the network "lan", which it reads from a file.
fn daemon(lock: &'static str, file: &str) -> Fake {
    let file = file.to_owned();
    Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/network" => Answer::Json(json!({"name": "lan", "closed": false, "shard_bits": 0,
            "stamp_bits": 0, "lan_only": true, "bootstrap": [], "file": file})),
        "GET /v1/status" => {
            Answer::Json(json!({"version": "0", "pid": 1, "lock": lock, "network": "lan",
            "peer_id": "x", "listen": [], "peers_connected": 0, "warnings": [],
            "mailbox": {"envelopes": 0, "bytes": 0, "bytes_max": 1}}))
        }
        _ => Answer::Json(
            json!({"name": "Ann", "id": "martlet1x", "added_at": 0, "devices": 0, "unread": 0}),
        ),
    })
}

#[test]
fn an_invite_is_accepted_from_standard_input_and_a_bad_one_is_not_asked_for() {
    let fake = daemon("unlocked", "/nowhere");
    let link = link(NetworkDescriptor::default());
    let broken = format!("martlet:{}\r\n{}\n", &link[..60], &link[60..]);
    let ran = run_with_input(fake.socket(), &["invite", "accept", "-"], broken.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("Added Ann."), "{}", ran.out);
    assert_eq!(fake.lines(), ["GET /v1/network", "POST /v1/invites/accept"]);
    assert!(fake.seen()[1].body.contains("\"link\""));
    let fake = daemon("unlocked", "/nowhere");
    for (bad, why) in [
        (&link[..link.len() - 3], "is damaged"),
        ("martlet1qqqq", "not an invite"),
        ("https://example.org", "not an invite"),
    ] {
        let ran = run(fake.socket(), &["invite", "accept", bad]);
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(why) && !ran.err.contains(&bad[8..]), "{}", ran.err);
    }
    assert_eq!(fake.lines().len(), 0);
}

/// Nothing is done to a network in which someone is; where nobody is yet, the invite's is joined.
#[test]
fn an_invite_to_another_network_says_how_to_join_it() {
    let link = link(closed());
    let fake = daemon("unlocked", "/nowhere");
    let ran = run(fake.socket(), &["invite", "accept", &link]);
    assert_eq!(ran.code, 1);
    let err = ran.err.replace('\n', " ");
    assert!(err.contains("closed network ship") && err.contains("network join --force -"), "{err}");
    assert_eq!(fake.lines(), ["GET /v1/network", "GET /v1/status"]);

    // What it says works: the link is a network's text, too.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("network.toml");
    let path = file.to_str().unwrap();
    let args = ["network", "join", "-", "--to", path];
    assert_eq!(run_with_input(fake.socket(), &args, link.as_bytes()).code, 0);
    let joined = NetworkDescriptor::read(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(joined, closed());

    // Where there is no identity yet, it is done at once.
    std::fs::remove_file(&file).unwrap();
    let fake = daemon("no_identity", path);
    let ran = run(fake.socket(), &["invite", "accept", &link]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let joined = NetworkDescriptor::read(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(joined, closed());
    assert!(
        ran.out.contains("Restart the daemon") && ran.err.contains("martletctl init"),
        "{ran:?}"
    );
}

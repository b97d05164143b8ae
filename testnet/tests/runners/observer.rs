//! What an observer of the network gets to see: ciphertext of a few sizes, and nothing that names
//! a person or a device.

use std::path::Path;
use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_protocol::envelope::is_on_ladder;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Envelope, Header, Id, Kind};
use martlet_store::Vault;
use martlet_store::records::PROFILE;
use martlet_store::vault::Key;
use martlet_store::vault::keyfile::KeyFile;
use martlet_testnet::cluster::{Cluster, Node, introduce, until};
use martlet_testnet::peer::{RawPeer, acks_topic, envelopes_topic};

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);

/// Something that must not be seen, in every form it might be written.
struct Secret {
    what: String,
    forms: Vec<Vec<u8>>,
}

impl Secret {
    fn text(what: &str, text: &str) -> Self {
        Self { what: what.to_owned(), forms: vec![text.as_bytes().to_vec()] }
    }

    fn bytes(what: impl Into<String>, bytes: &[u8]) -> Self {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        Self { what: what.into(), forms }
    }

    fn is_in(&self, seen: &[u8]) -> bool {
        self.forms.iter().any(|form| seen.windows(form.len()).any(|window| window == form))
    }
}

#[tokio::test]
async fn an_observer_learns_neither_who_nor_what() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let network = NetworkDescriptor::default();
    // Two observers: a full node, which keeps what it is given, and a peer that records all gossip.
    let mut observer = cluster.start("observer", &[]).await?;
    let tap = RawPeer::connect(&network, &observer.address()?).await?;
    let mut alice = cluster.user("alexandrina", &[&observer]).await?;
    let mut bob = cluster.user("bartholomew", &[&observer, &alice]).await?;
    introduce(&alice, &bob).await?;
    let near_tap = RawPeer::connect(&network, &alice.address()?).await?;

    let texts = [
        "the treasure is under the third palm tree".to_owned(),
        "unmistakable ".repeat(60),
        "a long story, told at length; ".repeat(500),
    ];
    for text in &texts {
        let sent = alice.send("bartholomew", text).await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        let sent = bob.send("alexandrina", text).await?;
        bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    // What waits for who is away is what an observer could study at leisure.
    bob.stop().await?;
    for text in &texts {
        let sent = alice.send("bartholomew", text).await?;
        alice.wait_state(&sent.id, Delivery::Sent, DEADLINE).await?;
    }
    let waiting = std::fs::read(observer.data_dir().join("mailbox.redb"))?;
    bob.start().await?;
    bob.wait_received("alexandrina", 2 * texts.len(), DEADLINE).await?;
    until("the taps should hear envelopes and acks", DEADLINE, async || {
        let heard = [tap.heard(), near_tap.heard()].concat();
        let acks = heard.iter().filter(|one| one.topic == acks_topic(&network.name)).count();
        Ok((acks > 0 && heard.len() > 3 * texts.len()).then_some(()))
    })
    .await?;
    let ids = [alice.id().await?, bob.id().await?];
    let peer_ids = [alice.status().await?.peer_id, bob.status().await?.peer_id].concat();
    for node in [&mut alice, &mut bob, &mut observer] {
        node.stop().await?;
    }

    let mut secrets = vec![
        Secret::text("alice's name", "alexandrina"),
        Secret::text("bob's name", "bartholomew"),
        Secret::text("a text", "third palm tree"),
        Secret::text("a text", "unmistakable"),
        Secret::text("a text", "a long story, told at length"),
    ];
    for (id, node) in ids.iter().zip([&alice, &bob]) {
        secrets.push(Secret::text("an ID", id));
        // Its first part is enough to recognize it by.
        secrets.push(Secret::text("an ID's beginning", &id[..20]));
        let Id { identity, secret } = id.parse()?;
        secrets.push(Secret::bytes("an identity key", identity.as_bytes()));
        secrets.push(Secret::bytes("a rendezvous secret", &secret.0));
        secrets.extend(device_keys(node)?);
    }

    let heard = [tap.heard(), near_tap.heard()].concat();
    let mut kinds = Vec::new();
    for one in heard.iter().filter(|one| one.topic == envelopes_topic(&network.name)) {
        let envelope = Envelope::decode(&one.data)?;
        let header = Header::parse(&envelope.content)?;
        let body = envelope.content.len() - header.len;
        assert!(is_on_ladder(body), "a body of {body} bytes");
        assert!(matches!(header.slots, 1 | 2 | 4 | 8), "{} slots", header.slots);
        kinds.push((header.kind, body));
    }
    for kind in [Kind::ToDevice, Kind::Conversation] {
        assert!(kinds.iter().any(|(found, _)| *found == kind), "no {kind:?} envelope was heard");
    }
    kinds.sort_by_key(|(_, body)| *body);
    kinds.dedup_by_key(|(_, body)| *body);
    assert!(kinds.len() >= 3, "texts of three lengths are on {} rungs", kinds.len());

    let mut seen: Vec<(String, Vec<u8>)> =
        heard.into_iter().map(|one| (format!("gossip on {}", one.topic), one.data)).collect();
    seen.push(("the peer ids".into(), peer_ids.into_bytes()));
    seen.push(("the mailbox, while messages waited".into(), waiting));
    seen.push(("the observer's log".into(), observer.log().into_bytes()));
    for entry in std::fs::read_dir(observer.data_dir())? {
        let path = entry?.path();
        if path.is_file() {
            seen.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    // The users' own logs, at the default level, are nobody's to read in either.
    for node in [&alice, &bob] {
        seen.push((format!("the log of {}", node.name()), without_paths(node).into_bytes()));
    }
    for (place, bytes) in &seen {
        for secret in &secrets {
            assert!(!secret.is_in(bytes), "{} is in {place}", secret.what);
        }
    }
    // The search finds what is there.
    assert!(Secret::text("", "third palm").is_in(b"under the third palm tree"));
    Ok(())
}

/// Public and private keys of a stopped node's device, from its vault.
fn device_keys(node: &Node) -> Result<Vec<Secret>, Box<dyn std::error::Error>> {
    let key_file = KeyFile::read(&node.data_dir().join("vault.key"))?.ok_or("no key file")?;
    let master = key_file.unwrap(None)?;
    let vault = open(&node.data_dir().join("vault.redb"), &master)?;
    let profile = vault.begin([0; 32])?.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
    let device = ed25519_dalek::SigningKey::from_bytes(&profile.device_seed.0);
    Ok(vec![
        Secret::bytes("a device key", device.verifying_key().as_bytes()),
        Secret::bytes("a device's seed", &profile.device_seed.0),
        Secret::bytes("a root seed", &profile.root_seed.as_ref().ok_or("no root")?.0),
        Secret::bytes("a vault's master key", master.as_bytes()),
    ])
}

fn open(
    path: &Path,
    master: &martlet_store::vault::keyfile::MasterKey,
) -> Result<Vault, martlet_store::StoreError> {
    Vault::open(path, master, 1024 * 1024)
}

/// A node's log without the paths of its files, which the harness names after it.
fn without_paths(node: &Node) -> String {
    let directory = node.data_dir();
    node.log()
        .replace(&directory.display().to_string(), "DIR")
        .replace(&node.config_file().display().to_string(), "CONFIG")
}

//! A peer that says what no honest node would: the daemon lives, stores and forwards none of it,
//! and honest messages still flow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use martlet_protocol::control::Delivery;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Header, Kind, NetworkTag, Shard, UnixMillis,
    codec,
};
use martlet_testnet::cluster::{ClusterError, Node, introduce, until};
use martlet_testnet::peer::{PeerError, RawPeer, envelopes_topic};
use rand::Rng;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// What an envelope's header says; the rest of it is random.
struct Draft {
    network: NetworkTag,
    shard: Shard,
    expiry: ExpiryHour,
    body: usize,
}

impl Draft {
    /// One that every node must take.
    fn good() -> Self {
        Self {
            network: NetworkDescriptor::default().tag(),
            shard: Shard(0),
            expiry: ExpiryHour::latest(now()),
            body: 512,
        }
    }

    fn content(&self) -> Vec<u8> {
        let prefix =
            Header::encode_prefix(Kind::Conversation, self.network, self.shard, self.expiry, 1);
        [prefix.to_vec(), random(32), random(self.body)].concat()
    }

    fn encode(&self) -> Vec<u8> {
        Envelope::new(self.content()).encode()
    }
}

/// One content byte changed, encoded.
fn with_byte(at: usize, value: u8) -> Vec<u8> {
    let mut content = Draft::good().content();
    content[at] = value;
    Envelope::new(content).encode()
}

/// Everything that must be refused, by name.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let good = || Draft::good();
    let hour = |ms: i64| ExpiryHour::containing(UnixMillis(now().0.saturating_add_signed(ms)));
    const HOUR: i64 = 3_600_000;
    let mut trailing = good().encode();
    trailing.push(0);
    let mut truncated = good().encode();
    truncated.truncate(300);
    // A byte string that claims 4 GiB, and a map that claims 2^32 entries.
    let claims_much = [&[0xa2, 0x00, 0x5b, 0, 0, 0, 1, 0, 0, 0, 0][..], &[7; 64]].concat();
    let claims_many = [&[0xbb, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0; 64]].concat();
    vec![
        ("empty", Vec::new()),
        ("random bytes", random(1000)),
        ("zeros", vec![0; 1000]),
        ("deep nesting", vec![0x81; 10_000]),
        ("a length of 4 GiB", claims_much),
        ("2^32 entries", claims_many),
        ("followed by a byte", trailing),
        ("cut short", truncated),
        ("no content", Envelope::new(Vec::new()).encode()),
        ("a header cut short", Envelope::new(Draft::good().content()[..30].to_vec()).encode()),
        ("version 9", with_byte(0, 9)),
        ("kind 7", with_byte(1, 7)),
        ("3 slots", with_byte(16, 3)),
        ("8 slots in the place of 1", with_byte(16, 8)),
        ("a body off the ladder", Draft { body: 513, ..good() }.encode()),
        ("a body of nothing", Draft { body: 0, ..good() }.encode()),
        ("a body over the ladder", Draft { body: 48 * 1024, ..good() }.encode()),
        ("over the size of an envelope", Draft { body: ENVELOPE_BYTES_MAX, ..good() }.encode()),
        ("over the size of a gossip", Draft { body: 1 << 20, ..good() }.encode()),
        ("expired an hour ago", Draft { expiry: hour(-HOUR), ..good() }.encode()),
        ("expired in 1970", Draft { expiry: ExpiryHour(0), ..good() }.encode()),
        ("ends in 7 days", Draft { expiry: hour(7 * 24 * HOUR), ..good() }.encode()),
        ("ends in the year 491936", Draft { expiry: ExpiryHour(u32::MAX), ..good() }.encode()),
        ("another network's", Draft { network: NetworkTag::of("other"), ..good() }.encode()),
        ("another shard's", Draft { shard: Shard(1), ..good() }.encode()),
    ]
}

async fn held(node: &Node) -> Result<u64, ClusterError> {
    Ok(node.status().await?.mailbox.envelopes)
}

#[tokio::test]
async fn bad_envelopes_are_neither_stored_nor_forwarded() -> TestResult {
    let cluster = cluster()?;
    let network = NetworkDescriptor::default();
    // No user and no other daemon: every envelope in it came from this test.
    let victim = cluster.start("victim", &[]).await?;
    let pid = victim.status().await?.pid;
    let listener = RawPeer::connect(&network, &victim.address()?).await?;
    let mut good = Vec::new();
    for (what, data) in hostile() {
        // A new peer each time: that one is punished is no excuse for the next.
        let hostile = RawPeer::connect(&network, &victim.address()?).await?;
        hostile.publish_envelope(data.clone()).await?;
        // Gossip of one peer is handled in order: once the good one is stored, the bad one was
        // judged. If the bad one cut the connection, another peer brings the good one.
        let marker = Draft::good().encode();
        let _ = hostile.publish_envelope(marker.clone()).await;
        let stored = until("", Duration::from_secs(2), async || {
            Ok((held(&victim).await? > good.len() as u64).then_some(()))
        })
        .await;
        if stored.is_err() {
            let honest = RawPeer::connect(&network, &victim.address()?).await?;
            honest.publish_envelope(marker.clone()).await?;
            until(
                format!("a good envelope should be stored after: {what}"),
                DEADLINE,
                async || Ok((held(&victim).await? > good.len() as u64).then_some(())),
            )
            .await?;
        }
        good.push(marker);
        assert_eq!(held(&victim).await?, good.len() as u64, "stored: {what}");
        until(format!("the good one after {what:?} should be forwarded"), DEADLINE, async || {
            let heard = listener.heard();
            Ok(heard.iter().any(|one| Some(&one.data) == good.last()).then_some(()))
        })
        .await?;
        assert!(!listener.heard().iter().any(|one| one.data == data), "forwarded: {what}");
    }
    assert_eq!(victim.status().await?.pid, pid, "the daemon was restarted");
    Ok(())
}

/// Bob may have gossiped it himself by now, since Alice told him of it: then it can't be published again, and is
/// a replay no more.
fn unless_gossiped_here(published: Result<(), PeerError>) -> Result<(), PeerError> {
    match published {
        Err(PeerError::Publish(reason)) if reason == "Duplicate" => Ok(()),
        published => published,
    }
}

#[tokio::test]
async fn replays_change_nothing() -> TestResult {
    let cluster = cluster()?;
    let network = NetworkDescriptor::default();
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let recorder = RawPeer::connect(&network, &alice.address()?).await?;
    let sent = alice.send("bob", "once").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    until("the recorder should hear something", DEADLINE, async || {
        Ok((recorder.heard().len() > 2).then_some(()))
    })
    .await?;
    // With empty gossip caches, so that the replays reach the mailbox.
    bob.restart().await?;
    let replayer = RawPeer::connect(&network, &bob.address()?).await?;
    for one in recorder.heard() {
        if one.topic != envelopes_topic(&network.name) {
            unless_gossiped_here(replayer.publish_acks(one.data).await)?;
            continue;
        }
        let restamped = Envelope { nonce: 99, ..Envelope::decode(&one.data)? };
        unless_gossiped_here(replayer.publish_envelope(one.data).await)?;
        replayer.publish_envelope(restamped.encode()).await?;
    }
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let after = alice.send("bob", "after").await?;
    alice.wait_state(&after.id, Delivery::Delivered, DEADLINE).await?;
    assert_eq!(bob.received("alice").await?, ["once", "after"]);
    Ok(())
}

#[tokio::test]
async fn honest_messages_flow_beside_garbage() -> TestResult {
    let cluster = cluster()?;
    let network = NetworkDescriptor::default();
    // All that Alice and Bob exchange goes by the node under attack.
    let victim = cluster.start("victim", &[]).await?;
    let alice = cluster.user("alice", &[&victim]).await?;
    let bob = cluster.user("bob", &[&victim]).await?;
    introduce(&alice, &bob).await?;
    let attack = async {
        loop {
            for (_, data) in hostile() {
                // Whoever is cut off comes back under another name.
                let peer = RawPeer::connect(&network, &victim.address()?).await;
                let Ok(peer) = peer else { continue };
                for _ in 0..20 {
                    let _ = peer.publish_envelope(data.clone()).await;
                    let _ = peer.publish_acks(data.clone()).await;
                    let _ = peer.publish_envelope(random(500)).await;
                }
            }
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<(), ClusterError>(())
    };
    let talk = async {
        for number in 0..30 {
            let sent = alice.send("bob", &format!("{number}")).await?;
            alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        }
        Ok::<(), ClusterError>(())
    };
    tokio::select! {
        done = attack => done?,
        done = talk => done?,
    }
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(bob.received("alice").await?, expected);
    Ok(())
}

#[tokio::test]
async fn a_peer_that_sends_only_garbage_is_cut_off() -> TestResult {
    let cluster = cluster()?;
    let victim = cluster.start("victim", &[]).await?;
    let peer = RawPeer::connect(&NetworkDescriptor::default(), &victim.address()?).await?;
    until("the peer should be cut off", DEADLINE, async || {
        for _ in 0..100 {
            let _ = peer.publish_envelope(random(100)).await;
        }
        let connected = peer.is_connected().await;
        Ok((!connected.map_err(|error| ClusterError::Wrong(error.to_string()))?).then_some(()))
    })
    .await?;
    assert_eq!(held(&victim).await?, 0);
    Ok(())
}

#[tokio::test]
async fn false_acks_purge_nothing_and_prove_nothing() -> TestResult {
    let cluster = cluster()?;
    let network = NetworkDescriptor::default();
    let mailbox = cluster.start("mailbox", &[]).await?;
    let alice = cluster.user("alice", &[&mailbox]).await?;
    let mut bob = cluster.user("bob", &[&mailbox, &alice]).await?;
    introduce(&alice, &bob).await?;
    let first = alice.send("bob", "first").await?;
    alice.wait_state(&first.id, Delivery::Delivered, DEADLINE).await?;
    bob.stop().await?;

    let liar = RawPeer::connect(&network, &mailbox.address()?).await?;
    let before = liar.heard().len();
    let sent = alice.send("bob", "waiting").await?;
    alice.wait_state(&sent.id, Delivery::Sent, DEADLINE).await?;
    let envelopes = until("the liar should hear the envelope", DEADLINE, async || {
        let heard = liar.heard().split_off(before);
        let topic = envelopes_topic(&network.name);
        let data: Vec<Vec<u8>> =
            heard.into_iter().filter(|one| one.topic == topic).map(|one| one.data).collect();
        Ok((!data.is_empty()).then_some(data))
    })
    .await?;
    let mut acks = Vec::new();
    for data in envelopes {
        let id = Envelope::decode(&data)?.id();
        for slot in [0, 1, 7, 255] {
            acks.push(Ack { envelope: id, slot, secret: AckSecret([7; 16]) });
        }
        acks.push(Ack { envelope: EnvelopeId([9; 32]), slot: 0, secret: AckSecret([0; 16]) });
    }
    liar.publish_acks(codec::encode(&acks)).await?;
    liar.publish_acks(codec::encode(&Vec::<Ack>::new())).await?;
    liar.publish_acks(random(2000)).await?;
    // Something honest after it, over the same connection.
    let held_before = held(&mailbox).await?;
    liar.publish_envelope(Draft::good().encode()).await?;
    until("the honest envelope should be stored", DEADLINE, async || {
        Ok((held(&mailbox).await? > held_before).then_some(()))
    })
    .await?;
    assert_eq!(alice.message(&sent.id).await?.state, Delivery::Sent);
    bob.start().await?;
    assert_eq!(bob.wait_received("alice", 2, DEADLINE).await?, ["first", "waiting"]);
    Ok(())
}

#[tokio::test]
async fn garbage_on_the_sync_protocol_is_refused() -> TestResult {
    let cluster = cluster()?;
    let network = NetworkDescriptor::default();
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let peer = RawPeer::connect(&network, &alice.address()?).await?;
    for data in [
        Vec::new(),
        random(1000),
        vec![0x81; 100_000],
        random(3 * 1024 * 1024),
        [&[0x9b, 0, 0, 0, 1, 0, 0, 0, 0][..], &[0; 64]].concat(),
    ] {
        // Refused by an answer or by a closed stream; either will do.
        let _ = peer.request(data).await;
    }
    let sent = bob.send("alice", "still there?").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    Ok(())
}

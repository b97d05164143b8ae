//! Networks that ask for stamps: they are made beside everything else, survive a kill, and what
//! lacks one goes nowhere.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Envelope, ExpiryHour, Header, Kind, Shard, UnixMillis, stamp};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce, until};
use martlet_testnet::peer::RawPeer;
use rand::Rng;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(120);
/// Envelopes of peers that went into the mailbox.
const NEW_ENVELOPES: &str = r#"martlet_envelopes_taken_total{result="new"}"#;

fn network(stamp_bits: u8) -> NetworkDescriptor {
    NetworkDescriptor { name: "work".into(), stamp_bits, ..NetworkDescriptor::default() }
}

/// Sets the bits that a node asks for from its next start on.
fn set_bits(cluster: &Cluster, node: &str, bits: u8) -> std::io::Result<()> {
    fs::write(cluster.path().join(format!("{node}.net")), network(bits).to_toml().as_bytes())
}

async fn start(
    cluster: &Cluster,
    name: &str,
    bits: u8,
    peers: &[&Node],
) -> Result<Node, Box<dyn std::error::Error>> {
    set_bits(cluster, name, bits)?;
    let peers = peers.iter().map(|peer| peer.address()).collect::<Result<_, _>>()?;
    let config = vec![format!("network = \"{name}.net\"")];
    let mut node = cluster.node(name, NodeOptions { peers, config, ..NodeOptions::default() });
    node.start().await?;
    Ok(node)
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

/// An envelope that lacks nothing but its stamp.
fn unstamped(network: &NetworkDescriptor) -> Envelope {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let expiry = ExpiryHour::latest(now);
    let prefix = Header::encode_prefix(Kind::Conversation, network.tag(), Shard(0), expiry, 1);
    let mut rest = vec![0; 32 + 512];
    rand::rng().fill_bytes(&mut rest);
    Envelope::new([prefix.to_vec(), rest].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_talk_and_what_lacks_its_stamp_goes_nowhere() -> TestResult {
    const BITS: u8 = 12;
    let cluster = cluster()?;
    let relay = start(&cluster, "relay", BITS, &[]).await?;
    let ann = start(&cluster, "ann", BITS, &[&relay]).await?;
    let bob = start(&cluster, "bob", BITS, &[&relay]).await?;
    ann.init().await?;
    bob.init().await?;
    introduce(&ann, &bob).await?;
    for text in numbered(20) {
        ann.send("bob", &text).await?;
    }
    assert_eq!(bob.wait_received("ann", 20, DEADLINE).await?, numbered(20));

    let (speaker, listener) = (
        RawPeer::connect(&network(BITS), &relay.address()?).await?,
        RawPeer::connect(&network(BITS), &relay.address()?).await?,
    );
    let poor = loop {
        let envelope = unstamped(&network(BITS));
        if !stamp::check(&envelope.id(), 0, BITS) {
            break envelope;
        }
    };
    // Not the number in the mailbox: the messages before may still be acknowledged, and leave it.
    let taken = async || Ok::<_, ClusterError>(relay.metrics().await?.get(NEW_ENVELOPES)?);
    let before = taken().await?;
    speaker.publish_envelope(poor.encode()).await?;
    // What comes before the relay knows that the listener takes gossip goes by without it, so others follow.
    let mut published = Vec::new();
    let forwarded = async {
        while !listener.heard().iter().any(|heard| published.contains(&heard.data)) {
            let mut good = unstamped(&network(BITS));
            good.nonce = stamp::make(&good.id(), BITS, 0, u64::MAX).ok_or("no stamp")?;
            published.push(good.encode());
            speaker.publish_envelope(good.encode()).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        TestResult::Ok(())
    };
    tokio::time::timeout(DEADLINE, forwarded).await??;
    // They follow the one that lacks its stamp: that was looked at before.
    let heard = listener.heard();
    assert!(!heard.iter().any(|message| message.data == poor.encode()));
    until("the stamped one should be stored", DEADLINE, async || {
        Ok((taken().await? > before).then_some(()))
    })
    .await?;
    Ok(())
}

/// With the bits asked for here one stamp takes many minutes: what is answered meanwhile is answered
/// beside it, and stopping cancels it.
#[tokio::test(flavor = "multi_thread")]
async fn stamps_hold_up_nothing_and_a_kill_loses_none() -> TestResult {
    let cluster = cluster()?;
    let mut ann = start(&cluster, "ann", 8, &[]).await?;
    let bob = start(&cluster, "bob", 8, &[&ann]).await?;
    ann.init().await?;
    bob.init().await?;
    introduce(&ann, &bob).await?;
    ann.send("bob", "first").await?;
    bob.wait_received("ann", 1, DEADLINE).await?;
    // Its ack must not come between the two counts below.
    until("nothing should be on its way", DEADLINE, async || {
        Ok((ann.status().await?.outbox == Some(0)).then_some(()))
    })
    .await?;

    set_bits(&cluster, "ann", 32)?;
    ann.restart().await?;
    for text in numbered(50) {
        ann.send("bob", &text).await?;
    }
    let status = ann.status().await?;
    // The bundle waits as well.
    assert!(status.stamping >= 51, "{status:?}");
    assert!(status.outbox.is_some_and(|outbox| outbox >= 50));
    ann.restart().await?;
    until("all of it should wait again", DEADLINE, async || {
        Ok((ann.status().await?.stamping == status.stamping).then_some(()))
    })
    .await?;
    ann.kill()?;

    set_bits(&cluster, "ann", 8)?;
    ann.start().await?;
    let expected: Vec<_> = ["first".to_owned()].into_iter().chain(numbered(50)).collect();
    assert_eq!(bob.wait_received("ann", 51, DEADLINE).await?, expected);
    until("nothing should be left to stamp", DEADLINE, async || {
        Ok((ann.status().await?.stamping == 0).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_stamping_loses_and_repeats_nothing() -> TestResult {
    const BITS: u8 = 18;
    let cluster = cluster()?;
    let mut ann = start(&cluster, "ann", BITS, &[]).await?;
    let bob = start(&cluster, "bob", BITS, &[&ann]).await?;
    ann.init().await?;
    bob.init().await?;
    introduce(&ann, &bob).await?;
    ann.send("bob", "message 0").await?;
    bob.wait_received("ann", 1, DEADLINE).await?;
    for text in &numbered(60)[1..] {
        ann.send("bob", text).await?;
    }
    for left in [40, 20] {
        until("some should be stamped", DEADLINE, async || {
            Ok((ann.status().await?.stamping <= left).then_some(()))
        })
        .await?;
        ann.kill()?;
        ann.start().await?;
    }
    assert_eq!(bob.wait_received("ann", 60, DEADLINE).await?, numbered(60));
    Ok(())
}

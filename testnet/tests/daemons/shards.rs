//! A network of 16 shards: each full node keeps a few of them, and users of different shards talk.

use std::collections::BTreeSet;
use std::time::Duration;

use martlet_protocol::control::{Delivery, Role};
use martlet_protocol::{EnvelopeId, Shard};
use martlet_store::mailbox::{Mailbox, MailboxOptions, MailboxView};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce, until};

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(90);
const SHARDS: u16 = 16;
const RELAYS: u16 = 8;

/// Relay `n` keeps these: every shard has two of them.
fn shards_of_relay(n: u16) -> [u16; 4] {
    std::array::from_fn(|i| (2 * n + u16::try_from(i).unwrap_or(0)) % SHARDS)
}

struct World {
    cluster: Cluster,
    relays: Vec<Node>,
    /// Keeps everything.
    attic: Node,
    users: Vec<Node>,
}

impl World {
    /// Relays in a ring, a mailbox node that knows them all, and users who know them all but not
    /// each other. The users' shards differ, and each keeps no other; the last is an edge node.
    async fn start(names: &[&str]) -> Result<Self, Box<dyn std::error::Error>> {
        let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
        let descriptor = cluster.path().join("network.toml");
        std::fs::write(&descriptor, "name = \"sharded\"\nshard_bits = 4\n")?;
        let network = format!("network = {descriptor:?}");
        let start = async |name: &str, peers: Vec<String>, config: &str| {
            let config = vec![network.clone(), config.to_owned()];
            let mut node =
                cluster.node(name, NodeOptions { peers, config, ..NodeOptions::default() });
            node.start().await?;
            Ok::<_, ClusterError>(node)
        };
        let mut relays: Vec<Node> = Vec::new();
        for n in 0..RELAYS {
            // Who keeps the same shards is next in the ring.
            let first = relays.first().filter(|_| n + 1 == RELAYS);
            let peers: Vec<String> = relays
                .last()
                .into_iter()
                .chain(first)
                .map(Node::address)
                .collect::<Result<_, _>>()?;
            let config = format!("shards = {:?}", shards_of_relay(n));
            relays.push(start(&format!("relay{n}"), peers, &config).await?);
        }
        let all: Vec<String> = relays.iter().map(Node::address).collect::<Result<_, _>>()?;
        let attic = start("attic", all.clone(), "role = \"mailbox\"").await?;
        let mut users = Vec::new();
        let mut taken = BTreeSet::new();
        for (number, name) in names.iter().enumerate() {
            let config =
                if number + 1 == names.len() { "role = \"edge\"" } else { "shard_count = 0" };
            // An identity's shard is as it comes: one that is taken makes room for another.
            for attempt in 0.. {
                let directory = format!("{name}{attempt}");
                let user = start(&directory, all.clone(), config).await?;
                user.init().await?;
                if taken.insert(own_shard(&user).await?) {
                    users.push(user);
                    break;
                }
            }
        }
        Ok(Self { cluster, relays, attic, users })
    }

    fn keepers(&self, shard: u16) -> impl Iterator<Item = usize> {
        let keeps =
            move |n: &usize| u16::try_from(*n).is_ok_and(|n| shards_of_relay(n).contains(&shard));
        (0..self.relays.len()).filter(keeps)
    }
}

/// The shard of a user who keeps no other.
async fn own_shard(user: &Node) -> Result<u16, ClusterError> {
    until(format!("{} should keep its user's shard", user.name()), DEADLINE, async || {
        let shards = user.status().await?.shards;
        Ok((shards.total == SHARDS && shards.list.len() == 1).then(|| shards.list[0]))
    })
    .await
}

async fn say(from: &Node, to: &Node, text: &str, state: Delivery) -> Result<String, ClusterError> {
    let id = from.send(to.name(), text).await?.id;
    from.wait_state(&id, state, DEADLINE).await?;
    Ok(id)
}

fn mailbox(node: &Node) -> Result<Mailbox, martlet_store::StoreError> {
    let options =
        MailboxOptions { bytes_max: 1 << 30, bytes_per_source_max: 1 << 30, cache_bytes: 1 << 20 };
    Mailbox::open(&node.data_dir().join("mailbox.redb"), options)
}

/// The live envelopes, and their shards.
fn live(
    view: &MailboxView,
) -> Result<(Vec<EnvelopeId>, BTreeSet<Shard>), martlet_store::StoreError> {
    let (mut ids, mut shards) = (Vec::new(), BTreeSet::new());
    for digest in view.digests()? {
        ids.extend(view.bucket_ids(digest.bucket)?);
        shards.insert(digest.bucket.shard);
    }
    Ok((ids, shards))
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_different_shards_talk_and_each_node_keeps_its_own_shards() -> TestResult {
    let mut world = World::start(&["ann", "bob", "cleo", "ed"]).await?;
    let users = &world.users;
    let edge = users.last().ok_or("users")?;
    assert_eq!(edge.status().await?.role, Role::Edge);
    assert_eq!(world.attic.status().await?.role, Role::Mailbox);
    assert_eq!(world.attic.status().await?.shards.kept, SHARDS);
    assert_eq!(world.relays[0].status().await?.shards.list, shards_of_relay(0));

    // Everyone with everyone, both ways. Bundles are looked up in the others' shards.
    for (n, one) in users.iter().enumerate() {
        for other in &users[..n] {
            introduce(one, other).await?;
        }
    }
    for (n, one) in users.iter().enumerate() {
        for other in &users[..n] {
            say(one, other, "hello", Delivery::Delivered).await?;
            say(other, one, "hello to you", Delivery::Delivered).await?;
        }
    }

    // Bob is away, and one keeper of his shard: the other one has what is sent.
    let shard = own_shard(&world.users[1]).await?;
    let keepers: Vec<usize> = world.keepers(shard).collect();
    let [first, second] = keepers[..] else { return Err("two keepers".into()) };
    world.users[1].stop().await?;
    world.relays[first].stop().await?;
    let mut sent = vec![say(&world.users[0], &world.users[1], "one", Delivery::Sent).await?];

    // All of them are away: it waits with its author until one is back.
    world.relays[second].stop().await?;
    world.attic.stop().await?;
    let waits = world.users[0].send(world.users[1].name(), "two").await?.id;
    assert_eq!(world.users[0].message(&waits).await?.state, Delivery::Queued);
    // The author forgets what gossip had not got rid of.
    world.users[0].restart().await?;
    assert_eq!(world.users[0].message(&waits).await?.state, Delivery::Queued);
    world.relays[second].start().await?;
    world.users[0].wait_state(&waits, Delivery::Sent, DEADLINE).await?;
    sent.push(waits);
    world.relays[first].start().await?;
    world.attic.start().await?;
    world.users[1].start().await?;
    for id in &sent {
        world.users[0].wait_state(id, Delivery::Delivered, DEADLINE).await?;
    }
    let from = world.users[0].name().to_owned();
    let received = world.users[1].received(&from).await?;
    assert_eq!(received[received.len() - 2..], ["one", "two"]);

    let attic_has_all = async || {
        // What the attic missed while it was off comes by sync.
        let envelopes = world.attic.status().await?.mailbox.envelopes;
        Ok((envelopes >= u64::try_from(world.users.len()).unwrap_or(0)).then_some(()))
    };
    until("the attic should have every bundle", DEADLINE, attic_has_all).await?;

    // On disk.
    let mut kept = Vec::new();
    for node in world.relays.iter_mut().chain(&mut world.users) {
        kept.push((node.name().to_owned(), node.status().await?.shards.list));
        node.stop().await?;
    }
    world.attic.stop().await?;
    let of_attic = mailbox(&world.attic)?;
    let attic = of_attic.view()?;
    let mut seen = BTreeSet::new();
    for (node, (name, kept)) in world.relays.iter().chain(&world.users).zip(kept) {
        let mailbox = mailbox(node)?;
        let (ids, shards) = live(&mailbox.view()?)?;
        let foreign: Vec<_> = shards.iter().filter(|shard| !kept.contains(&shard.0)).collect();
        assert!(foreign.is_empty(), "{name} keeps {kept:?} and has some of {foreign:?}");
        let (unknown, _) = attic.lacking(&ids)?;
        assert!(unknown.is_empty(), "the attic lacks {} that {name} has", unknown.len());
        seen.extend(shards);
    }
    let (_, in_attic) = live(&attic)?;
    assert!(seen.len() >= world.users.len() && seen.is_subset(&in_attic), "{seen:?} {in_attic:?}");
    drop(world.cluster);
    Ok(())
}

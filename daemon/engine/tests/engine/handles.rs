//! Handles: claimed, found, released.

use std::collections::BTreeSet;

use martlet_engine::command::{
    ClaimHandle, FindHandle, GetHandle, ReleaseHandle, ResetId, RevokeDevice,
};
use martlet_engine::limits::CLAIMANTS_MAX;
use martlet_protocol::control::{DeviceRevoke, HandleFound, OwnHandle};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::handle::{Claim, Handle, HandleKey, seal_bytes};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::ids::RendezvousSecret;
use martlet_protocol::{Id, codec};

use crate::world::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;

/// Three people who know each other's names at most.
fn three(seed: u64) -> Result<World> {
    let mut world = World::new(3, seed)?;
    for (node, name) in [(ALICE, "alice"), (BOB, "bob"), (CAROL, "carol")] {
        world.init(node, name)?;
    }
    world.settle()?;
    Ok(world)
}

/// A key that cost nothing.
fn key(byte: u8) -> Result<HandleKey> {
    Ok(codec::decode(&codec::encode(&serde_bytes::ByteBuf::from([byte; 32])), 64)?)
}

fn claim(world: &mut World, node: usize, name: &str) -> Result<OwnHandle> {
    world.call(node, ClaimHandle { handle: name.parse()?, key: key(1)? })
}

fn find(world: &mut World, node: usize, name: &str) -> Result<HandleFound> {
    let (handle, key) = (name.parse()?, key(1)?);
    world.call(node, FindHandle { handle, key, is_asked: false })
}

/// The IDs of those found.
fn ids(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    Ok(find(world, node, name)?.claimants.into_iter().map(|it| it.id).collect())
}

#[test]
fn who_knows_a_name_finds_all_who_claim_it_or_what_looks_like_it() -> Result {
    let mut world = three(1000)?;
    let (alice, bob) = (world.id_of(ALICE)?, world.id_of(BOB)?);
    let own = claim(&mut world, ALICE, "Alice")?;
    assert_eq!((own.handle.as_deref(), own.claimants.len()), (Some("alice"), 1));
    assert!(own.claimants[0].own && own.claimants[0].safety_number.is_none());
    world.settle()?;
    assert_eq!(ids(&mut world, CAROL, "alice")?, std::slice::from_ref(&alice));

    // Bob's is not refused. He is told at once; and so is she who asks.
    let own = claim(&mut world, BOB, "\u{430}lice")?;
    let others: Vec<_> = own.claimants.iter().filter(|it| !it.own).collect();
    assert_eq!(others.iter().map(|it| &it.id).collect::<Vec<_>>(), [&alice]);
    let number = others[0].safety_number.clone().ok_or("no number")?;
    world.settle()?;
    let told = world.call(ALICE, GetHandle {})?.claimants;
    let bobs: Vec<_> = told.iter().filter(|it| it.id == bob).collect();
    assert_eq!(bobs.len(), 1);
    assert_eq!(bobs[0].safety_number.as_ref(), Some(&number), "both see one number");
    assert!(bobs[0].lookalike && bobs[0].handle == "\u{430}lice");

    world.add(CAROL, &bob, "robert")?;
    let found = find(&mut world, CAROL, "alice")?;
    assert!(found.complete && !found.more);
    let shown: Vec<_> = found
        .claimants
        .iter()
        .map(|it| (it.id.as_str(), it.lookalike, it.contact.as_deref(), it.own))
        .collect();
    let expected = [(bob.as_str(), true, Some("robert"), false), (&alice, false, None, false)];
    assert_eq!(shown, expected, "contacts first");
    assert_ne!(found.claimants[0].safety_number, found.claimants[1].safety_number);
    // What is found is enough to meet.
    world.add(CAROL, &alice, "alice")?;
    world.settle()?;
    world.send(CAROL, "alice", "hello")?;
    world.settle()?;
    assert_eq!(world.texts(CAROL, "alice", Direction::Out)?[0].1, Delivery::Sent);
    Ok(())
}

#[test]
fn nobody_answers_to_a_name_that_nobody_claims() -> Result {
    let mut world = three(1001)?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let other = FindHandle { handle: "bob".parse()?, key: key(2)?, is_asked: false };
    let found = world.call(CAROL, other)?;
    assert!(found.complete && found.claimants.is_empty());
    assert_eq!(world.call(CAROL, GetHandle {})?.handle, None);
    Ok(())
}

/// In the first days nothing is old yet: so three weeks, with a crash in each, some before the mailbox was committed.
#[test]
fn a_claim_is_found_for_weeks_and_through_crashes() -> Result {
    let mut world = three(1002)?;
    let alice = world.id_of(ALICE)?;
    claim(&mut world, ALICE, "alice")?;
    world.crash(ALICE)?;
    world.settle()?;
    assert_eq!(ids(&mut world, BOB, "alice")?, std::slice::from_ref(&alice), "a crash lost it");
    for day in 0..21 {
        // Nodes see each other each day; the time of a claim is a random one of the day.
        for _ in 0..4 {
            world.pass(DAY / 4);
            if day % 7 == 3 {
                world.crash(ALICE)?;
            }
            world.settle()?;
        }
        assert_eq!(ids(&mut world, BOB, "alice")?, std::slice::from_ref(&alice), "day {day}");
    }
    // One claim a day, and no more with each start.
    let before = world.call(BOB, GetStatus {})?.mailbox.envelopes;
    for _ in 0..5 {
        world.crash(ALICE)?;
        world.settle()?;
    }
    assert_eq!(world.call(BOB, GetStatus {})?.mailbox.envelopes, before);
    Ok(())
}

/// Whoever is off for longer than an envelope lives is found again once they are back.
#[test]
fn a_claim_that_ended_is_published_at_the_next_start() -> Result {
    let mut world = three(1003)?;
    let alice = world.id_of(ALICE)?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let engine = world.nodes[ALICE].engine.take();
    drop(engine);
    world.pass(DAY * 9);
    assert_eq!(ids(&mut world, BOB, "alice")?, Vec::<String>::new());
    world.start(ALICE)?;
    world.settle()?;
    assert_eq!(ids(&mut world, BOB, "alice")?, [alice]);
    Ok(())
}

#[test]
fn who_released_a_handle_is_found_by_it_no_more() -> Result {
    let mut world = three(1004)?;
    let refused = world.call(ALICE, ReleaseHandle {}).err().ok_or("released nothing")?;
    assert!(refused.to_string().contains("no handle"), "{refused}");
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let other = ClaimHandle { handle: "alissa".parse()?, key: key(2)? };
    let refused = world.call(ALICE, other).err().ok_or("claimed two")?.to_string();
    assert!(refused.contains("alice"), "{refused}");
    assert_eq!(claim(&mut world, ALICE, "alice")?.claimants.len(), 1, "again is no error");

    world.elapse(Duration::from_secs(60));
    world.call(ALICE, ReleaseHandle {})?;
    world.crash(ALICE)?;
    world.settle()?;
    for node in [ALICE, BOB] {
        assert_eq!(ids(&mut world, node, "alice")?, Vec::<String>::new(), "{node}");
    }
    for _ in 0..10 {
        world.pass(DAY);
        world.settle()?;
        assert_eq!(ids(&mut world, BOB, "alice")?, Vec::<String>::new());
    }
    assert_eq!(world.call(ALICE, GetHandle {})?.handle, None);
    world.call(ALICE, ClaimHandle { handle: "alissa".parse()?, key: key(2)? })?;
    Ok(())
}

#[test]
fn after_a_reset_the_handle_leads_to_the_new_id() -> Result {
    let mut world = three(1005)?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let before = world.id_of(ALICE)?;
    world.elapse(Duration::from_secs(60));
    world.call(ALICE, ResetId {})?;
    world.settle()?;
    let after = world.id_of(ALICE)?;
    assert_ne!(before, after);
    assert_eq!(ids(&mut world, BOB, "alice")?, [after]);
    Ok(())
}

#[test]
fn a_revoked_device_claims_nothing() -> Result {
    let mut world = three(1006)?;
    claim(&mut world, ALICE, "alice")?;
    let own = world.call(ALICE, martlet_engine::command::ListDevices {})?.devices;
    let device = own[0].id.clone();
    world.call(ALICE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    world.nodes[ALICE].released.publish.clear();
    world.pass(DAY * 2);
    let claims = world.nodes[ALICE].released.publish.len();
    assert_eq!(claims, 0, "a claim of a device that does not count");
    world.call(ALICE, ReleaseHandle {})?;
    assert!(claim(&mut world, ALICE, "alice").is_err());
    Ok(())
}

/// What strangers put under the tag: claims of as many identities as they like, and garbage.
#[test]
fn a_flood_of_claims_is_bounded_and_hides_no_contact() -> Result {
    let mut world = three(1007)?;
    let alice = world.id_of(ALICE)?;
    world.add(CAROL, &alice, "alice")?;
    let handle: Handle = "alice".parse()?;
    let addressing = Addressing {
        network: world.network.tag(),
        shard: martlet_protocol::Shard(0),
        expiry: ExpiryHour::latest(world.now),
    };
    let mut flood = Vec::new();
    for number in 0..100_u32 {
        let root = RootKey::generate(&mut world.rng);
        let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
        let claim = Claim {
            id: Id { identity: root.identity(), secret: RendezvousSecret([7; 15]) },
            handle: handle.clone(),
            claimed_at: UnixMillis(1),
            made_at: world.now,
            is_released: false,
        };
        flood.push(claim.seal(&mut world.rng, &addressing, &key(1)?, &device)?);
        let garbage = seal_bytes(
            &mut world.rng,
            &addressing,
            (&key(1)?, world.now.day()),
            &number.to_be_bytes(),
        )?;
        flood.push(garbage);
    }
    let flood: Vec<_> = flood.into_iter().map(Envelope::new).collect();
    let peer = PeerKey([99; 32]);
    let inputs = flood.into_iter().filter_map(|envelope| brought(peer, envelope)).collect();
    world.run(CAROL, inputs);
    // Hers comes after all of them.
    claim(&mut world, ALICE, "alice")?;
    world.sync(ALICE, CAROL)?;
    let found = find(&mut world, CAROL, "alice")?;
    assert!(found.more);
    assert_eq!(found.claimants.len(), CLAIMANTS_MAX + 1);
    let different: BTreeSet<_> = found.claimants.iter().map(|it| &it.id).collect();
    assert_eq!(different.len(), found.claimants.len());
    assert_eq!(found.claimants[0].contact.as_deref(), Some("alice"));
    // Whoever floods a name does not keep its owner from seeing it.
    assert!(claim(&mut world, CAROL, "alice")?.claimants[0].own);
    Ok(())
}

#[test]
fn keepers_of_another_shard_are_asked() -> Result {
    let network = NetworkDescriptor { shard_bits: 4, ..NetworkDescriptor::default() };
    let mut world = World::on(2, 1008, network)?;
    let alice = world.init(ALICE, "alice")?;
    world.init(BOB, "bob")?;
    world.pass(TICK);
    let shard = key(1)?.shard(4);
    let kept = world.nodes[BOB].released.interest.clone().ok_or("no interest")?.user;
    assert_ne!(shard, kept, "choose another seed");
    world.nodes[ALICE].released.publish.clear();
    claim(&mut world, ALICE, "alice")?;
    let published = std::mem::take(&mut world.nodes[ALICE].released.publish);
    let header = Header::parse(&published[0].content)?;
    assert_eq!((published.len(), header.shard), (1, shard));

    world.nodes[BOB].released.lookups.clear();
    let found = find(&mut world, BOB, "alice")?;
    assert!(!found.complete && found.claimants.is_empty());
    let asked = std::mem::take(&mut world.nodes[BOB].released.lookups);
    assert!(asked.len() == 1 && asked[0].shard == shard, "{asked:?}");
    let tag = header.tag(&published[0].content).ok_or("no tag")?;
    assert!(asked[0].tags.contains(&tag));
    let envelope = published[0].clone();
    let envelopes = vec![Received { id: envelope.id(), envelope, header }];
    world.run(BOB, vec![Input::Net(FromNet::Found { envelopes })]);
    let again = FindHandle { handle: "alice".parse()?, key: key(1)?, is_asked: true };
    let found = world.call(BOB, again)?.claimants;
    assert_eq!(found.iter().map(|it| &it.id).collect::<Vec<_>>(), [&alice]);
    assert!(world.nodes[BOB].released.lookups.is_empty(), "asked twice");
    Ok(())
}

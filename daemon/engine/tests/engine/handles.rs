//! Handles: claimed, found, released.

use std::collections::BTreeSet;

use martlet_engine::command::{
    ClaimHandle, FindHandle, GetHandle, ReleaseHandle, ResetId, RevokeDevice, TerminateAccount,
};
use martlet_engine::limits::{CLAIMANTS_MAX, CLAIMS_OPENED_MAX};
use martlet_protocol::control::{DeviceRevoke, ExportLine, HandleFound, OwnHandle};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::handle::{Claim, Handle, HandleKey, seal_bytes};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::ids::RendezvousSecret;
use martlet_protocol::time::Day;
use martlet_protocol::{Id, codec};

use crate::parts::processor_time;
use crate::siblings::two_devices;
use crate::world::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
/// A second device of Alice's, where she has two.
const TABLET: usize = 2;

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

/// The claims that a node published, opened, of a handle with this key.
fn published(world: &mut World, node: usize, name: &str) -> Result<Vec<(EnvelopeId, Claim)>> {
    let (handle, now): (Handle, _) = (name.parse()?, world.now);
    let mut found = Vec::new();
    for envelope in &world.nodes[node].released.publish {
        let header = Header::parse(&envelope.content)?;
        for day in (now.day().0 - 6..=now.day().0).map(Day) {
            if header.tag(&envelope.content) == Some(key(1)?.tag(day)) {
                let claim = Claim::open((&key(1)?, &handle), day, &header, &envelope.content, now)?;
                found.push((envelope.id(), claim));
            }
        }
    }
    Ok(found)
}

/// The IDs of those found.
fn ids(world: &mut World, node: usize, name: &str) -> Result<Vec<String>> {
    Ok(find(world, node, name)?.claimants.into_iter().map(|it| it.id).collect())
}

/// An export said nothing of it.
#[test]
fn an_export_has_the_handle_that_the_user_claims() -> Result {
    let mut world = World::new(1, 4130)?;
    world.init(ALICE, "alice")?;
    let handle = |world: &mut World| -> Result<_> {
        let (lines, _) = crate::account::export(world, ALICE)?;
        let found = lines.into_iter().find_map(|line| match line {
            ExportLine::Account { handle, handle_claimed_at, .. } => {
                Some((handle, handle_claimed_at))
            }
            _ => None,
        });
        Ok(found.ok_or("no account")?)
    };
    assert_eq!(handle(&mut world)?, (None, None));
    let at = world.now;
    claim(&mut world, ALICE, "alice")?;
    world.pass(Duration::from_secs(1));
    assert_eq!(handle(&mut world)?, (Some("alice".into()), Some(at)));
    world.call(ALICE, ReleaseHandle {})?;
    assert_eq!(handle(&mut world)?, (None, None));
    Ok(())
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
    world.settle()?;
    world.elapse(Duration::from_secs(60));
    world.call(ALICE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    world.settle()?;
    // Bob, who knows nothing of her devices, goes by the release.
    assert_eq!(ids(&mut world, BOB, "alice")?, Vec::<String>::new());
    assert_eq!(world.call(ALICE, GetHandle {})?.handle, None);
    world.nodes[ALICE].released.publish.clear();
    world.pass(DAY * 2);
    let claims = world.nodes[ALICE].released.publish.len();
    assert_eq!(claims, 0, "a claim of a device that does not count");
    assert!(world.call(ALICE, ReleaseHandle {}).is_err());
    assert!(claim(&mut world, ALICE, "alice").is_err());
    Ok(())
}

/// A terminated identity was found by its handle for six days more, by its contacts, too.
#[test]
fn a_terminated_identity_answers_to_no_handle() -> Result {
    let mut world = three(1009)?;
    let alice = world.id_of(ALICE)?;
    world.add(CAROL, &alice, "alice")?;
    world.settle()?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    world.elapse(Duration::from_secs(60));
    world.call(ALICE, TerminateAccount { id: alice, kill_phrase: None })?;
    assert_eq!(world.call(ALICE, GetHandle {})?.handle, None);
    world.settle()?;
    for node in [ALICE, BOB, CAROL] {
        assert_eq!(ids(&mut world, node, "alice")?, Vec::<String>::new(), "{node}");
    }
    Ok(())
}

/// Whoever knows that a device does not count goes by no claim of it: it may be a thief's, who releases nothing.
#[test]
fn a_claim_of_a_device_that_is_known_as_revoked_is_not_shown() -> Result {
    let mut world = two_devices(1010)?;
    let alice = world.id_of(ALICE)?;
    claim(&mut world, TABLET, "alice")?;
    world.settle()?;
    assert_eq!(ids(&mut world, BOB, "alice")?, [alice]);
    world.nodes[TABLET].engine = None;
    let devices = world.call(ALICE, martlet_engine::command::ListDevices {})?.devices;
    let device = devices.iter().find(|it| !it.this).ok_or("one device")?.id.clone();
    world.call(ALICE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    for _ in 0..2 {
        world.gossip(0.0);
        world.pass(TICK);
    }
    for node in [ALICE, BOB] {
        assert_eq!(ids(&mut world, node, "alice")?, Vec::<String>::new(), "{node}");
    }
    Ok(())
}

/// The user's other devices were told that nobody answers to their own handle.
#[test]
fn another_device_of_the_users_finds_their_handle_as_their_own() -> Result {
    let mut world = two_devices(1011)?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let found = find(&mut world, TABLET, "alice")?.claimants;
    assert_eq!(found.iter().map(|it| it.own).collect::<Vec<_>>(), [true]);
    assert_eq!(found[0].id, world.id_of(TABLET)?);
    world.elapse(Duration::from_secs(60));
    world.call(ALICE, ReleaseHandle {})?;
    world.settle()?;
    assert_eq!(ids(&mut world, TABLET, "alice")?, Vec::<String>::new());
    Ok(())
}

/// With shards a claim was taken for misaddressed at the next midnight, and nobody could get it from its device any more:
/// it is not in the shard of the user.
#[test]
fn a_claim_in_another_shard_stays_over_midnight() -> Result {
    let network = NetworkDescriptor { shard_bits: 4, ..NetworkDescriptor::default() };
    let mut world = World::on(1, 1012, network)?;
    world.init(ALICE, "alice")?;
    world.pass(TICK);
    let own = world.nodes[ALICE].released.interest.clone().ok_or("no interest")?.user;
    assert_ne!(key(1)?.shard(4), own, "choose another seed");
    claim(&mut world, ALICE, "alice")?;
    world.pass(MAILBOX_COMMIT_DELAY);
    let id = published(&mut world, ALICE, "alice")?[0].0;
    for day in 1..=2 {
        world.pass(DAY);
        let engine = world.nodes[ALICE].engine.as_ref().ok_or("alice is on")?;
        assert!(engine.mailbox().view()?.get(&id)?.is_some(), "day {day}");
    }
    Ok(())
}

/// It went on there under a key of the network before, which nobody looks for.
#[test]
fn a_handle_is_of_one_network() -> Result {
    let mut world = World::new(1, 1013)?;
    world.init(ALICE, "alice")?;
    claim(&mut world, ALICE, "alice")?;
    world.pass(DAY);
    let home = world.network.clone();
    let away = NetworkDescriptor { name: "ship".into(), ..NetworkDescriptor::default() };
    world.network = away.clone();
    world.crash(ALICE)?;
    world.pass(DAY * 2);
    assert_eq!(published(&mut world, ALICE, "alice")?, []);
    let own = world.call(ALICE, GetHandle {})?;
    assert_eq!((own.handle, own.elsewhere.as_deref()), (None, Some("alice")));

    // It is there when the user comes back.
    world.network = home;
    world.crash(ALICE)?;
    world.pass(DAY * 2);
    let own = world.call(ALICE, GetHandle {})?;
    assert_eq!((own.handle.as_deref(), own.elsewhere), (Some("alice"), None));
    assert!(!published(&mut world, ALICE, "alice")?.is_empty());

    // One that is claimed there takes its place; and it can be released from anywhere.
    world.network = away;
    world.crash(ALICE)?;
    let other = ClaimHandle { handle: "alissa".parse()?, key: key(2)? };
    assert_eq!(world.call(ALICE, other)?.handle.as_deref(), Some("alissa"));
    world.network = NetworkDescriptor::default();
    world.crash(ALICE)?;
    world.call(ALICE, ReleaseHandle {})?;
    assert_eq!(world.call(ALICE, GetHandle {})?, OwnHandle::default());
    Ok(())
}

/// An edge node offers its user's own envelopes alone. At a start it forgot that the claim is one.
#[test]
fn a_claim_that_nobody_got_is_offered_after_a_restart() -> Result {
    let mut world = World::new(1, 1014)?;
    world.init(ALICE, "alice")?;
    claim(&mut world, ALICE, "alice")?;
    world.pass(MAILBOX_COMMIT_DELAY);
    world.lose_stem(ALICE);
    world.pass(MAILBOX_COMMIT_DELAY);
    let id = published(&mut world, ALICE, "alice")?[0].0;
    for restart in 0..2 {
        let shards = ShardSet::ALL;
        let offered = world.ask(ALICE, |ticket| FromNet::Outstanding { shards, ticket })?;
        assert_eq!(offered.iter().filter(|it| **it == id).count(), 1, "{restart}");
        world.crash(ALICE)?;
    }
    Ok(())
}

/// After an ID was reset, who looked for the handle that was released before got the new one with the release.
#[test]
fn a_release_tells_no_id() -> Result {
    let mut world = World::new(1, 1015)?;
    let alice: Id = world.init(ALICE, "alice")?.parse()?;
    claim(&mut world, ALICE, "alice")?;
    world.elapse(Duration::from_secs(60));
    world.call(ALICE, ReleaseHandle {})?;
    world.pass(MAILBOX_COMMIT_DELAY);
    world.lose_stem(ALICE);
    world.pass(MAILBOX_COMMIT_DELAY);
    let said: Vec<_> = published(&mut world, ALICE, "alice")?
        .into_iter()
        .map(|(_, claim)| {
            (claim.is_released, claim.id.identity == alice.identity, claim.id == alice)
        })
        .collect();
    assert_eq!(said, [(false, true, true), (true, true, false)]);
    Ok(())
}

/// One budget for all days, the oldest first, let whoever published under that one's tag hide everyone.
#[test]
fn garbage_under_the_tag_of_one_day_hides_no_claim_of_another() -> Result {
    let mut world = three(1016)?;
    world.pass(DAY * 8);
    let addressing = Addressing {
        network: world.network.tag(),
        shard: martlet_protocol::Shard(0),
        expiry: ExpiryHour::latest(world.now),
    };
    let today = world.now.day();
    let (key, mut inputs) = (key(1)?, Vec::new());
    for day in [Day(today.0 - 6), Day(today.0 + 1)] {
        for number in 0..=CLAIMS_OPENED_MAX {
            let (rng, bytes) = (&mut world.rng, number.to_be_bytes());
            let envelope = Envelope::new(seal_bytes(rng, &addressing, (&key, day), &bytes)?);
            inputs.extend(brought(PeerKey([99; 32]), envelope));
        }
    }
    world.run(CAROL, inputs);
    let alice = world.id_of(ALICE)?;
    claim(&mut world, ALICE, "alice")?;
    world.settle()?;
    let found = find(&mut world, CAROL, "alice")?;
    assert_eq!(found.claimants.iter().map(|it| &it.id).collect::<Vec<_>>(), [&alice]);
    assert!(found.more, "not all was opened");
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
            device: device.device(),
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

    // Whoever looks at their own is told what was said of late.
    claim(&mut world, BOB, "alice")?;
    for (days, others) in [(0, 1), (8, 0)] {
        world.pass(DAY * days);
        let claimants = world.call(BOB, GetHandle {})?.claimants;
        assert_eq!(claimants.iter().filter(|it| !it.own).count(), others, "{days} days later");
    }
    Ok(())
}

/// What keepers of another shard had said was the answer to each later search, for as long as the node ran.
#[test]
fn who_looks_anew_is_told_only_what_is_said_now() -> Result {
    let network = NetworkDescriptor { shard_bits: 4, ..NetworkDescriptor::default() };
    let mut world = World::on(2, 1008, network)?;
    let alice = world.init(ALICE, "alice")?;
    world.init(BOB, "bob")?;
    claim(&mut world, ALICE, "alice")?;
    world.pass(MAILBOX_COMMIT_DELAY);
    let envelopes: Vec<_> = world.nodes[ALICE].released.publish.clone();
    let found: Vec<_> = envelopes
        .into_iter()
        .filter_map(|envelope| {
            let header = Header::parse(&envelope.content).ok()?;
            Some(Received { id: envelope.id(), envelope, header })
        })
        .collect();
    assert_eq!(ids(&mut world, BOB, "alice")?, Vec::<String>::new());
    world.run(BOB, vec![Input::Net(FromNet::Found { envelopes: found })]);
    let again = FindHandle { handle: "alice".parse()?, key: key(1)?, is_asked: true };
    assert_eq!(world.call(BOB, again)?.claimants[0].id, alice);
    assert_eq!(ids(&mut world, BOB, "alice")?, Vec::<String>::new(), "of before");
    Ok(())
}

/// How long a search for a handle takes that opens as many claims as may be, each of another person.
#[test]
#[ignore = "measures: cargo test -- --ignored --nocapture how_long_a_search_for_a_handle"]
fn how_long_a_search_for_a_handle_takes() -> Result {
    let mut world = three(1017)?;
    let handle: Handle = "alice".parse()?;
    let addressing = Addressing {
        network: world.network.tag(),
        shard: martlet_protocol::Shard(0),
        expiry: ExpiryHour::latest(world.now),
    };
    let mut inputs = Vec::new();
    for _ in 0..CLAIMS_OPENED_MAX {
        let root = RootKey::generate(&mut world.rng);
        let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
        let claim = Claim {
            id: Id { identity: root.identity(), secret: RendezvousSecret([7; 15]) },
            device: device.device(),
            handle: handle.clone(),
            claimed_at: UnixMillis(1),
            made_at: world.now,
            is_released: false,
        };
        let envelope = Envelope::new(claim.seal(&mut world.rng, &addressing, &key(1)?, &device)?);
        inputs.extend(brought(PeerKey([99; 32]), envelope));
    }
    world.run(CAROL, inputs);
    let worked = processor_time()?;
    let found = find(&mut world, CAROL, "alice")?;
    let work = processor_time()? - worked;
    println!("{CLAIMS_OPENED_MAX} claims, {} shown: {work:?}", found.claimants.len());
    Ok(())
}

//! Devices of an identity, how one is revoked, and how an identity ends.

use martlet_engine::command::{
    AddToRoom, CreateRoom, Ended, GetContact, GetEnded, GetRoom, ListDevices, PingContact,
    RenameDevice, ResetId, RevokeDevice, TerminateAccount,
};
use martlet_engine::{CommandError, DirectoryError, NameError};
use martlet_protocol::bundle::Bundle;
use martlet_protocol::control::{
    DeviceRename, DeviceRevoke, DeviceState, EventBody, RevocationReason, RoomCreate,
    RoomMemberRequest,
};
use martlet_protocol::crypto::seal::{self, DetectionSecret, PrekeySecret};
use martlet_protocol::identity::{DeviceKeys, IdentityState, KillKey, RootKey, Statement};
use martlet_protocol::message::{DeviceMessage, Ping as Asked};
use martlet_protocol::notice;
use martlet_protocol::{ConversationId, Id, RendezvousSecret};
use martlet_store::records::PROFILE;
use martlet_store::vault::Key;

use crate::stranger::{addressing, bundle_of, in_olm, in_vault};
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const MAILBOX: usize = 2;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Alice and Bob, who have written to each other, a node without a user, and what is in Alice's vault.
fn talking(seed: u64) -> Result<(World, RootKey, RendezvousSecret)> {
    let mut world = World::pair(seed, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    world.send(BOB, "alice", "hello, too")?;
    world.settle()?;
    let (root, secret) = secrets(&mut world, ALICE)?;
    Ok((world, root, secret))
}

/// What is in the vault of a node.
fn secrets(world: &mut World, node: usize) -> Result<(RootKey, RendezvousSecret)> {
    let mut found = None;
    in_vault(world, node, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
        found = Some((
            RootKey::from_seed(profile.root_seed.ok_or("no root")?.0),
            profile.rendezvous.secret,
        ));
        Ok(())
    })?;
    Ok(found.ok_or("no profile")?)
}

/// A device of Alice's that has no engine.
struct Phone {
    device: DeviceKeys,
    prekey: PrekeySecret,
    detection: DetectionSecret,
}

impl Phone {
    fn new(world: &mut World, root: &RootKey) -> Self {
        let now = world.now;
        Self {
            device: DeviceKeys::generate(&mut world.rng, root, now),
            prekey: PrekeySecret::generate(&mut world.rng),
            detection: DetectionSecret::generate(&mut world.rng),
        }
    }

    /// Its bundle of today. It knows of no other device.
    fn bundle(&self, world: &mut World, secret: &RendezvousSecret) -> Result<Envelope> {
        let identity = self.device.certificate().identity();
        let mut state = IdentityState::new(identity);
        state.add(Statement::Certificate(self.device.certificate().clone()))?;
        let (prekey, detection) = (&self.prekey, self.detection.public());
        let bundle = Bundle::issue(&self.device, prekey, detection, state.encode(), world.now);
        let addressing = addressing(world, &identity);
        Ok(Envelope::new(bundle.seal(&mut world.rng, &addressing, secret)?))
    }

    /// How many of these are for it.
    fn addressed(&self, envelopes: &[Envelope]) -> usize {
        let of = |envelope: &&Envelope| {
            Header::parse(&envelope.content).is_ok_and(|header| {
                seal::is_addressed_to(&header, &envelope.content, &self.detection)
            })
        };
        envelopes.iter().filter(of).count()
    }
}

/// How many envelopes and acks Bob releases when a device of Alice's asks whether he is on.
fn answers(world: &mut World, device: &DeviceKeys) -> Result<(usize, usize)> {
    let to = bundle_of(world, BOB)?;
    let (sender, identity) = (device.certificate().identity(), to.certificate().identity());
    let ping = DeviceMessage::Ping(Asked { nonce: [7; 16], sent_at: world.now });
    let addressing = addressing(world, &identity);
    let content = seal::seal(
        &mut world.rng,
        &addressing,
        device,
        &identity,
        &[to.recipient()],
        &ConversationId::direct(&sender, &identity),
        &in_olm(device, &to, ping)?,
    )?;
    world.nodes[BOB].released = Released::default();
    world.bring(BOB, &[Envelope::new(content)])?;
    let released = &world.nodes[BOB].released;
    Ok((released.publish.len(), released.acks.len()))
}

fn told(world: &mut World, node: usize, body: &EventBody) -> Result<usize> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    Ok(events.iter().filter(|event| event.body == *body).count())
}

fn devices(world: &mut World, node: usize) -> Result<Vec<DeviceState>> {
    let devices = world.call(node, ListDevices {})?.devices;
    Ok(devices.into_iter().map(|device| device.state).collect())
}

/// What a command is refused with.
pub(crate) fn refusal<C: Command>(
    world: &mut World,
    node: usize,
    command: C,
) -> Result<CommandError> {
    match world.call(node, command) {
        Ok(_) => Err("it was done".into()),
        Err(error) => Ok(*error.downcast::<CommandError>()?),
    }
}

fn text(to: &str) -> SendText {
    let request = SendRequest { to: to.into(), text: "more".into(), ..SendRequest::default() };
    SendText { request }
}

fn directory(error: DirectoryError) -> CommandError {
    CommandError::Directory(error)
}

#[test]
fn a_contacts_second_device_is_written_to_until_it_is_revoked() -> Result {
    let (mut world, root, secret) = talking(301)?;
    let phone = Phone::new(&mut world, &root);
    assert_eq!(devices(&mut world, ALICE)?, [DeviceState::Valid]);
    let changed = EventBody::ContactDevices { name: "alice".into() };
    assert_eq!(told(&mut world, BOB, &changed)?, 0);

    let bundle = phone.bundle(&mut world, &secret)?;
    world.bring(BOB, &[bundle])?;
    let alice = world.call(BOB, GetContact { name: "alice".into() })?;
    assert_eq!((alice.devices, alice.device_list.len()), (2, 2));
    assert_eq!(told(&mut world, BOB, &changed)?, 1);
    world.nodes[BOB].released = Released::default();
    world.send(BOB, "alice", "to both")?;
    assert_eq!(phone.addressed(&world.nodes[BOB].released.publish), 1, "the session's key");
    assert_eq!(answers(&mut world, &phone.device)?.0, 1);
    world.settle()?;
    let sent = with_state(&["hello, too", "to both"], Delivery::Delivered);
    assert_ne!(world.texts(BOB, "alice", Direction::Out)?, sent, "the phone has nothing of it");

    // Alice's other device learns of the phone by who knows of it.
    for _ in 0..4 {
        world.pass(DAY);
        world.settle()?;
    }
    assert_eq!(devices(&mut world, ALICE)?, [DeviceState::Valid; 2]);
    let device = phone.device.device().to_string();
    let request = DeviceRevoke { reason: Some(RevocationReason::Lost), ..Default::default() };
    let revoked = world.call(ALICE, RevokeDevice { device: device[..8].into(), request })?;
    assert_eq!(
        (revoked.state, revoked.reason),
        (DeviceState::Revoked, Some(RevocationReason::Lost))
    );
    world.gossip(0.0);
    let alice = world.call(BOB, GetContact { name: "alice".into() })?;
    assert_eq!(alice.devices, 1);
    let states: Vec<_> = alice.device_list.iter().map(|device| device.state).collect();
    assert_eq!(states, [DeviceState::Valid, DeviceState::Revoked]);
    assert_eq!(told(&mut world, BOB, &changed)?, 2);

    // Nothing more for it, and nothing more from it, also after a restart, and if it comes with a bundle of its own.
    world.crash(BOB)?;
    let bundle = phone.bundle(&mut world, &secret)?;
    world.bring(BOB, &[bundle])?;
    world.nodes[BOB].released = Released::default();
    world.send(BOB, "alice", "to one")?;
    assert_eq!(phone.addressed(&world.nodes[BOB].released.publish), 0);
    assert_eq!(answers(&mut world, &phone.device)?, (0, 0));
    world.settle()?;
    let sent = with_state(&["hello, too", "to both", "to one"], Delivery::Delivered);
    assert_eq!(world.texts(BOB, "alice", Direction::Out)?, sent, "what waited for it, too");
    Ok(())
}

#[test]
fn a_revoked_device_that_comes_back_after_40_days_is_not_heard() -> Result {
    let (mut world, root, secret) = talking(302)?;
    let phone = Phone::new(&mut world, &root);
    let bundle = phone.bundle(&mut world, &secret)?;
    world.bring(BOB, std::slice::from_ref(&bundle))?;
    let revocation = root.revoke(
        phone.device.device(),
        world.now,
        martlet_protocol::identity::statement::Reason::Stolen,
    );
    let mut state = IdentityState::new(root.identity());
    state.add(revocation)?;
    // The revocation comes with Alice's bundle.
    in_vault(&mut world, ALICE, |txn| {
        let key = Key::Named(&root.identity().0);
        let collection = &martlet_store::records::IDENTITY_STATES;
        let mut record = txn.get(collection, key)?.ok_or("no state")?;
        let mut own = IdentityState::from_record(root.identity(), &record.state)?;
        own.merge(&state);
        record.state = own.to_record().into();
        Ok(txn.put(collection, key, &record)?)
    })?;
    for _ in 0..40 {
        world.pass(DAY);
        world.settle()?;
    }
    assert_eq!(world.call(BOB, GetContact { name: "alice".into() })?.devices, 1);
    let bundle = phone.bundle(&mut world, &secret)?;
    world.bring(BOB, &[bundle])?;
    assert_eq!(answers(&mut world, &phone.device)?, (0, 0));
    Ok(())
}

#[test]
fn this_device_is_renamed_and_revoked_and_contacts_see_it() -> Result {
    let (mut world, ..) = talking(303)?;
    let device = world.call(ALICE, ListDevices {})?.devices[0].id.clone();
    let rename = |name: &str| RenameDevice {
        device: device.clone(),
        request: DeviceRename { name: name.into() },
    };
    for (bad, reason) in [
        ("x".repeat(65), NameError::TooLong),
        ("two\nlines".into(), NameError::Control),
        ("\u{200b}\u{3164}".into(), NameError::Invisible),
        // Shown as "deskphone".
        ("desk\u{202e}enohp".into(), NameError::Turning),
    ] {
        let refused = refusal(&mut world, ALICE, rename(&bad))?;
        assert_eq!(refused, CommandError::DeviceName { reason });
    }
    assert_eq!(world.call(ALICE, rename("desk"))?.name.as_deref(), Some("desk"));
    world.gossip(0.0);
    let alice = world.call(BOB, GetContact { name: "alice".into() })?;
    assert_eq!(alice.device_list[0].name.as_deref(), Some("desk"));
    assert!(!alice.device_list[0].this);

    let request = DeviceRevoke::default();
    let none = RevokeDevice { device: "laptop".into(), request: request.clone() };
    assert_eq!(refusal(&mut world, ALICE, none)?, CommandError::UnknownDevice);
    world.call(ALICE, RevokeDevice { device: "desk".into(), request })?;
    assert_eq!(refusal(&mut world, ALICE, text("bob"))?, directory(DirectoryError::Revoked));
    world.gossip(0.0);
    assert_eq!(world.call(BOB, GetContact { name: "alice".into() })?.devices, 0);
    // What is written to them waits: they may have another device some day.
    world.send(BOB, "alice", "wait")?;
    world.settle()?;
    assert_eq!(world.texts(ALICE, "bob", Direction::In)?.len(), 1);
    Ok(())
}

#[test]
fn a_terminated_identity_is_ended_for_its_device_and_for_its_contacts() -> Result {
    let (mut world, root, secret) = talking(304)?;
    let (alice, bob) = (world.id_of(ALICE)?, world.id_of(BOB)?);
    let wrong = TerminateAccount { id: bob, kill_phrase: None };
    assert_eq!(refusal(&mut world, ALICE, wrong)?, CommandError::NotOwnId);
    world.send(ALICE, "bob", "last words")?;
    world.gossip(0.0);
    let (phone, later) = (Phone::new(&mut world, &root), Phone::new(&mut world, &root));
    let before = phone.bundle(&mut world, &secret)?;

    let ended = world.call(ALICE, TerminateAccount { id: alice.clone(), kill_phrase: None })?;
    assert!(ended.verified);
    assert_eq!(refusal(&mut world, ALICE, text("bob"))?, directory(DirectoryError::Terminated));
    assert_eq!(refusal(&mut world, ALICE, ResetId {})?, directory(DirectoryError::Terminated));
    let warnings = world.call(ALICE, GetStatus {})?.warnings;
    assert!(warnings.iter().any(|warning| warning.contains("terminated")), "{warnings:?}");
    assert_eq!(world.call(ALICE, GetEnded {})?, Some(Ended::Identity));
    assert_eq!(world.call(BOB, GetEnded {})?, None);
    assert_eq!(told(&mut world, ALICE, &EventBody::AccountTerminated)?, 1);
    assert_eq!(devices(&mut world, ALICE)?, [DeviceState::Terminated]);

    world.gossip(0.0);
    for _ in 0..2 {
        let shown = world.call(BOB, GetContact { name: "alice".into() })?;
        assert_eq!((shown.terminated_at.is_some(), shown.devices), (true, 0));
        let refused = directory(DirectoryError::ContactTerminated { who: "alice".into() });
        assert_eq!(refusal(&mut world, BOB, text("alice"))?, refused);
        let event = EventBody::ContactTerminated { name: "alice".into() };
        assert_eq!(told(&mut world, BOB, &event)?, 1);
        world.crash(BOB)?;
        world.crash(ALICE)?;
    }
    assert_eq!(world.texts(BOB, "alice", Direction::In)?.len(), 2, "what came before stays");

    // Devices certified before and after, and a copy of the one that there was.
    let after = later.bundle(&mut world, &secret)?;
    world.bring(BOB, &[before, after])?;
    assert_eq!(world.call(BOB, GetContact { name: "alice".into() })?.devices, 0);
    for device in [&phone.device, &later.device] {
        assert_eq!(answers(&mut world, device)?, (0, 0));
    }
    world.nodes[ALICE].released = Released::default();
    world.pass(2 * DAY);
    let published = std::mem::take(&mut world.nodes[ALICE].released.publish);
    let id: Id = alice.parse()?;
    let is_bundle = |envelope: &Envelope| {
        Header::parse(&envelope.content).is_ok_and(|header| {
            let tag = Bundle::tag(&id, world.now.day());
            header.tag(&envelope.content) == Some(tag)
        })
    };
    assert!(!published.iter().any(is_bundle), "it publishes no bundle any more");
    Ok(())
}

#[test]
fn what_a_terminated_identity_sends_to_strangers_is_no_request() -> Result {
    let (mut world, root, _) = talking(305)?;
    let alice = world.id_of(ALICE)?;
    let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
    world.push(tempfile::tempdir()?);
    world.start(3)?;
    world.init(3, "carol")?;
    world.call(ALICE, TerminateAccount { id: alice.clone(), kill_phrase: None })?;
    world.settle()?;
    let mut stranger = crate::stranger::Stranger::with(&mut world, 3, root, device)?;
    let key = stranger.key(&mut world)?;
    let message = stranger.text(&world, 3, "I am still here")?;
    world.bring(3, &[key, message])?;
    assert!(world.call(3, ListRequests {})?.requests.is_empty());
    // Whoever adds the ID is told at once.
    world.add(3, &alice, "alice")?;
    let shown = world.call(3, GetContact { name: "alice".into() })?;
    assert!(shown.terminated_at.is_some());
    Ok(())
}

#[test]
fn the_kill_phrase_ends_an_identity_from_a_node_of_nobody() -> Result {
    let (mut world, root, _) = talking(306)?;
    let alice = world.id_of(ALICE)?;
    let kill = |key: KillKey| TerminateAccount { id: alice.clone(), kill_phrase: Some(key) };
    // Another's. Who knows Alice knows that it isn't hers; a node of nobody doesn't, and nobody heeds what it tells.
    let other = RootKey::generate(&mut world.rng).kill_key();
    assert_eq!(refusal(&mut world, BOB, kill(other.clone()))?, CommandError::WrongKillPhrase);
    assert_eq!(refusal(&mut world, ALICE, kill(other.clone()))?, CommandError::WrongKillPhrase);
    assert!(!world.call(MAILBOX, kill(other))?.verified);
    world.settle()?;
    assert_eq!(world.call(BOB, GetContact { name: "alice".into() })?.terminated_at, None);
    world.send(ALICE, "bob", "here I am")?;

    assert!(!world.call(MAILBOX, kill(root.kill_key()))?.verified);
    world.gossip(0.0);
    world.settle()?;
    assert!(world.call(BOB, GetContact { name: "alice".into() })?.terminated_at.is_some());
    assert_eq!(refusal(&mut world, ALICE, text("bob"))?, directory(DirectoryError::Terminated));
    Ok(())
}

#[test]
fn contacts_nodes_tell_an_end_on_for_90_days() -> Result {
    let (mut world, root, _) = talking(307)?;
    let alice = world.id_of(ALICE)?;
    world.call(ALICE, TerminateAccount { id: alice, kill_phrase: None })?;
    world.settle()?;
    // Her own node is gone.
    world.nodes[ALICE].engine = None;
    let has_notice = |world: &World| -> Result<bool> {
        let engine = world.nodes[MAILBOX].engine.as_ref().ok_or("not running")?;
        let view = engine.mailbox().view()?;
        let mut found = false;
        for digest in view.digests()? {
            let (envelopes, _) = view.fetch(&view.bucket_ids(digest.bucket)?, usize::MAX)?;
            found |= envelopes.iter().any(|envelope| {
                let header = Header::parse(&envelope.content);
                header.is_ok_and(|header| {
                    header.tag(&envelope.content) == Some(notice::tag(&root.identity()))
                })
            });
        }
        Ok(found)
    };
    let mut published = 0;
    for day in 0..100 {
        world.elapse(DAY);
        world.run(BOB, vec![Input::Tick]);
        world.run(MAILBOX, vec![Input::Tick]);
        published += world.nodes[BOB].released.publish.len();
        world.nodes[BOB].released = Released::default();
        world.sync(BOB, MAILBOX)?;
        if day < 88 {
            assert!(has_notice(&world)?, "day {day}");
        }
    }
    assert!(!has_notice(&world)?, "it ends");
    assert!(published <= 100 + 90 / 3, "{published}: bundles, and a notice in three days at most");
    Ok(())
}

#[test]
fn a_ping_to_a_terminated_contact_is_refused() -> Result {
    let (mut world, root, _) = talking(308)?;
    let alice = world.id_of(ALICE)?;
    let by = Some(root.kill_key());
    assert!(world.call(BOB, TerminateAccount { id: alice, kill_phrase: by })?.verified);
    let ping = PingContact { name: "alice".into(), asker: Box::new(|_| ()) };
    let refused = directory(DirectoryError::ContactTerminated { who: "alice".into() });
    assert_eq!(refusal(&mut world, BOB, ping)?, refused);
    Ok(())
}

/// With one device it costs nothing more: the bundle stays on the rung of 2,048 bytes, less its length and tag.
#[test]
fn what_is_told_of_one_device_fits_the_bundle_as_it_was() -> Result {
    let (mut world, ..) = talking(309)?;
    let bundle = bundle_of(&mut world, ALICE)?;
    let identity = bundle.certificate().identity();
    let mut state = IdentityState::new(identity);
    assert_eq!(state.merge_bytes(bundle.state())?.invalid, 0);
    assert!(state.names_kill_key() && state.is_valid(&bundle.certificate().device()));
    assert!(bundle.as_bytes().len() <= 2048 - 4 - 16, "{}", bundle.as_bytes().len());
    Ok(())
}

/// Members of a room who are no contacts went on to write to a device that was revoked: they heard of it by the bundle of another
/// day. So did who came into the room, or became a contact, meanwhile.
#[test]
fn all_in_rooms_with_the_user_and_who_comes_later_hear_of_a_revoked_device() -> Result {
    const CAROL: usize = 2;
    const DAVE: usize = 3;
    const ERIN: usize = 4;
    let mut world = World::new(5, 307)?;
    let names = ["alice", "bob", "carol", "dave", "erin"];
    let ids = (0..5).map(|node| world.init(node, names[node])).collect::<Result<Vec<_>>>()?;
    for node in [ALICE, CAROL, DAVE] {
        world.add(BOB, &ids[node], names[node])?;
        world.add(node, &ids[BOB], "bob")?;
    }
    world.settle()?;
    world.call(BOB, CreateRoom { request: RoomCreate { name: "bridge".into() } })?;
    let invite = |world: &mut World, who: &str| -> Result {
        let request = RoomMemberRequest { who: who.into() };
        let invite = AddToRoom { room: "bridge".into(), request, as_moderator: false };
        world.call(BOB, invite)?;
        world.settle()
    };
    invite(&mut world, "alice")?;
    invite(&mut world, "carol")?;

    let (root, secret) = secrets(&mut world, ALICE)?;
    let phone = Phone::new(&mut world, &root);
    let bundle = phone.bundle(&mut world, &secret)?;
    for node in 0..5 {
        world.bring(node, std::slice::from_ref(&bundle))?;
    }
    world.settle()?;
    let devices_of_alice = |world: &mut World, node: usize| -> Result<Option<u32>> {
        let room = world.call(node, GetRoom { room: "bridge".into() })?;
        let mut members = room.members.into_iter();
        let alice = members.find(|member| member.who.id.starts_with(&ids[ALICE][..12]));
        Ok(alice.map(|alice| alice.devices))
    };
    assert_eq!(devices_of_alice(&mut world, CAROL)?, Some(2), "the phone is one");

    let device = phone.device.device().to_string();
    world.call(ALICE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    world.settle()?;
    assert_eq!(devices_of_alice(&mut world, CAROL)?, Some(1));
    invite(&mut world, "dave")?;
    world.settle()?;
    assert_eq!(devices_of_alice(&mut world, DAVE)?, Some(1), "who came after it");
    world.add(ERIN, &ids[ALICE], "alice")?;
    world.add(ALICE, &ids[ERIN], "erin")?;
    world.settle()?;
    assert_eq!(world.call(ERIN, GetContact { name: "alice".into() })?.devices, 1);
    Ok(())
}

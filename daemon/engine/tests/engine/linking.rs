//! Linking: a further device joins an identity, by a code and a comparison. Whoever disturbs it gets no certificate.

use martlet_engine::command::{
    AddContact, Block, CancelJoin, CancelLink, ConfirmLink, GetContact, GetSettings, ListBlocked,
    ListContacts, ListDevices, RenameDevice, RevokeDevice, SetContactNote, SetConversation,
    SetSettings, ShowJoin, ShowLink, StartJoin, StartLink, TerminateAccount, VerifyContact,
};
use martlet_protocol::control::{
    ContactAdd, ContactNote, ConversationChange, DeviceRename, DeviceRevoke, DeviceState,
    Join as ShownJoin, JoinState, Link, LinkReason, LinkState, SettingsChange, Verified,
    VerifyRequest,
};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::olm::{self, OlmSecret, Route};
use martlet_protocol::crypto::seal::{self, DetectionSecret, PrekeySecret};
use martlet_protocol::identity::statement::Reason;
use martlet_protocol::identity::{DeviceKeys, IdentityState, NewDevice, RootKey, Statement};
use martlet_protocol::link::{
    Answer, ComparisonKey, Join, LinkCode, Reveal, Step, Transcript, commitment, steps,
};
use martlet_protocol::message::{DeviceMessage, Linked};
use martlet_protocol::{ConversationId, Rendezvous, RendezvousSecret, Shard, Tag};
use martlet_store::records::{IDENTITY_STATES, PROFILE};
use martlet_store::vault::Key;

use crate::stranger::in_vault;
use crate::trust::recover;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const PHONE: usize = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// Alice and Bob, who have written to each other, and a node without an identity.
pub(crate) fn ready(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 3)?;
    world.send(ALICE, "bob", "hello")?;
    world.settle()?;
    world.send(BOB, "alice", "hello, too")?;
    world.settle()?;
    Ok(world)
}

fn code(world: &mut World) -> Result<LinkCode> {
    let link = world.call(ALICE, StartLink {})?;
    assert_eq!(link.state, LinkState::Offered);
    Ok(link.code.ok_or("no code")?.parse()?)
}

fn join(world: &mut World, node: usize, code: LinkCode) -> Result<ShownJoin> {
    let path = key_file_path(world.nodes[node].dir.path());
    let (key_file, key) = KeyFile::make(&path, None, &mut world.rng)?;
    let name = Some(phone_name(world)?);
    world.call(node, StartJoin { code, key_file, key, name })
}

/// What a new device calls itself; each further one otherwise.
fn phone_name(world: &mut World) -> Result<String> {
    Ok(match world.call(ALICE, ListDevices {})?.devices.len() {
        0 | 1 => "phone".to_owned(),
        devices => format!("phone {devices}"),
    })
}

fn link(world: &mut World) -> Result<Link> {
    world.call(ALICE, ShowLink {})
}

fn joined(world: &mut World) -> Result<ShownJoin> {
    world.call(PHONE, ShowJoin {})
}

/// Both show the same numbers.
pub(crate) fn compared(world: &mut World, code: LinkCode) -> Result<String> {
    join(world, PHONE, code)?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    let (link, join) = (link(world)?, joined(world)?);
    assert_eq!((link.state, join.state), (LinkState::Compare, JoinState::Compare));
    assert_eq!(link.numbers, join.numbers);
    assert_eq!(link.device.ok_or("no device")?.name, Some(phone_name(world)?));
    Ok(link.numbers.ok_or("no numbers")?)
}

fn link_phone(world: &mut World) -> Result {
    let code = code(world)?;
    compared(world, code)?;
    let link = world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    assert_eq!(link.state, LinkState::Linked);
    world.settle()
}

/// How many devices Alice has certified, besides the one that she began with.
fn certified(world: &mut World) -> Result<usize> {
    Ok(world.call(ALICE, ListDevices {})?.devices.len() - 1)
}

/// Nothing came of it, on either side, for this reason; and nothing was certified.
fn both_ended(world: &mut World, reason: LinkReason) -> Result {
    world.settle()?;
    let (link, join) = (link(world)?, joined(world)?);
    assert_eq!((link.state, link.reason), (LinkState::Refused, Some(reason)));
    assert_eq!((join.state, join.reason), (JoinState::Refused, Some(reason)));
    assert_ne!(link.by_other, join.by_other, "one says it, the other hears it");
    assert_eq!(certified(world)?, 0);
    let refused =
        world.call(ALICE, ConfirmLink { equal: true, history: false }).err().ok_or("confirmed")?;
    assert!(refused.to_string().contains("nothing to compare"), "{refused}");
    Ok(())
}

#[test]
fn a_linked_device_has_what_the_user_has_and_gets_what_contacts_write() -> Result {
    let mut world = ready(1501)?;
    let carol = NewDevice::generate(&mut world.rng).device();
    let carol = martlet_protocol::Id::without_secret(martlet_protocol::IdentityId(carol.0));
    world.call(
        ALICE,
        AddContact { request: ContactAdd { id: carol.to_string(), name: "carol".into() } },
    )?;
    world.call(ALICE, Block { who: "carol".into() })?;
    world
        .call(ALICE, VerifyContact { name: "bob".into(), request: VerifyRequest { code: None } })?;
    world.call(
        ALICE,
        SetContactNote {
            name: "bob".into(),
            request: ContactNote { text: "owes me a book".into() },
        },
    )?;
    let change = ConversationChange { muted: Some(true), ..ConversationChange::default() };
    world.call(ALICE, SetConversation { name: "bob".into(), change })?;
    let change = SettingsChange { receipts: Some(false), ..SettingsChange::default() };
    world.call(ALICE, SetSettings { change })?;
    link_phone(&mut world)?;

    // Its bundle, then the settings.
    world.settle()?;
    world.settle()?;

    let join = joined(&mut world)?;
    assert_eq!(join.state, JoinState::Joined);
    assert_eq!(join.id, Some(world.id_of(ALICE)?));
    for node in [ALICE, PHONE] {
        let devices = world.call(node, ListDevices {})?.devices;
        let valid = devices.iter().filter(|it| it.state == DeviceState::Valid).count();
        assert_eq!((devices.len(), valid), (2, 2));
        assert!(
            devices
                .iter()
                .any(|it| it.name.as_deref() == Some("phone") && it.this == (node == PHONE))
        );
    }
    let mut names: Vec<_> =
        world.call(PHONE, ListContacts {})?.contacts.into_iter().map(|it| it.name).collect();
    names.sort();
    assert_eq!(names, ["bob", "carol"]);
    let bob = world.call(PHONE, GetContact { name: "bob".into() })?;
    assert_eq!((bob.verified, bob.note.as_deref()), (Verified::Yes, Some("owes me a book")));
    assert!(world.call(PHONE, GetContact { name: "carol".into() })?.blocked);
    assert_eq!(world.call(PHONE, ListBlocked {})?.blocked.len(), 1);
    assert!(!world.call(PHONE, GetSettings {})?.receipts);

    // What Bob writes reaches both, and what the new device writes reaches Bob.
    world.send(BOB, "alice", "to both")?;
    world.settle()?;
    world.pass(MINUTE);
    world.settle()?;
    for node in [ALICE, PHONE] {
        let texts = world.texts(node, "bob", Direction::In)?;
        assert_eq!(texts.last().map(|(text, _)| text.as_str()), Some("to both"), "{node}");
    }
    // Each device proves it by an ack of its own.
    world.gossip(0.0);
    let sent = world.texts(BOB, "alice", Direction::Out)?;
    assert_eq!(sent.last().ok_or("none")?.1, Delivery::Delivered, "by both devices");
    world.send(PHONE, "bob", "from the phone")?;
    world.settle()?;
    let got = world.texts(BOB, "alice", Direction::In)?;
    assert!(got.iter().any(|(text, _)| text == "from the phone"), "{got:?}");
    Ok(())
}

#[test]
fn a_linked_device_has_no_root_also_after_a_restart() -> Result {
    let mut world = ready(1502)?;
    link_phone(&mut world)?;
    for _ in 0..2 {
        let refused = world.call(PHONE, StartLink {}).err().ok_or("linked")?;
        assert!(refused.to_string().contains("root"), "{refused}");
        let desk = world.call(PHONE, ListDevices {})?.devices.into_iter().find(|it| !it.this);
        let device = desk.ok_or("no other device")?.id;
        let request = DeviceRevoke::default();
        let refused = world.call(PHONE, RevokeDevice { device, request }).err().ok_or("revoked")?;
        assert!(refused.to_string().contains("root"), "{refused}");
        let id = world.id_of(PHONE)?;
        let refused = world.call(PHONE, TerminateAccount { id, kill_phrase: None }).err();
        assert!(refused.ok_or("terminated")?.to_string().contains("root"));
        world.crash(PHONE)?;
        world.settle()?;
    }
    // Itself it can revoke.
    let request = DeviceRevoke::default();
    world.call(PHONE, RevokeDevice { device: "phone".into(), request })?;
    world.settle()?;
    let devices = world.call(ALICE, ListDevices {})?.devices;
    assert_eq!(devices.len(), 2);
    Ok(())
}

#[test]
fn a_device_whose_numbers_differ_is_refused_and_three_dead_codes_lock_linking() -> Result {
    let mut world = ready(1503)?;
    for _ in 0..3 {
        let code = code(&mut world)?;
        compared(&mut world, code)?;
        world.call(ALICE, ConfirmLink { equal: false, history: false })?;
        both_ended(&mut world, LinkReason::NumbersDiffer)?;
        world.pass(MINUTE);
    }
    let locked = world.call(ALICE, StartLink {}).err().ok_or("not locked")?.to_string();
    assert!(locked.contains("died within an hour"), "{locked}");
    world.pass(61 * MINUTE);
    link_phone(&mut world)?;
    assert_eq!(certified(&mut world)?, 1);
    Ok(())
}

#[test]
fn each_side_can_break_it_off_and_the_other_hears_of_it() -> Result {
    let mut world = ready(1504)?;
    let first = code(&mut world)?;
    compared(&mut world, first)?;
    world.call(ALICE, CancelLink {})?;
    both_ended(&mut world, LinkReason::Cancelled)?;
    let second = code(&mut world)?;
    compared(&mut world, second)?;
    world.call(PHONE, CancelJoin {})?;
    both_ended(&mut world, LinkReason::Cancelled)?;
    // So does a new code, and an identity of one's own.
    let third = code(&mut world)?;
    compared(&mut world, third)?;
    code(&mut world)?;
    world.settle()?;
    assert_eq!(joined(&mut world)?.reason, Some(LinkReason::Cancelled));
    // Broken off is not dead.
    for _ in 0..4 {
        code(&mut world)?;
    }
    link_phone(&mut world)
}

/// It waited for ten minutes: the device with the root had forgotten the code, and said nothing.
#[test]
fn who_comes_by_a_code_of_before_a_restart_is_told_that_it_has_ended() -> Result {
    let mut world = ready(1513)?;
    let first = code(&mut world)?;
    world.crash(ALICE)?;
    world.pass(MINUTE);
    world.settle()?;
    join(&mut world, PHONE, first)?;
    world.settle()?;
    let join = joined(&mut world)?;
    assert_eq!((join.state, join.by_other), (JoinState::Refused, true));
    // Once: a code of now is as good as ever, also after a further restart.
    world.crash(ALICE)?;
    link_phone(&mut world)?;
    assert_eq!(certified(&mut world)?, 1);
    // What was linked is not told that the code has ended.
    world.crash(ALICE)?;
    world.settle()?;
    assert_eq!(joined(&mut world)?.state, JoinState::Joined);
    Ok(())
}

/// Two devices with one name could not be told apart in the list.
#[test]
fn a_device_whose_name_another_has_may_come_again_with_another() -> Result {
    let mut world = ready(1514)?;
    let device = world.call(ALICE, ListDevices {})?.devices.remove(0).id;
    let rename = |device: &str, name: &str| RenameDevice {
        device: device.to_owned(),
        request: DeviceRename { name: name.to_owned() },
    };
    world.call(ALICE, rename(&device, "phone"))?;
    let code = code(&mut world)?;
    join(&mut world, PHONE, code.clone())?;
    for _ in 0..3 {
        world.gossip(0.0);
    }
    let refused = joined(&mut world)?;
    assert_eq!((refused.reason, refused.by_other), (Some(LinkReason::NameTaken), true));
    assert_eq!(link(&mut world)?.state, LinkState::Offered, "the code is as good as before");
    world.pass(Duration::from_secs(1));
    world.call(ALICE, rename(&device, "desk"))?;
    compared(&mut world, code)?;
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    for _ in 0..3 {
        world.settle()?;
    }
    let phone = world.call(PHONE, ListDevices {})?.devices.into_iter().find(|it| it.this);
    let phone = phone.ok_or("not there")?.id;
    let taken = world.call(PHONE, rename(&phone, "desk")).err().ok_or("renamed")?.to_string();
    assert!(taken.contains("choose another name"), "{taken}");
    world.call(PHONE, rename(&phone, "phone"))?;
    Ok(())
}

/// Whoever is in between could end a code whose numbers differed as often as they liked, by breaking it off or by silence.
#[test]
fn what_the_other_side_may_have_brought_about_counts_once_it_was_answered() -> Result {
    let mut world = ready(1515)?;
    let first = code(&mut world)?;
    compared(&mut world, first)?;
    world.call(PHONE, CancelJoin {})?;
    world.settle()?;
    // A crash of the new device looks the same.
    let second = code(&mut world)?;
    compared(&mut world, second.clone())?;
    world.crash(PHONE)?;
    join(&mut world, PHONE, second)?;
    world.settle()?;
    assert_eq!(link(&mut world)?.reason, Some(LinkReason::Disturbed));
    let third = code(&mut world)?;
    compared(&mut world, third)?;
    world.pass(10 * MINUTE);
    let locked = world.call(ALICE, StartLink {}).err().ok_or("not locked")?.to_string();
    assert!(locked.contains("died within an hour"), "{locked}");
    Ok(())
}

/// Nobody answered: the device with the root knew its last code alone.
#[test]
fn who_comes_by_a_code_of_before_is_told_that_it_has_ended() -> Result {
    let mut world = ready(1510)?;
    let first = code(&mut world)?;
    let again = world.call(ALICE, StartLink {})?;
    assert!(again.replaced, "what made the first one useless says so");
    assert!(!link(&mut world)?.replaced);
    world.settle()?;
    world.pass(MINUTE);
    join(&mut world, PHONE, first)?;
    world.settle()?;
    let join = joined(&mut world)?;
    assert_eq!((join.state, join.by_other), (JoinState::Refused, true));
    // The code of now is as good as before.
    assert_eq!(link(&mut world)?.state, LinkState::Offered);
    compared(&mut world, again.code.ok_or("no code")?.parse()?)?;
    world.call(ALICE, CancelLink {})?;
    assert!(!world.call(ALICE, StartLink {})?.replaced, "it had ended");
    Ok(())
}

#[test]
fn a_code_is_good_for_ten_minutes_and_once() -> Result {
    let mut world = ready(1505)?;
    let late = code(&mut world)?;
    world.pass(10 * MINUTE);
    assert_eq!(link(&mut world)?.state, LinkState::Expired);
    join(&mut world, PHONE, late)?;
    world.settle()?;
    assert_eq!(joined(&mut world)?.reason, Some(LinkReason::Used));
    // Nobody answers.
    let code = code(&mut world)?;
    let unknown = LinkCode { secret: martlet_protocol::link::LinkSecret([7; 16]), ..code.clone() };
    join(&mut world, PHONE, unknown)?;
    world.pass(9 * MINUTE);
    assert_eq!(joined(&mut world)?.state, JoinState::Joining);
    world.pass(MINUTE);
    assert_eq!(joined(&mut world)?.state, JoinState::Expired);
    // Used, then tried by another device.
    link_phone(&mut world)?;
    world.push(tempfile::tempdir()?);
    let tablet = world.nodes.len() - 1;
    world.start(tablet)?;
    let link = world.call(ALICE, StartLink {})?;
    let used: LinkCode = link.code.ok_or("no code")?.parse()?;
    world.call(ALICE, CancelLink {})?;
    join(&mut world, tablet, used)?;
    world.settle()?;
    // What was said of it when it ended is still on the network.
    let join = world.call(tablet, ShowJoin {})?;
    assert_eq!((join.state, join.reason), (JoinState::Refused, Some(LinkReason::Cancelled)));
    assert_eq!(certified(&mut world)?, 1);
    Ok(())
}

#[test]
fn a_code_dies_with_a_restart_of_either_side() -> Result {
    let mut world = ready(1506)?;
    let first = code(&mut world)?;
    compared(&mut world, first)?;
    world.crash(ALICE)?;
    world.settle()?;
    let refused =
        world.call(ALICE, ConfirmLink { equal: true, history: false }).err().ok_or("confirmed")?;
    assert!(refused.to_string().contains("no device is being linked"), "{refused}");
    // It waited for ten minutes: nobody told it.
    let join = joined(&mut world)?;
    assert_eq!((join.state, join.by_other), (JoinState::Refused, true));
    let second = code(&mut world)?;
    compared(&mut world, second)?;
    world.crash(PHONE)?;
    world.settle()?;
    assert!(joined(&mut world).is_err());
    // Whatever is said on the other side, there is nobody to take it; the user sees the device in the list, and revokes it.
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    world.settle()?;
    assert!(world.call(PHONE, ListDevices {}).is_err(), "no identity");
    assert_eq!(certified(&mut world)?, 1);
    Ok(())
}

#[test]
fn who_has_an_identity_or_another_network_is_refused_before_anything_is_sent() -> Result {
    let mut world = ready(1507)?;
    let code = code(&mut world)?;
    let refused = join(&mut world, BOB, code.clone()).err().ok_or("joined")?.to_string();
    assert!(refused.contains("an identity already"), "{refused}");
    let elsewhere = LinkCode { network: martlet_protocol::NetworkTag([9; 8]), ..code.clone() };
    let refused = join(&mut world, PHONE, elsewhere).err().ok_or("joined")?.to_string();
    assert!(refused.contains("another network"), "{refused}");
    assert!(world.nodes[PHONE].released.publish.is_empty());
    // A device that has joined joins nothing else.
    compared(&mut world, code)?;
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    world.settle()?;
    let again = self::code(&mut world)?;
    assert!(join(&mut world, PHONE, again).is_err());
    Ok(())
}

#[test]
fn an_identity_has_eight_devices_at_most() -> Result {
    let mut world = ready(1508)?;
    for number in 0..7 {
        if number > 0 {
            world.nodes.pop();
            world.push(tempfile::tempdir()?);
            world.start(PHONE)?;
        }
        link_phone(&mut world)?;
    }
    assert_eq!(certified(&mut world)?, 7);
    let refused = world.call(ALICE, StartLink {}).err().ok_or("a ninth")?.to_string();
    assert!(refused.contains("no more devices"), "{refused}");
    // One less, one more.
    let devices = world.call(ALICE, ListDevices {})?.devices;
    let device = devices.into_iter().find(|it| !it.this).ok_or("none")?.id;
    world.call(ALICE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    code(&mut world)?;
    Ok(())
}

/// With eight devices that were never revoked, perhaps all of them lost, the ninth that the phrase made could revoke none.
#[test]
fn one_device_too_many_that_has_the_root_makes_room_for_itself() -> Result {
    let mut world = ready(1512)?;
    for number in 0..8 {
        if number > 0 {
            world.nodes.pop();
            world.push(tempfile::tempdir()?);
            world.start(PHONE)?;
        }
        if number < 7 {
            link_phone(&mut world)?;
        }
    }
    recover(&mut world, ALICE, PHONE)?;
    for _ in 0..3 {
        world.settle()?;
    }
    let state = |world: &mut World| -> Result<DeviceState> {
        let devices = world.call(PHONE, ListDevices {})?.devices;
        Ok(devices.into_iter().find(|it| it.this).ok_or("not there")?.state)
    };
    assert_eq!(state(&mut world)?, DeviceState::Surplus);
    assert!(world.call(PHONE, StartLink {}).is_err());
    let devices = world.call(PHONE, ListDevices {})?.devices;
    let device = devices.into_iter().find(|it| !it.this).ok_or("alone")?.id;
    world.call(PHONE, RevokeDevice { device, request: DeviceRevoke::default() })?;
    assert_eq!(state(&mut world)?, DeviceState::Valid);
    Ok(())
}

/// Someone who saw the code, and can hold back what others send.
struct Mallory {
    code: LinkCode,
    device: NewDevice,
    key: ComparisonKey,
    nonce: [u8; 32],
}

impl Mallory {
    fn new(world: &mut World, code: &LinkCode) -> Self {
        let device = NewDevice::generate(&mut world.rng);
        Self { code: code.clone(), device, key: ComparisonKey::generate(), nonce: [3; 32] }
    }

    fn envelope(&self, world: &mut World, step: Step, payload: &[u8]) -> Result<Envelope> {
        let addressing = Addressing {
            network: world.network.tag(),
            shard: Shard::of(&self.code.identity, world.network.shard_bits),
            expiry: ExpiryHour::latest(world.now),
        };
        let keys = self.code.keys();
        Ok(Envelope::new(steps::seal(&mut world.rng, &addressing, &keys, step, payload)?))
    }

    fn join(&self, world: &mut World) -> Result<Vec<u8>> {
        let details = self.device.describe(self.code.identity, "phone".into(), world.now)?;
        let (prekey, detection) =
            (PrekeySecret::generate(&mut world.rng), DetectionSecret::generate(&mut world.rng));
        let committed = commitment(&self.key.public(), &self.nonce);
        let join = Join::issue(&self.device, details, &prekey, detection.public(), committed);
        Ok(join.as_bytes().to_vec())
    }

    fn send(&self, world: &mut World, to: usize, step: Step, payload: &[u8]) -> Result {
        let envelope = self.envelope(world, step, payload)?;
        world.bring(to, &[envelope])
    }

    /// What a node sent of a step, which nobody gets.
    fn hold(&self, world: &mut World, from: usize, step: Step) -> Result<Vec<u8>> {
        let tag: Tag = self.code.keys().tag(step);
        let sent = std::mem::take(&mut world.nodes[from].released.publish);
        for envelope in sent {
            let header = Header::parse(&envelope.content)?;
            if header.tag(&envelope.content) == Some(tag) {
                return Ok(
                    steps::open(&self.code.keys(), step, &header, &envelope.content)?.to_vec()
                );
            }
        }
        Err("nothing of it".into())
    }
}

#[test]
fn a_second_device_by_the_same_code_ends_it_for_both() -> Result {
    for is_first in [true, false] {
        let mut world = ready(1509)?;
        let code = code(&mut world)?;
        let mallory = Mallory::new(&mut world, &code);
        let join = mallory.join(&mut world)?;
        if is_first {
            mallory.send(&mut world, ALICE, Step::Join, &join)?;
            self::join(&mut world, PHONE, code)?;
        } else {
            compared(&mut world, code)?;
            mallory.send(&mut world, ALICE, Step::Join, &join)?;
        }
        both_ended(&mut world, LinkReason::Disturbed)?;
    }
    Ok(())
}

#[test]
fn in_the_middle_the_numbers_differ() -> Result {
    let mut world = ready(1510)?;
    let code = code(&mut world)?;
    join(&mut world, PHONE, code.clone())?;
    let (mallory, other) = (Mallory::new(&mut world, &code), Mallory::new(&mut world, &code));
    // To the device with the root Mallory is the new one.
    mallory.hold(&mut world, PHONE, Step::Join)?;
    let join = mallory.join(&mut world)?;
    mallory.send(&mut world, ALICE, Step::Join, &join)?;
    let answer = mallory.hold(&mut world, ALICE, Step::Answer)?;
    let reveal = Reveal::new(mallory.key.public(), mallory.nonce).encode();
    mallory.send(&mut world, ALICE, Step::Reveal, &reveal)?;
    // To the new device the one with the root.
    let linker = Answer::decode(&answer)?.device;
    let false_answer = Answer::new(other.key.public(), code.identity, linker).encode();
    other.send(&mut world, PHONE, Step::Answer, &false_answer)?;
    other.hold(&mut world, PHONE, Step::Reveal)?;

    let (link, join) = (link(&mut world)?, joined(&mut world)?);
    assert_eq!((link.state, join.state), (LinkState::Compare, JoinState::Compare));
    assert_ne!(link.numbers, join.numbers);
    // Mallory, who has every key of that half, sees what Alice sees, and could not have chosen it.
    world.call(ALICE, ConfirmLink { equal: false, history: false })?;
    // The new device gets the true answer as well, at last.
    world.settle()?;
    let (link, join) = (self::link(&mut world)?, joined(&mut world)?);
    assert_eq!((link.state, link.reason), (LinkState::Refused, Some(LinkReason::NumbersDiffer)));
    assert_eq!(join.state, JoinState::Refused);
    assert_eq!(certified(&mut world)?, 0);
    Ok(())
}

#[test]
fn an_answer_that_is_swapped_makes_other_numbers() -> Result {
    let mut world = ready(1511)?;
    let code = code(&mut world)?;
    join(&mut world, PHONE, code.clone())?;
    world.gossip(0.0);
    let mallory = Mallory::new(&mut world, &code);
    let answer = mallory.hold(&mut world, ALICE, Step::Answer)?;
    let linker = Answer::decode(&answer)?.device;
    let swapped = Answer::new(mallory.key.public(), code.identity, linker).encode();
    mallory.send(&mut world, PHONE, Step::Answer, &swapped)?;
    world.gossip(0.0);
    assert_ne!(link(&mut world)?.numbers, joined(&mut world)?.numbers);
    // Once the true answer comes as well, it is over.
    mallory.send(&mut world, PHONE, Step::Answer, &answer)?;
    both_ended(&mut world, LinkReason::Disturbed)
}

#[test]
fn a_revealed_key_that_was_not_committed_to_ends_it() -> Result {
    let mut world = ready(1512)?;
    let code = code(&mut world)?;
    join(&mut world, PHONE, code.clone())?;
    world.gossip(0.0);
    let mallory = Mallory::new(&mut world, &code);
    let answer = mallory.hold(&mut world, ALICE, Step::Answer)?;
    mallory.send(&mut world, PHONE, Step::Answer, &answer)?;
    mallory.hold(&mut world, PHONE, Step::Reveal)?;
    let reveal = Reveal::new(mallory.key.public(), mallory.nonce).encode();
    mallory.send(&mut world, ALICE, Step::Reveal, &reveal)?;
    both_ended(&mut world, LinkReason::Commitment)
}

#[test]
fn a_replayed_device_or_one_that_is_known_is_not_linked() -> Result {
    let mut world = ready(1513)?;
    let first = code(&mut world)?;
    join(&mut world, PHONE, first.clone())?;
    let old = Mallory::new(&mut world, &first);
    let replayed = old.hold(&mut world, PHONE, Step::Join)?;
    old.send(&mut world, ALICE, Step::Join, &replayed)?;
    world.gossip(0.0);
    world.gossip(0.0);
    assert_eq!(link(&mut world)?.state, LinkState::Compare);
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    world.settle()?;
    assert_eq!(certified(&mut world)?, 1);
    // Its first step again, by another code.
    let second = code(&mut world)?;
    let new = Mallory::new(&mut world, &second);
    new.send(&mut world, ALICE, Step::Join, &replayed)?;
    let link = link(&mut world)?;
    assert_eq!((link.state, link.reason), (LinkState::Refused, Some(LinkReason::Certified)));
    assert_eq!(certified(&mut world)?, 1);
    Ok(())
}

#[test]
fn garbage_by_the_code_ends_it_and_garbage_under_its_tags_does_not() -> Result {
    let mut world = ready(1514)?;
    let first = code(&mut world)?;
    let stranger = Mallory {
        code: LinkCode { secret: martlet_protocol::link::LinkSecret([1; 16]), ..first.clone() },
        ..Mallory::new(&mut world, &first)
    };
    // Under a true tag, by someone who saw it and not the code.
    let envelope = stranger.envelope(&mut world, Step::Join, b"garbage")?;
    let (mut content, at) = (envelope.content.to_vec(), 17);
    content[at..at + 16].copy_from_slice(&first.keys().tag(Step::Join).0);
    world.bring(ALICE, &[Envelope::new(content)])?;
    assert_eq!(link(&mut world)?.state, LinkState::Offered);
    let mallory = Mallory::new(&mut world, &first);
    mallory.send(&mut world, ALICE, Step::Join, b"garbage")?;
    let link = link(&mut world)?;
    assert_eq!((link.state, link.reason), (LinkState::Refused, Some(LinkReason::Malformed)));
    Ok(())
}

#[test]
fn who_knows_both_keys_of_a_comparison_computes_the_same_numbers() -> Result {
    let mut world = ready(1515)?;
    let code = code(&mut world)?;
    let mallory = Mallory::new(&mut world, &code);
    let join = mallory.join(&mut world)?;
    mallory.send(&mut world, ALICE, Step::Join, &join)?;
    let answer = mallory.hold(&mut world, ALICE, Step::Answer)?;
    let reveal = Reveal::new(mallory.key.public(), mallory.nonce).encode();
    mallory.send(&mut world, ALICE, Step::Reveal, &reveal)?;
    let transcript = Transcript {
        network: &code.network,
        identity: &code.identity,
        device: &mallory.device.device(),
        steps: [&join, &answer, &reveal],
    };
    let numbers = mallory.key.numbers(&Answer::decode(&answer)?.key, &transcript)?;
    assert_eq!(link(&mut world)?.numbers, Some(numbers.to_string()));
    Ok(())
}

#[test]
fn an_identity_has_64_devices_in_its_life() -> Result {
    let mut world = ready(1516)?;
    let mut state = None;
    in_vault(&mut world, ALICE, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
        let root = RootKey::from_seed(profile.root_seed.ok_or("no root")?.0);
        let identity = root.identity();
        let mut record =
            txn.get(&IDENTITY_STATES, Key::Named(&identity.0))?.ok_or("no identity state")?;
        let mut known = IdentityState::from_record(identity, &record.state)?;
        let mut rng = ChaCha20Rng::seed_from_u64(1516);
        for _ in 0..62 {
            let device = NewDevice::generate(&mut rng).device();
            known.add(Statement::Certificate(root.certify(device, START)))?;
            known.add(root.revoke(device, START, Reason::Retired))?;
        }
        record.state = known.to_record().into();
        txn.put(&IDENTITY_STATES, Key::Named(&identity.0), &record)?;
        state = Some(known.certified());
        Ok(())
    })?;
    assert_eq!(state, Some(63));
    link_phone(&mut world)?;
    let refused = world.call(ALICE, StartLink {}).err().ok_or("a 65th")?.to_string();
    assert!(refused.contains("no more devices"), "{refused}");
    Ok(())
}

#[test]
fn nobody_but_the_device_that_answered_says_that_it_is_linked() -> Result {
    let mut world = ready(1517)?;
    let code = code(&mut world)?;
    join(&mut world, PHONE, code.clone())?;
    let mallory = Mallory::new(&mut world, &code);
    let sent = mallory.hold(&mut world, PHONE, Step::Join)?;
    let join = Join::from_bytes(&code.identity, &sent)?;
    mallory.send(&mut world, ALICE, Step::Join, &sent)?;
    world.gossip(0.0);
    assert_eq!(joined(&mut world)?.state, JoinState::Compare);
    // By a root of her own, and a device of hers.
    let root = RootKey::generate(&mut world.rng);
    let now = world.now;
    let device = DeviceKeys::generate(&mut world.rng, &root, now);
    let certificate = root.certify(join.device(), now).as_bytes().to_vec();
    let linked = DeviceMessage::Linked(Box::new(Linked {
        certificate,
        state: Vec::new(),
        rendezvous: Rendezvous::default(),
        name: None,
        first_secret: RendezvousSecret::NONE,
    }));
    for identity in [code.identity, root.identity()] {
        let addressing = Addressing {
            network: world.network.tag(),
            shard: Shard::of(&code.identity, world.network.shard_bits),
            expiry: ExpiryHour::latest(now),
        };
        let route = Route {
            sender: (root.identity(), device.device()),
            recipient: (identity, join.device()),
        };
        let payload =
            olm::once(&OlmSecret::of_device(&device.seed()), &route, join.olm(), linked.encode())?;
        let content = seal::seal(
            &mut world.rng,
            &addressing,
            &device,
            &identity,
            &[join.recipient()],
            &ConversationId::direct(&code.identity, &code.identity),
            &payload,
        )?;
        world.bring(PHONE, &[Envelope::new(content)])?;
        assert_eq!(joined(&mut world)?.state, JoinState::Compare);
        assert!(world.call(PHONE, ListDevices {}).is_err(), "no identity");
    }
    // The true one is taken all the same.
    world.call(ALICE, ConfirmLink { equal: true, history: false })?;
    world.settle()?;
    assert_eq!(joined(&mut world)?.state, JoinState::Joined);
    Ok(())
}

//! Safety numbers, and what follows when a verified contact has another device.

use martlet_engine::command::{
    GetContact, GetMessage, ListContacts, PingContact, RecoverUser, SetSettings, TypeTo,
    UnverifyContact, VerifyContact,
};
use martlet_protocol::control::{Contact, EventBody, SettingsChange, Verified, VerifyRequest};
use martlet_protocol::identity::RootKey;
use martlet_store::records::PROFILE;
use martlet_store::vault::Key;

use crate::stranger::in_vault;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
/// A second device of Bob's.
const TABLET: usize = 2;

fn contact(world: &mut World, node: usize, name: &str) -> Result<Contact> {
    world.call(node, GetContact { name: name.into() })
}

fn verify(world: &mut World, node: usize, name: &str, code: Option<&str>) -> Result<Contact> {
    let request = VerifyRequest { code: code.map(str::to_owned) };
    world.call(node, VerifyContact { name: name.into(), request })
}

fn set_strict(world: &mut World, node: usize, is_strict: bool) -> Result {
    let change = SettingsChange { strict_devices: Some(is_strict), ..SettingsChange::default() };
    world.call(node, SetSettings { change })?;
    Ok(())
}

/// The root of a node's user.
pub(crate) fn root_of(world: &mut World, node: usize) -> Result<RootKey> {
    let mut root = None;
    in_vault(world, node, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?;
        root = profile.and_then(|it| it.root_seed).map(|seed| RootKey::from_seed(seed.0));
        Ok(())
    })?;
    root.ok_or_else(|| "no profile".into())
}

/// Another device of the identity of `of`, on `node`.
pub(crate) fn recover(world: &mut World, of: usize, node: usize) -> Result<String> {
    let root = root_of(world, of)?;
    let path = key_file_path(world.nodes[node].dir.path());
    let (key_file, key) = KeyFile::make(&path, None, &mut world.rng)?;
    let name = Some("again".to_owned());
    let phrase = root.recovery_phrase();
    Ok(world.call(node, RecoverUser { key_file, key, name, phrase })?.id)
}

/// The names in events of new devices.
fn told(world: &mut World, node: usize) -> Result<Vec<(String, u32)>> {
    let events = world.call(node, ReadEvents { since: 0 })?.events.into_iter();
    Ok(events
        .filter_map(|event| match event.body {
            EventBody::ContactDevicesChanged { name, devices } => Some((name, devices)),
            _ => None,
        })
        .collect())
}

fn out(world: &mut World, node: usize, to: &str) -> Result<Vec<(String, Delivery)>> {
    world.texts(node, to, Direction::Out)
}

#[test]
fn both_see_one_number_and_it_outlives_devices_and_resets_of_the_id() -> Result {
    let mut world = World::pair(800, 3)?;
    world.settle()?;
    let number = contact(&mut world, ALICE, "bob")?.safety_number.ok_or("no number")?;
    assert_eq!(contact(&mut world, BOB, "alice")?.safety_number.as_ref(), Some(&number));
    world.call(BOB, martlet_engine::command::ResetId {})?;
    recover(&mut world, BOB, TABLET)?;
    world.settle()?;
    assert_eq!(contact(&mut world, ALICE, "bob")?.safety_number.as_ref(), Some(&number));
    // Lists don't have it: it is dear.
    let list = world.call(ALICE, ListContacts {})?.contacts;
    assert!(list.iter().all(|contact| contact.safety_number.is_none()));
    Ok(())
}

#[test]
fn a_contact_is_verified_by_a_code_that_fits_and_by_no_other() -> Result {
    let mut world = World::pair(801, 3)?;
    let carol = world.init(2, "carol")?;
    world.add(ALICE, &carol, "carol")?;
    let number = contact(&mut world, BOB, "alice")?.safety_number.ok_or("no number")?;
    assert_eq!(contact(&mut world, ALICE, "bob")?.verified, Verified::No);

    let refused = verify(&mut world, ALICE, "carol", Some(&number.digits)).err().ok_or("taken")?;
    assert!(refused.to_string().contains("not the safety number"), "{refused}");
    assert!(verify(&mut world, ALICE, "carol", Some(&number.qr)).is_err());
    assert!(verify(&mut world, ALICE, "bob", Some("12345")).is_err());
    assert!(verify(&mut world, ALICE, "bob", Some("")).is_err());
    for name in ["bob", "carol"] {
        let contact = contact(&mut world, ALICE, name)?;
        assert_eq!((contact.verified, contact.verified_at), (Verified::No, None));
    }
    for code in [Some(number.digits.replace(' ', "-")), Some(number.qr), None] {
        let verified = verify(&mut world, ALICE, "bob", code.as_deref())?;
        assert_eq!((verified.verified, verified.verified_at), (Verified::Yes, Some(world.now)));
        world.crash(ALICE)?;
        assert_eq!(contact(&mut world, ALICE, "bob")?.verified, Verified::Yes);
        world.call(ALICE, UnverifyContact { name: "bob".into() })?;
        assert_eq!(contact(&mut world, ALICE, "bob")?.verified, Verified::No);
    }
    Ok(())
}

/// The first device is none that came later.
#[test]
fn a_contact_may_be_verified_before_any_device_is_known() -> Result {
    let mut world = World::pair(802, 3)?;
    assert_eq!(verify(&mut world, ALICE, "bob", None)?.devices, 0);
    world.settle()?;
    let bob = contact(&mut world, ALICE, "bob")?;
    assert_eq!((bob.devices, bob.verified), (1, Verified::Yes));
    assert!(told(&mut world, ALICE)?.is_empty());
    Ok(())
}

#[test]
fn a_new_device_of_a_verified_contact_is_told_once_and_messages_go_on() -> Result {
    let mut world = World::pair(803, 3)?;
    world.settle()?;
    verify(&mut world, ALICE, "bob", None)?;
    recover(&mut world, BOB, TABLET)?;
    world.settle()?;
    let bob = contact(&mut world, ALICE, "bob")?;
    assert_eq!((bob.devices, bob.verified), (2, Verified::Changed));
    world.crash(ALICE)?;
    // A day's bundles later it is told no second time.
    for _ in 0..30 {
        world.pass(Duration::from_secs(3600));
        world.settle()?;
    }
    assert_eq!(told(&mut world, ALICE)?, [("bob".to_owned(), 2)]);
    world.send(ALICE, "bob", "still here")?;
    world.settle()?;
    for node in [BOB, TABLET] {
        let texts = world.texts(node, "alice", Direction::In)?;
        assert_eq!(texts.len(), 1, "{node}");
    }
    assert_eq!(verify(&mut world, ALICE, "bob", None)?.verified, Verified::Yes);
    Ok(())
}

#[test]
fn with_strict_devices_messages_wait_for_the_users_word_and_go_in_order() -> Result {
    let mut world = World::pair(804, 3)?;
    let alice = world.id_of(ALICE)?;
    world.settle()?;
    verify(&mut world, ALICE, "bob", None)?;
    set_strict(&mut world, ALICE, true)?;
    world.send(ALICE, "bob", "before")?;
    world.settle()?;
    recover(&mut world, BOB, TABLET)?;
    world.add(TABLET, &alice, "alice")?;
    world.settle()?;

    world.nodes[ALICE].released.publish.clear();
    let ids = [world.send(ALICE, "bob", "one")?, world.send(ALICE, "bob", "two")?];
    for id in &ids {
        let message = world.call(ALICE, GetMessage { id: id.clone() })?;
        assert_eq!(message.state, Delivery::NeedsConfirmation);
    }
    let ping = PingContact { name: "bob".into(), asker: Box::new(|_| ()) };
    let refused = world.call(ALICE, ping).err().ok_or("pinged")?;
    assert!(refused.to_string().contains("to be confirmed"), "{refused}");
    world.call(ALICE, TypeTo { name: "bob".into() })?;
    world.settle()?;
    assert!(world.nodes[ALICE].released.publish.is_empty(), "something left");
    world.crash(ALICE)?;
    world.settle()?;
    let held = |text: &str| (text.to_owned(), Delivery::NeedsConfirmation);
    let delivered = |text: &str| (text.to_owned(), Delivery::Delivered);
    assert_eq!(out(&mut world, ALICE, "bob")?, [delivered("before"), held("one"), held("two")]);
    for node in [BOB, TABLET] {
        let texts = world.texts(node, "alice", Direction::In)?;
        assert!(texts.iter().all(|(text, _)| text == "before"), "{texts:?}");
    }

    verify(&mut world, ALICE, "bob", None)?;
    world.send(ALICE, "bob", "three")?;
    world.settle()?;
    let sent = out(&mut world, ALICE, "bob")?;
    let texts: Vec<_> = sent.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["before", "one", "two", "three"]);
    let is_out = |state: &Delivery| matches!(state, Delivery::Sent | Delivery::Delivered);
    assert!(sent.iter().all(|(_, state)| is_out(state)), "{sent:?}");
    let texts = world.texts(TABLET, "alice", Direction::In)?;
    let texts: Vec<_> = texts.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    Ok(())
}

/// Two other words than a confirmation: not strict any more, or not verified any more.
#[test]
fn what_waits_goes_as_well_when_the_user_is_not_strict_or_the_contact_not_verified() -> Result {
    for seed in [805, 806] {
        let mut world = World::pair(seed, 3)?;
        world.settle()?;
        verify(&mut world, ALICE, "bob", None)?;
        set_strict(&mut world, ALICE, true)?;
        recover(&mut world, BOB, TABLET)?;
        world.settle()?;
        world.send(ALICE, "bob", "hello")?;
        world.settle()?;
        assert_eq!(out(&mut world, ALICE, "bob")?[0].1, Delivery::NeedsConfirmation);
        if seed == 805 {
            set_strict(&mut world, ALICE, false)?;
        } else {
            world.call(ALICE, UnverifyContact { name: "bob".into() })?;
        }
        world.settle()?;
        assert_eq!(out(&mut world, ALICE, "bob")?[0].1, Delivery::Delivered);
        let texts = world.texts(BOB, "alice", Direction::In)?;
        assert_eq!(texts.len(), 1);
    }
    Ok(())
}

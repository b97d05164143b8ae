//! The root: shown once more, locked, and used from its phrase for one act.

use martlet_engine::command::{
    ConfirmLink, ConfirmLinkByPhrase, GetShred, ListDevices, LockRoot, ResetId, RevokeByPhrase,
    RevokeDevice, ShowJoin, ShowPhrase, StartLink, StartLinkByPhrase, TerminateAccount,
};
use martlet_engine::{CommandError, RootPlace};
use martlet_protocol::control::{DeviceRevoke, DeviceState, Direction, JoinState, LinkState};
use martlet_protocol::identity::{PhraseError, RootKey};
use martlet_store::records::{PROFILE, RootLocked};
use martlet_store::vault::Key;
use zeroize::Zeroizing;

use crate::identities::refusal;
use crate::linking::{compared, ready};
use crate::stranger::in_vault;
use crate::trust::root_of;
use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const PHONE: usize = 2;

fn phrase(world: &mut World, node: usize) -> Result<Zeroizing<String>> {
    Ok(Zeroizing::new(world.call(node, ShowPhrase {})?.recovery_phrase))
}

fn lock_root(world: &mut World) -> Result<Zeroizing<String>> {
    let phrase = phrase(world, ALICE)?;
    let words: Vec<&str> = phrase.split(' ').collect();
    let last_words = Zeroizing::new(words[20..].join(", ").to_uppercase());
    world.call(ALICE, LockRoot { last_words })?;
    Ok(phrase)
}

/// What is in Alice's, or another's, vault of the root.
fn kept(world: &mut World, node: usize) -> Result<(bool, Option<RootLocked>)> {
    let mut found = None;
    in_vault(world, node, |txn| {
        let profile = txn.get(&PROFILE, Key::Named(b""))?.ok_or("no profile")?;
        found = Some((profile.root_seed.is_some(), profile.root_locked));
        Ok(())
    })?;
    found.ok_or_else(|| "not looked at".into())
}

#[test]
fn the_phrases_are_shown_as_long_as_the_root_is_here() -> Result {
    let mut world = ready(1541)?;
    let root = root_of(&mut world, ALICE)?;
    for _ in 0..2 {
        let shown = world.call(ALICE, ShowPhrase {})?;
        assert_eq!(RootKey::from_phrase(&shown.recovery_phrase)?.seed(), root.seed());
        assert_eq!(shown.kill_phrase, root.kill_key().phrase().to_string());
        assert_eq!(shown.id, world.id_of(ALICE)?);
        world.crash(ALICE)?;
    }
    lock_root(&mut world)?;
    let place = RootPlace::Phrase;
    assert_eq!(refusal(&mut world, ALICE, ShowPhrase {})?, CommandError::NoRoot { place });
    Ok(())
}

#[test]
fn the_root_is_locked_by_who_has_the_end_of_its_phrase() -> Result {
    let mut world = ready(1542)?;
    let phrase = phrase(&mut world, ALICE)?;
    let words: Vec<&str> = phrase.split(' ').collect();
    let wrong = [
        String::new(),
        words[21..].join(" "),
        words[19..].join(" "),
        words[19..23].join(" "),
        phrase.to_string(),
    ];
    for wrong in wrong {
        let last_words = Zeroizing::new(wrong);
        assert_eq!(refusal(&mut world, ALICE, LockRoot { last_words })?, CommandError::WrongWords);
    }
    assert_eq!(root_of(&mut world, ALICE)?.recovery_phrase(), phrase, "it is still here");
    let id = world.call(ALICE, ResetId {})?.id;
    lock_root(&mut world)?;
    // It is shredded, as if the user had asked for that.
    for _ in 0..200 {
        world.pass(Duration::from_secs(1));
    }
    let shred = world.call(ALICE, GetShred {})?;
    assert!(!shred.running && shred.finished_at.is_some(), "{shred:?}");
    for _ in 0..2 {
        world.crash(ALICE)?;
        let (is_here, locked) = kept(&mut world, ALICE)?;
        assert!(!is_here);
        // By what a device is found that is restored from the phrase.
        let first = RootKey::from_phrase(&phrase)?.first_rendezvous_secret();
        assert_eq!(locked.ok_or("not locked")?.first_secret, first);
        assert_eq!(world.id_of(ALICE)?, id);
        world.settle()?;
    }
    let again = LockRoot { last_words: Zeroizing::new(words[20..].join(" ")) };
    let place = RootPlace::Phrase;
    assert_eq!(refusal(&mut world, ALICE, again)?, CommandError::NoRoot { place });
    world.send(ALICE, "bob", "as ever")?;
    world.settle()?;
    assert!(world.texts(BOB, "alice", Direction::In)?.iter().any(|(text, _)| text == "as ever"));
    Ok(())
}

#[test]
fn with_the_phrase_a_device_is_linked_and_revoked_where_the_root_is_not() -> Result {
    let mut world = ready(1543)?;
    let phrase = lock_root(&mut world)?;
    let place = RootPlace::Phrase;
    let lacks = CommandError::NoRoot { place };
    assert_eq!(refusal(&mut world, ALICE, StartLink {})?, lacks);
    let code = world.call(ALICE, StartLinkByPhrase {})?.code.ok_or("no code")?.parse()?;
    compared(&mut world, code)?;
    // Nobody is linked by nothing, by a typing mistake, or by someone else's phrase; and the code stays good.
    assert_eq!(refusal(&mut world, ALICE, ConfirmLink { equal: true, history: false })?, lacks);
    let short = Zeroizing::new("abandon".to_owned());
    assert_eq!(
        refusal(&mut world, ALICE, ConfirmLinkByPhrase { phrase: short, history: false })?,
        CommandError::InvalidPhrase(PhraseError::Words { found: 1 })
    );
    let other = root_of(&mut world, BOB)?.recovery_phrase();
    assert_eq!(
        refusal(&mut world, ALICE, ConfirmLinkByPhrase { phrase: other.clone(), history: false })?,
        CommandError::OtherPhrase
    );
    let link = world.call(ALICE, ConfirmLinkByPhrase { phrase: phrase.clone(), history: false })?;
    assert_eq!(link.state, LinkState::Linked);
    world.settle()?;
    assert_eq!(world.call(PHONE, ShowJoin {})?.state, JoinState::Joined);

    // The linked one says who linked it. With the phrase it revokes that one, though it never had the root.
    world.settle()?;
    let devices = world.call(PHONE, ListDevices {})?.devices;
    let desk = devices.iter().find(|it| !it.this).ok_or("no desk")?.id.clone();
    let request = DeviceRevoke::default();
    let revoke = RevokeDevice { device: desk.clone(), request };
    let place = RootPlace::Linker { device: desk[..12].to_owned() };
    assert_eq!(refusal(&mut world, PHONE, revoke)?, CommandError::NoRoot { place });
    let by = |phrase| RevokeByPhrase { device: desk.clone(), reason: None, phrase };
    assert_eq!(refusal(&mut world, PHONE, by(other))?, CommandError::OtherPhrase);
    let revoked = world.call(PHONE, by(phrase))?;
    assert_eq!(revoked.state, DeviceState::Revoked);
    world.settle()?;
    world.settle()?;
    let told = world.call(ALICE, ListDevices {})?.devices;
    assert!(told.iter().any(|it| it.this && it.state == DeviceState::Revoked), "{told:?}");
    // Nothing of the phrase stayed.
    for node in [ALICE, PHONE] {
        assert!(!kept(&mut world, node)?.0, "node {node}");
    }
    Ok(())
}

#[test]
fn who_locked_the_root_ends_the_identity_by_the_kill_phrase() -> Result {
    let mut world = ready(1544)?;
    let phrase = lock_root(&mut world)?;
    let id = world.id_of(ALICE)?;
    let end = |kill_phrase| TerminateAccount { id: id.clone(), kill_phrase };
    let place = RootPlace::Phrase;
    assert_eq!(refusal(&mut world, ALICE, end(None))?, CommandError::NoRoot { place });
    let key = RootKey::from_phrase(&phrase)?.kill_key();
    assert!(world.call(ALICE, end(Some(key)))?.verified);
    Ok(())
}

/// Answers nobody yet, as the host until it has wiped its stack.
#[derive(Default)]
pub(crate) struct Holding(pub(crate) Vec<Effects>);

impl Outlet for Holding {
    fn release(&mut self, effects: Effects) {
        self.0.push(effects);
    }

    fn tell(&mut self, _: Vec<ToNet>) {}
}

/// A command that was refused was answered at once, and so before the host had wiped what it had worked with. Once the root's seed was
/// found on the stack then: of a phrase with one word wrong the right one is looked for.
#[test]
fn nobody_is_answered_before_what_the_root_left_is_wiped() -> Result {
    let mut world = ready(1549)?;
    let right = lock_root(&mut world)?;
    let wrong = Zeroizing::new(right.replacen(' ', "x ", 1));
    let device = world.call(ALICE, ListDevices {})?.devices[0].id.clone();
    for (phrase, is_right) in [(wrong, false), (right, true)] {
        let (reply, answer) = mpsc::channel();
        let command = RevokeByPhrase { device: device.clone(), reason: None, phrase };
        let reply = move |result: std::result::Result<_, _>| {
            reply.send(result.is_ok()).unwrap_or_default();
        };
        let (mut outlet, input) = (Holding::default(), Input::command(command, reply));
        let engine = world.nodes[ALICE].engine.as_mut().ok_or("not running")?;
        engine.run_batch([input], world.now, world.steady, &mut world.rng, &mut outlet);
        assert!(answer.try_recv().is_err(), "right: {is_right}");
        assert!(outlet.0.iter().any(|effects| effects.wipes));
        outlet.0.iter_mut().for_each(Effects::answer);
        assert_eq!(answer.try_recv()?, is_right);
    }
    Ok(())
}

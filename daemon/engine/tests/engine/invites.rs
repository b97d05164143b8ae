//! Invites: two people meet by one link, once.

use martlet_engine::command::{
    AcceptInvite, Block, CreateInvite, GetContact, ListContacts, ListInvites, RevokeInvite,
    ShowInvite,
};
use martlet_protocol::control::{
    Contact, EventBody, Invite as ShownInvite, InviteRequest, InviteState,
};
use martlet_protocol::invite::Invite;

use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

/// Three users who know nobody.
fn strangers(seed: u64) -> Result<World> {
    let mut world = World::new(3, seed)?;
    for (node, name) in [(ALICE, "alice"), (BOB, "bob"), (CAROL, "carol")] {
        world.init(node, name)?;
    }
    world.settle()?;
    Ok(world)
}

fn invite(world: &mut World, node: usize, name: Option<&str>) -> Result<ShownInvite> {
    let request = InviteRequest { name: name.map(str::to_owned), expires_seconds: Some(3600) };
    world.call(node, CreateInvite { request, addresses: Vec::new() })
}

fn link(shown: &ShownInvite) -> Result<Box<Invite>> {
    Ok(Box::new(shown.link.as_ref().ok_or("no link")?.parse()?))
}

fn accept(world: &mut World, node: usize, shown: &ShownInvite) -> Result<Contact> {
    world.call(node, AcceptInvite { invite: link(shown)?, name: None })
}

fn refused(world: &mut World, node: usize, shown: &ShownInvite) -> Result<String> {
    Ok(accept(world, node, shown).err().ok_or("accepted")?.to_string())
}

fn contacts(world: &mut World, node: usize) -> Result<Vec<String>> {
    let list = world.call(node, ListContacts {})?.contacts;
    Ok(list.into_iter().map(|contact| contact.name).collect())
}

fn listed(world: &mut World, node: usize) -> Result<Vec<ShownInvite>> {
    Ok(world.call(node, ListInvites {})?.invites)
}

fn events(world: &mut World, node: usize) -> Result<Vec<EventBody>> {
    let events = world.call(node, ReadEvents { since: 0 })?.events;
    Ok(events.into_iter().map(|event| event.body).collect())
}

#[test]
fn two_people_meet_by_one_link_without_a_request() -> Result {
    let mut world = strangers(820)?;
    let shown = invite(&mut world, ALICE, None)?;
    // The link can be shown again while it is good, and is in no list.
    let again = world.call(ALICE, ShowInvite { number: shown.number, addresses: Vec::new() })?;
    assert_eq!(again, shown);
    assert!(listed(&mut world, ALICE)?.iter().all(|invite| invite.link.is_none()));

    assert_eq!(accept(&mut world, BOB, &shown)?.name, "alice");
    world.send(BOB, "alice", "hello")?;
    world.settle()?;
    assert_eq!(contacts(&mut world, ALICE)?, ["bob"]);
    assert!(world.call(ALICE, ListRequests {})?.requests.is_empty());
    assert_eq!(world.texts(ALICE, "bob", Direction::In)?.len(), 1);
    world.send(ALICE, "bob", "welcome")?;
    world.settle()?;
    let sent = world.texts(ALICE, "bob", Direction::Out)?;
    assert_eq!(sent, with_state(&["welcome"], Delivery::Delivered));
    let sent = world.texts(BOB, "alice", Direction::Out)?;
    assert_eq!(sent, with_state(&["hello"], Delivery::Delivered));

    let used = listed(&mut world, ALICE)?.remove(0);
    assert_eq!((used.state, used.used_by.as_deref()), (InviteState::Used, Some("bob")));
    let told = events(&mut world, ALICE)?;
    let used = EventBody::InviteUsed { number: shown.number, name: "bob".into() };
    assert!(told.contains(&used), "{told:?}");
    let told = events(&mut world, BOB)?;
    assert!(told.contains(&EventBody::InviteAccepted { name: "alice".into() }), "{told:?}");
    Ok(())
}

/// The inviter need not be on, nothing need be written, and both may crash.
#[test]
fn who_is_away_accepts_when_they_are_back() -> Result {
    let mut world = strangers(821)?;
    let shown = invite(&mut world, ALICE, Some("bobby"))?;
    world.nodes[ALICE].engine = None;
    accept(&mut world, BOB, &shown)?;
    world.sync(BOB, CAROL)?;
    world.crash(BOB)?;
    world.sync(BOB, CAROL)?;
    world.start(ALICE)?;
    world.settle()?;
    world.crash(ALICE)?;
    world.settle()?;
    assert_eq!(contacts(&mut world, ALICE)?, ["bobby"]);
    // Both know that of each other: what Alice writes comes.
    world.send(ALICE, "bobby", "hello")?;
    world.settle()?;
    let sent = world.texts(ALICE, "bobby", Direction::Out)?;
    assert_eq!(sent, with_state(&["hello"], Delivery::Delivered));
    Ok(())
}

/// Who comes second is a stranger like any; the inviter is told that the link went on.
#[test]
fn an_invite_is_good_once() -> Result {
    let mut world = strangers(822)?;
    let shown = invite(&mut world, ALICE, None)?;
    accept(&mut world, BOB, &shown)?;
    world.settle()?;
    accept(&mut world, CAROL, &shown)?;
    world.send(CAROL, "alice", "me too")?;
    world.settle()?;
    world.settle()?;
    assert_eq!(contacts(&mut world, ALICE)?, ["bob"]);
    let requests = world.call(ALICE, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    let sent = world.texts(CAROL, "alice", Direction::Out)?;
    assert_eq!(sent, with_state(&["me too"], Delivery::Sent));
    let carol = world.id_of(CAROL)?;
    let told = events(&mut world, ALICE)?.into_iter();
    let told: Vec<_> =
        told.filter(|event| matches!(event, EventBody::InviteRefused { .. })).collect();
    assert_eq!(told, [EventBody::InviteRefused { number: shown.number, id: carol.clone() }]);
    assert_eq!(listed(&mut world, ALICE)?[0].refused, [carol]);
    // By the one who used it, it is none the less used.
    let again = refused(&mut world, BOB, &shown)?;
    assert!(again.contains("contact \"alice\" already"), "{again}");
    let ended = world.call(ALICE, ShowInvite { number: shown.number, addresses: Vec::new() });
    assert!(ended.err().ok_or("shown")?.to_string().contains("used"));
    Ok(())
}

#[test]
fn an_invite_that_was_revoked_or_has_expired_makes_nobody_a_contact() -> Result {
    let mut world = strangers(823)?;
    let revoked = invite(&mut world, ALICE, None)?;
    world.call(ALICE, RevokeInvite { number: revoked.number })?;
    let twice = world.call(ALICE, RevokeInvite { number: revoked.number });
    assert!(twice.err().ok_or("revoked twice")?.to_string().contains("revoked"));
    let unknown = world.call(ALICE, RevokeInvite { number: 99 });
    assert!(unknown.err().ok_or("revoked")?.to_string().contains("no invite 99"));
    accept(&mut world, BOB, &revoked)?;
    world.settle()?;
    // It was accepted in time, and got here late.
    let late = invite(&mut world, ALICE, None)?;
    accept(&mut world, CAROL, &late)?;
    world.pass(HOUR + Duration::from_secs(1));
    world.settle()?;
    assert!(contacts(&mut world, ALICE)?.is_empty());
    let states: Vec<_> = listed(&mut world, ALICE)?.iter().map(|invite| invite.state).collect();
    assert_eq!(states, [InviteState::Revoked, InviteState::Expired]);
    // Not in time at all: whoever has the link is told.
    let mut world = strangers(824)?;
    let shown = invite(&mut world, ALICE, None)?;
    world.pass(HOUR + Duration::from_secs(1));
    let expired = refused(&mut world, BOB, &shown)?;
    assert!(expired.contains("expired"), "{expired}");
    assert!(contacts(&mut world, BOB)?.is_empty());
    Ok(())
}

#[test]
fn own_invites_and_those_of_people_who_are_blocked_or_known_are_refused() -> Result {
    let mut world = strangers(825)?;
    let own = invite(&mut world, ALICE, None)?;
    let why = refused(&mut world, ALICE, &own)?;
    assert!(why.contains("your own invite") || why.contains("user's own invite"), "{why}");
    let alice = world.id_of(ALICE)?;
    world.call(BOB, Block { who: alice.clone() })?;
    assert!(refused(&mut world, BOB, &own)?.contains("blocked"));
    world.add(CAROL, &alice, "al")?;
    assert!(refused(&mut world, CAROL, &own)?.contains("contact \"al\" already"));
    assert!(contacts(&mut world, ALICE)?.is_empty());

    // Whom the inviter blocked since then stays blocked.
    let mut world = strangers(826)?;
    let shown = invite(&mut world, ALICE, None)?;
    let bob = world.id_of(BOB)?;
    world.call(ALICE, Block { who: bob })?;
    accept(&mut world, BOB, &shown)?;
    world.settle()?;
    assert!(contacts(&mut world, ALICE)?.is_empty());
    assert_eq!(listed(&mut world, ALICE)?[0].state, InviteState::Open);
    Ok(())
}

/// Dropped as an unknown person, invited since: that is the later word.
#[test]
fn who_was_dropped_comes_in_by_an_invite() -> Result {
    let mut world = strangers(827)?;
    let (alice, bob) = (world.id_of(ALICE)?, world.id_of(BOB)?);
    world.add(BOB, &alice, "al")?;
    world.settle()?;
    world.send(BOB, "al", "hi")?;
    world.settle()?;
    world.call(ALICE, DropRequest { id: bob })?;
    world.call(BOB, RemoveContact { name: "al".into() })?;
    let shown = invite(&mut world, ALICE, None)?;
    accept(&mut world, BOB, &shown)?;
    world.send(BOB, "alice", "again")?;
    world.settle()?;
    assert_eq!(contacts(&mut world, ALICE)?, ["bob"]);
    let texts = world.texts(ALICE, "bob", Direction::In)?;
    assert!(texts.iter().any(|(text, _)| text == "again"), "{texts:?}");
    Ok(())
}

#[test]
fn names_that_are_taken_get_a_number_and_bounds_hold() -> Result {
    let mut world = strangers(828)?;
    let carol = world.id_of(CAROL)?;
    world.add(ALICE, &carol, "bob")?;
    let shown = invite(&mut world, ALICE, None)?;
    accept(&mut world, BOB, &shown)?;
    world.settle()?;
    assert_eq!(contacts(&mut world, ALICE)?, ["bob", "bob 2"]);
    assert_eq!(world.call(ALICE, GetContact { name: "bob 2".into() })?.devices, 1);
    let request = InviteRequest { name: Some("bob".into()), expires_seconds: None };
    let taken = world.call(ALICE, CreateInvite { request, addresses: Vec::new() });
    assert!(taken.err().ok_or("made")?.to_string().contains("already"));
    for seconds in [0, 59, 30 * 24 * 3600 + 1] {
        let request = InviteRequest { name: None, expires_seconds: Some(seconds) };
        assert!(world.call(ALICE, CreateInvite { request, addresses: Vec::new() }).is_err());
    }
    for _ in 0..100 {
        invite(&mut world, ALICE, None)?;
    }
    let full = invite(&mut world, ALICE, None).err().ok_or("made")?.to_string();
    assert!(full.contains("100 invites"), "{full}");
    // Those that ended are not kept without a bound, and those that are good stay.
    let open = listed(&mut world, ALICE)?[1].number;
    for _ in 0..410 {
        let last = listed(&mut world, ALICE)?.last().ok_or("none")?.number;
        world.call(ALICE, RevokeInvite { number: last })?;
        invite(&mut world, ALICE, None)?;
    }
    let kept = listed(&mut world, ALICE)?;
    assert_eq!((kept.len(), kept[0].number), (500, open));
    Ok(())
}

/// Of another network: nothing is added, and nothing of the link is kept.
#[test]
fn an_invite_to_another_network_is_refused() -> Result {
    let mut world = strangers(829)?;
    let shown = invite(&mut world, ALICE, None)?;
    let mut other = link(&shown)?;
    other.network.name = "elsewhere".to_owned();
    let refused = world.call(BOB, AcceptInvite { invite: other, name: None });
    let refused = refused.err().ok_or("accepted")?.to_string();
    assert!(refused.contains("elsewhere"), "{refused}");
    assert!(contacts(&mut world, BOB)?.is_empty());
    Ok(())
}

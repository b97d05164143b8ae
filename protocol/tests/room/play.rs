//! What an author is told that they may do, and that it then comes about.

use std::collections::BTreeSet;

use martlet_protocol::limits::{ROOM_HEIGHT_MAX, ROOM_MODERATORS_MAX};
use martlet_protocol::room::{
    Action, AddBy, Create, Denied, Inserted, Operation, Presence, Role, Room, Setting, Settings,
    Void,
};
use martlet_protocol::{IdentityId, UnixMillis};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::hand::{Act, Graph, NOW, Person, create, people, take};

fn done(room: &mut Room, who: &Person, action: Action) -> Operation {
    let op = room.sign(&who.keys, action, NOW).unwrap();
    assert!(matches!(room.insert(op.clone(), NOW), Ok(Inserted::New(_))));
    assert_eq!(room.state().void(&op.id()), None);
    op
}

#[test]
fn who_may_do_what() {
    let [ada, bob, cleo, dan, eve] = people();
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    done(&mut room, &ada, Action::Grant(bob.id()));
    let of_cleo = done(&mut room, &bob, Action::Grant(cleo.id()));
    done(&mut room, &cleo, Action::Add(dan.id()));
    let of_bob = room.state().person(&bob.id()).unwrap().grant.unwrap();
    let may = |who: &Person, action: Action| room.may(&who.id(), &action);
    macro_rules! denied {
        ($who:expr, $action:expr, $why:pat) => {
            let found = may($who, $action);
            assert!(matches!(found, Err($why)), "{found:?}");
        };
    }
    denied!(&eve, Action::Add(eve.id()), Denied::NotMember);
    denied!(&eve, Action::Leave, Denied::NotMember);
    denied!(&dan, Action::Add(eve.id()), Denied::NotModerator);
    denied!(&dan, Action::Remove(bob.id()), Denied::NotModerator);
    denied!(&dan, Action::Set(Setting::Strict(true)), Denied::NotModerator);
    denied!(&cleo, Action::Remove(bob.id()), Denied::Senior);
    denied!(&cleo, Action::Remove(ada.id()), Denied::Senior);
    denied!(&cleo, Action::Revoke(of_bob), Denied::Senior);
    denied!(&cleo, Action::Remove(cleo.id()), Denied::Oneself);
    denied!(&cleo, Action::Remove(eve.id()), Denied::NotThere);
    denied!(&cleo, Action::Add(dan.id()), Denied::NoChange);
    denied!(&cleo, Action::Grant(bob.id()), Denied::NoChange);
    denied!(&cleo, Action::Set(Setting::Name("x".repeat(10_240))), Denied::Value);
    denied!(&cleo, Action::Set(Setting::MembersMax(1)), Denied::Value);
    denied!(&cleo, Action::Create(create(AddBy::Members)), Denied::Value);
    for (who, action) in [
        (&dan, Action::Leave),
        (&cleo, Action::Remove(dan.id())),
        (&cleo, Action::Grant(dan.id())),
        (&bob, Action::Revoke(of_cleo.id())),
        (&bob, Action::Remove(cleo.id())),
        (&ada, Action::Remove(cleo.id())),
        (&ada, Action::Leave),
        (&cleo, Action::Close),
    ] {
        assert!(may(who, action.clone()).is_ok(), "{action:?}");
    }
    assert_eq!(room.state().person(&dan.id()).unwrap().role(false), Role::Invited);
    assert_eq!(room.state().person(&cleo.id()).unwrap().role(false), Role::Moderator, "she acted");
    done(&mut room, &ada, Action::Close);
    let found = room.may(&ada.id(), &Action::Add(eve.id()));
    assert!(matches!(found, Err(Denied::RoomClosed)));
    done(&mut room, &dan, Action::Leave);
    assert!(matches!(room.may(&dan.id(), &Action::Leave), Err(Denied::NotMember)));
}

#[test]
fn members_are_added_up_to_the_rooms_bound() {
    let [ada, bob, cleo, dan] = people();
    let create = Create {
        settings: Settings { members_max: 2, ..create(AddBy::Members).settings },
        ..create(AddBy::Members)
    };
    let mut room = Room::create(&ada.keys, create, NOW).unwrap();
    done(&mut room, &ada, Action::Add(bob.id()));
    for action in [Action::Add(cleo.id()), Action::Grant(cleo.id())] {
        let found = room.may(&ada.id(), &action);
        assert!(matches!(found, Err(Denied::RoomFull { max: 2 })), "{found:?}");
    }
    assert!(room.may(&ada.id(), &Action::Grant(bob.id())).is_ok(), "he is there already");
    done(&mut room, &ada, Action::Set(Setting::MembersMax(3)));
    done(&mut room, &bob, Action::Add(cleo.id()));
    done(&mut room, &ada, Action::Remove(cleo.id()));
    // What a moderator did stays so until one changes it.
    assert!(matches!(room.may(&bob.id(), &Action::Add(cleo.id())), Err(Denied::NotModerator)));
    done(&mut room, &bob, Action::Add(dan.id()));
    done(&mut room, &dan, Action::Leave);
    done(&mut room, &bob, Action::Add(dan.id()));
}

#[test]
fn moderators_are_bounded() {
    let ada = Person::new(1);
    let others: Vec<_> = (0..ROOM_MODERATORS_MAX).map(|at| Person::new(at as u8 + 2)).collect();
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    let (last, others) = others.split_last().unwrap();
    for other in others {
        done(&mut room, &ada, Action::Grant(other.id()));
    }
    let found = room.may(&ada.id(), &Action::Grant(last.id()));
    assert!(matches!(found, Err(Denied::ModeratorsFull)));
    done(&mut room, &ada, Action::Add(last.id()));
}

/// A moderator who added many is removed, and all of them go with them: what came later stays.
#[test]
fn a_removal_undoes_a_flood_if_its_author_wants() {
    let ada = Person::new(1);
    let [bob, cleo] = [Person::new(2), Person::new(3)];
    let crowd: Vec<_> = (0..20).map(|at| Person::new(at + 10)).collect();
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    done(&mut room, &ada, Action::Grant(bob.id()));
    done(&mut room, &ada, Action::Grant(cleo.id()));
    for someone in &crowd {
        done(&mut room, &bob, Action::Add(someone.id()));
    }
    done(&mut room, &ada, Action::Set(Setting::Name("calm".into())));
    done(&mut room, &cleo, Action::Add(Person::new(40).id()));
    let mut seen = room.clone();
    done(&mut seen, &ada, Action::Remove(bob.id()));
    assert_eq!(seen.state().members().count(), 23, "what was seen stands");
    let removal = room.sign_removal_of_all(&ada.keys, bob.id(), None, NOW).unwrap();
    let Ok(Inserted::New(news)) = room.insert(removal.clone(), NOW) else { panic!() };
    assert_eq!(news.equivocations, []);
    assert_eq!(room.state().members().count(), 3);
    assert_eq!(room.state().settings().name, "calm");
    assert_eq!(room.state().all_void().count(), 20);
    assert!(room.state().all_void().all(|(_, void)| *void == Void::Undone { by: removal.id() }));
    // The room goes on, and nobody is told to contradict themselves.
    for who in [&ada, &cleo] {
        let op = room.sign(&who.keys, Action::Add(bob.id()), NOW).unwrap();
        let mut next = room.clone();
        let Ok(Inserted::New(news)) = next.insert(op, NOW) else { panic!() };
        assert_eq!(news.equivocations, []);
    }
}

/// Who did good work for a year, and whose device then was stolen: what they did before the flood stays.
#[test]
fn a_removal_undoes_from_one_operation_on() {
    let [ada, bob] = people();
    let [early, late] = [Person::new(5), Person::new(6)];
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    let grant = done(&mut room, &ada, Action::Grant(bob.id()));
    done(&mut room, &bob, Action::Add(early.id()));
    let flood = done(&mut room, &bob, Action::Add(late.id()));
    done(&mut room, &bob, Action::Add(Person::new(7).id()));
    let refused = room.sign_removal_of_all(&ada.keys, bob.id(), Some(&grant.id()), NOW);
    assert!(matches!(refused, Err(Denied::NotTheirs)));
    let removal = room.sign_removal_of_all(&ada.keys, bob.id(), Some(&flood.id()), NOW).unwrap();
    room.insert(removal.clone(), NOW).unwrap();
    let members: BTreeSet<_> = room.state().members().copied().collect();
    assert_eq!(members, BTreeSet::from([ada.id(), early.id()]));
    // Those whom the flood brought in were never in the room: what undid that shows it to them.
    assert!(room.state().person(&late.id()).is_none() && room.is_undone(&late.id()));
    assert_eq!(room.endings_of(&late.id()), [removal.id()]);
    assert!(!room.is_undone(&bob.id()) && !room.is_undone(&Person::new(9).id()));
}

/// Who may take back messages of others: by what they knew when they did.
#[test]
fn who_moderated_by_what_they_knew() {
    let [ada, bob] = people();
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    let head = |op: &Operation| op.id().0[..8].try_into().unwrap();
    let created: [u8; 8] = room.id().0[..8].try_into().unwrap();
    let grant = done(&mut room, &ada, Action::Grant(bob.id()));
    assert_eq!(room.moderated_by(&bob.id(), &[created]), None);
    assert_eq!(room.moderated_by(&bob.id(), &[head(&grant)]), Some(Vec::new()));
    assert_eq!(room.moderated_by(&ada.id(), &[created]), Some(Vec::new()));
    let revoke = done(&mut room, &ada, Action::Revoke(grant.id()));
    assert_eq!(room.moderated_by(&bob.id(), &[head(&grant)]), Some(vec![revoke.id()]));
    assert_eq!(room.moderated_by(&bob.id(), &[head(&revoke)]), None);
    let again = done(&mut room, &ada, Action::Grant(bob.id()));
    assert_eq!(room.moderated_by(&bob.id(), &[head(&again)]), Some(Vec::new()));
    let left = done(&mut room, &bob, Action::Leave);
    assert_eq!(room.moderated_by(&bob.id(), &[head(&again)]), Some(vec![left.id()]));
    assert_eq!(room.moderated_by(&bob.id(), &[head(&left)]), None);
}

/// The flood is not in the past of what others write once it is void, so it doesn't use up their heights.
#[test]
fn what_is_void_does_not_use_up_the_room() {
    let [ada, bob] = people();
    let mut room = Room::create(&ada.keys, create(AddBy::Moderators), NOW).unwrap();
    done(&mut room, &ada, Action::Grant(bob.id()));
    for at in 0..50 {
        done(&mut room, &bob, Action::Set(Setting::Name(at.to_string())));
    }
    let removal = room.sign_removal_of_all(&ada.keys, bob.id(), None, NOW).unwrap();
    room.insert(removal, NOW).unwrap();
    assert_eq!(done(&mut room, &ada, Action::Set(Setting::Strict(true))).height(), 3);
}

#[test]
fn a_room_has_a_last_change() {
    let [ada] = people();
    let mut graph = Graph::new(&ada);
    let (root, mut last) = (graph.root(), graph.root());
    // The past that the test works out would take long: it has only to be as deep.
    let mut room = graph.room();
    for _ in 0..ROOM_HEIGHT_MAX {
        let op = room.set().get(&last).unwrap().clone();
        let mut payload = graph.payload(&ada, root, &[root], &Act::name("x"));
        payload.previous = vec![serde_bytes::ByteBuf::from(last.0.to_vec())];
        (payload.height, payload.n) = (op.height() + 1, op.height());
        last = graph.push_deep(&ada, &payload);
        room.insert(graph.ops.pop().unwrap(), NOW).unwrap();
    }
    assert_eq!(room.set().len(), ROOM_HEIGHT_MAX as usize + 1);
    let found = room.sign(&ada.keys, Action::Set(Setting::Strict(true)), NOW);
    assert!(matches!(found, Err(Denied::OpLimit)));
    assert_eq!(room.state().settings().name, "x");
}

/// What people see of a room, and what they are told that they may do, in three parts of a network that meet now and then.
fn random_action(who: &[Person], room: &Room, pick: &mut impl FnMut(usize) -> usize) -> Action {
    let other = |pick: &mut dyn FnMut(usize) -> usize| -> IdentityId { who[pick(who.len())].id() };
    match pick(12) {
        0..=2 => Action::Add(other(pick)),
        3 | 4 => Action::Remove(other(pick)),
        5 | 6 => Action::Grant(other(pick)),
        7 => {
            let grants: Vec<_> =
                room.state().people().filter_map(|(_, person)| person.grant).collect();
            if grants.is_empty() {
                Action::Leave
            } else {
                Action::Revoke(grants[pick(grants.len())])
            }
        }
        8 => Action::Set(Setting::Name(pick(9).to_string())),
        9 => Action::Set(Setting::AddBy([AddBy::Members, AddBy::Moderators][pick(2)])),
        10 => Action::Set(Setting::History(pick(200) as u8)),
        _ => Action::Leave,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_one_may_do_comes_about_and_parts_agree_once_they_meet(seed: u64, steps in 1usize..80) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut pick = move |below: usize| rng.next_u32() as usize % below;
        let persons: [Person; 6] = people();
        let room = Room::create(&persons[0].keys, create(AddBy::Members), NOW).unwrap();
        let mut parts = [room.clone(), room.clone(), room];
        for step in 0..steps {
            let at = pick(3);
            if pick(8) == 0 {
                let (from, to) = (parts[pick(3)].clone(), &mut parts[at]);
                take(to, from.set().iter());
                continue;
            }
            let part = &mut parts[at];
            // Each person is in one part, but for one who is in all.
            let who = &persons[[at, at + 3, 0][pick(3)]];
            let action = random_action(&persons, part, &mut pick);
            let now = UnixMillis(NOW.0 + step as u64);
            let may = part.may(&who.id(), &action).is_ok();
            let signed = part.sign(&who.keys, action.clone(), now);
            prop_assert_eq!(may, signed.is_ok());
            let Ok(op) = signed else { continue };
            prop_assert!(matches!(part.insert(op.clone(), now), Ok(Inserted::New(_))), "{:?}", action);
            let state = part.state();
            prop_assert_eq!(state.void(&op.id()), None, "{:?}", action);
            let presence = |who: &IdentityId| state.person(who).map(|person| person.presence);
            match &action {
                Action::Add(who) | Action::Grant(who) => prop_assert_eq!(presence(who), Some(Presence::In)),
                Action::Remove(who) => prop_assert!(presence(who) != Some(Presence::In)),
                Action::Leave => prop_assert_eq!(presence(&who.id()), Some(Presence::Left)),
                Action::Revoke(grant) => {
                    prop_assert!(state.people().all(|(_, person)| person.grant != Some(*grant)));
                }
                Action::Set(Setting::AddBy(add_by)) => prop_assert_eq!(state.settings().add_by, *add_by),
                _ => {}
            }
            if let Action::Grant(who) = &action {
                prop_assert!(state.moderators().any(|moderator| moderator == who));
            }
        }
        let all: Vec<_> = parts.iter().flat_map(|part| part.set().iter().cloned()).collect();
        for part in &mut parts {
            take(part, &all);
        }
        let [one, two, three] = parts;
        prop_assert_eq!(one.state(), two.state());
        prop_assert_eq!(two.state(), three.state());
        prop_assert_eq!(one.set().digest(), three.set().digest());
    }
}

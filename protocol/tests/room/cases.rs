//! What comes of sets that people make, one by one; each is also a golden vector.

use std::fmt::Write;

use martlet_protocol::OpId;
use martlet_protocol::codec;
use martlet_protocol::room::{AddBy, Inserted, Role, Room, Void};
use serde_bytes::ByteBuf;

use crate::hand::{Act, Graph, NOW, Person, people, read};
use crate::vectors;

fn role(room: &Room, who: &Person) -> Option<Role> {
    room.state().person(&who.id()).map(|person| person.role(true))
}

fn undone(by: OpId) -> Option<Void> {
    Some(Void::Undone { by })
}

/// The creator makes two moderators, the first of them first; each has seen the other.
fn two_moderators(ada: &Person, bob: &Person, cleo: &Person) -> (Graph, OpId, OpId) {
    let mut graph = Graph::new(ada);
    let root = graph.root();
    let of_bob = graph.act(ada, root, &[root], &Act::grant(bob));
    let of_cleo = graph.act(ada, root, &[of_bob], &Act::grant(cleo));
    (graph, of_bob, of_cleo)
}

fn mutual_removal() -> Graph {
    let [ada, bob, cleo, dan] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    graph.act(&bob, of_bob, &[of_cleo], &Act::remove(&cleo));
    let removal = graph.act(&cleo, of_cleo, &[of_cleo], &Act::remove(&bob));
    graph.act(&cleo, of_cleo, &[removal], &Act::add(&dan));
    graph
}

#[test]
fn of_two_who_remove_each_other_the_senior_stays() {
    let [_, bob, cleo, dan] = people();
    let graph = mutual_removal();
    let [_, _, bobs, cleos, addition] = [0, 1, 2, 3, 4].map(|at: usize| graph.ops[at].id());
    let room = graph.room();
    assert_eq!(role(&room, &bob), Some(Role::Moderator));
    assert_eq!(role(&room, &cleo), Some(Role::Removed));
    assert_eq!(role(&room, &dan), None, "what else she did beside it is void");
    assert_eq!(room.state().void(&bobs), None);
    assert_eq!(room.state().void(&cleos), undone(bobs));
    assert_eq!(room.state().void(&addition), undone(bobs));
}

fn removal_and_addition() -> Graph {
    let [ada, bob, cleo, dan] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let dans = graph.act(&bob, of_bob, &[of_cleo], &Act::add(&dan));
    let removal = graph.act(&bob, of_bob, &[dans], &Act::remove(&dan));
    graph.act(&cleo, of_cleo, &[dans], &Act::add(&dan));
    assert_ne!(removal, dans);
    graph
}

#[test]
fn of_a_removal_and_an_addition_beside_each_other_the_removal_counts() {
    let [_, _, _, dan] = people();
    let room = removal_and_addition().room();
    assert_eq!(role(&room, &dan), Some(Role::Removed));
    assert_eq!(room.state().all_void().count(), 0);
}

fn added_again() -> Graph {
    let [ada, _, cleo, dan] = people();
    let mut graph = removal_and_addition();
    let last: Vec<_> = graph.room().set().heads().copied().collect();
    let of_cleo = graph.ops[1].id();
    let added = graph.act(&cleo, of_cleo, &last, &Act::add(&dan));
    let root = graph.root();
    graph.act(&ada, root, &[added], &Act::name("mess"));
    graph
}

#[test]
fn who_is_added_later_is_in_again() {
    let [_, _, _, dan] = people();
    let room = added_again().room();
    assert_eq!(role(&room, &dan), Some(Role::Member));
    let person = room.state().person(&dan.id()).unwrap();
    assert_eq!(person.role(false), Role::Invited);
    assert_eq!(room.state().settings().name, "mess");
}

/// Ada makes Bob a moderator, he Cleo, she Dan, who adds Eve. Ada removes Bob, having seen all but the addition.
fn chain() -> Graph {
    let [ada, bob, cleo, dan, eve] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let of_bob = graph.act(&ada, root, &[root], &Act::grant(&bob));
    let of_cleo = graph.act(&bob, of_bob, &[of_bob], &Act::grant(&cleo));
    let of_dan = graph.act(&cleo, of_cleo, &[of_cleo], &Act::grant(&dan));
    graph.act(&dan, of_dan, &[of_dan], &Act::add(&eve));
    graph.act(&ada, root, &[of_dan], &Act::remove(&bob));
    // He hasn't heard.
    graph.act(&bob, of_bob, &[of_dan], &Act::remove(&dan));
    graph
}

#[test]
fn what_a_removed_moderator_did_before_stands_and_what_they_did_beside_it_does_not() {
    let [_, bob, cleo, dan, eve] = people();
    let graph = chain();
    let room = graph.room();
    assert_eq!(role(&room, &bob), Some(Role::Removed));
    for who in [&cleo, &dan] {
        assert_eq!(role(&room, who), Some(Role::Moderator));
    }
    assert_eq!(role(&room, &eve), Some(Role::Member));
    assert_eq!(room.state().void(&graph.ops[5].id()), undone(graph.ops[4].id()));
}

/// The same, but Ada had not seen that Cleo was made a moderator.
fn chain_unseen() -> Graph {
    let [ada, bob, ..] = people::<5>();
    let mut graph = chain();
    graph.ops.truncate(4);
    let (root, of_bob) = (graph.root(), graph.ops[0].id());
    graph.act(&ada, root, &[of_bob], &Act::remove(&bob));
    graph
}

#[test]
fn what_rests_on_what_is_void_is_void() {
    let [_, bob, cleo, dan, eve] = people();
    let graph = chain_unseen();
    let room = graph.room();
    assert_eq!(role(&room, &bob), Some(Role::Removed));
    for who in [&cleo, &dan, &eve] {
        assert_eq!(role(&room, who), None);
    }
    let removal = graph.ops[4].id();
    for at in 1..4 {
        assert_eq!(room.state().void(&graph.ops[at].id()), undone(removal), "{at}");
    }
}

/// Bob's phone and his computer act beside each other; then the phone's other self, restored from a copy, does.
fn equivocation() -> Graph {
    let [ada, bob, cleo, dan] = people();
    let computer = bob.other_device(22);
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    graph.act(&bob, of_bob, &[of_cleo], &Act::add(&dan));
    graph.act(&computer, of_bob, &[of_cleo], &Act::name("galley"));
    graph.act(&bob, of_bob, &[of_cleo], &Act::name("bridge"));
    graph
}

/// Had the one with the higher id been void, Bob could have taken back what he did long ago, and all that others have built
/// on it, by a twin with a lower id.
#[test]
fn a_device_that_contradicts_itself_is_told_and_what_it_did_counts() {
    let [_, bob, _, dan] = people();
    let graph = equivocation();
    let mut room = graph.room_of(&graph.ops[..4]);
    let inserted = room.insert(graph.ops[4].clone(), NOW).unwrap();
    let Inserted::New(news) = inserted else { panic!("{inserted:?}") };
    let [told] = news.equivocations[..] else { panic!("{news:?}") };
    assert_eq!((told.author, told.device), (bob.id(), bob.keys.device()));
    let ids = [graph.ops[2].id(), graph.ops[4].id()];
    assert_eq!(told.ops, (*ids.iter().min().unwrap(), *ids.iter().max().unwrap()));
    assert_eq!(role(&room, &dan), Some(Role::Member));
    assert_eq!(room.state().all_void().count(), 0);
    // The computer's is no contradiction.
    let mut room = graph.room_of(&graph.ops[..3]);
    let inserted = room.insert(graph.ops[3].clone(), NOW).unwrap();
    assert!(matches!(inserted, Inserted::New(news) if news.equivocations.is_empty()));
}

#[test]
fn vectors() {
    let (mut names, mut entries) = (Vec::new(), Vec::new());
    let sets = [
        ("mutual_removal", mutual_removal()),
        ("removal_and_addition", removal_and_addition()),
        ("added_again", added_again()),
        ("chain", chain()),
        ("chain_unseen", chain_unseen()),
        ("equivocation", equivocation()),
        ("members_add", members_add()),
        ("left", left()),
    ];
    for (name, graph) in &sets {
        let room = graph.room();
        let ops: Vec<_> =
            room.set().iter().map(|op| ByteBuf::from(op.as_bytes().to_vec())).collect();
        names.push((format!("{name}_digest"), room.set().digest().to_vec()));
        names.push((format!("{name}_state"), summary(&room).into_bytes()));
        entries.push((*name, codec::encode(&ops)));
    }
    entries.extend(names.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())));
    vectors::check(
        "room_sets.txt",
        "Rooms. First of each its operations: a CBOR list of byte strings, each after its past. Then its digest, and its state:
        ASCII, a line for each person, by identity (the identity, in hexadecimal, and the role that they have once they were heard
        of), then one for each operation that does not count, by id (the id, and what undid it, or 'no right'). Made by hand, all at
        1767323045678 ms. People: drawn from ChaCha20 with the keys 01 … 01 to 05 … 05, root and first device, 32 bytes each;
        the second person's second device: drawn with the key 16 … 16.",
        &entries,
    );
}

/// What another program would do with them.
#[test]
fn the_vectors_are_rooms() {
    for (name, len) in [("mutual_removal", 6), ("members_add", 8)] {
        let golden = |name: &str| vectors::read("room_sets.txt", name);
        let ops: Vec<ByteBuf> = codec::decode(&golden(name), 64 * 1024).unwrap();
        assert_eq!(ops.len(), len);
        let mut room = Room::new(read(&ops[0])).unwrap();
        for op in ops[1..].iter().rev() {
            room.insert(read(op), NOW).unwrap();
        }
        assert_eq!(room.set().digest().to_vec(), golden(&format!("{name}_digest")));
        assert_eq!(summary(&room).into_bytes(), golden(&format!("{name}_state")));
    }
}

fn summary(room: &Room) -> String {
    let mut text = String::new();
    for (who, person) in room.state().people() {
        writeln!(text, "{} {}", vectors::hex(&who.0), person.role(true).word()).unwrap();
    }
    for (op, void) in room.state().all_void() {
        let why = match void {
            Void::Undone { by } => by.to_string(),
            Void::NoRight => "no right".to_owned(),
        };
        writeln!(text, "{op} {why}").unwrap();
    }
    text
}

#[test]
fn who_revokes_a_grant_leaves_a_member() {
    let [ada, bob, cleo, dan] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let before = graph.act(&cleo, of_cleo, &[of_cleo], &Act::add(&dan));
    let revocation = graph.act(&bob, of_bob, &[before], &Act::revoke(of_cleo));
    let beside = graph.act(&cleo, of_cleo, &[before], &Act::remove(&dan));
    let after = graph.act(&cleo, of_cleo, &[revocation], &Act::name("mine"));
    let upwards = graph.act(&cleo, of_cleo, &[before], &Act::revoke(of_bob));
    let room = graph.room();
    assert_eq!(role(&room, &cleo), Some(Role::Member));
    assert_eq!(role(&room, &dan), Some(Role::Member));
    for void in [beside, after, upwards] {
        assert_eq!(room.state().void(&void), undone(revocation));
    }
}

/// Whoever wanted to moderate no more had to leave, or to ask who outranked them.
#[test]
fn a_moderator_steps_down_and_what_they_did_before_or_beside_it_stands() {
    let [ada, bob, cleo, dan, eve] = people();
    let (mut graph, of_bob, _) = two_moderators(&ada, &bob, &cleo);
    let before = graph.act(&bob, of_bob, &[graph.ops[1].id()], &Act::grant(&dan));
    let down = graph.act(&bob, of_bob, &[before], &Act::revoke(of_bob));
    let beside = graph.act(&bob.other_device(22), of_bob, &[before], &Act::add(&eve));
    let after = graph.act(&bob, of_bob, &[down], &Act::name("galley"));
    let again = graph.act(&bob, of_bob, &[beside, down], &Act::revoke(of_bob));
    let root = graph.root();
    let creators = graph.act(&ada, root, &[down], &Act::revoke(root));
    let room = graph.room();
    assert_eq!(role(&room, &bob), Some(Role::Member));
    assert_eq!(role(&room, &dan), Some(Role::Moderator));
    assert_eq!(role(&room, &eve), Some(Role::Member));
    for op in [before, down, beside] {
        assert_eq!(room.state().void(&op), None);
    }
    assert_eq!(room.state().void(&after), undone(down));
    assert_eq!(room.state().void(&again), undone(down));
    // The creator's right can't be given up.
    assert_eq!(room.state().void(&creators), Some(Void::NoRight));
    assert_eq!(role(&room, &ada), Some(Role::Moderator));
}

#[test]
fn nobody_removes_or_revokes_upwards_or_themselves() {
    let [ada, bob, cleo] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let root = graph.root();
    let acts = [
        (&cleo, of_cleo, Act::remove(&bob)),
        (&cleo, of_cleo, Act::remove(&ada)),
        (&cleo, of_cleo, Act::revoke(of_bob)),
        (&cleo, of_cleo, Act::revoke(root)),
        (&bob, of_bob, Act::remove(&bob)),
        (&ada, root, Act::remove(&ada)),
        (&ada, root, Act::revoke(root)),
    ];
    for (who, by, act) in acts {
        let op = graph.act(who, by, &[of_cleo], &act);
        assert_eq!(graph.void(op), Some(Void::NoRight), "{act:?}");
    }
    let moderators = graph.room().state().moderators().count();
    assert_eq!(moderators, 3);
}

/// A removal was held against what was granted after it, and so became void by it.
#[test]
fn who_is_made_a_moderator_after_a_removal_does_not_undo_it() {
    let [ada, bob, cleo, dan] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let of_bob = graph.act(&ada, root, &[root], &Act::grant(&bob));
    let of_cleo = graph.act(&bob, of_bob, &[of_bob], &Act::grant(&cleo));
    let added = graph.act(&cleo, of_cleo, &[of_cleo], &Act::add(&dan));
    let removal = graph.act(&cleo, of_cleo, &[added], &Act::remove(&dan));
    graph.act(&ada, root, &[removal], &Act::grant(&dan));
    assert_eq!(graph.void(removal), None);
    assert_eq!(role(&graph.room(), &dan), Some(Role::Moderator));
    // Made one beside it, by someone senior, he was never hers to remove.
    graph.ops.pop();
    graph.act(&ada, root, &[added], &Act::grant(&dan));
    assert_eq!(graph.void(removal), Some(Void::NoRight));
    assert_eq!(role(&graph.room(), &dan), Some(Role::Moderator));
}

/// A member's right to add hangs on what the room says, and on nobody having taken it back beside it.
fn members_add() -> Graph {
    let [ada, bob, cleo, dan, eve] = people();
    let mut graph = Graph::with(&ada, AddBy::Members);
    let root = graph.root();
    let bobs = graph.act(&ada, root, &[root], &Act::add(&bob));
    let cleos = graph.act(&bob, bobs, &[bobs], &Act::add(&cleo));
    let dans = graph.act(&cleo, cleos, &[cleos], &Act::add(&dan));
    let removal = graph.act(&ada, root, &[dans], &Act::remove(&dan));
    // A friend may not undo what a moderator did.
    graph.act(&bob, bobs, &[removal], &Act::add(&dan));
    graph.act(&ada, root, &[removal], &Act::add_by_members(false));
    // Beside the last.
    graph.act(&bob, bobs, &[dans], &Act::add(&eve));
    graph
}

#[test]
fn members_add_where_they_are_let() {
    let [_, bob, cleo, dan, eve] = people();
    let graph = members_add();
    let id = |at: usize| graph.ops[at].id();
    let room = graph.room_of(&graph.ops[..3]);
    for who in [&bob, &cleo, &dan] {
        assert_eq!(role(&room, who), Some(Role::Member));
    }
    let room = graph.room();
    assert_eq!(role(&room, &dan), Some(Role::Removed));
    assert_eq!(room.state().void(&id(4)), Some(Void::NoRight));
    assert_eq!(role(&room, &eve), None);
    assert_eq!(room.state().void(&id(6)), undone(id(5)));
    assert_eq!(role(&room, &cleo), Some(Role::Member), "what was seen stands");
}

#[test]
fn what_a_removed_member_added_beside_it_is_void() {
    let [ada, bob, cleo, dan] = people();
    let mut graph = Graph::with(&ada, AddBy::Members);
    let root = graph.root();
    let bobs = graph.act(&ada, root, &[root], &Act::add(&bob));
    let cleos = graph.act(&bob, bobs, &[bobs], &Act::add(&cleo));
    let dans = graph.act(&cleo, cleos, &[cleos], &Act::add(&dan));
    let removal = graph.act(&ada, root, &[bobs], &Act::remove(&bob));
    let room = graph.room();
    for op in [cleos, dans] {
        assert_eq!(room.state().void(&op), undone(removal));
    }
    assert_eq!(room.state().members().count(), 1);
}

/// Bob leaves; his computer, which hasn't heard, adds Dan; then he says more. Ada brings him in again.
fn left() -> Graph {
    let [ada, bob, cleo, dan] = people();
    let computer = bob.other_device(22);
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let root = graph.root();
    let leave = graph.act(&bob, of_bob, &[of_cleo], &Act::LEAVE);
    graph.act(&computer, of_bob, &[of_cleo], &Act::add(&dan));
    graph.act(&ada, root, &[leave], &Act::add(&bob));
    graph
}

#[test]
fn who_left_is_no_moderator_and_may_be_added_again() {
    let [_, bob, _, dan] = people();
    let graph = left();
    let room = graph.room_of(&graph.ops[..4]);
    assert_eq!(role(&room, &bob), Some(Role::Left));
    assert_eq!(role(&room, &dan), Some(Role::Member));
    assert_eq!(role(&graph.room(), &bob), Some(Role::Member));
    assert_eq!(room.state().moderators().count(), 2);
}

#[test]
fn the_creator_may_leave_and_the_room_goes_on() {
    let [ada, bob, cleo] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let root = graph.root();
    let leave = graph.act(&ada, root, &[of_cleo], &Act::LEAVE);
    let room = graph.room();
    assert_eq!(role(&room, &ada), Some(Role::Left));
    let removal = graph.act(&bob, of_bob, &[leave], &Act::remove(&cleo));
    assert_eq!(graph.void(removal), None);
}

#[test]
fn the_creator_closes_the_room_or_two_moderators_do() {
    let [ada, bob, cleo] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let one = graph.act(&bob, of_bob, &[of_cleo], &Act::CLOSE);
    let again = graph.act(&bob, of_bob, &[one], &Act::CLOSE);
    assert!(!graph.room().state().is_closed());
    graph.act(&cleo, of_cleo, &[again], &Act::CLOSE);
    assert!(graph.room().state().is_closed());
    let (mut graph, _, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let root = graph.root();
    graph.act(&ada, root, &[of_cleo], &Act::CLOSE);
    assert!(graph.room().state().is_closed());
}

#[test]
fn of_two_settings_the_later_counts_and_beside_each_other_the_seniors() {
    let [ada, bob, cleo] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    graph.act(&cleo, of_cleo, &[of_cleo], &Act::name("cleo's"));
    let bobs = graph.act(&bob, of_bob, &[of_cleo], &Act::name("bob's"));
    assert_eq!(graph.room().state().settings().name, "bob's");
    graph.act(&cleo, of_cleo, &[bobs], &Act::name("ours"));
    graph.act(&cleo, of_cleo, &[bobs], &Act::set(2, &Some(60u32)));
    let room = graph.room();
    let settings = room.state().settings();
    assert_eq!((settings.name.as_str(), settings.timers.expire_s), ("ours", Some(60)));
    // Of a later build, or beyond the bounds: it is there, and changes nothing.
    let last = graph.ops[5].id();
    let later = graph.act(&bob, of_bob, &[last], &Act::set(99, &7u8));
    let long = graph.act(&bob, of_bob, &[later], &Act::name(&"x".repeat(65)));
    let wrong = graph.act(&bob, of_bob, &[long], &Act::set(1, &201u8));
    let later = graph.room();
    assert!(later.set().has(&wrong));
    assert_eq!(later.state().settings(), room.state().settings());
}

#[test]
fn what_a_later_build_does_is_kept_and_changes_nothing() {
    let [ada, bob, cleo] = people();
    let (mut graph, of_bob, of_cleo) = two_moderators(&ada, &bob, &cleo);
    let before = graph.room();
    let unknown = graph.act(&bob, of_bob, &[of_cleo], &Act(500, vec![1, 2, 3]));
    // Perhaps it brought her in again there.
    let under = graph.act(&cleo, unknown, &[unknown], &Act::remove(&bob));
    let room = graph.room();
    assert!(room.state().members().eq(before.state().members()));
    assert_eq!(room.state().void(&unknown), None);
    assert_eq!(room.state().void(&under), Some(Void::NoRight));
    assert_eq!(room.set().missing_to(&[of_cleo]).len(), 2);
}

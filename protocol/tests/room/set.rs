//! The set: what fits, and what waits.

use std::time::Duration;

use martlet_protocol::limits::{ROOM_OP_WAIT_MAX, ROOM_OPS_WAITING_MAX};
use martlet_protocol::room::{Inserted, Misfit};
use martlet_protocol::{OpId, UnixMillis};
use serde_bytes::ByteBuf;

use crate::hand::{Act, Graph, NOW, people};

#[test]
fn what_does_not_fit_its_past_is_refused() {
    let [ada, bob, cleo, dan] = people();
    let refused = |change: &dyn Fn(&mut Graph) -> OpId| {
        let mut graph = Graph::new(&ada);
        let root = graph.root();
        let of_bob = graph.act(&ada, root, &[root], &Act::grant(&bob));
        graph.act(&ada, root, &[of_bob], &Act::add(&cleo));
        change(&mut graph);
        graph.misfit()
    };
    let act = |graph: &Graph, at: usize| graph.ops[at].id();
    // As it should be.
    let fits =
        |graph: &mut Graph| graph.act(&bob, act(graph, 0), &[act(graph, 1)], &Act::add(&dan));
    assert_eq!(refused(&fits), None);
    let changed = |change: &dyn Fn(&mut crate::hand::Payload)| {
        refused(&|graph| {
            let mut payload = graph.payload(&bob, act(graph, 0), &[act(graph, 1)], &Act::add(&dan));
            change(&mut payload);
            graph.push(&bob, &payload)
        })
    };
    assert_eq!(changed(&|payload| payload.height += 1), Some(Misfit::Height));
    assert_eq!(changed(&|payload| payload.height -= 1), Some(Misfit::Height));
    assert_eq!(changed(&|payload| payload.n += 1), Some(Misfit::Number));
    let other = ByteBuf::from(vec![1; 32]);
    assert_eq!(changed(&|payload| payload.room.clone_from(&other)), Some(Misfit::OtherRoom));
    assert_eq!(changed(&|payload| payload.by.clone_from(&other)), Some(Misfit::By));
    // A right of another, one of which nothing was seen, one that a member lacks, and none.
    let by_anothers =
        |graph: &mut Graph| graph.act(&cleo, act(graph, 0), &[act(graph, 1)], &Act::add(&dan));
    assert_eq!(refused(&by_anothers), Some(Misfit::By));
    let unseen = |graph: &mut Graph| graph.act(&cleo, act(graph, 1), &[act(graph, 0)], &Act::LEAVE);
    assert_eq!(refused(&unseen), Some(Misfit::By));
    let members =
        |graph: &mut Graph| graph.act(&cleo, act(graph, 1), &[act(graph, 1)], &Act::remove(&bob));
    assert_eq!(refused(&members), Some(Misfit::By));
    let none = |graph: &mut Graph| graph.act(&dan, act(graph, 1), &[act(graph, 1)], &Act::LEAVE);
    assert_eq!(refused(&none), Some(Misfit::By));
    // What is no grant, or was not seen.
    let no_grant = |graph: &mut Graph| {
        graph.act(&ada, graph.root(), &[act(graph, 1)], &Act::revoke(act(graph, 1)))
    };
    assert_eq!(refused(&no_grant), Some(Misfit::Target));
    let unseen = |graph: &mut Graph| {
        graph.act(&ada, graph.root(), &[graph.root()], &Act::revoke(act(graph, 0)))
    };
    assert_eq!(refused(&unseen), Some(Misfit::Target));
    // Who left.
    let left = |graph: &mut Graph| {
        let leave = graph.act(&bob, act(graph, 0), &[act(graph, 1)], &Act::LEAVE);
        graph.act(&bob, act(graph, 0), &[leave], &Act::add(&dan))
    };
    assert_eq!(refused(&left), Some(Misfit::Left));
}

#[test]
fn an_operation_waits_for_its_past_and_brings_what_waits_for_it() {
    let [ada, bob] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let first = graph.act(&ada, root, &[root], &Act::name("one"));
    let second = graph.act(&ada, root, &[first], &Act::name("two"));
    let third = graph.act(&ada, root, &[second], &Act::grant(&bob));
    let mut payload = graph.payload(&ada, root, &[second], &Act::name("four"));
    payload.n = 9;
    let wrong = graph.push(&ada, &payload);
    let mut room = graph.room_of(&[]);
    for at in [3, 2, 1] {
        assert_eq!(room.insert(graph.ops[at].clone(), NOW), Ok(Inserted::Waits));
        assert_eq!(room.insert(graph.ops[at].clone(), NOW), Ok(Inserted::Known));
    }
    assert_eq!(room.set().waiting(), 3);
    assert!(room.set().awaited().eq([&first]));
    let Ok(Inserted::New(news)) = room.insert(graph.ops[0].clone(), NOW) else { panic!() };
    assert_eq!(news.ops, [first, second, third]);
    assert_eq!(news.refused, [(wrong, Misfit::Number)]);
    assert_eq!((room.set().waiting(), room.set().awaited().count()), (0, 0));
    assert_eq!(room.insert(graph.ops[0].clone(), NOW), Ok(Inserted::Known));
    assert_eq!(room.set().len(), 4);
}

#[test]
fn waiting_is_bounded_in_number_and_in_time() {
    let [ada] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let first = graph.act(&ada, root, &[root], &Act::name("one"));
    for number in 0..=ROOM_OPS_WAITING_MAX {
        graph.act(&ada, root, &[first], &Act::name(&number.to_string()));
    }
    let mut room = graph.room_of(&[]);
    let at = |number: usize| NOW.plus(Duration::from_millis(u64::try_from(number).unwrap()));
    for (number, op) in graph.ops[1..].iter().enumerate() {
        assert_eq!(room.insert(op.clone(), at(number)), Ok(Inserted::Waits));
    }
    assert_eq!(room.set().waiting(), ROOM_OPS_WAITING_MAX);
    assert!(!room.set().has(&graph.ops[1].id()), "the one that waited longest went");
    let first_ends = at(1).plus(ROOM_OP_WAIT_MAX);
    assert_eq!(room.forget_waiting(UnixMillis(first_ends.0 - 1)), 0);
    assert_eq!(room.forget_waiting(first_ends), 1);
    assert_eq!(room.forget_waiting(UnixMillis(u64::MAX)), ROOM_OPS_WAITING_MAX - 1);
    assert_eq!((room.set().waiting(), room.set().awaited().count()), (0, 0));
}

//! Rooms, who is in them, and who writes in them.

use std::time::Duration;

use super::plan;
use super::refused::all_refused;
use crate::plan::{Addressee, Event, RoomDeed, memberships};

const ROOMS: &str = r#"
duration = "2m"

[[nodes]]
name = "user"
count = 5

[[rooms]]
name = "deck"
members = "user-1..user-3"
moderators = "user-2"
at = "5s"

[[rooms]]
name = "mess"
members = ["user-4", "user-5"]
creator = "user-5"

[[traffic]]
from = "user"
to = "deck"
every = "1s"

[[events]]
at = "40s"
do = "invite"
room = "deck"
as = "user-2"
nodes = "user-4"

[[events]]
at = "80s"
do = "remove"
room = "deck"
nodes = "user-3"
"#;

#[test]
fn rooms_are_made_and_changed_by_their_people() {
    let plan = plan(ROOMS);
    let names: Vec<&str> = plan.rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names, ["deck", "mess"]);
    assert_eq!([plan.rooms[0].creator, plan.rooms[1].creator], [0, 4]);
    let deeds: Vec<_> = plan
        .events
        .iter()
        .map(|timed| match &timed.event {
            Event::Room { room, by, deed, whom } => {
                (timed.at.as_secs(), *room, *by, *deed, whom.clone())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = [
        (0, 1, 4, RoomDeed::Create, vec![3]),
        (5, 0, 0, RoomDeed::Create, vec![1, 2]),
        (5, 0, 0, RoomDeed::Moderator, vec![1]),
        (40, 0, 1, RoomDeed::Invite, vec![3]),
        (80, 0, 0, RoomDeed::Remove, vec![2]),
    ];
    assert_eq!(deeds, wanted);
    // Who adds someone is their contact.
    let pairs: Vec<_> = plan.contacts.iter().map(|pair| (pair.a, pair.b)).collect();
    assert_eq!(pairs, [(0, 1), (0, 2), (1, 3), (3, 4)]);
    let of_deck = |at: u64| {
        let all = memberships(&plan.events).into_iter();
        let now = all.filter(|one| one.room == 0 && one.is_in(Duration::from_secs(at)));
        now.map(|one| one.person).collect::<Vec<_>>()
    };
    assert_eq!([of_deck(0), of_deck(10)], [vec![], vec![0, 1, 2]]);
    assert_eq!([of_deck(50), of_deck(90)], [vec![0, 1, 2, 3], vec![0, 1, 3]]);
}

#[test]
fn only_who_is_in_a_room_writes_in_it() {
    let plan = plan(ROOMS);
    let written = |from: usize, to: Addressee, within: std::ops::Range<u64>| {
        let messages = plan.messages.iter();
        let of = messages
            .filter(|it| it.from == from && it.to == to && within.contains(&it.at.as_secs()));
        of.count()
    };
    let deck = Addressee::Room(0);
    assert_eq!(written(0, deck, 0..5), 0, "it is not there yet");
    assert!(written(0, deck, 5..120) > 100);
    assert_eq!(
        [written(3, deck, 0..40), written(2, deck, 81..120), written(4, deck, 0..120)],
        [0; 3]
    );
    assert!(written(3, deck, 40..120) > 70 && written(2, deck, 5..80) > 70);
    let anywhere = super::plan(&ROOMS.replace("to = \"deck\"", "to = \"rooms\""));
    let of_both = anywhere.messages.iter().filter(|it| it.from == 3);
    let rooms: std::collections::BTreeSet<_> = of_both.map(|it| it.to).collect();
    assert_eq!(rooms.len(), 2);
}

#[test]
fn rooms_that_can_not_be_are_refused() {
    let cases = [
        ("name = \"mess\"", "name = \"deck\"", "rooms[1].name", "two rooms"),
        ("name = \"mess\"", "name = \"user\"", "rooms[1].name", "choose another"),
        ("name = \"mess\"", "name = \"rooms\"", "rooms[1].name", "something else"),
        (
            "members = [\"user-4\", \"user-5\"]",
            "members = \"user-5\"",
            "rooms[1].members",
            "2 to 256",
        ),
        ("moderators = \"user-2\"", "moderators = \"user-5\"", "rooms[0].moderators", "no member"),
        ("creator = \"user-5\"", "creator = \"user\"", "rooms[1].creator", "name one"),
        ("at = \"5s\"", "at = \"2h\"", "rooms[0].at", "after the end"),
        (
            "duration = \"2m\"",
            "duration = \"2m\"\nnetwork = { shard_bits = 1 }",
            "rooms[0].name",
            "one shard",
        ),
        ("room = \"deck\"\nas", "room = \"dick\"\nas", "events[0].room", "did you mean"),
        (
            "as = \"user-2\"\nnodes = \"user-4\"",
            "as = \"user-4\"\nnodes = \"user-4\"",
            "events[0].nodes",
            "to others",
        ),
        ("to = \"deck\"", "to = [\"deck\", \"user-1\"]", "traffic[0].to", "no room"),
    ];
    for (from, to, key, message) in cases {
        let text = ROOMS.replacen(from, to, 1);
        assert_ne!(text, ROOMS, "{from}");
        let all = all_refused(&text);
        let found = all.iter().any(|(_, at, said)| at == key && said.contains(message));
        assert!(found, "{to}: {all:?}");
    }
}

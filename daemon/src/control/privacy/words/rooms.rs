//! What those see who are in a room with the user.

use super::super::Facts;
use super::{Said, many};

pub(super) fn tell(facts: &Facts, said: &mut Said) {
    let Some(vault) = &facts.vault else { return };
    let rooms = vault.rooms;
    if rooms.joined == 0 {
        return said.say("no-rooms", "You are in no room.");
    }
    said.say(
        "rooms",
        format!(
            "You are in {} with {}, {} no contacts of yours. All who are in one read what you write there, and keep what they have \
             read when they are removed. So may who was removed, from those who have not heard of that.",
            many(rooms.joined, "room", "rooms"),
            many(rooms.people, "person", "people"),
            many(rooms.no_contacts, "of them is", "of them are"),
        ),
    );
    said.say(
        "rooms-found",
        "They learn how your devices are found: so they see on which days each was on, and can write you a request. A new ID is told to \
         those alone who are in a room with you then. They see the name that you offer.",
    );
    said.say(
        "rooms-signed",
        "What you change in a room is signed: they can prove to others that you did it, and that you were in the room. They can't prove \
         what you wrote.",
    );
    said.say(
        "rooms-delivery",
        "In a room of up to eight devices, whoever writes sees when each of them has it; in a larger one nobody sees when you do. \
         What you have read is told to nobody in a room.",
    );
    match rooms.not_strict {
        0 => said.say("rooms-strict", "Nothing is shown in them of who was removed."),
        count => said.say(
            "rooms-not-strict",
            format!(
                "In {} you are shown what someone sent before they heard of their removal, and they can act as if they had not, for \
                 six days.",
                many(count, "of them", "of them")
            ),
        ),
    }
}

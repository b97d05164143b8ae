//! Rooms of a plan, and who is in them when.

use std::time::Duration;

use super::{Event, NodeIndex, TimedEvent};

/// A room, by its place in [`super::Plan::rooms`].
pub type RoomIndex = usize;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPlan {
    /// Its name, which no node has.
    pub name: String,
    /// Who makes it.
    pub creator: NodeIndex,
    /// Whether nothing is shown of who is removed, even if they had not heard of it.
    pub strict: bool,
    /// Whether members add others, and not moderators alone.
    pub members_add: bool,
}

/// What someone does to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomDeed {
    /// Makes it, and adds these.
    Create,
    /// Adds these.
    Invite,
    /// Puts these out.
    Remove,
    /// Makes these moderators.
    Moderator,
    /// Makes these moderators members again.
    Demote,
}

impl RoomDeed {
    /// The word of the scenario file; a room is made by its table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "room",
            Self::Invite => "invite",
            Self::Remove => "remove",
            Self::Moderator => "moderator",
            Self::Demote => "demote",
        }
    }
}

/// A person is in a room from one time to another, as far as the plan says. (Moderators who don't hear of each other may
/// decide otherwise.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// Which room.
    pub room: RoomIndex,
    /// Who.
    pub person: NodeIndex,
    /// From when on.
    pub from: Duration,
    /// Until when; [`Duration::MAX`]: to the end.
    pub to: Duration,
}

impl Membership {
    /// Whether the person is in the room then.
    #[must_use]
    pub fn is_in(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// Who is in which room, when.
#[must_use]
pub fn memberships(events: &[TimedEvent]) -> Vec<Membership> {
    let mut all: Vec<Membership> = Vec::new();
    for TimedEvent { at, event } in events {
        let Event::Room { room, by, deed, whom } = event else { continue };
        let comes: Vec<NodeIndex> = match deed {
            RoomDeed::Create => std::iter::once(*by).chain(whom.iter().copied()).collect(),
            RoomDeed::Invite | RoomDeed::Moderator => whom.clone(),
            RoomDeed::Remove | RoomDeed::Demote => Vec::new(),
        };
        let is_open = |one: &Membership, person: NodeIndex| {
            one.room == *room && one.person == person && one.to == Duration::MAX
        };
        for person in comes {
            if !all.iter().any(|one| is_open(one, person)) {
                all.push(Membership { room: *room, person, from: *at, to: Duration::MAX });
            }
        }
        if *deed == RoomDeed::Remove {
            let goes = all.iter_mut().filter(|one| whom.iter().any(|who| is_open(one, *who)));
            goes.for_each(|one| one.to = *at);
        }
    }
    all
}

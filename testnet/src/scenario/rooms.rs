//! Rooms, and who is in them from when on.

use std::time::Duration;

use super::contacts::people;
use super::error::{Fault, Faults};
use super::file::{self, AddBy, Deed};
use super::limits::ROOM_MEMBERS_MAX;
use super::roster::{Roster, check_name};
use super::source::advise;
use super::values::{Names, show};
use crate::plan::{Event, NodeIndex, RoomDeed, RoomIndex, RoomPlan};

/// The word for all rooms of a writer, among the names of rooms.
pub(crate) const ALL: &str = "rooms";

/// All rooms of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    pub(crate) plans: Vec<RoomPlan>,
    /// How each is made: when, and what happens.
    pub(crate) made: Vec<(Duration, Event)>,
}

impl Rooms {
    pub(crate) fn new(
        tables: &[file::Room],
        roster: &Roster,
        shard_bits: u8,
        duration: Duration,
    ) -> Result<Self, Vec<Fault>> {
        let mut rooms = Self::default();
        let mut faults = Faults::default();
        for (index, table) in tables.iter().enumerate() {
            faults.keep(rooms.add(table, roster, shard_bits, duration).map_err(|fault| {
                Fault::new(format!("rooms[{index}].{}", fault.key), fault.message)
            }));
        }
        faults.unless(rooms)
    }

    fn add(
        &mut self,
        table: &file::Room,
        roster: &Roster,
        shard_bits: u8,
        duration: Duration,
    ) -> Result<(), Fault> {
        let name = &table.name;
        check_name(name).map_err(|message| Fault::new("name", message))?;
        if name == ALL || roster.select(&Names(vec![name.clone()])).is_ok() {
            let message =
                format!("{name:?} are nodes, or means something else; choose another name");
            return Err(Fault::new("name", message));
        }
        if self.plans.iter().any(|room| room.name == *name) {
            return Err(Fault::new("name", format!("there are two rooms {name:?}; rename one")));
        }
        if shard_bits > 0 {
            let message = "rooms need a network of one shard; leave network.shard_bits out";
            return Err(Fault::new("name", message));
        }
        if table.at.0 >= duration {
            let message = format!("it is after the end of the run, which is {}", show(duration));
            return Err(Fault::new("at", message));
        }
        let members =
            people(&table.members, roster).map_err(|message| Fault::new("members", message))?;
        let creator = match &table.creator {
            None => members[0],
            Some(name) => person(name, roster).map_err(|message| Fault::new("creator", message))?,
        };
        let others: Vec<NodeIndex> = members.into_iter().filter(|who| *who != creator).collect();
        if !(1..ROOM_MEMBERS_MAX).contains(&others.len()) {
            let message = format!(
                "with its creator it has {} members; give 2 to {ROOM_MEMBERS_MAX}",
                others.len() + 1
            );
            return Err(Fault::new("members", message));
        }
        let late = |who: &&NodeIndex| roster.joins[**who].is_some_and(|joins| joins > table.at.0);
        if let Some(who) = others.iter().chain([&creator]).find(late) {
            let message = format!("{} joins later; invite it by an event", roster.nodes[*who].name);
            return Err(Fault::new("members", message));
        }
        let room = self.plans.len();
        let event = |deed, whom| Event::Room { room, by: creator, deed, whom };
        self.made.push((table.at.0, event(RoomDeed::Create, others.clone())));
        if let Some(names) = &table.moderators {
            let mut moderators =
                people(names, roster).map_err(|message| Fault::new("moderators", message))?;
            moderators.retain(|who| *who != creator);
            if let Some(who) = moderators.iter().find(|who| !others.contains(who)) {
                let message = format!("{} is no member; add it there", roster.nodes[*who].name);
                return Err(Fault::new("moderators", message));
            }
            // With fewer nodes than the scenario names it may be the creator alone.
            if !moderators.is_empty() {
                self.made.push((table.at.0, event(RoomDeed::Moderator, moderators)));
            }
        }
        self.plans.push(RoomPlan {
            name: name.clone(),
            creator,
            strict: table.strict,
            members_add: table.add_by == AddBy::Members,
        });
        Ok(())
    }

    /// The room of this name.
    pub(crate) fn named(&self, name: &str) -> Result<RoomIndex, String> {
        self.plans.iter().position(|room| room.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.plans.iter().map(|room| room.name.as_str()).collect();
            match known[..] {
                [] => format!("there is no room {name:?}; add [[rooms]]"),
                _ => format!("there is no room {name:?}; {}", advise(name, &known)),
            }
        })
    }

    /// The rooms of these names; `None` if they are none of rooms.
    pub(crate) fn select(&self, names: &Names) -> Option<Result<Vec<RoomIndex>, String>> {
        if names.0 == [ALL] {
            let all = (0..self.plans.len()).collect();
            return Some(if self.plans.is_empty() {
                self.named(ALL).map(|_| Vec::new())
            } else {
                Ok(all)
            });
        }
        let is_room = |name: &String| self.named(name).is_ok();
        names.0.iter().any(is_room).then(|| names.0.iter().map(|name| self.named(name)).collect())
    }

    /// What an `[[events]]` does to a room.
    pub(crate) fn event(&self, table: &file::Event, roster: &Roster) -> Result<Event, Fault> {
        let missing = |key: &str| {
            let word = table.deed.word();
            Fault::new(key, format!("it is missing: do = {word:?} needs it; add it"))
        };
        let name = table.room.as_ref().ok_or_else(|| missing("room"))?;
        let room = self.named(name).map_err(|message| Fault::new("room", message))?;
        let names = table.nodes.as_ref().ok_or_else(|| missing("nodes"))?;
        let mut whom = people(names, roster).map_err(|message| Fault::new("nodes", message))?;
        let by = match &table.acting {
            None => self.plans[room].creator,
            Some(name) => person(name, roster).map_err(|message| Fault::new("as", message))?,
        };
        whom.retain(|who| *who != by);
        if whom.is_empty() {
            let message = format!("{} does that to others; name some", roster.nodes[by].name);
            return Err(Fault::new("nodes", message));
        }
        let deed = match table.deed {
            Deed::Invite => RoomDeed::Invite,
            Deed::Remove => RoomDeed::Remove,
            Deed::Demote => RoomDeed::Demote,
            _ => RoomDeed::Moderator,
        };
        Ok(Event::Room { room, by, deed, whom })
    }

    /// Who must be whose contact for these events: who adds and who is added.
    pub(crate) fn introductions(
        &self,
        events: &[crate::plan::TimedEvent],
    ) -> Vec<(NodeIndex, NodeIndex)> {
        let adds = |deed| matches!(deed, RoomDeed::Create | RoomDeed::Invite | RoomDeed::Moderator);
        let mut pairs = Vec::new();
        for timed in events {
            if let Event::Room { by, deed, whom, .. } = &timed.event
                && adds(*deed)
            {
                pairs.extend(whom.iter().map(|who| (*by, *who)));
            }
        }
        pairs
    }
}

/// The person of a node.
fn person(name: &str, roster: &Roster) -> Result<NodeIndex, String> {
    let node = roster.one(name)?;
    match people(&Names(vec![name.to_owned()]), roster)?[..] {
        [person] => Ok(person),
        _ => Ok(roster.person(node)),
    }
}

//! What people do to rooms.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::super::book::Note;
use super::super::node::Common;
use super::Part;
use crate::plan::{NodeIndex, RoomDeed, RoomIndex};

/// How long someone goes on trying what can't be done: their node is off, or has not heard of what it rests on.
const TRIED_MAX: Duration = Duration::from_secs(120);

/// What people are about to do to rooms.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    wanted: VecDeque<Wanted>,
}

/// Something that is to be done to one person.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    room: RoomIndex,
    by: NodeIndex,
    deed: RoomDeed,
    /// `None`: to the room itself, which is to be made for so many.
    who: Option<NodeIndex>,
    members: usize,
    since: Instant,
}

impl Rooms {
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn want(
        &mut self,
        common: &Common,
        (room, by, deed): (RoomIndex, NodeIndex, RoomDeed),
        whom: &[NodeIndex],
    ) {
        if !common.net.is_here(by) {
            return;
        }
        let (members, since) = (whom.len() + 1, Instant::now());
        let wanted = |who| Wanted { room, by, deed, who, members, since };
        if deed == RoomDeed::Create {
            self.wanted.push_back(wanted(None));
        }
        self.wanted.extend(whom.iter().map(|who| wanted(Some(*who))));
    }
}

impl Part<'_> {
    /// Does what can be done; what someone does to the same person in its order.
    pub(super) async fn step_rooms(&mut self) {
        let mut hindered: Vec<(RoomIndex, NodeIndex, Option<NodeIndex>)> = Vec::new();
        for wanted in std::mem::take(&mut self.rooms.wanted) {
            let place = (wanted.room, wanted.by, wanted.who);
            let waits = |it: &(RoomIndex, NodeIndex, Option<NodeIndex>)| {
                *it == place || *it == (wanted.room, wanted.by, None)
            };
            if !hindered.iter().any(waits) && self.act_in_room(&wanted).await {
                continue;
            }
            if wanted.since.elapsed() < TRIED_MAX {
                hindered.push(place);
                self.rooms.wanted.push_back(wanted);
            } else {
                self.note(Note::Hindered { by: wanted.by, room: wanted.room, deed: wanted.deed });
            }
        }
    }

    /// Whether it is done.
    async fn act_in_room(&self, wanted: &Wanted) -> bool {
        let plan = &self.plan.rooms[wanted.room];
        let Some(node) = self.nodes.get(&wanted.by).filter(|node| node.is_on()) else {
            return false;
        };
        let Some(who) = wanted.who else {
            return node.create_room(plan, wanted.members).await.is_ok();
        };
        // Who is added is a contact; anyone else is known by their ID.
        let said = match wanted.deed {
            RoomDeed::Create | RoomDeed::Invite => Some(self.plan.nodes[who].name.clone()),
            RoomDeed::Remove | RoomDeed::Moderator | RoomDeed::Demote => self.ids[who].clone(),
        };
        let Some(said) = said else { return false };
        node.act_in_room(&plan.name, wanted.deed, &said).await.is_ok()
    }
}

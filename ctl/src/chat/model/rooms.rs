//! Rooms among the conversations.

use martlet_protocol::control::{ConversationTimers, EventBody, Room, RoomMember, RoomRole};

use super::{Ask, Focus, Model, Overlay, Place};
use crate::render::{one_line, person};

impl Model {
    /// The room that is called so.
    pub(crate) fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    /// The room on the screen.
    pub(crate) fn open_room(&self) -> Option<&Room> {
        match self.open.as_ref()? {
            Place::Contact(name) => self.room(name),
            Place::Notes | Place::Requests => None,
        }
    }

    /// Whether a contact or a room is called so.
    pub(crate) fn has_conversation(&self, name: &str) -> bool {
        self.contact(name).is_some() || self.room(name).is_some()
    }

    /// Whether the user moderates the room on the screen.
    pub(super) fn moderates_open(&self) -> bool {
        self.open_room().is_some_and(|room| room.role == RoomRole::Moderator)
    }

    pub(super) fn take_rooms(&mut self, rooms: Vec<Room>, asks: &mut Vec<Ask>) {
        let before = std::mem::replace(&mut self.rooms, rooms);
        for room in &self.rooms {
            let place = Place::Contact(room.name.clone());
            let conversation = self.conversations.entry(place).or_default();
            conversation.unread = room.unread;
            let (expire_seconds, burn_seconds) =
                (room.settings.expire_seconds, room.settings.burn_seconds);
            conversation.timers = Some(ConversationTimers { expire_seconds, burn_seconds });
        }
        if let Some(Place::Contact(open)) = self.open.clone()
            && !self.has_conversation(&open)
            && let Some(room) = before.iter().find(|room| room.name == open)
        {
            // It is forgotten, or called otherwise now.
            self.open = None;
            match self.rooms.iter().find(|it| it.id == room.id).map(|it| it.name.clone()) {
                Some(name) => self.show(Place::Contact(name), asks),
                None => self.focus = Focus::List,
            }
        }
        // Where there is none yet, the contacts are still to come, among which is what stands first.
        if self.cursor.as_ref().is_some_and(|cursor| !self.places().contains(cursor)) {
            self.cursor = self.places().first().cloned();
        }
        asks.push(Ask::Conversations);
        self.read_open(asks);
    }

    /// Shows who is in the room on the screen.
    pub(super) fn show_members(&mut self, asks: &mut Vec<Ask>) {
        if self.open_room().is_none() {
            self.notice = Some("That is for rooms: open one.".to_owned());
            return;
        }
        asks.push(Ask::Rooms);
        self.overlay = Some((Overlay::Members, 0));
    }

    /// Something happened to a room.
    pub(super) fn room_event(&mut self, body: &EventBody, asks: &mut Vec<Ask>) {
        let notice = match body {
            EventBody::RoomJoined { name, .. } => {
                Some(format!("You are in the room {}.", one_line(name)))
            }
            EventBody::RoomLeft { name, .. } => {
                Some(format!("You are in the room {} no more.", one_line(name)))
            }
            EventBody::RoomChanged { name, operation, .. } => {
                let by = person(&operation.by);
                Some(format!("{by} changed {}: F5 shows who is in a room.", one_line(name)))
            }
            EventBody::RoomUndone { name, .. } => Some(format!(
                "Someone undid what you did in {}: martletctl room ops",
                one_line(name)
            )),
            _ => None,
        };
        self.notice = notice.or_else(|| self.notice.take());
        asks.push(Ask::Rooms);
    }
}

/// Who is in a room first, then who was.
pub(crate) fn in_order(room: &Room) -> Vec<&RoomMember> {
    let mut members: Vec<_> = room.members.iter().collect();
    members.sort_by_key(|member| rank(member.role));
    members
}

fn rank(role: RoomRole) -> u8 {
    match role {
        RoomRole::Moderator => 0,
        RoomRole::Member => 1,
        RoomRole::Invited => 2,
        RoomRole::Removed | RoomRole::Left => 3,
    }
}

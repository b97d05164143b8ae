//! Messages and events in the words of the control API.

use martlet_protocol::control::{
    ConversationTimers, Delivery, Direction, EndedReason, EventBody, Message, Reaction, Reply,
    RoomPerson, Version,
};
use martlet_protocol::message::Timers;
use martlet_protocol::room::Presence;
use martlet_protocol::{Id, IdentityId, MessageId, RoomId};
use martlet_store::records::{
    EndReason, Happened, MarksRecord, MessageRecord, ReactionRecord, State, VersionRecord,
};
use martlet_store::{StoreError, VaultTxn};

use crate::conversation::{ConversationRef, Place, person};
use crate::directory::{Directory, KnownRoom};
use crate::kinds::{self, Content, Says};
use crate::limits::EXCERPT_CHARS;
use crate::log::Teller;
use crate::outbox::Outbox;
use crate::timeline::Timeline;
use crate::user::profiles::Profiles;
use crate::user::reached::shown_received;

/// What is known, for telling it.
pub(super) struct View<'a> {
    pub(super) own: Id,
    pub(super) directory: &'a Directory,
    pub(super) timeline: &'a Timeline,
    pub(super) outbox: &'a Outbox,
    pub(super) profiles: &'a Profiles,
}

impl View<'_> {
    /// A message in the words of the control API, without what it said before.
    pub(super) fn show(
        &self,
        records: &VaultTxn,
        place: &Place,
        record: &MessageRecord,
    ) -> Result<Message, StoreError> {
        let MarksRecord { versions, reactions, received } =
            self.timeline.marks(records, place, record)?;
        let reply_to = match &record.reply_to {
            Some(id) => Some(self.reply(records, place, id)?),
            None => None,
        };
        let room = self.directory.rooms().of_line(&person(&place.conversation));
        let reactions = reactions.into_iter().filter_map(|ReactionRecord { by, emoji, .. }| {
            let direction = self.direction_of(place, &by);
            Some(Reaction { direction, by: self.in_room(place, &by), emoji: emoji? })
        });
        let content = Content::of(record);
        let sets_timers = match content {
            Content::Says(Says::Timers(timers)) => Some(shown_timers(timers)),
            Content::Says(Says::Text(_) | Says::File(_) | Says::Recalled)
            | Content::Does(_)
            | Content::Unknown { .. } => None,
        };
        let file = match &content {
            Content::Says(Says::File(file)) => {
                Some(self.timeline.told_file(place, record.own, file))
            }
            Content::Says(Says::Text(_) | Says::Timers(_) | Says::Recalled)
            | Content::Does(_)
            | Content::Unknown { .. } => None,
        };
        let state = match &content {
            Content::Says(Says::Recalled) => Delivery::Recalled,
            Content::Says(Says::Text(_) | Says::File(_) | Says::Timers(_))
            | Content::Does(_)
            | Content::Unknown { .. } => self.state(place, record.own, record.state),
        };
        let Timers { expire_s, burn_s } = record.timers;
        Ok(Message {
            id: record.id.to_string(),
            conversation: self.name_or_id(&person(&place.conversation)),
            room: room.map(|known| known.room.id().to_string()),
            author: self.author_in_room(place, record),
            sent_before_removal_was_known: record.is_late,
            recalled_by: record.body.recalled_by().and_then(|who| self.in_room(place, &who)),
            received: received.filter(|_| record.own).map(|received| shown_received(&received)),
            mentions: self.mentions(place, record),
            mentions_you: record.mentions_user,
            told_by: record.told_by.and_then(|who| self.in_room(place, &who)),
            direction: self.direction(place, record),
            text: match &content {
                Content::Says(Says::File(it)) => kinds::file::shown(it, file.as_ref()),
                Content::Says(Says::Text(_) | Says::Timers(_) | Says::Recalled)
                | Content::Does(_)
                | Content::Unknown { .. } => content.shown(),
            },
            sent_at: record.sent_at,
            stored_at: record.stored_at,
            state,
            expire_seconds: expire_s,
            burn_seconds: burn_s,
            ends_at: self.timeline.ends_at(record),
            sets_timers,
            file,
            reply_to,
            edited_at: versions.last().map(|version| version.at),
            reactions: reactions.collect(),
            versions: Vec::new(),
        })
    }

    /// What a message said before, the original first.
    pub(super) fn versions(
        &self,
        records: &VaultTxn,
        place: &Place,
        record: &MessageRecord,
    ) -> Result<Vec<Version>, StoreError> {
        let mut versions = self.timeline.marks(records, place, record)?.versions;
        versions.pop();
        Ok(versions
            .into_iter()
            .map(|VersionRecord { at, text, .. }| Version { at, text })
            .collect())
    }

    /// The message that one answers, as far as it is here, in the same conversation.
    fn reply(
        &self,
        records: &VaultTxn,
        place: &Place,
        id: &MessageId,
    ) -> Result<Reply, StoreError> {
        let line = person(&place.conversation);
        let writers: Vec<IdentityId> = match self.directory.rooms().of_line(&line) {
            Some(known) => known.room.state().people().map(|(who, _)| *who).collect(),
            None => vec![line],
        };
        let there = self.timeline.find_in(records, &place.conversation, id, &writers)?;
        let target = match &there {
            Some(there) => self.message(records, there)?,
            None => None,
        };
        Ok(Reply {
            id: id.to_string(),
            direction: target.as_ref().map(|target| self.direction(place, target)),
            author: target.as_ref().and_then(|target| self.author_in_room(place, target)),
            excerpt: target.as_ref().filter(|it| !it.body.is_recalled()).map(excerpt),
        })
    }

    /// Who wrote a message, and how far it got.
    pub(super) fn direction_and_state(
        &self,
        place: &Place,
        record: &MessageRecord,
    ) -> (Direction, Delivery) {
        (self.direction(place, record), self.state(place, record.own, record.state))
    }

    /// Who did something, where that is in a room.
    fn in_room(&self, place: &Place, who: &IdentityId) -> Option<Box<RoomPerson>> {
        let is_room = self.directory.rooms().is_line(&person(&place.conversation));
        is_room.then(|| Box::new(self.room_person(who)))
    }

    /// Who wrote a message, where that is in a room.
    pub(super) fn author_in_room(
        &self,
        place: &Place,
        record: &MessageRecord,
    ) -> Option<Box<RoomPerson>> {
        self.in_room(place, &record.author?.identity)
    }

    /// Who did something in a conversation.
    fn direction_of(&self, place: &Place, by: &IdentityId) -> Direction {
        match (*by == self.own.identity, person(&place.conversation) == self.own.identity) {
            (_, true) => Direction::Note,
            (true, false) => Direction::Out,
            (false, false) => Direction::In,
        }
    }

    fn direction(&self, place: &Place, record: &MessageRecord) -> Direction {
        if place.conversation == ConversationRef::direct(&self.own.identity) {
            Direction::Note
        } else if record.own {
            Direction::Out
        } else {
            Direction::In
        }
    }

    /// What the user calls them, or what the room is called that stands there; `None` if it is neither.
    fn name(&self, identity: &IdentityId) -> Option<String> {
        let contact = self.directory.contact(identity).map(|contact| contact.name().to_owned());
        let room = || self.directory.rooms().of_line(identity);
        contact.or_else(|| room().map(|known| self.directory.room_name(known)))
    }

    pub(super) fn name_or_id(&self, identity: &IdentityId) -> String {
        self.name(identity).unwrap_or_else(|| self.id_text(identity))
    }

    /// The text of their ID, as far as it is known here.
    pub(super) fn id_text(&self, identity: &IdentityId) -> String {
        if *identity == self.own.identity {
            return self.own.to_string();
        }
        let contact = self.directory.id_of(identity);
        let id = contact.or_else(|| self.directory.requests().id(identity));
        id.unwrap_or_else(|| Id::without_secret(*identity)).to_string()
    }

    /// A room, its id and its name.
    fn room(&self, id: &RoomId) -> Option<(&KnownRoom, String, String)> {
        let known = self.directory.rooms().get(id)?;
        Some((known, id.to_string(), self.directory.room_name(known)))
    }

    fn message(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<MessageRecord>, StoreError> {
        let message = self.timeline.message(records, place)?;
        Ok(message.filter(|message| !self.timeline.is_over(place, message)))
    }

    fn shown(&self, records: &VaultTxn, place: &Place) -> Result<Option<Message>, StoreError> {
        match self.message(records, place)? {
            Some(record) => self.show(records, place, &record).map(Some),
            None => Ok(None),
        }
    }
}

impl Teller for View<'_> {
    fn tell(&self, records: &VaultTxn, what: &Happened) -> Result<Option<EventBody>, StoreError> {
        Ok(match what {
            Happened::MessageReceived(place) => {
                self.shown(records, place)?.map(|message| EventBody::MessageReceived { message })
            }
            Happened::MessageQueued(place) => {
                self.shown(records, place)?.map(|message| EventBody::MessageQueued { message })
            }
            Happened::MessageEnded(conversation, id, reason) => {
                let by = match reason {
                    EndReason::RecalledBy(by) => {
                        self.in_room(&Place { conversation: *conversation, position: 0 }, by)
                    }
                    EndReason::Expired
                    | EndReason::Burned
                    | EndReason::Recalled
                    | EndReason::Deleted
                    | EndReason::Replaced => None,
                };
                let person = person(conversation);
                let own = (person == self.own.identity).then(|| self.own.to_string());
                own.or_else(|| self.name(&person)).map(|conversation| EventBody::MessageEnded {
                    id: id.to_string(),
                    conversation,
                    reason: end_reason(*reason),
                    by,
                })
            }
            Happened::ContactProfile(identity) => {
                self.name(identity).map(|name| EventBody::ContactProfile {
                    name,
                    calls_themselves: self.profiles.name_of(identity).map(str::to_owned),
                })
            }
            Happened::ConversationCleared(conversation) => {
                self.name(&person(conversation)).map(|name| EventBody::ConversationCleared { name })
            }
            Happened::FileReceived(place) => {
                self.shown(records, place)?.map(|message| EventBody::FileReceived { message })
            }
            Happened::FileFailed(place) => {
                self.shown(records, place)?.map(|message| EventBody::FileFailed { message })
            }
            Happened::MessageEdited(place) => {
                self.shown(records, place)?.map(|message| EventBody::MessageEdited { message })
            }
            Happened::MessageReaction(place, by) => match self.message(records, place)? {
                None => None,
                Some(record) => {
                    let marks = self.timeline.marks(records, place, &record)?;
                    let reaction = marks.reactions.into_iter().find(|it| it.by == *by);
                    Some(EventBody::MessageReaction {
                        id: record.id.to_string(),
                        conversation: self.name_or_id(&person(&place.conversation)),
                        direction: self.direction_of(place, by),
                        by: self.in_room(place, by),
                        emoji: reaction.and_then(|reaction| reaction.emoji),
                    })
                }
            },
            Happened::MessagesRead(place) => {
                self.message(records, place)?.map(|record| EventBody::MessageRead {
                    id: record.id.to_string(),
                    conversation: self.name_or_id(&person(&place.conversation)),
                })
            }
            Happened::MessageState(place, state) => {
                self.message(records, place)?.map(|record| EventBody::MessageState {
                    id: record.id.to_string(),
                    conversation: self.name_or_id(&person(&place.conversation)),
                    state: self.state(place, true, *state),
                })
            }
            Happened::MessageReached(place) => self.reached(records, place)?,
            Happened::RequestReceived(identity) => {
                let requests = self.directory.requests();
                let is_known = requests.is_waiting(identity) || self.directory.is_contact(identity);
                is_known.then(|| EventBody::RequestReceived {
                    id: self.id_text(identity),
                    suggested_name: requests.suggested_name(identity),
                })
            }
            Happened::ContactAdded(identity) => self
                .name(identity)
                .map(|name| EventBody::ContactAdded { name, id: self.id_text(identity) }),
            Happened::ContactRenamed(identity) => {
                let id = self.id_text(identity);
                self.name(identity).map(|to| EventBody::ContactRenamed { id, from: None, to })
            }
            Happened::ContactRemoved => Some(EventBody::ContactRemoved { name: None }),
            Happened::ContactReachable(identity) => {
                self.name(identity).map(|name| EventBody::ContactReachable { name })
            }
            Happened::ContactDevicesChanged(identity) => {
                self.directory.contact(identity).map(|contact| EventBody::ContactDevicesChanged {
                    name: contact.name().to_owned(),
                    devices: u32::try_from(contact.devices().count()).unwrap_or(u32::MAX),
                })
            }
            Happened::ContactVerified(identity) => {
                self.directory.contact(identity).map(|contact| EventBody::ContactVerified {
                    name: contact.name().to_owned(),
                    verified: contact.verified(),
                })
            }
            Happened::InviteUsed(number, identity) => {
                self.name(identity).map(|name| EventBody::InviteUsed { number: *number, name })
            }
            Happened::InviteRefused(number, identity) => {
                Some(EventBody::InviteRefused { number: *number, id: self.id_text(identity) })
            }
            Happened::InviteAccepted(identity) => {
                self.name(identity).map(|name| EventBody::InviteAccepted { name })
            }
            Happened::ConversationRead(conversation, marked) => self
                .name(&person(conversation))
                .map(|name| EventBody::ConversationRead { name, marked: *marked }),
            Happened::DevicesChanged(identity) if *identity == self.own.identity => {
                Some(EventBody::DevicesChanged)
            }
            Happened::DevicesChanged(identity) => {
                self.name(identity).map(|name| EventBody::ContactDevices { name })
            }
            Happened::Terminated(identity) if *identity == self.own.identity => {
                Some(EventBody::AccountTerminated)
            }
            Happened::Terminated(identity) => {
                self.name(identity).map(|name| EventBody::ContactTerminated { name })
            }
            Happened::RoomJoined(id) => {
                self.room(id).map(|(_, room, name)| EventBody::RoomJoined { room, name })
            }
            Happened::RoomLeft(id) => self.room(id).map(|(known, room, name)| {
                let person = known.person(&self.own.identity);
                let removed = person.is_none_or(|it| it.presence == Presence::Removed);
                EventBody::RoomLeft { room, name, removed }
            }),
            Happened::RoomChanged(id, op) => self.room(id).and_then(|(known, room, name)| {
                let op = known.room.set().get(op)?;
                let operation = Box::new(self.room_operation(known, op));
                Some(EventBody::RoomChanged { room, name, operation })
            }),
            Happened::RoomUndone(id, op, by) => self.room(id).and_then(|(known, room, name)| {
                let operation = Box::new(self.room_operation(known, known.room.set().get(op)?));
                let by = known.room.set().get(by).map(|by| self.room_person(&by.author()));
                Some(EventBody::RoomUndone { room, name, operation, by })
            }),
            Happened::RoomEquivocation(id, op, _) => {
                self.room(id).and_then(|(known, room, name)| {
                    let by = self.room_person(&known.room.set().get(op)?.author());
                    Some(EventBody::RoomEquivocation { room, name, by })
                })
            }
            Happened::MessagesLost(conversation, count) => self
                .name(&person(conversation))
                .map(|conversation| EventBody::MessagesLost { conversation, count: *count }),
        })
    }
}

/// The beginning of a message, where it is referred to.
pub(super) fn excerpt(record: &MessageRecord) -> String {
    Content::of(record).shown().chars().take(EXCERPT_CHARS).collect()
}

/// Timers in the words of the control API.
pub(crate) fn shown_timers(Timers { expire_s, burn_s }: Timers) -> ConversationTimers {
    ConversationTimers { expire_seconds: expire_s, burn_seconds: burn_s }
}

fn end_reason(reason: EndReason) -> EndedReason {
    match reason {
        EndReason::Expired => EndedReason::Expired,
        EndReason::Burned => EndedReason::Burned,
        EndReason::Recalled | EndReason::RecalledBy(_) => EndedReason::Recalled,
        EndReason::Deleted => EndedReason::Deleted,
        EndReason::Replaced => EndedReason::Replaced,
    }
}

pub(super) fn delivery(state: State) -> Delivery {
    match state {
        State::Queued => Delivery::Queued,
        State::Sent => Delivery::Sent,
        State::Delivered => Delivery::Delivered,
        State::Expired => Delivery::Expired,
        State::Recalled => Delivery::Recalled,
    }
}

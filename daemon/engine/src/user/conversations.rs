//! Conversations as the user sees them: by the contacts' names, in the words of the control API.

use martlet_protocol::control::{
    Conversation, Delivery, Direction, EventBody, History, Inbox, Lost, Message,
};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martlet_protocol::{Id, IdentityId, MessageId};
use martlet_store::records::{Happened, MessageRecord, State};
use martlet_store::{StoreError, VaultTxn};

use super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::directory::Directory;
use crate::error::CommandError;
use crate::error::Fault;
use crate::kinds::Content;
use crate::limits::RESENT_MAX;
use crate::log::Teller;
use crate::timeline::{Appeared, Line, Page, Timeline};
use crate::turn::Turn;

/// What is known, for telling it.
pub(super) struct View<'a> {
    pub(super) own: Id,
    pub(super) directory: &'a Directory,
    pub(super) timeline: &'a Timeline,
}

impl User {
    pub(super) fn view(&self) -> View<'_> {
        View { own: self.id(), directory: &self.directory, timeline: &self.timeline }
    }

    /// The user, on this device.
    pub(super) fn author(&self) -> Author {
        Author { identity: self.identity, device: self.keyring.device().certificate().device() }
    }

    /// Takes what a contact's device wrote.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        message: MessageRecord,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&author.identity);
        let now = turn.now;
        let line = Line { conversation, device: author.device };
        // Their vault was put back: they count again from where it was.
        let number = message.seq;
        let is_again = self.timeline.is_again(turn.vault()?, &line, &message)?;
        let used = match is_again {
            true => self.timeline.used_since(turn.vault()?, &line, number, RESENT_MAX)?,
            false => None,
        };
        let appeared = self.timeline.receive(turn.vault()?, conversation, author, message, now)?;
        if let Some(since) = used {
            self.send_again(turn, author.identity, since)?;
        }
        self.plan_held(line, now);
        self.tell_appeared(turn, appeared)
    }

    /// Shows what of these lines waited too long for what was sent before it.
    pub(super) fn release_held(
        &mut self,
        turn: &mut Turn<'_>,
        lines: impl Iterator<Item = Line>,
    ) -> Result<(), StoreError> {
        let (now, lines) = (turn.now, lines.collect::<Vec<_>>());
        let appeared = self.timeline.release_overdue(turn.vault()?, &lines, now)?;
        lines.into_iter().for_each(|line| self.plan_held(line, now));
        self.tell_appeared(turn, appeared)
    }

    /// Goes on with what was too much to show in one batch.
    pub(super) fn release_more(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.timeline.is_releasing() {
            return Ok(());
        }
        let (now, lines) = (turn.now, self.timeline.releasing());
        let appeared = self.timeline.release_more(turn.vault()?)?;
        lines.into_iter().for_each(|line| self.plan_held(line, now));
        self.tell_appeared(turn, appeared)
    }

    pub(super) fn tell_appeared(
        &mut self,
        turn: &mut Turn<'_>,
        appeared: Vec<Appeared>,
    ) -> Result<(), StoreError> {
        for appeared in appeared {
            let what = match appeared {
                Appeared::Message(place) => Happened::MessageReceived(place),
                Appeared::Lost(conversation, count) => Happened::MessagesLost(conversation, count),
                Appeared::Did(author, does) => {
                    self.apply(turn, author, does)?;
                    continue;
                }
            };
            self.emit(turn, what)?;
        }
        Ok(())
    }

    /// Puts a message of the user's at the end of the conversation with `identity`, and tells; returns its
    /// position.
    pub(super) fn append(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        message: &MessageRecord,
    ) -> Result<u64, StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let place = self.timeline.append(turn.vault()?, conversation, message)?;
        self.emit(turn, Happened::MessageQueued(place))?;
        Ok(place.position)
    }

    /// Moves an own message on, and tells.
    pub(super) fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        position: u64,
        state: State,
    ) -> Result<(), StoreError> {
        let place = Place { conversation: ConversationRef::direct(&identity), position };
        if self.timeline.advance(turn.vault()?, &place, state)? {
            self.emit(turn, Happened::MessageState(place, state))?;
        }
        Ok(())
    }

    pub(crate) fn history(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        limit: Option<u32>,
        before: Option<&str>,
    ) -> Result<History, Fault> {
        let limit = limit.unwrap_or(50);
        if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
            return Err(CommandError::PageSize { limit, max: HISTORY_PAGE_MAX }.into());
        }
        let wanted = usize::try_from(limit).unwrap_or(1);
        let conversation = ConversationRef::direct(identity);
        let records = turn.vault()?;
        let before = match before {
            None => None,
            Some(text) => {
                let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
                let place = self.timeline.find(records, &id, [identity])?;
                let place = place.filter(|place| place.conversation == conversation);
                Some(place.ok_or(CommandError::UnknownMessage)?.position)
            }
        };
        let Page { messages, more } = self.timeline.page(records, &conversation, before, wanted)?;
        let lost = self.timeline.lost(&conversation);
        let mut history = History { messages: Vec::new(), more, lost: Vec::new() };
        for (position, record) in messages {
            // One that can't be read hides no other.
            let Some(record) = record else { continue };
            if let Some((_, count)) = lost.iter().find(|(before, _)| *before == position) {
                history.lost.push(Lost { before: record.id.to_string(), count: *count });
            }
            history.messages.push(self.view().show(&Place { conversation, position }, &record));
        }
        Ok(history)
    }

    pub(crate) fn find_message(&self, turn: &mut Turn<'_>, text: &str) -> Result<Message, Fault> {
        let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
        let records = turn.vault()?;
        let place = self.timeline.find(records, &id, self.directory.identities())?;
        let place = place.ok_or(CommandError::UnknownMessage)?;
        let record = self.timeline.message(records, &place)?.ok_or(CommandError::UnknownMessage)?;
        Ok(self.view().show(&place, &record))
    }

    pub(crate) fn inbox(&self, turn: &mut Turn<'_>) -> Result<Inbox, StoreError> {
        let mut conversations = Vec::new();
        let page = usize::try_from(HISTORY_PAGE_MAX).unwrap_or(1);
        for (name, identity) in self.directory.by_name() {
            let conversation = ConversationRef::direct(identity);
            let unread = self.timeline.unread(&conversation);
            if unread == 0 {
                continue;
            }
            let messages = self.timeline.unread_messages(turn.vault()?, &conversation, page)?;
            let messages: Vec<_> = messages
                .into_iter()
                .map(|(position, message)| {
                    self.view().show(&Place { conversation, position }, &message)
                })
                .collect();
            conversations.push(Conversation { name: name.to_owned(), unread, messages });
        }
        conversations.sort_by_key(|conversation| {
            conversation.messages.first().map(|message| message.stored_at)
        });
        let requests = self.directory.requests().waiting().count();
        Ok(Inbox { conversations, requests: u64::try_from(requests).unwrap_or(u64::MAX) })
    }

    /// Marks a conversation as read: how many messages were unread, and how many are missing there.
    pub(crate) fn mark_read(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(u64, u64), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let (marked, lost) = self.timeline.mark_read(conversation);
        if marked > 0 {
            // The record itself is written by `flush`.
            self.emit(turn, Happened::ConversationRead(conversation, marked))?;
        }
        Ok((marked, lost))
    }
}

impl View<'_> {
    /// A message in the words of the control API.
    fn show(&self, place: &Place, record: &MessageRecord) -> Message {
        let state = match (record.own, self.timeline.is_read(place)) {
            (true, _) => delivery(record.state),
            (false, true) => Delivery::Read,
            (false, false) => Delivery::Delivered,
        };
        Message {
            id: record.id.to_string(),
            conversation: self.name_or_id(&person(&place.conversation)),
            direction: self.direction(place, record),
            text: Content::of(record).shown(),
            sent_at: record.sent_at,
            stored_at: record.stored_at,
            state,
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

    /// What the user calls them; `None` if it is no contact.
    fn name(&self, identity: &IdentityId) -> Option<String> {
        self.directory.contact(identity).map(|contact| contact.name().to_owned())
    }

    fn name_or_id(&self, identity: &IdentityId) -> String {
        self.name(identity).unwrap_or_else(|| self.id_text(identity))
    }

    /// The text of their ID, as far as it is known here.
    pub(super) fn id_text(&self, identity: &IdentityId) -> String {
        if *identity == self.own.identity {
            return self.own.to_string();
        }
        let contact = self.directory.contact(identity).map(|contact| contact.id());
        let id = contact.or_else(|| self.directory.requests().id(identity));
        id.unwrap_or_else(|| Id::without_secret(*identity)).to_string()
    }

    fn message(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<MessageRecord>, StoreError> {
        self.timeline.message(records, place)
    }
}

impl Teller for View<'_> {
    fn tell(&self, records: &VaultTxn, what: &Happened) -> Result<Option<EventBody>, StoreError> {
        Ok(match what {
            Happened::MessageReceived(place) => self
                .message(records, place)?
                .map(|record| EventBody::MessageReceived { message: self.show(place, &record) }),
            Happened::MessageQueued(place) => self
                .message(records, place)?
                .map(|record| EventBody::MessageQueued { message: self.show(place, &record) }),
            Happened::MessageState(place, state) => {
                self.message(records, place)?.map(|record| EventBody::MessageState {
                    id: record.id.to_string(),
                    conversation: self.name_or_id(&person(&place.conversation)),
                    state: delivery(*state),
                })
            }
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
            Happened::ConversationRead(conversation, marked) => self
                .name(&person(conversation))
                .map(|name| EventBody::ConversationRead { name, marked: *marked }),
            Happened::MessagesLost(conversation, count) => self
                .name(&person(conversation))
                .map(|conversation| EventBody::MessagesLost { conversation, count: *count }),
        })
    }
}

fn delivery(state: State) -> Delivery {
    match state {
        State::Queued => Delivery::Queued,
        State::Sent => Delivery::Sent,
        State::Delivered => Delivery::Delivered,
        State::Expired => Delivery::Expired,
    }
}

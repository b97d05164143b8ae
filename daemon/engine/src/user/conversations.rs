//! Conversations as the user sees them: by the contacts' names, in the words of the control API.

use martlet_protocol::control::{Conversation, History, HistoryQuery, Inbox, Lost, Message};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::records::{EndReason, Happened, MessageRecord, State};
use martlet_store::{StoreError, VaultTxn};

use super::User;
use super::resent::Loss;
use super::view::View;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::error::CommandError;
use crate::error::Fault;
use crate::kinds;
use crate::limits::RESENT_MAX;
use crate::timeline::{Appeared, Line, Page};
use crate::turn::Turn;

impl User {
    pub(super) fn view(&self) -> View<'_> {
        View {
            own: self.id(),
            directory: &self.directory,
            timeline: &self.timeline,
            outbox: &self.outbox,
            profiles: &self.profiles,
        }
    }

    /// The user, on this device.
    pub(super) fn author(&self) -> Author {
        Author { identity: self.identity, device: self.keyring.device().certificate().device() }
    }

    /// Takes what a contact's device wrote, or another of the user's own, after `before` others in its session.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        message: MessageRecord,
        before: u32,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&author.identity);
        let now = turn.now;
        let line = Line { conversation, device: author.device };
        let is_of_sibling = author.identity == self.identity;
        let message = kinds::admit(message, is_of_sibling);
        if is_of_sibling {
            // A session begins with each new device. So the first for this one is the first in it, also where a later one
            // came sooner.
            self.timeline.begin_line(&line, message.seq.saturating_sub(before.into()).max(1));
        }
        // Their vault was put back: they count again from where it was.
        let number = message.seq;
        let is_again = self.timeline.is_again(turn.vault()?, &line, &message)?;
        let used = match is_again && !is_of_sibling {
            true => Some(self.timeline.used_since(turn.vault()?, &line, number, RESENT_MAX)?),
            false => None,
        };
        let appeared = self.timeline.receive(turn.vault()?, conversation, author, message, now)?;
        if let Some((since, _)) = used {
            self.note_loss(turn, author, author.identity, (Loss::Used(number), since))?;
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
                Appeared::Message(place) if self.is_room(&place.conversation) => {
                    let message = self.timeline.message(turn.vault()?, &place)?;
                    // One of the user's own, of another device.
                    let is_own = message.is_some_and(|message| message.own);
                    let of =
                        if is_own { Happened::MessageQueued } else { Happened::MessageReceived };
                    self.emit(turn, of(place))?;
                    self.do_early(turn, &place)?;
                    self.offer_file(turn, &place)?;
                    continue;
                }
                Appeared::Message(place) => {
                    self.profiles.look_at(person(&place.conversation));
                    self.emit(turn, Happened::MessageReceived(place))?;
                    self.do_early(turn, &place)?;
                    self.offer_file(turn, &place)?;
                    continue;
                }
                Appeared::Lost(conversation, count) if person(&conversation) == self.identity => {
                    tracing::info!(count, "of another device of the user's something never came");
                    continue;
                }
                Appeared::InPlaceOf(conversation, id) => {
                    Happened::MessageEnded(conversation, id, EndReason::Replaced)
                }
                Appeared::Lost(conversation, count) => Happened::MessagesLost(conversation, count),
                Appeared::Did(conversation, author, does) => {
                    self.apply(turn, conversation, author, does)?;
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
        if !self.directory.rooms().is_line(&identity) {
            self.profiles.look_at(identity);
        }
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
        if state == State::Expired
            && let Some(deed) = self.timeline.own_deed(turn.vault()?, &place)?
        {
            self.profile_expired(turn, place.conversation, &deed)?;
            self.settings_expired(turn, &deed)?;
        }
        if self.timeline.advance(turn.vault()?, &place, state)? {
            self.emit(turn, Happened::MessageState(place, state))?;
            self.note_progress(turn, place)?;
        }
        Ok(())
    }

    pub(crate) fn history(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        query: &HistoryQuery,
    ) -> Result<History, Fault> {
        let HistoryQuery { limit, before, around, edits } = query;
        let limit = limit.unwrap_or(50);
        if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
            return Err(CommandError::PageSize { limit, max: HISTORY_PAGE_MAX }.into());
        }
        let wanted = usize::try_from(limit).unwrap_or(1);
        let conversation = ConversationRef::direct(identity);
        let records: &VaultTxn = turn.vault()?;
        let place_of = |text: &str| {
            let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
            let writers = self.writers_in(identity);
            let place = self.timeline.find_in(records, &conversation, &id, &writers)?;
            place.ok_or(Fault::Refused(CommandError::UnknownMessage))
        };
        let before = match (before, around) {
            (None, None) => None,
            (Some(id), None) => Some(place_of(id)?.position),
            (None, Some(id)) => {
                let at = place_of(id)?.position;
                let after = self.timeline.page_from(records, &conversation, at + 1, wanted / 2)?;
                Some(after.last().map_or(at, |(last, _)| *last) + 1)
            }
            (Some(_), Some(_)) => return Err(CommandError::TwoPages.into()),
        };
        let Page { messages, more } = self.timeline.page(records, &conversation, before, wanted)?;
        let rows = self.not_over(conversation, messages);
        let (messages, lost) = self.rows(records, conversation, rows, None, *edits)?;
        Ok(History { messages, more, lost })
    }

    /// Rows of a conversation without what nobody is to see any more.
    pub(super) fn not_over(
        &self,
        conversation: ConversationRef,
        mut rows: Vec<(u64, Option<MessageRecord>)>,
    ) -> Vec<(u64, Option<MessageRecord>)> {
        for (position, row) in &mut rows {
            let place = Place { conversation, position: *position };
            row.take_if(|record| self.timeline.is_over(&place, record));
        }
        rows
    }

    /// Messages of a conversation, one for each row that is there, and where some are missing among them: of those after
    /// position `after`, if that is where they were looked for, else from the first on. One that can't be read hides no other.
    pub(super) fn rows(
        &self,
        records: &VaultTxn,
        conversation: ConversationRef,
        rows: Vec<(u64, Option<MessageRecord>)>,
        after: Option<u64>,
        with_versions: bool,
    ) -> Result<(Vec<Message>, Vec<Lost>), StoreError> {
        // Among notes nothing is missing that the other devices numbered: those numbers are of all conversations.
        let is_notes = person(&conversation) == self.identity;
        let gaps = if is_notes { Vec::new() } else { self.timeline.lost(&conversation) };
        let (mut messages, mut lost) = (Vec::new(), Vec::new());
        let view = self.view();
        let mut previous = after;
        for (position, record) in rows {
            // Own deeds have positions that no message has: what is missing is missing before the next message.
            let from = previous.replace(position).map_or(position, |previous| previous + 1);
            let place = Place { conversation, position };
            let Some(record) = record else { continue };
            let here = gaps.iter().filter(|(before, _)| (from..=position).contains(before));
            let count = here.fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
            if count > 0 {
                lost.push(Lost { before: record.id.to_string(), count });
            }
            let mut message = view.show(records, &place, &record)?;
            if with_versions {
                message.versions = view.versions(records, &place, &record)?;
            }
            messages.push(message);
        }
        Ok((messages, lost))
    }

    pub(crate) fn find_message(&self, turn: &mut Turn<'_>, text: &str) -> Result<Message, Fault> {
        let (place, record) = self.resolve(turn, text)?;
        let (records, view) = (turn.vault()?, self.view());
        let versions = view.versions(records, &place, &record)?;
        Ok(Message { versions, ..view.show(records, &place, &record)? })
    }

    pub(crate) fn inbox(&self, turn: &mut Turn<'_>) -> Result<Inbox, StoreError> {
        let mut conversations = Vec::new();
        let page = usize::try_from(HISTORY_PAGE_MAX).unwrap_or(1);
        for (name, identity) in self.all_conversations() {
            let conversation = ConversationRef::direct(&identity);
            let unread = self.timeline.unread(&conversation);
            if unread == 0 {
                continue;
            }
            let messages = self.timeline.unread_messages(turn.vault()?, &conversation, page)?;
            let (records, view) = (turn.vault()?, self.view());
            let messages = messages
                .into_iter()
                .map(|(position, message)| (Place { conversation, position }, message))
                .filter(|(place, message)| !self.timeline.is_over(place, message))
                .map(|(place, message)| view.show(records, &place, &message))
                .collect::<Result<Vec<_>, _>>()?;
            let room = self.room_id_of(&identity);
            let mentions = self.timeline.mentions(&conversation);
            conversations.push(Conversation { name, room, unread, mentions, messages });
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
        let before = self.timeline.read_position(&conversation);
        let (marked, lost) = self.timeline.mark_read(conversation);
        self.light_some(turn)?;
        if marked > 0 {
            // The record itself is written by `flush`.
            self.emit(turn, Happened::ConversationRead(conversation, marked))?;
            if !self.is_room(&conversation) {
                self.tell_read(turn, conversation, before)?;
            }
            self.copy_read(turn, identity)?;
        }
        Ok((marked, lost))
    }
}

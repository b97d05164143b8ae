//! The timeline: conversations, what was said in them and in which order, and what was read.
//!
//! Counters of conversations are kept in memory and written once per batch by [`Timeline::flush`]. Messages
//! are in the vault alone; those held back for the sake of earlier ones too (`order.rs`), so what is in
//! memory grows with conversations and devices, never with messages.

mod deposits;
mod ends;
mod files;
mod gaps;
mod history;
mod manners;
mod marks;
mod order;
mod own_deeds;
mod past;
mod recalls;
mod receipts;
mod removal;
#[cfg(test)]
mod tests;
mod texts;
mod timers;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::records::{
    CONVERSATIONS, ConversationRecord, MESSAGE_INDEX, MESSAGES, Manner, MessageAt, MessageRecord,
    RemovalRecord, SettingsRecord, State, UNKNOWN,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use crate::conversation::{After, Author, ConversationRef, Place, person};
use crate::kinds::{Content, Does, is_unknown};
use crate::limits::PAST_POSITION_MAX;
use crate::parts::FileParts;
use ends::Ends;
pub(crate) use ends::expires_at;
use files::Files;
pub(crate) use files::{Live, known};
pub(crate) use history::{OwnMessage, Page};
pub(crate) use order::Line;
use order::Wait;
pub(crate) use texts::Hits;
use texts::Texts;

/// What appeared in a conversation, in order.
#[derive(Debug)]
pub(crate) enum Appeared {
    /// A message.
    Message(Place),
    /// The message with this id came: what someone else told of it is gone. Its place comes in its turn.
    InPlaceOf(ConversationRef, MessageId),
    /// That so many never came, though later ones did.
    Lost(ConversationRef, u64),
    /// Something to do in a conversation, by whom. It has no position.
    Did(ConversationRef, Author, Does),
}

/// All conversations.
#[derive(Default)]
pub(crate) struct Timeline {
    conversations: HashMap<ConversationRef, ConversationRecord>,
    dirty: HashSet<ConversationRef>,
    /// Lines of messages that wait for earlier ones.
    waits: BTreeMap<Line, Wait>,
    /// Those of them whose first message's turn has come.
    ready: BTreeSet<Line>,
    /// Lines of which some numbers were not for this device: what comes waits only for what may be on its way.
    skipped: BTreeSet<Line>,
    /// The time of the last batch, by which waits count, and since the host's start.
    clock: Option<(UnixMillis, Duration)>,
    /// Conversations whose messages are being removed, a part in each batch.
    removals: BTreeMap<ConversationRef, RemovalRecord>,
    /// What came before its message.
    early: marks::Early,
    settings: SettingsRecord,
    /// When which of them end.
    ends: Ends,
    /// Files that are blobs.
    files: Files,
    /// Those that come or go in parts.
    pub(crate) parts: FileParts,
    /// What searches look through.
    texts: Texts,
    /// How many own messages that do something are on their way.
    own_deeds: HashMap<ConversationRef, usize>,
    /// To whom timers were sent again of late, and when, since the host's start.
    timers_repeated: HashMap<ConversationRef, Duration>,
    /// After which position a conversation begins: before it is room for messages of before.
    begins_after: u64,
}

impl Timeline {
    /// Loads it from the vault, perhaps that of a device that was linked.
    pub(crate) fn load(
        records: &VaultTxn,
        hidden_by: Option<UnixMillis>,
        is_linked: bool,
    ) -> Result<Self, StoreError> {
        let begins_after = if is_linked { PAST_POSITION_MAX } else { 0 };
        let mut timeline = Self { begins_after, ..Self::default() };
        for record in records.scan(&CONVERSATIONS)? {
            timeline.conversations.insert(record.conversation, record);
        }
        timeline.load_own_deeds(records)?;
        timeline.load_removals(records)?;
        timeline.load_waits(records)?;
        timeline.load_early(records)?;
        timeline.load_settings(records)?;
        timeline.load_ends(records, hidden_by)?;
        timeline.load_files(records)?;
        timeline.parts.load(records)?;
        Ok(timeline)
    }

    /// Writes what is only in memory yet.
    pub(crate) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for id in std::mem::take(&mut self.dirty) {
            if let Some(record) = self.conversations.get(&id) {
                records.put(&CONVERSATIONS, Key::Named(&id.0), record)?;
            }
        }
        self.parts.flush(records)
    }

    fn get(&self, id: &ConversationRef) -> Option<&ConversationRecord> {
        self.conversations.get(id)
    }

    fn get_mut(&mut self, id: ConversationRef) -> &mut ConversationRecord {
        self.dirty.insert(id);
        let begins_after = self.begins_after;
        self.conversations.entry(id).or_insert_with(|| ConversationRecord {
            conversation: id,
            last_position: begins_after,
            // What comes of before was read elsewhere.
            read_position: begins_after,
            unread: 0,
            received: 0,
            last_sent_seq: 0,
            due: Vec::new(),
            lost: Vec::new(),
            unheard: None,
            manner: Manner::default(),
            their_read: 0,
            mentioned: Vec::new(),
            timers: None,
            read_at: UnixMillis(0),
            recalls: Vec::new(),
        })
    }

    /// The conversations that there are.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConversationRecord> {
        self.conversations.values()
    }

    /// The number of this device's next message there.
    pub(crate) fn next_seq(&mut self, id: ConversationRef) -> u64 {
        let conversation = self.get_mut(id);
        conversation.last_sent_seq += 1;
        conversation.last_sent_seq
    }

    /// Where a conversation ends.
    pub(crate) fn end_of(&self, id: &ConversationRef) -> After {
        self.get(id).map_or(After { position: 0, number: 0 }, |record| After {
            position: record.last_position,
            number: record.last_sent_seq,
        })
    }

    /// Whether there is, or was, something in a conversation.
    pub(crate) fn is_begun(&self, id: &ConversationRef) -> bool {
        let is_in_use = |at: u64| at > 0 && at != PAST_POSITION_MAX;
        self.get(id).is_some_and(|record| is_in_use(record.last_position) || record.received > 0)
    }

    /// Messages there that the user has not read.
    pub(crate) fn unread(&self, id: &ConversationRef) -> u64 {
        self.get(id).map_or(0, |record| record.unread)
    }

    /// Up to which position the user has read.
    pub(crate) fn read_position(&self, id: &ConversationRef) -> u64 {
        self.get(id).map_or(0, |record| record.read_position)
    }

    /// Whether the user has read up to there.
    pub(crate) fn is_read(&self, place: &Place) -> bool {
        self.get(&place.conversation).is_some_and(|record| place.position <= record.read_position)
    }

    /// Puts a message that says something at the end of its conversation.
    pub(crate) fn append(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        message: &MessageRecord,
    ) -> Result<Place, StoreError> {
        let conversation = self.get_mut(id);
        conversation.last_position += 1;
        let place = Place { conversation: id, position: conversation.last_position };
        if !message.own {
            conversation.unread += 1;
            conversation.received += 1;
        }
        if message.mentions_user {
            self.note_mention(&place);
        }
        records.put(&MESSAGES, Key::Scoped(&id.0, place.position), message)?;
        self.texts.note(&place, message);
        if is_unknown(message) {
            records.put(&UNKNOWN, Key::Scoped(&id.0, place.position), &place)?;
        }
        let at = MessageAt { conversation: id, position: place.position };
        put_index(records, message, &at)?;
        self.note_end(records, &place, message)?;
        self.note_timers(&id, message);
        Ok(place)
    }

    /// Whether a received message is known, be it here or gone.
    pub(crate) fn is_known(
        &self,
        records: &VaultTxn,
        author: &IdentityId,
        id: &MessageId,
    ) -> Result<bool, StoreError> {
        let at: Option<MessageAt> =
            records.get(&MESSAGE_INDEX, Key::Named(&received_key(author, id)))?;
        Ok(at.is_some())
    }

    /// The message at a place.
    pub(crate) fn message(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<MessageRecord>, StoreError> {
        if self.is_removed(place) {
            return Ok(None);
        }
        records.get(&MESSAGES, Key::Scoped(&place.conversation.0, place.position))
    }

    /// Moves an own message on; states only ever move forward. Whether it moved.
    pub(crate) fn advance(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        state: State,
    ) -> Result<bool, StoreError> {
        let Some(mut message) = self.message(records, place)? else {
            self.advance_deed(records, place, state)?;
            return Ok(false);
        };
        if message.state >= state || message.state == State::Delivered {
            return Ok(false);
        }
        message.state = state;
        self.left_outbox(records, place, &mut message)?;
        records.put(&MESSAGES, Key::Scoped(&place.conversation.0, place.position), &message)?;
        Ok(true)
    }

    /// An own message that was told to be sent is not: it waits again. Whether it was.
    pub(crate) fn take_back(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<bool, StoreError> {
        let Some(mut message) = self.message(records, place)? else { return Ok(false) };
        if message.state != State::Sent {
            return Ok(false);
        }
        message.state = State::Queued;
        records.put(&MESSAGES, Key::Scoped(&place.conversation.0, place.position), &message)?;
        Ok(true)
    }

    /// The user read the conversation: how many messages were unread, and how many of those before
    /// them never came.
    pub(crate) fn mark_read(&mut self, id: ConversationRef) -> (u64, u64) {
        let lost = self.lost_after_read(&id);
        self.light(id);
        let record = self.get_mut(id);
        let marked = std::mem::take(&mut record.unread);
        record.read_position = record.last_position;
        (marked, lost)
    }

    /// A message that was shown is no row. Its id stays known, so that it doesn't come again.
    fn remove_row(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &MessageRecord,
    ) -> Result<(), StoreError> {
        let Place { conversation: id, position } = *place;
        records.delete(&MESSAGES, Key::Scoped(&id.0, position))?;
        self.texts.forget(place);
        put_index(records, message, &MessageAt { conversation: id, position: 0 })?;
        if !message.own {
            let conversation = self.get_mut(id);
            conversation.received = conversation.received.saturating_sub(1);
            if position > conversation.read_position {
                conversation.unread = conversation.unread.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Removes a conversation of few messages whole, counters included.
    pub(crate) fn remove(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
    ) -> Result<(), StoreError> {
        self.begin_removal(records, id)?;
        self.remove_some(records, id, usize::MAX)?;
        self.conversations.remove(&id);
        self.dirty.remove(&id);
        records.delete(&CONVERSATIONS, Key::Named(&id.0))?;
        Ok(())
    }

    /// After an upgrade: messages of kinds that were unknown are shown as what they say from now on; those
    /// that do something are no rows any more. What is to be done now is returned.
    pub(crate) fn read_unknown_again(
        &mut self,
        records: &mut VaultTxn,
    ) -> Result<Vec<Appeared>, StoreError> {
        let (mut places, mut appeared) = (Vec::new(), Vec::new());
        records.for_each(&UNKNOWN, |place| places.push(place))?;
        for place in places {
            let key = Key::Scoped(&place.conversation.0, place.position);
            if let Some(message) = self.message(records, &place)? {
                match Content::of(&message) {
                    Content::Unknown { .. } => continue,
                    Content::Says(_) => self.note_timers(&place.conversation, &message),
                    Content::Does(does) => {
                        self.remove_row(records, &place, &message)?;
                        let author = message.author.filter(|_| !message.own);
                        let conversation = place.conversation;
                        appeared
                            .extend(author.map(|author| Appeared::Did(conversation, author, does)));
                    }
                }
            }
            records.delete(&UNKNOWN, key)?;
        }
        Ok(appeared)
    }
}

/// Who wrote a message, as far as it is known by.
fn writer(id: &ConversationRef, message: &MessageRecord) -> IdentityId {
    // Records without an author are of a time when all conversations were direct.
    message.author.map_or_else(|| person(id), |author| author.identity)
}

fn put_index(
    records: &mut VaultTxn,
    message: &MessageRecord,
    at: &MessageAt,
) -> Result<(), StoreError> {
    if message.own {
        return records.put(&MESSAGE_INDEX, Key::Named(&message.id.0), at);
    }
    let key = received_key(&writer(&at.conversation, message), &message.id);
    records.put(&MESSAGE_INDEX, Key::Named(&key), at)
}

fn delete_index(
    records: &mut VaultTxn,
    id: &ConversationRef,
    message: &MessageRecord,
) -> Result<(), StoreError> {
    let key = received_key(&writer(id, message), &message.id);
    let key: &[u8] = if message.own { &message.id.0 } else { &key };
    records.delete(&MESSAGE_INDEX, Key::Named(key))?;
    Ok(())
}

/// Received messages are looked up by sender and id: a sender can't take another's ids.
fn received_key(identity: &IdentityId, id: &MessageId) -> [u8; 48] {
    let mut key = [0; 48];
    key[..32].copy_from_slice(&identity.0);
    key[32..].copy_from_slice(&id.0);
    key
}

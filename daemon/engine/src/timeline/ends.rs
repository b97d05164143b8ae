//! Ends: messages whose time is over are gone from disk. What ends when is on disk, in order, and so is from when on a
//! message burns: a start finds it as it was. In memory there are the hours in which something ends.
//!
//! All of it goes by what surely has come. A clock that jumps ahead ends nothing, and one that jumps back brings nothing
//! back. The id of what is gone stays known until no copy of it can come.
//!
//! What is over is hidden at once and deleted by the next tick, some in each batch. Until then the moment that it is over by
//! is on disk: a start goes by it, whatever its clock shows.

use std::collections::BTreeSet;
use std::time::Duration;

use martlet_protocol::UnixMillis;
use martlet_protocol::message::{Message, Timers};
use martlet_store::records::{
    ENDS, EndReason, EndRecord, Ending, MARKS, MESSAGE_INDEX, MESSAGES, MessageAt, MessageRecord,
    State, UNBURNT, UNKNOWN,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::{Timeline, put_index, received_key, writer};
use crate::clock::Times;
use crate::conversation::{ConversationRef, Place};
use crate::limits::ENDED_ID_KEPT;

const HOUR_MS: u64 = 3_600_000;

/// When something ends.
#[derive(Default)]
pub(super) struct Ends {
    /// Hours since the Unix epoch in which something may.
    hours: BTreeSet<u32>,
    /// Nothing ends before.
    first: Option<UnixMillis>,
    /// What surely has come, as of this batch.
    sure: UnixMillis,
    /// When the first batch was, by the steady clock.
    began: Option<Duration>,
    /// When the user last read a conversation before that, by what surely had come.
    last_read: UnixMillis,
    /// What was over by then is hidden, and some of it may not be deleted. After a start it may be later than what surely has
    /// come.
    hidden_by: Option<UnixMillis>,
    /// Conversations that were read, and of which not all messages have been told to burn.
    lit: BTreeSet<ConversationRef>,
}

impl Ends {
    fn note(&mut self, at: UnixMillis) {
        self.hours.insert(hour(at));
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
    }
}

impl Timeline {
    pub(super) fn load_ends(
        &mut self,
        records: &VaultTxn,
        hidden_by: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        let ends = &mut self.ends;
        ends.hidden_by = hidden_by;
        records.for_each(&ENDS, |record| ends.note(record.at))?;
        let mut lit = BTreeSet::new();
        records.for_each(&UNBURNT, |place| {
            if self.is_read(&place) {
                lit.insert(place.conversation);
            }
        })?;
        self.ends.lit = lit;
        let read_at = self.conversations.values().map(|record| record.read_at);
        self.ends.last_read = read_at.max().unwrap_or_default();
        Ok(())
    }

    /// A batch begins, and this is the time.
    pub(crate) fn begin_batch(&mut self, times: &Times) {
        self.follow_clock(times);
        self.texts.begin_batch(times.steady);
        let began = *self.ends.began.get_or_insert(times.steady);
        // When the user read something last had come before the start: that is kept more often than the moment which
        // the clock goes by where no peer tells the time.
        let read = self.ends.last_read.plus(times.steady.saturating_sub(began));
        let sure = times.sure.max(read.min(times.now));
        self.ends.sure = sure.max(self.ends.hidden_by.unwrap_or_default());
    }

    /// The batch is to be committed: by when what it hides is over, if some of that is not deleted yet.
    pub(crate) fn hide(&mut self) -> Option<UnixMillis> {
        let is_left = self.is_ending() || self.is_lighting();
        self.ends.hidden_by = is_left.then_some(self.ends.sure);
        self.ends.hidden_by
    }

    /// Whether something may be over.
    pub(crate) fn is_ending(&self) -> bool {
        self.ends.first.is_some_and(|first| first <= self.ends.sure)
    }

    /// When something may end next.
    pub(crate) fn next_end(&self) -> Option<UnixMillis> {
        self.ends.first
    }

    /// Takes the first of what has ended.
    pub(crate) fn take_ended(
        &mut self,
        records: &mut VaultTxn,
    ) -> Result<Option<Ending>, StoreError> {
        while let Some(hour) = self.ends.hours.first().copied() {
            if UnixMillis(u64::from(hour) * HOUR_MS) > self.ends.sure {
                self.ends.first = Some(UnixMillis(u64::from(hour) * HOUR_MS));
                return Ok(None);
            }
            let scope = hour.to_be_bytes();
            let first = records.range_readable(&ENDS, Some(&scope), 0..=u64::MAX, 1)?.pop();
            let Some((number, record)) = first else {
                self.ends.hours.remove(&hour);
                continue;
            };
            let at = UnixMillis(u64::from(hour) * HOUR_MS + (number >> 32));
            if at > self.ends.sure {
                self.ends.first = Some(at);
                return Ok(None);
            }
            records.delete(&ENDS, Key::Scoped(&scope, number))?;
            // What can't be read any more ends nothing, and stops nothing.
            if let Some(EndRecord { what, .. }) = record {
                return Ok(Some(what));
            }
        }
        self.ends.first = None;
        Ok(None)
    }

    /// Something ends then.
    pub(crate) fn add_end(
        &mut self,
        records: &mut VaultTxn,
        at: UnixMillis,
        what: Ending,
    ) -> Result<(), StoreError> {
        let scope = hour(at).to_be_bytes();
        let first = (at.0 % HOUR_MS) << 32;
        let numbers = first..=first | u64::from(u32::MAX);
        let last = records.range_rev_readable(&ENDS, Some(&scope), numbers, 1)?;
        let number = last.first().map_or(first, |(last, _)| last + 1);
        records.put(&ENDS, Key::Scoped(&scope, number), &EndRecord { at, what })?;
        self.ends.note(at);
        Ok(())
    }

    /// Notes when a message ends that was just put in its place, if it does.
    pub(super) fn note_end(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &MessageRecord,
    ) -> Result<(), StoreError> {
        if message.timers.burn_s.is_some() && !message.own {
            let key = Key::Scoped(&place.conversation.0, place.position);
            records.put(&UNBURNT, key, place)?;
        }
        match end_of(message) {
            Some((at, _)) => self.add_end(records, at, Ending::Message(*place)),
            None => Ok(()),
        }
    }

    /// Whether a message's time is over.
    pub(crate) fn has_ended(&self, message: &MessageRecord) -> Option<EndReason> {
        let (at, reason) = end_of(message)?;
        (at <= self.ends.sure).then_some(reason)
    }

    /// Whether nobody is to see a message any more, though it may be there still: while the vault was locked nothing could be
    /// deleted, and what burns is told so some in each batch.
    pub(crate) fn is_over(&self, place: &Place, message: &MessageRecord) -> bool {
        let Some(read) = self.get(&place.conversation).filter(|_| !message.own) else {
            return self.has_ended(message).is_some();
        };
        let is_unlit = message.burns_from.is_none() && place.position <= read.read_position;
        let burns_from = if is_unlit { Some(read.read_at) } else { message.burns_from };
        let burns = burns_from.and_then(|from| message.timers.burns_at(from));
        self.has_ended(message).is_some() || burns.is_some_and(|at| at <= self.ends.sure)
    }

    /// The same of what an unknown person wrote, which came at `stored_at`.
    pub(crate) fn has_expired(&self, stored_at: UnixMillis, message: &Message) -> bool {
        let at = expires_at(&message.timers, message.sent_at, stored_at);
        at.is_some_and(|at| at <= self.ends.sure)
    }

    /// The conversation was read now: what burns there does so from now on, some in each batch.
    pub(super) fn light(&mut self, id: ConversationRef) {
        let sure = self.ends.sure;
        self.get_mut(id).read_at = sure;
        self.ends.lit.insert(id);
    }

    /// Whether messages are to be told that they burn.
    pub(crate) fn is_lighting(&self) -> bool {
        !self.ends.lit.is_empty()
    }

    /// Tells at most `max` messages that they burn; how many. With fewer than `max` all are.
    pub(crate) fn light_some(
        &mut self,
        records: &mut VaultTxn,
        max: usize,
    ) -> Result<usize, StoreError> {
        let mut done = 0;
        while done < max
            && let Some(id) = self.ends.lit.first().copied()
        {
            let read = self.get(&id).map(|record| (record.read_position, record.read_at));
            let (read, from) = read.unwrap_or_default();
            let unburnt = records.range_readable(&UNBURNT, Some(&id.0), 0..=read, max - done)?;
            if unburnt.len() < max - done {
                self.ends.lit.remove(&id);
            }
            done += unburnt.len();
            for (position, _) in unburnt {
                records.delete(&UNBURNT, Key::Scoped(&id.0, position))?;
                self.burn_from(records, &Place { conversation: id, position }, from)?;
            }
        }
        Ok(done)
    }

    fn burn_from(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        from: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(mut message) = self.message(records, place)? else { return Ok(()) };
        if !self.set_burning(&mut message, from) {
            return Ok(());
        }
        records.put(&MESSAGES, Key::Scoped(&place.conversation.0, place.position), &message)?;
        self.note_burning(records, place, &message)
    }

    /// What the user wrote on another device need not be sent here: it burns from now on.
    pub(crate) fn burn_sent(&self, message: &mut MessageRecord) {
        self.set_burning(message, self.ends.sure);
    }

    fn set_burning(&self, message: &mut MessageRecord, from: UnixMillis) -> bool {
        let is_new = message.timers.burn_s.is_some() && message.burns_from.is_none();
        if is_new {
            message.burns_from = Some(from);
        }
        is_new
    }

    fn note_burning(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &MessageRecord,
    ) -> Result<(), StoreError> {
        match end_of(message) {
            Some((at, EndReason::Burned)) => self.add_end(records, at, Ending::Message(*place)),
            _ => Ok(()),
        }
    }

    /// An own message may have got so far that its text is not needed any more for sending it: from then on it burns.
    pub(super) fn left_outbox(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &mut MessageRecord,
    ) -> Result<(), StoreError> {
        let is_over = match message.state {
            State::Queued | State::Sent => false,
            State::Delivered | State::Expired | State::Recalled => true,
        };
        if is_over && self.set_burning(message, self.ends.sure) {
            self.note_burning(records, place, message)?;
        }
        Ok(())
    }

    /// The envelopes of an own message have ended. Some of its readers may have it: it stays told as sent.
    pub(crate) fn end_as_sent(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
    ) -> Result<(), StoreError> {
        let Some(mut message) = self.message(records, place)? else { return Ok(()) };
        if self.set_burning(&mut message, self.ends.sure) {
            self.note_burning(records, place, &message)?;
            let key = Key::Scoped(&place.conversation.0, place.position);
            records.put(&MESSAGES, key, &message)?;
        }
        Ok(())
    }

    /// A message is gone, whatever it was. Its id stays known for a while, so that it doesn't come again.
    pub(crate) fn end(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        message: &MessageRecord,
    ) -> Result<(), StoreError> {
        let Place { conversation: id, position } = *place;
        let key = Key::Scoped(&id.0, position);
        records.delete(&MESSAGES, key)?;
        self.texts.forget(place);
        records.delete(&UNKNOWN, key)?;
        records.delete(&UNBURNT, key)?;
        records.delete(&MARKS, key)?;
        self.forget_file(records, place)?;
        if message.own && self.has_room_for_past(&id) {
            // Another device of the user's may tell of it as one of before.
            return self.remember_name(records, id, message.id.0.to_vec());
        }
        if message.own {
            records.delete(&MESSAGE_INDEX, Key::Named(&message.id.0))?;
            return Ok(());
        }
        let conversation = self.get_mut(id);
        conversation.received = conversation.received.saturating_sub(1);
        // One that was recalled counts as unread no more.
        if position > conversation.read_position && !message.body.is_recalled() {
            conversation.unread = conversation.unread.saturating_sub(1);
        }
        self.remember_id(records, id, message)
    }

    /// The id of a message that came and is gone stays known until no copy of it can come.
    pub(super) fn remember_id(
        &mut self,
        records: &mut VaultTxn,
        id: ConversationRef,
        message: &MessageRecord,
    ) -> Result<(), StoreError> {
        put_index(records, message, &MessageAt { conversation: id, position: 0 })?;
        let name = received_key(&writer(&id, message), &message.id).to_vec();
        let at = self.ends.sure.max(message.stored_at).plus(ENDED_ID_KEPT);
        self.add_end(records, at, Ending::Id(name))
    }

    /// A message that has not come, and that would be found by this name, is taken for one that is gone, as long as it may come.
    pub(super) fn remember_name(
        &mut self,
        records: &mut VaultTxn,
        conversation: ConversationRef,
        name: Vec<u8>,
    ) -> Result<(), StoreError> {
        records.put(&MESSAGE_INDEX, Key::Named(&name), &MessageAt { conversation, position: 0 })?;
        self.add_end(records, self.ends.sure.plus(ENDED_ID_KEPT), Ending::Id(name))
    }

    /// No copy of what had this name in the index can come any more.
    pub(crate) fn forget_id(
        &mut self,
        records: &mut VaultTxn,
        name: &[u8],
    ) -> Result<(), StoreError> {
        let at = records.get(&MESSAGE_INDEX, Key::Named(name))?;
        if at.is_some_and(|at| at.position == 0) {
            records.delete(&MESSAGE_INDEX, Key::Named(name))?;
        }
        Ok(())
    }

    /// Whether the ids of messages that came then may still come, by what surely has come.
    pub(super) fn may_come_again(&self, stored_at: UnixMillis) -> bool {
        self.ends.sure < stored_at.plus(ENDED_ID_KEPT)
    }

    /// When a message ends, as far as it can be told now. Where the time is not sure it goes a little later.
    pub(crate) fn ends_at(&self, message: &MessageRecord) -> Option<UnixMillis> {
        end_of(message).map(|(at, _)| at)
    }
}

/// When a message ends, as far as it can be told now, and why.
fn end_of(message: &MessageRecord) -> Option<(UnixMillis, EndReason)> {
    // By a clock that is ahead nothing lives longer than its timer from when it came. (An own message may be of another
    // device.)
    let sent_at = message.sent_at.min(message.stored_at);
    let expires = message.timers.expires_at(sent_at).map(|at| (at, EndReason::Expired));
    let burns = message.burns_from.and_then(|from| message.timers.burns_at(from));
    let burns = burns.map(|at| (at, EndReason::Burned));
    match (expires, burns) {
        (Some(expires), Some(burns)) => Some(if burns.0 < expires.0 { burns } else { expires }),
        (expires, burns) => expires.or(burns),
    }
}

/// The end of what an unknown person wrote, if it has one before it is read.
pub(crate) fn expires_at(
    timers: &Timers,
    sent_at: UnixMillis,
    stored_at: UnixMillis,
) -> Option<UnixMillis> {
    timers.expires_at(sent_at.min(stored_at))
}

fn hour(at: UnixMillis) -> u32 {
    u32::try_from(at.0 / HOUR_MS).unwrap_or(u32::MAX)
}

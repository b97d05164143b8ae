//! Conversations: messages in order, what was read, and how far own ones got.

use martlet_protocol::control::{
    Conversation, Delivery, Direction, EventBody, History, Inbox, Message,
};
use martlet_protocol::limits::{
    HELD_BACK_MESSAGES_MAX, HISTORY_PAGE_MAX, HOLD_BACK_IDLE_MAX, HOLD_BACK_MAX,
};
use martlet_protocol::{DeviceId, IdentityId, MessageId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{
    Body, ConversationRecord, HELD, HeldRecord, MESSAGE_INDEX, MESSAGES, MessageAt, MessageRecord,
    State,
};
use martlet_store::vault::Key;

use super::{Held, User};
use crate::command::CommandError;
use crate::turn::{Fault, Turn};

impl User {
    /// Takes a decrypted message: in its place, or held back until its place has come.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        device: DeviceId,
        message: MessageRecord,
    ) -> Result<(), StoreError> {
        let index_key = received_key(&identity, &message.id);
        if turn.vault()?.get(&MESSAGE_INDEX, Key::Named(&index_key))?.is_some() {
            return Ok(());
        }
        let now = turn.now;
        let group = (identity, device);
        if let Some(held) = self.held.get_mut(&group) {
            held.last_arrival = now;
        }
        let due = self.due(identity, device);
        let held_count = self.held.get(&group).map_or(0, |held| held.since.len());
        if message.seq <= due || held_count >= HELD_BACK_MESSAGES_MAX {
            let next = message.seq.max(due.saturating_sub(1)) + 1;
            self.append(turn, identity, message)?;
            self.set_due(identity, device, next.max(due));
            return self.release_due(turn, identity, device);
        }
        let seq = message.seq;
        let scope = held_scope(&identity, &device);
        let records = turn.vault()?;
        // Its id is taken now: the same message in another envelope is the same message.
        records.put(
            &MESSAGE_INDEX,
            Key::Named(&index_key),
            &MessageAt { identity, position: 0 },
        )?;
        records.put(&HELD, Key::Scoped(&scope, seq), &HeldRecord { identity, device, message })?;
        self.held
            .entry(group)
            .or_insert_with(|| Held { since: Default::default(), last_arrival: now })
            .since
            .insert(seq, now);
        Ok(())
    }

    /// Shows what waited too long for what was sent before it.
    pub(super) fn release_held(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        for (identity, device) in self.held.keys().copied().collect::<Vec<_>>() {
            // One gap after the other: what waited behind the second has waited as long.
            while let Some(first) = self.overdue(identity, device, turn.now) {
                self.set_due(identity, device, first);
                self.release_due(turn, identity, device)?;
            }
        }
        Ok(())
    }

    /// How long what is held back has waited can't be told: the daemon was off, or the clock has stepped. It
    /// begins anew.
    pub(super) fn wait_anew(&mut self, now: UnixMillis) {
        for held in self.held.values_mut() {
            held.last_arrival = now;
            held.since.values_mut().for_each(|since| *since = now);
        }
    }

    /// The first held message of a device, if it has waited long enough.
    fn overdue(&self, identity: IdentityId, device: DeviceId, now: UnixMillis) -> Option<u64> {
        let held = self.held.get(&(identity, device))?;
        let (first, since) = held.since.first_key_value()?;
        let is_due = now.since(held.last_arrival) >= HOLD_BACK_IDLE_MAX
            || now.since(*since) >= HOLD_BACK_MAX
            // The clock was set back: how long it has been can't be told.
            || now < *since;
        is_due.then_some(*first)
    }

    fn release_due(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let scope = held_scope(&identity, &device);
        loop {
            let due = self.due(identity, device);
            let Some(held) = self.held.get_mut(&(identity, device)) else { return Ok(()) };
            if held.since.remove(&due).is_none() {
                if held.since.is_empty() {
                    self.held.remove(&(identity, device));
                }
                return Ok(());
            }
            let records = turn.vault()?;
            let key = Key::Scoped(&scope, due);
            let record = records.range(&HELD, Some(&scope), due..=due, 1)?.pop();
            records.delete(&HELD, key)?;
            if let Some((_, record)) = record {
                self.append(turn, identity, record.message)?;
            }
            self.set_due(identity, device, due + 1);
        }
    }

    fn due(&self, identity: IdentityId, device: DeviceId) -> u64 {
        self.conversations
            .get(&identity)
            .and_then(|record| record.due.iter().find(|(of, _)| *of == device))
            .map_or(1, |(_, due)| *due)
    }

    fn set_due(&mut self, identity: IdentityId, device: DeviceId, due: u64) {
        let record = self.conversation(identity);
        match record.due.iter_mut().find(|(of, _)| *of == device) {
            Some((_, next)) => *next = due,
            None => record.due.push((device, due)),
        }
    }

    /// Puts a message at the end of its conversation, and tells.
    pub(super) fn append(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        message: MessageRecord,
    ) -> Result<u64, StoreError> {
        let conversation = self.conversation(identity);
        conversation.last_position += 1;
        let position = conversation.last_position;
        if !message.own {
            conversation.unread += 1;
            conversation.received += 1;
        }
        let key = received_key(&identity, &message.id);
        let index_key: &[u8] = if message.own { &message.id.0 } else { &key };
        let records = turn.vault()?;
        records.put(&MESSAGES, Key::Scoped(&identity.0, position), &message)?;
        records.put(&MESSAGE_INDEX, Key::Named(index_key), &MessageAt { identity, position })?;
        if self.directory.is_contact(&identity) {
            let shown = self.show(&identity, position, &message);
            let body = if message.own {
                EventBody::MessageQueued { message: shown }
            } else {
                EventBody::MessageReceived { message: shown }
            };
            self.emit(turn, body)?;
        }
        Ok(position)
    }

    /// Moves an own message on; states only ever move forward.
    pub(super) fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        position: u64,
        state: State,
    ) -> Result<(), StoreError> {
        let records = turn.vault()?;
        let key = Key::Scoped(&identity.0, position);
        let Some(mut message) = records.get(&MESSAGES, key)? else { return Ok(()) };
        if message.state >= state || message.state == State::Delivered {
            return Ok(());
        }
        message.state = state;
        records.put(&MESSAGES, key, &message)?;
        let id = message.id.to_string();
        let conversation = self.conversation_name(&identity);
        self.emit(turn, EventBody::MessageState { id, conversation, state: delivery(state) })
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
        let end = match before {
            None => u64::MAX,
            Some(text) => {
                let at = self.find_in(turn, identity, text)?;
                at.saturating_sub(1)
            }
        };
        let wanted = usize::try_from(limit).unwrap_or(1);
        let mut records =
            turn.vault()?.range_rev(&MESSAGES, Some(&identity.0), 1..=end.max(1), wanted + 1)?;
        if end == 0 {
            records.clear();
        }
        let more = records.len() > wanted;
        records.truncate(wanted);
        let messages =
            records.iter().rev().map(|(at, record)| self.show(identity, *at, record)).collect();
        Ok(History { messages, more })
    }

    pub(crate) fn find_message(&self, turn: &mut Turn<'_>, text: &str) -> Result<Message, Fault> {
        let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
        let records = turn.vault()?;
        let mut at = records.get(&MESSAGE_INDEX, Key::Named(&id.0))?;
        let mut others = self.directory.identities();
        while at.is_none() {
            let identity = others.next().ok_or(CommandError::UnknownMessage)?;
            at = records.get(&MESSAGE_INDEX, Key::Named(&received_key(identity, &id)))?;
        }
        let MessageAt { identity, position } = at.ok_or(CommandError::UnknownMessage)?;
        let record = records
            .get(&MESSAGES, Key::Scoped(&identity.0, position))?
            .ok_or(CommandError::UnknownMessage)?;
        Ok(self.show(&identity, position, &record))
    }

    fn find_in(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        text: &str,
    ) -> Result<u64, Fault> {
        let id: MessageId = text.parse().map_err(|_| CommandError::UnknownMessage)?;
        let records = turn.vault()?;
        let own = records.get(&MESSAGE_INDEX, Key::Named(&id.0))?;
        let at = match own {
            Some(at) => Some(at),
            None => records.get(&MESSAGE_INDEX, Key::Named(&received_key(identity, &id)))?,
        };
        match at {
            Some(at) if at.identity == *identity && at.position > 0 => Ok(at.position),
            Some(_) | None => Err(CommandError::UnknownMessage.into()),
        }
    }

    pub(crate) fn inbox(&self, turn: &mut Turn<'_>) -> Result<Inbox, StoreError> {
        let mut conversations = Vec::new();
        for (name, identity) in self.directory.by_name() {
            let Some(record) = self.conversations.get(identity) else { continue };
            if record.unread == 0 {
                continue;
            }
            let from = record.read_position + 1;
            let page = usize::try_from(HISTORY_PAGE_MAX).unwrap_or(1);
            let messages: Vec<_> = turn
                .vault()?
                .range(&MESSAGES, Some(&identity.0), from..=u64::MAX, page)?
                .into_iter()
                .filter(|(_, message)| !message.own)
                .map(|(at, message)| self.show(identity, at, &message))
                .collect();
            conversations.push(Conversation {
                name: name.to_owned(),
                unread: record.unread,
                messages,
            });
        }
        conversations.sort_by_key(|conversation| {
            conversation.messages.first().map(|message| message.stored_at)
        });
        let requests = self.directory.requests().waiting().count();
        Ok(Inbox { conversations, requests: u64::try_from(requests).unwrap_or(u64::MAX) })
    }

    pub(crate) fn mark_read(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<u64, StoreError> {
        let record = self.conversation(identity);
        let marked = std::mem::take(&mut record.unread);
        record.read_position = record.last_position;
        if marked > 0 {
            // The record itself is written by `flush`.
            let name = self.conversation_name(&identity);
            self.emit(turn, EventBody::ConversationRead { name, marked })?;
        }
        Ok(marked)
    }

    /// Removes a conversation's messages. Its counters stay: if the two talk again, the other side
    /// still expects the next number.
    pub(super) fn remove_messages(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let records = turn.vault()?;
        let messages = records.range(&MESSAGES, Some(&identity.0), 0..=u64::MAX, usize::MAX)?;
        for (_, message) in messages {
            let key = received_key(&identity, &message.id);
            let index_key: &[u8] = if message.own { &message.id.0 } else { &key };
            records.delete(&MESSAGE_INDEX, Key::Named(index_key))?;
        }
        records.delete_range(&MESSAGES, Some(&identity.0), 0..=u64::MAX)?;
        let groups: Vec<_> = self.held.keys().filter(|(of, _)| *of == identity).copied().collect();
        for (of, device) in groups {
            records.delete_range(&HELD, Some(&held_scope(&of, &device)), 0..=u64::MAX)?;
            self.held.remove(&(of, device));
        }
        let conversation = self.conversation(identity);
        conversation.unread = 0;
        conversation.received = 0;
        conversation.read_position = conversation.last_position;
        Ok(())
    }

    pub(super) fn show(
        &self,
        identity: &IdentityId,
        position: u64,
        record: &MessageRecord,
    ) -> Message {
        let is_read = self
            .conversations
            .get(identity)
            .is_some_and(|conversation| position <= conversation.read_position);
        let state = match (record.own, is_read) {
            (true, _) => delivery(record.state),
            (false, true) => Delivery::Read,
            (false, false) => Delivery::Delivered,
        };
        Message {
            id: record.id.to_string(),
            conversation: self.conversation_name(identity),
            direction: if record.own { Direction::Out } else { Direction::In },
            text: match &record.body {
                Body::Text(text) => text.clone(),
                Body::Unknown(kind) => {
                    format!("[a message of kind {kind}, which this version cannot show]")
                }
            },
            sent_at: record.sent_at,
            stored_at: record.stored_at,
            state,
        }
    }

    pub(super) fn conversation_name(&self, identity: &IdentityId) -> String {
        match self.directory.contact(identity) {
            Some(contact) => contact.name().to_owned(),
            None => identity.to_string(),
        }
    }

    pub(crate) fn conversation_record(&self, identity: &IdentityId) -> Option<&ConversationRecord> {
        self.conversations.get(identity)
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

/// Received messages are looked up by sender and id: a sender can't take another's ids.
fn received_key(identity: &IdentityId, id: &MessageId) -> [u8; 48] {
    let mut key = [0; 48];
    key[..32].copy_from_slice(&identity.0);
    key[32..].copy_from_slice(&id.0);
    key
}

fn held_scope(identity: &IdentityId, device: &DeviceId) -> [u8; 64] {
    let mut scope = [0; 64];
    scope[..32].copy_from_slice(&identity.0);
    scope[32..].copy_from_slice(&device.0);
    scope
}

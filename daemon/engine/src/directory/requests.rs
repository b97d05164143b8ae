//! What unknown people sent, until the user decides.
//!
//! All of it is kept apart from conversations: the messages as their senders encoded them, and the acks of
//! their envelopes. Nothing is revealed before the sender is a contact. Until then the envelopes live on
//! in the mailboxes, and the sender's client shows `sent`.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::limits::{
    REQUEST_AGE_MAX, REQUEST_DEEDS_MAX, REQUEST_EARLY_DEEDS_MAX, REQUEST_ENVELOPES_MAX,
    REQUEST_KEYS_MAX, REQUEST_MESSAGES_MAX, REQUESTS_MAX, SESSION_AGE_MAX,
};
use martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
use martlet_protocol::message::{Content, Message};
use martlet_protocol::{Ack, Id, IdentityId, MessageId, Rendezvous, UnixMillis};
use martlet_store::records::{
    REQUEST_ACKS, REQUEST_MESSAGES, REQUESTS, RequestAcks, RequestMessage, RequestRecord,
};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// What unknown people sent.
pub(crate) struct Requests {
    /// Also those who have sent a session's key, and nothing yet that says something.
    by_identity: BTreeMap<IdentityId, Request>,
    /// Whether something found no room, so that the mailbox is to be looked at again once there is some.
    has_left_out: bool,
}

/// What one of them sent.
struct Request {
    record: RequestRecord,
    /// The ids of the messages kept.
    messages: HashSet<MessageId>,
    /// Those of them that say something; the others do something, once their sender is a contact.
    said: usize,
    /// The number under which the next is kept.
    next_message: u64,
    /// The sender's number for the earliest of them, and the number under which it is kept.
    earliest: Option<(u64, u64)>,
    /// The numbers under which acks are kept, and when their envelopes came; oldest first.
    acks: VecDeque<(u64, UnixMillis)>,
}

/// What is shown of a request.
pub(crate) struct Waiting<'a> {
    pub(crate) record: &'a RequestRecord,
    /// Messages that say something.
    pub(crate) messages: usize,
}

/// A request whose sender is a contact now.
#[derive(Default)]
pub(crate) struct Accepted {
    /// In the order in which they came.
    pub(crate) messages: Vec<RequestMessage>,
    /// To be revealed.
    pub(crate) acks: Vec<Ack>,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Kept {
    /// It is the sender's first that says something: the request begins.
    First(Box<Message>),
    /// One more, or one that does something.
    Another(Box<Message>),
    /// It had come in another envelope.
    Known,
    /// It does something, and there are too many of those before the first that says something.
    NoRoom,
}

impl Requests {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut requests = Self { by_identity: BTreeMap::new(), has_left_out: false };
        for record in records.scan(&REQUESTS)? {
            let identity = record.identity;
            let scope = Some(&identity.0[..]);
            let mut request = Request::new(record);
            let messages = records.range(&REQUEST_MESSAGES, scope, 0..=u64::MAX, usize::MAX)?;
            for (number, message) in messages {
                if let Ok(message) = Message::decode(&message.message) {
                    request.note(number, &message);
                }
                request.next_message = number + 1;
            }
            for (number, acks) in records.range(&REQUEST_ACKS, scope, 0..=u64::MAX, usize::MAX)? {
                request.acks.push_back((number, acks.stored_at));
            }
            requests.by_identity.insert(identity, request);
        }
        // Whether anything was left out is not on disk; where there is room nothing was.
        requests.has_left_out =
            !requests.has_room() || requests.empty().count() >= REQUEST_KEYS_MAX;
        Ok(requests)
    }

    /// Those with a message, by identity.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Waiting<'_>> {
        self.by_identity.values().filter_map(Request::waiting)
    }

    /// What is shown of `identity`, if they are there with something said.
    pub(crate) fn waiting_of(&self, identity: &IdentityId) -> Option<Waiting<'_>> {
        self.by_identity.get(identity)?.waiting()
    }

    /// Whether `identity` is there with something said.
    pub(crate) fn is_waiting(&self, identity: &IdentityId) -> bool {
        self.by_identity.get(identity).is_some_and(|request| request.said > 0)
    }

    /// The name that its sender gave.
    pub(crate) fn suggested_name(&self, identity: &IdentityId) -> Option<String> {
        self.by_identity.get(identity)?.record.suggested_name.clone()
    }

    /// By what the bundles of its sender are found, as they said; `None` if nothing of theirs is kept.
    pub(crate) fn rendezvous(&self, identity: &IdentityId) -> Option<&Rendezvous> {
        self.by_identity.get(identity).map(|request| &request.record.rendezvous)
    }

    /// The ID of its sender.
    pub(crate) fn id(&self, identity: &IdentityId) -> Option<Id> {
        self.by_identity.get(identity).map(|request| request.record.id())
    }

    /// Whether anything of `identity` is kept, if only that a session's key came.
    pub(crate) fn is_known(&self, identity: &IdentityId) -> bool {
        self.by_identity.contains_key(identity)
    }

    /// The sender of a session's key is remembered, and by what their bundles are found. Whoever has to go for that,
    /// being the one who has said nothing for longest, is returned.
    pub(crate) fn greet(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        (suggested_name, rendezvous): (Option<String>, Rendezvous),
        now: UnixMillis,
    ) -> Result<Option<IdentityId>, StoreError> {
        if let Some(known) = self.by_identity.get_mut(&identity) {
            if rendezvous.replaces(&known.record.rendezvous) {
                known.record.rendezvous = rendezvous;
                records.put(&REQUESTS, Key::Named(&identity.0), &known.record)?;
            }
            return Ok(None);
        }
        let oldest = (self.empty().count() >= REQUEST_KEYS_MAX)
            .then(|| self.empty().min_by_key(|record| record.first_at))
            .flatten()
            .map(|record| record.identity);
        if let Some(oldest) = &oldest {
            self.remove(records, oldest)?;
            self.has_left_out = true;
        }
        let request = Request::of(identity, (suggested_name, rendezvous), now);
        records.put(&REQUESTS, Key::Named(&identity.0), &request.record)?;
        self.by_identity.insert(identity, request);
        Ok(oldest)
    }

    /// Whether there is room for another message of `identity`. Where there is none it should stay in the
    /// mailbox, unacknowledged, and will be looked at again.
    pub(crate) fn has_room_for(&mut self, identity: &IdentityId) -> bool {
        if let Some(request) = self.by_identity.get(identity).filter(|request| request.said > 0) {
            // The rest is looked at once its sender is a contact.
            return request.said < REQUEST_MESSAGES_MAX && request.done() < REQUEST_DEEDS_MAX;
        }
        let has_room = self.has_room();
        self.has_left_out |= !has_room;
        has_room
    }

    /// Something of an unknown person was left in the mailbox: it is to be looked for once there is room.
    pub(crate) fn leave_out(&mut self) {
        self.has_left_out = true;
    }

    /// Keeps a message; `None` if it is malformed.
    pub(crate) fn keep(
        &mut self,
        records: &mut VaultTxn,
        identity: IdentityId,
        message: &RequestMessage,
    ) -> Result<Option<Kept>, StoreError> {
        let now = message.stored_at;
        let Ok(decoded) = Message::decode(&message.message) else { return Ok(None) };
        let request = self
            .by_identity
            .entry(identity)
            .or_insert_with(|| Request::of(identity, Default::default(), now));
        if request.messages.contains(&decoded.id) {
            return Ok(Some(Kept::Known));
        }
        let is_first = request.said == 0 && says_something(&decoded);
        if request.said == 0 && !is_first && request.done() >= REQUEST_EARLY_DEEDS_MAX {
            return Ok(Some(Kept::NoRoom));
        }
        let number = request.next_message;
        records.put(&REQUEST_MESSAGES, Key::Scoped(&identity.0, number), message)?;
        request.note(number, &decoded);
        request.next_message = number + 1;
        if is_first {
            request.record.first_at = now;
        }
        request.record.last_at = now;
        records.put(&REQUESTS, Key::Named(&identity.0), &request.record)?;
        let decoded = Box::new(decoded);
        Ok(Some(if is_first { Kept::First(decoded) } else { Kept::Another(decoded) }))
    }

    /// The number under which the last message of a request is kept.
    pub(crate) fn number_of_last(&self, identity: &IdentityId) -> Option<u64> {
        self.by_identity.get(identity)?.next_message.checked_sub(1)
    }

    /// The life of a message kept under this number is over.
    pub(crate) fn end_message(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        number: u64,
    ) -> Result<(), StoreError> {
        let Some(request) = self.by_identity.get_mut(identity) else { return Ok(()) };
        if !records.delete(&REQUEST_MESSAGES, Key::Scoped(&identity.0, number))? {
            return Ok(());
        }
        (request.messages, request.said, request.earliest) = (HashSet::new(), 0, None);
        for (number, message) in messages(records, identity)? {
            request.note(number, &message);
        }
        Ok(())
    }

    /// The sender took back a message, which is kept or not.
    pub(crate) fn recall(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        id: &MessageId,
    ) -> Result<(), StoreError> {
        let kept = messages(records, identity)?;
        match kept.iter().find(|(_, message)| message.id == *id) {
            Some((number, _)) => self.end_message(records, identity, *number),
            None => Ok(()),
        }
    }

    /// Keeps the acks of an envelope; of too many the oldest go, and those whose envelope has ended.
    pub(crate) fn keep_acks(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        acks: Vec<Ack>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let Some(request) = self.by_identity.get_mut(identity) else { return Ok(()) };
        while let Some((oldest, stored_at)) = request.acks.front()
            && (request.acks.len() >= REQUEST_ENVELOPES_MAX
                || now.since(*stored_at) > ENVELOPE_LIFETIME_MAX)
        {
            records.delete(&REQUEST_ACKS, Key::Scoped(&identity.0, *oldest))?;
            request.acks.pop_front();
        }
        let number = request.acks.back().map_or(0, |(newest, _)| newest + 1);
        let record = RequestAcks { stored_at: now, acks };
        records.put(&REQUEST_ACKS, Key::Scoped(&identity.0, number), &record)?;
        request.acks.push_back((number, now));
        Ok(())
    }

    /// The first message of a request, by its sender's count, and when it came.
    pub(crate) fn first_message(
        &self,
        records: &VaultTxn,
        identity: &IdentityId,
    ) -> Result<Option<(UnixMillis, Message)>, StoreError> {
        let request = self.by_identity.get(identity);
        let Some((_, number)) = request.and_then(|request| request.earliest) else {
            return Ok(None);
        };
        let first = records.range(&REQUEST_MESSAGES, Some(&identity.0), number..=number, 1)?;
        let decoded = |(_, first): &(u64, RequestMessage)| {
            Some((first.stored_at, Message::decode(&first.message).ok()?))
        };
        Ok(first.first().and_then(decoded))
    }

    /// All messages kept of `identity`, in the order in which they came: when each did, and what it is.
    pub(crate) fn messages_of(
        &self,
        records: &VaultTxn,
        identity: &IdentityId,
    ) -> Result<Vec<(UnixMillis, Message)>, StoreError> {
        let kept = records.range(&REQUEST_MESSAGES, Some(&identity.0), 0..=u64::MAX, usize::MAX)?;
        let read = kept
            .into_iter()
            .filter_map(|(_, kept)| Some((kept.stored_at, Message::decode(&kept.message).ok()?)));
        Ok(read.collect())
    }

    /// Takes all that `identity` sent, to be shown and acknowledged.
    pub(crate) fn take(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<Accepted, StoreError> {
        if !self.by_identity.contains_key(identity) {
            return Ok(Accepted::default());
        }
        let scope = Some(&identity.0[..]);
        let messages = records.range(&REQUEST_MESSAGES, scope, 0..=u64::MAX, usize::MAX)?;
        let acks = records.range(&REQUEST_ACKS, scope, 0..=u64::MAX, usize::MAX)?;
        self.remove(records, identity)?;
        Ok(Accepted {
            messages: messages.into_iter().map(|(_, message)| message).collect(),
            acks: acks.into_iter().flat_map(|(_, acks)| acks.acks).collect(),
        })
    }

    /// Forgets all that `identity` sent.
    pub(crate) fn remove(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let scope = Some(&identity.0[..]);
        records.delete(&REQUESTS, Key::Named(&identity.0))?;
        records.delete_range(&REQUEST_MESSAGES, scope, 0..=u64::MAX)?;
        records.delete_range(&REQUEST_ACKS, scope, 0..=u64::MAX)?;
        self.by_identity.remove(identity);
        Ok(())
    }

    /// One whose time is over.
    pub(crate) fn first_ended(&self, now: UnixMillis) -> Option<IdentityId> {
        let has_ended = |request: &Request| match request.said == 0 {
            true => now.since(request.record.first_at) > SESSION_AGE_MAX + ENVELOPE_LIFETIME_MAX,
            false => now.since(request.record.last_at) > REQUEST_AGE_MAX,
        };
        let mut all = self.by_identity.iter();
        all.find(|(_, request)| has_ended(request)).map(|(identity, _)| *identity)
    }

    /// Whether the mailbox should be looked at again, since something found no room and there is some now.
    pub(crate) fn take_left_out(&mut self) -> bool {
        self.has_room() && std::mem::take(&mut self.has_left_out)
    }

    fn has_room(&self) -> bool {
        self.waiting().count() < REQUESTS_MAX
    }

    fn empty(&self) -> impl Iterator<Item = &RequestRecord> {
        let empty = self.by_identity.values().filter(|request| request.said == 0);
        empty.map(|request| &request.record)
    }
}

/// The messages kept of one of them, by the numbers under which they are.
fn messages(records: &VaultTxn, identity: &IdentityId) -> Result<Vec<(u64, Message)>, StoreError> {
    let kept = records.range(&REQUEST_MESSAGES, Some(&identity.0), 0..=u64::MAX, usize::MAX)?;
    let read = kept
        .into_iter()
        .filter_map(|(number, kept)| Some((number, Message::decode(&kept.message).ok()?)));
    Ok(read.collect())
}

impl Request {
    fn new(record: RequestRecord) -> Self {
        let (messages, acks) = (HashSet::new(), VecDeque::new());
        Self { record, messages, said: 0, next_message: 0, earliest: None, acks }
    }

    fn of(
        identity: IdentityId,
        (suggested_name, rendezvous): (Option<String>, Rendezvous),
        now: UnixMillis,
    ) -> Self {
        let (first_at, last_at) = (now, UnixMillis(0));
        Self::new(RequestRecord { identity, suggested_name, first_at, last_at, rendezvous })
    }

    fn note(&mut self, number: u64, message: &Message) {
        self.messages.insert(message.id);
        if says_something(message) {
            self.said += 1;
            let this = (message.seq, number);
            self.earliest = Some(self.earliest.map_or(this, |earliest| earliest.min(this)));
        }
    }

    /// Messages that do something.
    fn done(&self) -> usize {
        self.messages.len() - self.said
    }

    fn waiting(&self) -> Option<Waiting<'_>> {
        let waiting = Waiting { record: &self.record, messages: self.said };
        (self.said > 0).then_some(waiting)
    }
}

/// Whether a message says something to someone who has to decide about its sender.
fn says_something(message: &Message) -> bool {
    match message.content {
        Content::Text(_) | Content::File(_) | Content::Unknown { .. } => true,
        Content::Edit(_)
        | Content::Reaction(_)
        | Content::Read(_)
        | Content::FileReceived(_)
        | Content::FileHolders(_)
        | Content::Timers(_)
        | Content::Recall(_)
        | Content::Profile(_)
        | Content::Sent(_)
        | Content::ReadUpTo(_)
        | Content::Settings(_)
        | Content::Progress(_)
        | Content::RoomOp(_)
        | Content::RoomRecall(_) => false,
    }
}

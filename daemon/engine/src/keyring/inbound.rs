//! Sessions that others write to this device with, and the tags of their messages.
//!
//! A session is known by its sender's identity and device and by its id. The id alone doesn't tell it from
//! another: it is the Megolm public key, and whoever was granted a session can grant its key again as if it
//! were their own. Tags are bound to the sender, the device and the conversation, so nobody can choose
//! another's. Should a tag be that of several sessions all the same, each is tried until one opens.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::limits::{
    INBOUND_SESSIONS_PER_CONTACT_MAX, INBOUND_SESSIONS_PER_DEVICE_MAX, SESSION_AGE_MAX,
};
use martlet_protocol::crypto::session::{Decrypted, InboundSession, PartAcks, SessionError};
use martlet_protocol::limits::{ENVELOPE_LIFETIME_MAX, SESSION_MESSAGES_MAX};
use martlet_protocol::{
    ConversationId, DeviceId, EnvelopeId, Header, IdentityId, RoomId, SessionId, Tag, UnixMillis,
};
use martlet_store::records::{INBOUND_SESSIONS, InboundRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// How long a session's last envelope may live after its key came: it is used for a day, and an envelope
/// lives for six. Twice that, since the clock may have been as far behind as envelopes may end too late.
const LIFE: Duration =
    Duration::from_secs(SESSION_AGE_MAX.as_secs() + 2 * ENVELOPE_LIFETIME_MAX.as_secs());

/// All that a session is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionName {
    pub(crate) identity: IdentityId,
    pub(crate) device: DeviceId,
    pub(crate) id: SessionId,
}

/// A session, for as long as this process lives: a short name, since each tag has one. Those that came
/// later have greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionHandle(u64);

/// Sessions that others write to this device with.
#[derive(Default)]
pub(crate) struct InboundSessions {
    sessions: HashMap<SessionHandle, Inbound>,
    names: BTreeMap<SessionName, SessionHandle>,
    /// The tags of messages that may still come, and where each stands in its session.
    tags: BTreeSet<(Tag, SessionHandle, u32)>,
    last: u64,
    dirty: HashSet<SessionHandle>,
    /// Who is no contact any more, and has sessions that are not parked yet.
    leaving: BTreeSet<IdentityId>,
}

struct Inbound {
    name: SessionName,
    session: InboundSession,
    received_at: UnixMillis,
    /// Bit `n`: message `n` was received.
    received: u128,
    /// Whether its sender is no contact any more: nothing of it is recognized.
    is_parked: bool,
    /// The room that it is for; `None` of a direct conversation.
    room: Option<RoomId>,
}

impl InboundSessions {
    pub(super) fn load(records: &VaultTxn, own: &IdentityId) -> Result<Self, StoreError> {
        let mut inbound = Self::default();
        let mut sessions = Vec::new();
        for record in records.scan(&INBOUND_SESSIONS)? {
            let session = InboundSession::from_record(&record.session)
                .map_err(|_| StoreError::Record { table: INBOUND_SESSIONS.name() })?;
            let received = u128::from_le_bytes(record.received);
            let InboundRecord { id, identity, device, received_at, is_parked, .. } = record;
            let name = SessionName { identity, device, id };
            let room = room_of(own, &name, &session);
            sessions.push(Inbound { name, session, received_at, received, is_parked, room });
        }
        sessions.sort_by_key(|session| session.received_at);
        sessions.into_iter().for_each(|session| {
            inbound.insert(session);
        });
        Ok(inbound)
    }

    pub(super) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for handle in std::mem::take(&mut self.dirty) {
            let Some(inbound) = self.sessions.get(&handle) else { continue };
            let SessionName { identity, device, id } = inbound.name;
            let record = InboundRecord {
                id,
                identity,
                device,
                received_at: inbound.received_at,
                received: inbound.received.to_le_bytes(),
                session: inbound.session.to_record().to_vec(),
                is_parked: inbound.is_parked,
            };
            records.put(&INBOUND_SESSIONS, Key::Named(&inbound.name.to_bytes()), &record)?;
        }
        Ok(())
    }

    fn insert(&mut self, inbound: Inbound) -> SessionHandle {
        self.last += 1;
        let handle = SessionHandle(self.last);
        self.tags.extend(inbound.awaited().map(|(index, tag)| (tag, handle, index)));
        self.names.insert(inbound.name, handle);
        self.sessions.insert(handle, inbound);
        handle
    }

    /// Keeps a session just granted, of a direct conversation or a room; the tags of its messages.
    pub(crate) fn add(
        &mut self,
        name: SessionName,
        session: InboundSession,
        received_at: UnixMillis,
        room: Option<RoomId>,
    ) -> Vec<Tag> {
        let tags = session.tags().map(|(_, tag)| tag).collect();
        let (received, is_parked) = (0, false);
        let inbound = Inbound { name, session, received_at, received, is_parked, room };
        let handle = self.insert(inbound);
        self.dirty.insert(handle);
        tags
    }

    /// The tags of a session's messages; `None` if it isn't known.
    pub(crate) fn tags(&self, name: &SessionName) -> Option<Vec<Tag>> {
        let session = &self.sessions.get(self.names.get(name)?)?.session;
        Some(session.tags().map(|(_, tag)| tag).collect())
    }

    /// Sessions of `identity` that open something.
    pub(crate) fn count_of(&self, identity: &IdentityId) -> usize {
        self.open_of(identity).count()
    }

    /// The devices of `identity` that have sessions.
    pub(crate) fn devices_of(&self, identity: &IdentityId) -> impl Iterator<Item = DeviceId> {
        self.of(identity).map(|(_, inbound)| inbound.name.device)
    }

    /// Whether a message with this tag may still come.
    pub(crate) fn awaits(&self, tag: &Tag) -> bool {
        self.with_tag(tag).next().is_some()
    }

    /// The sessions that have this tag, and where it stands in each.
    pub(crate) fn with_tag(&self, tag: &Tag) -> impl Iterator<Item = (SessionHandle, u32)> {
        let all = (*tag, SessionHandle(0), 0)..=(*tag, SessionHandle(u64::MAX), u32::MAX);
        let found = self.tags.range(all).map(|(_, session, index)| (*session, *index));
        found.filter(|(session, _)| !self.is_leaving(*session))
    }

    /// Whose session it is.
    pub(crate) fn name(&self, session: SessionHandle) -> Option<SessionName> {
        self.sessions.get(&session).map(|inbound| inbound.name)
    }

    /// The room that it is for; `None` of a direct conversation.
    pub(crate) fn room(&self, session: SessionHandle) -> Option<RoomId> {
        self.sessions.get(&session).and_then(|inbound| inbound.room)
    }

    /// What acknowledges the parts of files that its messages announce.
    pub(crate) fn part_acks(&self, session: SessionHandle) -> Option<PartAcks> {
        self.sessions.get(&session).map(|inbound| inbound.session.part_acks())
    }

    /// Opens a message. Once it has opened it can't be opened again.
    pub(crate) fn open(
        &mut self,
        (session, index): (SessionHandle, u32),
        id: &EnvelopeId,
        header: &Header,
        content: &[u8],
    ) -> Result<Option<Decrypted>, SessionError> {
        let Some(inbound) = self.sessions.get_mut(&session) else { return Ok(None) };
        let decrypted = inbound.session.open(index, id, header, content)?;
        inbound.received |= 1 << (index % SESSION_MESSAGES_MAX);
        inbound.session.advance_to(inbound.received.trailing_ones());
        self.dirty.insert(session);
        if let Some(tag) = header.tag(content) {
            self.tags.remove(&(tag, session, index));
        }
        Ok(Some(decrypted))
    }

    /// Makes room for another session of a contact's device. Of too many those go of which all was
    /// received, then the oldest: who makes too many loses only their own.
    pub(crate) fn make_room(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        device: &DeviceId,
    ) -> Result<(), StoreError> {
        // Counted only when it could matter.
        if self.sessions.len() < INBOUND_SESSIONS_PER_DEVICE_MAX {
            return Ok(());
        }
        let order = |(handle, inbound): (SessionHandle, &Inbound)| (!inbound.is_spent(), handle);
        let mut all: Vec<_> = self.of(identity).map(order).collect();
        let of_device = self.of(identity).filter(|(_, inbound)| inbound.name.device == *device);
        let mut of_device: Vec<_> = of_device.map(order).collect();
        let is_full = of_device.len() >= INBOUND_SESSIONS_PER_DEVICE_MAX;
        let candidates = if is_full {
            &mut of_device
        } else if all.len() >= INBOUND_SESSIONS_PER_CONTACT_MAX {
            &mut all
        } else {
            return Ok(());
        };
        candidates.sort_unstable();
        let spent = candidates.iter().filter(|(is_open, _)| !is_open).count();
        for (_, handle) in candidates.drain(..spent.max(1)) {
            self.forget(records, handle)?;
        }
        Ok(())
    }

    /// The sender is no contact any more: nothing of their sessions is recognized from now on. They are to be
    /// parked by [`Self::park`].
    pub(crate) fn leave(&mut self, identity: IdentityId) {
        self.leaving.insert(identity);
    }

    fn is_leaving(&self, session: SessionHandle) -> bool {
        let is_of = |inbound: &Inbound| {
            inbound.room.is_none() && self.leaving.contains(&inbound.name.identity)
        };
        !self.leaving.is_empty() && self.sessions.get(&session).is_some_and(is_of)
    }

    /// Parks at most `max` sessions of who is no contact any more; how many. With fewer than `max` all are. They are
    /// kept for as long as any, since who is added again goes on in them. What was received in full goes at once.
    pub(crate) fn park(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
        max: usize,
    ) -> Result<usize, StoreError> {
        let open = self.open_of(identity).map(|(handle, _)| handle).take(max);
        let open: Vec<_> = open.collect();
        let parked = open.len();
        for handle in open {
            let Some(inbound) = self.sessions.get_mut(&handle) else { continue };
            if inbound.is_spent() {
                self.forget(records, handle)?;
                continue;
            }
            for (index, tag) in inbound.session.tags() {
                self.tags.remove(&(tag, handle, index));
            }
            inbound.is_parked = true;
            self.dirty.insert(handle);
        }
        if parked < max {
            self.leaving.remove(identity);
        }
        Ok(parked)
    }

    /// The sender is a contact again: their sessions open what comes. Returns the tags of that.
    pub(crate) fn unpark(&mut self, identity: &IdentityId) -> Vec<Tag> {
        let was_leaving = self.leaving.remove(identity);
        let is_back =
            |inbound: &Inbound| inbound.room.is_none() && (inbound.is_parked || was_leaving);
        let parked = self.of(identity).filter(|(_, inbound)| is_back(inbound));
        let mut tags = Vec::new();
        for handle in parked.map(|(handle, _)| handle).collect::<Vec<_>>() {
            let Some(inbound) = self.sessions.get_mut(&handle) else { continue };
            inbound.is_parked = false;
            for (index, tag) in inbound.awaited() {
                self.tags.insert((tag, handle, index));
                tags.push(tag);
            }
            self.dirty.insert(handle);
        }
        tags
    }

    /// Forgets sessions of which all was received, those whose key surely came so long ago that all their envelopes have ended, and
    /// those of rooms that the user forgot: at most `max`; how many.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
        max: usize,
        is_known: impl Fn(&RoomId) -> bool,
    ) -> Result<usize, StoreError> {
        let is_old = |inbound: &Inbound| {
            inbound.is_spent()
                || sure.since(inbound.received_at) > LIFE
                || inbound.room.is_some_and(|room| !is_known(&room))
        };
        let old = self.sessions.iter().filter(|(_, inbound)| is_old(inbound));
        let old: Vec<_> = old.map(|(handle, _)| *handle).take(max).collect();
        let forgotten = old.len();
        old.into_iter().try_for_each(|handle| self.forget(records, handle))?;
        Ok(forgotten)
    }

    /// Forgets the sessions of `identity` that open something.
    pub(crate) fn forget_all_of(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let all: Vec<_> = self.open_of(identity).map(|(handle, _)| handle).collect();
        all.into_iter().try_for_each(|handle| self.forget(records, handle))
    }

    /// Those of direct conversations.
    fn open_of(&self, identity: &IdentityId) -> impl Iterator<Item = (SessionHandle, &Inbound)> {
        self.of(identity).filter(|(_, inbound)| !inbound.is_parked && inbound.room.is_none())
    }

    fn of(&self, identity: &IdentityId) -> impl Iterator<Item = (SessionHandle, &Inbound)> {
        let lowest = DeviceId([0; 32]);
        let first = SessionName { identity: *identity, device: lowest, id: SessionId([0; 32]) };
        let all = self.names.range(first..).take_while(|(name, _)| name.identity == *identity);
        all.filter_map(|(_, handle)| Some((*handle, self.sessions.get(handle)?)))
    }

    fn forget(&mut self, records: &mut VaultTxn, handle: SessionHandle) -> Result<(), StoreError> {
        let Some(inbound) = self.sessions.remove(&handle) else { return Ok(()) };
        for (index, tag) in inbound.session.tags() {
            self.tags.remove(&(tag, handle, index));
        }
        self.names.remove(&inbound.name);
        self.dirty.remove(&handle);
        records.delete(&INBOUND_SESSIONS, Key::Named(&inbound.name.to_bytes()))?;
        Ok(())
    }
}

/// The room that a session is for, if it is not for the direct conversation with its sender.
fn room_of(own: &IdentityId, name: &SessionName, session: &InboundSession) -> Option<RoomId> {
    let conversation = session.conversation();
    let is_direct = conversation == ConversationId::direct(own, &name.identity);
    (!is_direct).then_some(RoomId(conversation.0))
}

impl Inbound {
    /// The messages that may still come, if it opens anything.
    fn awaited(&self) -> impl Iterator<Item = (u32, Tag)> {
        let open = |index: u32| self.received & (1 << (index % SESSION_MESSAGES_MAX)) == 0;
        self.session.tags().filter(move |(index, _)| !self.is_parked && open(*index))
    }

    fn is_spent(&self) -> bool {
        self.received == u128::MAX
    }
}

impl SessionName {
    fn to_bytes(self) -> Vec<u8> {
        [self.identity.0, self.device.0, self.id.0].concat()
    }
}

#[cfg(test)]
mod tests;

//! Sessions that others write to this device with, and the tags of their messages.
//!
//! A session is known by its sender's identity and device and by its id. The id alone doesn't tell it from
//! another: it is the Megolm public key, and whoever was granted a session can grant its key again as if it
//! were their own. For the same reason a tag may be that of several sessions, since its key can be copied or
//! chosen: each is tried until one opens.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use martlet_protocol::crypto::session::{Decrypted, InboundSession, SessionError};
use martlet_protocol::limits::SESSION_MESSAGES_MAX;
use martlet_protocol::{DeviceId, EnvelopeId, Header, IdentityId, SessionId, Tag, UnixMillis};
use martlet_store::records::{INBOUND_SESSIONS, InboundRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

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
}

struct Inbound {
    name: SessionName,
    session: InboundSession,
    received_at: UnixMillis,
    /// Bit `n`: message `n` was received.
    received: u128,
}

impl InboundSessions {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut inbound = Self::default();
        let mut sessions = Vec::new();
        for record in records.scan(&INBOUND_SESSIONS)? {
            let session = InboundSession::from_record(&record.session)
                .map_err(|_| StoreError::Record { table: INBOUND_SESSIONS.name() })?;
            let received = u128::from_le_bytes(record.received);
            let InboundRecord { id, identity, device, received_at, .. } = record;
            let name = SessionName { identity, device, id };
            sessions.push(Inbound { name, session, received_at, received });
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
            };
            records.put(&INBOUND_SESSIONS, Key::Named(&inbound.name.to_bytes()), &record)?;
        }
        Ok(())
    }

    fn insert(&mut self, inbound: Inbound) -> SessionHandle {
        self.last += 1;
        let handle = SessionHandle(self.last);
        let open = inbound.session.tags().filter(|(index, _)| !inbound.has_received(*index));
        self.tags.extend(open.map(|(index, tag)| (tag, handle, index)));
        self.names.insert(inbound.name, handle);
        self.sessions.insert(handle, inbound);
        handle
    }

    /// Keeps a session just granted; the tags of its messages.
    pub(crate) fn add(
        &mut self,
        name: SessionName,
        session: InboundSession,
        now: UnixMillis,
    ) -> Vec<Tag> {
        let tags = session.tags().map(|(_, tag)| tag).collect();
        let handle = self.insert(Inbound { name, session, received_at: now, received: 0 });
        self.dirty.insert(handle);
        tags
    }

    /// The tags of a session's messages; `None` if it isn't known.
    pub(crate) fn tags(&self, name: &SessionName) -> Option<Vec<Tag>> {
        let session = &self.sessions.get(self.names.get(name)?)?.session;
        Some(session.tags().map(|(_, tag)| tag).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions of `identity`.
    pub(crate) fn count_of(&self, identity: &IdentityId) -> usize {
        self.of(identity).count()
    }

    /// The devices of `identity` that have sessions.
    pub(crate) fn devices_of(&self, identity: &IdentityId) -> impl Iterator<Item = DeviceId> {
        let sessions = self.of(identity).filter_map(|handle| self.sessions.get(&handle));
        sessions.map(|session| session.name.device)
    }

    /// Whether a message with this tag may still come.
    pub(crate) fn awaits(&self, tag: &Tag) -> bool {
        self.with_tag(tag).next().is_some()
    }

    /// The sessions that have this tag, and where it stands in each.
    pub(crate) fn with_tag(&self, tag: &Tag) -> impl Iterator<Item = (SessionHandle, u32)> {
        let all = (*tag, SessionHandle(0), 0)..=(*tag, SessionHandle(u64::MAX), u32::MAX);
        self.tags.range(all).map(|(_, session, index)| (*session, *index))
    }

    /// Whose session it is.
    pub(crate) fn name(&self, session: SessionHandle) -> Option<SessionName> {
        self.sessions.get(&session).map(|inbound| inbound.name)
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

    /// Forgets the session of `identity` whose key came first.
    pub(crate) fn forget_oldest_of(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        match self.of(identity).min() {
            Some(oldest) => self.forget(records, oldest),
            None => Ok(()),
        }
    }

    /// Forgets sessions of which all was received, and those whose key came longer than `life` ago.
    pub(crate) fn forget_old(
        &mut self,
        records: &mut VaultTxn,
        now: UnixMillis,
        life: std::time::Duration,
    ) -> Result<(), StoreError> {
        let is_old = |inbound: &Inbound| {
            inbound.received == u128::MAX || now.since(inbound.received_at) > life
        };
        let old = self.sessions.iter().filter(|(_, inbound)| is_old(inbound));
        let old: Vec<_> = old.map(|(handle, _)| *handle).collect();
        old.into_iter().try_for_each(|handle| self.forget(records, handle))
    }

    /// Forgets the sessions of `identity`.
    pub(crate) fn forget_all_of(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let all: Vec<_> = self.of(identity).collect();
        all.into_iter().try_for_each(|handle| self.forget(records, handle))
    }

    fn of(&self, identity: &IdentityId) -> impl Iterator<Item = SessionHandle> {
        let lowest = DeviceId([0; 32]);
        let first = SessionName { identity: *identity, device: lowest, id: SessionId([0; 32]) };
        let all = self.names.range(first..).take_while(|(name, _)| name.identity == *identity);
        all.map(|(_, handle)| *handle)
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

impl Inbound {
    fn has_received(&self, index: u32) -> bool {
        self.received & (1 << (index % SESSION_MESSAGES_MAX)) != 0
    }
}

impl SessionName {
    fn to_bytes(self) -> Vec<u8> {
        [self.identity.0, self.device.0, self.id.0].concat()
    }
}

//! Sessions that this device writes with, one for each conversation. A room stands among the identities by its id.

use std::collections::{HashMap, HashSet};

use crate::limits::SESSION_AGE_MAX;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::session::{OutboundSession, PartSlots, SessionError};
use martlet_protocol::limits::CLOCK_SKEW_MAX;
use martlet_protocol::{AckSecret, DeviceId, EnvelopeId, IdentityId, UnixMillis};
use martlet_store::records::{OUTBOUND_SESSIONS, OutboundRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// Sessions that this device writes with.
#[derive(Default)]
pub(crate) struct OutboundSessions {
    sessions: HashMap<IdentityId, Outbound>,
    dirty: HashSet<IdentityId>,
}

struct Outbound {
    session: OutboundSession,
    created_at: UnixMillis,
    /// The envelopes that carry its key.
    keys: Vec<EnvelopeId>,
    /// Whether it was in the vault when that was opened. The vault may be a copy, put back, of one that went on: each
    /// position of a session is used once, so nothing more is sealed with it.
    is_of_before: bool,
}

/// What a session made of a message.
pub(crate) struct Sealed {
    /// The envelope's content.
    pub(crate) content: Vec<u8>,
    /// The secrets of its slots.
    pub(crate) acks: Vec<AckSecret>,
}

impl OutboundSessions {
    pub(super) fn load(records: &VaultTxn) -> Result<Self, StoreError> {
        let mut outbound = Self::default();
        for record in records.scan(&OUTBOUND_SESSIONS)? {
            let session = OutboundSession::from_record(&record.session)
                .map_err(|_| StoreError::Record { table: OUTBOUND_SESSIONS.name() })?;
            let OutboundRecord { identity, created_at, keys, .. } = record;
            outbound
                .sessions
                .insert(identity, Outbound { session, created_at, keys, is_of_before: true });
        }
        Ok(outbound)
    }

    pub(super) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        for identity in std::mem::take(&mut self.dirty) {
            let Some(outbound) = self.sessions.get(&identity) else { continue };
            let record = OutboundRecord {
                identity,
                created_at: outbound.created_at,
                session: outbound.session.to_record().to_vec(),
                keys: outbound.keys.clone(),
            };
            records.put(&OUTBOUND_SESSIONS, Key::Named(&identity.0), &record)?;
        }
        Ok(())
    }

    /// Whether there is a session for `identity`.
    pub(crate) fn is_for(&self, identity: &IdentityId) -> bool {
        self.sessions.contains_key(identity)
    }

    /// Whether there is a session for exactly these devices, made since the vault was opened, neither used up nor too
    /// old, and not made in the future, by a clock that was wrong.
    pub(crate) fn is_current(
        &self,
        identity: &IdentityId,
        devices: &[DeviceId],
        now: UnixMillis,
    ) -> bool {
        self.sessions.get(identity).is_some_and(|outbound| {
            !outbound.is_of_before
                && !outbound.session.is_exhausted()
                && now.since(outbound.created_at) < SESSION_AGE_MAX
                && outbound.created_at <= now.plus(CLOCK_SKEW_MAX)
                && outbound.session.recipients().eq(devices.iter().copied())
        })
    }

    /// Writes to `identity` with this session from now on.
    pub(crate) fn begin(
        &mut self,
        identity: IdentityId,
        session: OutboundSession,
        created_at: UnixMillis,
    ) {
        let (keys, is_of_before) = (Vec::new(), false);
        self.sessions.insert(identity, Outbound { session, created_at, keys, is_of_before });
        self.dirty.insert(identity);
    }

    /// An envelope carries the key of the session with `identity`.
    pub(crate) fn add_key(&mut self, identity: &IdentityId, envelope: EnvelopeId) {
        if let Some(outbound) = self.sessions.get_mut(identity) {
            outbound.keys.push(envelope);
            self.dirty.insert(*identity);
        }
    }

    /// The envelopes that carry the key of the session with `identity`.
    pub(crate) fn keys(&self, identity: &IdentityId) -> &[EnvelopeId] {
        self.sessions.get(identity).map_or(&[], |outbound| &outbound.keys)
    }

    /// The content of the envelope that carries `data` to `identity`, and the secrets of its slots; `None` if there is no
    /// session.
    pub(crate) fn seal(
        &mut self,
        identity: &IdentityId,
        addressing: &Addressing,
        data: &[u8],
    ) -> Result<Option<Sealed>, SessionError> {
        let Some(outbound) = self.sessions.get_mut(identity) else { return Ok(None) };
        self.dirty.insert(*identity);
        let acks = outbound.session.next_ack_secrets();
        outbound.session.seal(addressing, data).map(|content| Some(Sealed { content, acks }))
    }

    /// What makes the slots of the parts of files that messages of the session with `identity` announce.
    pub(crate) fn part_slots(&self, identity: &IdentityId) -> Option<PartSlots> {
        self.sessions.get(identity).map(|outbound| outbound.session.part_slots())
    }

    /// Ends the session with `identity` in memory. [`Self::forget_ended`] deletes its record.
    pub(crate) fn leave(&mut self, identity: &IdentityId) {
        self.sessions.remove(identity);
        self.dirty.remove(identity);
    }

    /// Deletes what the vault has of a session that has ended. One that began since then stays.
    pub(crate) fn forget_ended(
        &self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        if !self.is_for(identity) {
            records.delete(&OUTBOUND_SESSIONS, Key::Named(&identity.0))?;
        }
        Ok(())
    }

    /// Ends the session with `identity`.
    pub(crate) fn end(
        &mut self,
        records: &mut VaultTxn,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        self.leave(identity);
        self.forget_ended(records, identity)
    }
}

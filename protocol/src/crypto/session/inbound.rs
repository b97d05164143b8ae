//! Someone else's session, as one of its recipients holds it.

use vodozemac::megolm::{
    InboundGroupSession, InboundGroupSessionPickle, MegolmMessage, SessionConfig,
};
use zeroize::Zeroizing;

use super::grant::SessionGrant;
use super::parts::PartAcks;
use super::{
    BINDING_BYTES, SessionContext, SessionError, SessionSecret, ack_secret, base_key, binding,
    secret, session_id, tag, unused_ack_secret,
};
use crate::ack::Ack;
use crate::codec;
use crate::crypto::body::{self, BodyError};
use crate::envelope::Header;
use crate::ids::{ConversationId, EnvelopeId, Tag};
use crate::limits::{BODY_BYTES_MAX, SESSION_MESSAGES_MAX};

/// Someone else's session, as one of its recipients holds it.
pub struct InboundSession {
    megolm: InboundGroupSession,
    context: SessionContext,
    /// `s` of the module's documentation.
    secret: SessionSecret,
    ack_key: SessionSecret,
    slot: u8,
    messages_max: u32,
}

/// A decrypted conversation envelope.
#[derive(Debug)]
pub struct Decrypted {
    /// What was sent.
    pub data: Zeroizing<Vec<u8>>,
    /// Acks to reveal once the data is on disk: the device's own slot and unused ones.
    pub acks: Vec<Ack>,
}

impl InboundSession {
    /// The session that `grant` opens, which came in a message of `context`.
    ///
    /// # Errors
    /// [`SessionError::Conversation`]; [`SessionError::Grant`] when its key is malformed or its
    /// bounds are exceeded.
    pub fn new(grant: &SessionGrant, context: SessionContext) -> Result<Self, SessionError> {
        if grant.conversation != context.conversation {
            return Err(SessionError::Conversation);
        }
        let key = grant.key()?;
        let megolm = InboundGroupSession::new(&key, SessionConfig::version_1());
        if grant.slot >= 8
            || grant.messages_max > SESSION_MESSAGES_MAX
            || megolm.first_known_index() >= grant.messages_max
        {
            return Err(SessionError::Grant);
        }
        Ok(Self {
            megolm,
            context,
            secret: secret(&grant.tag_key, &session_id(&key), &context),
            ack_key: grant.ack_key.clone(),
            slot: grant.slot,
            messages_max: grant.messages_max,
        })
    }

    /// The conversation that it is for.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.context.conversation
    }

    /// The tags of its messages that can still come, with their positions.
    pub fn tags(&self) -> impl Iterator<Item = (u32, Tag)> {
        (self.megolm.first_known_index()..self.messages_max)
            .map(|index| (index, tag(&self.secret, index)))
    }

    /// Opens the content of the envelope with the tag of `index`.
    ///
    /// # Errors
    /// [`SessionError`] for anything its sender would not have made.
    pub fn open(
        &mut self,
        index: u32,
        id: &EnvelopeId,
        header: &Header,
        content: &[u8],
    ) -> Result<Decrypted, SessionError> {
        let (header_bytes, body_bytes) =
            content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
        let bytes = body::open(&base_key(&self.secret), header_bytes, body_bytes)?;
        let message = MegolmMessage::from_bytes(&bytes).map_err(|_| SessionError::Decrypt)?;
        if message.message_index() != index {
            return Err(SessionError::Position);
        }
        let decrypted = self.megolm.decrypt(&message).map_err(|_| SessionError::Decrypt)?;
        let mut data = Zeroizing::new(decrypted.plaintext);
        if data.first_chunk() != Some(&binding(header_bytes, &self.context)) {
            return Err(SessionError::Binding);
        }
        data.drain(..BINDING_BYTES);

        let own = Ack { envelope: *id, slot: self.slot, secret: ack_secret(&self.ack_key, index) };
        let unused = (0..header.slots).filter(|slot| *slot != self.slot).map(|slot| Ack {
            envelope: *id,
            slot,
            secret: unused_ack_secret(&self.secret, index, slot),
        });
        let acks = std::iter::once(own)
            .chain(unused)
            .filter(|ack| header.verifies(content, ack))
            .collect();
        Ok(Decrypted { data, acks })
    }

    /// What acknowledges the parts of files that messages of this session announce.
    #[must_use]
    pub fn part_acks(&self) -> PartAcks {
        PartAcks { slot: self.slot, key: self.ack_key.clone() }
    }

    /// Forgets the keys of all positions before `index`: they were received, and can't be opened
    /// again from what is on disk from now on.
    pub fn advance_to(&mut self, index: u32) {
        if index > self.megolm.first_known_index() {
            self.megolm.advance_to(index);
        }
    }

    /// The session as a record for the vault.
    #[must_use]
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(&(
            &self.megolm.pickle(),
            &self.context,
            &self.secret,
            &self.ack_key,
            self.slot,
            self.messages_max,
        )))
    }

    /// The session in a record.
    ///
    /// # Errors
    /// [`SessionError::Codec`].
    pub fn from_record(bytes: &[u8]) -> Result<Self, SessionError> {
        let (pickle, context, secret, ack_key, slot, messages_max): (
            InboundGroupSessionPickle,
            _,
            _,
            _,
            _,
            _,
        ) = codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        let megolm = InboundGroupSession::from_pickle(pickle);
        Ok(Self { megolm, context, secret, ack_key, slot, messages_max })
    }
}

impl std::fmt::Debug for InboundSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InboundSession(…)")
    }
}

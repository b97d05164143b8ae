//! A session of this device's own.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use vodozemac::megolm::{GroupSession, GroupSessionPickle, SessionConfig};
use zeroize::Zeroizing;

use super::grant::SessionGrant;
use super::parts::PartSlots;
use super::{
    BINDING_BYTES, SessionContext, SessionError, SessionSecret, ack_secret, base_key, binding,
    secret, session_id, tag, unused_ack_secret,
};
use crate::ack::AckSecret;
use crate::codec;
use crate::crypto::{Addressing, body, slots_for};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::format::FormatInfo;
use crate::ids::{DeviceId, SessionId};
use crate::limits::{
    BODY_BYTES_MAX, SESSION_MESSAGES_MAX, SESSION_RECIPIENTS_MAX, SESSION_RECORD_BYTES_MAX,
};

/// A session of this device's own.
pub struct OutboundSession {
    megolm: GroupSession,
    context: SessionContext,
    tag_key: SessionSecret,
    /// `s` of the module's documentation.
    secret: SessionSecret,
    recipients: Vec<SessionRecipient>,
}

/// A device that reads a session.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRecipient {
    device: DeviceId,
    ack_key: SessionSecret,
}

impl OutboundSession {
    /// A new session of `context` that `recipients` will read.
    ///
    /// # Errors
    /// [`SessionError::Recipients`]; [`SessionError::Codec`] if vodozemac's format changed, which a
    /// test excludes.
    pub fn new(
        rng: &mut impl CryptoRng,
        context: SessionContext,
        recipients: &[DeviceId],
    ) -> Result<Self, SessionError> {
        let found = recipients.len();
        if !(1..=SESSION_RECIPIENTS_MAX).contains(&found) {
            return Err(SessionError::Recipients { found });
        }
        let megolm = megolm_from_rng(rng)?;
        let tag_key = SessionSecret::random(rng);
        Ok(Self {
            secret: secret(&tag_key, &session_id(&megolm.session_key()), &context),
            megolm,
            context,
            tag_key,
            recipients: recipients
                .iter()
                .map(|device| SessionRecipient {
                    device: *device,
                    ack_key: SessionSecret::random(rng),
                })
                .collect(),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        session_id(&self.megolm.session_key())
    }

    /// The devices that read it.
    pub fn recipients(&self) -> impl Iterator<Item = DeviceId> {
        self.recipients.iter().map(|recipient| recipient.device)
    }

    /// Messages sent with it.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.megolm.message_index()
    }

    /// Whether it has no message left.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.messages() >= SESSION_MESSAGES_MAX
    }

    /// What `device` is given to read it; `None` if the session isn't for it. To be made before
    /// the first message: Megolm's key only opens what follows.
    #[must_use]
    pub fn grant(&self, device: &DeviceId) -> Option<SessionGrant> {
        let at = self.recipients.iter().position(|recipient| recipient.device == *device)?;
        let (slot, ack_key) = match slots_for(self.recipients.len()) {
            Some(_) => (u8::try_from(at).ok()?, self.recipients[at].ack_key.clone()),
            // The one slot is nobody's.
            None => (0, SessionSecret::NONE),
        };
        Some(SessionGrant {
            format: FormatInfo::current(),
            conversation: self.context.conversation,
            megolm_key: self.megolm.session_key().to_bytes(),
            tag_key: self.tag_key.clone(),
            ack_key,
            slot,
            messages_max: SESSION_MESSAGES_MAX,
        })
    }

    /// The secrets of the next envelope's slots, in order. Who reveals them takes it back.
    #[must_use]
    pub fn next_ack_secrets(&self) -> Vec<AckSecret> {
        (0..self.slots()).map(|slot| self.slot_secret(self.megolm.message_index(), slot)).collect()
    }

    /// Slots of its envelopes. Of more devices than there may be slots none has one: with an ack of each of them every mailbox
    /// would have to keep as many commitments. Whoever writes can take back all the same.
    fn slots(&self) -> u8 {
        slots_for(self.recipients.len()).unwrap_or(1)
    }

    fn slot_secret(&self, index: u32, slot: u8) -> AckSecret {
        match self.recipients.get(usize::from(slot)) {
            Some(recipient) => ack_secret(&recipient.ack_key, index),
            None => unused_ack_secret(&self.secret, index, slot),
        }
    }

    /// What makes the slots of the parts of files that messages of this session announce.
    #[must_use]
    pub fn part_slots(&self) -> PartSlots {
        let keys = self.recipients.iter().take(usize::from(self.slots()));
        PartSlots { slots: self.slots(), keys: keys.map(|it| it.ack_key.clone()).collect() }
    }

    /// The content of the envelope that carries `data`. The session has advanced: it must be on
    /// disk before the envelope leaves.
    ///
    /// # Errors
    /// [`SessionError::Exhausted`], [`BodyError::TooLong`](body::BodyError::TooLong).
    pub fn seal(&mut self, addressing: &Addressing, data: &[u8]) -> Result<Vec<u8>, SessionError> {
        if self.is_exhausted() {
            return Err(SessionError::Exhausted);
        }
        let index = self.megolm.message_index();
        let slots = self.slots();
        let Addressing { network, shard, expiry } = *addressing;
        let mut header = Vec::with_capacity(PREFIX_BYTES + 16 + usize::from(slots) * 16 + 1024);
        header.extend_from_slice(&Header::encode_prefix(
            Kind::Conversation,
            network,
            shard,
            expiry,
            slots,
        ));
        header.extend_from_slice(&tag(&self.secret, index).0);
        for slot in 0..slots {
            header.extend_from_slice(&self.slot_secret(index, slot).commit().0);
        }
        let mut plaintext = Zeroizing::new(Vec::with_capacity(BINDING_BYTES + data.len()));
        plaintext.extend_from_slice(&binding(&header, &self.context));
        plaintext.extend_from_slice(data);
        let message = self.megolm.encrypt(&plaintext[..]);
        Ok(body::seal(&base_key(&self.secret), header, &message.to_bytes())?)
    }

    /// The session as a record for the vault.
    #[must_use]
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(&(
            &self.megolm.pickle(),
            &self.context,
            &self.tag_key,
            &self.recipients,
        )))
    }

    /// The session in a record.
    ///
    /// # Errors
    /// [`SessionError::Codec`].
    pub fn from_record(bytes: &[u8]) -> Result<Self, SessionError> {
        let (pickle, context, tag_key, recipients): (GroupSessionPickle, _, _, _) =
            codec::decode_lenient(bytes, SESSION_RECORD_BYTES_MAX)?;
        let megolm = GroupSession::from_pickle(pickle);
        let secret = secret(&tag_key, &session_id(&megolm.session_key()), &context);
        Ok(Self { megolm, context, tag_key, secret, recipients })
    }
}

impl std::fmt::Debug for OutboundSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutboundSession(…)")
    }
}

/// A Megolm session whose randomness is `rng`'s: vodozemac's own constructor draws from the
/// system, which would make a simulated network differ from run to run. This goes by the public
/// serialized form instead.
fn megolm_from_rng(rng: &mut impl CryptoRng) -> Result<GroupSession, SessionError> {
    #[derive(Serialize)]
    struct Ratchet<'a> {
        inner: &'a [u8],
        counter: u32,
    }
    #[derive(Serialize)]
    enum SecretKeys {
        Normal(#[serde(with = "serde_bytes")] [u8; 32]),
    }
    #[derive(Serialize)]
    struct Pickle<'a> {
        ratchet: Ratchet<'a>,
        signing_key: SecretKeys,
        config: SessionConfig,
    }
    let mut ratchet = Zeroizing::new(vec![0; 128]);
    rng.fill_bytes(&mut ratchet);
    let mut signing_key = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *signing_key);
    let pickle = Zeroizing::new(codec::encode(&Pickle {
        ratchet: Ratchet { inner: &ratchet, counter: 0 },
        signing_key: SecretKeys::Normal(*signing_key),
        config: SessionConfig::version_1(),
    }));
    let pickle: GroupSessionPickle = codec::decode_lenient(&pickle, BODY_BYTES_MAX)?;
    Ok(GroupSession::from_pickle(pickle))
}

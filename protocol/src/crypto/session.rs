//! Conversation sessions: Megolm (vodozemac) inside envelopes recognized by precomputed tags.
//!
//! Each sender device has an outbound session per conversation. With its Megolm key goes a tag key
//! `t` (32 random bytes) and, for each recipient device, an ack key (32 random bytes, only its
//! own). For message `i` of the session:
//!
//! ```text
//! s              = BLAKE3 derive_key("martlet 2026 session secret v2",
//!                    t ‖ session id ‖ sender identity ‖ sender device ‖ conversation)
//! tag            = trunc16(BLAKE3 keyed(s, "martlet session tag v2" ‖ i u32))
//! ack secret     = trunc16(BLAKE3 keyed(ack key, "martlet session ack v2" ‖ i u32))  of a used slot
//!                  trunc16(BLAKE3 keyed(s, "martlet session unused slot v2" ‖ i ‖ slot u8))
//!                                                                                  of an unused one
//! body base key  = BLAKE3 keyed(s, "martlet session body v2")
//! body data      = Megolm message, bytes; its plaintext is binding 32 ‖ data
//! binding        = BLAKE3 derive_key("martlet 2026 message binding v2",
//!                    BLAKE3(header) ‖ sender identity ‖ sender device ‖ conversation)
//! ```
//!
//! Megolm encrypts, ratchets and signs; the body around it hides Megolm's own header and length.
//! Every recipient can make another body with the same Megolm message in it, but not another
//! binding, which Megolm signs: in another header (a later expiry, another network) or conversation,
//! or as another sender's, it is refused. And since `s` holds the sender, as the signature on the
//! grant proves it, nobody can grant a session that has the tags of another's, or a bundle's.
//!
//! What a recipient device is given is the [`SessionGrant`], encoded `{0: [format](crate::format),
//! 1: conversation 32, 2: Megolm session key bytes, 3: tag key 32, 4: ack key 32, 5: slot u8,
//! 6: messages u32}`.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use vodozemac::megolm::{
    GroupSession, GroupSessionPickle, InboundGroupSession, InboundGroupSessionPickle,
    MegolmMessage, SessionConfig, SessionKey,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::body::{self, BaseKey, BodyError};
use super::{Addressing, slots_for};
use crate::ack::{Ack, AckSecret};
use crate::codec::{self, CodecError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::format::{self, FormatInfo};
use crate::ids::{ConversationId, DeviceId, EnvelopeId, IdentityId, SessionId, Tag};
use crate::limits::{BODY_BYTES_MAX, SESSION_MESSAGES_MAX};

/// Bytes of an exported Megolm session key.
const SESSION_KEY_BYTES_MAX: usize = 256;

/// Longest encoded grant, bytes: it has about 380, and room for extensions.
const GRANT_BYTES_MAX: usize = 1536;
/// Bytes before the data in a Megolm plaintext.
const BINDING_BYTES: usize = 32;
/// What tags, ack secrets and keys are derived for.
const TAG: &[u8] = b"martlet session tag v2";
const ACK: &[u8] = b"martlet session ack v2";
const UNUSED_ACK: &[u8] = b"martlet session unused slot v2";
const BODY: &[u8] = b"martlet session body v2";

/// Whose a session is, and of which conversation: bound into its tags and each of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionContext {
    /// The identity that writes in it.
    pub sender: IdentityId,
    /// Its device that does.
    pub device: DeviceId,
    /// The conversation that it is for.
    pub conversation: ConversationId,
}

/// A 32-byte secret of a session.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionSecret(#[serde(with = "serde_bytes")] [u8; 32]);

/// What a recipient device is given to read a session: the payload of a
/// [session-key message](crate::message::SessionKeyMessage).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionGrant {
    format: FormatInfo,
    /// The conversation that the session is for.
    conversation: ConversationId,
    /// The Megolm session key, at the session's first message.
    #[serde(with = "serde_bytes")]
    megolm_key: Vec<u8>,
    /// The tag key.
    tag_key: SessionSecret,
    /// The recipient device's ack key.
    ack_key: SessionSecret,
    /// The recipient device's slot in this session's envelopes.
    slot: u8,
    /// Messages the session has at most.
    messages_max: u32,
}

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

/// Why a session can't be made, or an envelope not be made or opened with it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// None, or more than eight.
    #[error("a session for {found} devices: must be 1 to 8")]
    Recipients {
        /// Devices given.
        found: usize,
    },
    /// All its messages were used.
    #[error("the session's {SESSION_MESSAGES_MAX} messages are used up")]
    Exhausted,
    /// The granted key is malformed or its bounds are.
    #[error("the session key is malformed")]
    Grant,
    /// The grant is for another conversation than the message that it came in.
    #[error("the session key is for another conversation than the message that it came in")]
    Conversation,
    /// Does not fit, or does not open.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Megolm refuses it: forged, changed, or of a position already passed.
    #[error("the message does not decrypt")]
    Decrypt,
    /// Signed for another position than its tag's.
    #[error("the message stands at another position than its tag says")]
    Position,
    /// Not made for this header, sender and conversation: wrapped anew by a recipient.
    #[error("the message is bound to another header, sender or conversation")]
    Binding,
    /// Its record is malformed.
    #[error("session record: {0}")]
    Codec(#[from] CodecError),
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
        slots_for(recipients.len()).ok_or(SessionError::Recipients { found: recipients.len() })?;
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
        let slot = self.recipients.iter().position(|recipient| recipient.device == *device)?;
        Some(SessionGrant {
            format: FormatInfo::current(),
            conversation: self.context.conversation,
            megolm_key: self.megolm.session_key().to_bytes(),
            tag_key: self.tag_key.clone(),
            ack_key: self.recipients[slot].ack_key.clone(),
            slot: u8::try_from(slot).ok()?,
            messages_max: SESSION_MESSAGES_MAX,
        })
    }

    /// The content of the envelope that carries `data`. The session has advanced: it must be on
    /// disk before the envelope leaves.
    ///
    /// # Errors
    /// [`SessionError::Exhausted`], [`BodyError::TooLong`].
    pub fn seal(&mut self, addressing: &Addressing, data: &[u8]) -> Result<Vec<u8>, SessionError> {
        if self.is_exhausted() {
            return Err(SessionError::Exhausted);
        }
        let index = self.megolm.message_index();
        let slots = slots_for(self.recipients.len())
            .ok_or(SessionError::Recipients { found: self.recipients.len() })?;
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
            let secret = match self.recipients.get(usize::from(slot)) {
                Some(recipient) => ack_secret(&recipient.ack_key, index),
                None => unused_ack_secret(&self.secret, index, slot),
            };
            header.extend_from_slice(&secret.commit().0);
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
            codec::decode(bytes, BODY_BYTES_MAX)?;
        let megolm = GroupSession::from_pickle(pickle);
        let secret = secret(&tag_key, &session_id(&megolm.session_key()), &context);
        Ok(Self { megolm, context, tag_key, secret, recipients })
    }
}

impl SessionGrant {
    /// Its bytes, as they stand in a [session-key message](crate::message::SessionKeyMessage).
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }

    /// Reads a grant.
    ///
    /// # Errors
    /// [`CodecError`]. What is in it is checked when the session is made.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        format::decode(bytes, GRANT_BYTES_MAX)
    }

    /// Its version, and what its maker can do.
    #[must_use]
    pub fn format(&self) -> &FormatInfo {
        &self.format
    }

    /// The conversation that the session is for.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// The session's id.
    ///
    /// # Errors
    /// [`SessionError::Grant`].
    pub fn id(&self) -> Result<SessionId, SessionError> {
        Ok(session_id(&self.key()?))
    }

    fn key(&self) -> Result<SessionKey, SessionError> {
        if self.megolm_key.len() > SESSION_KEY_BYTES_MAX {
            return Err(SessionError::Grant);
        }
        SessionKey::from_bytes(&self.megolm_key).map_err(|_| SessionError::Grant)
    }
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
        ) = codec::decode(bytes, BODY_BYTES_MAX)?;
        let megolm = InboundGroupSession::from_pickle(pickle);
        Ok(Self { megolm, context, secret, ack_key, slot, messages_max })
    }
}

impl SessionSecret {
    fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

impl std::fmt::Debug for SessionGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionGrant(…)")
    }
}

impl std::fmt::Debug for OutboundSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutboundSession(…)")
    }
}

impl std::fmt::Debug for InboundSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InboundSession(…)")
    }
}

impl Drop for SessionGrant {
    fn drop(&mut self) {
        self.megolm_key.zeroize();
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
    let pickle: GroupSessionPickle = codec::decode(&pickle, BODY_BYTES_MAX)?;
    Ok(GroupSession::from_pickle(pickle))
}

/// The Megolm session's Ed25519 public key: the 32 bytes before the signature that ends its key.
fn session_id(key: &SessionKey) -> SessionId {
    let bytes = Zeroizing::new(key.to_bytes());
    let end = bytes.len().saturating_sub(64);
    let mut id = [0; 32];
    id.copy_from_slice(&bytes[end - 32..end]);
    SessionId(id)
}

fn secret(tag_key: &SessionSecret, id: &SessionId, context: &SessionContext) -> SessionSecret {
    let SessionContext { sender, device, conversation } = context;
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 session secret v2");
    hasher.update(&tag_key.0).update(&id.0);
    hasher.update(&sender.0).update(&device.0).update(&conversation.0);
    SessionSecret(*hasher.finalize().as_bytes())
}

fn binding(header: &[u8], context: &SessionContext) -> [u8; BINDING_BYTES] {
    let SessionContext { sender, device, conversation } = context;
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 message binding v2");
    hasher.update(blake3::hash(header).as_bytes());
    hasher.update(&sender.0).update(&device.0).update(&conversation.0);
    *hasher.finalize().as_bytes()
}

fn tag(secret: &SessionSecret, index: u32) -> Tag {
    Tag(keyed16(secret, &[TAG, &index.to_be_bytes()]))
}

fn ack_secret(ack_key: &SessionSecret, index: u32) -> AckSecret {
    AckSecret(keyed16(ack_key, &[ACK, &index.to_be_bytes()]))
}

fn unused_ack_secret(secret: &SessionSecret, index: u32, slot: u8) -> AckSecret {
    AckSecret(keyed16(secret, &[UNUSED_ACK, &index.to_be_bytes(), &[slot]]))
}

fn base_key(secret: &SessionSecret) -> BaseKey {
    BaseKey(*blake3::keyed_hash(&secret.0, BODY).as_bytes())
}

fn keyed16(key: &SessionSecret, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    for part in parts {
        hasher.update(part);
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    out
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::envelope::Envelope;
    use crate::ids::{NetworkTag, Shard};
    use crate::time::ExpiryHour;

    const CONTEXT: SessionContext = SessionContext {
        sender: IdentityId([1; 32]),
        device: DeviceId([2; 32]),
        conversation: ConversationId([3; 32]),
    };

    fn addressing() -> Addressing {
        Addressing { network: NetworkTag::of("test"), shard: Shard(0), expiry: ExpiryHour(500_000) }
    }

    #[test]
    fn any_order_of_arrival_opens() -> Result<(), Box<dyn std::error::Error>> {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let device = DeviceId([7; 32]);
        let mut outbound = OutboundSession::new(&mut rng, CONTEXT, &[device])?;
        let grant = outbound.grant(&device).ok_or("no grant")?;
        let mut envelopes = Vec::new();
        for text in 0..SESSION_MESSAGES_MAX {
            outbound = OutboundSession::from_record(&outbound.to_record())?;
            envelopes.push(Envelope::new(outbound.seal(&addressing(), &text.to_be_bytes())?));
        }
        assert!(matches!(outbound.seal(&addressing(), b"more"), Err(SessionError::Exhausted)));

        let mut inbound = InboundSession::new(&grant, CONTEXT)?;
        let tags: std::collections::HashMap<Tag, u32> =
            inbound.tags().map(|(index, tag)| (tag, index)).collect();
        for envelope in envelopes.iter().rev() {
            let header = Header::parse(&envelope.content)?;
            let tag = header.tag(&envelope.content).ok_or("no tag")?;
            let index = tags[&tag];
            let opened = inbound.open(index, &envelope.id(), &header, &envelope.content)?;
            assert_eq!(opened.data.as_slice(), index.to_be_bytes());
            assert_eq!(opened.acks.len(), 1);
            assert!(header.verifies(&envelope.content, &opened.acks[0]));
            inbound = InboundSession::from_record(&inbound.to_record())?;
        }
        inbound.advance_to(5);
        let header = Header::parse(&envelopes[4].content)?;
        let closed = inbound.open(4, &envelopes[4].id(), &header, &envelopes[4].content);
        assert!(matches!(closed, Err(SessionError::Decrypt)));
        Ok(())
    }

    #[test]
    fn the_same_randomness_gives_the_same_session() -> Result<(), SessionError> {
        let device = DeviceId([7; 32]);
        let make =
            || OutboundSession::new(&mut ChaCha20Rng::from_seed([2; 32]), CONTEXT, &[device]);
        assert_eq!(make()?.to_record(), make()?.to_record());
        assert_ne!(
            make()?.id(),
            OutboundSession::new(&mut ChaCha20Rng::from_seed([3; 32]), CONTEXT, &[device])?.id()
        );
        Ok(())
    }
}

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
//! part's ack     = trunc16(BLAKE3 keyed(ack key, "martlet part ack v1" ‖ message id ‖ part u16))
//!                    of a used slot of a [part](crate::file::part) of the file that a message announces
//! (of a session for more than eight devices: one slot, and a secret that its sender alone has)
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

mod grant;
mod inbound;
mod outbound;
mod parts;
#[cfg(test)]
mod tests;

pub use grant::SessionGrant;
pub use inbound::{Decrypted, InboundSession};
pub use outbound::OutboundSession;
pub use parts::{PartAcks, PartSlots};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use vodozemac::megolm::SessionKey;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::body::{BaseKey, BodyError};
use crate::ack::AckSecret;
use crate::codec::CodecError;
use crate::ids::{ConversationId, DeviceId, IdentityId, MessageId, SessionId, Tag};
use crate::limits::{SESSION_MESSAGES_MAX, SESSION_RECIPIENTS_MAX};

/// Bytes before the data in a Megolm plaintext.
const BINDING_BYTES: usize = 32;
/// What tags, ack secrets and keys are derived for.
const TAG: &[u8] = b"martlet session tag v2";
const ACK: &[u8] = b"martlet session ack v2";
const UNUSED_ACK: &[u8] = b"martlet session unused slot v2";
const PART_ACK: &[u8] = b"martlet part ack v1";
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

/// Why a session can't be made, or an envelope not be made or opened with it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// None, or too many.
    #[error("a session for {found} devices: must be 1 to {SESSION_RECIPIENTS_MAX}")]
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

impl SessionSecret {
    /// Of a grant for a device that has no slot.
    const NONE: Self = Self([0; 32]);

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

fn part_ack_secret(ack_key: &SessionSecret, message: &MessageId, part: u16) -> AckSecret {
    AckSecret(keyed16(ack_key, &[PART_ACK, &message.0, &part.to_be_bytes()]))
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

//! To-device envelopes: to the devices of one identity, with no key shared before.
//!
//! A fresh content key is wrapped for each device with HPKE (RFC 9180, base mode: X-Wing,
//! HKDF-SHA256, ChaCha20-Poly1305) to its prekey of the day. `info` is `"martlet to-device key v2" ‖
//! header prefix 17 ‖ ephemeral key 32 ‖ key commitment 32 ‖ slot u8`. The slot's ack secret is the
//! HPKE context's export of `"martlet to-device ack v2"`: only sender and device know it.
//!
//! With `s = X25519(ephemeral, detection key) ‖ header prefix ‖ slot u8`:
//!
//! - `view tag = trunc8(BLAKE3(s))` lets a device see with one X25519 which slot is its own (after
//!   Monero's view tags);
//! - `prekey hint = trunc4(BLAKE3(s ‖ BLAKE3(prekey)))` tells it which of its prekeys opens the slot,
//!   so that no other is tried: what fits none costs hashes, and no decapsulation.
//!
//! Both are random to everyone else. `key commitment = BLAKE3(content key)` keeps one envelope from
//! opening differently for two devices. (Each BLAKE3 here is a `derive_key` with a context of its
//! own, but that of the prekey.)
//!
//! The body's data is `{0: certificate bytes, 1: signature 64, 2: message bytes}`, the message being
//! `{0: [format](crate::format), 1: conversation 32, 2: payload bytes}`. The device's signature
//! (Ed25519, verified strictly, before the message is read) is over
//!
//! ```text
//! "martlet to-device message v2" ‖ 0x00 ‖ network tag 8 ‖ sender identity 32 ‖ sender device 32 ‖
//! recipient identity 32 ‖ BLAKE3(header) 32 ‖ message
//! ```
//!
//! so who re-wraps a message for someone else, as someone else's, with a later expiry, in another
//! network or in another conversation breaks it.

mod keys;
mod open;
#[cfg(test)]
mod tests;

pub use keys::{DetectionSecret, PREKEY_BYTES, PrekeyPublic, PrekeySecret, PreparedPrekey};
pub use open::{Addressed, Opened, OpeningKeys, is_addressed_to, open, recognize};

use ed25519_dalek::Signer;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Kem, OpModeS, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::body::{self, BaseKey, BodyError};
use super::{Addressing, slots_for};
use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::envelope::{Header, Kind, PREFIX_BYTES, PREKEY_HINT_BYTES, VIEW_TAG_BYTES};
use crate::format::FormatInfo;
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{ConversationId, IdentityId, NetworkTag};
use crate::limits::BODY_BYTES_MAX;

/// What the wrapping of a content key is bound to.
const WRAP_CONTEXT: &[u8] = b"martlet to-device key v2";
/// What a message is signed under.
const SIGN_CONTEXT: &[u8] = b"martlet to-device message v2";
/// What the ack secret is exported under.
const ACK_EXPORT: &[u8] = b"martlet to-device ack v2";
/// A device to seal to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// Its newest prekey.
    pub prekey: &'a PrekeyPublic,
    /// Its detection key.
    pub detection: &'a [u8; 32],
}

/// Why an envelope could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// None, or more than eight.
    #[error("sealed to {found} devices: must be 1 to 8")]
    Recipients {
        /// Devices given.
        found: usize,
    },
    /// A prekey or detection key that isn't one.
    #[error("a device's published key is malformed")]
    Key,
    /// Addressed to this device, but to none of its prekeys: an old or lost one. (Or the slot is made
    /// up by who has the detection key from a bundle.)
    #[error("sealed to a prekey that this device no longer has")]
    NoPrekey,
    /// Addressed to this device and one of its prekeys, which does not open it: made up, or changed on
    /// the way.
    #[error("the wrapped key does not open with the prekey that it is for")]
    Unwrap,
    /// The content key is not the one committed to.
    #[error("the content key does not match its commitment")]
    Commitment,
    /// Does not fit, or does not open.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The inner structure is malformed.
    #[error("sealed body: {0}")]
    Codec(#[from] CodecError),
    /// The sender's certificate is not valid.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The sender's signature is not valid for this recipient, network and header.
    #[error("the sender's signature is not valid")]
    Signature,
    /// Not a to-device envelope.
    #[error("not a to-device envelope")]
    Kind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedBody {
    #[serde(with = "serde_bytes")]
    certificate: Vec<u8>,
    #[serde(with = "serde_bytes")]
    signature: [u8; 64],
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedMessage {
    format: FormatInfo,
    conversation: ConversationId,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

/// Seals `payload`, which is of `conversation`, to the devices of `identity`: the content of an
/// envelope.
///
/// # Errors
/// [`SealError::Recipients`], [`SealError::Key`], [`BodyError::TooLong`].
pub fn seal(
    rng: &mut impl CryptoRng,
    addressing: &Addressing,
    sender: &DeviceKeys,
    identity: &IdentityId,
    recipients: &[Recipient<'_>],
    conversation: &ConversationId,
    payload: &[u8],
) -> Result<Vec<u8>, SealError> {
    let slots =
        slots_for(recipients.len()).ok_or(SealError::Recipients { found: recipients.len() })?;
    let Addressing { network, shard, expiry } = *addressing;
    let prefix = Header::encode_prefix(Kind::ToDevice, network, shard, expiry, slots);

    let content_key = BaseKey(random_bytes(rng));
    let ephemeral = x25519_dalek::StaticSecret::from(random_bytes(rng));
    let ephemeral_public = x25519_dalek::PublicKey::from(&ephemeral);
    let commitment = commit(&content_key);

    let mut header = Vec::with_capacity(Kind::ToDevice.header_len(slots) + BODY_BYTES_MAX);
    header.extend_from_slice(&prefix);
    header.extend_from_slice(ephemeral_public.as_bytes());
    header.extend_from_slice(&commitment);
    for slot in 0..slots {
        let info = hpke_info(&prefix, ephemeral_public.as_bytes(), &commitment, slot);
        match recipients.get(usize::from(slot)) {
            Some(recipient) => {
                let shared =
                    ephemeral.diffie_hellman(&x25519_dalek::PublicKey::from(*recipient.detection));
                header.extend_from_slice(&view_tag(shared.as_bytes(), &prefix, slot));
                let hint = prekey_hint(shared.as_bytes(), &prefix, slot, &recipient.prekey.hash());
                header.extend_from_slice(&hint);
                wrap(rng, &recipient.prekey.key()?, &info, &content_key, None, &mut header)?;
            }
            None => {
                // A real wrapping, to a key nobody has: unused slots must look like used ones.
                let (_, nobody) = XWing::gen_keypair_with_rng(rng);
                header.extend_from_slice(&random_bytes::<{ VIEW_TAG_BYTES + PREKEY_HINT_BYTES }>(
                    rng,
                ));
                let secret = unused_ack_secret(&content_key, slot);
                wrap(rng, &nobody, &info, &content_key, Some(secret), &mut header)?;
            }
        }
    }

    let message = Zeroizing::new(codec::encode(&SignedMessage {
        format: FormatInfo::current(),
        conversation: *conversation,
        payload: payload.to_vec(),
    }));
    let signed = signed_bytes(&network, sender.certificate(), identity, &header, &message);
    let data = Zeroizing::new(codec::encode(&SealedBody {
        certificate: sender.certificate().as_bytes().to_vec(),
        signature: sender.signing_key().sign(&signed).to_bytes(),
        message: message.to_vec(),
    }));
    Ok(body::seal(&content_key, header, &data)?)
}

/// Appends `ack_commit ‖ encapsulation ‖ wrapped key`. The ack secret is the context's export,
/// unless the slot is unused and has one of its own.
fn wrap(
    rng: &mut impl CryptoRng,
    prekey: &<XWing as Kem>::PublicKey,
    info: &[u8],
    content_key: &BaseKey,
    unused: Option<AckSecret>,
    header: &mut Vec<u8>,
) -> Result<(), SealError> {
    let (encapsulation, mut context) = hpke::setup_sender_with_rng::<
        ChaCha20Poly1305,
        HkdfSha256,
        XWing,
    >(&OpModeS::Base, prekey, info, rng)
    .map_err(|_| SealError::Key)?;
    let mut exported = AckSecret([0; 16]);
    context.export(ACK_EXPORT, &mut exported.0).map_err(|_| SealError::Key)?;
    let wrapped = context.seal(&content_key.0, &[]).map_err(|_| SealError::Key)?;
    header.extend_from_slice(&unused.unwrap_or(exported).commit().0);
    header.extend_from_slice(&encapsulation.to_bytes());
    header.extend_from_slice(&wrapped);
    Ok(())
}

fn hpke_info(
    prefix: &[u8; PREFIX_BYTES],
    ephemeral: &[u8; 32],
    commitment: &[u8; 32],
    slot: u8,
) -> Vec<u8> {
    [WRAP_CONTEXT, prefix, ephemeral, commitment, &[slot]].concat()
}

/// All parts but the last have a fixed length, so no two messages have the same signed bytes.
fn signed_bytes(
    network: &NetworkTag,
    sender: &DeviceCertificate,
    recipient: &IdentityId,
    header: &[u8],
    message: &[u8],
) -> Zeroizing<Vec<u8>> {
    let header_hash = blake3::hash(header);
    Zeroizing::new(
        [
            SIGN_CONTEXT,
            &[0],
            &network.0,
            &sender.identity().0,
            &sender.device().0,
            &recipient.0,
            header_hash.as_bytes(),
            message,
        ]
        .concat(),
    )
}

fn view_tag(shared: &[u8; 32], prefix: &[u8; PREFIX_BYTES], slot: u8) -> [u8; VIEW_TAG_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 view tag v2");
    hasher.update(shared).update(prefix).update(&[slot]);
    first(&hasher)
}

fn prekey_hint(
    shared: &[u8; 32],
    prefix: &[u8; PREFIX_BYTES],
    slot: u8,
    prekey_hash: &[u8; 32],
) -> [u8; PREKEY_HINT_BYTES] {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 prekey hint v2");
    hasher.update(shared).update(prefix).update(&[slot]).update(prekey_hash);
    first(&hasher)
}

fn commit(content_key: &BaseKey) -> [u8; 32] {
    blake3::derive_key("martlet 2026 key commitment v2", &content_key.0)
}

fn unused_ack_secret(content_key: &BaseKey, slot: u8) -> AckSecret {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 unused slot v2");
    hasher.update(&content_key.0).update(&[slot]);
    AckSecret(first(&hasher))
}

fn first<const N: usize>(hasher: &blake3::Hasher) -> [u8; N] {
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn random_bytes<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

//! Recognizing a to-device envelope, which is cheap, and opening it, which is not.

use ed25519_dalek::Signature;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR};
use zeroize::Zeroizing;

use super::keys::{DetectionSecret, PrekeySecret, PreparedPrekey};
use super::{
    ACK_EXPORT, SealError, SealedBody, SignedMessage, commit, hpke_info, prekey_hint, signed_bytes,
    unused_ack_secret, view_tag,
};
use crate::ack::{Ack, AckSecret};
use crate::codec;
use crate::crypto::body::{self, BaseKey};
use crate::envelope::{
    ENCAPSULATION_BYTES, Header, Kind, PREFIX_BYTES, PREKEY_HINT_BYTES, SLOT_BYTES, VIEW_TAG_BYTES,
};
use crate::format::{self, FormatInfo};
use crate::identity::DeviceCertificate;
use crate::ids::{ConversationId, EnvelopeId, IdentityId};
use crate::limits::BODY_BYTES_MAX;

/// What a device opens with.
#[derive(Debug, Clone, Copy)]
pub struct OpeningKeys<'a> {
    /// The identity addressed.
    pub identity: &'a IdentityId,
    /// The device's detection key.
    pub detection: &'a DetectionSecret,
    /// Its prekeys that are kept, newest first.
    pub prekeys: &'a [PreparedPrekey],
}

/// An opened envelope.
#[derive(Debug)]
pub struct Opened {
    /// The sender's device, certified by its identity.
    pub certificate: DeviceCertificate,
    /// The version of the message, and what its maker can do.
    pub format: FormatInfo,
    /// The conversation it is in, as its sender says.
    pub conversation: ConversationId,
    /// What was sent.
    pub payload: Zeroizing<Vec<u8>>,
    /// Acks to reveal once the payload is on disk: the device's own slot and unused ones.
    pub acks: Vec<Ack>,
}

/// Whether a to-device envelope has a slot of the device with this detection key: one X25519, and
/// nothing is opened.
#[must_use]
pub fn is_addressed_to(header: &Header, content: &[u8], detection: &DetectionSecret) -> bool {
    Parts::of(header, content).is_ok_and(|parts| parts.find(detection).is_some())
}

/// The parts of a to-device envelope.
struct Parts<'a> {
    header_bytes: &'a [u8],
    body_bytes: &'a [u8],
    prefix: &'a [u8; PREFIX_BYTES],
    ephemeral: &'a [u8; 32],
    commitment: &'a [u8; 32],
    slots: &'a [u8],
}

/// A device's slot.
struct Slot<'a> {
    number: u8,
    hint: &'a [u8],
    /// The ack commitment and what follows it.
    rest: &'a [u8],
    /// X25519 of the ephemeral and the device's detection key.
    shared: x25519_dalek::SharedSecret,
}

impl<'a> Parts<'a> {
    fn of(header: &Header, content: &'a [u8]) -> Result<Self, SealError> {
        if header.kind != Kind::ToDevice || content.len() < header.len {
            return Err(SealError::Kind);
        }
        let (header_bytes, body_bytes) = content.split_at(header.len);
        let prefix = header_bytes.first_chunk().ok_or(SealError::Kind)?;
        let (ephemeral, rest) =
            header_bytes[PREFIX_BYTES..].split_first_chunk::<32>().ok_or(SealError::Kind)?;
        let (commitment, slots) = rest.split_first_chunk::<32>().ok_or(SealError::Kind)?;
        Ok(Self { header_bytes, body_bytes, prefix, ephemeral, commitment, slots })
    }

    /// The slot of the device with this detection key.
    fn find(&self, detection: &DetectionSecret) -> Option<Slot<'a>> {
        let detection = x25519_dalek::StaticSecret::from(detection.0);
        let shared = detection.diffie_hellman(&x25519_dalek::PublicKey::from(*self.ephemeral));
        if !shared.was_contributory() {
            return None;
        }
        let mut slots = (0u8..).zip(self.slots.chunks_exact(SLOT_BYTES));
        let (number, bytes) = slots.find(|(number, bytes)| {
            bytes[..VIEW_TAG_BYTES] == view_tag(shared.as_bytes(), self.prefix, *number)
        })?;
        let (hint, rest) = bytes[VIEW_TAG_BYTES..].split_at(PREKEY_HINT_BYTES);
        Some(Slot { number, hint, rest, shared })
    }
}

impl Slot<'_> {
    /// Whether its hint is that of a prekey.
    fn fits(&self, prekey: &PreparedPrekey, prefix: &[u8; PREFIX_BYTES]) -> bool {
        self.hint == prekey_hint(self.shared.as_bytes(), prefix, self.number, &prekey.public_hash)
    }
}

/// A to-device envelope that has a slot for this device, with a hint that fits one of its prekeys. To
/// find that out costs an X25519; to open it costs a decapsulation, which is ten times as much, and who
/// has the device's published keys can make such a slot of garbage.
pub struct Addressed<'a> {
    parts: Parts<'a>,
    slot: Slot<'a>,
    header: &'a Header,
    content: &'a [u8],
    keys: OpeningKeys<'a>,
}

/// Recognizes a to-device envelope; `None` if it is for someone else.
///
/// # Errors
/// [`SealError::Kind`], [`SealError::NoPrekey`].
pub fn recognize<'a>(
    header: &'a Header,
    content: &'a [u8],
    keys: &OpeningKeys<'a>,
) -> Result<Option<Addressed<'a>>, SealError> {
    let parts = Parts::of(header, content)?;
    let Some(slot) = parts.find(keys.detection) else { return Ok(None) };
    if !keys.prekeys.iter().any(|prekey| slot.fits(prekey, parts.prefix)) {
        return Err(SealError::NoPrekey);
    }
    Ok(Some(Addressed { parts, slot, header, content, keys: *keys }))
}

/// Opens the content of a to-device envelope; `None` if it is for someone else. [`recognize`], then
/// [`Addressed::open`].
///
/// # Errors
/// [`SealError`] when it is for this device but broken.
pub fn open(
    id: &EnvelopeId,
    header: &Header,
    content: &[u8],
    keys: &OpeningKeys<'_>,
) -> Result<Option<Opened>, SealError> {
    recognize(header, content, keys)?.map(|addressed| addressed.open(id)).transpose()
}

impl Addressed<'_> {
    /// Opens it.
    ///
    /// # Errors
    /// [`SealError`]: it is broken, or made up.
    pub fn open(&self, id: &EnvelopeId) -> Result<Opened, SealError> {
        let Self { parts, slot, header, content, keys } = self;
        let (content_key, ack) = unwrap(keys.prekeys, slot, parts)?;
        if commit(&content_key) != *parts.commitment {
            return Err(SealError::Commitment);
        }

        let data = body::open(&content_key, parts.header_bytes, parts.body_bytes)?;
        let SealedBody { certificate, signature, message } = codec::decode(&data, BODY_BYTES_MAX)?;
        let message = Zeroizing::new(message);
        let certificate = DeviceCertificate::from_bytes(&certificate)?;
        let signed = signed_bytes(
            &header.network,
            &certificate,
            keys.identity,
            parts.header_bytes,
            &message,
        );
        certificate
            .device_key()
            .verify_strict(&signed, &Signature::from_bytes(&signature))
            .map_err(|_| SealError::Signature)?;
        let SignedMessage { format, conversation, payload } =
            format::decode(&message, BODY_BYTES_MAX)?;
        let payload = Zeroizing::new(payload);

        let slot = slot.number;
        let mut acks = vec![Ack { envelope: *id, slot, secret: ack }];
        // A slot is unused exactly when its commitment opens with the derived secret.
        acks.extend((0..header.slots).filter(|other| *other != slot).filter_map(|other| {
            let ack =
                Ack { envelope: *id, slot: other, secret: unused_ack_secret(&content_key, other) };
            header.verifies(content, &ack).then_some(ack)
        }));
        Ok(Opened { certificate, format, conversation, payload, acks })
    }
}

impl std::fmt::Debug for Addressed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Addressed(…)")
    }
}

/// The content key and ack secret of a slot, by the prekey that its hint fits. (Two fit with
/// probability 2^-32.)
fn unwrap(
    prekeys: &[PreparedPrekey],
    slot: &Slot<'_>,
    parts: &Parts<'_>,
) -> Result<(BaseKey, AckSecret), SealError> {
    let info = hpke_info(parts.prefix, parts.ephemeral, parts.commitment, slot.number);
    prekeys
        .iter()
        .filter(|prekey| slot.fits(prekey, parts.prefix))
        .find_map(|prekey| decapsulate(&prekey.secret, &info, slot.rest))
        .ok_or(SealError::Unwrap)
}

/// The content key and ack secret in what follows a slot's hint, if `prekey` opens it.
fn decapsulate(prekey: &PrekeySecret, info: &[u8], rest: &[u8]) -> Option<(BaseKey, AckSecret)> {
    #[cfg(test)]
    super::tests::DECAPSULATIONS.set(super::tests::DECAPSULATIONS.get() + 1);
    let (encapsulation, wrapped) = rest.get(16..)?.split_at_checked(ENCAPSULATION_BYTES)?;
    let encapsulation = <XWing as Kem>::EncappedKey::from_bytes(encapsulation).ok()?;
    let mut context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &prekey.key()?,
        &encapsulation,
        info,
    )
    .ok()?;
    let opened = Zeroizing::new(context.open(wrapped, &[]).ok()?);
    let mut ack = AckSecret([0; 16]);
    context.export(ACK_EXPORT, &mut ack.0).ok()?;
    Some((BaseKey(opened.as_slice().try_into().ok()?), ack))
}

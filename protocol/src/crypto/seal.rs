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

use ed25519_dalek::{Signature, Signer};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::body::{self, BaseKey, BodyError};
use super::{Addressing, slots_for};
use crate::ack::{Ack, AckSecret};
use crate::codec::{self, CodecError};
use crate::envelope::{
    ENCAPSULATION_BYTES, Header, Kind, PREFIX_BYTES, PREKEY_HINT_BYTES, SLOT_BYTES, VIEW_TAG_BYTES,
};
use crate::format::{self, FormatInfo};
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{ConversationId, EnvelopeId, IdentityId, NetworkTag};
use crate::limits::BODY_BYTES_MAX;

/// What the wrapping of a content key is bound to.
const WRAP_CONTEXT: &[u8] = b"martlet to-device key v2";
/// What a message is signed under.
const SIGN_CONTEXT: &[u8] = b"martlet to-device message v2";
/// What the ack secret is exported under.
const ACK_EXPORT: &[u8] = b"martlet to-device ack v2";
/// Bytes of an X-Wing public key.
pub const PREKEY_BYTES: usize = 1216;

/// The public half of a prekey: an X-Wing public key (draft-connolly-cfrg-xwing-kem).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrekeyPublic(#[serde(with = "serde_bytes")] Vec<u8>);

/// The private half of a prekey: an X-Wing seed.
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrekeySecret(#[serde(with = "serde_bytes")] [u8; 32]);

/// A prekey to open with: its private half, and what the hints of slots are compared with. Making it
/// is dear (it derives the public half), so it is made once for each prekey.
#[derive(Clone)]
pub struct PreparedPrekey {
    secret: PrekeySecret,
    public_hash: [u8; 32],
}

/// The private half of a device's detection key (X25519).
#[derive(Clone, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DetectionSecret(#[serde(with = "serde_bytes")] [u8; 32]);

/// A device to seal to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// Its newest prekey.
    pub prekey: &'a PrekeyPublic,
    /// Its detection key.
    pub detection: &'a [u8; 32],
}

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

impl PrekeyPublic {
    /// The public key in these bytes.
    ///
    /// # Errors
    /// [`SealError::Key`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealError> {
        let key = Self(bytes.to_vec());
        key.key()?;
        Ok(key)
    }

    /// Its 1216 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }

    fn key(&self) -> Result<<XWing as Kem>::PublicKey, SealError> {
        <XWing as Kem>::PublicKey::from_bytes(&self.0).map_err(|_| SealError::Key)
    }
}

impl PrekeySecret {
    /// A new prekey.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_bytes(rng))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PrekeyPublic {
        match self.key() {
            Some(key) => PrekeyPublic(XWing::sk_to_pk(&key).to_bytes().to_vec()),
            None => PrekeyPublic(Vec::new()),
        }
    }

    /// The prekey, made ready to open with.
    #[must_use]
    pub fn prepare(&self) -> PreparedPrekey {
        PreparedPrekey { secret: self.clone(), public_hash: self.public().hash() }
    }

    /// `None` never happens: every 32 bytes are an X-Wing seed.
    fn key(&self) -> Option<<XWing as Kem>::PrivateKey> {
        <XWing as Kem>::PrivateKey::from_bytes(&self.0).ok()
    }
}

impl DetectionSecret {
    /// A new detection key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(random_bytes(rng))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(self.0)).to_bytes()
    }
}

impl std::fmt::Debug for PrekeyPublic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrekeyPublic(…)")
    }
}

impl std::fmt::Debug for PrekeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrekeySecret(…)")
    }
}

impl std::fmt::Debug for Addressed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Addressed(…)")
    }
}

impl std::fmt::Debug for PreparedPrekey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PreparedPrekey(…)")
    }
}

impl std::fmt::Debug for DetectionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DetectionSecret(…)")
    }
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
    tests::DECAPSULATIONS.set(tests::DECAPSULATIONS.get() + 1);
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::envelope::Envelope;
    use crate::identity::RootKey;
    use crate::ids::Shard;
    use crate::time::{ExpiryHour, UnixMillis};

    thread_local! {
        /// Counted by [`decapsulate`].
        pub(super) static DECAPSULATIONS: Cell<usize> = const { Cell::new(0) };
    }

    /// Ada's device, and Bob's with nine prekeys.
    struct People {
        rng: ChaCha20Rng,
        sender_root: RootKey,
        sender: DeviceKeys,
        identity: IdentityId,
        prekeys: Vec<PrekeySecret>,
        detection: DetectionSecret,
    }

    impl People {
        fn new() -> Self {
            let mut rng = ChaCha20Rng::from_seed([1; 32]);
            let sender_root = RootKey::generate(&mut rng);
            let sender = DeviceKeys::generate(&mut rng, &sender_root, UnixMillis(5));
            let identity = RootKey::generate(&mut rng).identity();
            let prekeys = (0..9).map(|_| PrekeySecret::generate(&mut rng)).collect();
            let detection = DetectionSecret::generate(&mut rng);
            Self { rng, sender_root, sender, identity, prekeys, detection }
        }

        fn seal(&mut self, recipients: &[(PrekeyPublic, [u8; 32])]) -> Result<Vec<u8>, SealError> {
            let to = Addressing {
                network: NetworkTag::of("test"),
                shard: Shard(0),
                expiry: ExpiryHour(500_000),
            };
            let recipients: Vec<_> = recipients
                .iter()
                .map(|(prekey, detection)| Recipient { prekey, detection })
                .collect();
            let (sender, identity) = (&self.sender, &self.identity);
            let conversation = ConversationId::direct(identity, &self.sender_root.identity());
            seal(&mut self.rng, &to, sender, identity, &recipients, &conversation, b"hello")
        }
    }

    /// Opens `content`, and tells how many decapsulations that took.
    fn open_counted(
        content: &[u8],
        keys: &OpeningKeys<'_>,
    ) -> Result<(Result<Option<Opened>, SealError>, usize), crate::EnvelopeError> {
        let header = Header::parse(content)?;
        let before = DECAPSULATIONS.get();
        let opened = open(&Envelope::new(content.to_vec()).id(), &header, content, keys);
        Ok((opened, DECAPSULATIONS.get() - before))
    }

    #[test]
    fn each_addressed_device_opens_and_nobody_else() -> Result<(), Box<dyn std::error::Error>> {
        let mut people = People::new();
        let devices: Vec<_> = (0..3)
            .map(|_| {
                let prekey = PrekeySecret::generate(&mut people.rng);
                (prekey, DetectionSecret::generate(&mut people.rng))
            })
            .collect();
        let publics: Vec<_> = devices.iter().map(|(p, d)| (p.public(), d.public())).collect();
        let envelope = Envelope::new(people.seal(&publics)?);
        let header = Header::parse(&envelope.content)?;
        assert_eq!(header.slots, 4);
        let identity = people.identity;

        for (prekey, detection) in &devices {
            let prekeys = [people.prekeys[0].prepare(), prekey.prepare()];
            let keys = OpeningKeys { identity: &identity, detection, prekeys: &prekeys };
            let opened =
                open(&envelope.id(), &header, &envelope.content, &keys)?.ok_or("not opened")?;
            assert_eq!(opened.payload.as_slice(), b"hello");
            assert_eq!(opened.certificate.identity(), people.sender_root.identity());
            // Its own slot and the unused fourth; not its siblings'.
            assert_eq!(opened.acks.len(), 2);
            assert!(opened.acks.iter().all(|ack| header.verifies(&envelope.content, ack)));

            let other = IdentityId([9; 32]);
            let keys = OpeningKeys { identity: &other, detection, prekeys: &prekeys };
            let redirected = open(&envelope.id(), &header, &envelope.content, &keys);
            assert!(matches!(redirected, Err(SealError::Signature)));
        }
        let stranger = DetectionSecret::generate(&mut people.rng);
        let keys = OpeningKeys { identity: &identity, detection: &stranger, prekeys: &[] };
        assert!(open(&envelope.id(), &header, &envelope.content, &keys)?.is_none());
        Ok(())
    }

    /// Whatever had a valid view tag was tried with every prekey: nine decapsulations, 2.2 ms, for 1 KiB
    /// of garbage.
    #[test]
    fn only_the_prekey_that_the_hint_fits_is_tried() -> Result<(), Box<dyn std::error::Error>> {
        let mut people = People::new();
        let detection = people.detection.clone();
        let secrets = people.prekeys.clone();
        let prepared: Vec<_> = secrets.iter().map(PrekeySecret::prepare).collect();
        let identity = people.identity;
        let keys = OpeningKeys { identity: &identity, detection: &detection, prekeys: &prepared };

        // The oldest as the newest: one decapsulation.
        for secret in &secrets {
            let content = people.seal(&[(secret.public(), detection.public())])?;
            let (opened, tried) = open_counted(&content, &keys)?;
            assert!(opened?.is_some());
            assert_eq!(tried, 1);
        }
        // A prekey that is gone, and a hint of someone who guesses: none.
        let gone = PrekeySecret::generate(&mut people.rng).public();
        let mut content = people.seal(&[(gone, detection.public())])?;
        for _ in 0..100 {
            let (opened, tried) = open_counted(&content, &keys)?;
            assert!(matches!(opened, Err(SealError::NoPrekey)));
            assert_eq!(tried, 0);
            people.rng.fill_bytes(&mut content[89..93]);
        }
        // Who made the envelope can have one tried, not more, and that is told from the above.
        let mut content = people.seal(&[(secrets[3].public(), detection.public())])?;
        content[200] ^= 1;
        let (opened, tried) = open_counted(&content, &keys)?;
        assert!(matches!(opened, Err(SealError::Unwrap)));
        assert_eq!(tried, 1);
        // Someone else's: none.
        let stranger = DetectionSecret::generate(&mut people.rng);
        let keys = OpeningKeys { identity: &identity, detection: &stranger, prekeys: &prepared };
        let (opened, tried) = open_counted(&content, &keys)?;
        assert!(opened?.is_none());
        assert_eq!(tried, 0);
        Ok(())
    }
}

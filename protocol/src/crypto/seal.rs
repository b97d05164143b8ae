//! To-device envelopes: to the devices of one identity, with no key shared before.
//!
//! A fresh content key is wrapped for each device with HPKE (RFC 9180, base mode: X-Wing,
//! HKDF-SHA256, ChaCha20-Poly1305) to its prekey of the day. `info` is
//! `"martlet to-device v1" ‖ header prefix 17 ‖ ephemeral key 32 ‖ key commitment 32 ‖ slot u8`.
//! The slot's ack secret is the HPKE context's export of `"ack"`: only sender and device know it.
//!
//! `view tag = trunc8(BLAKE3(X25519(ephemeral, detection key) ‖ header prefix ‖ slot u8))` lets a
//! device see with one X25519 which slot is its own (after Monero's view tags).
//! `key commitment = BLAKE3(content key)` keeps one envelope from opening differently for two
//! devices.
//!
//! The body's data is `{0: certificate bytes, 1: signature 64, 2: payload bytes}`. The device's
//! signature (Ed25519, verified strictly) is over
//! `"martlet to-device v1" ‖ network tag ‖ recipient identity ‖ BLAKE3(header) ‖ payload`: who
//! re-wraps a message for someone else breaks it.

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
use crate::envelope::{ENCAPSULATION_BYTES, Header, Kind, PREFIX_BYTES, SLOT_BYTES};
use crate::identity::{CertificateError, DeviceCertificate, DeviceKeys};
use crate::ids::{EnvelopeId, IdentityId};
use crate::limits::BODY_BYTES_MAX;

/// Names this construction wherever a key or signature is bound to it.
const CONTEXT: &[u8] = b"martlet to-device v1";
/// What the ack secret is exported under.
const ACK_EXPORT: &[u8] = b"ack";
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
    pub prekeys: &'a [PrekeySecret],
}

/// An opened envelope.
#[derive(Debug)]
pub struct Opened {
    /// The sender's device, certified by its identity.
    pub certificate: DeviceCertificate,
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
    /// Addressed to this device, but its key does not unwrap: an old or lost prekey.
    #[error("sealed to a prekey that this device no longer has")]
    NoPrekey,
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
    payload: Vec<u8>,
}

/// Seals `payload` to the devices of `identity`: the content of an envelope.
///
/// # Errors
/// [`SealError::Recipients`], [`SealError::Key`], [`BodyError::TooLong`].
pub fn seal(
    rng: &mut impl CryptoRng,
    addressing: &Addressing,
    sender: &DeviceKeys,
    identity: &IdentityId,
    recipients: &[Recipient<'_>],
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
                wrap(rng, &recipient.prekey.key()?, &info, &content_key, None, &mut header)?;
            }
            None => {
                // A real wrapping, to a key nobody has: unused slots must look like used ones.
                let (_, nobody) = XWing::gen_keypair_with_rng(rng);
                header.extend_from_slice(&random_bytes::<8>(rng));
                let secret = unused_ack_secret(&content_key, slot);
                wrap(rng, &nobody, &info, &content_key, Some(secret), &mut header)?;
            }
        }
    }

    let signature =
        sender.signing_key().sign(&signed_bytes(addressing, identity, &header, payload));
    let data = Zeroizing::new(codec::encode(&SealedBody {
        certificate: sender.certificate().as_bytes().to_vec(),
        signature: signature.to_bytes(),
        payload: payload.to_vec(),
    }));
    Ok(body::seal(&content_key, header, &data)?)
}

/// Whether a to-device envelope has a slot of the device with this detection key: one X25519, and
/// nothing is opened.
#[must_use]
pub fn is_addressed_to(header: &Header, content: &[u8], detection: &DetectionSecret) -> bool {
    Parts::of(header, content).is_ok_and(|parts| parts.slot_of(detection).is_some())
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

    /// The slot of the device with this detection key, and its number.
    fn slot_of(&self, detection: &DetectionSecret) -> Option<(u8, &'a [u8])> {
        let detection = x25519_dalek::StaticSecret::from(detection.0);
        let shared = detection.diffie_hellman(&x25519_dalek::PublicKey::from(*self.ephemeral));
        let mut slots = (0u8..).zip(self.slots.chunks_exact(SLOT_BYTES));
        slots.find(|(slot, bytes)| {
            shared.was_contributory()
                && bytes[..8] == view_tag(shared.as_bytes(), self.prefix, *slot)
        })
    }
}

/// Opens the content of a to-device envelope; `None` if it is for someone else.
///
/// # Errors
/// [`SealError`] when it is for this device but broken.
pub fn open(
    id: &EnvelopeId,
    header: &Header,
    content: &[u8],
    keys: &OpeningKeys<'_>,
) -> Result<Option<Opened>, SealError> {
    let parts = Parts::of(header, content)?;
    let Some((slot, slot_bytes)) = parts.slot_of(keys.detection) else { return Ok(None) };
    let Parts { header_bytes, body_bytes, prefix, ephemeral, commitment, .. } = parts;

    let info = hpke_info(prefix, ephemeral, commitment, slot);
    let (content_key, ack) = keys
        .prekeys
        .iter()
        .find_map(|prekey| unwrap(prekey, &info, slot_bytes))
        .ok_or(SealError::NoPrekey)?;
    if commit(&content_key) != *commitment {
        return Err(SealError::Commitment);
    }

    let data = body::open(&content_key, header_bytes, body_bytes)?;
    let inner: SealedBody = codec::decode(&data, BODY_BYTES_MAX)?;
    let payload = Zeroizing::new(inner.payload);
    let certificate = DeviceCertificate::from_bytes(&inner.certificate)?;
    let addressing =
        Addressing { network: header.network, shard: header.shard, expiry: header.expiry };
    certificate
        .device_key()
        .verify_strict(
            &signed_bytes(&addressing, keys.identity, header_bytes, &payload),
            &Signature::from_bytes(&inner.signature),
        )
        .map_err(|_| SealError::Signature)?;

    let mut acks = vec![Ack { envelope: *id, slot, secret: ack }];
    // A slot is unused exactly when its commitment opens with the derived secret.
    acks.extend((0..header.slots).filter(|other| *other != slot).filter_map(|other| {
        let ack =
            Ack { envelope: *id, slot: other, secret: unused_ack_secret(&content_key, other) };
        header.verifies(content, &ack).then_some(ack)
    }));
    Ok(Some(Opened { certificate, payload, acks }))
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

/// The content key and ack secret of a slot, if `prekey` opens it.
fn unwrap(prekey: &PrekeySecret, info: &[u8], slot: &[u8]) -> Option<(BaseKey, AckSecret)> {
    let (encapsulation, wrapped) = slot.get(24..)?.split_at_checked(ENCAPSULATION_BYTES)?;
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
    [CONTEXT, prefix, ephemeral, commitment, &[slot]].concat()
}

fn signed_bytes(
    addressing: &Addressing,
    recipient: &IdentityId,
    header: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header_hash = blake3::hash(header);
    [CONTEXT, &addressing.network.0, &recipient.0, header_hash.as_bytes(), payload].concat()
}

fn view_tag(shared: &[u8; 32], prefix: &[u8; PREFIX_BYTES], slot: u8) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 view tag v1");
    hasher.update(shared).update(prefix).update(&[slot]);
    let mut tag = [0; 8];
    tag.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    tag
}

fn commit(content_key: &BaseKey) -> [u8; 32] {
    blake3::derive_key("martlet 2026 key commitment v1", &content_key.0)
}

fn unused_ack_secret(content_key: &BaseKey, slot: u8) -> AckSecret {
    let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 unused slot v1");
    hasher.update(&content_key.0).update(&[slot]);
    let mut secret = AckSecret([0; 16]);
    secret.0.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    secret
}

fn random_bytes<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::envelope::Envelope;
    use crate::identity::RootKey;
    use crate::ids::{NetworkTag, Shard};
    use crate::time::{ExpiryHour, UnixMillis};

    #[test]
    fn each_addressed_device_opens_and_nobody_else() -> Result<(), Box<dyn std::error::Error>> {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let sender_root = RootKey::generate(&mut rng);
        let sender = DeviceKeys::generate(&mut rng, &sender_root, UnixMillis(5));
        let identity = RootKey::generate(&mut rng).identity();
        let devices: Vec<_> = (0..3)
            .map(|_| (PrekeySecret::generate(&mut rng), DetectionSecret::generate(&mut rng)))
            .collect();
        let publics: Vec<_> = devices.iter().map(|(p, d)| (p.public(), d.public())).collect();
        let recipients: Vec<_> =
            publics.iter().map(|(prekey, detection)| Recipient { prekey, detection }).collect();
        let addressing = Addressing {
            network: NetworkTag::of("test"),
            shard: Shard(0),
            expiry: ExpiryHour(500_000),
        };
        let content = seal(&mut rng, &addressing, &sender, &identity, &recipients, b"hello")?;
        let envelope = Envelope::new(content);
        let header = Header::parse(&envelope.content)?;
        assert_eq!(header.slots, 4);

        for (prekey, detection) in &devices {
            let prekeys = [PrekeySecret::generate(&mut rng), prekey.clone()];
            let keys = OpeningKeys { identity: &identity, detection, prekeys: &prekeys };
            let opened =
                open(&envelope.id(), &header, &envelope.content, &keys)?.ok_or("not opened")?;
            assert_eq!(opened.payload.as_slice(), b"hello");
            assert_eq!(opened.certificate.identity(), sender_root.identity());
            // Its own slot and the unused fourth; not its siblings'.
            assert_eq!(opened.acks.len(), 2);
            assert!(opened.acks.iter().all(|ack| header.verifies(&envelope.content, ack)));

            let other = IdentityId([9; 32]);
            let keys = OpeningKeys { identity: &other, detection, prekeys: &prekeys };
            let redirected = open(&envelope.id(), &header, &envelope.content, &keys);
            assert!(matches!(redirected, Err(SealError::Signature)));
        }
        let stranger = DetectionSecret::generate(&mut rng);
        let keys = OpeningKeys { identity: &identity, detection: &stranger, prekeys: &[] };
        assert!(open(&envelope.id(), &header, &envelope.content, &keys)?.is_none());
        Ok(())
    }
}

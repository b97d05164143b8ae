//! To-device envelopes made with primitives alone, as the module documents them: a second
//! implementation, and a sender that can be made to misbehave.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use martlet_protocol::codec;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::body::{self, BaseKey};
use martlet_protocol::crypto::seal::Recipient;
use martlet_protocol::identity::DeviceKeys;
use martlet_protocol::{ConversationId, Header, IdentityId, Kind};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

/// The header of an envelope for one device, and what is in its slot.
pub(crate) struct Opening {
    /// The encoded header.
    pub(crate) header: Vec<u8>,
    /// The content key that the slot wraps.
    pub(crate) content_key: [u8; 32],
}

/// What stands at the head of everything that is signed.
#[derive(Clone, Serialize)]
pub(crate) struct Format {
    pub(crate) version: u16,
    pub(crate) min_version: u16,
    pub(crate) features: u64,
    pub(crate) extensions: BTreeMap<u16, ByteBuf>,
}

impl Format {
    /// Version 2, without extensions.
    pub(crate) fn current() -> Self {
        Self { version: 2, min_version: 2, features: 0, extensions: BTreeMap::new() }
    }
}

/// The data of the body, as it is encoded before padding.
#[derive(Serialize)]
struct Data<'a> {
    certificate: &'a Bytes,
    signature: &'a Bytes,
    message: &'a Bytes,
}

/// The message in it.
#[derive(Serialize)]
struct Message<'a> {
    format: Format,
    conversation: ConversationId,
    payload: &'a Bytes,
}

/// A message, encoded.
pub(crate) fn message(format: Format, conversation: &ConversationId, payload: &[u8]) -> Vec<u8> {
    let payload = Bytes::new(payload);
    codec::encode(&Message { format, conversation: *conversation, payload })
}

impl Opening {
    /// A header for `recipient`. Its content key is `content_key`, what it commits to is
    /// `committed`: the same, if it is honest.
    pub(crate) fn new(
        to: &Addressing,
        recipient: &Recipient<'_>,
        content_key: [u8; 32],
        committed: [u8; 32],
    ) -> Self {
        let prefix = Header::encode_prefix(Kind::ToDevice, to.network, to.shard, to.expiry, 1);
        let ephemeral = x25519_dalek::StaticSecret::from([0x42; 32]);
        let ephemeral_public = x25519_dalek::PublicKey::from(&ephemeral);
        let commitment = blake3::derive_key("martlet 2026 key commitment v2", &committed);

        let shared = ephemeral.diffie_hellman(&x25519_dalek::PublicKey::from(*recipient.detection));
        let mut view_tag = blake3::Hasher::new_derive_key("martlet 2026 view tag v2");
        view_tag.update(shared.as_bytes()).update(&prefix).update(&[0]);
        let mut hint = blake3::Hasher::new_derive_key("martlet 2026 prekey hint v2");
        hint.update(shared.as_bytes()).update(&prefix).update(&[0]);
        hint.update(blake3::hash(recipient.prekey.as_bytes()).as_bytes());

        let public = <XWing as Kem>::PublicKey::from_bytes(recipient.prekey.as_bytes()).unwrap();
        let info = [
            b"martlet to-device key v2".as_slice(),
            &prefix,
            ephemeral_public.as_bytes(),
            &commitment,
            &[0],
        ]
        .concat();
        let (encapsulation, mut context) =
            hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
                &OpModeS::Base,
                &public,
                &info,
                &mut ChaCha20Rng::from_seed([0x43; 32]),
            )
            .unwrap();
        let mut ack_secret = [0; 16];
        context.export(b"martlet to-device ack v2", &mut ack_secret).unwrap();
        let wrapped = context.seal(&content_key, &[]).unwrap();

        let header = [
            prefix.as_slice(),
            ephemeral_public.as_bytes(),
            &commitment,
            &view_tag.finalize().as_bytes()[..8],
            &hint.finalize().as_bytes()[..4],
            &blake3::hash(&ack_secret).as_bytes()[..16],
            &encapsulation.to_bytes(),
            &wrapped,
        ]
        .concat();
        Self { header, content_key }
    }

    /// The content with these bytes as the body's data.
    pub(crate) fn content(&self, data: &[u8]) -> Vec<u8> {
        body::seal(&BaseKey(self.content_key), self.header.clone(), data).unwrap()
    }

    /// The body's data: `message` from `sender`, signed by `signer` for `recipient`.
    pub(crate) fn data(
        &self,
        to: &Addressing,
        sender: &DeviceKeys,
        signer: &SigningKey,
        recipient: &IdentityId,
        message: &[u8],
    ) -> Vec<u8> {
        let signed = [
            b"martlet to-device message v2\0".as_slice(),
            &to.network.0,
            &sender.certificate().identity().0,
            &sender.device().0,
            &recipient.0,
            blake3::hash(&self.header).as_bytes(),
            message,
        ]
        .concat();
        codec::encode(&Data {
            certificate: Bytes::new(sender.certificate().as_bytes()),
            signature: Bytes::new(&signer.sign(&signed).to_bytes()),
            message: Bytes::new(message),
        })
    }
}

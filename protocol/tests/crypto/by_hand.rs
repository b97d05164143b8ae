//! To-device envelopes made with primitives alone, as the module documents them: a second
//! implementation, and a sender that can be made to misbehave.

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
use martlet_protocol::{Header, IdentityId, Kind};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;
use serde_bytes::Bytes;

/// The header of an envelope for one device, and what is in its slot.
pub(crate) struct Opening {
    /// The encoded header.
    pub(crate) header: Vec<u8>,
    /// The content key that the slot wraps.
    pub(crate) content_key: [u8; 32],
}

/// The data of the body, as it is encoded before padding.
#[derive(Serialize)]
struct Data<'a> {
    certificate: &'a Bytes,
    signature: &'a Bytes,
    payload: &'a Bytes,
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
        let commitment = blake3::derive_key("martlet 2026 key commitment v1", &committed);

        let shared = ephemeral.diffie_hellman(&x25519_dalek::PublicKey::from(*recipient.detection));
        let mut view_tag = blake3::Hasher::new_derive_key("martlet 2026 view tag v1");
        view_tag.update(shared.as_bytes()).update(&prefix).update(&[0]);

        let public = <XWing as Kem>::PublicKey::from_bytes(recipient.prekey.as_bytes()).unwrap();
        let info = [
            b"martlet to-device v1".as_slice(),
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
        context.export(b"ack", &mut ack_secret).unwrap();
        let wrapped = context.seal(&content_key, &[]).unwrap();

        let header = [
            prefix.as_slice(),
            ephemeral_public.as_bytes(),
            &commitment,
            &view_tag.finalize().as_bytes()[..8],
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

    /// The body's data: `payload` from `sender`, signed by `signer` for `recipient`.
    pub(crate) fn data(
        &self,
        to: &Addressing,
        sender: &DeviceKeys,
        signer: &SigningKey,
        recipient: &IdentityId,
        payload: &[u8],
    ) -> Vec<u8> {
        let signed = [
            b"martlet to-device v1".as_slice(),
            &to.network.0,
            &recipient.0,
            blake3::hash(&self.header).as_bytes(),
            payload,
        ]
        .concat();
        codec::encode(&Data {
            certificate: Bytes::new(sender.certificate().as_bytes()),
            signature: Bytes::new(&signer.sign(&signed).to_bytes()),
            payload: Bytes::new(payload),
        })
    }
}

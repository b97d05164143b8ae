//! Signed bytes: what is verified is what was received, never a re-encoding.
//!
//! Encoded: `{0: payload bytes, 1: signature 64}`; the signature is over
//! `context ‖ 0x00 ‖ payload`.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    #[serde(with = "serde_bytes")]
    pub(crate) payload: Vec<u8>,
    #[serde(with = "serde_bytes")]
    signature: [u8; 64],
}

impl Signed {
    pub(crate) fn sign(context: &str, key: &SigningKey, payload: Vec<u8>) -> Self {
        let signature = key.sign(&signed_bytes(context, &payload)).to_bytes();
        Self { payload, signature }
    }

    pub(crate) fn decode(bytes: &[u8], max: usize) -> Result<Self, CodecError> {
        codec::decode(bytes, max)
    }

    pub(crate) fn is_by(&self, context: &str, key: &VerifyingKey) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&signed_bytes(context, &self.payload), &signature).is_ok()
    }
}

fn signed_bytes(context: &str, payload: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], payload].concat()
}

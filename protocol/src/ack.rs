//! Acks: a device proves to every node that it has committed an envelope to disk.
//!
//! For each slot of an envelope the sender chose a secret that only it and that device know, and
//! put `commit = trunc16(BLAKE3(secret))` into the header. The device reveals the secret; any node
//! checks it against the header it holds. When every slot is revealed the body is dropped.
//!
//! Encoded: `{0: envelope id 32, 1: slot u8, 2: secret 16}`, gossiped in batches of at most
//! [`crate::limits::ACKS_PER_BATCH_MAX`].

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::ids::EnvelopeId;

/// `trunc16(BLAKE3(secret))`, in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AckCommit(pub [u8; 16]);

/// What a device reveals to acknowledge one slot. Secret until then.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct AckSecret(pub [u8; 16]);

/// One revealed slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// The envelope acknowledged.
    pub envelope: EnvelopeId,
    /// Its slot, from 0.
    pub slot: u8,
    /// The slot's secret.
    pub secret: AckSecret,
}

impl AckSecret {
    /// The commitment that this secret opens.
    #[must_use]
    pub fn commit(&self) -> AckCommit {
        let mut commit = [0; 16];
        commit.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        AckCommit(commit)
    }
}

impl fmt::Debug for AckSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AckSecret(…)")
    }
}

impl Serialize for AckSecret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_bytes::Bytes::new(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AckSecret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<16>::deserialize(deserializer)
            .map(|bytes| Self(bytes.into_array()))
    }
}

//! Kind 21, to devices: the key of a session in a room.
//!
//! Payload: `{0: grant bytes, 1: suggested name or null, 2: {0: rendezvous secret 15, 1: reset at ms}, 3: [operation 32, …], 4:
//! digest 32, 5: lost since ms, if anything, 6: skips u64, if any}`. Further fields are ignored. The grant's encoding is in [`crate::crypto::session`]; the conversation that it names
//! is the [room's](crate::ids::RoomId::conversation). Name and secret are the sender's. The operations are the last ones that the
//! sender knows, at most 8 of them, and the digest is that of all: whoever lacks something asks for it by a
//! [hello](super::room_hello). Whoever says since when they lost what came is sent again what was sent in the room since, and told what
//! they lack of it. What the sender numbered up to *skips* was not for the recipient, who misses none of it.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, Zeroizing};

use super::room_hello::{Heads, HeadsBytes};
use crate::codec::{self, CodecError};
use crate::crypto::session::SessionGrant;
use crate::ids::Rendezvous;
use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 21;
/// Longest payload, bytes: it has about 750 at most, and room for extensions and fields to come.
pub const BYTES_MAX: usize = 3072;

/// The key of a session in a room.
#[derive(Debug, Clone)]
pub struct RoomKey {
    /// The key.
    pub grant: SessionGrant,
    /// The name the sender goes by: shown, as unverified, to who does not know the sender.
    pub suggested_name: Option<String>,
    /// By what the sender's bundles are found.
    pub rendezvous: Rendezvous,
    /// What the sender knows of the room.
    pub knows: Heads,
    /// The sender was put back from a copy: since when they lost what they had received, by their clock.
    pub lost_since: Option<UnixMillis>,
    /// Up to which number what the sender wrote in the room was not for the recipient.
    pub skips: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    grant: ByteBuf,
    suggested_name: Option<String>,
    rendezvous: Rendezvous,
    ops: HeadsBytes,
    #[serde(with = "serde_bytes")]
    digest: [u8; 32],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost_since: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skips: Option<u64>,
}

impl RoomKey {
    pub(super) fn encode(&self) -> Vec<u8> {
        let grant = ByteBuf::from(self.grant.encode().to_vec());
        let (suggested_name, rendezvous) = (self.suggested_name.clone(), self.rendezvous.clone());
        let Heads { ops, digest } = self.knows.clone();
        let (ops, lost_since, skips) = (HeadsBytes(ops), self.lost_since, self.skips);
        let mut fields =
            Fields { grant, suggested_name, rendezvous, ops, digest, lost_since, skips };
        let bytes = codec::encode(&fields);
        fields.grant.zeroize();
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let Fields { grant, suggested_name, rendezvous, ops, digest, lost_since, skips } =
            codec::decode_lenient(payload, BYTES_MAX)?;
        let grant = Zeroizing::new(grant.into_vec());
        let grant = SessionGrant::decode(&grant)?;
        let knows = Heads { ops: ops.0, digest };
        Ok(Self { grant, suggested_name, rendezvous, knows, lost_since, skips })
    }
}

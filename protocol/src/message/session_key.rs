//! Kind 2, to devices: the key of a conversation session.
//!
//! Payload: `{0: grant bytes, 1: suggested name or null, 2: {0: rendezvous secret 15, 1: reset at
//! ms}, 3: lost since ms, if anything, 4: invite secret 16, if anything}`; the grant's encoding is in [`crate::crypto::session`]. The conversation that the grant names
//! must be that of the message in which it comes. The secret is the sender's: by it their bundles are
//! found from now on. Whoever says since when they lost what came is written to in a new session, and is sent again
//! what was sent since. Whoever shows the secret of an [invite](crate::invite) of the recipient's is to be accepted.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, Zeroizing};

use crate::codec::{self, CodecError};
use crate::crypto::session::SessionGrant;
use crate::ids::Rendezvous;
use crate::invite::InviteSecret;
use crate::time::UnixMillis;

/// The kind's number.
pub const KIND: u16 = 2;
/// Longest payload, bytes: it has about 400, and room for extensions and fields to come.
pub const BYTES_MAX: usize = 2048;

/// The key of a conversation session.
#[derive(Debug, Clone)]
pub struct SessionKeyMessage {
    /// The key.
    pub grant: SessionGrant,
    /// The name the sender goes by: shown, as unverified, to who doesn't know the sender.
    pub suggested_name: Option<String>,
    /// By what the sender's bundles are found.
    pub rendezvous: Rendezvous,
    /// The sender was put back from a copy: since when they lost what they had received, session keys too, by their
    /// clock.
    pub lost_since: Option<UnixMillis>,
    /// The recipient invited the sender: what shows that.
    pub invite: Option<InviteSecret>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    grant: ByteBuf,
    suggested_name: Option<String>,
    rendezvous: Rendezvous,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost_since: Option<UnixMillis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invite: Option<InviteSecret>,
}

impl SessionKeyMessage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let grant = ByteBuf::from(self.grant.encode().to_vec());
        let (suggested_name, rendezvous) = (self.suggested_name.clone(), self.rendezvous.clone());
        let (lost_since, invite) = (self.lost_since, self.invite.clone());
        let mut fields = Fields { grant, suggested_name, rendezvous, lost_since, invite };
        let bytes = codec::encode(&fields);
        fields.grant.zeroize();
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        let Fields { grant, suggested_name, rendezvous, lost_since, invite } =
            codec::decode_lenient(payload, BYTES_MAX)?;
        let grant = Zeroizing::new(grant.into_vec());
        let grant = SessionGrant::decode(&grant)?;
        Ok(Self { grant, suggested_name, rendezvous, lost_since, invite })
    }
}

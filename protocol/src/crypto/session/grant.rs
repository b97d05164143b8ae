//! What a recipient device is given to read a session.

use serde::{Deserialize, Serialize};
use vodozemac::megolm::SessionKey;
use zeroize::{Zeroize, Zeroizing};

use super::{SessionError, SessionSecret, session_id};
use crate::codec::{self, CodecError};
use crate::format::{self, FormatInfo};
use crate::ids::{ConversationId, SessionId};

/// Bytes of an exported Megolm session key.
const SESSION_KEY_BYTES_MAX: usize = 256;

/// Longest encoded grant, bytes: it has about 380, and room for extensions.
const GRANT_BYTES_MAX: usize = 1536;

/// What a recipient device is given to read a session: the payload of a
/// [session-key message](crate::message::SessionKeyMessage).
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionGrant {
    pub(super) format: FormatInfo,
    /// The conversation that the session is for.
    pub(super) conversation: ConversationId,
    /// The Megolm session key, at the session's first message.
    #[serde(with = "serde_bytes")]
    pub(super) megolm_key: Vec<u8>,
    /// The tag key.
    pub(super) tag_key: SessionSecret,
    /// The recipient device's ack key.
    pub(super) ack_key: SessionSecret,
    /// The recipient device's slot in this session's envelopes.
    pub(super) slot: u8,
    /// Messages the session has at most.
    pub(super) messages_max: u32,
}

impl SessionGrant {
    /// Its bytes, as they stand in a [session-key message](crate::message::SessionKeyMessage).
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }

    /// Reads a grant.
    ///
    /// # Errors
    /// [`CodecError`]. What is in it is checked when the session is made.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        format::decode(bytes, GRANT_BYTES_MAX)
    }

    /// Its version, and what its maker can do.
    #[must_use]
    pub fn format(&self) -> &FormatInfo {
        &self.format
    }

    /// The conversation that the session is for.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// The session's id.
    ///
    /// # Errors
    /// [`SessionError::Grant`].
    pub fn id(&self) -> Result<SessionId, SessionError> {
        Ok(session_id(&self.key()?))
    }

    pub(super) fn key(&self) -> Result<SessionKey, SessionError> {
        if self.megolm_key.len() > SESSION_KEY_BYTES_MAX {
            return Err(SessionError::Grant);
        }
        SessionKey::from_bytes(&self.megolm_key).map_err(|_| SessionError::Grant)
    }
}

impl std::fmt::Debug for SessionGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionGrant(…)")
    }
}

impl Drop for SessionGrant {
    fn drop(&mut self) {
        self.megolm_key.zeroize();
    }
}

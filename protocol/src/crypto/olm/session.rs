//! A session from one device to another.

use vodozemac::olm::{
    DecryptionError, OlmMessage, Session, SessionConfig, SessionCreationError, SessionPickle,
};
use zeroize::Zeroizing;

use super::account::account;
use super::{Frame, OlmError, OlmKey, OlmSecret, Plain, Route};
use crate::codec;
use crate::limits::{BODY_BYTES_MAX, OLM_SESSION_BYTES_MAX};

/// A session of this device's with another.
pub struct OlmSession(Session);

/// The payload of a to-device message, read but not opened.
pub struct Incoming(OlmMessage);

/// The payload of a to-device message.
pub struct Outgoing {
    payload: Vec<u8>,
    sent: u64,
}

/// What a message that begins a session says of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begins {
    /// The session's id.
    pub session: String,
    /// The sender's identity key, as the message says.
    pub identity: [u8; 32],
    /// The recipient's key that it is begun with.
    pub key: [u8; 32],
}

impl Incoming {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`OlmError::Codec`], [`OlmError::Message`].
    pub fn decode(payload: &[u8]) -> Result<Self, OlmError> {
        let Frame { kind, message } = codec::decode(payload, BODY_BYTES_MAX)?;
        Ok(Self(OlmMessage::from_parts(usize::from(kind), &message)?))
    }

    /// What it says of the session that it begins; `None` if it goes on with one.
    #[must_use]
    pub fn begins(&self) -> Option<Begins> {
        match &self.0 {
            OlmMessage::PreKey(message) => Some(Begins {
                session: message.session_id(),
                identity: message.identity_key().to_bytes(),
                key: message.one_time_key().to_bytes(),
            }),
            OlmMessage::Normal(_) => None,
        }
    }
}

impl Outgoing {
    /// Its bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.payload
    }

    /// Messages of the chain that it is in, this one included: since the other side answered what was sent before.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

impl OlmSession {
    /// Begins a session with the device that has this identity key and this other one: its fallback key, or a one-time key.
    /// What is random of it is the system's.
    ///
    /// # Errors
    /// [`OlmError::Key`].
    pub fn begin(own: &OlmSecret, identity: &OlmKey, key: &OlmKey) -> Result<Self, OlmError> {
        account(own, None)?
            .create_outbound_session(SessionConfig::version_1(), identity.curve(), key.curve())
            .map(Self)
            .map_err(|_| OlmError::Key)
    }

    /// The session that a message begins with `key`, and what the message says. The same message gives a session each time: who
    /// keeps the session goes on with that.
    ///
    /// # Errors
    /// [`OlmError`].
    pub fn accept(
        own: &OlmSecret,
        key: &OlmSecret,
        route: &Route,
        incoming: &Incoming,
    ) -> Result<(Self, Plain), OlmError> {
        let OlmMessage::PreKey(message) = &incoming.0 else { return Err(OlmError::NoSession) };
        let created = account(own, Some(key))?.create_inbound_session(
            SessionConfig::version_1(),
            message.identity_key(),
            message,
        );
        let created = created.map_err(|error| match error {
            SessionCreationError::MissingOneTimeKey(_) => OlmError::NoKey,
            SessionCreationError::NonContributoryKey => OlmError::Key,
            SessionCreationError::Decryption(error) => of_decryption(&error),
            SessionCreationError::MismatchedIdentityKey(..)
            | SessionCreationError::MismatchedSessionConfig { .. } => OlmError::Decrypt,
        })?;
        let plaintext = Zeroizing::new(created.plaintext);
        Ok((Self(created.session), Plain::decode(&plaintext, route)?))
    }

    /// Its id: the same on both sides.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.session_id()
    }

    /// Whether the other side has used it: until then each message begins it once more.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.0.has_received_message()
    }

    /// The payload that carries `plain`. The session has advanced: it must be on disk before the payload leaves.
    ///
    /// # Errors
    /// [`OlmError::Key`]: the other side's ratchet key is none. The session is of no more use.
    pub fn encrypt(&mut self, route: &Route, plain: &Plain) -> Result<Outgoing, OlmError> {
        let encrypted = self.0.encrypt(&**plain.encode(route)).map_err(|_| OlmError::Key)?;
        let (kind, message) = encrypted.to_parts();
        let kind = u8::try_from(kind).map_err(|_| OlmError::Decrypt)?;
        let index = match &encrypted {
            OlmMessage::Normal(message) => message.chain_index(),
            OlmMessage::PreKey(message) => message.message().chain_index(),
        };
        let sent = index.saturating_add(1);
        Ok(Outgoing { payload: codec::encode(&Frame { kind, message }), sent })
    }

    /// What a message of this session says. The session has advanced.
    ///
    /// # Errors
    /// [`OlmError`]; then nothing of the session is to be kept.
    pub fn decrypt(&mut self, route: &Route, incoming: &Incoming) -> Result<Plain, OlmError> {
        let opened = self.0.decrypt(&incoming.0).map_err(|error| of_decryption(&error))?;
        Plain::decode(&Zeroizing::new(opened), route)
    }

    /// The session as a record for the vault.
    #[must_use]
    pub fn to_record(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode_named(&self.0.pickle()))
    }

    /// The session in a record.
    ///
    /// # Errors
    /// [`OlmError::Codec`].
    pub fn from_record(bytes: &[u8]) -> Result<Self, OlmError> {
        let pickle: SessionPickle = codec::decode_named(bytes, OLM_SESSION_BYTES_MAX)?;
        Ok(Self(Session::from_pickle(pickle)))
    }
}

fn of_decryption(error: &DecryptionError) -> OlmError {
    match error {
        DecryptionError::MissingMessageKey(_) => OlmError::KeyGone,
        DecryptionError::NonContributoryKey => OlmError::Key,
        DecryptionError::InvalidMAC(_)
        | DecryptionError::InvalidMACLength(..)
        | DecryptionError::InvalidPadding(_)
        | DecryptionError::TooBigMessageGap(..) => OlmError::Decrypt,
    }
}

impl std::fmt::Debug for OlmSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OlmSession(…)")
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outgoing(…)")
    }
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Incoming(…)")
    }
}

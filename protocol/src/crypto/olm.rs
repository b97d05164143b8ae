//! The ratchet inside to-device envelopes: Olm (vodozemac), from one device to another.
//!
//! What a to-device envelope carries is encrypted twice. The envelope's own key is wrapped to the recipient's X-Wing prekey of the
//! day, and inside is a message of an Olm session. Whoever records an envelope must break both to read it: the first heals
//! daily, with the next prekey, the second with each round trip.
//!
//! A device's Olm keys (X25519) follow from what it has anyway, so that they are kept, and deleted, with it:
//!
//! - identity key `= BLAKE3 derive_key("martlet 2026 olm identity v1", device key's seed)`;
//! - fallback key of a day `= BLAKE3 derive_key("martlet 2026 olm fallback v1", prekey's seed)`. It goes with that day's prekey.
//!
//! Both are in the [bundle](crate::bundle), and signed there. One-time keys are random. They are given in the sessions
//! themselves, so only their peer knows them.
//!
//! The payload of a to-device message is `{0: type u8, 1: Olm message bytes}`. Type 0 begins a session ("pre-key message"), type 1
//! goes on with one; the bytes are Olm's own, version 3. What is encrypted in it is `{0: binding 16, 1: message bytes, 2:
//! one-time keys, 32 bytes each}`, the last only where there are some, at most [`ONE_TIME_KEYS_MAX`]. The
//! [message](crate::message) is one to devices. With
//!
//! ```text
//! binding = trunc16(BLAKE3 derive_key("martlet 2026 olm binding v1",
//!                   sender identity 32 ‖ sender device 32 ‖ recipient identity 32 ‖ recipient device 32))
//! ```
//!
//! nobody passes another's message on as their own. An X25519 key with which everyone's secret is the same is refused wherever it
//! comes.

mod account;
mod keys;
mod session;
#[cfg(test)]
mod tests;

pub use keys::{OlmKey, OlmKeys, OlmSecret};
pub use session::{Begins, Incoming, OlmSession, Outgoing};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, IdentityId};
use crate::limits::BODY_BYTES_MAX;

/// One-time keys in one message, and given to one peer and not used yet: as many sessions are begun in a row only by who lost as
/// many.
pub const ONE_TIME_KEYS_MAX: usize = 5;
/// Bytes of a binding.
const BINDING_BYTES: usize = 16;

/// Why something could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum OlmError {
    /// Malformed.
    #[error("olm message: {0}")]
    Codec(#[from] CodecError),
    /// Not an Olm message.
    #[error("olm message: {0}")]
    Message(#[from] vodozemac::DecodeError),
    /// It begins a session with a key that this device does not have, or no more.
    #[error("olm message: it begins a session with a key that is gone")]
    NoKey,
    /// No session opens it.
    #[error("olm message: no session opens it")]
    NoSession,
    /// Its key was used, or given up because too many messages came before it.
    #[error("olm message: its key is gone")]
    KeyGone,
    /// It does not open.
    #[error("olm message: it does not open")]
    Decrypt,
    /// It is from another device, or for one.
    #[error("olm message: it was made by another device, or for one")]
    Binding,
    /// More one-time keys than fit, or bytes that are none.
    #[error("olm message: its one-time keys are malformed")]
    OneTimeKeys,
    /// A key with which everyone's secret is the same.
    #[error("an Olm key that is none")]
    Key,
}

/// From which device to which a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Whose device sends it.
    pub sender: (IdentityId, DeviceId),
    /// Whose device it is for.
    pub recipient: (IdentityId, DeviceId),
}

/// What is encrypted.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Plain {
    /// A message to devices, encoded.
    pub message: Vec<u8>,
    /// Keys with which the recipient may begin later sessions with the sender.
    #[zeroize(skip)]
    pub one_time_keys: Vec<OlmKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    kind: u8,
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
}

/// Fields are only ever added at the end.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Inner {
    #[serde(with = "serde_bytes")]
    binding: [u8; BINDING_BYTES],
    #[serde(with = "serde_bytes")]
    message: Vec<u8>,
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Vec::is_empty")]
    one_time_keys: Vec<u8>,
}

/// The payload that carries `message` in a session that its sender does not keep: the answer comes in another.
///
/// # Errors
/// [`OlmError`]; never with keys that were read.
pub fn once(
    own: &OlmSecret,
    route: &Route,
    to: &OlmKeys,
    message: Vec<u8>,
) -> Result<Vec<u8>, OlmError> {
    OlmSession::begin(own, &to.identity, &to.fallback)?
        .encrypt(route, &Plain::of(message))
        .map(Outgoing::into_bytes)
}

impl Route {
    fn binding(&self) -> [u8; BINDING_BYTES] {
        let mut hasher = blake3::Hasher::new_derive_key("martlet 2026 olm binding v1");
        for (identity, device) in [self.sender, self.recipient] {
            hasher.update(&identity.0).update(&device.0);
        }
        let mut binding = [0; BINDING_BYTES];
        hasher.finalize_xof().fill(&mut binding);
        binding
    }
}

impl Plain {
    /// A message, and no keys.
    #[must_use]
    pub fn of(message: Vec<u8>) -> Self {
        Self { message, one_time_keys: Vec::new() }
    }

    fn encode(&self, route: &Route) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(codec::encode(&Inner {
            binding: route.binding(),
            message: self.message.clone(),
            one_time_keys: self.one_time_keys.iter().flat_map(OlmKey::to_bytes).collect(),
        }))
    }

    fn decode(bytes: &[u8], route: &Route) -> Result<Self, OlmError> {
        let mut inner: Inner = codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        if inner.binding != route.binding() {
            return Err(OlmError::Binding);
        }
        let (keys, rest) = inner.one_time_keys.as_chunks::<32>();
        if !rest.is_empty() || keys.len() > ONE_TIME_KEYS_MAX {
            return Err(OlmError::OneTimeKeys);
        }
        let one_time_keys = keys.iter().map(|key| OlmKey::from_bytes(*key));
        let one_time_keys = one_time_keys.collect::<Result<_, _>>()?;
        Ok(Self { message: std::mem::take(&mut inner.message), one_time_keys })
    }
}

/// Hand-written: it may be a key.
impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plain({} bytes)", self.message.len())
    }
}

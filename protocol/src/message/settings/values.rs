//! What settings say. Each has a permanent number.
//!
//! | number | of | value |
//! | --- | --- | --- |
//! | 1 | an identity | [`Contact`]: that it is a contact |
//! | 2 | an identity | [`Verified`]: that the user compared safety numbers with it |
//! | 3 | an identity | [`Blocked`]: that it is blocked |
//! | 4 | an identity | [`Dropped`]: that its request was dropped |
//! | 5 | an identity | [`Manner`]: how the user wants the conversation with it |
//! | 6 | an identity | [`Note`]: what the user noted of it |
//! | 7 | nothing | [`Preferences`]: how the user wants all conversations |
//! | 8 | an identity | [`TimersSet`]: the timers of the conversation with it |
//!
//! Each value is a map from field number to value. Further fields are ignored.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::VALUE_BYTES_MAX;
use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, IdentityId, MessageId, Rendezvous};
use crate::time::UnixMillis;

/// What one setting says. An empty value says that there is none.
pub trait Value: Serialize + DeserializeOwned {
    /// Its number.
    const WHAT: u16;

    /// The value's bytes.
    #[must_use]
    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a value; `None` if it says that there is none.
    ///
    /// # Errors
    /// [`CodecError`].
    fn decode(bytes: &[u8]) -> Result<Option<Self>, CodecError> {
        match bytes {
            [] => Ok(None),
            bytes => codec::decode_lenient(bytes, VALUE_BYTES_MAX).map(Some),
        }
    }
}

/// `{0: name text, 1: rendezvous {0: secret, 1: reset at ms}, 2: added at ms}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The user's name for them.
    pub name: String,
    /// By what their bundles are found.
    pub rendezvous: Rendezvous,
    /// When they were added.
    pub added_at: UnixMillis,
}

/// `{0: at ms, 1: [device 32, …]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When the user compared safety numbers last.
    pub at: UnixMillis,
    /// The devices that the contact had then.
    pub devices: Vec<DeviceId>,
}

/// `{0: rendezvous {0: secret, 1: reset at ms}, 1: since ms}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The rest of their ID.
    pub rendezvous: Rendezvous,
    /// When they were blocked.
    pub since: UnixMillis,
}

/// `{0: at ms}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// When the request was dropped.
    pub at: UnixMillis,
}

/// `{0: muted, 1: pinned, 2: receipts or null, 3: typing or null}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Nobody is to be notified of it.
    pub is_muted: bool,
    /// It stands before all that are not pinned.
    pub is_pinned: bool,
    /// Whether read receipts go and are taken; `None` for what [`Preferences`] say.
    pub receipts: Option<bool>,
    /// The same of typing.
    pub typing: Option<bool>,
}

/// `{0: text}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the user noted.
    pub text: String,
}

/// `{0: receipts, 1: typing, 2: snippets, 3: strict devices}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Whether contacts are told what the user has read, and what they tell is taken.
    pub receipts: bool,
    /// The same of typing.
    pub typing: bool,
    /// Whether lists of conversations show the beginning of the newest message.
    pub snippets: bool,
    /// Whether messages to a verified contact wait once they have a device that the user has not confirmed.
    pub strict_devices: bool,
}

/// `{0: expire seconds or null, 1: burn seconds or null, 2: set at ms, 3: author 32, 4: message id 16}`: what the message
/// said that set them. Of several the one with the greatest (set at, author, message id) counts, whatever the settings'
/// stamps: so it is the one that counts for the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimersSet {
    /// From sending.
    pub expire_s: Option<u32>,
    /// From reading.
    pub burn_s: Option<u32>,
    /// When they were set, by the setter's clock.
    pub set_at: UnixMillis,
    /// Who set them.
    pub author: IdentityId,
    /// By which message.
    pub id: MessageId,
}

impl Value for Contact {
    const WHAT: u16 = 1;
}

impl Value for Verified {
    const WHAT: u16 = 2;
}

impl Value for Blocked {
    const WHAT: u16 = 3;
}

impl Value for Dropped {
    const WHAT: u16 = 4;
}

impl Value for Manner {
    const WHAT: u16 = 5;
}

impl Value for Note {
    const WHAT: u16 = 6;
}

impl Value for Preferences {
    const WHAT: u16 = 7;
}

impl Value for TimersSet {
    const WHAT: u16 = 8;
}

/// Hand-written: whom the user knows is nobody's business.
macro_rules! opaque_debug {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        })*
    };
}

opaque_debug!(Contact, Blocked, Note);

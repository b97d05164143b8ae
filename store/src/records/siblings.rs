//! The user's other devices, and what is the same on all of them.

use martlet_protocol::link::LinkSecret;
use martlet_protocol::message::{Payload, Setting, SettingKey, Stamp};
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

use super::{MessageRecord, Place};

/// See [`SIBLINGS`](super::SIBLINGS).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SiblingsRecord {
    /// The newest bundle of each, as received.
    pub bundles: Vec<serde_bytes::ByteBuf>,
    /// Those that were given all settings.
    pub given: Vec<DeviceId>,
}

/// See [`EARLY_COPIES`](super::EARLY_COPIES).
#[derive(Clone, Serialize, Deserialize)]
pub struct EarlyCopyRecord {
    /// With whom.
    pub conversation: IdentityId,
    /// When it was sent or read, by the clock of the device that tells.
    pub at: UnixMillis,
    /// What that device tells, as it came.
    pub deed: MessageRecord,
}

/// See [`UNTOLD_PROGRESS`](super::UNTOLD_PROGRESS). How far the message got is with the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UntoldProgressRecord {
    /// Where the message is.
    pub place: Place,
}

/// See [`LINK_OFFER`](super::LINK_OFFER).
#[derive(Clone, Serialize, Deserialize)]
pub struct LinkOfferRecord {
    /// The code's secret.
    pub secret: LinkSecret,
    /// Until when what is said of the code is of use.
    pub expires_at: UnixMillis,
}

/// See [`SHARED_SETTINGS`](super::SHARED_SETTINGS).
#[derive(Clone, Serialize, Deserialize)]
pub struct SharedSettingRecord {
    /// What it is about.
    pub key: SettingKey,
    /// What it says; empty if there is nothing.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
    /// When and where it was made.
    pub stamp: Stamp,
}

impl SharedSettingRecord {
    /// The record of a setting.
    #[must_use]
    pub fn of(setting: &Setting) -> Self {
        let Setting { key, value, stamp } = setting;
        Self { key: key.clone(), value: value.0.clone(), stamp: *stamp }
    }

    /// The setting of a record.
    #[must_use]
    pub fn into_setting(self) -> Setting {
        let Self { key, value, stamp } = self;
        Setting { key, value: Payload(value), stamp }
    }
}

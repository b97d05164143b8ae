//! The user's other devices, and what is the same on all of them.

use martlet_protocol::DeviceId;
use martlet_protocol::message::{Payload, Setting, SettingKey, Stamp};
use serde::{Deserialize, Serialize};

/// See [`SIBLINGS`](super::SIBLINGS).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SiblingsRecord {
    /// The newest bundle of each, as received.
    pub bundles: Vec<serde_bytes::ByteBuf>,
    /// Those that were given all settings.
    pub given: Vec<DeviceId>,
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

//! Kind 7, among the devices of one identity: settings, which are the same on all of them.
//!
//! Payload: `{0: [setting, …]}`, each `{0: what u16, 1: of bytes, 2: value bytes, 3: {0: ms u64, 1: count u32}, 4: device
//! 32}`. Further fields are ignored. A setting is known by the first two, its key. Of several with one key that with the
//! greatest (stamp, device) counts, whatever order they came in. The stamp is that of a [hybrid logical
//! clock](crate::hlc). An empty value says that there is none: a contact was removed, a block lifted.
//!
//! What a setting of a known number says is in [`values`]. One of an unknown number is kept, and passed on to devices that
//! may know it. A setting that breaks its bounds is left out, and those beside it count.

pub mod values;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::{MessageError, Payload};
use crate::codec;
use crate::hlc::Hlc;
use crate::ids::DeviceId;

/// The kind's number.
pub const KIND: u16 = 7;
/// Longest payload, bytes: with its wrapping it fits the 32 KiB rung, with room for fields to come.
pub const BYTES_MAX: usize = 28 * 1024;
/// Longest `of`, bytes: an identity, or a room's id and a name.
pub const OF_BYTES_MAX: usize = 128;
/// Longest value, bytes: the longest note about a contact, and room.
pub const VALUE_BYTES_MAX: usize = 4096 + 512;

/// Settings, as many as one message carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(pub Vec<Setting>);

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is about.
    pub key: SettingKey,
    /// What it says; empty if there is nothing.
    pub value: Payload,
    /// When it was made.
    pub stamp: Stamp,
}

/// What a setting is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SettingKey {
    /// The number of what it says, see [`values`].
    pub what: u16,
    /// Of whom or of what it says that; empty if there is one for all.
    #[serde(with = "serde_bytes")]
    pub of: Vec<u8>,
}

/// When and where a setting was made: of two the greater counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// When.
    pub hlc: Hlc,
    /// On which device.
    pub device: DeviceId,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    settings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    what: u16,
    #[serde(with = "serde_bytes")]
    of: Vec<u8>,
    #[serde(with = "serde_bytes")]
    value: Vec<u8>,
    hlc: Hlc,
    device: DeviceId,
}

impl Settings {
    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let settings = self.0.iter().map(|Setting { key, value, stamp }| Entry {
            what: key.what,
            of: key.of.clone(),
            value: value.0.clone(),
            hlc: stamp.hlc,
            device: stamp.device,
        });
        let mut fields = Fields { settings: settings.collect() };
        let bytes = codec::encode(&fields);
        fields.settings.iter_mut().for_each(|entry| entry.value.zeroize());
        bytes
    }

    /// Reads a payload. Settings that break their bounds are left out.
    ///
    /// # Errors
    /// [`MessageError::Codec`].
    pub fn decode(payload: &[u8]) -> Result<Self, MessageError> {
        let Fields { settings } = codec::decode_lenient(payload, BYTES_MAX)?;
        let settings = settings.into_iter().filter_map(|entry| {
            let Entry { what, of, value, hlc, device } = entry;
            let (key, stamp) = (SettingKey { what, of }, Stamp { hlc, device });
            Some(Setting { key, value: Payload(value), stamp }).filter(Setting::is_in_bounds)
        });
        // As many as this build would put into one message: it may pass them on.
        let mut bytes = 0;
        let fit = settings.take_while(|setting| {
            bytes += setting.encoded_bytes();
            bytes <= BYTES_MAX - 256
        });
        Ok(Self(fit.collect()))
    }
}

impl Setting {
    /// Bytes that it takes in a payload, at most.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        96 + self.key.of.len() + self.value.0.len()
    }

    /// Whether any message could carry it.
    #[must_use]
    pub fn is_in_bounds(&self) -> bool {
        self.key.of.len() <= OF_BYTES_MAX
            && self.value.0.len() <= VALUE_BYTES_MAX
            && self.stamp.hlc <= Hlc::LAST
    }
}

/// Hand-written: whom it is about is nobody's business.
impl std::fmt::Debug for SettingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SettingKey({}, {} bytes)", self.what, self.of.len())
    }
}

//! Acks of the [parts](crate::file::part) of a file: of the session in which its message went, which may be over before all parts
//! are made, or have come.

use serde::{Deserialize, Serialize};

use super::{SessionSecret, part_ack_secret};
use crate::ack::AckSecret;
use crate::ids::MessageId;

/// What acknowledges the parts of files that messages of a session announce, as one of its recipients holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartAcks {
    pub(super) slot: u8,
    pub(super) key: SessionSecret,
}

/// What makes the slots of the parts of files that messages of a session announce, as its sender holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSlots {
    pub(super) slots: u8,
    pub(super) keys: Vec<SessionSecret>,
}

impl PartAcks {
    /// The slot of this device.
    #[must_use]
    pub fn slot(&self) -> u8 {
        self.slot
    }

    /// What acknowledges part `index` of the file that `message` announces.
    #[must_use]
    pub fn secret(&self, message: &MessageId, index: u16) -> AckSecret {
        part_ack_secret(&self.key, message, index)
    }
}

impl PartSlots {
    /// How many slots have a device. (Of a session for more than eight devices one has, and only its sender can open it.)
    #[must_use]
    pub fn used(&self) -> usize {
        self.keys.len()
    }

    /// The secrets of the slots of part `index` of the file that `message` announces, in order; `unused` makes those that are no
    /// device's.
    #[must_use]
    pub fn secrets(
        &self,
        message: &MessageId,
        index: u16,
        unused: impl Fn(u8) -> AckSecret,
    ) -> Vec<AckSecret> {
        let secret = |slot| match self.keys.get(usize::from(slot)) {
            Some(key) => part_ack_secret(key, message, index),
            None => unused(slot),
        };
        (0..self.slots).map(secret).collect()
    }
}

/// Hand-written: keys are never logged.
impl std::fmt::Debug for PartAcks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartAcks(slot {})", self.slot)
    }
}

/// Hand-written, for the same reason.
impl std::fmt::Debug for PartSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartSlots({} of {})", self.keys.len(), self.slots)
    }
}

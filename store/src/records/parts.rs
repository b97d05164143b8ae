//! Files that go in parts, through mailboxes.

use martlet_protocol::crypto::session::{PartAcks, PartSlots};
use martlet_protocol::{ExpiryHour, IdentityId, MessageId, UnixMillis};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::conversation::Place;

/// What parts of a file are known and opened by. It opens none of the file itself.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartsKeyBytes(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Some of the parts of a file: a bit for each, the first the lowest of the first byte.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartSet(#[serde(with = "serde_bytes")] Vec<u8>);

/// See [`PARTS_IN`](super::PARTS_IN).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartsInRecord {
    /// Who wrote its message.
    pub author: IdentityId,
    /// The id of its message.
    pub message: MessageId,
    /// Where its message is, once it is shown, and as long as the file is wanted or here.
    pub place: Option<Place>,
    /// What its parts are known by.
    pub key: PartsKeyBytes,
    /// Bytes of it, sealed.
    pub size: u64,
    /// What acknowledges them; `None` if the session of its message is not known, as of what another device sent.
    pub acks: Option<PartAcks>,
    /// Those that are on disk.
    pub got: PartSet,
    /// Those that were acknowledged.
    pub acked: PartSet,
    /// Whether together they were not what the message says. They are collected no more: someone who has the key made some up.
    pub is_false: bool,
    /// When its message came.
    pub came_at: UnixMillis,
}

/// See [`PARTS_OUT`](super::PARTS_OUT).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartsOutRecord {
    /// Where its message is.
    pub place: Place,
    /// The id of its message.
    pub message: MessageId,
    /// What its parts are known by.
    pub key: PartsKeyBytes,
    /// Bytes of it, sealed.
    pub size: u64,
    /// When its parts end, as its message does.
    pub expiry: ExpiryHour,
    /// What makes their slots.
    pub slots: PartSlots,
    /// Those that were put into the outbox.
    pub made: PartSet,
    /// By slot of a device: those that it has.
    pub taken: Vec<PartSet>,
}

impl PartSet {
    /// Adds one; whether it is new.
    pub fn insert(&mut self, part: u16) -> bool {
        let (byte, bit) = place(part);
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        let is_new = self.0[byte] & bit == 0;
        self.0[byte] |= bit;
        is_new
    }

    /// Takes one out.
    pub fn remove(&mut self, part: u16) {
        let (byte, bit) = place(part);
        if let Some(byte) = self.0.get_mut(byte) {
            *byte &= !bit;
        }
    }

    /// Whether it is among them.
    #[must_use]
    pub fn contains(&self, part: u16) -> bool {
        let (byte, bit) = place(part);
        self.0.get(byte).is_some_and(|byte| byte & bit != 0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn place(part: u16) -> (usize, u8) {
    (usize::from(part / 8), 1 << (part % 8))
}

/// Hand-written: keys are never logged.
impl std::fmt::Debug for PartsKeyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PartsKeyBytes(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_there_and_nothing_else() {
        let mut set = PartSet::default();
        assert!(set.is_empty() && !set.contains(0) && !set.contains(u16::MAX));
        assert!(set.insert(9) && set.insert(0) && !set.insert(9));
        assert!(set.contains(9) && set.contains(0) && !set.contains(8) && !set.contains(17));
        assert_eq!(set.len(), 2);
        set.remove(9);
        set.remove(100);
        assert_eq!((set.len(), set.contains(9)), (1, false));
    }
}

//! Messages of before, which one of the user's devices gives another.

use martlet_protocol::{DeviceId, EnvelopeId, IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`HISTORY_GIVEN`](super::HISTORY_GIVEN): a device that may ask this one for messages of before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryGivenRecord {
    /// Which.
    pub device: DeviceId,
    /// Since when it may.
    pub at: UnixMillis,
    /// Whether it was told.
    pub is_told: bool,
    /// The number of the request that was answered last.
    pub number: u32,
    /// Messages that it was given.
    pub messages: u64,
    /// Bytes of them, as they were sent.
    pub bytes: u64,
    /// What was sent to it for this, as far as it may be on its way.
    pub sent: Vec<EnvelopeId>,
    /// When the request that was answered last was made, by the device's clock; `None` before the first.
    #[serde(default)]
    pub asked_at: Option<UnixMillis>,
}

/// See [`HISTORY_TAKEN`](super::HISTORY_TAKEN): this device takes messages of before from the one that linked it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryTakenRecord {
    /// Since when.
    pub at: UnixMillis,
    /// The number of the last request; 0 before the first.
    pub number: u32,
    /// The envelope that carries it.
    pub asked: Option<EnvelopeId>,
    /// When something was heard of it last, or it was made.
    pub heard_at: UnixMillis,
    /// Which page of its answer is next; `None` once all have come.
    pub next_page: Option<u8>,
    /// Messages that were taken.
    pub messages: u64,
    /// Bytes of pages that were taken.
    pub bytes: u64,
    /// How many requests in a row were made because the answer to the one before did not come whole.
    #[serde(default)]
    pub tries: u8,
}

/// See [`HISTORY_LINES`](super::HISTORY_LINES): how far this is with one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLineRecord {
    /// With whom; of a room its id.
    pub conversation: IdentityId,
    /// Before what the other device is asked for messages; `None` for its newest.
    pub before: Option<u64>,
    /// The position of the next message that comes; each further one is just before it.
    pub position: u64,
    /// Nothing more is asked for.
    pub is_done: bool,
}

/// See [`HISTORY_PAGES`](super::HISTORY_PAGES): a page that came before an earlier one.
#[derive(Clone, Serialize, Deserialize)]
pub struct HistoryPageRecord {
    /// It, as it came.
    #[serde(with = "serde_bytes")]
    pub page: Vec<u8>,
}

//! Files that go from node to node directly.

use super::describe::{Counter, Describe};

/// What passed of them.
#[derive(Debug)]
pub struct BlobMetrics {
    /// Bytes that others were sent.
    pub sent_bytes: Counter,
    /// Bytes that came and were what they should be.
    pub received_bytes: Counter,
}

impl BlobMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let bytes = describe.byte_counters(
            "files",
            "Bytes of files that nodes fetched from each other directly",
            ["direction"],
        );
        Self { sent_bytes: bytes(["sent"]), received_bytes: bytes(["received"]) }
    }
}

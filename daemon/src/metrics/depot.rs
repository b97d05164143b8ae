//! What is kept for others, as a depot.

use super::describe::{Counter, Describe, Gauge};

/// The depot.
#[derive(Debug)]
pub struct DepotMetrics {
    blobs: Gauge,
    bytes: Gauge,
    bytes_max: Gauge,
    /// Files that were not taken.
    pub refused: Counter,
}

impl DepotMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        Self {
            blobs: describe.gauge("depot_files", "Files that are kept for others, whole or not"),
            bytes: describe.bytes("depot", "Bytes of them, sealed"),
            bytes_max: describe.bytes("depot_quota", "Bytes of them that may be kept"),
            refused: describe
                .counter("depot_refused", "Times that a file of others was not taken to be kept"),
        }
    }

    /// So much is kept.
    pub fn note(&self, blobs: u64, bytes: u64, bytes_max: u64) {
        self.blobs.set(blobs);
        self.bytes.set(bytes);
        self.bytes_max.set(bytes_max);
    }
}

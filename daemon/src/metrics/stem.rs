//! Own envelopes and acks, and those of others, on the stem.

use super::describe::{Counter, Describe};

/// What went by the stem.
#[derive(Debug)]
pub struct StemMetrics {
    /// The user's own, that began here.
    pub own: Counter,
    /// Others', passed on.
    pub relayed: Counter,
    /// Others', published here.
    pub published: Counter,
    /// Own or others', published here since they did not come by gossip in time.
    pub failsafe: Counter,
    /// What a neighbour did not take.
    pub refused: Counter,
}

impl StemMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let items = describe.counters(
            "stem_items",
            "Envelopes and acks on the stem, by what became of them here",
            ["what"],
        );
        Self {
            own: items(["own"]),
            relayed: items(["relayed"]),
            published: items(["published"]),
            failsafe: items(["failsafe"]),
            refused: items(["refused"]),
        }
    }
}

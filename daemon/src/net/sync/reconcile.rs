//! Set reconciliation by negentropy over the ids of the buckets that differ.

use std::collections::HashSet;

use martlet_protocol::EnvelopeId;
use martlet_protocol::limits::RECONCILE_FRAME_BYTES_MAX;
use martlet_protocol::sync::Bucket;
use martlet_store::MailboxView;
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::SyncError;

/// The live ids of `buckets`, ready to be reconciled; `None` when there are more than `max`. An
/// item's time is its expiry hour.
pub(super) fn collect(
    view: &MailboxView,
    buckets: &[Bucket],
    max: usize,
) -> Result<Option<NegentropyStorageVector>, SyncError> {
    let mut items = NegentropyStorageVector::new();
    let mut count = 0usize;
    for bucket in buckets {
        let ids: Vec<EnvelopeId> = view.bucket_ids(*bucket)?;
        count += ids.len();
        if count > max {
            return Ok(None);
        }
        for id in ids {
            items.insert(u64::from(bucket.hour.0), Id::from_byte_array(id.0))?;
        }
    }
    items.seal()?;
    Ok(Some(items))
}

/// The responder's answer to one message. Nothing but the ids is kept between messages.
pub(super) fn answer(
    items: &NegentropyStorageVector,
    message: &[u8],
) -> Result<Vec<u8>, SyncError> {
    Ok(Negentropy::borrowed(items, RECONCILE_FRAME_BYTES_MAX)?.reconcile(message)?)
}

/// The initiator's side of a reconciliation.
pub(super) struct Reconciliation {
    side: Negentropy<'static, NegentropyStorageVector>,
    /// Held here, lacking there.
    pub(super) have: HashSet<EnvelopeId>,
    /// Held there, lacking (live) here.
    pub(super) need: HashSet<EnvelopeId>,
}

impl Reconciliation {
    /// Begins; returns the first message as well.
    pub(super) fn begin(items: NegentropyStorageVector) -> Result<(Self, Vec<u8>), SyncError> {
        let mut side = Negentropy::owned(items, RECONCILE_FRAME_BYTES_MAX)?;
        let message = side.initiate()?;
        Ok((Self { side, have: HashSet::new(), need: HashSet::new() }, message))
    }

    /// Takes the responder's message; returns the next one, or `None` at the end.
    pub(super) fn step(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, SyncError> {
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self.side.reconcile_with_ids(message, &mut have, &mut need)?;
        self.have.extend(have.into_iter().map(from_negentropy));
        self.need.extend(need.into_iter().map(from_negentropy));
        Ok(next)
    }
}

fn from_negentropy(id: Id) -> EnvelopeId {
    EnvelopeId(id.to_bytes())
}

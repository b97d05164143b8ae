//! Set reconciliation by negentropy over the ids of the buckets that differ.

use std::collections::HashMap;

use martlet_protocol::EnvelopeId;
use martlet_protocol::limits::RECONCILE_FRAME_BYTES_MAX;
use martlet_protocol::sync::{Bucket, ShortId};
use martlet_store::MailboxView;
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::SyncError;

/// The live ids of `buckets`, which ascend, ready to be reconciled; `None` when there are more than
/// `max`. An item's time is its expiry hour.
pub(super) fn collect(
    view: &MailboxView,
    buckets: &[Bucket],
    max: usize,
) -> Result<Option<NegentropyStorageVector>, SyncError> {
    if is_over(view, buckets, max)? {
        return Ok(None);
    }
    let mut items = NegentropyStorageVector::new();
    for bucket in buckets {
        for id in view.bucket_ids(*bucket)? {
            items.insert(u64::from(bucket.hour.0), Id::from_byte_array(id.0))?;
        }
    }
    items.seal()?;
    Ok(Some(items))
}

/// Whether `buckets`, which ascend, have more than `max` ids: told by their digests, without reading an id.
fn is_over(view: &MailboxView, buckets: &[Bucket], max: usize) -> Result<bool, SyncError> {
    let mut room = u64::try_from(max).unwrap_or(u64::MAX);
    for digest in view.digests()? {
        if buckets.binary_search(&digest.bucket).is_ok() {
            let Some(left) = room.checked_sub(digest.count) else { return Ok(true) };
            room = left;
        }
    }
    Ok(false)
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
    found: Difference,
}

/// What a comparison found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Held here, lacking there.
    pub(super) have: Vec<EnvelopeId>,
    /// Held there, lacking (live) here.
    pub(super) need: Vec<EnvelopeId>,
}

impl Difference {
    /// Whether the two have the same.
    pub(super) fn is_empty(&self) -> bool {
        self.have.is_empty() && self.need.is_empty()
    }

    /// Each once.
    fn sorted(mut self) -> Self {
        for ids in [&mut self.have, &mut self.need] {
            ids.sort_unstable();
            ids.dedup();
        }
        self
    }
}

impl Reconciliation {
    /// Begins; returns the first message as well.
    pub(super) fn begin(items: NegentropyStorageVector) -> Result<(Self, Vec<u8>), SyncError> {
        let mut side = Negentropy::owned(items, RECONCILE_FRAME_BYTES_MAX)?;
        let message = side.initiate()?;
        Ok((Self { side, found: Difference::default() }, message))
    }

    /// Takes the responder's message; returns the next one, or `None` at the end.
    pub(super) fn step(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>, SyncError> {
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self.side.reconcile_with_ids(message, &mut have, &mut need)?;
        self.found.have.extend(have.into_iter().map(from_negentropy));
        self.found.need.extend(need.into_iter().map(from_negentropy));
        Ok(next)
    }

    /// What was found.
    pub(super) fn difference(self) -> Difference {
        self.found.sorted()
    }
}

/// All live ids of some buckets, found by their short ones.
pub(super) struct ShortList {
    key: [u8; 32],
    ids: HashMap<ShortId, EnvelopeId>,
}

impl ShortList {
    /// Those of `buckets`, which ascend; `None` when there are more than `max`.
    pub(super) fn collect(
        view: &MailboxView,
        buckets: &[Bucket],
        key: [u8; 32],
        max: usize,
    ) -> Result<Option<Self>, SyncError> {
        if is_over(view, buckets, max)? {
            return Ok(None);
        }
        let mut ids = HashMap::new();
        for bucket in buckets {
            let found = view.bucket_ids(*bucket)?;
            ids.extend(found.into_iter().map(|id| (ShortId::of(&key, &id), id)));
        }
        Ok(Some(Self { key, ids }))
    }

    /// Its key and the short ids, ascending, as they are sent.
    pub(super) fn encode(&self) -> ([u8; 32], Vec<u8>) {
        let mut short: Vec<ShortId> = self.ids.keys().copied().collect();
        short.sort_unstable();
        (self.key, encode(&short))
    }

    /// The responder's answer: which of `theirs` are not here, and the ids here that are not
    /// theirs.
    pub(super) fn compare(mut self, theirs: &[ShortId]) -> (Vec<u8>, Vec<EnvelopeId>) {
        let mut lacking = Vec::new();
        for short in theirs {
            if self.ids.remove(short).is_none() {
                lacking.push(*short);
            }
        }
        (encode(&lacking), self.ids.into_values().collect())
    }

    /// The initiator's reading of the answer.
    pub(super) fn difference(&self, there: &[ShortId], here: Vec<EnvelopeId>) -> Difference {
        let have = there.iter().filter_map(|short| self.ids.get(short).copied()).collect();
        Difference { have, need: here }.sorted()
    }
}

fn encode(ids: &[ShortId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

fn from_negentropy(id: Id) -> EnvelopeId {
    EnvelopeId(id.to_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> EnvelopeId {
        EnvelopeId(*blake3::hash(&number.to_be_bytes()).as_bytes())
    }

    /// Ids spread over ten hours.
    fn items(numbers: impl IntoIterator<Item = u32>) -> NegentropyStorageVector {
        let mut items = NegentropyStorageVector::new();
        for number in numbers {
            items.insert(u64::from(number % 10), Id::from_byte_array(id(number).0)).unwrap();
        }
        items.seal().unwrap();
        items
    }

    #[test]
    fn both_differences_are_found_in_few_rounds() {
        let responder = items(1_000..50_000);
        let (mut initiator, mut message) = Reconciliation::begin(items(0..49_000)).unwrap();
        let mut rounds = 0;
        while let Some(next) = initiator.step(&answer(&responder, &message).unwrap()).unwrap() {
            message = next;
            rounds += 1;
        }
        assert!(rounds < 10, "{rounds} rounds");
        let expected = Difference {
            have: (0..1_000).map(id).collect(),
            need: (49_000..50_000).map(id).collect(),
        };
        assert_eq!(initiator.difference(), expected.sorted());
    }

    #[test]
    fn a_short_list_finds_both_differences_at_once() {
        let list = |numbers: std::ops::Range<u32>| ShortList {
            key: [3; 32],
            ids: numbers.map(id).map(|id| (ShortId::of(&[3; 32], &id), id)).collect(),
        };
        let initiator = list(0..900);
        let (_, sent) = initiator.encode();
        let (there, here) = list(100..1_000).compare(&ShortId::list(&sent).unwrap());
        let found = initiator.difference(&ShortId::list(&there).unwrap(), here);
        let expected =
            Difference { have: (0..100).map(id).collect(), need: (900..1_000).map(id).collect() };
        assert_eq!(found, expected.sorted());
        // What was never in the list is nobody's.
        assert_eq!(initiator.difference(&[ShortId([7; 6])], Vec::new()), Difference::default());
    }

    proptest! {
        /// Whatever a peer sends, neither side panics, and neither answers past the bound.
        #[test]
        fn no_message_panics(
            mut bytes in prop::collection::vec(any::<u8>(), 0..500),
            version in any::<bool>(),
        ) {
            if version && !bytes.is_empty() {
                bytes[0] = 0x61;
            }
            let bound = usize::try_from(RECONCILE_FRAME_BYTES_MAX).unwrap();
            if let Ok(reply) = answer(&items(0..300), &bytes) {
                prop_assert!(reply.len() <= bound);
            }
            let (mut initiator, _) = Reconciliation::begin(items(0..300)).unwrap();
            if let Ok(Some(next)) = initiator.step(&bytes) {
                prop_assert!(next.len() <= bound);
            }
        }

        /// The same for messages that are nearly right.
        #[test]
        fn no_altered_message_panics(at in 0usize..300, to in any::<u8>(), cut in 0usize..300) {
            let (_, mut message) = Reconciliation::begin(items(0..300)).unwrap();
            let len = message.len();
            message[at % len] = to;
            message.truncate(len - cut % len);
            drop(answer(&items(100..400), &message));
            let (mut initiator, _) = Reconciliation::begin(items(100..400)).unwrap();
            drop(initiator.step(&message));
        }
    }
}

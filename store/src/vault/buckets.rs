//! Buckets: which records share an erasable key.
//!
//! When a record is deleted or overwritten, its bucket's key is to be changed, and then every live record of the bucket is
//! sealed anew. So records that change together should be in few buckets, and records that stay in others. A table has
//! one bucket, but for those of [`SPREAD`], which grow as long as the vault lives: their records are spread over all
//! buckets, 256 successive numbers of a scope in one.
//!
//! The bucket stands in each sealed record, so this may change without a change of the layout.

use serde::{Deserialize, Serialize};

use super::seal::StoredKey;

/// Tables whose records stay, and become many: of each message one, or some.
const SPREAD: [&str; 4] = ["messages", "message_index", "events", "contact_pictures"];

/// Buckets of a vault: with 100,000 messages one has some 200 records, which is what deleting one message by hand
/// costs to shred; and their keys are read at every start, in a millisecond.
pub const BUCKETS: usize = 1024;
/// The same as a number of a record's header.
const BUCKETS_U16: u16 = 1024;

/// The number of a bucket, below [`BUCKETS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket(u16);

impl Bucket {
    /// Of a record about to be sealed.
    pub(super) fn of(table: &str, key: &StoredKey) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(table.as_bytes());
        if SPREAD.contains(&table) {
            // All but the last byte of its number, or nearly all of a hash.
            hasher.update(&[0]).update(&key[..key.len() - 1]);
        }
        let [a, b, ..] = *hasher.finalize().as_bytes();
        Self(u16::from_be_bytes([a, b]) % BUCKETS_U16)
    }

    /// With this number, if it is one.
    pub(super) fn from_bytes(bytes: [u8; 2]) -> Option<Self> {
        let number = u16::from_be_bytes(bytes);
        (number < BUCKETS_U16).then_some(Self(number))
    }

    pub(super) fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS_U16).map(Self)
    }
}

/// Some of the buckets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct BucketSet(#[serde(with = "serde_bytes")] [u8; BUCKETS / 8]);

impl BucketSet {
    pub(super) const NONE: Self = Self([0; BUCKETS / 8]);
    pub(super) const ALL: Self = Self([u8::MAX; BUCKETS / 8]);

    pub(super) fn insert(&mut self, bucket: Bucket) {
        self.0[bucket.index() / 8] |= 1 << (bucket.index() % 8);
    }

    pub(super) fn contains(&self, bucket: Bucket) -> bool {
        self.0[bucket.index() / 8] & 1 << (bucket.index() % 8) != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Bucket> {
        Bucket::all().filter(|bucket| self.contains(*bucket))
    }

    /// With all of `other`.
    pub(super) fn union(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine |= theirs);
        both
    }
}

impl Default for BucketSet {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for BucketSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BucketSet({} of {BUCKETS})", self.len())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_table_has_one_bucket_and_a_long_one_many_with_neighbours_together() {
        let key = |number: u64| {
            let mut key = [7; 32];
            key[24..].copy_from_slice(&number.to_be_bytes());
            key
        };
        let of = |table, number| Bucket::of(table, &key(number));
        assert_eq!(of("outbox", 1), of("outbox", 100_000));
        assert_ne!(of("outbox", 1), of("contacts", 1));
        let long = SPREAD[0];
        assert_eq!(of(long, 0), of(long, 255));
        assert_ne!(of(long, 255), of(long, 256));
        let mut all = BucketSet::NONE;
        (0..20_000).for_each(|hundreds| all.insert(of(long, hundreds * 256)));
        assert_eq!(all.len(), BUCKETS);
        assert_eq!(all, BucketSet::ALL);
    }

    #[test]
    fn a_number_that_no_bucket_has_is_none() {
        assert_eq!(Bucket::from_bytes([4, 0]), None);
        assert_eq!(Bucket::from_bytes([3, 255]).unwrap().index(), BUCKETS - 1);
        assert_eq!(Bucket::all().count(), BUCKETS);
    }
}

//! Sets of shards, as nodes tell each other which ones they keep.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

use crate::ids::Shard;
use crate::limits::{SHARD_BITS_MAX, SHARD_SET_BYTES_MAX};

/// A set of shards: all the network has, or those in a bitmap.
///
/// Encoded: `null` for all, or a byte string of at most [`SHARD_SET_BYTES_MAX`] bytes without zero
/// bytes at its end; shard `n` is in it if bit `n mod 8` (of the value `2^(n mod 8)`) of byte
/// `n / 8` is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardSet(Option<Vec<u8>>);

impl ShardSet {
    /// Every shard of the network.
    pub const ALL: Self = Self(None);
    /// No shard.
    pub const NONE: Self = Self(Some(Vec::new()));

    /// These shards, in a network of `2^shard_bits`; those that it lacks are left out. One that has
    /// them all equals [`Self::ALL`].
    #[must_use]
    pub fn of(shards: impl IntoIterator<Item = Shard>, shard_bits: u8) -> Self {
        let count = 1usize << shard_bits.min(SHARD_BITS_MAX);
        let mut bitmap = vec![0u8; count.div_ceil(8)];
        for number in shards.into_iter().map(|shard| usize::from(shard.0)) {
            if number < count {
                bitmap[number / 8] |= 1 << (number % 8);
            }
        }
        let found: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
        if usize::try_from(found).is_ok_and(|found| found == count) {
            return Self::ALL;
        }
        let len = bitmap.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        bitmap.truncate(len);
        Self(Some(bitmap))
    }

    /// Whether it has every shard.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it has no shard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether it has `shard`.
    #[must_use]
    pub fn contains(&self, shard: Shard) -> bool {
        match &self.0 {
            None => true,
            Some(bitmap) => bitmap
                .get(usize::from(shard.0 / 8))
                .is_some_and(|byte| byte & (1 << (shard.0 % 8)) != 0),
        }
    }

    /// The shards that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(ours), Some(theirs)) => {
                let mut both: Vec<u8> = ours.iter().zip(theirs).map(|(a, b)| a & b).collect();
                while both.last() == Some(&0) {
                    both.pop();
                }
                Self(Some(both))
            }
        }
    }

    /// Its shards in a network of `2^shard_bits`, ascending.
    pub fn iter(&self, shard_bits: u8) -> impl Iterator<Item = Shard> {
        let count = 1u16 << shard_bits.min(SHARD_BITS_MAX);
        (0..count).map(Shard).filter(|shard| self.contains(*shard))
    }
}

impl Serialize for ShardSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_deref().map(Bytes::new).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShardSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(bitmap) = Option::<ByteBuf>::deserialize(deserializer)? else {
            return Ok(Self::ALL);
        };
        if bitmap.len() > SHARD_SET_BYTES_MAX {
            return Err(D::Error::custom("a set of shards over 512 bytes"));
        }
        if bitmap.last() == Some(&0) {
            return Err(D::Error::custom("a set of shards with a zero byte at its end"));
        }
        Ok(Self(Some(bitmap.into_vec())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;
    use crate::codec;

    fn of(numbers: &[u16], bits: u8) -> ShardSet {
        ShardSet::of(numbers.iter().copied().map(Shard), bits)
    }

    #[test]
    fn a_set_of_all_shards_is_all() {
        assert_eq!(of(&[0], 0), ShardSet::ALL);
        assert_eq!(of(&[0, 1, 2, 3], 2), ShardSet::ALL);
        assert_ne!(of(&[0, 1, 2], 2), ShardSet::ALL);
        assert_eq!(of(&[4, 5], 2), ShardSet::NONE, "not shards of this network");
        assert!(ShardSet::NONE.is_empty() && !ShardSet::ALL.is_empty());
    }

    #[test]
    fn what_is_too_long_or_not_canonical_is_refused() {
        let bytes = |bitmap: &[u8]| codec::encode(&Bytes::new(bitmap));
        for bad in [bytes(&[0; 513]), bytes(&[1; 513]), bytes(&[1, 0]), bytes(&[0])] {
            assert!(codec::decode::<ShardSet>(&bad, 1024).is_err());
        }
        assert!(codec::decode::<ShardSet>(&bytes(&[1; 512]), 1024).is_ok());
    }

    proptest! {
        #[test]
        fn sets_are_sets(
            ours in btree_set(0u16..64, 0..64),
            theirs in btree_set(0u16..64, 0..64),
        ) {
            let (a, b) = (
                ShardSet::of(ours.iter().copied().map(Shard), 6),
                ShardSet::of(theirs.iter().copied().map(Shard), 6),
            );
            prop_assert!(a.iter(6).map(|shard| shard.0).eq(ours.iter().copied()));
            let both = a.and(&b);
            prop_assert!(both.iter(6).map(|s| s.0).eq(ours.intersection(&theirs).copied()));
            prop_assert_eq!(&both, &ShardSet::of(both.iter(6), 6), "one form for each set");
            prop_assert_eq!(a.is_empty(), ours.is_empty());
            let bytes = codec::encode(&a);
            prop_assert_eq!(codec::decode::<ShardSet>(&bytes, 1024).ok(), Some(a));
        }
    }
}

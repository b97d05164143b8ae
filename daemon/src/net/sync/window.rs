//! Which digests one comparison has.

use martlet_protocol::limits::DIGESTS_MAX;
use martlet_protocol::sync::{BucketDigest, ShardSet};
use martlet_protocol::{ExpiryHour, Shard};

/// As many whole shards as one list of digests can have, from that of the digest at `start` on and
/// round again: all of `kept`, except on a node that keeps over a hundred of a large network.
pub(super) fn window(
    kept: &ShardSet,
    mut digests: Vec<BucketDigest>,
    start: usize,
    shard_bits: u8,
) -> (ShardSet, Vec<BucketDigest>) {
    if digests.len() <= DIGESTS_MAX {
        return (kept.clone(), digests);
    }
    let first = digests[start].bucket.shard;
    let start = digests.partition_point(|digest| digest.bucket.shard < first);
    digests.rotate_left(start);
    let next = digests[DIGESTS_MAX].bucket.shard;
    // A shard has far fewer digests than a list: the one cut through is not the first.
    let whole = digests.iter().position(|digest| digest.bucket.shard == next).unwrap_or(0);
    digests.truncate(whole);
    digests.sort_unstable_by_key(|digest| digest.bucket);
    let is_between = |shard: &Shard| {
        if first < next { (first..next).contains(shard) } else { *shard >= first || *shard < next }
    };
    (ShardSet::of(kept.iter(shard_bits).filter(is_between), shard_bits), digests)
}

/// Digests of buckets whose hour has not come: the others wait to be swept, here or there.
pub(super) fn live_digests(mut digests: Vec<BucketDigest>, now: ExpiryHour) -> Vec<BucketDigest> {
    digests.retain(|digest| digest.bucket.hour > now);
    digests
}

#[cfg(test)]
mod tests {
    use martlet_protocol::limits::DIGEST_HOURS_MAX;
    use martlet_protocol::sync::{Bucket, Fingerprint};

    use super::*;

    fn digests(shards: impl Iterator<Item = u16>) -> Vec<BucketDigest> {
        let hours = 0..u32::try_from(DIGEST_HOURS_MAX).unwrap_or(0);
        shards
            .flat_map(|shard| hours.clone().map(move |hour| (Shard(shard), ExpiryHour(hour))))
            .map(|(shard, hour)| BucketDigest {
                bucket: Bucket { shard, hour },
                count: 1,
                fingerprint: Fingerprint::default(),
            })
            .collect()
    }

    #[test]
    fn what_fits_one_list_is_compared_whole() {
        let kept = ShardSet::of((0..100).map(Shard), 12);
        let all = digests(0..100);
        assert_eq!(window(&kept, all.clone(), 77, 12), (kept, all));
    }

    #[test]
    fn what_does_not_fit_is_compared_in_whole_shards_from_anywhere_on() {
        // Odd shards are kept and have envelopes, except for those that are 1 modulo 10: they are
        // empty here, but perhaps not there.
        let kept = ShardSet::of((1..4096).step_by(2).map(Shard), 12);
        let all = digests((1..4096).step_by(2).filter(|shard| shard % 10 != 1));
        for start in [0, 1, 12_345, all.len() / 2, all.len() - 1] {
            let (shards, part) = window(&kept, all.clone(), start, 12);
            assert!(part.len() <= DIGESTS_MAX && part.len() > DIGESTS_MAX - DIGEST_HOURS_MAX);
            assert!(part.is_sorted_by(|a, b| a.bucket < b.bucket));
            let of_shards: Vec<BucketDigest> =
                all.iter().filter(|d| shards.contains(d.bucket.shard)).copied().collect();
            assert_eq!(part, of_shards, "all there is of these shards");
            assert!(shards.contains(all[start].bucket.shard));
            assert!(shards.iter(12).all(|shard| kept.contains(shard)));
            assert!(shards.iter(12).any(|shard| shard.0 % 10 == 1), "empty ones too");
        }
    }
}

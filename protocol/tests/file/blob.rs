//! Ids of blobs, and what proves their groups.

use martlet_protocol::BlobId;
use martlet_protocol::file::ask::Groups;
use martlet_protocol::file::blob::{
    BlobError, GROUP_BYTES, Proved, groups, name, receive, send, tree_size,
};
use proptest::prelude::*;

use super::counting;

fn sent(id: &BlobId, blob: &[u8], tree: &[u8], wanted: &Groups) -> Vec<u8> {
    let mut bytes = Vec::new();
    send(id, blob.len() as u64, wanted, blob, tree, &mut bytes).unwrap();
    bytes
}

/// What a reader that has nothing yet has of the blob and of its tree afterwards.
fn received(
    id: &BlobId,
    size: usize,
    wanted: &Groups,
    bytes: &[u8],
) -> (Vec<u8>, Vec<u8>, Result<(), BlobError>) {
    let mut blob = vec![0; size];
    let mut tree = vec![0; usize::try_from(tree_size(size as u64)).unwrap()];
    let put = |to: &mut Vec<u8>, at: u64, what: &[u8]| {
        let at = usize::try_from(at).unwrap();
        to[at..at + what.len()].copy_from_slice(what);
    };
    let result = receive(id, size as u64, wanted, bytes, |proved| {
        match proved {
            Proved::Pair(at, pair) => put(&mut tree, at, &pair),
            Proved::Group(at, group) => put(&mut blob, at, &group),
        }
        Ok(())
    });
    (blob, tree, result)
}

#[test]
fn a_blobs_id_is_its_hash_and_what_comes_can_be_served_again() {
    for size in [1, 1024, 65_536, 65_537, 131_072, 1_000_000] {
        let blob = counting(size);
        let (id, tree) = name(&blob[..], size as u64).unwrap();
        assert_eq!(id.0, *blake3::hash(&blob).as_bytes(), "{size}");
        assert_eq!(tree.len() as u64, tree_size(size as u64));
        let all = Groups::all(size as u64);
        let (again, tree_again, result) = received(&id, size, &all, &sent(&id, &blob, &tree, &all));
        result.unwrap();
        assert!(again == blob && tree_again == tree, "{size}");
    }
    assert!(name(&counting(10)[..], 11).is_err(), "shorter than was said");
}

#[test]
fn one_false_byte_is_found_before_it_is_written() {
    let blob = counting(1_000_000);
    let (id, tree) = name(&blob[..], 1_000_000).unwrap();
    let all = Groups::all(1_000_000);
    let good = sent(&id, &blob, &tree, &all);
    for at in (0..good.len()).step_by(997) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        let (have, _, result) = received(&id, blob.len(), &all, &bytes);
        assert!(matches!(result, Err(BlobError::False { .. })), "{at}");
        for (group, bytes) in have.chunks(65_536).enumerate() {
            let start = group * 65_536;
            let is_true = bytes == &blob[start..start + bytes.len()];
            assert!(is_true || bytes.iter().all(|byte| *byte == 0), "{at}: group {group}");
        }
    }
    let (_, _, cut) = received(&id, blob.len(), &all, &good[..good.len() - 1]);
    assert!(matches!(cut, Err(BlobError::Io(_))));
}

#[test]
fn who_holds_a_damaged_blob_sends_none_of_what_is_damaged() {
    let mut blob = counting(300_000);
    let (id, tree) = name(&blob[..], 300_000).unwrap();
    blob[200_000] ^= 1;
    let mut bytes = Vec::new();
    let all = Groups::all(300_000);
    let result = send(&id, 300_000, &all, &blob[..], &tree[..], &mut bytes);
    assert!(matches!(result, Err(BlobError::False { at: 196_608 })));
    let (_, _, result) = received(&id, blob.len(), &all, &bytes);
    assert!(matches!(result, Err(BlobError::Io(_))), "what came before it is true");
}

#[test]
fn a_wrong_size_is_no_way_to_another_blob() {
    let blob = counting(200_000);
    let (id, tree) = name(&blob[..], 200_000).unwrap();
    let bytes = sent(&id, &blob, &tree, &Groups::all(200_000));
    for size in [199_999, 200_001, 131_072, 65_536, 1 << 30] {
        let (_, _, result) = received(&id, size, &Groups::all(size as u64), &bytes);
        assert!(result.is_err(), "{size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_groups_come_alone(
        size in 1..1_500_000usize,
        picked in prop::collection::btree_set(0..24u32, 1..12),
    ) {
        let blob = counting(size);
        let (id, tree) = name(&blob[..], size as u64).unwrap();
        let there = groups(size as u64);
        let picked: Vec<u32> = picked.into_iter().filter(|group| *group < there).collect();
        prop_assume!(!picked.is_empty());
        let wanted = Groups::new(picked.iter().map(|group| (*group, 1))).unwrap();
        let (have, _, result) = received(&id, size, &wanted, &sent(&id, &blob, &tree, &wanted));
        prop_assert!(result.is_ok());
        for group in 0..there {
            let start = usize::try_from(u64::from(group) * GROUP_BYTES).unwrap();
            let end = (start + 65_536).min(size);
            let expected = if picked.contains(&group) { blob[start..end].to_vec() } else { vec![0; end - start] };
            prop_assert!(have[start..end] == expected[..], "group {group}");
        }
    }
}

#![expect(clippy::unwrap_used, reason = "tests")]

use rand_core::SeedableRng;

use super::*;
use crate::memory::MemoryFile;

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn file_key() -> FileKey {
    FileKey::new(&MasterKey::from_bytes(&[9; 32]))
}

fn file(bytes: Vec<u8>) -> KeysFile {
    KeysFile { path: PathBuf::from("vault.keys"), bytes }
}

fn some_buckets() -> BucketSet {
    let mut set = BucketSet::NONE;
    Bucket::all().step_by(5).for_each(|bucket| set.insert(bucket));
    set
}

#[test]
fn the_keys_come_back_under_their_own_master_key_only() {
    let keys = BucketKeys::random(&mut rng(1)).with_next(&some_buckets(), &mut rng(2));
    let sealed = file_key().seal(&keys, 7).unwrap();
    assert_eq!(sealed.len(), KEYS_FILE_BYTES);
    let (head, opened) = file_key().open(&file(sealed.clone())).unwrap();
    assert_eq!((head.epoch, head.is_pending), (7, true));
    assert_eq!(opened.0, keys.0);
    let other = FileKey::new(&MasterKey::from_bytes(&[8; 32]));
    assert!(matches!(other.open(&file(sealed.clone())), Err(StoreError::OtherKey { .. })));
    for bucket in Bucket::all() {
        let key = keys.of_generation(bucket, 0).unwrap();
        assert!(!sealed.windows(32).any(|window| window == key));
    }
}

#[test]
fn each_bucket_has_its_own_keys_and_a_promoted_one_has_only_the_new() {
    let keys = BucketKeys::random(&mut rng(1));
    let set = some_buckets();
    let pending = keys.with_next(&set, &mut rng(2));
    assert!(pending.is_pending() && !keys.is_pending());
    let promoted = pending.promoted();
    for bucket in Bucket::all() {
        let old = keys.of_generation(bucket, 0).unwrap();
        assert_eq!(pending.of_generation(bucket, 0), Some(old));
        if set.contains(bucket) {
            let (generation, new) = pending.newest(bucket);
            assert_eq!(generation, 1);
            assert_ne!(new, old);
            assert_eq!(promoted.of_generation(bucket, 1), Some(new));
            assert_eq!(promoted.of_generation(bucket, 0), None);
            assert!(!promoted.0.windows(32).any(|window| window == old));
        } else {
            assert_eq!(promoted.newest(bucket), (0, old));
            assert_eq!(promoted.of_generation(bucket, 1), None);
        }
    }
    assert_eq!(pending.without_next().0, keys.0);
}

#[test]
fn a_bit_flipped_in_one_copy_is_mended_from_the_other_and_in_both_is_damage() {
    let keys = BucketKeys::random(&mut rng(1));
    let whole = file_key().seal(&keys, 3).unwrap();
    for at in (0..CHECKSUM_AT + 32).step_by(61).chain([0, 8, 9, 16, 32, CHECKSUM_AT]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(!file(bytes.clone()).has_twins());
        let (_, opened) = file_key().open(&file(bytes.clone())).unwrap();
        assert_eq!(opened.0, keys.0, "byte {at}");
        bytes[COPY_BYTES + at] ^= 1;
        let refused = file(bytes).newest().map(|_| ()).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { .. }), "byte {at}: {refused}");
    }
    for len in [0, 1, COPY_BYTES, KEYS_FILE_BYTES - 1, KEYS_FILE_BYTES + 1] {
        let mut bytes = whole.clone();
        bytes.resize(len, 0);
        assert!(matches!(file(bytes).newest(), Err(StoreError::Damaged { .. })), "{len} bytes");
    }
}

#[test]
fn a_newer_version_is_not_called_damage() {
    let mut bytes = file_key().seal(&BucketKeys::random(&mut rng(1)), 3).unwrap();
    for copy in bytes.chunks_mut(COPY_BYTES) {
        copy[8] = VERSION + 1;
        let checksum = blake3::hash(&copy[..CHECKSUM_AT]);
        copy[CHECKSUM_AT..CHECKSUM_AT + 32].copy_from_slice(checksum.as_bytes());
    }
    let refused = file(bytes).newest().map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::TooNew { found: 2, known: 1, .. }), "{refused}");
}

#[test]
fn the_file_is_private_and_overwritten_where_it_is() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let dir = tempfile::tempdir().unwrap();
    let place = KeysPlace::beside(&dir.path().join("vault.redb"));
    assert!(place.read().unwrap().is_none());
    let keys = BucketKeys::random(&mut rng(1));
    place.write(&file_key().seal(&keys, 1).unwrap()).unwrap();
    let path = dir.path().join("vault.keys");
    let before = fs::metadata(&path).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o600);
    place.write(&file_key().seal(&keys, 2).unwrap()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
    let found = place.read().unwrap().unwrap();
    assert!(found.has_twins());
    assert_eq!(found.newest().unwrap().0.epoch, 2);
}

#[test]
fn of_two_copies_the_newer_counts() {
    let backend = MemoryFile::default();
    let place = KeysPlace::backend(backend.clone());
    let keys = BucketKeys::random(&mut rng(1));
    place.write(&file_key().seal(&keys, 4).unwrap()).unwrap();
    // What a crash leaves between the two.
    let newer = file_key().seal(&keys.with_next(&some_buckets(), &mut rng(2)), 5).unwrap();
    backend.write(0, &newer[..COPY_BYTES]).unwrap();
    let found = place.read().unwrap().unwrap();
    assert!(!found.has_twins());
    assert_eq!(found.newest().unwrap().0.epoch, 5);
    // And within the first.
    backend.write(0, &[0; 4096]).unwrap();
    assert_eq!(place.read().unwrap().unwrap().newest().unwrap().0.epoch, 4);
}

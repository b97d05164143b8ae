//! Blobs that come in parts, through mailboxes.

use std::fs;

use martlet_protocol::BlobId;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::part::{PART_BYTES, parts};
use martlet_protocol::file::sealed::Layout;
use martlet_store::blobs::{BlobDir, BlobDirError, BlobName, IsOver};

const GOES_ON: IsOver<'static> = &|| false;
const NAME: BlobName = BlobName([1; 16]);
const OTHER: BlobName = BlobName([2; 16]);
const FILE_BYTES: usize = 200_000;

/// A directory with a blob in it: its id and size.
fn made() -> (tempfile::TempDir, BlobDir, BlobId, u64) {
    let place = tempfile::tempdir().unwrap();
    let blobs = BlobDir::open(place.path().join("blobs"), 0, |_| Ok(1 << 40)).unwrap();
    let mut file = vec![0; FILE_BYTES];
    blake3::Hasher::new().update(b"a file").finalize_xof().fill(&mut file);
    let layout = Layout::of(FILE_BYTES as u64).unwrap();
    let id =
        blobs.import(&NAME, (&FileKey::from_bytes([7; 32]), &layout), &file[..], GOES_ON).unwrap();
    (place, blobs, id, layout.sealed_size())
}

fn all(blobs: &BlobDir, size: u64) -> Vec<(u16, Vec<u8>)> {
    let count = u16::try_from(parts(size)).unwrap();
    (0..count).map(|index| (index, blobs.read_part(&NAME, size, index).unwrap())).collect()
}

#[test]
fn what_was_read_in_parts_is_joined_in_any_order_and_served_as_the_blob() {
    let (_place, blobs, id, size) = made();
    let mut parts = all(&blobs, size);
    assert_eq!(parts.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>(), size);
    parts.reverse();
    for some in parts.chunks(3) {
        blobs.keep_parts(&OTHER, size, some).unwrap();
    }
    // Once more, as after a crash before that was noted.
    blobs.keep_parts(&OTHER, size, &parts[..2]).unwrap();
    // Something of it was fetched, too.
    drop(blobs.partial(&OTHER, &id, size, GOES_ON).unwrap());
    blobs.join_parts(&OTHER, &id, size).unwrap();
    let layout = Layout::of(FILE_BYTES as u64).unwrap();
    let whole = blobs.whole(&OTHER, &id, size).unwrap();
    whole.check(&FileKey::from_bytes([7; 32]), &layout, GOES_ON).unwrap();
    let found = fs::read_dir(blobs.path()).unwrap().count();
    assert_eq!(found, 4, "two blobs with their trees, and nothing else");
}

#[test]
fn parts_that_are_not_the_blob_leave_nothing() {
    let (_place, blobs, id, size) = made();
    let mut parts = all(&blobs, size);
    blobs.keep_parts(&OTHER, size, &parts[..2]).unwrap();
    let is_damaged = |result| matches!(result, Err(BlobDirError::Damaged));
    assert!(is_damaged(blobs.join_parts(&OTHER, &id, size)), "some are missing");
    parts[1].1[7] ^= 1;
    blobs.keep_parts(&OTHER, size, &parts).unwrap();
    assert!(is_damaged(blobs.join_parts(&OTHER, &id, size)), "one is another");
    assert!(is_damaged(blobs.join_parts(&OTHER, &id, size)), "none is there");
    assert_eq!(fs::read_dir(blobs.path()).unwrap().count(), 2);
    // Of a length or a place that the blob does not have, none is written.
    let last = u16::try_from(parts.len() - 1).unwrap();
    for (index, len) in [(last, PART_BYTES), (last + 1, 1), (0, PART_BYTES - 1), (u16::MAX, 0)] {
        assert!(is_damaged(blobs.keep_parts(&OTHER, size, &[(index, vec![1; len])])));
    }
}

#[test]
fn parts_are_kept_only_where_the_disk_has_room() {
    let (place, blobs, _, size) = made();
    let parts = all(&blobs, size);
    let full = BlobDir::open(place.path().join("blobs"), 1 << 20, |_| Ok(1 << 20)).unwrap();
    let kept = full.keep_parts(&OTHER, size, &parts);
    assert!(matches!(kept, Err(BlobDirError::DiskLow { .. })), "{kept:?}");
    assert!(matches!(blobs.read_part(&OTHER, size, 0), Err(BlobDirError::NotHere)));
    assert!(matches!(blobs.read_part(&NAME, size, u16::MAX), Err(BlobDirError::NotHere)));
}

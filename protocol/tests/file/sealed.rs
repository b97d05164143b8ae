//! Padding and segments.

use std::io::{Read, sink};

use martlet_protocol::file::FileKey;
use martlet_protocol::file::sealed::{
    Layout, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, SealedError, open, open_segment, seal,
};
use martlet_protocol::limits::FILE_BYTES_MAX;
use proptest::prelude::*;

use super::{counting, key};

pub(super) fn sealed(file: &[u8]) -> (Layout, Vec<u8>) {
    let layout = Layout::of(file.len() as u64).unwrap();
    let mut bytes = Vec::new();
    seal(&key(), &layout, file, &mut bytes).unwrap();
    (layout, bytes)
}

fn opened(layout: &Layout, sealed: &[u8]) -> Result<Vec<u8>, SealedError> {
    let mut file = Vec::new();
    open(&key(), layout, sealed, &mut file).map(|()| file)
}

#[test]
fn a_file_of_any_size_comes_out_as_it_went_in() {
    let edges = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES];
    for size in edges {
        let file = counting(size);
        let (layout, bytes) = sealed(&file);
        assert_eq!(bytes.len() as u64, layout.sealed_size(), "{size}");
        assert_eq!(opened(&layout, &bytes).unwrap(), file, "{size}");
    }
}

#[test]
fn any_segment_opens_alone() {
    let file = counting(3 * SEGMENT_BYTES + 77);
    let (layout, bytes) = sealed(&file);
    let mut again = Vec::new();
    for at in 0..layout.segments() {
        let range = layout.sealed_range(at);
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        again.extend_from_slice(&open_segment(&key(), &layout, at, &bytes[range]).unwrap());
    }
    assert_eq!(again, file);
    assert_eq!(layout.segment_of(SEGMENT_BYTES as u64), 1);
    let beyond = open_segment(&key(), &layout, layout.segments(), &[0; 16]);
    assert!(matches!(beyond, Err(SealedError::NoSegment { .. })));
}

#[test]
fn what_was_changed_cut_or_moved_does_not_open() {
    let (layout, bytes) = sealed(&counting(3 * SEGMENT_BYTES));
    let corrupt = |layout: &Layout, bytes: &[u8]| {
        assert!(matches!(opened(layout, bytes), Err(SealedError::Corrupt)));
    };
    for at in [0, SEALED_SEGMENT_BYTES - 1, SEALED_SEGMENT_BYTES, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        corrupt(&layout, &changed);
    }
    corrupt(&layout, &bytes[..bytes.len() - 1]);
    corrupt(&layout, &[&bytes[..], &[0]].concat());
    let mut moved = bytes.clone();
    let (one, other) = moved.split_at_mut(SEALED_SEGMENT_BYTES);
    one.swap_with_slice(&mut other[..SEALED_SEGMENT_BYTES]);
    corrupt(&layout, &moved);
    // Cut at the end of a segment, and said to be so long: the last one is missing.
    let shorter = Layout::of(2 * SEGMENT_BYTES as u64).unwrap();
    let len = usize::try_from(shorter.sealed_size()).unwrap();
    corrupt(&shorter, &bytes[..len.min(bytes.len())]);
    let other_key = FileKey::from_bytes([9; 32]);
    assert!(open(&other_key, &layout, &bytes[..], sink()).is_err());
}

#[test]
fn what_is_behind_the_file_must_be_zeros() {
    // 1,000 and 1,001 bytes are padded to the same length: sealed as the longer, said to be the shorter.
    let (longer, bytes) = sealed(&counting(1001));
    let shorter = Layout::of(1000).unwrap();
    assert_eq!(shorter.sealed_size(), longer.sealed_size());
    assert!(matches!(opened(&shorter, &bytes), Err(SealedError::Padding)));
}

#[test]
fn a_file_that_grows_or_shrinks_while_it_is_read_is_not_sealed() {
    let layout = Layout::of(100_000).unwrap();
    for found in [99_999, 100_001] {
        let result = seal(&key(), &layout, &counting(found)[..], sink());
        assert!(matches!(result, Err(SealedError::Changed)), "{found}");
    }
    let failing = std::io::repeat(1).take(10).chain(Failing);
    assert!(matches!(seal(&key(), &layout, failing, sink()), Err(SealedError::Io(_))));
    let too_large = Layout::of(FILE_BYTES_MAX + 1);
    assert!(matches!(too_large, Err(SealedError::TooLarge { .. })));
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the disk"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_file_comes_out_as_it_went_in(size in 0..300_000usize, flip in any::<prop::sample::Index>()) {
        let file = counting(size);
        let (layout, mut bytes) = sealed(&file);
        prop_assert_eq!(bytes.len() as u64, layout.sealed_size());
        prop_assert!(opened(&layout, &bytes).unwrap() == file);
        let at = flip.index(bytes.len());
        bytes[at] ^= 0x80;
        prop_assert!(opened(&layout, &bytes).is_err());
    }
}

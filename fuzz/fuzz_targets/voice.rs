//! Voice memos, at once and in pieces: also with checksums that are right, which no fuzzer finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::file::voice::{VoiceReader, checksum, duration_ms, longest_ms};
use martlet_protocol::limits::DURATION_MS_MAX;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut bytes = bytes.to_vec();
    mend(&mut bytes);
    check(&bytes);
});

fn check(bytes: &[u8]) {
    let read = duration_ms(bytes);
    if let Ok(ms) = read {
        assert!((1..=DURATION_MS_MAX).contains(&ms));
        assert!(u64::from(ms) <= longest_ms(bytes.len() as u64));
    }
    let mut reader = VoiceReader::default();
    let fed = bytes.chunks(7).try_for_each(|piece| reader.feed(piece));
    assert_eq!(fed.and_then(|()| reader.finish()), read);
}

/// Gives each page that is whole the checksum that it should have.
fn mend(mut bytes: &mut [u8]) {
    while let Some(sizes) = bytes.get(26) {
        let body = 27 + usize::from(*sizes);
        let Some(sizes) = bytes.get(27..body) else { return };
        let end = body + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
        let Some((page, rest)) = bytes.split_at_mut_checked(end) else { return };
        let sum = checksum(page).to_le_bytes();
        page[22..26].copy_from_slice(&sum);
        bytes = rest;
    }
}

//! Blobs: questions about them, what comes in answer, and what is sealed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use martlet_protocol::Header;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::{Groups, PutAnswer, PutRefusal, Question};
use martlet_protocol::file::blob::{Proved, groups, receive};
use martlet_protocol::file::sealed::{Layout, open};

/// The size of the blob that is asked for: ten groups, and a part of one.
const SIZE: u64 = 700_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(question) = Question::decode(bytes) {
        assert_eq!(question.encode(), bytes);
    }
    // What a depot answers: its byte, and what follows.
    if let [answer, after @ ..] = bytes {
        let answer = PutAnswer::from_number(*answer);
        let refusal = after.first().and_then(|byte| PutRefusal::from_number(*byte));
        assert!(answer.is_none_or(|it| it.number() == bytes[0]));
        assert!(refusal.is_none_or(|it| it.number() == after[0]));
        if answer == Some(PutAnswer::Send) && after.len() > 2 {
            let _ = Groups::decode(&after[2..], SIZE);
        }
    }
    if let Ok(some) = Groups::decode(bytes, SIZE) {
        assert!(some.ranges().all(|(first, count)| first + count <= groups(SIZE)));
    }
    // Nobody has what hashes to this: only what proves itself is taken.
    let id = martlet_fuzz::blob();
    let result = receive(&id, SIZE, &Groups::all(SIZE), bytes, |proved| {
        let true_of = martlet_fuzz::blob_bytes();
        if let Proved::Group(at, group) = proved {
            let at = usize::try_from(at).expect("within the blob");
            assert_eq!(true_of[at..at + group.len()], group[..]);
        }
        Ok(())
    });
    assert!(result.is_err() || bytes.len() as u64 > SIZE);
    let key = FileKey::from_bytes([1; 32]);
    let layout = Layout::of(bytes.len() as u64).expect("a small file");
    let _ = open(&key, &layout, bytes, std::io::sink());
    // Only who has the key makes parts that open, and each at its own place.
    if let Ok(header) = Header::parse(bytes) {
        let key = martlet_fuzz::parts_key();
        if let Ok(part) = key.open(0, 100, &header, bytes) {
            assert_eq!(part.len(), 100);
            assert!(key.open(1, 100, &header, bytes).is_err());
        }
    }
});

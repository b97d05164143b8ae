//! Golden vectors.

use martlet_protocol::AckSecret;
use martlet_protocol::MessageId;
use martlet_protocol::file::blob;
use martlet_protocol::file::part::PartsKey;
use martlet_protocol::file::sealed::{Layout, open};
use martlet_protocol::message::{FileHolders, FileReceived};

use super::{ask, counting, key, message, part, sealed, vectors};

#[test]
fn what_an_older_build_sealed_opens() {
    let layout = Layout::of(100).unwrap();
    let mut file = Vec::new();
    open(&key(), &layout, &vectors::read("file.txt", "short")[..], &mut file).unwrap();
    assert_eq!(file, counting(100));
}

#[test]
fn vectors() {
    let (_, short) = sealed::sealed(&counting(100));
    let (_, long) = sealed::sealed(&counting(200_000));
    let (id, tree) = blob::name(&long[..], long.len() as u64).unwrap();
    let parts = PartsKey::of(&key());
    let slots = [AckSecret([1; 16])];
    let content = parts.seal(&part::addressing(), 1, &slots, &counting(100)).unwrap();
    let questions: Vec<_> = ask::all().iter().map(|question| question.encode()).collect();
    let told = FileHolders { file: MessageId([1; 16]), holders: vec![message::holder()] };
    vectors::check(
        "file.txt",
        "Files. The file key is 00 01 02 … 1f; a file of n bytes has the bytes 0, 1, … 250, 0, 1, …
        short: such a file of 100 bytes, sealed. long_hash: BLAKE3 of one of 200,000 bytes, sealed, which is its blob id;
        long_tree: its tree. part_tag, part_unused: of part 1, and of its slot 3. part_hash: BLAKE3 of the content of an
        envelope with the file of 100 bytes as part 1. get, have, put, release: questions. small, large, holders, received:
        payloads of the kinds 12, 12, 13 and 14.",
        &[
            ("short", short),
            ("long_hash", id.0.to_vec()),
            ("long_tree", tree),
            ("part_tag", parts.tag(1).0.to_vec()),
            ("part_unused", parts.unused_ack_secret(1, 3).0.to_vec()),
            ("part_hash", blake3::hash(&content).as_bytes().to_vec()),
            ("get", questions[0].clone()),
            ("have", questions[1].clone()),
            ("put", questions[2].clone()),
            ("release", questions[3].clone()),
            ("small", message::small().encode()),
            ("large", message::large().encode()),
            ("holders", told.encode()),
            ("received", FileReceived { file: MessageId([1; 16]) }.encode()),
        ],
    );
}

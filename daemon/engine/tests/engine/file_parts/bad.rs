//! What others may do to parts: mailboxes, which have no key of them, and those who have.

use martlet_protocol::crypto::Addressing;
use martlet_protocol::file::part::PartsKey;
use martlet_protocol::{AckSecret, Header, NetworkTag, Shard};

use super::*;

/// What a part is sealed in that nobody of these nodes made.
fn made_up(
    network: &NetworkDescriptor,
    key: &PartsKey,
    index: u16,
    bytes: &[u8],
) -> Result<Envelope> {
    let (network, shard) = (NetworkTag::of(&network.name), Shard(0));
    let addressing = Addressing { network, shard, expiry: ExpiryHour::latest(START) };
    Ok(Envelope::new(key.seal(&addressing, index, &[AckSecret([1; 16])], bytes)?))
}

#[test]
fn parts_that_a_mailbox_changed_or_swapped_are_refused_and_the_true_ones_taken() -> Result {
    let mut net = Net::pair(420, 3)?;
    net.turn_off(BOB);
    let sent = photo(1, PHOTO);
    let id = net.send(&sent)?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    let parts = net.large(MAILBOX)?;
    net.world.start(BOB)?;
    // The mailbox brings its own first: each with a bit turned, and each with the body of the next.
    let mut false_ones = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let mut turned = part.content.to_vec();
        let last = turned.len() - 1;
        turned[last] ^= 1;
        false_ones.push(Envelope::new(turned));
        let head = Header::parse(&part.content)?.len;
        let next = &parts[(at + 1) % parts.len()].content;
        let swapped = [&part.content[..head], &next[head..]].concat();
        false_ones.push(Envelope::new(swapped));
    }
    let peer = net.world.nodes[MAILBOX].peer;
    for envelope in false_ones {
        let input = brought(peer, envelope).ok_or("a header")?;
        net.world.run(BOB, vec![input]);
    }
    net.work(BOB)?;
    net.sync(BOB, MAILBOX)?;
    net.work(BOB)?;
    assert!(net.bytes(BOB, &id)? == sent);
    assert_eq!(net.keepers[BOB].kept.len(), parts.len(), "no false one was written");
    Ok(())
}

/// Someone in a room has the file's key, so parts that they make up open. Together they are not the file.
#[test]
fn parts_that_a_recipient_made_up_make_no_file_and_it_can_still_be_fetched() -> Result {
    let mut net = Net::pair(421, 3)?;
    let id = net.send(&photo(1, 100_000))?;
    // Its message comes first.
    net.world.gossip(0.0);
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    let FileContent::Blob(content) =
        net.world.call(ALICE, GetFile { id: id.clone() })?.file.content
    else {
        return Err("a blob".into());
    };
    let key = PartsKey::of(&content.key);
    let network = net.world.network.clone();
    let false_one = made_up(&network, &key, 1, &[7; PART_BYTES])?;
    let peer = net.world.nodes[MAILBOX].peer;
    net.world.run(BOB, vec![brought(peer, false_one).ok_or("a header")?]);
    net.sync(BOB, MAILBOX)?;
    // It is small, and is fetched as well.
    net.work(BOB)?;
    assert_eq!(net.keepers[BOB].kept.len(), 4);
    assert_ne!(net.state(BOB, &id)?, FileState::Complete);
    assert!(net.world.call(BOB, GetFile { id: id.clone() }).is_err());
    let state = net.state(BOB, &id)?;
    assert!(matches!(state, FileState::Fetching | FileState::Waiting), "{state:?}");
    // No more of them is taken, after a start neither.
    net.world.crash(BOB)?;
    net.world.settle()?;
    net.work(BOB)?;
    assert_eq!(net.keepers[BOB].kept.len(), 4);
    Ok(())
}

#[test]
fn nothing_is_taken_that_was_never_announced_or_of_who_is_no_contact() -> Result {
    let mut world = World::half_pair(422, 3)?;
    world.settle()?;
    let mut net = Net::of(world)?;
    // Bob does not know Alice.
    let id = net.send(&photo(1, 100_000))?;
    net.work(ALICE)?;
    net.world.settle()?;
    net.work(BOB)?;
    assert!(net.keepers[BOB].kept.is_empty());
    assert_eq!(net.large(BOB)?.len(), 4, "unacknowledged");
    // As a contact she may send what was announced.
    let alice = net.world.id_of(ALICE)?;
    net.world.add(BOB, &alice, "alice")?;
    net.world.settle()?;
    net.work(BOB)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Complete, "the mailbox still has it");
    // Parts with a key that no message told.
    let key = PartsKey::from_bytes([9; 32]);
    let network = net.world.network.clone();
    let peer = net.world.nodes[MAILBOX].peer;
    let before = net.keepers[BOB].kept.len();
    for index in [0, 1, 128, u16::MAX] {
        let envelope = made_up(&network, &key, index, &[7; PART_BYTES])?;
        net.world.run(BOB, vec![brought(peer, envelope).ok_or("a header")?]);
    }
    net.work(BOB)?;
    assert_eq!(net.keepers[BOB].kept.len(), before);
    Ok(())
}

/// Parts past the file's end, and such as are shorter than they say: none is written.
#[test]
fn parts_of_another_size_or_place_are_refused() -> Result {
    let mut net = Net::pair(423, 3)?;
    net.turn_off(BOB);
    let id = net.send(&photo(1, 100_000))?;
    net.world.gossip(0.0);
    net.sync(ALICE, MAILBOX)?;
    let FileContent::Blob(content) = net.world.call(ALICE, GetFile { id })?.file.content else {
        return Err("a blob".into());
    };
    let key = PartsKey::of(&content.key);
    let network = net.world.network.clone();
    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    let peer = net.world.nodes[MAILBOX].peer;
    // Part 3, the last, has fewer bytes.
    for (index, len) in [(3, PART_BYTES), (4, PART_BYTES), (128, 100), (u16::MAX, 1)] {
        let envelope = made_up(&network, &key, index, &vec![7; len])?;
        net.world.run(BOB, vec![brought(peer, envelope).ok_or("a header")?]);
    }
    net.work(BOB)?;
    assert!(net.keepers[BOB].kept.is_empty());
    // Of a name that there is not, nothing is believed.
    let told = FromBlobs::PartsKept(BlobName([1; 16]), vec![0, 1, 2, 3]);
    net.world.run(BOB, vec![Input::Blobs(told)]);
    Ok(())
}

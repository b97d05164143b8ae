//! Files that go through mailboxes, in parts. Each node has a directory of blobs, which the test keeps for it.

mod bad;

use std::collections::BTreeSet;

use martlet_engine::command::{
    AcceptFile, ForgetFile, GetFile, GetMessage, PrepareBlob, RecallMessage, RefuseFile, SendBlob,
};
use martlet_engine::limits::PARTS_OUT_PER_CONVERSATION_MAX;
use martlet_engine::{BlobUse, FromBlobs, KnownBlob, PartBytes, goes_in_parts, largest_in_parts};
use martlet_protocol::control::{EventBody, FileSend, FileState, MessageFile};
use martlet_protocol::envelope::is_large;
use martlet_protocol::file::part::{PART_BYTES, parts};
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::message::FileContent;
use martlet_store::blobs::{BlobDir, BlobDirError, BlobName};

use crate::world::*;

const ALICE: usize = 0;
const BOB: usize = 1;
const MAILBOX: usize = 2;
/// A photo of 3 MiB.
const PHOTO: usize = 3 << 20;

/// Who keeps the blobs of a node.
struct Keeper {
    _dir: tempfile::TempDir,
    blobs: BlobDir,
    /// Parts that were written.
    kept: Vec<u16>,
}

/// Nodes, and who keeps their blobs.
struct Net {
    world: World,
    keepers: Vec<Keeper>,
}

impl Keeper {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let blobs = BlobDir::open(dir.path().join("blobs"), 0, |_| Ok(u64::MAX))?;
        Ok(Self { _dir: dir, blobs, kept: Vec::new() })
    }

    /// Does what it is told; what came of it.
    fn obey(&mut self, told: ToBlobs) -> Result<Option<FromBlobs>> {
        Ok(match told {
            ToBlobs::ReadParts(blob, indexes) => {
                let read = |index| self.blobs.read_part(&blob.name, blob.size, index);
                let read = indexes.into_iter().map(|index| Ok((index, PartBytes(read(index)?))));
                let read: std::result::Result<_, BlobDirError> = read.collect();
                Some(FromBlobs::PartsRead(blob.name, read?))
            }
            ToBlobs::KeepPart(blob, index, bytes) => {
                self.blobs.keep_parts(&blob.name, blob.size, &[(index, bytes)])?;
                self.kept.push(index);
                Some(FromBlobs::PartsKept(blob.name, vec![index]))
            }
            ToBlobs::JoinParts(blob, _) => {
                Some(match self.blobs.join_parts(&blob.name, &blob.id, blob.size) {
                    Ok(()) => FromBlobs::Whole(blob.name),
                    Err(BlobDirError::Damaged) => FromBlobs::PartsFalse(blob.name),
                    Err(error) => return Err(error.into()),
                })
            }
            ToBlobs::Remove(name) => {
                self.blobs.remove(&name)?;
                None
            }
            ToBlobs::Known(_)
            | ToBlobs::Add(..)
            | ToBlobs::Deposit(..)
            | ToBlobs::Release(..)
            | ToBlobs::Closed => None,
        })
    }
}

impl Net {
    fn of(world: World) -> Result<Self> {
        let keepers = world.nodes.iter().map(|_| Keeper::new()).collect::<Result<_>>()?;
        Ok(Self { world, keepers })
    }

    /// Alice and Bob, who have each other's keys, and mailboxes.
    fn pair(seed: u64, nodes: usize) -> Result<Self> {
        let mut world = World::pair(seed, nodes)?;
        world.settle()?;
        Self::of(world)
    }

    /// The keeper of a node does what it is told, until so many things came of it; whether any did.
    fn keep(&mut self, node: usize, most: usize) -> Result<bool> {
        let mut done = 0;
        while done < most {
            let told = std::mem::take(&mut self.world.nodes[node].released.blobs);
            let mut told = told.into_iter();
            let Some(first) = told.next() else { break };
            let rest: Vec<_> = told.collect();
            self.world.nodes[node].released.blobs.splice(0..0, rest);
            if let Some(came) = self.keepers[node].obey(first)? {
                self.world.run(node, vec![Input::Blobs(came)]);
                done += 1;
            }
        }
        Ok(done > 0)
    }

    fn work(&mut self, node: usize) -> Result {
        self.keep(node, usize::MAX).map(|_| ())
    }

    fn send_to(&mut self, to: &str, bytes: &[u8]) -> Result<String> {
        let request = FileSend { to: to.into(), name: "photo.jpg".into(), ..FileSend::default() };
        let size = bytes.len() as u64;
        let prepared = self.world.call(ALICE, PrepareBlob { request: request.clone(), size })?;
        let (name, key) = (prepared.name, prepared.key.clone());
        let blob =
            self.keepers[ALICE]
                .blobs
                .import(&name, (&key, &Layout::of(size)?), bytes, &|| false)?;
        let (media_type, holders) = ("image/jpeg".into(), Vec::new());
        let sent = SendBlob { request, media_type, size, prepared, blob, holders, voice_ms: None };
        Ok(self.world.call(ALICE, sent)?.id)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<String> {
        self.send_to("bob", bytes)
    }

    fn file(&mut self, node: usize, id: &str) -> Result<MessageFile> {
        Ok(self.world.call(node, GetMessage { id: id.into() })?.file.ok_or("a file")?)
    }

    fn state(&mut self, node: usize, id: &str) -> Result<FileState> {
        Ok(self.file(node, id)?.state)
    }

    /// A file, as a node gives it.
    fn bytes(&mut self, node: usize, id: &str) -> Result<Vec<u8>> {
        let here = self.world.call(node, GetFile { id: id.into() })?;
        let (FileContent::Blob(content), Some(blob)) = (here.file.content, here.blob) else {
            return Err("no blob".into());
        };
        let KnownBlob { name, id, size } = blob;
        let mut bytes = Vec::new();
        let (whole, layout) =
            (self.keepers[node].blobs.whole(&name, &id, size)?, Layout::of(content.size)?);
        whole.export(&content.key, &layout, 0..content.size, &mut bytes)?;
        Ok(bytes)
    }

    /// The envelopes of the largest size in a node's mailbox.
    fn large(&self, node: usize) -> Result<Vec<Envelope>> {
        let engine = self.world.nodes[node].engine.as_ref().ok_or("it is off")?;
        let view = engine.mailbox().view()?;
        let mut ids = Vec::new();
        for digest in view.digests()? {
            ids.extend(view.bucket_ids(digest.bucket)?);
        }
        let (envelopes, _) = view.fetch(&ids, usize::MAX)?;
        Ok(envelopes.into_iter().filter(|it| is_large(it.content.len())).collect())
    }

    fn turn_off(&mut self, node: usize) {
        self.world.nodes[node].engine = None;
        self.world.nodes[node].released = Released::default();
    }

    /// What they have afterwards is on their disks.
    fn sync(&mut self, a: usize, b: usize) -> Result {
        self.world.sync(a, b)?;
        self.commit(&[a, b]);
        Ok(())
    }

    fn commit(&mut self, nodes: &[usize]) {
        self.world.elapse(MAILBOX_COMMIT_DELAY);
        nodes.iter().for_each(|node| self.world.run(*node, Vec::new()));
    }
}

/// A photo: bytes that no two of have alike.
fn photo(seed: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn count(size: usize) -> Result<usize> {
    Ok(usize::try_from(parts(Layout::of(size as u64)?.sealed_size()))?)
}

#[test]
fn three_mib_reach_who_was_away_though_their_sender_is_off_by_then() -> Result {
    let mut net = Net::pair(400, 3)?;
    net.turn_off(BOB);
    let sent = photo(1, PHOTO);
    let id = net.send(&sent)?;
    net.work(ALICE)?;
    assert!(net.world.nodes[ALICE].released.publish.iter().all(|it| !is_large(it.content.len())));
    net.sync(ALICE, MAILBOX)?;
    assert_eq!(net.large(MAILBOX)?.len(), count(PHOTO)?);
    assert_eq!(net.file(ALICE, &id)?.taken_bytes, Some(0));
    net.turn_off(ALICE);

    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Waiting);
    assert!(net.keep(BOB, 30)?);
    let file = net.file(BOB, &id)?;
    assert_eq!(
        (file.state, file.fetched_bytes),
        (FileState::Fetching, Some(30 * PART_BYTES as u64))
    );
    net.work(BOB)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Complete);
    assert!(net.bytes(BOB, &id)? == sent, "byte for byte");
    assert_eq!(net.keepers[BOB].kept.len(), count(PHOTO)?, "each once");

    // All of it leaves the mailboxes, and its sender learns that it came.
    net.sync(BOB, MAILBOX)?;
    assert_eq!((net.large(BOB)?.len(), net.large(MAILBOX)?.len()), (0, 0));
    net.world.start(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    let file = net.file(ALICE, &id)?;
    assert!(file.received);
    assert_eq!(file.taken_bytes, Some(Layout::of(PHOTO as u64)?.sealed_size()));
    assert_eq!(net.large(ALICE)?.len(), 0);
    Ok(())
}

/// What is written is not kept waiting by a file, wherever both wait: a mailbox gives what is small first, whenever it came.
#[test]
fn a_text_goes_before_all_parts_though_it_was_written_after_them() -> Result {
    let mut net = Net::pair(401, 3)?;
    net.turn_off(BOB);
    net.send(&photo(1, PHOTO))?;
    net.work(ALICE)?;
    net.world.send(ALICE, "bob", "see you at eight")?;
    net.sync(ALICE, MAILBOX)?;
    for node in [ALICE, MAILBOX] {
        let engine = net.world.nodes[node].engine.as_ref().ok_or("on")?;
        let view = engine.mailbox().view()?;
        let mut ids = Vec::new();
        for digest in view.digests()? {
            ids.extend(view.bucket_ids(digest.bucket)?);
        }
        let (first, _) = view.fetch(&ids, 1 << 20)?;
        let at = first.iter().position(|it| is_large(it.content.len())).ok_or("parts, too")?;
        assert!(first[at..].iter().all(|it| is_large(it.content.len())), "node {node}");
        let all = ids.len() - net.large(node)?.len();
        assert_eq!(at, all, "all that is small is in the first batch of node {node}");
    }
    Ok(())
}

#[test]
fn a_recall_takes_the_parts_out_of_all_mailboxes() -> Result {
    let mut net = Net::pair(402, 3)?;
    net.turn_off(BOB);
    let id = net.send(&photo(1, PHOTO))?;
    // Half of it was made by then.
    assert!(net.keep(ALICE, 4)?);
    net.sync(ALICE, MAILBOX)?;
    assert!(!net.large(MAILBOX)?.is_empty());
    net.world.call(ALICE, RecallMessage { id: id.clone() })?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!((net.large(ALICE)?.len(), net.large(MAILBOX)?.len()), (0, 0));
    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    net.work(BOB)?;
    assert!(net.keepers[BOB].kept.is_empty());
    assert_eq!(net.world.call(ALICE, GetStatus {})?.outbox, Some(0), "the recall is no message");
    // So it is if the user removes the file, and keeps its message.
    let id = net.send(&photo(2, 100_000))?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!(net.large(MAILBOX)?.len(), 4);
    net.world.call(ALICE, ForgetFile { id: id.clone() })?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!(net.large(MAILBOX)?.len(), 0);
    assert_eq!(net.state(ALICE, &id)?, FileState::Gone);
    Ok(())
}

/// Killed between any two parts, on either side: it goes on with those that are not surely on disk, and says of none that is not that it is.
#[test]
fn a_kill_between_parts_costs_only_what_was_not_on_disk() -> Result {
    let mut net = Net::pair(403, 3)?;
    net.turn_off(BOB);
    let sent = photo(1, PHOTO);
    let id = net.send(&sent)?;
    for _ in 0..5 {
        net.keep(ALICE, 1)?;
        net.world.crash(ALICE)?;
    }
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    let mut seen = BTreeSet::new();
    let parts = net.large(MAILBOX)?;
    assert!(parts.iter().all(|it| seen.insert(it.id())));
    assert_eq!(parts.len(), count(PHOTO)?, "none was made twice");

    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    let mut before = 0;
    while net.state(BOB, &id)? != FileState::Complete {
        net.keep(BOB, 25)?;
        // Those acknowledged are not in the mailbox any more: they are on disk.
        net.commit(&[BOB]);
        net.world.crash(BOB)?;
        let kept: BTreeSet<u16> = net.keepers[BOB].kept.iter().copied().collect();
        assert_eq!(kept.len(), net.keepers[BOB].kept.len(), "none was written twice");
        assert!(kept.len() > before || net.state(BOB, &id)? == FileState::Complete);
        before = kept.len();
    }
    assert_eq!(net.state(BOB, &id)?, FileState::Complete);
    assert!(net.bytes(BOB, &id)? == sent);
    Ok(())
}

/// The vault was put back from a copy, or the directory was emptied: parts are told to be there, and are not.
#[test]
fn parts_that_the_disk_lost_make_no_file() -> Result {
    let mut net = Net::pair(404, 3)?;
    let id = net.send(&photo(1, PHOTO))?;
    net.work(ALICE)?;
    net.world.settle()?;
    net.keep(BOB, 50)?;
    let told = net.world.nodes[BOB].released.blobs.iter();
    let name = told.clone().find_map(|told| match told {
        ToBlobs::KeepPart(blob, ..) => Some(blob.name),
        _ => None,
    });
    net.keepers[BOB].blobs.remove(&name.ok_or("more to come")?)?;
    net.work(BOB)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Offered, "it can be fetched from who has it");
    net.world.call(BOB, AcceptFile { id: id.clone() })?;
    let told = std::mem::take(&mut net.world.nodes[BOB].released.blobs);
    assert!(told.iter().any(|it| matches!(it, ToBlobs::Add(_, BlobUse::Fetch(_)))), "{told:?}");
    assert!(!told.iter().any(|it| matches!(it, ToBlobs::KeepPart(..))));
    Ok(())
}

#[test]
fn of_many_files_no_more_is_on_its_way_than_mailboxes_should_keep() -> Result {
    let mut net = Net::pair(405, 3)?;
    net.turn_off(BOB);
    let sent: Vec<_> = (1..=3).map(|seed| photo(seed, 4 << 20)).collect();
    let ids: Vec<_> = sent.iter().map(|bytes| net.send(bytes)).collect::<Result<_>>()?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!(net.large(MAILBOX)?.len(), PARTS_OUT_PER_CONVERSATION_MAX);
    net.world.start(BOB)?;
    for _ in 0..3 {
        net.sync(BOB, MAILBOX)?;
        net.work(BOB)?;
        net.sync(BOB, MAILBOX)?;
        net.sync(ALICE, MAILBOX)?;
        net.work(ALICE)?;
        assert!(net.large(ALICE)?.len() <= PARTS_OUT_PER_CONVERSATION_MAX);
        net.sync(ALICE, MAILBOX)?;
    }
    for (id, bytes) in ids.iter().zip(&sent) {
        assert_eq!(net.state(BOB, id)?, FileState::Complete);
        assert!(net.bytes(BOB, id)? == *bytes);
        assert!(net.file(ALICE, id)?.received);
    }
    Ok(())
}

#[test]
fn in_a_room_one_set_of_parts_is_for_all_and_who_was_away_gets_them_later() -> Result {
    let mut net = Net::of(World::with_room(406, 5, 5)?)?;
    let (erin, mailbox) = (4, 5);
    // Contacts of the sender's: nothing is fetched by itself from others.
    net.turn_off(erin);
    let sent = photo(1, PHOTO);
    let id = net.send_to("bridge", &sent)?;
    net.work(ALICE)?;
    net.sync(ALICE, mailbox)?;
    assert_eq!(net.large(mailbox)?.len(), count(PHOTO)?);
    for node in 1..4 {
        net.sync(node, mailbox)?;
        net.work(node)?;
        assert!(net.bytes(node, &id)? == sent, "{node}");
        net.sync(node, mailbox)?;
    }
    net.sync(ALICE, mailbox)?;
    assert!(net.file(ALICE, &id)?.received, "some device has all of it");
    assert_eq!(net.large(mailbox)?.len(), count(PHOTO)?, "they wait for Erin");
    net.turn_off(ALICE);
    net.world.start(erin)?;
    net.sync(erin, mailbox)?;
    net.work(erin)?;
    assert!(net.bytes(erin, &id)? == sent);
    net.sync(erin, mailbox)?;
    assert_eq!(net.large(mailbox)?.len(), 0);
    Ok(())
}

#[test]
fn a_file_is_wanted_as_long_as_its_recipient_wants_it() -> Result {
    let mut net = Net::pair(407, 3)?;
    net.turn_off(BOB);
    let id = net.send(&photo(1, PHOTO))?;
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    net.keep(BOB, 10)?;
    net.world.call(BOB, RefuseFile { id: id.clone() })?;
    let late = std::mem::take(&mut net.keepers[BOB].kept);
    net.work(BOB)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Refused);
    net.world.pass(Duration::from_secs(1));
    assert!(net.large(BOB)?.len() >= count(PHOTO)? - late.len(), "nothing more is acknowledged");
    // Accepted after all: from what the mailbox still has. What was acknowledged is there no more, and nobody else has it.
    net.world.call(BOB, AcceptFile { id: id.clone() })?;
    net.work(BOB)?;
    assert_eq!(net.state(BOB, &id)?, FileState::Fetching);
    let file = net.file(BOB, &id)?;
    let sealed = Layout::of(PHOTO as u64)?.sealed_size();
    assert!(file.fetched_bytes.is_some_and(|bytes| bytes < sealed), "{file:?}");
    Ok(())
}

#[test]
fn who_fetched_it_acknowledges_the_parts_all_the_same() -> Result {
    let mut net = Net::pair(408, 3)?;
    let sent = photo(1, 200_000);
    let id = net.send(&sent)?;
    net.world.gossip(0.0);
    let told = std::mem::take(&mut net.world.nodes[BOB].released.blobs);
    let fetched = told.iter().find_map(|told| match told {
        ToBlobs::Add(blob, BlobUse::Fetch(wanted)) => Some((*blob, wanted.clone())),
        _ => None,
    });
    let (blob, wanted) = fetched.ok_or("small enough to be fetched")?;
    let layout = Layout::of(wanted.size)?;
    net.keepers[BOB].blobs.import(&blob.name, (&wanted.key, &layout), &sent[..], &|| false)?;
    net.world.run(BOB, vec![Input::Blobs(FromBlobs::Whole(blob.name))]);
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert!(!net.large(MAILBOX)?.is_empty());
    net.sync(BOB, MAILBOX)?;
    assert_eq!(net.large(BOB)?.len(), 0);
    assert!(net.keepers[BOB].kept.is_empty());
    net.sync(BOB, MAILBOX)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!((net.large(MAILBOX)?.len(), net.large(ALICE)?.len()), (0, 0));
    assert!(net.bytes(BOB, &id)? == sent);
    let events = std::mem::take(&mut net.world.nodes[ALICE].released.events);
    let received = events.iter().filter(|it| matches!(it.body, EventBody::FileReceived { .. }));
    assert_eq!(received.count(), 1, "by its parts and by word, told once");
    Ok(())
}

#[test]
fn what_a_network_carries_goes_in_parts_and_nothing_else() -> Result {
    let lan = NetworkDescriptor::default();
    assert!(goes_in_parts(&lan, 4 << 20) && !goes_in_parts(&lan, (4 << 20) + 1));
    assert_eq!(largest_in_parts(&lan), 4 << 20);
    let open = NetworkDescriptor { lan_only: false, ..lan.clone() };
    assert_eq!(largest_in_parts(&open), 512 << 10);
    let small = NetworkDescriptor { mailbox_file_bytes: Some(100_000), ..lan.clone() };
    assert_eq!(largest_in_parts(&small), 100_000);
    let none = NetworkDescriptor { mailbox_file_bytes: Some(0), ..lan.clone() };
    assert_eq!(largest_in_parts(&none), 0);
    // Where each needs a stamp, sixteen.
    let stamped = NetworkDescriptor { stamp_bits: 4, ..lan };
    let largest = largest_in_parts(&stamped);
    assert_eq!(parts(Layout::of(largest)?.sealed_size()), 16);
    let mut world = World::pair_on(409, 3, stamped)?;
    world.settle()?;
    let mut net = Net::of(world)?;
    net.turn_off(BOB);
    let few = photo(1, 100_000);
    let (many, id) = (net.send(&photo(2, usize::try_from(largest)? + 1))?, net.send(&few)?);
    net.work(ALICE)?;
    net.sync(ALICE, MAILBOX)?;
    assert_eq!(net.large(MAILBOX)?.len(), 4, "with their stamps");
    assert_eq!(net.file(ALICE, &many)?.taken_bytes, None);
    net.world.start(BOB)?;
    net.sync(BOB, MAILBOX)?;
    net.work(BOB)?;
    assert!(net.bytes(BOB, &id)? == few);
    Ok(())
}

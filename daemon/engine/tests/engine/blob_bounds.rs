//! Files that are blobs: how many there may be, of whom, and what blocking and a lost disk change.

use martlet_engine::command::{
    AcceptFile, Block, ForgetFile, GetFile, GetMessage, PrepareBlob, PreparedBlob, SendBlob,
    Unblock,
};
use martlet_engine::limits::FILES_UNASKED_OF_ONE_MAX;
use martlet_engine::{BlobFailure, BlobUse, FromBlobs};
use martlet_protocol::control::{FileFailure, FileSend, FileState};
use martlet_protocol::file::{FileKey, FileName};
use martlet_protocol::message::{BlobContent, Content, File, FileContent, FileReceived, Holder};
use martlet_protocol::{BlobId, MessageId};

use crate::blobs::{ALICE, BOB, LARGE, SMALL, fetched, request, send, settled, state, tell, told};
use crate::talk::hostile;
use crate::world::*;

const GIB: u64 = 1 << 30;

fn prepare(world: &mut World, size: u64) -> Result<PreparedBlob> {
    world.call(ALICE, PrepareBlob { request: request(), size })
}

/// What is sealed at the same time was let in by the same figure: two files of 5 GiB, where 8 GiB are kept.
#[test]
fn room_is_kept_for_what_is_being_made() -> Result {
    let mut world = settled(240)?;
    let first = prepare(&mut world, 5 * GIB)?;
    assert!(prepare(&mut world, 4 * GIB).is_err());
    let second = prepare(&mut world, GIB)?;
    // One is sent, and is counted once; the other is not made.
    let (request, media_type, blob) = (request(), "video/mp4".into(), BlobId([9; 32]));
    let size = 5 * GIB;
    let (prepared, holders) = (first, Vec::<Holder>::new());
    world.call(
        ALICE,
        SendBlob { request, media_type, size, prepared, blob, holders, voice_ms: None },
    )?;
    assert!(prepare(&mut world, 2 * GIB).is_err());
    tell(&mut world, ALICE, FromBlobs::NotMade(second.name));
    prepare(&mut world, 2 * GIB)?;
    Ok(())
}

/// What is here of a file whose fetching failed counted as nothing: as much again was taken, and again.
#[test]
fn what_failed_and_is_on_the_disk_counts() -> Result {
    let mut world = settled(241)?;
    let (id, _) = send(&mut world, request(), 5 * GIB)?;
    world.settle()?;
    world.call(BOB, AcceptFile { id: id.clone() })?;
    let blob = fetched(&mut world, BOB).ok_or("it is fetched")?;
    tell(&mut world, BOB, FromBlobs::Failed(blob.name, BlobFailure::Disk));
    let to_alice = FileSend { to: "alice".into(), ..request() };
    let prepare = |size| PrepareBlob { request: to_alice.clone(), size };
    assert!(world.call(BOB, prepare(4 * GIB)).is_err());
    // It is not counted twice where it goes on.
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(fetched(&mut world, BOB), Some(blob));
    world.call(BOB, ForgetFile { id })?;
    world.call(BOB, prepare(4 * GIB))?;
    Ok(())
}

/// Only bytes were counted, and those by conversation: one member of a room could fill it for all, with files of 24 KiB also the number of
/// files that there may be.
#[test]
fn of_one_person_no_more_is_fetched_unasked_than_leaves_room_for_others() -> Result {
    let mut world = settled(242)?;
    let mut ids = Vec::new();
    for _ in 0..=FILES_UNASKED_OF_ONE_MAX {
        ids.push(send(&mut world, request(), 30_000)?.0);
    }
    while world.call(BOB, GetMessage { id: ids.last().ok_or("one")?.clone() }).is_err() {
        world.settle()?;
    }
    let mut fetching = 0;
    for id in &ids {
        fetching += usize::from(state(&mut world, BOB, id)? == FileState::Fetching);
    }
    assert_eq!(fetching, FILES_UNASKED_OF_ONE_MAX);
    let last = ids.pop().ok_or("one")?;
    assert_eq!(state(&mut world, BOB, &last)?, FileState::Offered);
    // Asked for, it is; and what is gone leaves room.
    world.call(BOB, AcceptFile { id: last })?;
    let (more, _) = send(&mut world, request(), SMALL)?;
    world.settle()?;
    assert_eq!(
        state(&mut world, BOB, &more)?,
        FileState::Offered,
        "all the others are still unasked"
    );
    world.call(BOB, ForgetFile { id: ids[0].clone() })?;
    let (more, _) = send(&mut world, request(), SMALL)?;
    world.settle()?;
    assert_eq!(state(&mut world, BOB, &more)?, FileState::Fetching);
    Ok(())
}

/// A fetch from a contact went on while they were blocked, and they could go on fetching.
#[test]
fn nothing_is_fetched_from_who_is_blocked_nor_given_to_them() -> Result {
    let mut world = settled(243)?;
    let (theirs, _) = send(&mut world, request(), LARGE)?;
    world.settle()?;
    world.call(BOB, AcceptFile { id: theirs.clone() })?;
    let blob = fetched(&mut world, BOB).ok_or("it is fetched")?;
    told(&mut world, ALICE);
    world.call(ALICE, Block { who: "bob".into() })?;
    let resting = told(&mut world, ALICE);
    assert!(matches!(&resting[..], [ToBlobs::Add(_, BlobUse::Rest)]), "{resting:?}");
    world.call(BOB, Block { who: "alice".into() })?;
    assert_eq!(told(&mut world, BOB), [ToBlobs::Add(blob, BlobUse::Rest)]);
    assert_eq!(state(&mut world, BOB, &theirs)?, FileState::Waiting);
    // Also after a start.
    world.crash(BOB)?;
    world.run(BOB, vec![Input::Tick]);
    assert_eq!(told(&mut world, BOB), [ToBlobs::Known(vec![(blob, BlobUse::Rest)])]);
    // It came nevertheless, just then: it is not given to others.
    tell(&mut world, BOB, FromBlobs::Whole(blob.name));
    assert_eq!(told(&mut world, BOB), [ToBlobs::Add(blob, BlobUse::Rest)]);
    world.call(BOB, GetFile { id: theirs.clone() })?;
    world.call(BOB, ForgetFile { id: theirs.clone() })?;
    assert!(world.call(BOB, AcceptFile { id: theirs }).is_err(), "it would be fetched from them");

    told(&mut world, BOB);
    for (node, who) in [(ALICE, "bob"), (BOB, "alice")] {
        world.call(node, Unblock { who: who.into() })?;
    }
    let served = told(&mut world, ALICE);
    assert!(matches!(&served[..], [ToBlobs::Add(_, BlobUse::Serve)]), "{served:?}");
    Ok(())
}

/// A vault put back on another machine says `here` of files that are on the disk of the first.
#[test]
fn what_is_not_on_this_disk_any_more_can_be_fetched_again() -> Result {
    let mut world = settled(244)?;
    let (id, own) = send(&mut world, request(), SMALL)?;
    world.settle()?;
    let blob = fetched(&mut world, BOB).ok_or("it is fetched")?;
    tell(&mut world, BOB, FromBlobs::Whole(blob.name));
    for node in [ALICE, BOB] {
        told(&mut world, node);
        world.crash(node)?;
        world.run(node, vec![Input::Tick]);
        told(&mut world, node);
    }
    tell(&mut world, BOB, FromBlobs::Failed(blob.name, BlobFailure::Lost));
    let failed = |world: &mut World, node| {
        let message = world.call(node, GetMessage { id: id.clone() })?;
        Result::Ok(message.file.and_then(|file| file.failure))
    };
    assert_eq!(failed(&mut world, BOB)?, Some(FileFailure::Lost));
    assert_eq!(told(&mut world, BOB), [ToBlobs::Remove(blob.name)]);
    // Told again, it is no news.
    tell(&mut world, BOB, FromBlobs::Failed(blob.name, BlobFailure::Disk));
    assert_eq!(failed(&mut world, BOB)?, Some(FileFailure::Lost));
    world.call(BOB, AcceptFile { id: id.clone() })?;
    let again = fetched(&mut world, BOB).ok_or("it is fetched")?;
    assert_ne!(again.name, blob.name);
    // Of what is only damaged the rest is of use: but not of an own one, which nobody else has.
    tell(&mut world, BOB, FromBlobs::Whole(again.name));
    tell(&mut world, BOB, FromBlobs::Failed(again.name, BlobFailure::Disk));
    assert_eq!(
        (told(&mut world, BOB), failed(&mut world, BOB)?),
        (vec![], Some(FileFailure::Disk))
    );
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(fetched(&mut world, BOB), Some(again));
    tell(&mut world, ALICE, FromBlobs::Failed(own, BlobFailure::Disk));
    assert_eq!(failed(&mut world, ALICE)?, Some(FileFailure::Lost));
    assert_eq!(told(&mut world, ALICE), [ToBlobs::Remove(own)]);
    Ok(())
}

/// Of a file that a contact sent they can't say that it was received: only of one that was sent to them.
#[test]
fn that_a_file_came_is_believed_of_whom_it_was_sent_to() -> Result {
    let (mut world, mut eve, _) = hostile(245)?;
    let blob = BlobContent {
        size: SMALL,
        key: FileKey::from_bytes([1; 32]),
        blob: BlobId([2; 32]),
        has_parts: false,
        thumbnail: None,
        holders: vec![],
    };
    let theirs = File {
        name: FileName::harmless("theirs"),
        media_type: "text/plain".into(),
        content: FileContent::Blob(Box::new(blob)),
        duration_ms: None,
        text: String::new(),
    };
    let (of_theirs, envelope) = eve.says(&world, Content::File(theirs))?;
    world.bring(ALICE, &[envelope])?;
    let here = fetched(&mut world, ALICE).ok_or("it is fetched")?;
    tell(&mut world, ALICE, FromBlobs::Whole(here.name));
    let to_eve = FileSend { to: "eve".into(), ..request() };
    let (own, _) = send(&mut world, to_eve, SMALL)?;
    for file in [of_theirs, own.parse::<MessageId>()?] {
        let (_, envelope) = eve.says(&world, Content::FileReceived(FileReceived { file }))?;
        world.bring(ALICE, &[envelope])?;
    }
    let received = |world: &mut World, id: &str| {
        let message = world.call(ALICE, GetMessage { id: id.into() })?;
        Result::Ok(message.file.ok_or("a file")?.received)
    };
    assert!(!received(&mut world, &of_theirs.to_string())?);
    assert!(received(&mut world, &own)?);
    Ok(())
}

#[test]
fn what_is_sent_is_in_no_log() {
    let name = "film.mp4";
    let text = || Some("of Monday".to_owned());
    let request = || FileSend { text: text(), name: name.into(), ..request() };
    let prepared = PreparedBlob {
        name: martlet_store::blobs::BlobName([7; 16]),
        key: FileKey::from_bytes([7; 32]),
    };
    let sent = SendBlob {
        request: request(),
        media_type: "video/mp4".into(),
        size: SMALL,
        prepared,
        blob: BlobId([0; 32]),
        holders: vec![],
        voice_ms: None,
    };
    let shown =
        format!("{:?} {:?} {sent:?}", request(), PrepareBlob { request: request(), size: 1 });
    assert!(
        !shown.contains("film") && !shown.contains("Monday") && !shown.contains("mp4"),
        "{shown}"
    );
}

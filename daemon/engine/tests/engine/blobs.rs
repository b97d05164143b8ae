//! Files that are blobs: what the engine decides, and tells who keeps them.

use martlet_engine::command::{
    AcceptFile, ClearConversation, DeleteMessage, ExportPage, ForgetFile, GetFile, GetMessage,
    GetThumbnail, PrepareBlob, RecallMessage, RefuseFile, SendBlob, SendFile,
};
use martlet_engine::{BlobFailure, BlobUse, FromBlobs, KnownBlob};
use martlet_protocol::BlobId;
use martlet_protocol::control::{
    EventBody, ExportLine, FileFailure, FileSend, FileState, TimerSetting,
};
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::message::Holder;
use martlet_store::blobs::BlobName;
use serde_bytes::ByteBuf;

use crate::world::*;

pub(crate) const ALICE: usize = 0;
pub(crate) const BOB: usize = 1;
pub(crate) const SMALL: u64 = 100_000;
pub(crate) const LARGE: u64 = 50 << 20;

pub(crate) fn request() -> FileSend {
    FileSend { to: "bob".into(), name: "film.mp4".into(), ..FileSend::default() }
}

fn holder() -> Holder {
    Holder { peer: ByteBuf::from(vec![1; 38]), addresses: vec![ByteBuf::from(vec![4; 8])] }
}

/// Sends a file of so many bytes as if it had been sealed: its id, and its blob here.
pub(crate) fn send(world: &mut World, request: FileSend, size: u64) -> Result<(String, BlobName)> {
    let prepared = world.call(ALICE, PrepareBlob { request: request.clone(), size })?;
    let name = prepared.name;
    let (media_type, blob, holders) =
        ("video/mp4".into(), BlobId([size as u8; 32]), vec![holder()]);
    let sent = SendBlob { request, media_type, size, prepared, blob, holders, voice_ms: None };
    Ok((world.call(ALICE, sent)?.id, name))
}

/// What the keeper of blobs was told; nothing of parts, which are not read here (`file_parts.rs`), nor of depots (`deposits.rs`).
pub(crate) fn told(world: &mut World, node: usize) -> Vec<ToBlobs> {
    let told = std::mem::take(&mut world.nodes[node].released.blobs);
    let is_elsewhere = |told: &ToBlobs| {
        matches!(told, ToBlobs::ReadParts(..) | ToBlobs::Deposit(..) | ToBlobs::Release(..))
    };
    told.into_iter().filter(|it| !is_elsewhere(it)).collect()
}

/// The blob that a node is told to fetch, of all that it was told.
pub(crate) fn fetched(world: &mut World, node: usize) -> Option<KnownBlob> {
    told(world, node).into_iter().find_map(|told| match told {
        ToBlobs::Add(blob, BlobUse::Fetch(_)) => Some(blob),
        _ => None,
    })
}

pub(crate) fn state(world: &mut World, node: usize, id: &str) -> Result<FileState> {
    let message = world.call(node, GetMessage { id: id.into() })?;
    Ok(message.file.ok_or("a file")?.state)
}

pub(crate) fn tell(world: &mut World, node: usize, told: FromBlobs) {
    world.run(node, vec![Input::Blobs(told)]);
}

fn events(world: &mut World, node: usize) -> Vec<EventBody> {
    let events = std::mem::take(&mut world.nodes[node].released.events);
    events.into_iter().map(|event| event.body).collect()
}

pub(crate) fn settled(seed: u64) -> Result<World> {
    let mut world = World::pair(seed, 2)?;
    world.settle()?;
    Ok(world)
}

/// How a photo looks comes with its message, and is there before the photo is. Nobody decodes it here.
#[test]
fn a_thumbnail_comes_with_the_message_and_what_is_none_is_not_sent() -> Result {
    let mut world = settled(260)?;
    let with = |hex: &str| FileSend { thumbnail: Some(hex.into()), ..request() };
    for none in ["", "ffd8", "89504e47", "ffd8fg", &"ff".repeat(9000)] {
        assert!(send(&mut world, with(none), LARGE).is_err(), "{none:?}");
    }
    // Of one that is in its message itself it is left out; what is none is refused all the same.
    let small = |hex| SendFile { request: with(hex), media_type: String::new(), bytes: vec![7; 9] };
    assert!(world.call(ALICE, small("89504e47")).is_err());
    let small = world.call(ALICE, small("ffd8ff2a"))?.id;
    assert_eq!(world.call(ALICE, GetThumbnail { id: small })?, None);
    let (id, _) = send(&mut world, with("ffd8ff2A"), LARGE)?;
    let (bare, _) = send(&mut world, request(), LARGE - 1)?;
    world.settle()?;
    for node in [ALICE, BOB] {
        let file = |world: &mut World, id: &str| {
            let message = world.call(node, GetMessage { id: id.into() })?;
            Result::Ok(message.file.ok_or("a file")?)
        };
        assert_eq!(file(&mut world, &id)?.thumbnail_bytes, Some(4));
        assert_eq!(file(&mut world, &bare)?.thumbnail_bytes, None);
        let shown = world.call(node, GetThumbnail { id: id.clone() })?.ok_or("a thumbnail")?;
        assert_eq!(
            (shown.as_slice(), shown.media_type()),
            (&[0xff, 0xd8, 0xff, 0x2a][..], "image/jpeg")
        );
        assert_eq!(world.call(node, GetThumbnail { id: bare.clone() })?, None);
        let (lines, _) = world.call(node, ExportPage { cursor: None })?;
        let told = lines.iter().filter_map(|line| match line {
            ExportLine::Thumbnail { message, name, bytes } => Some((message, name, bytes)),
            _ => None,
        });
        let wanted = (&id, &"film.mp4".to_owned(), &"ffd8ff2a".to_owned());
        assert_eq!(told.collect::<Vec<_>>(), [wanted]);
    }
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Offered, "the photo itself is not here");
    Ok(())
}

#[test]
fn a_contacts_small_file_is_fetched_without_a_question_and_its_sender_hears_that_it_came() -> Result
{
    let mut world = settled(230)?;
    let known = ToBlobs::Known(Vec::new());
    assert_eq!(told(&mut world, ALICE), std::slice::from_ref(&known));
    assert_eq!(told(&mut world, BOB), [known]);
    let (id, name) = send(&mut world, request(), SMALL)?;
    let size = Layout::of(SMALL)?.sealed_size();
    let blob = KnownBlob { name, id: BlobId([SMALL as u8; 32]), size };
    assert_eq!(told(&mut world, ALICE), [ToBlobs::Add(blob, BlobUse::Serve)]);
    assert_eq!(state(&mut world, ALICE, &id)?, FileState::Complete);
    world.settle()?;
    let told = told(&mut world, BOB);
    let [ToBlobs::Add(theirs, BlobUse::Fetch(wanted))] = &told[..] else {
        return Err(format!("{told:?}").into());
    };
    assert_eq!((theirs.id, theirs.size, wanted.size), (blob.id, size, SMALL));
    assert_ne!(theirs.name, name, "each has a name of its own");
    assert_eq!(wanted.holders, [holder()]);
    assert!(world.call(BOB, GetFile { id: id.clone() }).is_err(), "it is not here yet");
    events(&mut world, BOB);

    let name = theirs.name;
    tell(&mut world, BOB, FromBlobs::Progress { name, bytes: 65_536, is_waiting: false });
    let message = world.call(BOB, GetMessage { id: id.clone() })?;
    let file = message.file.ok_or("a file")?;
    assert_eq!((file.state, file.fetched_bytes), (FileState::Fetching, Some(65_536)));
    assert_eq!(message.text, "[file \"film.mp4\", 97.6 KiB, on its way]");
    tell(&mut world, BOB, FromBlobs::Progress { name, bytes: 65_536, is_waiting: true });
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Waiting);
    tell(&mut world, BOB, FromBlobs::Whole(name));
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Complete);
    assert_eq!(world.call(BOB, GetFile { id: id.clone() })?.blob.ok_or("a blob")?.name, name);
    let names: Vec<_> = events(&mut world, BOB).iter().map(EventBody::name).collect();
    assert_eq!(names, ["file_progress", "file_progress", "file_received"]);

    events(&mut world, ALICE);
    world.settle()?;
    let received = events(&mut world, ALICE);
    assert!(received.iter().any(|it| matches!(it, EventBody::FileReceived { .. })), "{received:?}");
    let message = world.call(ALICE, GetMessage { id: id.clone() })?;
    assert!(message.file.ok_or("a file")?.received);
    // It is no row, and counts nowhere.
    let history =
        world.call(ALICE, GetHistory { name: "bob".into(), query: HistoryQuery::default() })?;
    assert_eq!(history.messages.len(), 1);
    Ok(())
}

#[test]
fn a_large_file_is_fetched_once_it_is_accepted() -> Result {
    let mut world = settled(231)?;
    let (id, _) = send(&mut world, request(), LARGE)?;
    world.settle()?;
    assert_eq!(fetched(&mut world, BOB), None);
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Offered);
    let message = world.call(BOB, GetMessage { id: id.clone() })?;
    assert_eq!(message.text, "[file \"film.mp4\", 50 MiB, not fetched]");

    world.call(BOB, RefuseFile { id: id.clone() })?;
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Refused);
    let accepted = world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(accepted.file.ok_or("a file")?.state, FileState::Fetching);
    let blob = fetched(&mut world, BOB).ok_or("it is fetched")?;
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(fetched(&mut world, BOB), None, "once");
    // Ended, it is removed, and can be accepted anew.
    world.call(BOB, ForgetFile { id: id.clone() })?;
    assert_eq!(told(&mut world, BOB), [ToBlobs::Remove(blob.name)]);
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Offered);
    tell(&mut world, BOB, FromBlobs::Whole(blob.name));
    assert_eq!(state(&mut world, BOB, &id)?, FileState::Offered, "it came too late");

    // Who sent it has nobody to fetch it from.
    assert!(world.call(ALICE, ForgetFile { id: id.clone() }).is_ok());
    assert_eq!(state(&mut world, ALICE, &id)?, FileState::Gone);
    assert!(world.call(ALICE, AcceptFile { id }).is_err());
    Ok(())
}

#[test]
fn a_fetch_goes_on_after_a_restart() -> Result {
    let mut world = settled(232)?;
    let (id, own) = send(&mut world, request(), LARGE)?;
    world.settle()?;
    world.call(BOB, AcceptFile { id: id.clone() })?;
    let blob = fetched(&mut world, BOB).ok_or("it is fetched")?;
    for node in [ALICE, BOB] {
        told(&mut world, node);
        world.crash(node)?;
        world.run(node, vec![Input::Tick]);
    }
    let known = told(&mut world, ALICE);
    assert!(
        matches!(&known[..], [ToBlobs::Known(all)] if matches!(&all[..], [(it, BlobUse::Serve)] if it.name == own)),
        "{known:?}"
    );
    let known = told(&mut world, BOB);
    let [ToBlobs::Known(all)] = &known[..] else { return Err(format!("{known:?}").into()) };
    let [(again, BlobUse::Fetch(wanted))] = &all[..] else { return Err(format!("{all:?}").into()) };
    assert_eq!((*again, wanted.size), (blob, LARGE));
    world.run(BOB, vec![Input::Tick]);
    assert!(told(&mut world, BOB).is_empty(), "it is told once");
    Ok(())
}

/// By whatever a message ends, its blob is removed on both sides, also one that is not whole.
#[test]
fn a_blob_ends_with_its_message() -> Result {
    let mut world = settled(233)?;
    let hour = Some(TimerSetting::Seconds(3600));
    let mut ended = Vec::new();
    let expires = FileSend { expire_seconds: hour, ..request() };
    for (request, size) in
        [(expires, 70_001), (request(), 70_002), (request(), 70_003), (request(), 70_004)]
    {
        let (id, own) = send(&mut world, request, size)?;
        told(&mut world, BOB);
        world.settle()?;
        let theirs = fetched(&mut world, BOB).ok_or("it is fetched")?;
        ended.push((id, own, theirs.name));
    }
    told(&mut world, ALICE);
    let removed = |world: &mut World, number: usize, does: &dyn Fn(&mut World, &str) -> Result| {
        let (id, own, theirs) = ended[number].clone();
        does(world, &id)?;
        for _ in 0..3 {
            world.settle()?;
        }
        let of = |world: &mut World, node, name| told(world, node).contains(&ToBlobs::Remove(name));
        Result::Ok((of(world, ALICE, own), of(world, BOB, theirs)))
    };
    let both = (true, true);
    assert_eq!(
        removed(&mut world, 1, &|world, id| {
            world.call(ALICE, RecallMessage { id: id.into() }).map(drop)
        })?,
        both,
        "recalled"
    );
    assert_eq!(
        removed(&mut world, 0, &|world, _| {
            world.pass(Duration::from_secs(3601));
            Ok(())
        })?,
        both,
        "expired"
    );
    assert_eq!(
        removed(&mut world, 2, &|world, id| {
            world.call(ALICE, DeleteMessage { id: id.into() })?;
            world.call(BOB, DeleteMessage { id: id.into() })?;
            Ok(())
        })?,
        both,
        "deleted"
    );
    assert_eq!(
        removed(&mut world, 3, &|world, _| {
            world.call(ALICE, ClearConversation { name: "bob".into() })?;
            world.call(BOB, ClearConversation { name: "alice".into() })?;
            Ok(())
        })?,
        both,
        "cleared"
    );
    for node in [ALICE, BOB] {
        told(&mut world, node);
        world.crash(node)?;
        world.run(node, vec![Input::Tick]);
        assert_eq!(told(&mut world, node), [ToBlobs::Known(Vec::new())], "node {node}");
    }
    Ok(())
}

#[test]
fn what_failed_can_be_accepted_again_and_goes_on_where_that_is_of_use() -> Result {
    let mut world = settled(234)?;
    let (id, own) = send(&mut world, request(), SMALL)?;
    world.settle()?;
    let first = fetched(&mut world, BOB).ok_or("it is fetched")?;
    events(&mut world, BOB);
    tell(&mut world, BOB, FromBlobs::Failed(first.name, BlobFailure::DiskLow));
    assert_eq!(told(&mut world, BOB), [], "what there is stays");
    let message = world.call(BOB, GetMessage { id: id.clone() })?;
    assert_eq!(message.file.ok_or("a file")?.failure, Some(FileFailure::DiskLow));
    assert!(matches!(&events(&mut world, BOB)[..], [EventBody::FileFailed { .. }]));
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(fetched(&mut world, BOB), Some(first));
    tell(&mut world, BOB, FromBlobs::Failed(first.name, BlobFailure::Corrupt));
    assert_eq!(told(&mut world, BOB), [ToBlobs::Remove(first.name)]);
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_ne!(fetched(&mut world, BOB).ok_or("it is fetched")?.name, first.name);
    // What is lost here is told, too.
    tell(&mut world, ALICE, FromBlobs::Failed(own, BlobFailure::Lost));
    assert_eq!(state(&mut world, ALICE, &id)?, FileState::Failed);
    assert!(world.call(ALICE, GetFile { id }).is_err());
    Ok(())
}

#[test]
fn there_is_an_end_to_what_is_kept() -> Result {
    let mut world = settled(235)?;
    let (id, _) = send(&mut world, request(), 5 << 30)?;
    assert!(send(&mut world, request(), 4 << 30).is_err());
    assert!(world.call(ALICE, PrepareBlob { request: request(), size: (5 << 30) + 1 }).is_err());
    let to_nobody = FileSend { to: "carol".into(), ..request() };
    assert!(world.call(ALICE, PrepareBlob { request: to_nobody, size: SMALL }).is_err());
    world.call(ALICE, ForgetFile { id })?;
    send(&mut world, request(), 4 << 30)?;
    Ok(())
}

#[test]
fn of_a_stranger_nothing_is_fetched() -> Result {
    let mut world = World::half_pair(236, 2)?;
    world.settle()?;
    send(&mut world, request(), SMALL)?;
    world.settle()?;
    assert_eq!(fetched(&mut world, BOB), None);
    let requests = world.call(BOB, ListRequests {})?.requests;
    world.call(BOB, AcceptRequest { id: requests[0].id.clone(), name: "alice".into() })?;
    world.settle()?;
    Ok(())
}

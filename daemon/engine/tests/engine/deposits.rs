//! Files that depots keep for who is away: which are brought, who is told, and how they are let go.

use martlet_engine::command::{AcceptFile, Block, ForgetFile, GetMessage, RecallMessage, Unblock};
use martlet_engine::{BlobUse, Deposit, FromBlobs};
use martlet_protocol::control::{DepotRefusal, FileSend, MessageFile, TimerSetting};
use martlet_protocol::file::ask::{Commitment, PutRefusal};
use martlet_protocol::file::{FileKey, FileName};
use martlet_protocol::message::{BlobContent, Content, File, FileContent, FileHolders, Holder};
use martlet_protocol::{BlobId, MessageId};
use martlet_store::blobs::BlobName;
use martlet_store::records::ReleaseRecord;
use serde_bytes::ByteBuf;

use crate::blobs::{ALICE, BOB, LARGE, SMALL, request, send, settled, tell};
use crate::talk::hostile;
use crate::world::*;

fn depot(number: u8) -> Holder {
    Holder { peer: ByteBuf::from(vec![number; 38]), addresses: vec![ByteBuf::from(vec![4; 8])] }
}

fn peer(number: u8) -> Vec<u8> {
    vec![number; 38]
}

/// What the keeper was told of depots.
fn told(world: &mut World, node: usize) -> (Vec<Deposit>, Vec<(BlobName, ReleaseRecord)>) {
    let (mut deposits, mut releases) = (Vec::new(), Vec::new());
    for told in std::mem::take(&mut world.nodes[node].released.blobs) {
        match told {
            ToBlobs::Deposit(_, deposit) => deposits.push(*deposit),
            ToBlobs::Release(name, release) => releases.push((name, *release)),
            _ => {}
        }
    }
    (deposits, releases)
}

fn file(world: &mut World, node: usize, id: &str) -> Result<MessageFile> {
    Ok(world.call(node, GetMessage { id: id.into() })?.file.ok_or("a file")?)
}

/// Whom a node was last told to fetch something from.
fn asked(world: &mut World, node: usize) -> Option<Vec<Holder>> {
    let told = std::mem::take(&mut world.nodes[node].released.blobs).into_iter();
    let mut asked = told.filter_map(|told| match told {
        ToBlobs::Add(_, BlobUse::Fetch(wanted)) => Some(wanted.holders),
        _ => None,
    });
    asked.next_back()
}

fn peers(holders: &[Holder]) -> Vec<u8> {
    holders.iter().map(|it| it.peer[0]).collect()
}

/// Alice's large file, which a depot keeps.
fn kept(world: &mut World) -> Result<(String, BlobName)> {
    let (id, name) = send(world, request(), LARGE)?;
    tell(world, ALICE, FromBlobs::DepotChosen(name, depot(7)));
    tell(world, ALICE, FromBlobs::DepotKeeps(name, peer(7)));
    Ok((id, name))
}

#[test]
fn who_fetches_a_file_hears_which_depots_have_it_too() -> Result {
    let mut world = settled(260)?;
    let (id, name) = send(&mut world, request(), LARGE)?;
    let (deposits, _) = told(&mut world, ALICE);
    let [Deposit { depots, chooses: true, release, .. }] = &deposits[..] else {
        return Err(format!("{deposits:?}").into());
    };
    assert!(depots.is_empty());
    let release = *release;
    assert_eq!(file(&mut world, ALICE, &id)?.depots, Some(0));
    world.settle()?;
    world.call(BOB, AcceptFile { id: id.clone() })?;
    assert_eq!(peers(&asked(&mut world, BOB).ok_or("it is fetched")?), [1], "its sender");

    // What a depot is told is on disk before it is.
    tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(7)));
    world.crash(ALICE)?;
    world.run(ALICE, vec![Input::Tick]);
    let (deposits, _) = told(&mut world, ALICE);
    let [Deposit { depots, release: again, .. }] = &deposits[..] else {
        return Err(format!("{deposits:?}").into());
    };
    assert_eq!((depots[0].holder.clone(), depots[0].is_kept), (depot(7), false));
    assert_eq!(*again, release, "what lets it go is the same");
    world.settle()?;
    assert_eq!(asked(&mut world, BOB), None, "it has nothing yet");
    for number in [7, 8] {
        tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(number)));
        tell(&mut world, ALICE, FromBlobs::DepotKeeps(name, peer(number)));
        tell(&mut world, ALICE, FromBlobs::DepotKeeps(name, peer(number)));
    }
    assert_eq!(file(&mut world, ALICE, &id)?.depots, Some(2));
    world.settle()?;
    assert_eq!(peers(&asked(&mut world, BOB).ok_or("it goes on")?), [1, 7, 8]);
    // A third may be chosen, no more.
    for number in [9, 10] {
        tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(number)));
    }
    let (deposits, _) = told(&mut world, ALICE);
    assert_eq!(deposits.last().ok_or("one")?.depots.len(), 3);
    // It is no row of the history.
    let history =
        world.call(BOB, GetHistory { name: "alice".into(), query: HistoryQuery::default() })?;
    assert_eq!(history.messages.len(), 1);
    Ok(())
}

#[test]
fn what_goes_through_mailboxes_is_brought_to_no_depot() -> Result {
    let mut world = settled(261)?;
    let (id, name) = send(&mut world, request(), SMALL)?;
    tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(7)));
    assert!(told(&mut world, ALICE).0.is_empty());
    assert_eq!(file(&mut world, ALICE, &id)?.depots, None);
    Ok(())
}

#[test]
fn a_depot_that_refuses_is_told_of_and_has_nothing_to_let_go() -> Result {
    let mut world = settled(262)?;
    let (id, name) = send(&mut world, request(), LARGE)?;
    tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(7)));
    let refused = |why| FromBlobs::DepotRefused(name, peer(7), why);
    tell(&mut world, ALICE, refused(PutRefusal::Full));
    let shown = file(&mut world, ALICE, &id)?;
    assert_eq!((shown.depots, shown.depot_refusal), (Some(0), Some(DepotRefusal::Full)));
    tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(8)));
    tell(&mut world, ALICE, FromBlobs::DepotKeeps(name, peer(8)));
    let shown = file(&mut world, ALICE, &id)?;
    assert_eq!((shown.depots, shown.depot_refusal), (Some(1), None));
    world.call(ALICE, ForgetFile { id })?;
    let (_, releases) = told(&mut world, ALICE);
    assert_eq!(releases[0].1.depots, [depot(8).peer]);
    Ok(())
}

/// What ends a file.
type End<'a> = &'a dyn Fn(&mut World, String) -> Result;

/// By whatever a file ends, depots let it go, also those that were off.
#[test]
fn a_file_that_ends_is_let_go_by_its_depots() -> Result {
    let ends: [End<'_>; 3] = [
        &|world, id| world.call(ALICE, RecallMessage { id }).map(drop),
        &|world, id| world.call(ALICE, ForgetFile { id }),
        &|world, _| {
            world.pass(Duration::from_secs(3601));
            Ok(())
        },
    ];
    for (number, end) in ends.iter().enumerate() {
        let mut world = settled(263 + number as u64)?;
        let expires = FileSend { expire_seconds: Some(TimerSetting::Seconds(3600)), ..request() };
        let (id, name) = send(&mut world, expires, LARGE)?;
        for number in [7, 8] {
            tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(number)));
        }
        tell(&mut world, ALICE, FromBlobs::DepotKeeps(name, peer(7)));
        world.settle()?;
        let (deposits, _) = told(&mut world, ALICE);
        let release = deposits.last().ok_or("one")?.release;
        end(&mut world, id)?;
        world.settle()?;
        let (_, releases) = told(&mut world, ALICE);
        let [(name, record)] = &releases[..] else { return Err(format!("{releases:?}").into()) };
        // Also the one that had not all of it.
        assert_eq!(record.depots, [depot(7).peer, depot(8).peer]);
        assert_eq!(Commitment::of(&record.secret), release);
        tell(&mut world, ALICE, FromBlobs::Released(*name, peer(7)));
        world.crash(ALICE)?;
        world.run(ALICE, vec![Input::Tick]);
        let (_, again) = told(&mut world, ALICE);
        assert_eq!(again[0].1.depots, [depot(8).peer], "after a restart it goes on");
        tell(&mut world, ALICE, FromBlobs::Released(*name, peer(8)));
        world.crash(ALICE)?;
        world.run(ALICE, vec![Input::Tick]);
        assert!(told(&mut world, ALICE).1.is_empty());
    }
    Ok(())
}

#[test]
fn what_no_depot_could_be_told_is_forgotten_once_it_has_ended_there() -> Result {
    let mut world = settled(268)?;
    let (id, _) = kept(&mut world)?;
    world.call(ALICE, ForgetFile { id })?;
    assert_eq!(told(&mut world, ALICE).1.len(), 1);
    world.pass(Duration::from_secs(8 * 24 * 3600));
    world.crash(ALICE)?;
    world.run(ALICE, vec![Input::Tick]);
    assert!(told(&mut world, ALICE).1.is_empty());
    Ok(())
}

#[test]
fn while_someone_is_blocked_depots_keep_nothing_for_them() -> Result {
    let mut world = settled(269)?;
    let (id, name) = kept(&mut world)?;
    let (deposits, _) = told(&mut world, ALICE);
    let before = deposits.last().ok_or("one")?.release;
    world.call(ALICE, Block { who: "bob".into() })?;
    let (deposits, releases) = told(&mut world, ALICE);
    assert_eq!((deposits.len(), releases.len()), (0, 1));
    tell(&mut world, ALICE, FromBlobs::DepotChosen(name, depot(8)));
    assert!(told(&mut world, ALICE).0.is_empty());
    world.call(ALICE, Unblock { who: "bob".into() })?;
    let (deposits, _) = told(&mut world, ALICE);
    let anew = deposits.last().ok_or("it is brought anew")?;
    assert!(anew.depots.is_empty() && anew.release != before);
    assert_eq!(file(&mut world, ALICE, &id)?.depots, Some(0));
    Ok(())
}

/// Someone who was sent a file could have had its sender fetch it from any node.
#[test]
fn only_who_sent_a_file_says_who_has_it() -> Result {
    let (mut world, mut eve, _) = hostile(270)?;
    let blob = BlobContent {
        size: LARGE,
        key: FileKey::from_bytes([1; 32]),
        blob: BlobId([2; 32]),
        has_parts: false,
        thumbnail: None,
        holders: vec![depot(1)],
    };
    let theirs = File {
        name: FileName::harmless("theirs"),
        media_type: "text/plain".into(),
        content: FileContent::Blob(Box::new(blob)),
        duration_ms: None,
        text: String::new(),
    };
    let (theirs, envelope) = eve.says(&world, Content::File(theirs))?;
    world.bring(ALICE, &[envelope])?;
    let (own, _) = send(&mut world, FileSend { to: "eve".into(), ..request() }, LARGE)?;
    world.call(ALICE, AcceptFile { id: theirs.to_string() })?;
    assert_eq!(peers(&asked(&mut world, ALICE).ok_or("it is fetched")?), [1]);
    for (file, is_asked) in [(own.parse::<MessageId>()?, false), (theirs, true), (theirs, false)] {
        let holders = vec![depot(3), depot(4), depot(5), depot(6)];
        let told = Content::FileHolders(FileHolders { file, holders });
        let (_, envelope) = eve.says(&world, told)?;
        world.bring(ALICE, &[envelope])?;
        let asked = asked(&mut world, ALICE).map(|holders| peers(&holders));
        assert_eq!(asked, is_asked.then(|| vec![3, 4, 5, 6]), "never more than four");
    }
    Ok(())
}

//! A blob is fetched: from whoever has it, until it is whole.
//!
//! Each holder that is asked has a task here, and a thread while it answers. What they share is in one place ([`Work`]): the plan, and
//! the part on disk. What comes is compared with the blob's id before it is written.

use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::{Multiaddr, PeerId, Stream};
use martlet_engine::{BlobFailure, FromBlobs, KnownBlob, WantedBlob};
use martlet_protocol::control::{PeerEvent, PeerEventBody};
use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::{Get, GetAnswer, Groups, Question};
use martlet_protocol::file::blob::{self, BlobError, GROUP_BYTES, Proved};
use martlet_protocol::file::sealed::Layout;
use martlet_store::blobs::{BlobDir, BlobDirError, IsOver, Partial};
use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Keeper;
use super::plan::Plan;
use super::reach::may_be_dialled;
use super::stream::{Cancelled, Held, is_cancelled, pause};
use crate::blocking::{self, spawn_blocking};
use crate::limits::{
    BLOB_BUFFER_BYTES, BLOB_BUSY_MAX, BLOB_BUSY_WAIT, BLOB_COMMIT_INTERVAL, BLOB_DAMAGED_MAX,
    BLOB_HOLDERS_ASKED_MAX, BLOB_PROGRESS_INTERVAL, BLOB_RETRY_INTERVAL,
};
use crate::net::shorten;

/// Who may have the blob.
#[derive(Debug, Clone)]
struct Target {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
}

/// What came of asking all holders.
enum Outcome {
    Whole,
    Failed(BlobFailure),
    /// All had come, and the disk damaged some of it, which is missing again.
    Damaged,
    /// Nobody has what is missing, or none can be reached; so many bytes are there.
    NoHolder(u64),
    Cancelled,
}

/// What the tasks of one blob share.
struct Work {
    keeper: Keeper,
    blob: KnownBlob,
    plan: Plan,
    partial: Partial,
    began: Instant,
    committed_at: Instant,
    told_at: Option<Instant>,
    failure: Option<BlobFailure>,
    /// Who sent what the blob is not: asked no more.
    false_holders: Vec<PeerId>,
    /// Told when no more is to be read.
    ending: watch::Sender<bool>,
}

/// How a question was answered.
#[derive(Debug)]
enum Answered {
    Sent,
    Busy,
    Nothing,
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
enum BrokenOff {
    #[error("it sent what the blob is not")]
    False,
    #[error(transparent)]
    Stream(#[from] io::Error),
}

/// Fetches a blob until it is whole, can't be kept, or is cancelled. Tells the engine.
pub(super) async fn run(
    keeper: Keeper,
    blob: KnownBlob,
    wanted: WantedBlob,
    mut cancelled: Cancelled,
) {
    let mut targets = targets(&keeper, &wanted);
    let mut peers = keeper.net().peer_events();
    let mut damaged = 0;
    loop {
        let outcome = {
            let slot = tokio::select! {
                biased;
                slot = keeper.fetch_slot() => slot,
                _ = cancelled.wait_for(|it| *it) => return,
            };
            let outcome = attempt(&keeper, &blob, &wanted, &mut targets, cancelled.clone()).await;
            drop(slot);
            outcome
        };
        match outcome {
            Outcome::Whole => return keeper.is_whole(&blob.name),
            Outcome::Failed(why) => return keeper.tell(FromBlobs::Failed(blob.name, why)),
            Outcome::Cancelled => return,
            Outcome::Damaged if damaged >= BLOB_DAMAGED_MAX => {
                return keeper.tell(FromBlobs::Failed(blob.name, BlobFailure::Disk));
            }
            Outcome::Damaged => damaged += 1,
            Outcome::NoHolder(bytes) => {
                let name = blob.name;
                keeper.tell(FromBlobs::Progress { name, bytes, is_waiting: true });
                tokio::select! {
                    biased;
                    () = holder_comes(&targets, &mut peers) => {}
                    is_on = pause(&mut cancelled, BLOB_RETRY_INTERVAL) => if !is_on { return },
                }
            }
        }
    }
}

fn targets(keeper: &Keeper, wanted: &WantedBlob) -> Vec<Target> {
    let holders = wanted.holders.iter().filter_map(|holder| {
        let peer = PeerId::from_bytes(&holder.peer).ok()?;
        let read = |bytes: &serde_bytes::ByteBuf| Multiaddr::try_from(bytes.to_vec()).ok();
        Some(Target { peer, addresses: holder.addresses.iter().filter_map(read).collect() })
    });
    let own = keeper.net().peer_id();
    holders.filter(|target| target.peer != own).take(BLOB_HOLDERS_ASKED_MAX).collect()
}

/// Waits until one of them connects.
async fn holder_comes(targets: &[Target], peers: &mut broadcast::Receiver<PeerEvent>) {
    loop {
        match peers.recv().await {
            Ok(event) => {
                let is_holder = targets.iter().any(|it| it.peer.to_base58() == event.peer_id);
                if is_holder && matches!(event.body, PeerEventBody::PeerConnected { .. }) {
                    return;
                }
            }
            // Some were missed, perhaps that one.
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn attempt(
    keeper: &Keeper,
    blob: &KnownBlob,
    wanted: &WantedBlob,
    targets: &mut Vec<Target>,
    mut cancelled: Cancelled,
) -> Outcome {
    let (directory, known) = (keeper.directory().clone(), *blob);
    let (key, file_size) = (wanted.key.clone(), wanted.size);
    let ending = cancelled.clone();
    let begun = spawn_blocking(move || {
        let is_over = || is_cancelled(&ending);
        // A crash may have come between its last step here and the engine's commit.
        if check(&directory, &known, (&key, file_size), &is_over).is_ok() {
            return Ok(None);
        }
        directory.partial(&known.name, &known.id, known.size, &is_over).map(Some)
    });
    let partial = match begun.await {
        Ok(Ok(Some(partial))) => partial,
        Ok(Ok(None)) => return Outcome::Whole,
        Ok(Err(BlobDirError::Ended)) => return Outcome::Cancelled,
        Ok(Err(error)) => return Outcome::Failed(failure(&error)),
        Err(_) => return Outcome::Cancelled,
    };
    let mut plan = Plan::new(partial.have().clone());
    let numbered: Vec<_> = targets.iter().map(|it| (plan.add_holder(), it.clone())).collect();
    let (now, ending) = (Instant::now(), watch::Sender::new(false));
    let work = Arc::new(Mutex::new(Work {
        keeper: keeper.clone(),
        blob: *blob,
        plan,
        partial,
        began: now,
        committed_at: now,
        told_at: None,
        failure: None,
        false_holders: Vec::new(),
        ending: ending.clone(),
    }));
    let mut asked = JoinSet::new();
    for (number, target) in numbered {
        let (work, ending) = (Arc::clone(&work), ending.subscribe());
        asked.spawn(spawn_blocking(move || ask(&work, number, &target, ending)));
    }
    let mut is_told = false;
    loop {
        tokio::select! {
            biased;
            ended = asked.join_next() => if ended.is_none() { break },
            _ = cancelled.wait_for(|it| *it), if !is_told => {
                is_told = true;
                ending.send_replace(true);
            }
        }
    }
    // The tasks are over, and their threads with them.
    let Some(work) = Arc::into_inner(work) else { return Outcome::Cancelled };
    let work = work.into_inner().unwrap_or_else(PoisonError::into_inner);
    let has_lied = !work.false_holders.is_empty();
    targets.retain(|target| !work.false_holders.contains(&target.peer));
    let (directory, key, file_size) = (keeper.directory().clone(), wanted.key.clone(), wanted.size);
    let ended = spawn_blocking(move || {
        let is_over = || is_cancelled(&cancelled);
        end(work, &is_over, |blob| check(&directory, blob, (&key, file_size), &is_over))
    });
    match ended.await {
        // All who should have it have something else.
        Ok(Ok(Outcome::NoHolder(_))) if has_lied && targets.is_empty() => {
            Outcome::Failed(BlobFailure::Corrupt)
        }
        Ok(Ok(outcome)) => outcome,
        Ok(Err(BlobDirError::Ended)) | Err(_) => Outcome::Cancelled,
        Ok(Err(error)) => {
            tracing::info!(%error, "a file can't be fetched");
            Outcome::Failed(failure(&error))
        }
    }
}

/// Whether a blob is whole here, and opens as its message says.
pub(super) fn check(
    directory: &BlobDir,
    blob: &KnownBlob,
    (key, file_size): (&FileKey, u64),
    is_over: IsOver<'_>,
) -> Result<(), BlobDirError> {
    let layout = Layout::of(file_size).map_err(BlobDirError::Sealed)?;
    directory.whole(&blob.name, &blob.id, blob.size)?.check(key, &layout, is_over)
}

/// Nobody is asked any more.
fn end(
    mut work: Work,
    is_over: IsOver<'_>,
    check: impl FnOnce(&KnownBlob) -> Result<(), BlobDirError>,
) -> Result<Outcome, BlobDirError> {
    if let Some(failure) = work.failure {
        return Ok(Outcome::Failed(failure));
    }
    if work.plan.is_done() {
        match work.partial.finish(is_over) {
            Err(BlobDirError::Damaged) => return Ok(Outcome::Damaged),
            finished => finished?,
        }
        check(&work.blob)?;
        return Ok(Outcome::Whole);
    }
    work.partial.commit()?;
    let bytes = work.partial.bytes();
    Ok(if is_over() { Outcome::Cancelled } else { Outcome::NoHolder(bytes) })
}

/// Asks one holder, as long as there is something to ask it for. On a thread: what is shared may be locked while the disk writes.
fn ask(work: &Mutex<Work>, number: usize, target: &Target, mut ending: Cancelled) {
    let runtime = Handle::current();
    let mut busy = 0;
    loop {
        let (keeper, groups) = {
            let mut work = lock(work);
            let now = work.began.elapsed();
            let Some(groups) = work.plan.next(number, now) else { return };
            (work.keeper.clone(), groups)
        };
        let stream = blocking::wait(&runtime, async {
            tokio::select! {
                biased;
                stream = connect(&keeper, target) => stream,
                _ = ending.wait_for(|it| *it) => None,
            }
        });
        let answered = match stream.flatten() {
            Some(stream) => {
                let mut bytes = 0;
                let got = get(work, (&groups, &mut bytes), stream, ending.clone());
                keeper.meter().count_received(target.peer, bytes);
                got
            }
            None => Ok(Answered::Nothing),
        };
        lock(work).plan.ended(number);
        match answered {
            Ok(Answered::Sent) => busy = 0,
            // Whoever is always busy keeps no place from others.
            Ok(Answered::Busy) if busy >= BLOB_BUSY_MAX => return lock(work).plan.leave(number),
            Ok(Answered::Busy) => {
                busy += 1;
                if blocking::wait(&runtime, pause(&mut ending, BLOB_BUSY_WAIT)) != Some(true) {
                    return;
                }
            }
            Ok(Answered::Nothing) => return lock(work).plan.leave(number),
            Err(error) => {
                tracing::debug!(peer = %shorten::peer(&target.peer), %error, "a holder of a file");
                let mut work = lock(work);
                if matches!(error, BrokenOff::False) {
                    work.false_holders.push(target.peer);
                }
                return work.plan.leave(number);
            }
        }
    }
}

/// A stream to a holder: over a connection that there is. Else it is dialled where its message says that it is.
async fn connect(keeper: &Keeper, target: &Target) -> Option<Stream> {
    let net = keeper.net();
    if let Some(stream) = net.open_stream(target.peer).await {
        return Some(stream);
    }
    if keeper.policy().is_lan {
        let listens = net.listen_addresses().await;
        let addresses = target.addresses.iter().filter(|it| may_be_dialled(it, &listens));
        net.dial_named(target.peer, addresses.cloned().collect()).await;
    }
    // Whoever fetches waits for it to connect, and keeps no place from others meanwhile.
    None
}

/// Asks for groups, keeps what comes, and counts its bytes.
fn get(
    work: &Mutex<Work>,
    (groups, bytes): (&Groups, &mut u64),
    stream: Stream,
    ending: Cancelled,
) -> Result<Answered, BrokenOff> {
    let KnownBlob { id, size, .. } = lock(work).blob;
    let mut held = Held::new(stream, ending);
    let question = Question::Get(Get { id, size, groups: groups.clone() }).encode();
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    held.write_all(&[&length.to_be_bytes()[..], &question].concat())?;
    held.flush()?;
    let mut from = BufReader::with_capacity(BLOB_BUFFER_BYTES, held);
    let mut answer = [0];
    from.read_exact(&mut answer)?;
    match GetAnswer::from_number(answer[0]) {
        Some(GetAnswer::Sending) => {}
        Some(GetAnswer::Busy) => return Ok(Answered::Busy),
        // What it has of it is not asked for: it may be whole the next time.
        Some(GetAnswer::NotHere | GetAnswer::Only | GetAnswer::Refused) => {
            return Ok(Answered::Nothing);
        }
        // Something newer.
        None => return Ok(Answered::Nothing),
    }
    let received = blob::receive(&id, size, groups, from, |proved| {
        lock(work).keep(&proved)?;
        if let Proved::Group(_, group) = &proved {
            *bytes += group.len() as u64;
        }
        Ok(())
    });
    received.map(|()| Answered::Sent).map_err(|error| match error {
        BlobError::False { .. } => BrokenOff::False,
        BlobError::Io(error) => BrokenOff::Stream(error),
    })
}

impl Work {
    /// Writes what a holder sent and proved.
    fn keep(&mut self, proved: &Proved) -> io::Result<()> {
        if self.failure.is_some() || self.plan.is_done() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let group = match proved {
            Proved::Pair(..) => None,
            Proved::Group(at, _) => Some(u32::try_from(at / GROUP_BYTES).unwrap_or(u32::MAX)),
        };
        if group.is_some_and(|group| self.plan.has(group)) {
            return Ok(());
        }
        let kept = self.partial.keep(proved).map_err(BlobDirError::from);
        if let Err(error) = kept.and_then(|()| self.commit_if_due()) {
            self.failure = Some(failure(&error));
            self.ending.send_replace(true);
            return Err(io::Error::other(error));
        }
        if let Some(group) = group {
            self.plan.arrived(group);
            self.tell_if_due();
        }
        if self.plan.is_done() {
            self.ending.send_replace(true);
        }
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), BlobDirError> {
        let is_due = self.committed_at.elapsed() >= BLOB_COMMIT_INTERVAL;
        if is_due || self.partial.is_commit_due() {
            self.partial.commit()?;
            self.committed_at = Instant::now();
        }
        Ok(())
    }

    fn tell_if_due(&mut self) {
        let since = self.told_at.map_or(Duration::MAX, |at| at.elapsed());
        if since >= BLOB_PROGRESS_INTERVAL {
            self.told_at = Some(Instant::now());
            let (name, bytes) = (self.blob.name, self.partial.bytes());
            self.keeper.tell(FromBlobs::Progress { name, bytes, is_waiting: false });
        }
    }
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn failure(error: &BlobDirError) -> BlobFailure {
    match error {
        BlobDirError::Damaged | BlobDirError::Sealed(_) => BlobFailure::Corrupt,
        BlobDirError::DiskLow { .. } => BlobFailure::DiskLow,
        BlobDirError::NotHere | BlobDirError::Ended | BlobDirError::Io(_) => BlobFailure::Disk,
    }
}

//! Own blobs that depots are to keep: brought to connected peers that say they are depots, and let go there.
//!
//! The engine says which, and notes which depot is told of which before it is (`Deposit`). Who is brought what next is decided in `next`;
//! here it is done: one task looks, and each blob that is brought to one depot has a task, and a thread while it is sent.

mod next;

use std::io::{self, BufWriter, Read, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libp2p::{PeerId, Stream};
use martlet_engine::{Deposit, FromBlobs, KnownBlob};
use martlet_protocol::file::ask::{Groups, Put, PutAnswer, PutRefusal, Question, Release};
use martlet_protocol::file::blob::GROUP_BYTES;
use martlet_protocol::limits::{
    BLOB_GROUPS_ASKED_MAX, BLOB_QUESTION_BYTES_MAX, HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX,
};
use martlet_protocol::message::Holder;
use martlet_store::blobs::{BlobDirError, BlobName};
use martlet_store::records::ReleaseRecord;
use serde_bytes::ByteBuf;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::reach;
use super::stream::{Cancelled, Held};
use super::{Keeper, loss};
use crate::blocking::spawn_blocking;
use crate::clock::Clock;
use crate::limits::{
    BLOB_BUFFER_BYTES, BLOB_BUSY_WAIT, BLOB_RETRY_INTERVAL, DEPOSIT_QUESTIONS_MORE_MAX,
    DEPOT_LOOK_INTERVAL,
};
use crate::net::{DepotPeer, shorten};
use next::{Next, Step};

/// What is to be brought and let go, and what of it is under way.
#[derive(Default)]
pub(super) struct Deposits {
    next: Mutex<Next>,
    changed: Notify,
}

/// What came of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// It is there, whole.
    Kept,
    /// There is more to be brought.
    More,
    Busy,
    Refused(PutRefusal),
}

/// Why a question had no end.
#[derive(Debug, thiserror::Error)]
enum NotBrought {
    /// The blob can't be read here.
    #[error(transparent)]
    Here(#[from] BlobDirError),
    /// The stream broke off.
    #[error(transparent)]
    Stream(#[from] io::Error),
}

impl Deposits {
    fn lock(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blob is to be kept so.
    pub(super) fn order(&self, blob: KnownBlob, deposit: Deposit) {
        self.lock().deposit(blob, deposit);
        self.changed.notify_one();
    }

    /// A blob is to be let go.
    pub(super) fn release(&self, name: BlobName, release: ReleaseRecord) {
        self.lock().release(name, release);
        self.changed.notify_one();
    }

    /// A blob is brought to nobody any more.
    pub(super) fn end(&self, name: &BlobName) {
        self.lock().end(name);
    }

    /// Nothing is.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}

/// Looks who is there, as long as there is something to be done.
pub(super) async fn run(keeper: Keeper) {
    let mut stopping = keeper.stopping();
    loop {
        let is_idle = keeper.deposits().lock().is_idle();
        tokio::select! {
            biased;
            _ = stopping.wait_for(|it| *it) => return keeper.deposits().clear(),
            () = keeper.deposits().changed.notified() => {}
            () = tokio::time::sleep(DEPOT_LOOK_INTERVAL), if !is_idle => {}
        }
        let depots = keeper.net().depots().await;
        let peers: Vec<PeerId> = depots.iter().map(|depot| depot.peer).collect();
        let (clock, now) = (keeper.0.engine.clock().now(), Instant::now());
        let steps = keeper.deposits().lock().steps(&peers, clock, now);
        for step in steps {
            take(&keeper, step, &depots);
        }
    }
}

fn take(keeper: &Keeper, step: Step, depots: &[DepotPeer]) {
    match step {
        Step::Choose(name, peer) => {
            let Some(depot) = depots.iter().find(|depot| depot.peer == peer) else { return };
            keeper.tell(FromBlobs::DepotChosen(name, holder(keeper, depot)));
        }
        Step::Bring { blob, put, peer, cancelled } => {
            tokio::spawn(bring(keeper.clone(), blob, put, (peer, cancelled)));
        }
        Step::LetGo { name, release, peer } => {
            let keeper = keeper.clone();
            tokio::spawn(async move {
                let blob = release.id;
                let told = timeout(BLOB_RETRY_INTERVAL, let_go(&keeper, peer, release)).await;
                let is_done = told.unwrap_or_default();
                keeper.deposits().lock().let_go(&name, (blob, peer), is_done, Instant::now());
                if is_done {
                    keeper.tell(FromBlobs::Released(name, peer.to_bytes()));
                    keeper.deposits().changed.notify_one();
                }
            });
        }
    }
}

/// A depot as others are told of it: where it is only on a LAN, where they may dial it.
fn holder(keeper: &Keeper, depot: &DepotPeer) -> Holder {
    let addresses = match keeper.policy().is_lan_only {
        true => depot.addresses.clone(),
        false => Vec::new(),
    };
    let told = reach::told(addresses, HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX);
    Holder {
        peer: ByteBuf::from(depot.peer.to_bytes()),
        addresses: told.iter().map(|it| ByteBuf::from(it.to_vec())).collect(),
    }
}

/// Brings a blob to a depot, question by question.
async fn bring(
    keeper: Keeper,
    blob: KnownBlob,
    put: Put,
    (peer, cancelled): (PeerId, watch::Receiver<bool>),
) {
    // A depot that always asks for more would be brought the same again and again.
    let needed = blob.size.div_ceil(GROUP_BYTES).div_ceil(BLOB_GROUPS_ASKED_MAX);
    let mut questions_left = needed + DEPOSIT_QUESTIONS_MORE_MAX;
    let brought = loop {
        if questions_left == 0 {
            break None;
        }
        questions_left -= 1;
        let Some(stream) = keeper.net().open_stream(peer).await else { break None };
        let (by, put, ending) = (keeper.clone(), put.clone(), cancelled.clone());
        let sent = spawn_blocking(move || send(&by, &blob, put, stream, ending)).await;
        match sent {
            Ok(Ok(Brought::More)) => {}
            Ok(Ok(brought)) => break Some(brought),
            Ok(Err(NotBrought::Here(error))) if loss(&error).is_some() => {
                keeper.note_unreadable(&blob.name, &error);
                keeper.deposits().end(&blob.name);
                break None;
            }
            Ok(Err(error)) => {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "a depot");
                break None;
            }
            Err(_) => break None,
        }
    };
    let wait = match brought {
        Some(Brought::Busy) => BLOB_BUSY_WAIT,
        Some(_) | None => BLOB_RETRY_INTERVAL,
    };
    let is_refused = matches!(brought, Some(Brought::Refused(_))) || questions_left == 0;
    keeper.deposits().lock().brought(&blob, peer, is_refused, Instant::now() + wait);
    // One that is not to be brought any more has been forgotten by the engine as well.
    match brought {
        Some(Brought::Kept) => keeper.tell(FromBlobs::DepotKeeps(blob.name, peer.to_bytes())),
        Some(Brought::Refused(why)) => {
            tracing::info!(peer = %shorten::peer(&peer), ?why, "a depot keeps no file");
            keeper.tell(FromBlobs::DepotRefused(blob.name, peer.to_bytes(), why));
        }
        Some(Brought::More | Brought::Busy) | None => {}
    }
    keeper.deposits().changed.notify_one();
}

fn ask(held: &mut Held, question: &Question) -> io::Result<()> {
    let question = question.encode();
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    held.write_all(&[&length.to_be_bytes()[..], &question].concat())?;
    held.flush()
}

fn byte(held: &mut Held) -> io::Result<u8> {
    let mut byte = [0];
    held.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Asks once, and sends what the depot lacks. On a thread of its own.
fn send(
    keeper: &Keeper,
    blob: &KnownBlob,
    put: Put,
    stream: Stream,
    ending: Cancelled,
) -> Result<Brought, NotBrought> {
    let whole = keeper.directory().whole(&blob.name, &blob.id, blob.size)?;
    let mut held = Held::new(stream, ending);
    ask(&mut held, &Question::Put(put))?;
    let wanted = match PutAnswer::from_number(byte(&mut held)?) {
        Some(PutAnswer::Send) => wanted(&mut held, blob.size)?,
        // Of a node of before, which says no more.
        Some(PutAnswer::Refused) => {
            let why = byte(&mut held).ok().and_then(PutRefusal::from_number);
            return Ok(Brought::Refused(why.unwrap_or(PutRefusal::NoDepot)));
        }
        answer => return end(answer),
    };
    let mut to = BufWriter::with_capacity(BLOB_BUFFER_BYTES, held);
    let sent = whole.send(&wanted, &mut to).and_then(|()| Ok(to.flush()?));
    keeper.meter().count_sent(to.get_ref().written());
    sent?;
    end(PutAnswer::from_number(byte(to.get_mut())?))
}

/// What an answer means after which nothing is sent.
fn end(answer: Option<PutAnswer>) -> Result<Brought, NotBrought> {
    match answer {
        Some(PutAnswer::Have | PutAnswer::Kept) => Ok(Brought::Kept),
        Some(PutAnswer::Busy) => Ok(Brought::Busy),
        Some(PutAnswer::More) => Ok(Brought::More),
        Some(PutAnswer::Send | PutAnswer::Refused) | None => {
            Err(io::Error::from(io::ErrorKind::InvalidData).into())
        }
    }
}

/// Which groups a depot lacks.
fn wanted(held: &mut Held, size: u64) -> io::Result<Groups> {
    let mut length = [0; 2];
    held.read_exact(&mut length)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > BLOB_QUESTION_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut groups = vec![0; length];
    held.read_exact(&mut groups)?;
    Groups::decode(&groups, size).map_err(io::Error::other)
}

/// Has a depot let a blob go; whether it has nothing of it from now on.
async fn let_go(keeper: &Keeper, peer: PeerId, release: Release) -> bool {
    let Some(stream) = keeper.net().open_stream(peer).await else { return false };
    let stopping = keeper.stopping();
    let asked = spawn_blocking(move || {
        let mut held = Held::new(stream, stopping);
        ask(&mut held, &Question::Release(release))?;
        byte(&mut held)
    });
    // 1, or 0 if it was not there.
    matches!(asked.await, Ok(Ok(_)))
}

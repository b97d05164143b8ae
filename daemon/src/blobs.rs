//! The keeper of blobs: it waits, and the engine decides.
//!
//! The engine says which blobs there are, which of them are wanted and which are gone ([`ToBlobs`]); the keeper fetches, serves and
//! removes them, and tells what came of it ([`FromBlobs`]). It knows neither messages nor people. Files are read and written by threads of
//! their own; streams come from the network's task.
//!
//! | module | does |
//! | --- | --- |
//! | `known` | remembers which blobs there are |
//! | `plan` | decides whom to ask for which groups |
//! | `fetch` | asks them, and keeps what comes |
//! | `parts` | reads and keeps parts, which go through mailboxes |
//! | `serve` | answers what others ask |
//! | `stream` | lets a thread read and write a stream |
//! | `deposits` | brings blobs to depots, and lets them go there |
//! | `depot` | keeps what others bring |
//! | `meter` | counts what passes |
//! | `turns` | gives who asks a place in turn |
//! | `reach` | which addresses are told and dialled |

mod deposits;
mod depot;
mod fetch;
mod known;
mod meter;
mod parts;
mod plan;
mod reach;
mod serve;
mod stream;
mod turns;

use std::collections::HashSet;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libp2p::{PeerId, Stream};
use martlet_engine::{BlobFailure, BlobUse, FromBlobs, KnownBlob, ToBlobs};
use martlet_protocol::BlobId;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::limits::{HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX};
use martlet_protocol::message::Holder;
use martlet_store::blobs::{BlobDir, BlobDirError, BlobName, Whole};
use serde_bytes::ByteBuf;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};

use crate::blocking::spawn_blocking;
use crate::host::EngineHandle;
use crate::limits::BLOB_FETCHES_MAX;
use crate::net::NetHandle;
use deposits::Deposits;
pub use depot::Keeps;
use known::{Fetching, Known};
pub use meter::{Meter, Policy};
pub use stream::Cancelled;
pub(crate) use stream::{Rate, TooSlow, is_cancelled};
use turns::Turns;

/// A handle to the keeper. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    directory: BlobDir,
    engine: EngineHandle,
    net: NetHandle,
    runtime: Handle,
    policy: Policy,
    meter: Meter,
    known: Mutex<Known>,
    parts: parts::Queues,
    uploads: Arc<Turns>,
    fetches: Semaphore,
    deposits: Deposits,
    /// What is kept for others, if this node does that.
    keeps: Option<Arc<Keeps>>,
    stopping: watch::Sender<bool>,
}

/// A blob that was made, and is removed again unless the vault knows of it.
pub struct Imported {
    keeper: Keeper,
    name: BlobName,
    id: BlobId,
    is_known: bool,
}

impl Keeper {
    /// Begins to keep blobs. Must be called within a runtime.
    pub fn start(
        directory: BlobDir,
        (engine, net): (EngineHandle, NetHandle),
        (policy, meter): (Policy, Meter),
        keeps: Option<Keeps>,
        orders: mpsc::Receiver<ToBlobs>,
        streams: mpsc::Receiver<(PeerId, Stream)>,
    ) -> Self {
        let keeper = Self(Arc::new(Inner {
            directory,
            engine,
            net,
            runtime: Handle::current(),
            policy,
            meter,
            known: Mutex::default(),
            parts: parts::Queues::default(),
            uploads: Arc::default(),
            fetches: Semaphore::new(BLOB_FETCHES_MAX),
            deposits: Deposits::default(),
            keeps: keeps.map(Arc::new),
            stopping: watch::Sender::new(false),
        }));
        tokio::spawn(deposits::run(keeper.clone()));
        tokio::spawn(keeper.clone().sweep_depot());
        tokio::spawn(serve::run(keeper.clone(), streams));
        tokio::spawn(keeper.clone().obey(orders));
        keeper
    }

    /// Ends what is under way. It goes on at the next start.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.0.uploads.end_all();
        self.close();
    }

    async fn obey(self, mut orders: mpsc::Receiver<ToBlobs>) {
        while let Some(order) = orders.recv().await {
            match order {
                ToBlobs::Known(blobs) => self.learn(blobs).await,
                ToBlobs::Add(blob, does) => self.add(blob, does),
                ToBlobs::Remove(name) => self.remove(name),
                ToBlobs::ReadParts(blob, parts) => self.read_parts(blob, parts),
                ToBlobs::KeepPart(blob, index, bytes) => self.keep_part(blob, index, bytes),
                ToBlobs::JoinParts(blob, wanted) => self.join_parts(blob, *wanted),
                ToBlobs::Deposit(blob, deposit) => self.deposits().order(blob, *deposit),
                ToBlobs::Release(name, release) => self.deposits().release(name, *release),
                ToBlobs::Closed => self.close(),
            }
        }
    }

    /// These are all that the vault knows.
    async fn learn(&self, blobs: Vec<(KnownBlob, BlobUse)>) {
        // What is to be brought and let go is told after this.
        self.deposits().clear();
        let names: HashSet<BlobName> = blobs.iter().map(|(blob, _)| blob.name).collect();
        let unknown = self.known().others_than(&names);
        unknown.into_iter().for_each(|name| self.remove(name));
        let (this, found) = (self.clone(), blobs.clone());
        let swept = spawn_blocking(move || {
            let is_known = |name: &BlobName| names.contains(name) || this.known().is_made(name);
            match this.directory().keep_only(is_known) {
                Ok(0) => {}
                Ok(removed) => {
                    tracing::info!(removed, "files that no message names are removed");
                }
                Err(error) => tracing::warn!(%error, "the directory of files can't be cleared"),
            }
            this.lost_of(&found)
        });
        let lost = swept.await.unwrap_or_default();
        blobs.into_iter().for_each(|(blob, does)| self.add(blob, does));
        if !lost.is_empty() {
            tracing::warn!(lost = lost.len(), "files are not on this disk any more");
        }
        let engine = self.0.engine.clone();
        lost.iter().for_each(|(name, _)| self.known().note_whole(name, false));
        // The engine may be waiting for what it tells to be heard here.
        self.0.runtime.spawn(async move {
            for (name, why) in lost {
                engine.tell_blobs(FromBlobs::Failed(name, why)).await;
            }
        });
    }

    /// Which of those that were whole are not: a vault that was put back from a backup knows of blobs that are on another disk.
    fn lost_of(&self, blobs: &[(KnownBlob, BlobUse)]) -> Vec<(BlobName, BlobFailure)> {
        let whole = blobs.iter().filter(|(_, does)| *does == BlobUse::Serve);
        let lost = whole.filter_map(|(KnownBlob { name, id, size }, _)| {
            let error = self.directory().whole(name, id, *size).err()?;
            Some((*name, loss(&error)?))
        });
        lost.collect()
    }

    fn add(&self, blob: KnownBlob, does: BlobUse) {
        let name = blob.name;
        let mut known = self.known();
        let entry = known.entry(&blob);
        let wanted = match does {
            BlobUse::Serve => {
                entry.is_whole = true;
                return;
            }
            BlobUse::Rest => {
                entry.is_whole = false;
                self.deposits().end(&name);
                return entry.cancel();
            }
            BlobUse::Fetch(_) if entry.is_whole => {
                // The engine lost the word of it.
                return self.tell(FromBlobs::Whole(name));
            }
            BlobUse::Fetch(wanted) => wanted,
        };
        let before = entry.fetch.take();
        let is_running = |it: &Fetching| !*it.cancel.borrow() && !it.task.is_finished();
        if let Some(running) = before.as_ref().filter(|it| is_running(it)) {
            if running.holders == wanted.holders {
                entry.fetch = before;
                return;
            }
            // Others have it, too: it goes on with them.
            running.cancel.send_replace(true);
        }
        let holders = wanted.holders.clone();
        let (cancel, keeper) = (watch::Sender::new(false), self.clone());
        let cancelled = cancel.subscribe();
        let task = tokio::spawn(async move {
            // One at a time writes a part.
            if let Some(before) = before {
                before.task.await.unwrap_or_default();
            }
            fetch::run(keeper, blob, *wanted, cancelled).await;
        });
        entry.fetch = Some(Fetching { cancel, task, holders });
    }

    fn remove(&self, name: BlobName) {
        let entry = self.known().remove(&name);
        self.deposits().end(&name);
        self.forget_parts(&name);
        let keeper = self.clone();
        tokio::spawn(async move {
            if let Some(fetch) = entry.and_then(|entry| entry.fetch) {
                fetch.cancel.send_replace(true);
                fetch.task.await.unwrap_or_default();
            }
            keeper.unlink(name).await;
        });
    }

    async fn unlink(&self, name: BlobName) {
        let directory = self.0.directory.clone();
        if let Ok(Err(error)) = spawn_blocking(move || directory.remove(&name)).await {
            tracing::warn!(%error, "a file that is gone can't be removed from the disk");
        }
    }

    /// Ends what needs a key: what is fetched, sealed and opened.
    fn close(&self) {
        self.known().close();
    }

    /// Told once the vault is closed.
    pub fn closing(&self) -> Cancelled {
        self.known().closing()
    }

    /// Seals a file of exactly `layout.size()` bytes, and keeps it for as long as what is returned is.
    ///
    /// # Errors
    /// [`BlobDirError`]; [`BlobDirError::Ended`] when the vault is closed.
    pub async fn import(
        &self,
        name: BlobName,
        (key, layout): (FileKey, Layout),
        file: impl Read + Send + 'static,
        closing: Cancelled,
    ) -> Result<Imported, BlobDirError> {
        self.known().begin(name);
        let mut imported =
            Imported { keeper: self.clone(), name, id: BlobId([0; 32]), is_known: false };
        let directory = self.0.directory.clone();
        let made = spawn_blocking(move || {
            directory.import(&name, (&key, &layout), file, &|| is_cancelled(&closing))
        });
        let made = made.await;
        imported.id = made.map_err(|error| BlobDirError::Io(std::io::Error::other(error)))??;
        Ok(imported)
    }

    /// A whole blob, to be read.
    ///
    /// # Errors
    /// [`BlobDirError`].
    pub(crate) async fn whole(
        &self,
        KnownBlob { name, id, size }: KnownBlob,
    ) -> Result<Whole, BlobDirError> {
        let directory = self.0.directory.clone();
        let opened = spawn_blocking(move || directory.whole(&name, &id, size)).await;
        opened.map_err(|error| BlobDirError::Io(std::io::Error::other(error)))?
    }

    /// This node, as messages tell of it.
    pub async fn own_holder(&self) -> Holder {
        let own = self.0.net.listen_addresses().await;
        let told = reach::told(own, HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX);
        Holder {
            peer: ByteBuf::from(self.0.net.peer_id().to_bytes()),
            addresses: told.iter().map(|it| ByteBuf::from(it.to_vec())).collect(),
        }
    }

    /// What the name of a whole blob is that others may have.
    fn named(&self, id: &BlobId, size: Option<u64>) -> Option<BlobName> {
        if !self.policy().serves {
            return None;
        }
        self.known().whole(id, size)
    }

    /// A blob was fetched: it is served from now on.
    fn is_whole(&self, name: &BlobName) {
        self.known().note_whole(name, true);
        self.tell(FromBlobs::Whole(*name));
    }

    /// What was whole can't be read as what it was: it is served no more. Not so where it can't be read just now.
    pub(crate) fn note_unreadable(&self, name: &BlobName, error: &BlobDirError) {
        if let Some(why) = loss(error) {
            self.known().note_whole(name, false);
            self.tell(FromBlobs::Failed(*name, why));
        }
    }

    /// Tells the engine, which may take its time.
    fn tell(&self, told: FromBlobs) {
        let engine = self.0.engine.clone();
        self.0.runtime.spawn(async move { engine.tell_blobs(told).await });
    }

    async fn fetch_slot(&self) -> Option<SemaphorePermit<'_>> {
        self.0.fetches.acquire().await.ok()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self) -> &BlobDir {
        &self.0.directory
    }

    fn net(&self) -> &NetHandle {
        &self.0.net
    }

    fn policy(&self) -> Policy {
        self.0.policy
    }

    fn meter(&self) -> &Meter {
        &self.0.meter
    }

    fn uploads(&self) -> &Arc<Turns> {
        &self.0.uploads
    }

    fn deposits(&self) -> &Deposits {
        &self.0.deposits
    }

    /// Told once the daemon ends.
    fn stopping(&self) -> Cancelled {
        self.0.stopping.subscribe()
    }
}

/// What an error says of a blob that was whole; `None` if nothing.
fn loss(error: &BlobDirError) -> Option<BlobFailure> {
    match error {
        BlobDirError::NotHere => Some(BlobFailure::Lost),
        BlobDirError::Damaged | BlobDirError::Sealed(_) => Some(BlobFailure::Disk),
        BlobDirError::DiskLow { .. } | BlobDirError::Ended | BlobDirError::Io(_) => None,
    }
}

impl Imported {
    /// Which blob it is.
    #[must_use]
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// The vault knows of it, or may: then the next start decides. Until the engine tells of it, no sweep takes it.
    pub fn keep(mut self) {
        self.is_known = true;
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        if self.is_known {
            return;
        }
        if self.keeper.known().end(&self.name) {
            let (keeper, name) = (self.keeper.clone(), self.name);
            keeper.tell(FromBlobs::NotMade(name));
            self.keeper.0.runtime.spawn(async move { keeper.unlink(name).await });
        }
    }
}

/// Hand-written: shortened, as in logs.
impl std::fmt::Debug for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Imported({:?})", self.name)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper(…)")
    }
}

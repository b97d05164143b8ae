//! The keeper of blobs: it waits, and the engine decides.
//!
//! The engine says which blobs there are, which of them are wanted and which are gone ([`ToBlobs`]); the keeper fetches, serves and
//! removes them, and tells what came of it ([`FromBlobs`]). It knows neither messages nor people. Files are read and written by threads of
//! their own; streams come from the network's task.
//!
//! | module | does |
//! | --- | --- |
//! | `plan` | decides whom to ask for which groups |
//! | `fetch` | asks them, and keeps what comes |
//! | `serve` | answers what others ask |
//! | `stream` | lets a thread read and write a stream |
//! | `reach` | which addresses are told and dialled |

mod fetch;
mod plan;
mod reach;
mod serve;
mod stream;

use std::collections::{HashMap, HashSet};
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
use tokio::task::{JoinHandle, spawn_blocking};

use crate::host::EngineHandle;
use crate::limits::BLOB_FETCHES_MAX;
use crate::net::NetHandle;
use serve::Places;
use stream::Cancelled;

/// A handle to the keeper. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    directory: BlobDir,
    engine: EngineHandle,
    net: NetHandle,
    runtime: Handle,
    /// Whether holders are dialled where their message says that they are.
    dials: bool,
    known: Mutex<Known>,
    uploads: Arc<Places>,
    fetches: Semaphore,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Known {
    blobs: HashMap<BlobName, Entry>,
    /// Names of blobs that are being made, of which the vault does not know yet.
    importing: HashSet<BlobName>,
}

struct Entry {
    id: BlobId,
    size: u64,
    is_whole: bool,
    fetch: Option<Fetching>,
}

struct Fetching {
    cancel: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// A blob that was made, and is removed again unless the vault knows of it.
pub(crate) struct Imported {
    keeper: Keeper,
    pub(crate) name: BlobName,
    pub(crate) id: BlobId,
    is_known: bool,
}

impl Keeper {
    /// Begins to keep blobs. Must be called within a runtime.
    pub(crate) fn start(
        directory: BlobDir,
        (engine, net): (EngineHandle, NetHandle),
        dials: bool,
        orders: mpsc::Receiver<ToBlobs>,
        streams: mpsc::Receiver<(PeerId, Stream)>,
    ) -> Self {
        let keeper = Self(Arc::new(Inner {
            directory,
            engine,
            net,
            runtime: Handle::current(),
            dials,
            known: Mutex::default(),
            uploads: Arc::default(),
            fetches: Semaphore::new(BLOB_FETCHES_MAX),
            stop: watch::Sender::new(false),
        }));
        tokio::spawn(serve::run(keeper.clone(), streams));
        tokio::spawn(keeper.clone().obey(orders));
        keeper
    }

    /// Ends what is under way. It goes on at the next start.
    pub(crate) fn stop(&self) {
        self.0.stop.send_replace(true);
        self.cancel_all();
    }

    async fn obey(self, mut orders: mpsc::Receiver<ToBlobs>) {
        while let Some(order) = orders.recv().await {
            match order {
                ToBlobs::Known(blobs) => self.learn(blobs).await,
                ToBlobs::Add(blob, does) => self.add(blob, does),
                ToBlobs::Remove(name) => self.remove(name),
                ToBlobs::Closed => self.cancel_all(),
            }
        }
    }

    /// These are all that the vault knows.
    async fn learn(&self, blobs: Vec<(KnownBlob, BlobUse)>) {
        let names: HashSet<BlobName> = blobs.iter().map(|(blob, _)| blob.name).collect();
        let unknown: Vec<BlobName> = {
            let known = self.known();
            known.blobs.keys().filter(|name| !names.contains(*name)).copied().collect()
        };
        unknown.into_iter().for_each(|name| self.remove(name));
        let this = self.clone();
        let swept = spawn_blocking(move || {
            this.0
                .directory
                .keep_only(|name| names.contains(name) || this.known().importing.contains(name))
        });
        match swept.await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "files that no message names are removed"),
            Ok(Err(error)) => tracing::warn!(%error, "the directory of files can't be cleared"),
        }
        blobs.into_iter().for_each(|(blob, does)| self.add(blob, does));
    }

    fn add(&self, blob: KnownBlob, does: BlobUse) {
        let KnownBlob { name, id, size } = blob;
        let mut known = self.known();
        let new = Entry { id, size, is_whole: false, fetch: None };
        let entry = known.blobs.entry(name).or_insert(new);
        let wanted = match does {
            BlobUse::Serve => {
                entry.is_whole = true;
                return;
            }
            BlobUse::Rest => return,
            BlobUse::Fetch(_) if entry.is_whole => {
                // The engine lost the word of it.
                return self.tell(FromBlobs::Whole(name));
            }
            BlobUse::Fetch(wanted) => wanted,
        };
        let before = entry.fetch.take();
        let is_running = |it: &Fetching| !*it.cancel.borrow() && !it.task.is_finished();
        if before.as_ref().is_some_and(is_running) {
            entry.fetch = before;
            return;
        }
        let (cancel, keeper) = (watch::Sender::new(false), self.clone());
        let cancelled = cancel.subscribe();
        let task = tokio::spawn(async move {
            // One at a time writes a part.
            if let Some(before) = before {
                before.task.await.unwrap_or_default();
            }
            fetch::run(keeper, blob, *wanted, cancelled).await;
        });
        entry.fetch = Some(Fetching { cancel, task });
    }

    fn remove(&self, name: BlobName) {
        let entry = self.known().blobs.remove(&name);
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

    fn cancel_all(&self) {
        for entry in self.known().blobs.values() {
            if let Some(fetch) = &entry.fetch {
                fetch.cancel.send_replace(true);
            }
        }
    }

    /// Seals a file of exactly `layout.size()` bytes, and keeps it for as long as what is returned is.
    ///
    /// # Errors
    /// [`BlobDirError`].
    pub(crate) async fn import(
        &self,
        name: BlobName,
        key: FileKey,
        layout: Layout,
        file: impl Read + Send + 'static,
    ) -> Result<Imported, BlobDirError> {
        self.known().importing.insert(name);
        let mut imported =
            Imported { keeper: self.clone(), name, id: BlobId([0; 32]), is_known: false };
        let directory = self.0.directory.clone();
        let made = spawn_blocking(move || directory.import(&name, &key, &layout, file)).await;
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
    pub(crate) async fn own_holder(&self) -> Holder {
        let own = self.0.net.listen_addresses().await;
        let told = reach::told(own, HOLDER_ADDRESS_BYTES_MAX, HOLDER_ADDRESSES_MAX);
        Holder {
            peer: ByteBuf::from(self.0.net.peer_id().to_bytes()),
            addresses: told.iter().map(|it| ByteBuf::from(it.to_vec())).collect(),
        }
    }

    /// What the name of a whole blob is.
    fn named(&self, id: &BlobId, size: Option<u64>) -> Option<BlobName> {
        let known = self.known();
        let mut all = known.blobs.iter();
        let found = all.find(|(_, entry)| {
            entry.is_whole && entry.id == *id && size.is_none_or(|size| size == entry.size)
        });
        found.map(|(name, _)| *name)
    }

    /// A blob was fetched: it is served from now on.
    fn is_whole(&self, name: &BlobName) {
        if let Some(entry) = self.known().blobs.get_mut(name) {
            entry.is_whole = true;
        }
        self.tell(FromBlobs::Whole(*name));
    }

    /// What was whole is damaged or gone: it is served no more.
    pub(crate) fn is_lost(&self, name: &BlobName) {
        if let Some(entry) = self.known().blobs.get_mut(name) {
            entry.is_whole = false;
        }
        self.tell(FromBlobs::Failed(*name, BlobFailure::Lost));
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

    fn dials(&self) -> bool {
        self.0.dials
    }

    fn uploads(&self) -> &Arc<Places> {
        &self.0.uploads
    }

    fn stopped(&self) -> Cancelled {
        self.0.stop.subscribe()
    }
}

impl Imported {
    /// The vault knows of it.
    pub(crate) fn keep(mut self) {
        self.is_known = true;
    }
}

impl Drop for Imported {
    fn drop(&mut self) {
        self.keeper.known().importing.remove(&self.name);
        if !self.is_known {
            let (keeper, name) = (self.keeper.clone(), self.name);
            self.keeper.0.runtime.spawn(async move { keeper.unlink(name).await });
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper(…)")
    }
}

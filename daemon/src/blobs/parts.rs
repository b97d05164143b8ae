//! Parts of blobs, which go through mailboxes: read for those who send them, and kept for those to whom they come.
//!
//! What waits to be written of one blob is written by one task, all that there is in one go. The engine is told of it once it is on
//! disk: only then it acknowledges what came.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use martlet_engine::{FromBlobs, KnownBlob, PartBytes, WantedBlob};
use martlet_store::blobs::{BlobDirError, BlobName};
use tokio::time::sleep;

use super::Keeper;
use super::fetch::{check, failure};
use super::stream::is_cancelled;
use crate::blocking::spawn_blocking;
use crate::limits::BLOB_RETRY_INTERVAL;

/// What waits to be written, by blob. Who is there has a task.
#[derive(Default)]
pub(super) struct Queues(Mutex<HashMap<BlobName, Queue>>);

struct Queue {
    blob: KnownBlob,
    parts: Vec<(u16, PartBytes)>,
    /// All parts have been kept, or are among these.
    join: Option<WantedBlob>,
    /// Nobody needs the blob any more.
    is_gone: bool,
}

/// What is to be done next.
enum Step {
    Write(KnownBlob, Vec<(u16, PartBytes)>),
    Join(KnownBlob, WantedBlob),
    Remove,
    End,
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<BlobName, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, name: &BlobName) -> Step {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(name) else { return Step::End };
        let blob = queue.blob;
        if queue.is_gone {
            queues.remove(name);
            return Step::Remove;
        }
        if !queue.parts.is_empty() {
            return Step::Write(blob, std::mem::take(&mut queue.parts));
        }
        if let Some(wanted) = queue.join.take() {
            return Step::Join(blob, wanted);
        }
        queues.remove(name);
        Step::End
    }
}

impl Keeper {
    /// Reads parts of a blob that is whole.
    pub(super) fn read_parts(&self, blob: KnownBlob, parts: Vec<u16>) {
        let (keeper, directory) = (self.clone(), self.directory().clone());
        let KnownBlob { name, size, .. } = blob;
        tokio::spawn(async move {
            let read = spawn_blocking(move || {
                let parts = parts
                    .into_iter()
                    .map(|index| Ok((index, PartBytes(directory.read_part(&name, size, index)?))));
                parts.collect::<Result<Vec<_>, BlobDirError>>()
            });
            match read.await {
                Ok(Ok(parts)) => keeper.tell(FromBlobs::PartsRead(name, parts)),
                Ok(Err(error @ (BlobDirError::NotHere | BlobDirError::Damaged))) => {
                    keeper.note_unreadable(&name, &error);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "a file can't be read to be sent");
                    sleep(BLOB_RETRY_INTERVAL).await;
                    keeper.tell(FromBlobs::PartsRead(name, Vec::new()));
                }
                Err(_) => {}
            }
        });
    }

    /// Keeps a part of a blob that came.
    pub(super) fn keep_part(&self, blob: KnownBlob, index: u16, bytes: PartBytes) {
        self.queue(blob, |queue| queue.parts.push((index, bytes)));
    }

    /// All parts of a blob have come.
    pub(super) fn join_parts(&self, blob: KnownBlob, wanted: WantedBlob) {
        self.queue(blob, |queue| queue.join = Some(wanted));
    }

    /// Nobody needs a blob any more.
    pub(super) fn forget_parts(&self, name: &BlobName) {
        if let Some(queue) = self.0.parts.lock().get_mut(name) {
            queue.is_gone = true;
        }
    }

    fn queue(&self, blob: KnownBlob, add: impl FnOnce(&mut Queue)) {
        let mut queues = self.0.parts.lock();
        let is_new = !queues.contains_key(&blob.name);
        let queue = queues.entry(blob.name).or_insert_with(|| Queue {
            blob,
            parts: Vec::new(),
            join: None,
            is_gone: false,
        });
        add(queue);
        drop(queues);
        if is_new {
            tokio::spawn(self.clone().work(blob.name));
        }
    }

    async fn work(self, name: BlobName) {
        loop {
            match self.0.parts.next(&name) {
                Step::Write(blob, parts) => self.write(blob, parts).await,
                Step::Join(blob, wanted) => self.join(blob, wanted).await,
                Step::Remove => return self.unlink(name).await,
                Step::End => return,
            }
        }
    }

    async fn write(&self, KnownBlob { name, size, .. }: KnownBlob, parts: Vec<(u16, PartBytes)>) {
        let directory = self.directory().clone();
        let written = spawn_blocking(move || {
            let kept = directory.keep_parts(&name, size, &parts);
            kept.map(|()| parts.into_iter().map(|(index, _)| index).collect())
        });
        match written.await {
            Ok(Ok(kept)) => self.tell(FromBlobs::PartsKept(name, kept)),
            Ok(Err(error)) => {
                tracing::info!(%error, "a file can't be kept that comes through mailboxes");
                // What waits would fail as well.
                if let Some(queue) = self.0.parts.lock().get_mut(&name) {
                    queue.parts.clear();
                }
                self.tell(FromBlobs::Failed(name, failure(&error)));
            }
            Err(_) => {}
        }
    }

    async fn join(&self, blob: KnownBlob, wanted: WantedBlob) {
        let name = blob.name;
        // Nobody else writes it meanwhile.
        let fetch = self.known().get_mut(&name).and_then(|entry| entry.fetch.take());
        if let Some(fetch) = fetch {
            fetch.cancel.send_replace(true);
            fetch.task.await.unwrap_or_default();
        }
        if self.known().get_mut(&name).is_some_and(|entry| entry.is_whole) {
            return self.tell(FromBlobs::Whole(name));
        }
        let (directory, closing) = (self.directory().clone(), self.closing());
        let joined = spawn_blocking(move || {
            // A crash, or a lock of the vault, may have come between the last step here and the engine's commit.
            if directory.whole(&name, &blob.id, blob.size).is_err() {
                match directory.join_parts(&name, &blob.id, blob.size) {
                    Ok(()) => {}
                    Err(BlobDirError::Damaged) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            let is_over = || is_cancelled(&closing);
            check(&directory, &blob, (&wanted.key, wanted.size), &is_over).map(|()| true)
        });
        match joined.await {
            Ok(Ok(true)) => self.is_whole(&name),
            Ok(Ok(false)) => self.tell(FromBlobs::PartsFalse(name)),
            // It is told again to join them once the vault is open.
            Ok(Err(BlobDirError::Ended)) => {}
            Ok(Err(error)) => {
                tracing::info!(%error, "the parts of a file can't be joined");
                self.tell(FromBlobs::Failed(name, failure(&error)));
            }
            Err(_) => {}
        }
    }
}

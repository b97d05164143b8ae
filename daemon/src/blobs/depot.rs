//! This node as a depot: what others bring to be kept for who is away, and let go.
//!
//! Whether it is one, and how much it keeps, the configuration says. It needs no user, and no vault that is open. What is decided, and what is on
//! disk, is in [`martlet_store::blobs::depot`]; here are the streams and the clock.

use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libp2p::{PeerId, Stream};
use martlet_protocol::BlobId;
use martlet_protocol::file::ask::{Groups, Put, PutAnswer, PutRefusal, Release};
use martlet_protocol::file::blob::{self, BlobError};
use martlet_store::blobs::depot::{Begun, Depot, Holds, LetGo};
use martlet_store::blobs::{BlobDir, BlobDirError, BlobName, Partial};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Keeper;
use super::plan::Plan;
use super::serve::{Places, Unanswered, taken, tell};
use super::stream::{Cancelled, Held, is_cancelled};
use crate::blocking::spawn_blocking;
use crate::clock::{Clock, NodeClock};
use crate::limits::{
    BLOB_BUFFER_BYTES, BLOB_COMMIT_INTERVAL, DEPOT_SWEEP_INTERVAL, DEPOT_TAKEN_MAX,
    DEPOT_TAKEN_PER_PEER_MAX,
};
use crate::metrics::Metrics;

/// What is kept for others, and by which clock.
pub struct Keeps {
    depot: Mutex<Depot>,
    /// A handle of its own: what is brought is written without a look at the rest.
    directory: BlobDir,
    clock: Arc<NodeClock>,
    metrics: Arc<Metrics>,
    places: Arc<Places>,
}

/// Why nothing more of a blob is taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    /// The peer sent what it is not, or its stream broke off.
    #[error(transparent)]
    Sent(#[from] BlobError),
    /// It can't be written.
    #[error(transparent)]
    Disk(#[from] BlobDirError),
}

impl Keeps {
    /// Keeps what is in a depot.
    pub(crate) fn new(depot: Depot, clock: Arc<NodeClock>, metrics: Arc<Metrics>) -> Self {
        let directory = depot.directory().clone();
        let places = Arc::default();
        Self { depot: Mutex::new(depot), directory, clock, metrics, places }
    }

    /// Waits for the disk, and for whoever else does.
    fn with<T>(&self, does: impl FnOnce(&mut Depot) -> T) -> T {
        let mut depot = self.depot.lock().unwrap_or_else(PoisonError::into_inner);
        let done = does(&mut depot);
        let Holds { blobs, bytes, bytes_max } = depot.holds();
        self.metrics.depot.note(blobs, bytes, bytes_max);
        done
    }
}

/// Hand-written: it has a clock.
impl std::fmt::Debug for Keeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeps(…)")
    }
}

impl Keeper {
    fn keeps(&self) -> Option<&Arc<Keeps>> {
        self.0.keeps.as_ref()
    }

    /// The same, on a thread that may wait; `None` where nothing is kept for others.
    async fn in_depot<T: Send + 'static>(
        &self,
        does: impl FnOnce(&mut Depot) -> T + Send + 'static,
    ) -> Option<T> {
        let keeps = Arc::clone(self.keeps()?);
        spawn_blocking(move || keeps.with(does)).await.ok()
    }

    /// How much is kept for others; `None` if nothing is to be.
    pub(crate) async fn holds(&self) -> Option<Holds> {
        self.in_depot(|depot| depot.holds()).await
    }

    /// Where one is that is kept for others, whole.
    pub(super) async fn kept(&self, id: BlobId, size: Option<u64>) -> Option<(BlobDir, BlobName)> {
        let name = self.in_depot(move |depot| depot.named(&id, size)).await??;
        Some((self.keeps()?.directory.clone(), name))
    }

    /// Which of these are, whole.
    pub(super) async fn kept_of(&self, ids: Vec<BlobId>) -> Vec<bool> {
        let kept = self
            .in_depot(move |depot| ids.iter().map(|id| depot.named(id, None).is_some()).collect());
        kept.await.unwrap_or_default()
    }

    /// One can't be read as what it was.
    pub(super) fn kept_is_lost(&self, name: BlobName) {
        if let Some(keeps) = self.keeps().cloned() {
            tracing::warn!("a file that is kept for others is damaged on this disk: it goes");
            spawn_blocking(move || keeps.with(|depot| depot.lost(&name)));
        }
    }

    /// Ends what is over, as long as there is a keeper.
    pub(super) async fn sweep_depot(self) {
        let Some(keeps) = self.keeps().cloned() else { return };
        let mut stopping = self.stopping();
        let mut due = interval(DEPOT_SWEEP_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|it| *it) => return,
                _ = due.tick() => {}
            }
            let now = keeps.clock.now();
            self.in_depot(move |depot| depot.sweep(now)).await.unwrap_or_default();
        }
    }

    /// A peer lets a blob go.
    pub(super) async fn let_go(
        &self,
        mut stream: Stream,
        release: Release,
    ) -> Result<(), Unanswered> {
        let let_go = self.in_depot(move |depot| depot.let_go(&release)).await;
        let is_gone = let_go == Some(LetGo::Gone);
        tell(&mut stream, &[u8::from(is_gone)]).await?;
        taken(futures::AsyncWriteExt::close(&mut stream)).await?;
        match let_go {
            Some(LetGo::False) => Err(Unanswered::False),
            Some(LetGo::Gone | LetGo::NotHere) | None => Ok(()),
        }
    }

    /// A peer would bring a blob.
    pub(super) async fn take_put(
        &self,
        peer: PeerId,
        mut stream: Stream,
        put: Put,
    ) -> Result<(), Unanswered> {
        let answer = match self.begin_put(peer, &put).await {
            Ok((name, place)) => {
                let (keeps, stopping) = (self.keeps().cloned(), self.stopping());
                let Some(keeps) = keeps else { return Ok(()) };
                let held = Held::new(stream, stopping.clone());
                let brought = spawn_blocking(move || {
                    let _place = place;
                    keeps.take(&put, &name, held, stopping)
                });
                return brought.await.map_err(io::Error::other)?;
            }
            Err(answer) => answer,
        };
        tell(&mut stream, &answer).await?;
        Ok(taken(futures::AsyncWriteExt::close(&mut stream)).await?)
    }

    /// What it is taken under, and its place among what is brought; else what is answered.
    async fn begin_put(
        &self,
        peer: PeerId,
        put: &Put,
    ) -> Result<(BlobName, super::serve::Place), Vec<u8>> {
        let refused = |why: PutRefusal| vec![PutAnswer::Refused.number(), why.number()];
        let busy = || vec![PutAnswer::Busy.number()];
        let Some(keeps) = self.keeps() else { return Err(refused(PutRefusal::NoDepot)) };
        let place = keeps.places.take(peer, DEPOT_TAKEN_MAX, DEPOT_TAKEN_PER_PEER_MAX);
        let place = place.map_err(|_| busy())?;
        let (put, now, from) = (put.clone(), keeps.clock.now(), peer.to_bytes());
        let begun = self.in_depot(move |depot| depot.begin(&from, &put, now, &mut rand::rng()));
        match begun.await {
            Some(Begun::Take(name)) => Ok((name, place)),
            Some(Begun::Have) => Err(vec![PutAnswer::Have.number()]),
            Some(Begun::Busy) => Err(busy()),
            Some(Begun::Refused(why)) => {
                keeps.metrics.depot.refused.inc();
                Err(refused(why))
            }
            None => Err(refused(PutRefusal::NoDepot)),
        }
    }
}

impl Keeps {
    /// Takes what is missing of a blob, as much as one question may bring. On a thread of its own.
    fn take(
        &self,
        put: &Put,
        name: &BlobName,
        mut held: Held,
        stopping: Cancelled,
    ) -> Result<(), Unanswered> {
        let is_over = || is_cancelled(&stopping);
        let mut is_whole = false;
        let partial = self.directory.partial(name, &put.id, put.size, &is_over);
        let mut partial = match partial {
            Ok(partial) => partial,
            Err(error) => {
                tracing::info!(%error, "a file can't be kept for others");
                self.with(|depot| match error {
                    BlobDirError::DiskLow { .. } => depot.give_up(put),
                    _ => drop(depot.end(put, name, false, self.clock.now())),
                });
                self.metrics.depot.refused.inc();
                held.write_all(&[PutAnswer::Refused.number(), PutRefusal::Disk.number()])?;
                held.flush()?;
                return Ok(held.close()?);
            }
        };
        let brought = receive(put, &mut partial, &mut held).and_then(|()| {
            // What is there is there, whatever became of the rest.
            partial.commit()?;
            if partial.have().is_whole() {
                match partial.finish(&is_over) {
                    Ok(()) => is_whole = true,
                    // What the disk damaged is missing again.
                    Err(BlobDirError::Damaged) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(())
        });
        let is_here = self.with(|depot| depot.end(put, name, is_whole, self.clock.now()));
        match brought {
            Ok(()) => {
                let answer = if is_whole && is_here { PutAnswer::Kept } else { PutAnswer::More };
                held.write_all(&[answer.number()])?;
                held.flush()?;
                Ok(held.close()?)
            }
            Err(NotTaken::Sent(BlobError::False { .. })) => Err(Unanswered::False),
            Err(NotTaken::Sent(BlobError::Io(error)) | NotTaken::Disk(BlobDirError::Io(error))) => {
                Err(error.into())
            }
            Err(NotTaken::Disk(error)) => Err(io::Error::other(error).into()),
        }
    }
}

/// Says what is missing, and keeps what comes.
fn receive(put: &Put, partial: &mut Partial, held: &mut Held) -> Result<(), NotTaken> {
    let Some(wanted) = missing(partial) else { return Ok(()) };
    let sent = |error: io::Error| NotTaken::Sent(error.into());
    let encoded = wanted.encode();
    let length = u16::try_from(encoded.len()).map_err(|it| sent(io::Error::other(it)))?;
    let mut answer = vec![PutAnswer::Send.number()];
    answer.extend_from_slice(&length.to_be_bytes());
    answer.extend_from_slice(&encoded);
    held.write_all(&answer).map_err(sent)?;
    held.flush().map_err(sent)?;
    let (mut committed_at, mut failed) = (Instant::now(), None);
    let from = BufReader::with_capacity(BLOB_BUFFER_BYTES, Lent(held));
    let received = blob::receive(&put.id, put.size, &wanted, from, |proved| {
        let mut kept = partial.keep(&proved).map_err(BlobDirError::from);
        let is_due = committed_at.elapsed() >= BLOB_COMMIT_INTERVAL || partial.is_commit_due();
        if kept.is_ok() && is_due {
            kept = partial.commit();
            committed_at = Instant::now();
        }
        kept.map_err(|error| {
            failed = Some(error);
            io::ErrorKind::ConnectionAborted.into()
        })
    });
    match (failed, received) {
        (Some(error), _) => Err(error.into()),
        (None, received) => {
            if received.is_err() {
                // It goes on from there.
                partial.commit()?;
            }
            Ok(received?)
        }
    }
}

/// The first groups that are not there, as many as one question may bring.
fn missing(partial: &Partial) -> Option<Groups> {
    let mut plan = Plan::new(partial.have().clone());
    let all = plan.add_holder();
    plan.next(all, Duration::ZERO)
}

/// A stream that is written to again once it was read.
struct Lent<'a>(&'a mut Held);

impl Read for Lent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

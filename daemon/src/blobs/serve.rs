//! What other nodes ask about blobs, and the answers.
//!
//! Who knows a blob's id may have its bytes: ids are told in encrypted messages alone. So nothing here depends on who asks, but how
//! much they get at a time. A node whose user wants nobody to know where it is (`direct_files = false`) answers as one that has nothing.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use martlet_protocol::file::ask::{Get, GetAnswer, PutAnswer, Question};
use martlet_protocol::limits::BLOB_QUESTION_BYTES_MAX;
use martlet_store::blobs::BlobDirError;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::Keeper;
use super::stream::Held;
use crate::limits::{
    BLOB_BUFFER_BYTES, BLOB_IDLE_MAX, BLOB_QUESTION_MAX, BLOB_STREAMS_MAX,
    BLOB_STREAMS_PER_PEER_MAX,
};
use crate::net::shorten;

/// Something of which there may be so many at a time, and so many for one peer.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<HashMap<PeerId, usize>>,
}

/// One of them, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    peer: PeerId,
}

impl Places {
    fn take(self: &Arc<Self>, peer: PeerId, max: usize, per_peer_max: usize) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.get(&peer).copied().unwrap_or_default();
        if of_peer >= per_peer_max || taken.values().sum::<usize>() >= max {
            return None;
        }
        taken.insert(peer, of_peer + 1);
        Some(Place { places: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

/// Answers on the streams of others, as long as there are any.
pub(super) async fn run(keeper: Keeper, mut streams: mpsc::Receiver<(PeerId, Stream)>) {
    let open = Arc::new(Places::default());
    while let Some((peer, stream)) = streams.recv().await {
        let Some(place) = open.take(peer, BLOB_STREAMS_MAX, BLOB_STREAMS_PER_PEER_MAX) else {
            tracing::debug!(peer = %shorten::peer(&peer), "too many streams for blobs");
            continue;
        };
        let keeper = keeper.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(&keeper, peer, stream).await {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "a question about blobs");
            }
            drop(place);
        });
    }
}

async fn answer(keeper: &Keeper, peer: PeerId, mut stream: Stream) -> io::Result<()> {
    let question = timeout(BLOB_QUESTION_MAX, read(&mut stream)).await??;
    match question {
        Question::Get(get) => return send(keeper, peer, stream, get).await,
        Question::Have(have) => {
            let mut bits = vec![0; have.ids.len().div_ceil(8)];
            for (at, id) in have.ids.iter().enumerate() {
                // On an open network anyone can connect: it is no list of what is here.
                if keeper.policy().is_lan && keeper.named(id, None).is_some() {
                    bits[at / 8] |= 0x80 >> (at % 8);
                }
            }
            tell(&mut stream, &bits).await?;
        }
        // This node keeps nothing for others.
        Question::Put(_) => tell(&mut stream, &[PutAnswer::Refused.number()]).await?,
        Question::Release(_) => tell(&mut stream, &[0]).await?,
    }
    timeout(BLOB_IDLE_MAX, stream.close()).await?
}

async fn read(stream: &mut Stream) -> io::Result<Question> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > BLOB_QUESTION_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    let mut question = vec![0; length];
    stream.read_exact(&mut question).await?;
    Question::decode(&question).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

async fn tell(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    let told = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    timeout(BLOB_IDLE_MAX, told).await?
}

async fn send(keeper: &Keeper, peer: PeerId, mut stream: Stream, get: Get) -> io::Result<()> {
    let refuse = |answer: GetAnswer| [answer.number()];
    let Some(name) = keeper.named(&get.id, Some(get.size)) else {
        tell(&mut stream, &refuse(GetAnswer::NotHere)).await?;
        return timeout(BLOB_IDLE_MAX, stream.close()).await?;
    };
    let Some(turn) = keeper.uploads().take(peer, Instant::now()) else {
        tell(&mut stream, &refuse(GetAnswer::Busy)).await?;
        return timeout(BLOB_IDLE_MAX, stream.close()).await?;
    };
    let directory = keeper.directory().clone();
    let sending = spawn_blocking(move || {
        let mut held = Held::new(stream, turn.ending());
        let whole = match directory.whole(&name, &get.id, get.size) {
            Ok(whole) => whole,
            Err(error) => {
                held.write_all(&refuse(GetAnswer::NotHere))?;
                held.flush()?;
                held.close()?;
                return Err(error);
            }
        };
        held.write_all(&[GetAnswer::Sending.number()])?;
        let mut to = BufWriter::with_capacity(BLOB_BUFFER_BYTES, held);
        whole.send(&get.groups, &mut to)?;
        to.flush()?;
        Ok(to.get_mut().close()?)
    });
    let sent = sending.await.map_err(io::Error::other)?;
    sent.map_err(|error| {
        keeper.note_unreadable(&name, &error);
        match error {
            BlobDirError::Io(error) => error,
            BlobDirError::Damaged | BlobDirError::NotHere => {
                tracing::warn!("a file that was to be sent to others is damaged on this disk");
                io::Error::other(error)
            }
            BlobDirError::Sealed(_) | BlobDirError::DiskLow { .. } | BlobDirError::Ended => {
                io::Error::other(error)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_has_more_than_its_places_and_all_have_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let (one, other, third) = (PeerId::random(), PeerId::random(), PeerId::random());
        let first = places.take(one, 3, 2);
        let second = places.take(one, 3, 2);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(one, 3, 2).is_none(), "it has two");
        let of_other = places.take(other, 3, 2);
        assert!(of_other.is_some() && places.take(third, 3, 2).is_none(), "there are three");
        drop(first);
        assert!(places.take(third, 3, 2).is_some());
        drop((second, of_other));
        assert!(places.taken.lock().expect("no panic").is_empty(), "none is left");
    }
}

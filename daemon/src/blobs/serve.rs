//! What other nodes ask about blobs, and the answers.
//!
//! Who knows a blob's id may have its bytes: ids are told in encrypted messages alone. So nothing here depends on who asks, but how
//! much they get at a time. A node whose user wants nobody to know where it is (`direct_files = false`) answers as one that has nothing.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use martlet_protocol::file::ask::{Get, GetAnswer, Have, Question};
use martlet_protocol::limits::BLOB_QUESTION_BYTES_MAX;
use martlet_store::blobs::BlobDirError;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::stream::{Held, TooSlow};
use super::{Keeper, loss};
use crate::blocking::spawn_blocking;
use crate::limits::{
    BLOB_BUFFER_BYTES, BLOB_IDLE_MAX, BLOB_QUESTION_MAX, BLOB_STREAMS_MAX,
    BLOB_STREAMS_PER_PEER_MAX,
};
use crate::net::{Misuse, Unread, shorten};

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

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    /// The peer has what it may have.
    #[error("it has {BLOB_STREAMS_PER_PEER_MAX} streams for blobs open already")]
    OfPeer,
    /// All together have all there is.
    #[error("there are {BLOB_STREAMS_MAX} streams for blobs already")]
    AtAll,
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// It was not read.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// It broke off, by whomever.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came with it is not what it says.
    #[error("it brought what a blob is not, or let go what is not its own")]
    False,
}

impl Unanswered {
    /// What the peer did to it, if it did.
    fn misuse(&self) -> Option<Misuse> {
        match self {
            Self::Unread(unread) => Some(Misuse::Unread(*unread)),
            Self::Io(error) => TooSlow::is(error).then_some(Misuse::TooSlow),
            Self::False => Some(Misuse::False),
        }
    }
}

impl Places {
    pub(super) fn take(
        self: &Arc<Self>,
        peer: PeerId,
        max: usize,
        per_peer_max: usize,
    ) -> Result<Place, Full> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.get(&peer).copied().unwrap_or_default();
        if of_peer >= per_peer_max {
            return Err(Full::OfPeer);
        }
        if taken.values().sum::<usize>() >= max {
            return Err(Full::AtAll);
        }
        taken.insert(peer, of_peer + 1);
        Ok(Place { places: Arc::clone(self), peer })
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
        let place = match open.take(peer, BLOB_STREAMS_MAX, BLOB_STREAMS_PER_PEER_MAX) {
            Ok(place) => place,
            Err(full) => {
                tracing::debug!(peer = %shorten::peer(&peer), %full, "a stream is closed");
                if full == Full::OfPeer {
                    keeper.net().try_count_misuse(peer, Misuse::TooMany);
                }
                continue;
            }
        };
        let keeper = keeper.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(&keeper, peer, stream).await {
                tracing::debug!(peer = %shorten::peer(&peer), %error, "a question about blobs");
                if let Some(misuse) = error.misuse() {
                    keeper.net().count_misuse(peer, misuse).await;
                }
            }
            drop(place);
        });
    }
}

async fn answer(keeper: &Keeper, peer: PeerId, mut stream: Stream) -> Result<(), Unanswered> {
    match read(&mut stream).await? {
        Question::Get(get) => Ok(send(keeper, peer, stream, get).await?),
        Question::Have(have) => {
            tell(&mut stream, &has(keeper, have).await).await?;
            Ok(taken(stream.close()).await?)
        }
        Question::Put(put) => keeper.take_put(peer, stream, put).await,
        Question::Release(release) => keeper.let_go(stream, release).await,
    }
}

/// Which of these are here. On an open network anyone can connect: there nothing is.
async fn has(keeper: &Keeper, Have { ids }: Have) -> Vec<u8> {
    let mut bits = vec![0; ids.len().div_ceil(8)];
    let kept = match keeper.policy().is_lan_only {
        true => keeper.kept_of(ids.clone()).await,
        false => Vec::new(),
    };
    for (at, id) in ids.iter().enumerate() {
        let is_own = keeper.policy().is_lan && keeper.named(id, None).is_some();
        if is_own || kept.get(at).copied().unwrap_or_default() {
            bits[at / 8] |= 0x80 >> (at % 8);
        }
    }
    bits
}

/// A question. What can't be read is the peer's fault; what breaks off may be that of its connection.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Question, Unread> {
    let reading = async {
        let mut length = [0; 2];
        stream.read_exact(&mut length).await.map_err(|_| Unread::BrokenOff)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length > BLOB_QUESTION_BYTES_MAX {
            return Err(Unread::Invalid);
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question).await.map_err(|_| Unread::BrokenOff)?;
        Question::decode(&question).map_err(|_| Unread::Invalid)
    };
    timeout(BLOB_QUESTION_MAX, reading).await.unwrap_or(Err(Unread::BrokenOff))
}

pub(super) async fn tell(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    taken(async {
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await
}

/// Waits until the peer takes something: not for ever.
pub(super) async fn taken(taking: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(BLOB_IDLE_MAX, taking).await.unwrap_or_else(|_| Err(TooSlow.into()))
}

async fn send(keeper: &Keeper, peer: PeerId, mut stream: Stream, get: Get) -> io::Result<()> {
    let refuse = |answer: GetAnswer| [answer.number()];
    let own = keeper.named(&get.id, Some(get.size));
    let found = match own {
        Some(name) => Some((keeper.directory().clone(), name)),
        None => keeper.kept(get.id, Some(get.size)).await,
    };
    let Some((directory, name)) = found else {
        tell(&mut stream, &refuse(GetAnswer::NotHere)).await?;
        return taken(stream.close()).await;
    };
    let Some(turn) = keeper.uploads().take(peer, Instant::now()) else {
        tell(&mut stream, &refuse(GetAnswer::Busy)).await?;
        return taken(stream.close()).await;
    };
    let counting = keeper.clone();
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
        let sent = whole.send(&get.groups, &mut to).and_then(|()| Ok(to.flush()?));
        counting.meter().count_sent(to.get_ref().written());
        sent?;
        Ok(to.get_mut().close()?)
    });
    let sent = sending.await.map_err(io::Error::other)?;
    sent.map_err(|error| {
        match own {
            Some(name) => keeper.note_unreadable(&name, &error),
            None if loss(&error).is_some() => keeper.kept_is_lost(name),
            None => {}
        }
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
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures::io::Cursor;
    use martlet_protocol::BlobId;
    use martlet_protocol::file::ask::Have;

    use super::*;

    #[test]
    fn no_peer_has_more_than_its_places_and_all_have_no_more_than_there_are() {
        let places = Arc::new(Places::default());
        let (one, other, third) = (PeerId::random(), PeerId::random(), PeerId::random());
        let first = places.take(one, 3, 2);
        let second = places.take(one, 3, 2);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(places.take(one, 3, 2).err(), Some(Full::OfPeer), "it has two");
        let of_other = places.take(other, 3, 2);
        assert!(of_other.is_ok());
        assert_eq!(places.take(third, 3, 2).err(), Some(Full::AtAll), "there are three");
        drop(first);
        assert!(places.take(third, 3, 2).is_ok());
        drop((second, of_other));
        assert!(places.taken.lock().expect("no panic").is_empty(), "none is left");
    }

    /// Some bytes, and then nothing more; the stream stays open.
    struct Stalled(Cursor<Vec<u8>>);

    impl AsyncRead for Stalled {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            match Pin::new(&mut self.0).poll_read(cx, buffer) {
                Poll::Ready(Ok(0)) => Poll::Pending,
                read => read,
            }
        }
    }

    /// Unreadable and half-sent questions cost their sender nothing, however many there were.
    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_question_is_told() {
        let question = Question::Have(Have { ids: vec![BlobId([7; 32]); 3] }).encode();
        let framed = |bytes: &[u8], length: usize| {
            let length = u16::try_from(length).unwrap_or(u16::MAX);
            [&length.to_be_bytes()[..], bytes].concat()
        };
        let whole = framed(&question, question.len());
        assert!(read(&mut Cursor::new(whole.clone())).await.is_ok());
        for end in 0..whole.len() {
            let part = whole[..end].to_vec();
            let broken = read(&mut Cursor::new(part.clone())).await.err();
            assert_eq!(broken, Some(Unread::BrokenOff), "{end}");
            let begun = Instant::now();
            let stalled = read(&mut Stalled(Cursor::new(part))).await.err();
            assert_eq!(stalled, Some(Unread::BrokenOff), "{end}");
            assert_eq!(begun.elapsed(), BLOB_QUESTION_MAX);
        }
        let nothing = Question::Have(Have { ids: Vec::new() }).encode();
        let nobody_asks = [
            framed(b"\xff\xff", 2),
            framed(b"", 0),
            framed(&question, BLOB_QUESTION_BYTES_MAX + 1),
            framed(&nothing, nothing.len()),
        ];
        for bytes in nobody_asks {
            let refused = read(&mut Cursor::new(bytes.clone())).await.err();
            assert_eq!(refused, Some(Unread::Invalid), "{bytes:?}");
        }
    }
}

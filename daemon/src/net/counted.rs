//! Counts the bytes on all connections, of whatever transport: what their streams carry, without
//! what encryption, multiplexing and the transport itself add (some 3 % of full packets, more of
//! small ones).
//!
//! The streams here are those on which all protocols run, so this is also where a handler gets hold of
//! what is beneath a stream of its own ([`take_writes`], [`watch_close`]): libp2p's own type hides it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use crate::limits::CLOSING_MAX;
use futures::{AsyncRead, AsyncWrite};
use libp2p::Transport as _;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use libp2p::swarm::ConnectionId;
use tokio::time::{Instant, Sleep};

use super::lane::Lane;
use super::rpc::Frames;
use super::transport::Boxed;
use crate::metrics::{Counter, NetMetrics};

/// `transport`, its connections' bytes counted.
pub(super) fn counted(transport: Boxed, metrics: &NetMetrics) -> Boxed {
    let counters =
        Counters { received: metrics.bytes_received.clone(), sent: metrics.bytes_sent.clone() };
    transport
        .map(move |(peer, inner), _| {
            let counters = counters.clone();
            (peer, StreamMuxerBox::new(Muxer { inner, counters, closes_until: None }))
        })
        .boxed()
}

#[derive(Debug, Clone)]
struct Counters {
    received: Counter,
    sent: Counter,
}

/// A connection.
struct Muxer {
    inner: StreamMuxerBox,
    counters: Counters,
    /// How long the other side has to take what is written before it is closed.
    closes_until: Option<Pin<Box<Sleep>>>,
}

/// A stream of it.
struct Stream {
    /// What carries it; `None` once it was given away.
    io: Option<SubstreamBox>,
    /// What takes all that is written instead.
    lane: Option<IntoLane>,
    /// Is told how the stream ends.
    ending: Option<Arc<Ending>>,
    counters: Counters,
}

/// Puts what is written into a lane, frame by frame.
struct IntoLane {
    lane: Arc<Lane>,
    connection: ConnectionId,
    frames: Frames,
}

/// How a stream ended.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// The peer ended it, or its connection did.
    by_peer: AtomicBool,
    /// It was closed here.
    here: AtomicBool,
}

impl Ending {
    /// Whether it was closed here while the peer went on.
    pub(super) fn is_given_up(&self) -> bool {
        self.here.load(Ordering::Relaxed) && !self.by_peer.load(Ordering::Relaxed)
    }
}

/// What carried a stream whose writes go to a lane.
pub(super) struct Carrier {
    pub(super) io: SubstreamBox,
    /// Counts the bytes that go out.
    pub(super) sent: Counter,
}

/// What is asked of the stream that is flushed next on this thread, and its answer.
enum Wish {
    Writes(Arc<Lane>, ConnectionId),
    Carrier(Carrier),
    Watch(Arc<Ending>),
}

thread_local! {
    static WISH: RefCell<Option<Wish>> = const { RefCell::new(None) };
}

/// From now on `stream` takes at once whatever is written, and puts it, frame by frame, into `lane`; returns
/// what carried it. `None` if the stream is not of a connection that is counted here.
pub(super) fn take_writes(
    stream: &mut libp2p::Stream,
    lane: &Arc<Lane>,
    connection: ConnectionId,
) -> Option<Carrier> {
    match ask(stream, Wish::Writes(Arc::clone(lane), connection)) {
        Some(Wish::Carrier(carrier)) => Some(carrier),
        Some(Wish::Writes(..) | Wish::Watch(_)) | None => None,
    }
}

/// How `stream` ends, once it does.
pub(super) fn watch_close(stream: &mut libp2p::Stream) -> Arc<Ending> {
    let ending = Arc::new(Ending::default());
    ask(stream, Wish::Watch(Arc::clone(&ending)));
    ending
}

/// libp2p's stream passes on a flush, within the call, and nothing else that could carry a wish.
fn ask(stream: &mut libp2p::Stream, wish: Wish) -> Option<Wish> {
    WISH.set(Some(wish));
    // Nothing is written yet: what it returns says nothing.
    let _ = Pin::new(stream).poll_flush(&mut Context::from_waker(Waker::noop()));
    WISH.take()
}

impl StreamMuxer for Muxer {
    type Substream = Stream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, io::Error>> {
        let inner = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(Stream::new(inner, &self.counters)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Stream, io::Error>> {
        let inner = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(Stream::new(inner, &self.counters)))
    }

    /// What the other side does not take would hold the connection, and what waits for it, until TCP gives
    /// up.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(closed) = Pin::new(&mut this.inner).poll_close(cx) {
            return Poll::Ready(closed);
        }
        let until = this.closes_until.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + CLOSING_MAX))
        });
        until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl Stream {
    fn new(io: SubstreamBox, counters: &Counters) -> Self {
        Self { io: Some(io), lane: None, ending: None, counters: counters.clone() }
    }

    /// Does what is asked of it, and answers.
    fn hear(&mut self, wish: Wish) -> Option<Wish> {
        match wish {
            Wish::Writes(lane, connection) => {
                let io = self.io.take()?;
                self.lane = Some(IntoLane { lane, connection, frames: Frames::default() });
                Some(Wish::Carrier(Carrier { io, sent: self.counters.sent.clone() }))
            }
            Wish::Watch(ending) => {
                self.ending = Some(ending);
                None
            }
            Wish::Carrier(_) => None,
        }
    }

    fn ended(&self, by_peer: bool) {
        if let Some(ending) = &self.ending {
            let mark = if by_peer { &ending.by_peer } else { &ending.here };
            mark.store(true, Ordering::Relaxed);
        }
    }
}

impl IntoLane {
    fn write(&mut self, bytes: &[u8]) {
        let Self { lane, connection, frames } = self;
        let now = Instant::now();
        frames.feed(bytes, |frame| lane.push(frame, *connection, now));
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // Nobody reads what gossipsub writes to.
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(0)) };
        let read = ready!(Pin::new(io).poll_read(cx, buffer));
        match read {
            Ok(0) if !buffer.is_empty() => self.ended(true),
            Ok(read) => count(&self.counters.received, read),
            Err(_) => self.ended(true),
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(lane) = &mut self.lane {
            lane.write(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let Some(io) = &mut self.io else { return given_away() };
        let written = ready!(Pin::new(io).poll_write(cx, bytes))?;
        count(&self.counters.sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(lane) = &mut self.lane {
            slices.iter().for_each(|slice| lane.write(slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let Some(io) = &mut self.io else { return given_away() };
        let written = ready!(Pin::new(io).poll_write_vectored(cx, slices))?;
        count(&self.counters.sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(wish) = WISH.take() {
            WISH.set(self.hear(wish));
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Some(io) => Pin::new(io).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ended(false);
        match &mut self.io {
            Some(io) => Pin::new(io).poll_close(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

fn given_away<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
}

fn count(counter: &Counter, bytes: usize) {
    counter.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
}

//! Connections without Noise and Yamux: streams go over a simulated link as they are, and count as many bytes as if they
//! were encrypted and multiplexed.
//!
//! Nobody listens to a simulated link, and streams of one connection need not be told apart in bytes. What remains is
//! what others see of it: how long a connection takes to come up, how much is sent, how much may be under way.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};

use super::pipe::{End, Half, Signal, lock, reset};

/// What of one stream may be under way: Yamux's first window.
pub(super) const WINDOW_BYTES: usize = 256 << 10;
/// Bytes of a stream in one frame of Yamux, at most.
const FRAME_BYTES: usize = 16 << 10;
/// What a frame takes besides: Yamux's header, Noise's length and tag.
const FRAME_OVERHEAD: usize = 12 + 2 + 16;
/// What each end sends until a connection is up: Noise's messages and the agreement on it and on Yamux.
const HANDSHAKE_BYTES: usize = 290;
/// The latencies of the link that a handshake takes, after the connection is there: a round trip for who dials, and for
/// the other, who knew of it before, two.
const DIALLER_WAITS: u32 = 2;
const LISTENER_WAITS: u32 = 4;

/// What frames take beside so many bytes.
pub(super) fn overhead(bytes: usize) -> usize {
    bytes.div_ceil(FRAME_BYTES).max(1) * FRAME_OVERHEAD
}

/// Waits as long as a handshake takes.
pub(super) async fn secure(
    end: End,
    point: ConnectedPoint,
) -> io::Result<(PeerId, StreamMuxerBox)> {
    let (peer, node, latency) = {
        let half = lock(end.half());
        (half.peer.ok_or_else(reset)?, half.path.from, half.latency())
    };
    let is_dialler = point.is_dialer();
    let latencies = if is_dialler { DIALLER_WAITS } else { LISTENER_WAITS };
    if latency > Duration::ZERO {
        tokio::time::sleep(latency * latencies).await;
    }
    end.net().count_sent(node, HANDSHAKE_BYTES);
    end.net().count_received(node, HANDSHAKE_BYTES);
    // Of those of both ends, each has every second number.
    let next = if is_dialler { 1 } else { 2 };
    Ok((peer, StreamMuxerBox::new(Plain { end, next })))
}

/// A connection with its streams.
struct Plain {
    end: End,
    /// The number of the stream that is opened next.
    next: u32,
}

impl Plain {
    fn stream(&self, half: Arc<Mutex<Half>>) -> End {
        End::new(self.end.net(), half)
    }

    fn break_streams(&self) {
        let (connection, node) = {
            let half = lock(self.end.half());
            (half.connection, half.path.from)
        };
        self.end.net().break_streams(connection, node);
    }
}

impl StreamMuxer for Plain {
    type Substream = End;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<End>> {
        let mut half = lock(self.end.half());
        if let Some(stream) = half.opened.pop_front() {
            drop(half);
            return Poll::Ready(Ok(self.stream(stream)));
        }
        if half.is_gone() {
            return Poll::Ready(Err(reset()));
        }
        half.wait(context);
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<End>> {
        let number = self.next;
        self.next += 2;
        let half = lock(self.end.half());
        if half.is_gone() {
            return Poll::Ready(Err(reset()));
        }
        let stream = Arc::new(Mutex::new(half.stream(number)));
        drop(half);
        self.end.net().register(&stream);
        lock(&stream).signal_last(self.end.net(), Signal::Dial(None));
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(self.end.half()).shut(self.end.net());
        self.break_streams();
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let mut half = lock(self.end.half());
        if half.is_gone() && half.opened.is_empty() {
            return Poll::Ready(Err(reset()));
        }
        half.wait(context);
        Poll::Pending
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.break_streams();
    }
}

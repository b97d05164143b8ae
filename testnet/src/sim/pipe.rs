//! A connection between two simulated nodes: bytes that arrive when the link lets them.
//!
//! Each end is with its node, perhaps on another thread than the other (`lockstep.rs`), and knows of the other only what
//! packets tell it. What a link does to what is written (`link.rs`) is decided by the end that writes; the packets then
//! wait in the receiving node's network (`net.rs`) for the time they are due, and while the two don't reach each other.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::PeerId;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::net::{Net, Path};
use super::plain;
use super::work::Work;
use crate::link::{Direction, WINDOW_BYTES};
use crate::plan::{LinkShape, NodeIndex};

/// Once such a part of the window was read, the other end is told: as a system's TCP opens its window again.
const CREDITS: usize = 4;

/// A connection: the node that dialled it, and the how manieth of that node's it is; or a stream of a plain one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId {
    pub(super) dialler: NodeIndex,
    pub(super) number: u64,
    /// 0: the connection itself.
    pub(super) stream: u32,
}

impl ConnectionId {
    /// The connection of a stream.
    pub(super) fn itself(self) -> Self {
        Self { stream: 0, ..self }
    }
}

/// What one end tells the other.
#[derive(Debug)]
pub(super) enum Signal {
    /// A node wants to connect, and says who it is; or it opens a stream.
    Dial(Option<Box<PeerId>>),
    /// The other does, too: the connection is there.
    Accept(Option<Box<PeerId>>),
    /// It does not.
    Refuse,
    /// Bytes.
    Data(Vec<u8>),
    /// No more bytes will come.
    Close,
    /// No more bytes will come, and none are read any more.
    Drop,
    /// The connection is broken.
    Reset,
    /// So many bytes were read.
    Read(usize),
}

/// One end of a connection.
pub(super) struct End {
    net: Arc<Net>,
    /// What the node at this end is busy with.
    work: Arc<Mutex<Work>>,
    half: Arc<Mutex<Half>>,
}

/// What one end knows.
pub(super) struct Half {
    pub(super) connection: ConnectionId,
    pub(super) path: Path,
    pub(super) stage: Stage,
    shape: LinkShape,
    /// From here to there.
    line: Arc<Mutex<Line>>,
    /// Who is at the other end, once that was said.
    pub(super) peer: Option<PeerId>,
    /// Streams that the other end opened, and nobody took.
    pub(super) opened: VecDeque<Arc<Mutex<Half>>>,
    /// How many packets left.
    sent: u32,
    chunks: VecDeque<Chunk>,
    /// Bytes that were read, and the other end was not told of.
    read: usize,
    /// Bytes that were written, and are not known to be read.
    under_way: usize,
    /// Nothing comes any more after what is here.
    has_ended: bool,
    /// Nothing can be written any more.
    is_shut: bool,
    /// What arrived while the two don't reach each other.
    held: Vec<Signal>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Dialled, without an answer.
    Dialling,
    /// Nobody took it.
    Refused,
    Open,
    Broken,
}

struct Chunk {
    bytes: Vec<u8>,
    read: usize,
}

/// What a connection and its streams have in common in one direction.
struct Line {
    link: Direction,
    rng: ChaCha8Rng,
}

impl Half {
    pub(super) fn new(
        connection: ConnectionId,
        path: Path,
        shape: LinkShape,
        seed: u64,
        stage: Stage,
    ) -> Self {
        // Each direction of each connection has chance of its own, whoever else has one.
        let mut key = [0; 32];
        let numbers = [seed, connection.dialler as u64, connection.number, path.from as u64];
        for (part, number) in key.chunks_exact_mut(8).zip(numbers) {
            part.copy_from_slice(&number.to_le_bytes());
        }
        let line = Line { link: Direction::new(shape), rng: ChaCha8Rng::from_seed(key) };
        let line = Arc::new(Mutex::new(line));
        Self::idle(connection, path, shape, stage, line, None)
    }

    /// This end of a stream of the connection.
    pub(super) fn stream(&self, stream: u32) -> Self {
        let connection = ConnectionId { stream, ..self.connection };
        let line = Arc::clone(&self.line);
        Self::idle(connection, self.path, self.shape, Stage::Open, line, self.peer)
    }

    /// An end of which nothing was sent or read.
    fn idle(
        connection: ConnectionId,
        path: Path,
        shape: LinkShape,
        stage: Stage,
        line: Arc<Mutex<Line>>,
        peer: Option<PeerId>,
    ) -> Self {
        Self {
            connection,
            path,
            stage,
            shape,
            line,
            peer,
            opened: VecDeque::new(),
            sent: 0,
            chunks: VecDeque::new(),
            read: 0,
            under_way: 0,
            has_ended: false,
            is_shut: false,
            held: Vec::new(),
            reader: None,
            writer: None,
        }
    }

    /// The number of the next packet.
    pub(super) fn number(&mut self) -> u32 {
        self.sent += 1;
        self.sent
    }

    /// Sends what is there after the link's latency, whatever else is under way.
    pub(super) fn signal(&mut self, net: &Net, signal: Signal) {
        let due = Instant::now() + self.shape.latency;
        let number = self.number();
        net.send(self.connection, self.path, number, due, signal);
    }

    /// Sends what is there after all that was sent before.
    pub(super) fn signal_last(&mut self, net: &Net, signal: Signal) {
        let due = lock(&self.line).link.last_due().max(Instant::now() + self.shape.latency);
        let number = self.number();
        net.send(self.connection, self.path, number, due, signal);
    }

    /// Nothing is written here any more.
    pub(super) fn shut(&mut self, net: &Net) {
        if self.stage == Stage::Open && !std::mem::replace(&mut self.is_shut, true) {
            self.signal_last(net, Signal::Close);
        }
    }

    pub(super) fn latency(&self) -> Duration {
        self.shape.latency
    }

    /// How many bytes may be under way.
    fn window(&self) -> usize {
        if self.connection.stream == 0 { WINDOW_BYTES } else { plain::WINDOW_BYTES }
    }

    /// What is sent beside so many bytes.
    fn overhead(&self, bytes: usize) -> usize {
        if self.connection.stream == 0 { 0 } else { plain::overhead(bytes) }
    }

    /// Whether nothing comes from the other end any more.
    pub(super) fn is_gone(&self) -> bool {
        self.stage != Stage::Open || self.has_ended
    }

    /// Wakes who waits for something to come.
    pub(super) fn wake_reader(&mut self) {
        wake(&mut self.reader);
    }

    /// Whoever polls is woken when something comes.
    pub(super) fn wait(&mut self, context: &Context<'_>) {
        keep(&mut self.reader, context);
    }

    /// Takes what the other end sent. While it is not in reach, that waits.
    pub(super) fn take(&mut self, signal: Signal, is_reachable: bool) {
        if !is_reachable {
            return self.held.push(signal);
        }
        match signal {
            Signal::Accept(peer) => {
                if self.stage == Stage::Dialling {
                    (self.stage, self.peer) = (Stage::Open, peer.map(|peer| *peer));
                }
            }
            Signal::Refuse => self.stage = Stage::Refused,
            Signal::Data(bytes) => {
                if self.stage != Stage::Broken {
                    self.chunks.push_back(Chunk { bytes, read: 0 });
                }
            }
            Signal::Close => self.has_ended = true,
            Signal::Drop => (self.has_ended, self.is_shut) = (true, true),
            Signal::Reset => return self.break_off(),
            Signal::Read(bytes) => {
                self.under_way = self.under_way.saturating_sub(bytes);
                return wake(&mut self.writer);
            }
            // It has no end yet that it could be for.
            Signal::Dial(_) => {}
        }
        if self.is_shut {
            wake(&mut self.writer);
        }
        wake(&mut self.reader);
    }

    /// The two reach each other again.
    pub(super) fn take_held(&mut self) {
        for signal in std::mem::take(&mut self.held) {
            self.take(signal, true);
        }
    }

    /// Gives an error to whoever uses this end from now on.
    pub(super) fn break_off(&mut self) {
        self.stage = Stage::Broken;
        self.chunks.clear();
        wake(&mut self.reader);
        wake(&mut self.writer);
    }

    /// Whether it can carry anything, one way or the other.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open && !(self.has_ended && self.is_shut)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn keep(waker: &mut Option<Waker>, context: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(context.waker()),
        None => *waker = Some(context.waker().clone()),
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl End {
    pub(super) fn new(net: &Arc<Net>, half: Arc<Mutex<Half>>) -> Self {
        let node = lock(&half).path.from;
        Self { net: Arc::clone(net), work: net.work(node), half }
    }

    pub(super) fn net(&self) -> &Arc<Net> {
        &self.net
    }

    pub(super) fn half(&self) -> &Arc<Mutex<Half>> {
        &self.half
    }

    /// Waits for the answer of the node that was dialled.
    pub(super) fn poll_answer(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut half = lock(&self.half);
        match half.stage {
            Stage::Open => Poll::Ready(Ok(())),
            Stage::Refused => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
            Stage::Broken => Poll::Ready(Err(reset())),
            Stage::Dialling => {
                keep(&mut half.reader, context);
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let half = &mut *lock(&self.half);
        if half.stage == Stage::Broken {
            return Poll::Ready(Err(reset()));
        }
        let (mut filled, mut more) = (0, 0);
        while let Some(chunk) = half.chunks.front_mut().filter(|_| filled < out.len()) {
            let rest = chunk.bytes.get(chunk.read..).unwrap_or_default();
            let count = rest.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&rest[..count]);
            filled += count;
            chunk.read += count;
            if chunk.read == chunk.bytes.len() {
                let whole = half.chunks.pop_front().map_or(0, |chunk| chunk.bytes.len());
                more += half.overhead(whole);
                lock(&self.work).charge(|costs| costs.wake_us);
            }
        }
        if filled == 0 && !half.has_ended && !out.is_empty() {
            keep(&mut half.reader, context);
            return Poll::Pending;
        }
        self.net.count_received(half.path.from, filled + more);
        half.read += filled;
        if half.read >= half.window() / CREDITS {
            let read = std::mem::take(&mut half.read);
            half.signal(&self.net, Signal::Read(read));
        }
        Poll::Ready(Ok(filled))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let half = &mut *lock(&self.half);
        if half.stage != Stage::Open || half.is_shut {
            return Poll::Ready(Err(reset()));
        }
        if half.under_way >= half.window() {
            keep(&mut half.writer, context);
            return Poll::Pending;
        }
        let sent_at = lock(&self.work).done_at();
        let count = bytes.len() + half.overhead(bytes.len());
        let due = {
            let line = &mut *lock(&half.line);
            line.link.stream(count, sent_at, &mut line.rng)
        };
        let Some(due) = due else {
            half.signal(&self.net, Signal::Reset);
            half.break_off();
            return Poll::Ready(Err(reset()));
        };
        half.under_way += bytes.len();
        let number = half.number();
        let data = Signal::Data(bytes.to_vec());
        self.net.send(half.connection, half.path, number, due, data);
        self.net.count_sent(half.path.from, count);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.half).shut(&self.net);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let half = &mut *lock(&self.half);
        self.net.forget(half.connection, half.path.from);
        if matches!(half.stage, Stage::Open | Stage::Dialling) {
            half.signal_last(&self.net, Signal::Drop);
        }
    }
}

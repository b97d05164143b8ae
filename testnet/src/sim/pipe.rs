//! A connection between two simulated nodes: bytes that arrive when the link lets them.
//!
//! Each direction is a queue of chunks with the time each is due. What a link does to packets
//! (`link.rs`) is decided when a chunk is written; whether the two nodes reach each other, when it
//! is read: what is under way while they don't is held back, as TCP would send it again, until they
//! do or the connection is given up.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, Sleep};

use super::net::{Net, Path};
use super::work::Work;
use crate::link::{Direction, WINDOW_BYTES};
use crate::plan::LinkShape;

/// One end of a connection.
pub(super) struct End {
    net: Arc<Net>,
    path: Path,
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
    /// What the node at this end is busy with.
    work: Arc<Mutex<Work>>,
    /// Wakes the reader when the next chunk is due.
    due: Pin<Box<Sleep>>,
}

/// Breaks a connection from outside.
#[derive(Clone)]
pub(super) struct Breaker([Arc<Mutex<Pipe>>; 2]);

/// One direction.
struct Pipe {
    link: Direction,
    rng: ChaCha8Rng,
    chunks: VecDeque<Chunk>,
    bytes: usize,
    state: State,
    /// Whether the end that reads is gone, and the one that writes has not heard of it.
    is_abandoned: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
    read: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The writer is done; the reader gets what is under way.
    Closed,
    Broken,
}

/// Two ends of a new connection, of the node that dials and of the one dialled.
pub(super) fn connect(
    net: &Arc<Net>,
    path: Path,
    shape: LinkShape,
    mut rng: ChaCha8Rng,
) -> (End, End) {
    let pipe = |rng| Arc::new(Mutex::new(Pipe::new(shape, rng)));
    let there = pipe(super::fork(&mut rng));
    let back = pipe(super::fork(&mut rng));
    let end = |path: Path, incoming: &Arc<_>, outgoing: &Arc<_>| End {
        net: Arc::clone(net),
        work: net.work(path.from),
        path,
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        due: Box::pin(tokio::time::sleep(Duration::ZERO)),
    };
    (end(path, &back, &there), end(path.reversed(), &there, &back))
}

impl End {
    pub(super) fn breaker(&self) -> Breaker {
        Breaker([Arc::clone(&self.incoming), Arc::clone(&self.outgoing)])
    }
}

impl Breaker {
    /// Both ends get an error from now on.
    pub(super) fn break_off(&self) {
        self.0.iter().for_each(|pipe| lock(pipe).end(State::Broken));
    }

    /// Has both readers look again whether the other node is in reach.
    pub(super) fn wake(&self, is_reachable: bool) {
        for pipe in &self.0 {
            let mut pipe = lock(pipe);
            if is_reachable && pipe.is_abandoned {
                pipe.end(State::Broken);
            }
            pipe.wake_reader();
        }
    }

    /// Whether the connection is over.
    pub(super) fn is_over(&self) -> bool {
        self.0.iter().all(|pipe| lock(pipe).state != State::Open)
    }
}

impl Pipe {
    fn new(shape: LinkShape, rng: ChaCha8Rng) -> Self {
        Self {
            link: Direction::new(shape),
            rng,
            chunks: VecDeque::new(),
            bytes: 0,
            state: State::Open,
            is_abandoned: false,
            reader: None,
            writer: None,
        }
    }

    /// Takes what is written, and leaves at `sent_at`. `false` where its loss breaks the connection.
    fn push(&mut self, bytes: &[u8], sent_at: Instant) -> bool {
        let Some(due) = self.link.stream(bytes.len(), sent_at, &mut self.rng) else {
            return false;
        };
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk { due, bytes: bytes.to_vec(), read: 0 });
        self.wake_reader();
        true
    }

    fn end(&mut self, state: State) {
        if self.state != State::Broken {
            self.state = state;
        }
        if self.state == State::Broken {
            self.chunks.clear();
            self.bytes = 0;
        }
        self.wake_reader();
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let mut pipe = lock(&this.incoming);
        if pipe.state == State::Broken {
            return Poll::Ready(Err(reset()));
        }
        let is_reachable = this.net.reaches(this.path);
        let due = match pipe.chunks.front() {
            Some(chunk) => chunk.due,
            None if pipe.state == State::Closed && is_reachable => pipe.link.last_due(),
            None => {
                pipe.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
        };
        if !is_reachable {
            // Woken once the network has changed.
            pipe.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let slack = lock(&this.work).slack();
        if due > Instant::now() + slack {
            this.due.as_mut().reset(due - slack);
            if this.due.as_mut().poll(context).is_pending() {
                // What comes meanwhile is due later, but the connection may break.
                pipe.reader = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        let Some(chunk) = pipe.chunks.front_mut() else { return Poll::Ready(Ok(0)) };
        let rest = chunk.bytes.get(chunk.read..).unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        chunk.read += count;
        if chunk.read == chunk.bytes.len() {
            pipe.chunks.pop_front();
            lock(&this.work).charge(|costs| costs.wake_us);
        }
        pipe.bytes -= count;
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        this.net.count_received(this.path.from, count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = lock(&self.outgoing);
        if pipe.state != State::Open {
            return Poll::Ready(Err(reset()));
        }
        if pipe.bytes >= WINDOW_BYTES {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let sent_at = lock(&self.work).done_at();
        if !pipe.push(bytes, sent_at) {
            drop(pipe);
            self.breaker().break_off();
            return Poll::Ready(Err(reset()));
        }
        self.net.count_sent(self.path.from, bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.outgoing).end(State::Closed);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        lock(&self.outgoing).end(State::Closed);
        let mut incoming = lock(&self.incoming);
        if self.net.reaches(self.path) {
            incoming.end(State::Broken);
        } else {
            incoming.is_abandoned = true;
        }
    }
}

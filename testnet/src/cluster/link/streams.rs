//! TCP connections through a link.

use std::future::pending;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::timer::Timer;
use super::{CONNECTIONS_MAX, LINK_IP, Passage};
use crate::link::{Direction, WINDOW_BYTES};
use crate::plan::LinkShape;

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on their way in one direction at most.
const CHUNKS_MAX: usize = WINDOW_BYTES / CHUNK_BYTES;

/// Bytes, and when they arrive.
type Chunk = (Instant, Vec<u8>);

/// Takes connections until it is dropped. Who comes while there are too many waits in the system's
/// queue.
pub(super) async fn forward(
    listener: TcpListener,
    target: SocketAddr,
    shape: LinkShape,
    passage: watch::Receiver<Passage>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                // A connection that was gone before it was taken is no loss.
                let Ok((near, _)) = accepted else { continue };
                if *passage.borrow() != Passage::Cut {
                    connections.spawn(carry(near, target, shape, passage.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until an end closes it or the link is cut.
async fn carry(
    near: TcpStream,
    target: SocketAddr,
    shape: LinkShape,
    mut passage: watch::Receiver<Passage>,
) {
    let watched = passage.clone();
    let both_ways = async {
        // However it ended: both ends are closed, which is what the nodes should see once it gets
        // through to them.
        let _ = both_ways(near, target, shape, watched.clone()).await;
        open(&mut watched.clone()).await;
    };
    tokio::select! {
        () = both_ways => {}
        _ = passage.wait_for(|passage| *passage == Passage::Cut) => {}
    }
}

async fn both_ways(
    near: TcpStream,
    target: SocketAddr,
    shape: LinkShape,
    mut passage: watch::Receiver<Passage>,
) -> io::Result<()> {
    near.set_nodelay(true)?;
    let (from_near, to_near) = near.into_split();
    let (there, arriving_there) = mpsc::channel(CHUNKS_MAX);
    let (back, arriving_back) = mpsc::channel(CHUNKS_MAX);
    let (is_near, near_gone) = oneshot::channel();
    // The connection is there after a round trip. The system has told who dials before.
    let connected_at = Instant::now() + shape.latency * 2;
    let reading = read(from_near, there, (shape, connected_at), is_near);
    let rest = async {
        let connected = async {
            open(&mut passage).await;
            Timer::new()?.until(connected_at).await?;
            let socket = TcpSocket::new_v4()?;
            socket.bind((LINK_IP, 0).into())?;
            socket.connect(target).await
        };
        let far = tokio::select! {
            far = connected => far?,
            // Who dialled has given up.
            _ = near_gone => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        far.set_nodelay(true)?;
        let (from_far, to_far) = far.into_split();
        let (is_far, _far_gone) = oneshot::channel();
        tokio::try_join!(
            write(arriving_there, to_far, passage.clone()),
            read(from_far, back, (shape, connected_at), is_far),
            write(arriving_back, to_near, passage.clone()),
        )
        .map(drop)
    };
    tokio::try_join!(reading, rest).map(drop)
}

/// Puts on the link what one end sends, from `connected_at` on, until it closes its side. `_alive`
/// is dropped then.
async fn read(
    mut from: impl AsyncRead + Unpin,
    wire: mpsc::Sender<Chunk>,
    (shape, connected_at): (LinkShape, Instant),
    _alive: oneshot::Sender<()>,
) -> io::Result<()> {
    let mut link = Direction::new(shape);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let (Some(chunk), true) = (buffer.get(..read), read > 0) else { return Ok(()) };
        let due = link.stream(read, Instant::now().max(connected_at), &mut rand::rng());
        let due = due.ok_or(io::ErrorKind::ConnectionReset)?;
        if wire.send((due, chunk.to_vec())).await.is_err() {
            return Ok(());
        }
    }
}

/// Gives the other end what arrives, while it gets through.
async fn write(
    mut arriving: mpsc::Receiver<Chunk>,
    mut to: impl AsyncWrite + Unpin,
    mut passage: watch::Receiver<Passage>,
) -> io::Result<()> {
    let mut timer = Timer::new()?;
    while let Some((due, chunk)) = arriving.recv().await {
        timer.until(due).await?;
        open(&mut passage).await;
        to.write_all(&chunk).await?;
    }
    open(&mut passage).await;
    to.shutdown().await
}

/// Waits until what is on the link gets through.
async fn open(passage: &mut watch::Receiver<Passage>) {
    // The link is gone: so is this, any moment.
    if passage.wait_for(|passage| *passage == Passage::Open).await.is_err() {
        pending::<()>().await;
    }
}

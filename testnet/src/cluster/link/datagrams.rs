//! UDP through a link: each sender has a socket of its own towards the node, whose answers go back
//! to it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout};

use super::timer::Timer;
use super::{CONNECTIONS_MAX, LINK_IP, Passage};
use crate::link::{Direction, WINDOW_BYTES};
use crate::plan::LinkShape;

/// The largest datagram that UDP has.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Datagrams of one sender that wait to be put on the link: they are taken at once, unless the
/// machine is busy.
const QUEUE_MAX: usize = 1024;
/// After so long without a datagram from either end the sender's socket is closed: longer than any
/// QUIC connection is kept without one.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// Passes datagrams on until it is dropped. Further senders than [`CONNECTIONS_MAX`] are not heard
/// until one of the others is idle.
pub(super) async fn forward(
    socket: UdpSocket,
    target: SocketAddr,
    shape: LinkShape,
    passage: watch::Receiver<Passage>,
) {
    let socket = Arc::new(socket);
    let mut senders: HashMap<SocketAddr, (Id, mpsc::Sender<Vec<u8>>)> = HashMap::new();
    let mut flows = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // What a closed socket refused of earlier ones is told here: lost, as on any link.
                let Ok((bytes, near)) = received else { continue };
                let datagram = buffer.get(..bytes).unwrap_or_default().to_vec();
                if !senders.contains_key(&near) && senders.len() < CONNECTIONS_MAX {
                    let (sender, arriving) = mpsc::channel(QUEUE_MAX);
                    let back = (Arc::clone(&socket), near);
                    let flow = flows.spawn(flow(arriving, back, target, shape, passage.clone()));
                    senders.insert(near, (flow.id(), sender));
                }
                if let Some((_, sender)) = senders.get(&near) {
                    // Full, or just ended: it is lost.
                    let _ = sender.try_send(datagram);
                }
            }
            Some(ended) = flows.join_next_with_id() => {
                let id = match ended {
                    Ok((id, _)) => id,
                    Err(error) => error.id(),
                };
                senders.retain(|_, (flow, _)| *flow != id);
            }
        }
    }
}

/// Carries one sender's datagrams, and the answers.
async fn flow(
    mut sent: mpsc::Receiver<Vec<u8>>,
    (near, near_address): (Arc<UdpSocket>, SocketAddr),
    target: SocketAddr,
    shape: LinkShape,
    passage: watch::Receiver<Passage>,
) -> io::Result<()> {
    let far = UdpSocket::bind((LINK_IP, 0)).await?;
    far.connect(target).await?;
    let (mut there, mut arriving_there) = Wire::new(shape)?;
    let (mut back, mut arriving_back) = Wire::new(shape)?;
    let is_open = || *passage.borrow() == Passage::Open;
    let putting = async {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let either = async {
                tokio::select! {
                    datagram = sent.recv() => datagram.map(|datagram| (false, datagram)),
                    received = far.recv(&mut buffer) => {
                        // Nobody listens there: as if it were lost.
                        let bytes = received.unwrap_or(0);
                        Some((true, buffer.get(..bytes).unwrap_or_default().to_vec()))
                    }
                }
            };
            match timeout(IDLE_MAX, either).await {
                Ok(Some((is_answer, datagram))) => {
                    if is_open() {
                        let wire = if is_answer { &mut back } else { &mut there };
                        wire.put(datagram);
                    }
                }
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    };
    let giving = async {
        while let Some(datagram) = arriving_there.next().await? {
            if is_open() {
                // Refused, since nobody listens: as if it were lost.
                let _ = far.send(&datagram).await;
            }
        }
        Ok(())
    };
    let giving_back = async {
        while let Some(datagram) = arriving_back.next().await? {
            if is_open() {
                let _ = near.send_to(&datagram, near_address).await;
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = putting => ended,
        ended = giving => ended,
        ended = giving_back => ended,
    }
}

/// One direction of one sender's.
struct Wire {
    link: Direction,
    queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>,
    /// Bytes under way: what bounds the queue.
    bytes: Arc<AtomicUsize>,
}

/// Its other end.
struct Arriving {
    queue: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
    bytes: Arc<AtomicUsize>,
    timer: Timer,
}

impl Wire {
    fn new(shape: LinkShape) -> io::Result<(Self, Arriving)> {
        let (sender, queue) = mpsc::unbounded_channel();
        let bytes = Arc::new(AtomicUsize::new(0));
        let arriving = Arriving { queue, bytes: Arc::clone(&bytes), timer: Timer::new()? };
        Ok((Self { link: Direction::new(shape), queue: sender, bytes }, arriving))
    }

    /// Puts a datagram on the link, unless that is full, or it is lost by chance.
    fn put(&mut self, datagram: Vec<u8>) {
        if datagram.is_empty() || self.bytes.load(Ordering::Relaxed) >= WINDOW_BYTES {
            return;
        }
        let due = self.link.datagram(datagram.len(), Instant::now(), &mut rand::rng());
        if let Some(due) = due {
            self.bytes.fetch_add(datagram.len(), Ordering::Relaxed);
            // The other end lives as long.
            let _ = self.queue.send((due, datagram));
        }
    }
}

impl Arriving {
    /// The next datagram, when it is due.
    async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some((due, datagram)) = self.queue.recv().await else { return Ok(None) };
        self.timer.until(due).await?;
        self.bytes.fetch_sub(datagram.len(), Ordering::Relaxed);
        Ok(Some(datagram))
    }
}

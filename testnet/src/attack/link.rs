//! A connection without manners: authenticated and multiplexed as any, and then whatever bytes on
//! however many streams. It answers pings and says what it is, so that what ends it is not its silence.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport as _};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, multiaddr::Protocol, noise, tcp, yamux};
use martlet_protocol::codec;
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::Response;
use tokio::sync::{mpsc, oneshot, watch};

use super::frames;
use crate::peer::PeerError;

/// Streams it is willing to have: more than any daemon allows.
const STREAMS_MAX: usize = 4096;
/// Requests for streams that wait.
const QUEUE_MAX: usize = 64;
/// Longest wait for a connection, or for one stream.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Streams opened by the other side that are kept open.
const INBOUND_KEPT_MAX: usize = 64;
/// The longest line of multistream-select.
const LINE_BYTES_MAX: usize = 127;

/// How it answers on streams that the other side opens. Pings are always answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manners {
    /// Gossip is read; no other protocol is spoken.
    Hears,
    /// The same, and what is asked by sync is answered with what makes no sense.
    Lies,
    /// Gossip is taken, and never read.
    Deaf,
}

/// A connection. It ends with the last clone of this.
#[derive(Debug, Clone)]
pub(super) struct Link {
    opens: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    open: watch::Receiver<bool>,
}

impl Link {
    /// Connects to `address` under the name that `keypair` gives.
    ///
    /// # Errors
    /// [`PeerError`]: no such address, no connection in time, or a refusal.
    pub(super) async fn dial(
        keypair: &Keypair,
        address: &str,
        manners: Manners,
    ) -> Result<Self, PeerError> {
        let setup = |error: &dyn std::fmt::Display| PeerError::Setup(error.to_string());
        let refused = || PeerError::Connect { address: address.to_owned() };
        let parsed: Multiaddr =
            address.parse().map_err(|_| PeerError::Address { address: address.to_owned() })?;
        let socket: Multiaddr =
            parsed.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
        let mut streams = yamux::Config::default();
        streams.set_max_num_streams(STREAMS_MAX);
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(keypair).map_err(|error| setup(&error))?)
            .multiplex(streams)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed();
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dialling = transport.dial(socket, options).map_err(|error| setup(&error))?;
        let (_, muxer) = tokio::time::timeout(WAIT_MAX, dialling)
            .await
            .map_err(|_| refused())?
            .map_err(|_| refused())?;
        let public = keypair.public();
        let introduction: Arc<[u8]> = frames::identify(&public, &NetworkDescriptor::default().name);
        let (opens, waiting) = mpsc::channel(QUEUE_MAX);
        let (is_open, open) = watch::channel(true);
        tokio::spawn(async move {
            drive(muxer, waiting, manners, introduction).await;
            is_open.send_replace(false);
        });
        Ok(Self { opens, open })
    }

    /// Whether the other side keeps it.
    pub(super) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until the other side has ended it, or `wait` has passed; whether it has.
    pub(super) async fn ended_within(&self, wait: Duration) -> bool {
        let mut open = self.open.clone();
        let ended = async move { open.wait_for(|open| !open).await.is_ok() };
        tokio::time::timeout(wait, ended).await.is_ok()
    }

    /// A stream on which nothing has been said.
    ///
    /// # Errors
    /// The connection has ended, or no stream is to be had in time.
    pub(super) async fn stream(&self) -> io::Result<SubstreamBox> {
        let ended = || io::Error::from(io::ErrorKind::NotConnected);
        let (reply, stream) = oneshot::channel();
        self.opens.send(reply).await.map_err(|_| ended())?;
        let stream = tokio::time::timeout(WAIT_MAX, stream);
        stream.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?.map_err(|_| ended())
    }

    /// A stream on which `protocol` was asked for; the answer is not waited for.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub(super) async fn speak(&self, protocol: &str) -> io::Result<SubstreamBox> {
        let mut stream = self.stream().await?;
        stream.write_all(&[line("/multistream/1.0.0"), line(protocol)].concat()).await?;
        stream.flush().await?;
        Ok(stream)
    }
}

/// A line of multistream-select.
fn line(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[len], text.as_bytes(), b"\n"].concat()
}

async fn drive(
    mut muxer: StreamMuxerBox,
    mut opens: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    manners: Manners,
    introduction: Arc<[u8]>,
) {
    let mut waiting: VecDeque<oneshot::Sender<SubstreamBox>> = VecDeque::new();
    let mut inbound = futures::stream::FuturesUnordered::new();
    let mut is_wanted = true;
    poll_fn(|cx| {
        loop {
            let mut progressed = false;
            while is_wanted && waiting.len() < QUEUE_MAX {
                match opens.poll_recv(cx) {
                    Poll::Ready(Some(reply)) => waiting.push_back(reply),
                    Poll::Ready(None) => is_wanted = false,
                    Poll::Pending => break,
                }
            }
            if !is_wanted {
                return Poll::Ready(());
            }
            match std::pin::Pin::new(&mut muxer).poll(cx) {
                Poll::Ready(Ok(StreamMuxerEvent::AddressChange(_))) => progressed = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            match std::pin::Pin::new(&mut muxer).poll_inbound(cx) {
                Poll::Ready(Ok(stream)) => {
                    progressed = true;
                    if inbound.len() < INBOUND_KEPT_MAX {
                        inbound.push(answer(stream, manners, Arc::clone(&introduction)));
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            if !waiting.is_empty() {
                match std::pin::Pin::new(&mut muxer).poll_outbound(cx) {
                    Poll::Ready(Ok(stream)) => {
                        progressed = true;
                        if let Some(reply) = waiting.pop_front() {
                            // Whoever asked may have given up.
                            let _ = reply.send(stream);
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            while let Poll::Ready(Some(())) = inbound.poll_next_unpin(cx) {}
            if !progressed {
                return Poll::Pending;
            }
        }
    })
    .await;
}

async fn answer(stream: SubstreamBox, manners: Manners, introduction: Arc<[u8]>) {
    // What ends it is of no interest.
    let _ = try_answer(stream, manners, &introduction).await;
}

async fn try_answer(
    mut stream: SubstreamBox,
    manners: Manners,
    introduction: &[u8],
) -> io::Result<()> {
    let header = read_line(&mut stream).await?;
    stream.write_all(&line(&header)).await?;
    loop {
        let asked = read_line(&mut stream).await?;
        if asked == "/ipfs/ping/1.0.0" {
            stream.write_all(&line(&asked)).await?;
            stream.flush().await?;
            let mut ping = [0; 32];
            loop {
                stream.read_exact(&mut ping).await?;
                stream.write_all(&ping).await?;
                stream.flush().await?;
            }
        }
        if asked == "/ipfs/id/1.0.0" {
            stream.write_all(&[line(&asked).as_slice(), introduction].concat()).await?;
            return stream.close().await;
        }
        if asked.starts_with("/meshsub/") {
            // Whoever takes none is not listened to either.
            stream.write_all(&line(&asked)).await?;
            stream.flush().await?;
            if manners == Manners::Deaf {
                return std::future::pending().await;
            }
            let mut gossip = vec![0; 64 * 1024];
            while stream.read(&mut gossip).await? > 0 {}
            return Ok(());
        }
        if manners == Manners::Lies && asked.ends_with("/sync/2") {
            stream.write_all(&line(&asked)).await?;
            stream.flush().await?;
            stream.write_all(&lie()).await?;
            return stream.close().await;
        }
        stream.write_all(&line("na")).await?;
        stream.flush().await?;
    }
}

/// An answer that has nothing to do with what was asked.
fn lie() -> Vec<u8> {
    match rand::random::<u8>() % 3 {
        0 => codec::encode(&Response::Reconcile(vec![0x61; 1000])),
        1 => codec::encode(&Response::Envelopes { envelopes: Vec::new(), gone: Vec::new() }),
        _ => vec![0x9b; 3 << 20],
    }
}

async fn read_line(stream: &mut SubstreamBox) -> io::Result<String> {
    let mut len = [0];
    stream.read_exact(&mut len).await?;
    let len = usize::from(len[0]);
    if len > LINE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; len];
    stream.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

/// Whether the other side has ended a stream: closed or reset it. What it said is thrown away.
pub(super) fn is_ended(stream: &mut SubstreamBox) -> bool {
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes).now_or_never() {
            Some(Ok(0) | Err(_)) => return true,
            Some(Ok(_)) => {}
            None => return false,
        }
    }
}

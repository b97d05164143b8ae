//! What the machine does without Martlet: bytes over loopback, by TCP, and by one stream of libp2p's over TCP, Noise and Yamux.
//!
//! Both ends are in this process. The time is from the first byte that is written to the last that was read.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{Boxed, DialOpts, ListenerId, PortUse, TransportEvent};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Transport};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, noise, tcp, yamux};
use tokio::task::{AbortHandle, spawn_blocking};

use super::PIECE_BYTES;

/// Sends so many bytes by TCP: how long it takes.
pub(super) async fn tcp(bytes: u64) -> io::Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut from = TcpStream::connect(listener.local_addr()?)?;
    let (mut to, _) = listener.accept()?;
    let reading = spawn_blocking(move || {
        let (mut buffer, mut left) = (vec![0; PIECE_BYTES], bytes);
        while left > 0 {
            left = took(left, to.read(&mut buffer)?)?;
        }
        Ok::<_, io::Error>(Instant::now())
    });
    let writing = spawn_blocking(move || {
        let (piece, mut left, started) = (vec![0x5a; PIECE_BYTES], bytes, Instant::now());
        while left > 0 {
            let next = next(left);
            from.write_all(&piece[..next])?;
            left -= next as u64;
        }
        Ok::<_, io::Error>(started)
    });
    let started = writing.await.map_err(io::Error::other)??;
    Ok(reading.await.map_err(io::Error::other)?? - started)
}

/// Sends so many bytes by a stream of libp2p's: how long it takes.
pub(super) async fn stream(bytes: u64) -> io::Result<Duration> {
    let (mut listening, mut dialing) = (transport()?, transport()?);
    let any: Multiaddr = "/ip4/127.0.0.1/tcp/0".parse().map_err(io::Error::other)?;
    listening.listen_on(ListenerId::next(), any).map_err(io::Error::other)?;
    let address = loop {
        if let TransportEvent::NewAddress { listen_addr, .. } = event(&mut listening).await {
            break listen_addr;
        }
    };
    let accepting = tokio::spawn(async move {
        let upgrade = loop {
            if let TransportEvent::Incoming { upgrade, .. } = event(&mut listening).await {
                break upgrade;
            }
        };
        let (_, mut muxer) = upgrade.await?;
        let stream = poll_fn(|context| match muxer.poll_inbound_unpin(context) {
            Poll::Ready(stream) => Poll::Ready(stream),
            Poll::Pending => drive(&mut muxer, context).map(Err),
        });
        let stream = stream.await?;
        let driver = Driver::of(muxer);
        let ended = take(stream, bytes).await;
        drop(driver);
        ended
    });
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let (_, mut muxer) = dialing.dial(address, options).map_err(io::Error::other)?.await?;
    let stream = poll_fn(|context| match muxer.poll_outbound_unpin(context) {
        Poll::Ready(stream) => Poll::Ready(stream),
        Poll::Pending => drive(&mut muxer, context).map(Err),
    });
    let mut stream: SubstreamBox = stream.await?;
    let driver = Driver::of(muxer);
    let (piece, mut left, started) = (vec![0x5a; PIECE_BYTES], bytes, Instant::now());
    while left > 0 {
        let next = next(left);
        stream.write_all(&piece[..next]).await?;
        left -= next as u64;
    }
    let ended = accepting.await.map_err(io::Error::other)??;
    drop(driver);
    Ok(ended - started)
}

/// Reads so many bytes: when the last has come.
async fn take(mut stream: impl AsyncRead + Unpin, bytes: u64) -> io::Result<Instant> {
    let (mut buffer, mut left) = (vec![0; PIECE_BYTES], bytes);
    while left > 0 {
        left = took(left, stream.read(&mut buffer).await?)?;
    }
    Ok(Instant::now())
}

/// What drives a connection, as long as it is kept.
struct Driver(AbortHandle);

impl Driver {
    fn of(mut muxer: StreamMuxerBox) -> Self {
        let driving = tokio::spawn(async move {
            poll_fn(|context| drive(&mut muxer, context)).await;
        });
        Self(driving.abort_handle())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Drives a connection until it fails.
fn drive(muxer: &mut StreamMuxerBox, context: &mut std::task::Context<'_>) -> Poll<io::Error> {
    loop {
        match muxer.poll_unpin(context) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(error),
            Poll::Pending => return Poll::Pending,
        }
    }
}

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

async fn event(
    transport: &mut Connections,
) -> TransportEvent<<Connections as Transport>::ListenerUpgrade, io::Error> {
    poll_fn(|context| Pin::new(&mut *transport).poll(context)).await
}

/// As a node has it: TCP, Noise and Yamux.
fn transport() -> io::Result<Connections> {
    let noise = noise::Config::new(&Keypair::generate_ed25519()).map_err(io::Error::other)?;
    Ok(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed())
}

fn next(left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES)
}

fn took(left: u64, bytes: usize) -> io::Result<u64> {
    match bytes {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        1.. => Ok(left.saturating_sub(bytes as u64)),
    }
}

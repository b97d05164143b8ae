#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;
use crate::plan::LossAs;

/// Longest wait for what should happen.
const DEADLINE: Duration = Duration::from_secs(20);
/// How long something that should not happen is waited for.
const QUIET: Duration = Duration::from_millis(300);

fn late(ms: u64) -> LinkShape {
    LinkShape { latency: Duration::from_millis(ms), ..LinkShape::default() }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(DEADLINE, what).await.unwrap()
}

fn socket_of(link: &Link) -> SocketAddr {
    parse(link.address()).unwrap().0.address
}

/// An echo over TCP, and a link to it.
async fn stream_through(shape: LinkShape) -> (Link, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    let link = Link::shaped("echo", &format!("/ip4/127.0.0.1/tcp/{port}/p2p/x"), shape).await;
    let link = link.unwrap();
    let stream = TcpStream::connect(socket_of(&link)).await.unwrap();
    (link, stream)
}

/// The same over UDP.
async fn datagrams_through(shape: LinkShape) -> (Link, UdpSocket) {
    let echo = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = [0; 100];
        while let Ok((bytes, from)) = echo.recv_from(&mut buffer).await {
            echo.send_to(&buffer[..bytes], from).await.unwrap();
        }
    });
    let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1/p2p/x");
    let link = Link::shaped("echo", &address, shape).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(socket_of(&link)).await.unwrap();
    (link, socket)
}

async fn echoed(stream: &mut TcpStream, byte: u8) -> io::Result<u8> {
    stream.write_all(&[byte]).await?;
    stream.read_u8().await
}

#[tokio::test]
async fn bytes_and_datagrams_are_as_late_as_the_link_is_long() {
    let begun = Instant::now();
    let (_link, mut stream) = stream_through(late(20)).await;
    assert_eq!(soon(echoed(&mut stream, 7)).await.unwrap(), 7);
    // There and back to connect, and there and back.
    assert!(begun.elapsed() >= Duration::from_millis(80));

    let (_link, socket) = datagrams_through(late(20)).await;
    let begun = Instant::now();
    socket.send(b"hello").await.unwrap();
    let mut buffer = [0; 100];
    assert_eq!(soon(socket.recv(&mut buffer)).await.unwrap(), 5);
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn a_held_link_keeps_bytes_back_and_loses_datagrams_until_it_is_mended() {
    let (link, mut stream) = stream_through(late(5)).await;
    assert_eq!(soon(echoed(&mut stream, 1)).await.unwrap(), 1);
    link.hold();
    stream.write_all(&[2]).await.unwrap();
    assert!(timeout(QUIET, stream.read_u8()).await.is_err());
    // Who dials meanwhile waits.
    let mut other = TcpStream::connect(socket_of(&link)).await.unwrap();
    other.write_all(&[3]).await.unwrap();
    assert!(timeout(QUIET, other.read_u8()).await.is_err());
    link.mend();
    assert_eq!(soon(stream.read_u8()).await.unwrap(), 2);
    assert_eq!(soon(other.read_u8()).await.unwrap(), 3);

    let (link, socket) = datagrams_through(late(5)).await;
    let mut buffer = [0; 100];
    link.hold();
    socket.send(&[1]).await.unwrap();
    assert!(timeout(QUIET, socket.recv(&mut buffer)).await.is_err());
    link.mend();
    socket.send(&[2]).await.unwrap();
    soon(socket.recv(&mut buffer)).await.unwrap();
    assert_eq!(buffer[0], 2);
}

#[tokio::test]
async fn who_closes_while_the_link_is_held_is_heard_once_it_is_mended() {
    let (link, mut stream) = stream_through(late(5)).await;
    assert_eq!(soon(echoed(&mut stream, 1)).await.unwrap(), 1);
    link.hold();
    stream.shutdown().await.unwrap();
    assert!(timeout(QUIET, stream.read_u8()).await.is_err());
    link.mend();
    // The echo closes its side too.
    let end = soon(stream.read_u8()).await.unwrap_err();
    assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_cut_link_ends_connections_and_takes_none() {
    let (link, mut stream) = stream_through(late(5)).await;
    assert_eq!(soon(echoed(&mut stream, 1)).await.unwrap(), 1);
    link.cut();
    assert!(soon(stream.read_u8()).await.is_err());
    let mut other = TcpStream::connect(socket_of(&link)).await.unwrap();
    assert!(soon(echoed(&mut other, 2)).await.is_err());
    link.mend();
    let mut again = TcpStream::connect(socket_of(&link)).await.unwrap();
    assert_eq!(soon(echoed(&mut again, 3)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_loss_breaks_the_connection_where_it_is_to() {
    let shape = LinkShape { loss: 1.0, loss_as: LossAs::Reset, ..LinkShape::default() };
    let (_link, mut stream) = stream_through(shape).await;
    assert!(soon(echoed(&mut stream, 1)).await.is_err());
}

#[test]
fn takes_tcp_and_quic_addresses_with_a_peer_id_only() {
    let at = |transport| Target { transport, address: ([127, 0, 0, 1], 4177).into() };
    assert_eq!(parse("/ip4/127.0.0.1/tcp/4177/p2p/12D3Koo"), Some((at(Transport::Tcp), "12D3Koo")));
    assert_eq!(
        parse("/ip4/127.0.0.1/udp/4177/quic-v1/p2p/12D3Koo"),
        Some((at(Transport::Quic), "12D3Koo"))
    );
    for other in [
        "/ip4/127.0.0.1/tcp/4177",
        "/ip4/127.0.0.1/udp/4177/p2p/12D3Koo",
        "/ip6/::1/tcp/4177/p2p/12D3Koo",
        "/ip4/127.0.0.1/tcp/70000/p2p/12D3Koo",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
}

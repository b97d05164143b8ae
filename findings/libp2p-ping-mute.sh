#!/usr/bin/env bash
# rust-libp2p answers no ping of a peer that does not answer pings itself.
#
# Version: libp2p 0.57.1 with libp2p-ping 0.48.0 (Rust).
# Seen: two nodes are connected. One has libp2p's ping behaviour. The other opens a stream for /ipfs/ping/1.0.0, and the first takes
# it: the negotiation ends well. If the other takes such streams too, its 32 bytes come back in a moment. If it takes none, they
# never come back: once its own ping was refused, the first node's handler does nothing more on that connection, the other's pings
# included.
# Why it matters: a peer may ask without answering. js-libp2p's connection monitor does where the ping service is not
# configured: it sends a ping every ten seconds, waits five, and ends the connection. So a node in JavaScript without that service is
# cut off from every node in Rust each 15 seconds, by itself. Register a ping service in such a peer, even if nobody there asks.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"
[dependencies]
futures = "0.3"
libp2p = { version = "=0.57.1", default-features = false, features = ["macros", "noise", "ping", "tcp", "tokio", "yamux"] }
libp2p-ping = "=0.48.0"
libp2p-stream = "=0.5.0-alpha"
tokio = { version = "1", features = ["macros", "rt", "time"] }
TOML
cat >src/main.rs <<'RUST'
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, SwarmBuilder, noise, ping, tcp, yamux};

const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");

fn swarm<B: NetworkBehaviour>(behaviour: B) -> Swarm<B> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("TCP")
        .with_behaviour(|_| behaviour)
        .expect("a behaviour")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

/// Whether the bytes of a ping come back within five seconds, from a node with libp2p's ping to one that answers pings, or not.
async fn is_answered(answers: bool) -> bool {
    let mut usual = swarm(ping::Behaviour::default());
    let usual_id = *usual.local_peer_id();
    usual.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listening");
    let address: Multiaddr = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = usual.select_next_some().await {
            break address;
        }
    };
    let streams = libp2p_stream::Behaviour::new();
    let mut control = streams.new_control();
    let mut other = swarm(streams);
    other.dial(address).expect("a dial");
    if answers {
        let mut incoming = control.accept(PING).expect("not taken yet");
        tokio::spawn(async move {
            while let Some((_, mut stream)) = incoming.next().await {
                tokio::spawn(async move {
                    let mut payload = [0; 32];
                    while stream.read_exact(&mut payload).await.is_ok() {
                        stream.write_all(&payload).await.expect("open");
                        stream.flush().await.expect("open");
                    }
                });
            }
        });
    }
    let running = [
        tokio::spawn(async move { while usual.next().await.is_some() {} }),
        tokio::spawn(async move { while other.next().await.is_some() {} }),
    ];
    // By then the usual node has pinged, and knows whether that is answered.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut stream = control.open_stream(usual_id, PING).await.expect("it takes streams for pings");
    stream.write_all(&[7; 32]).await.expect("open");
    stream.flush().await.expect("open");
    let mut back = [0; 32];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut back)).await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
    matches!(read, Ok(Ok(()))) && back == [7; 32]
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let both = [is_answered(true).await, is_answered(false).await];
    println!("answered where the other answers, and where it does not: {both:?}");
    assert_eq!(both, [true, false], "it has changed");
}
RUST
cargo run --quiet

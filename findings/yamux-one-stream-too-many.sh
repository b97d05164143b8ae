#!/usr/bin/env bash
# In Rust's yamux, one stream above the limit ends the connection, with all its other streams, and neither end gets an error.
#
# Version: yamux 0.13.10 (Rust). libp2p-yamux 0.48.0 has the same defaults.
# Seen: a server takes streams by the default configuration, which allows 512 at a time; the client's allows 2,000. With 512 streams
# open, each brings back a byte. When the client opens one more, none of the 513 works any longer. At both ends the connection ends
# by `None`, as one that the other end has closed, and not by an error. Only the server's log has the reason.
# Why it matters: Yamux has a flag to refuse one stream, which js-libp2p's implementation uses here. Who opens a stream for each request
# loses all requests under way, and sees a peer that comes and goes. Streams of both directions count, and the limit isn't told to the
# peer. Bound how many are open at a time, well below the defaults of others.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "streams"
version = "0.0.0"
edition = "2024"
[dependencies]
futures = "0.3"
tokio = { version = "1", features = ["io-util", "macros", "rt", "sync"] }
tokio-util = { version = "0.7", features = ["compat"] }
yamux = "=0.13.10"
TOML
cat >src/main.rs <<'RUST'
use std::future::poll_fn;
use std::task::Poll;

use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_util::compat::TokioAsyncReadCompatExt;
use yamux::{Config, Connection, Mode, Stream};

/// Sends back each byte of each stream, and says how the connection ended.
async fn serve(socket: DuplexStream) -> String {
    let mut connection = Connection::new(socket.compat(), Config::default(), Mode::Server);
    loop {
        match poll_fn(|cx| connection.poll_next_inbound(cx)).await {
            Some(Ok(stream)) => drop(tokio::spawn(async move {
                let (reader, mut writer) = stream.split();
                let _ = futures::io::copy(reader, &mut writer).await;
            })),
            end => return format!("{end:?}"),
        }
    }
}

/// Opens streams as fast as it may, and says how the connection ended.
async fn open(socket: DuplexStream, count: usize, opened: mpsc::UnboundedSender<Stream>) -> String {
    let mut config = Config::default();
    config.set_max_num_streams(2_000);
    let mut connection = Connection::new(socket.compat(), config, Mode::Client);
    let mut left = count;
    let mut opened = Some(opened);
    poll_fn(|cx| {
        while left > 0 {
            let Poll::Ready(Ok(stream)) = connection.poll_new_outbound(cx) else { break };
            opened.as_ref().expect("left").send(stream).expect("received");
            left -= 1;
        }
        if left == 0 {
            opened = None;
        }
        connection.poll_next_inbound(cx).map(|end| format!("{end:?}"))
    })
    .await
}

async fn echo(stream: &mut Stream) -> std::io::Result<()> {
    stream.write_all(b"a").await?;
    stream.flush().await?;
    stream.read_exact(&mut [0]).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for count in [512, 513] {
        let (near, far) = duplex(1 << 20);
        let server = tokio::spawn(serve(far));
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let client = tokio::spawn(open(near, count, sender));
        let mut streams = Vec::new();
        while let Some(mut stream) = receiver.recv().await {
            let _ = echo(&mut stream).await;
            streams.push(stream);
        }
        let mut alive = 0;
        for stream in &mut streams {
            alive += usize::from(echo(stream).await.is_ok());
        }
        print!("{} streams opened, {alive} work", streams.len());
        if client.is_finished() && server.is_finished() {
            print!("; client ended by {}, server by {}", client.await.expect("done"), server.await.expect("done"));
        }
        println!();
    }
}
RUST
cargo run --quiet | tee seen
diff seen - <<'SEEN' || { echo "this has changed: the lines above with > were seen before"; exit 1; }
512 streams opened, 512 work
513 streams opened, 0 work; client ended by None, server by None
SEEN

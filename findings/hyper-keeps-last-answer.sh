#!/usr/bin/env bash
# hyper keeps the bytes of the last answer as long as the connection, if the stream has no vectored writes.
#
# Versions: hyper 1.12.0, hyper-util 0.1.21, http-body-util 0.1.5, tokio 1.54.1 (Rust).
# Seen: a server answers one request with a text of 2,000 bytes, and the connection stays open. Every other copy is gone, for
# the program's allocator wipes what is freed. Over a stream that says `is_write_vectored`, as sockets do, the text is
# nowhere in the process; over the same stream in a wrapper that forwards `poll_write` and no more, it is still there.
# Why it matters: a wrapper that counts bytes or looks at what is written is the usual way to watch a connection, and tokio's
# trait has defaults for the two methods of vectored writes, so it compiles without them. With them missing hyper gathers head
# and body in one buffer, which it empties by setting its length to nought and keeps for the next answer. Who wipes secrets
# when they are freed misses these, for nothing is freed.
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
http-body-util = "=0.1.5"
hyper = { version = "=1.12.0", features = ["http1", "server"] }
hyper-util = { version = "=0.1.21", features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "net", "rt"] }
TOML
cat >src/main.rs <<'RUST'
use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::UnixStream;

/// Wipes what is freed.
struct Wiping;

unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        for offset in 0..layout.size() {
            unsafe { at.add(offset).write_volatile(0) };
        }
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

struct Wrapper {
    stream: UnixStream,
    is_vectored: bool,
}

impl AsyncRead for Wrapper {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wrapper {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// No constant, which would be in the program itself.
fn text(seed: u8) -> Vec<u8> {
    (0..2000u32).map(|at| (at.wrapping_mul(7919) >> 3) as u8 ^ seed).collect()
}

/// Whether 64 bytes from the midst of the text are in the heap or another mapping without a file. `key` hides them here.
fn is_in_memory(seed: u8) -> bool {
    let hidden: Vec<u8> = text(seed)[1000..1064].iter().map(|byte| !byte).collect();
    let memory = File::open("/proc/self/mem").expect("Linux");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux");
    maps.lines().any(|line| {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().expect("a range"), words.next().expect("rights"));
        let name = words.nth(3).unwrap_or_default();
        if !rights.starts_with("rw") || !(name.is_empty() || name == "[heap]") {
            return false;
        }
        let (from, to) = range.split_once('-').expect("two ends");
        let [from, to] = [from, to].map(|end| u64::from_str_radix(end, 16).expect("hexadecimal"));
        // A part at a time, into the stack: what is read must not be found there again.
        let mut part = [0; 4096];
        (from..to).step_by(2048).any(|at| {
            let read = memory.read_at(&mut part, at).unwrap_or(0);
            part[..read].windows(64).any(|window| window.iter().zip(&hidden).all(|(found, hidden)| *found == !hidden))
        })
    })
}

async fn kept(is_vectored: bool, seed: u8) -> bool {
    let (mut client, stream) = UnixStream::pair().expect("a pair");
    let stream = TokioIo::new(Wrapper { stream, is_vectored });
    let answer = service_fn(move |_: Request<hyper::body::Incoming>| async move {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text(seed)))))
    });
    let server = tokio::spawn(http1::Builder::new().serve_connection(stream, answer));
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.expect("written");
    let mut read = Vec::new();
    while !read.ends_with(&text(seed)) {
        assert!(client.read_buf(&mut read).await.expect("read") > 0);
    }
    drop(read);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let found = is_in_memory(seed);
    assert!(!server.is_finished(), "the connection stays open");
    found
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("vectored: {}, not vectored: {}", kept(true, 1).await, kept(false, 2).await);
}
RUST
cargo run --quiet | tee seen
expected='vectored: false, not vectored: true'
if [ "$(cat seen)" != "$expected" ]; then
    echo "changed: expected $expected"
    exit 1
fi

//! The Martlet daemon: host (the engine's thread), net (libp2p), control (Unix socket).
//!
//! An event loop only makes inputs; the engine, synchronous and on its own thread, decides; what it
//! wrote is committed first, then its effects go out.

pub mod blobs;
pub mod blocking;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod host;
pub mod limits;
pub mod lock;
pub mod logging;
pub mod metrics;
pub mod net;
mod notify;
pub mod peer_key;
mod restore;
pub mod run;
pub mod scrape;
mod stack;

use std::alloc::System;

/// Freed memory is wiped: what a secret was in on its way (a request's body, an encoded record, a vector
/// that grew) must not stay behind in the heap of a daemon whose vault is locked.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<System> = zeroizing_alloc::ZeroAlloc(System);

//! Rooms: bytes, the set of operations, which of them count, and what an author may do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bytes;
mod cases;
mod hand;
mod large;
mod orders;
mod play;
mod rule;
mod set;
#[path = "../wire/vectors.rs"]
mod vectors;

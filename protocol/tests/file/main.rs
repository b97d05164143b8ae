//! Files: how they are sealed, named, cut into parts, proved and asked for.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ask;
mod blob;
mod bytes;
mod message;
mod part;
mod sealed;
#[path = "../wire/vectors.rs"]
mod vectors;
mod voice;

use martlet_protocol::file::FileKey;

/// The key `00 01 02 … 1f`.
fn key() -> FileKey {
    FileKey::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()))
}

/// Bytes that count upwards, modulo 251: no two segments or groups are alike.
fn counting(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

//! The cryptography as seen from outside: golden vectors, round trips, and what happens to
//! everything that was tampered with, redirected, cut or made by the wrong party.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod body;
mod bundle;
mod by_hand;
mod certificate;
mod format;
mod handle;
mod history;
mod identity;
mod link;
mod message;
mod olm;
mod people;
mod place;
mod safety;
mod seal;
mod session;
mod state;
#[path = "../wire/vectors.rs"]
mod vectors;
mod wiped;

/// Whether `needle` is anywhere in `haystack`.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

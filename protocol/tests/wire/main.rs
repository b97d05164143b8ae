//! What is on the wire and on the control socket, byte by byte: golden vectors, round trips, and
//! everything that must be refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ack;
mod codec;
mod control;
mod envelope;
mod fixture;
mod ids;
mod invite;
mod network;
mod stamp;
mod sync;
mod time;
mod vectors;

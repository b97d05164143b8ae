//! Martlet's bytes and cryptography.
//!
//! Everything here is pure: no clock, no randomness, no file and no socket of its own. Time and
//! randomness are arguments, so the same code runs in the daemon, in a property test and under a
//! simulator's virtual clock. (One thing has randomness of its own: [`link::ComparisonKey`].) The
//! byte layouts are in the module docs and in `docs/wire-format.md`.

pub mod ack;
pub mod bundle;
pub mod codec;
pub mod control;
pub mod crypto;
pub mod envelope;
pub mod excerpt;
pub mod file;
pub mod format;
pub mod handle;
pub mod hlc;
pub mod identity;
pub mod ids;
pub mod invite;
pub mod limits;
pub mod link;
pub mod message;
pub mod nearest;
pub mod network;
pub mod notice;
pub mod room;
pub mod safety;
pub mod stamp;
pub mod sync;
pub mod time;

pub use ack::{Ack, AckCommit, AckSecret};
pub use envelope::{Envelope, EnvelopeError, Header, Kind};
pub use format::FormatInfo;
pub use ids::{
    BlobId, ConversationId, DeviceId, EnvelopeId, Id, IdentityId, MessageId, NetworkTag, OpId,
    Rendezvous, RendezvousSecret, RoomId, SessionId, Shard, Tag,
};
pub use time::{ExpiryHour, UnixMillis};

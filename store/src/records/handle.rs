//! The handle that the user claims.

use martlet_protocol::handle::HandleKey;
use martlet_protocol::{EnvelopeId, NetworkTag, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`HANDLE`](super::HANDLE).
#[derive(Clone, Serialize, Deserialize)]
pub struct HandleRecord {
    /// Its name, in the form that is taken.
    pub name: String,
    /// What its claims are published by.
    pub key: HandleKey,
    /// When the user claimed it.
    pub claimed_at: UnixMillis,
    /// When the user released it, if they did.
    pub released_at: Option<UnixMillis>,
    /// The day of the claim published last.
    pub published_day: u32,
    /// The envelope of that claim.
    pub published: Option<EnvelopeId>,
    /// When the next one is due.
    pub next_at: UnixMillis,
    /// The network in which the user claims it. The key is of no use in another.
    pub network: NetworkTag,
}

//! Invites that the user made, and those that they accepted.

use martlet_protocol::invite::InviteSecret;
use martlet_protocol::{IdentityId, UnixMillis};
use serde::{Deserialize, Serialize};

/// See [`INVITES`](super::INVITES).
#[derive(Clone, Serialize, Deserialize)]
pub struct InviteRecord {
    /// What shows that someone was invited.
    pub secret: InviteSecret,
    /// What the user will call whoever comes by it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Until when it is good.
    pub expires_at: UnixMillis,
    /// Whether the user revoked it.
    pub is_revoked: bool,
    /// Who came by it, and when.
    pub used: Option<(IdentityId, UnixMillis)>,
    /// Who came by it when it was no longer good, as far as they are kept.
    pub refused: Vec<IdentityId>,
}

/// An invite that the user accepted, until its inviter has seen it.
#[derive(Clone, Serialize, Deserialize)]
pub struct AcceptedInvite {
    /// What shows that the user was invited.
    pub secret: InviteSecret,
    /// Until when it is good.
    pub expires_at: UnixMillis,
}

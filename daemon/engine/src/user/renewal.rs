//! Sessions that begin anew, since their key was sealed to a prekey that may be gone.
//!
//! Who was away writes to the prekey they know, which the contact may have deleted meanwhile. The envelope
//! is then never acknowledged. Once a newer bundle of the device is here, the next message begins a new
//! session; and if the old prekey is so old that its owner may have deleted it, all that is undelivered is
//! sent again in the new one, under the same message ids.

use std::collections::BTreeSet;

use crate::limits::PREKEY_KEPT_AFTER_SUPERSEDED;
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::SealedTo;

use super::User;
use crate::turn::Turn;

impl User {
    /// Devices that have not acknowledged the key of the session with `identity`, and of which a newer prekey is known than
    /// the one that it is sealed to.
    pub(super) fn with_outdated_key(
        &self,
        identity: &IdentityId,
        now: UnixMillis,
    ) -> BTreeSet<DeviceId> {
        let keys = self.keyring.outbound.keys(identity).iter();
        let unacknowledged = keys.filter_map(|id| self.outbox.sealed_to(id));
        let outdated = unacknowledged.filter(|it| self.is_outdated(identity, *it, now));
        outdated.map(|sealed_to| sealed_to.device).collect()
    }

    fn is_outdated(
        &self,
        identity: &IdentityId,
        SealedTo { device, made_at, of }: SealedTo,
        now: UnixMillis,
    ) -> bool {
        self.directory.bundles_of(&of.unwrap_or(*identity)).is_some_and(|bundles| {
            bundles.usable(now).any(|bundle| {
                bundle.certificate().device() == device && bundle.created_at() > made_at
            })
        })
    }

    /// Sends again, in new sessions, what hangs on keys sealed to prekeys that may be gone.
    pub(super) fn renew_sessions(
        &mut self,
        turn: &mut Turn<'_>,
        of: Option<IdentityId>,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let may_be_gone = |made_at: UnixMillis| now.since(made_at) > PREKEY_KEPT_AFTER_SUPERSEDED;
        let lost = self.outbox.keys(of).filter(|(identity, sealed_to)| {
            may_be_gone(sealed_to.made_at) && self.is_outdated(identity, *sealed_to, now)
        });
        let lost: BTreeSet<_> = lost.map(|(identity, _)| identity).collect();
        for identity in lost {
            let theirs = self.outbox.of_session_with(&identity, &self.identity);
            self.take_back(turn, theirs, false)?;
        }
        Ok(())
    }
}

//! A vault that was put back from a copy, here or at a contact's.
//!
//! What it lacks are the sessions that others began since then, what was received since then, and which positions of its
//! own sessions were used. So:
//!
//! - Nothing is sealed with a session of before the vault was opened (`keyring/outbound.rs`), noticed or not.
//! - The mailbox knows how many commits the vault had. A vault with fewer was put back; so may one be that knows another
//!   mailbox. Then each contact is told since when all was lost, by a session's key, as they are told of a reset.
//! - Whoever is told that, or sees another message under a number that the same device has used, begins a new session, and
//!   sends again what was sent since then, under the same message ids.

use std::collections::HashMap;
use std::time::Duration;

use martlet_protocol::limits::CLOCK_SKEW_MAX;
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::mailbox::MailboxView;
use martlet_store::records::{Counters, EVENTS, PutBack, State};
use martlet_store::{StoreError, Vault, VaultTxn};

use super::User;
use crate::conversation::ConversationRef;
use crate::keyring::olm;
use crate::limits::{PUT_BACK_TOLD_FOR, RESENT_INTERVAL, RESENT_MAX};
use crate::outbox::Place;
use crate::turn::Turn;

/// Vaults put back: the own one, and others'.
#[derive(Default)]
pub(super) struct PutBacks {
    /// Since when the own one lacks what came, where that was just noticed.
    noticed: Option<UnixMillis>,
    /// When was last sent again to whom, in which conversation, by the time since the host's start.
    resent: HashMap<(IdentityId, IdentityId), Duration>,
}

impl PutBacks {
    /// Compares a vault just opened with what the mailbox knows of it.
    pub(super) fn of(
        records: &VaultTxn,
        vault: &Vault,
        mailbox: &MailboxView,
        counters: &Counters,
    ) -> Result<Self, StoreError> {
        let known = mailbox.vault();
        let is_older = match (vault.seen(), known) {
            (Some(found), Some(known)) if known.vault == found.vault => {
                found.commits < known.commits
            }
            // Another mailbox: a vault put back on another machine has none of its own.
            (Some(_), _) => {
                let opening = counters.mailbox_opening;
                opening != 0 && !mailbox.openings().iter().any(|known| known.id == opening)
            }
            // Only read.
            (None, _) => false,
        };
        let noticed = if is_older {
            let last = records.range_rev_readable(&EVENTS, None, 0..=u64::MAX, 1)?;
            let last = last.into_iter().find_map(|(_, event)| Some(event?.at));
            Some(last.unwrap_or(UnixMillis(0)))
        } else {
            None
        };
        Ok(Self { noticed, resent: HashMap::new() })
    }

    /// Whether it is not too soon to send someone again what they lost. From now on it is, for a while.
    pub(super) fn may_send_again(&mut self, identity: IdentityId, steady: Duration) -> bool {
        self.may_send_again_in(identity, identity, steady)
    }

    /// The same in the room that stands there.
    pub(super) fn may_send_again_in(
        &mut self,
        identity: IdentityId,
        line: IdentityId,
        steady: Duration,
    ) -> bool {
        self.resent.retain(|_, last| steady < last.saturating_add(RESENT_INTERVAL));
        let may = !self.resent.contains_key(&(identity, line));
        if may {
            self.resent.insert((identity, line), steady);
        }
        may
    }
}

impl User {
    /// With the first chores after a start: a vault that was put back is told to all contacts.
    pub(super) fn note_put_back(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Some(lost_since) = self.put_back.noticed.take() else { return Ok(()) };
        tracing::warn!(
            "the vault is an older copy, put back: contacts are asked to send again what came since"
        );
        self.counters.put_back = Some(PutBack { noticed_at: turn.now, lost_since });
        self.counters.is_dirty = true;
        self.untell_all();
        let own = self.identity;
        self.keyring.outbound.end(turn.vault()?, &own)?;
        // Nor is anything sealed with what was used meanwhile of those.
        olm::forget_all(turn.vault()?)?;
        self.untell_rooms(turn, Some(lost_since))?;
        self.ask_state(turn, true)?;
        self.ensure_session(turn, own).map(|_| ())
    }

    /// Another device of the user's was put back from a copy: it is written to in a new session, and given all settings. (What it
    /// was told before, and was delivered, it isn't told again.)
    pub(super) fn make_good(
        &mut self,
        turn: &mut Turn<'_>,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let own = self.identity;
        if !self.put_back.may_send_again(own, turn.steady) {
            return Ok(());
        }
        let theirs =
            self.outbox.matching(|pending| *pending.recipient() == own && !pending.is_control());
        self.take_back(turn, theirs, false)?;
        self.keyring.outbound.end(turn.vault()?, &own)?;
        self.give_settings(turn, device)?;
        self.unfinished.send_later(own);
        Ok(())
    }

    /// Since when the vault lacks what `identity` sent, if they are still to be told.
    pub(super) fn lost_since(&self, identity: &IdentityId) -> Option<UnixMillis> {
        let put_back = self.counters.put_back.filter(|_| self.directory.is_untold(identity));
        put_back.map(|put_back| put_back.lost_since)
    }

    /// That the vault was put back, if that was noticed within the last week.
    pub(crate) fn recent_put_back(&self, now: UnixMillis) -> Option<PutBack> {
        let put_back = self.counters.put_back;
        put_back.filter(|put_back| now.since(put_back.noticed_at) < PUT_BACK_TOLD_FOR)
    }

    /// A contact lost what came since then, or a little earlier: clocks differ. It is sent again in a new session.
    pub(super) fn send_again(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        since: UnixMillis,
    ) -> Result<(), StoreError> {
        if !self.directory.is_contact(&identity)
            || !self.put_back.may_send_again(identity, turn.steady)
        {
            return Ok(());
        }
        let since = UnixMillis(since.0.saturating_sub(millis(CLOCK_SKEW_MAX)));
        let conversation = ConversationRef::direct(&identity);
        let max = (RESENT_MAX, self.keyring.device().device());
        let sent = self.timeline.own_since(turn.vault()?, conversation, since, max)?;
        // What is on its way is in a session that they may have lost.
        let theirs = self.outbox.matching(|pending| *pending.recipient() == identity);
        self.take_back(turn, theirs, false)?;
        self.keyring.outbound.end(turn.vault()?, &identity)?;
        for (position, state) in sent {
            match state {
                State::Sent | State::Delivered => {
                    self.outbox.wait(turn.vault()?, Place { identity, position })?;
                }
                // Its envelopes are taken back, or it waits anyway; the user was told that it expired, or took it back.
                State::Queued | State::Expired | State::Recalled => {}
            }
        }
        self.unfinished.send_later(identity);
        Ok(())
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

//! A vault that was put back from a copy, here or at a contact's.
//!
//! What it lacks are the sessions that others began since then, what was received since then, and which positions of its
//! own sessions were used. So:
//!
//! - Nothing is sealed with a session of before the vault was opened (`keyring/outbound.rs`), noticed or not.
//! - The mailbox knows how many commits the vault had. A vault with fewer was put back; so may one be that knows another
//!   mailbox. Then each contact is told since when all was lost, by a session's key, as they are told of a reset.
//! - Whoever is told that, or sees another message under a number that the same device has used, begins a new session, and
//!   sends again what was sent since then, under the same message ids: in the direct conversation, and in rooms. That it is to
//!   do so is on disk until it is done. How often is bounded (`resent.rs`).
//! - Another device of the user's tells what the user wrote, and how far it is read (`giving_back.rs`).

use std::time::Duration;

use martlet_protocol::limits::CLOCK_SKEW_MAX;
use martlet_protocol::{IdentityId, UnixMillis};
use martlet_store::mailbox::MailboxView;
use martlet_store::records::{Counters, EVENTS, LossRecord, PutBack, State};
use martlet_store::{StoreError, Vault, VaultTxn};
use rand_core::Rng;

use super::User;
use super::giving_back::GivingBack;
use super::resent::{Loss, Resent};
use crate::conversation::{Author, ConversationRef};
use crate::directory::room_line;
use crate::keyring::olm;
use crate::limits::{LOSSES_MAX, PUT_BACK_TOLD_FOR, RESENT_MAX};
use crate::outbox::Place;
use crate::timeline::OwnMessage;
use crate::turn::Turn;

/// For so long a loss that was made good is remembered: whoever noticed it tells of it with each new session.
const LOSS_REMEMBERED_FOR: Duration = PUT_BACK_TOLD_FOR.saturating_mul(2);

/// Vaults put back: the own one, and others'.
#[derive(Default)]
pub(super) struct PutBacks {
    /// Since when the own one lacks what came, where that was just noticed.
    noticed: Option<UnixMillis>,
    pub(super) resent: Resent,
    /// What another device of the user's is being told.
    pub(super) giving_back: Option<GivingBack>,
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
        Ok(Self { noticed, ..Self::default() })
    }
}

impl User {
    /// With the first chores after a start: a vault that was put back is told to all contacts.
    pub(super) fn note_put_back(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Some(lost_since) = self.put_back.noticed.take() else { return Ok(()) };
        let lost_since = UnixMillis(told_once(lost_since.0, turn.rng.next_u64()));
        tracing::warn!(
            "the vault is an older copy, put back: contacts are asked to send again what came since"
        );
        self.counters.put_back = Some(PutBack { noticed_at: turn.now, lost_since });
        self.counters.is_dirty = true;
        self.untell_all();
        let own = self.identity;
        self.keyring.outbound.end(turn.vault()?, &own)?;
        // What the other devices told meanwhile they tell again, under other numbers.
        self.timeline.begin_lines_anew(ConversationRef::direct(&own));
        // Nor is anything sealed with what was used meanwhile of those.
        olm::forget_all(turn.vault()?)?;
        self.untell_rooms(turn, Some(lost_since))?;
        self.ask_state(turn, true)?;
        self.ensure_session(turn, own).map(|_| ())
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

    /// A device lost what was sent to it in a conversation since then. It is sent again, now or as soon as that may be.
    pub(super) fn note_loss(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        line: IdentityId,
        (loss, since): (Loss, UnixMillis),
    ) -> Result<(), StoreError> {
        let Author { identity, device } = author;
        let own = self.identity;
        if line == identity && identity != own && !self.directory.is_contact(&identity) {
            return Ok(());
        }
        let known = self.counters.losses.iter().filter(|it| it.device == device && it.line == line);
        if !self.put_back.resent.is_news((device, line), loss, (known, turn.now)) {
            return Ok(());
        }
        self.keyring.outbound.end(turn.vault()?, &line)?;
        let mut lines = vec![line];
        if line == own {
            self.give_settings(turn, device)?;
            // What this device wrote in rooms went to that one, too.
            lines.extend(self.directory.rooms().shared_with(&own).map(|room| room_line(&room)));
        }
        let (heard_at, is_done) = (turn.now, false);
        let all = &mut self.counters.losses;
        all.retain(|it| !it.is_done || heard_at.since(it.heard_at) < LOSS_REMEMBERED_FOR);
        for line in lines {
            // One of each, so that who says it time and again pushes out no other's.
            let is_it = |it: &LossRecord| (it.device, it.line) == (device, line);
            let before = all.iter().position(is_it).map(|at| all.remove(at));
            let left = before.filter(|it| !it.is_done).map(|it| it.from);
            let from = left.map_or(since, |left| left.min(since));
            all.push(LossRecord { identity, device, line, since, from, heard_at, is_done });
        }
        while all.len() > LOSSES_MAX {
            let oldest = all.iter().position(|it| it.is_done).unwrap_or(0);
            all.remove(oldest);
        }
        self.counters.is_dirty = true;
        self.make_good(turn)
    }

    /// Sends again what others lost, as far as they may be sent it now: with each tick, too.
    pub(super) fn make_good(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (own, steady) = (self.identity, turn.steady);
        let losses = self.counters.losses.iter().filter(|loss| !loss.is_done);
        let losses: Vec<_> = losses.copied().collect();
        let is_left = |giving: &mut GivingBack| losses.iter().any(|loss| giving.is_for(loss));
        self.put_back.giving_back = self.put_back.giving_back.take_if(is_left);
        for loss in losses {
            let LossRecord { identity, line, from: since, .. } = loss;
            let is_begun = self.put_back.giving_back.as_ref().is_some_and(|it| it.is_for(&loss));
            if !is_begun && !self.put_back.resent.may((identity, line), steady) {
                continue;
            }
            let room = self.directory.rooms().of_line(&line).map(|known| known.room.id());
            let bytes = match room {
                Some(room) => self.send_again_in_room(turn, &room, (identity, since))?,
                None if line == own => match self.give_back_some(turn, &loss)? {
                    Some(bytes) => bytes,
                    None => continue,
                },
                None => self.send_again(turn, identity, since)?,
            };
            self.put_back.resent.count((identity, line), bytes, steady);
            let mut same = self.counters.losses.iter_mut();
            if let Some(record) = same.find(|it| **it == loss) {
                record.is_done = true;
            }
            self.counters.is_dirty = true;
        }
        Ok(())
    }

    /// A contact lost what came since then, or a little earlier: clocks differ. It is sent again in a new session. How many bytes
    /// that are.
    fn send_again(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        since: UnixMillis,
    ) -> Result<usize, StoreError> {
        if !self.directory.is_contact(&identity) {
            return Ok(0);
        }
        let since = UnixMillis(since.0.saturating_sub(millis(CLOCK_SKEW_MAX)));
        let conversation = ConversationRef::direct(&identity);
        // Other devices of the user's send theirs again.
        let from = (RESENT_MAX, &[self.keyring.device().device()][..]);
        let sent = self.timeline.own_since(turn.vault()?, conversation, since, from)?;
        // What is on its way is in a session that they may have lost.
        let theirs = self.outbox.matching(|pending| *pending.recipient() == identity);
        self.take_back(turn, theirs, false)?;
        self.keyring.outbound.end(turn.vault()?, &identity)?;
        let mut sum = 0;
        for OwnMessage { position, state, bytes, .. } in sent {
            match state {
                State::Sent | State::Delivered => {
                    sum += bytes;
                    self.outbox.wait(turn.vault()?, Place { identity, position })?;
                }
                // Its envelopes are taken back, or it waits anyway; the user was told that it expired, or took it back.
                State::Queued | State::Expired | State::Recalled => {}
            }
        }
        self.unfinished.send_later(identity);
        Ok(sum)
    }
}

/// A time of which others are told, and which is another each time that the same copy is put back: by it they tell a second
/// loss from the first. It is earlier by less than a minute.
fn told_once(since: u64, random: u64) -> u64 {
    let part = random % 60_000;
    since.checked_sub(part).unwrap_or(part)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

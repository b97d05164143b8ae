//! Blocking: the other side sees what it would see if the user were away.
//!
//! While someone is blocked, nothing is sealed to them (`ensure_session`, `tell_devices`), their sessions open nothing, what
//! is sealed to this device is dropped once its sender is known, and their bundles are neither looked for nor taken. So
//! nothing of the user's leaves because of them, and nothing of theirs comes into the vault.

use martlet_protocol::control::Blocked as ShownBlocked;
use martlet_protocol::{Id, IdentityId, UnixMillis};

use super::User;
use super::arrivals::known_up_to;
use crate::conversation::ConversationRef;
use crate::directory::{DirectoryError, Subject, room_line};
use crate::error::Fault;
use crate::turn::Turn;
use martlet_store::StoreError;
use martlet_store::mailbox::Opening;

impl User {
    /// Who is meant by a contact's name or an ID, or by how someone in one of the user's rooms is shown.
    fn person_called(&self, who: &str) -> Result<Id, Fault> {
        if let Some(contact) = self.directory.identity_of(who) {
            let known = self.directory.contact(&contact).map(|contact| contact.id());
            return Ok(known.unwrap_or_else(|| Id::without_secret(contact)));
        }
        match who.parse::<Id>() {
            Ok(id) => Ok(id),
            Err(error) => match self.person_anywhere(who)? {
                Some(identity) => Ok(Id::without_secret(identity)),
                // What looks like an ID was meant as one.
                None if who.starts_with("martlet1") => Err(DirectoryError::from(error).into()),
                None => Err(self.unknown_contact(who).into()),
            },
        }
    }

    /// Blocks a contact, or anyone by their ID. A request of theirs is dropped with all that came with it.
    pub(crate) fn block(&mut self, turn: &mut Turn<'_>, who: &str) -> Result<ShownBlocked, Fault> {
        let id = self.person_called(who)?;
        let identity = id.identity;
        if identity == self.identity {
            return Err(DirectoryError::OwnId.into());
        }
        if !self.directory.is_blocked(&identity) {
            self.directory.blocked().check_room()?;
            let now = turn.now;
            self.block_person(turn, &id, now)?;
            self.share(turn, Subject::Blocked(identity))?;
        }
        self.show_blocked(&identity).ok_or_else(|| DirectoryError::NotBlocked.into())
    }

    /// Blocks who has this ID.
    pub(super) fn block_person(
        &mut self,
        turn: &mut Turn<'_>,
        id: &Id,
        since: UnixMillis,
    ) -> Result<(), StoreError> {
        let identity = id.identity;
        self.directory.blocked_mut().add(turn.vault()?, id, since)?;
        self.pings.forget(&identity);
        if self.directory.is_contact(&identity) {
            self.keep_away(identity);
        } else {
            self.forget_request(turn, identity)?;
            self.look_for_left_out(turn)?;
        }
        self.use_blobs_anew(turn, &identity)
    }

    /// Nothing of a contact who is blocked is looked for.
    pub(super) fn keep_away(&mut self, identity: IdentityId) {
        self.keyring.inbound.leave(identity);
        self.keyring.forget_bundles(&identity);
        self.plan_nothing_of(identity);
    }

    /// Lifts that. What had arrived by now is not shown, and ends at its sender's as if the user had stayed away; what
    /// comes from now on is.
    pub(crate) fn unblock(&mut self, turn: &mut Turn<'_>, who: &str) -> Result<(), Fault> {
        let identity = self.person_called(who)?.identity;
        if !self.directory.is_blocked(&identity) {
            return Err(DirectoryError::NotBlocked.into());
        }
        self.unblock_person(turn, identity)?;
        Ok(self.share(turn, Subject::Blocked(identity))?)
    }

    /// Unblocks someone who is blocked.
    pub(super) fn unblock_person(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let arrived = (turn.mailbox().stats()?.last_arrival, self.counters.mailbox_opening);
        let now = turn.now;
        self.directory.blocked_mut().lift(turn.vault()?, &identity, arrived, now)?;
        for room in self.directory.rooms().shared_with(&identity).collect::<Vec<_>>() {
            // What was written there meanwhile is not for them, and what they wrote was not lost.
            let conversation = ConversationRef::room(&room);
            let after = self.timeline.end_of(&conversation);
            self.directory.rooms_mut().come_anew(turn.vault()?, &room, (identity, after))?;
            self.timeline.join_midway(conversation);
            // With the next message a new key tells them that nothing of that is missing.
            self.keyring.outbound.end(turn.vault()?, &room_line(&room))?;
        }
        if self.directory.is_contact(&identity) {
            // What is missing was not lost.
            self.timeline.join_midway(ConversationRef::direct(&identity));
            let tags = self.keyring.inbound.unpark(&identity);
            turn.awaited.extend(&tags);
            self.watch_bundle(turn, identity)?;
            self.look_up_bundles(turn, [identity]);
            self.tell_if_untold(turn, identity)?;
            self.profiles.look_at(identity);
            self.send_waiting(turn, identity)?;
        }
        if self.directory.people().has(&identity) {
            self.watch_bundle(turn, identity)?;
        }
        self.use_blobs_anew(turn, &identity)?;
        // For the keys of sessions that go on.
        self.look_again(turn)
    }

    /// Those who are blocked, by name, then by ID.
    pub(crate) fn show_all_blocked(&self) -> Vec<ShownBlocked> {
        let blocked = self.directory.blocked().iter();
        let mut shown: Vec<_> =
            blocked.filter_map(|record| self.show_blocked(&record.identity)).collect();
        shown.sort_by(|one, other| {
            let key = |blocked: &ShownBlocked| (blocked.name.is_none(), blocked.name.clone());
            key(one).cmp(&key(other)).then_with(|| one.id.cmp(&other.id))
        });
        shown
    }

    fn show_blocked(&self, identity: &IdentityId) -> Option<ShownBlocked> {
        let record = self.directory.blocked().iter().find(|record| record.identity == *identity)?;
        let id = Id { identity: *identity, secret: record.secret.clone() };
        let contact = self.directory.contact(identity);
        Some(ShownBlocked {
            name: contact.map(|contact| contact.name().to_owned()),
            id: contact.map_or(id, |contact| contact.id()).to_string(),
            since: record.since,
        })
    }

    /// After the vault was opened: who is blocked is so again, and numbers of another mailbox are forgotten.
    pub(super) fn resume_blocks(&mut self, openings: &[Opening]) {
        self.directory
            .blocked_mut()
            .keep_known(|arrival, opening| known_up_to(arrival, opening, openings));
        let blocked: Vec<_> =
            self.directory.blocked().iter().map(|record| record.identity).collect();
        for identity in blocked.into_iter().filter(|one| self.directory.is_contact(one)) {
            self.keyring.inbound.leave(identity);
        }
    }
}

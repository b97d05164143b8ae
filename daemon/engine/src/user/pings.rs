//! Pings and pongs, as they go and come. When one is answered is in `kinds/ping.rs`.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::message::{DeviceMessage, Ping, Pong};
use martlet_protocol::{DeviceId, IdentityId};
use martlet_store::StoreError;
use rand_core::Rng;

use super::User;
use crate::conversation::Author;
use crate::error::CommandError;
use crate::error::Fault;
use crate::keyring::olm::With;
use crate::kinds::ping::Asker;
use crate::turn::Turn;

impl User {
    /// Asks the devices of a contact whether one is on; `asker` is told of the first answer.
    pub(crate) fn ping(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        asker: Asker,
    ) -> Result<(), Fault> {
        self.check_confirmed(&identity)?;
        let mut nonce = [0; 16];
        turn.rng.fill_bytes(&mut nonce);
        let ping = DeviceMessage::Ping(Ping { nonce, sent_at: turn.now });
        if self.tell_devices(turn, identity, None, &ping)? == 0 {
            return Err(CommandError::KeysUnknown.into());
        }
        self.pings.ask(nonce, identity, turn.steady, asker);
        self.plan_pings();
        Ok(())
    }

    /// Answers a ping of a contact's device, if it is to be answered. Of anyone else it is not acknowledged
    /// either.
    pub(super) fn take_ping(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, device }: Author,
        ping: &Ping,
    ) -> Result<bool, StoreError> {
        if !self.directory.is_contact(&identity) {
            return Ok(false);
        }
        if self.pings.may_answer(identity, ping.sent_at, turn.now, turn.steady) {
            let pong = DeviceMessage::Pong(Pong { nonce: ping.nonce });
            self.tell_devices(turn, identity, Some(device), &pong)?;
        }
        Ok(true)
    }

    /// Takes the answer to a ping of the user's.
    pub(super) fn take_pong(&mut self, turn: &mut Turn<'_>, author: Author, pong: &Pong) -> bool {
        if let Some((asker, took)) = self.pings.answer(&author.identity, pong, turn.steady) {
            turn.after_commit(move || asker(took));
        }
        self.directory.is_contact(&author.identity)
    }

    /// Sends a message to the devices of a contact, or to one of them; how many were told.
    pub(super) fn tell_devices(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        only: Option<DeviceId>,
        message: &DeviceMessage,
    ) -> Result<usize, StoreError> {
        let is_held = self.directory.is_blocked(&identity) || self.needs_confirmation(&identity);
        if is_held || !self.is_active() {
            return Ok(0);
        }
        let contents = self.seal_to_devices(turn, &identity, only, message)?;
        let told = contents.len();
        for content in contents {
            let id = self.post_control(turn, identity, content)?;
            self.pings.sent(id, turn.steady);
        }
        self.plan_pings();
        Ok(told)
    }

    /// The contents of the envelopes that carry a message to the devices of a contact, or of the user's own others, or to one of
    /// them.
    pub(super) fn seal_to_devices(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        only: Option<DeviceId>,
        message: &DeviceMessage,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(bundles) = self.directory.bundles_of(identity) else { return Ok(Vec::new()) };
        let is_told = |bundle: &&Bundle| only.is_none_or(|it| it == bundle.certificate().device());
        let bundles = bundles.usable(turn.now).filter(is_told);
        bundles.map(|bundle| self.seal_to(turn, identity, bundle, message, With::TheLast)).collect()
    }

    /// Own pings and pongs that are of no use any more leave the outbox. In the mailbox they stay as long as
    /// others': a node that drops what it brought would show that it wrote it.
    pub(super) fn end_pings(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        while let Some(id) = self.pings.take_useless(turn.steady) {
            self.outbox.let_go(turn.vault()?, &id)?;
        }
        self.plan_pings();
        Ok(())
    }
}

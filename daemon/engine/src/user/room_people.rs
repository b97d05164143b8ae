//! People who are in a room with the user: how their keys are found, for as long as they are.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::message::RoomPerson;
use martlet_protocol::{IdentityId, Rendezvous, RoomId};
use martlet_store::StoreError;

use super::User;
use crate::turn::Turn;

impl User {
    /// Someone tells how someone is found who is in a room with the user.
    pub(super) fn take_room_person(
        &mut self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        person: &RoomPerson,
    ) -> Result<(), StoreError> {
        let is_in = self.directory.rooms().get(id).is_some_and(|it| it.has(&person.identity));
        if !is_in {
            // It may be what brings the user in that is still to come.
            return Ok(());
        }
        self.meet(turn, person.identity, Some(person))
    }

    /// Someone is in a room with the user: if they are no contact, their keys are looked for from now on.
    pub(super) fn meet(
        &mut self,
        turn: &mut Turn<'_>,
        who: IdentityId,
        told: Option<&RoomPerson>,
    ) -> Result<(), StoreError> {
        if who == self.identity || self.directory.is_contact(&who) {
            return Ok(());
        }
        let rendezvous = told.map(|person| &person.rendezvous);
        if self.directory.people_mut().tell(turn.vault()?, who, rendezvous)? {
            self.keyring.forget_bundles(&who);
            self.watch_bundle(turn, who)?;
            self.tell_interest(turn);
            self.look_up_bundles(turn, [who]);
        }
        Ok(())
    }

    /// Someone is out of a room. If they are in no other, and no contact, none of their keys is kept.
    pub(super) fn part(&mut self, turn: &mut Turn<'_>, who: IdentityId) -> Result<(), StoreError> {
        let gone: Vec<_> = match who == self.identity {
            true => self.directory.people().identities().copied().collect(),
            false => vec![who],
        };
        for who in gone {
            if !self.directory.people().has(&who) || self.is_in_any_room(&who) {
                continue;
            }
            self.directory.people_mut().forget_keys(turn.vault()?, &who)?;
            self.keyring.forget_bundles(&who);
            self.keyring.identities.forget(turn.vault()?, &who)?;
            self.plan_nothing_of(who);
        }
        Ok(())
    }

    /// Someone is a contact now: what is known of their keys goes to that.
    pub(super) fn leave_people(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let Some(person) = self.directory.people_mut().remove(turn.vault()?, &identity)? else {
            return Ok(());
        };
        let now = turn.now;
        for bundle in person.bundles().all().to_vec() {
            self.directory.take_bundle(turn.vault()?, &identity, bundle, now)?;
        }
        Ok(())
    }

    /// Someone is no contact any more. If they are in a room with the user their keys stay known.
    pub(super) fn join_people(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        keys: Option<(Rendezvous, Vec<Bundle>)>,
    ) -> Result<(), StoreError> {
        let Some(keys) = keys.filter(|_| self.is_in_any_room(&identity)) else { return Ok(()) };
        let now = turn.now;
        let certificates = keys.1.iter().map(|bundle| bundle.certificate().clone());
        for certificate in certificates.collect::<Vec<_>>() {
            let said = (Some(&certificate), &[][..]);
            self.keyring.identities.learn(turn.vault()?, identity, said, now)?;
        }
        self.directory.people_mut().adopt(turn.vault()?, identity, keys, now)?;
        self.watch_bundle(turn, identity)
    }

    /// How someone is found, as far as the user may tell others in a room.
    pub(super) fn found_by(&self, who: &IdentityId) -> Option<RoomPerson> {
        let person = self.directory.people().get(who).map(|person| person.rendezvous().clone());
        let contact = self.directory.contact(who).map(|contact| contact.rendezvous().clone());
        let own = (*who == self.identity).then(|| self.keyring.rendezvous().clone());
        let rendezvous = own.or(contact).or(person)?;
        (!rendezvous.secret.is_none()).then_some(RoomPerson { identity: *who, rendezvous })
    }
}

//! Invites: two people meet by one link.
//!
//! The inviter's device keeps the link's secret. Who accepts the link adds the inviter as a contact, and a session
//! begins with them at once, without a message: its key brings the secret. So does each later session's, until the
//! inviter's device has acknowledged one. The inviter's device makes a contact of whoever shows a secret that is good.
//! Others see an envelope like any.

use martlet_protocol::control::{Contact, Invite as ShownInvite, InviteRequest};
use martlet_protocol::invite::{Invite, InviteSecret};
use martlet_protocol::limits::NAME_BYTES_MAX;
use martlet_protocol::{Id, IdentityId, Rendezvous};
use martlet_store::StoreError;
use martlet_store::records::{AcceptedInvite, Happened, InviteRecord};

use super::User;
use crate::directory::{DirectoryError, Worth, clean_name, invite_state};
use crate::error::{CommandError, Fault};
use crate::limits::{INVITE_LIFE, INVITE_LIFE_MAX, INVITE_LIFE_MIN};
use crate::turn::Turn;

/// What someone is called who came by an invite and has no name.
const GUEST: &str = "guest";

impl User {
    /// Makes an invite; its link names these addresses.
    pub(crate) fn create_invite(
        &mut self,
        turn: &mut Turn<'_>,
        request: InviteRequest,
        addresses: Vec<String>,
    ) -> Result<ShownInvite, Fault> {
        let life = request
            .expires_seconds
            .map_or(INVITE_LIFE, |seconds| std::time::Duration::from_secs(seconds.into()));
        if !(INVITE_LIFE_MIN..=INVITE_LIFE_MAX).contains(&life) {
            return Err(CommandError::InviteLife.into());
        }
        let name = request.name.map(|name| self.free_name(&name)).transpose()?;
        let now = turn.now;
        self.directory.invites().check_room(now)?;
        let record = InviteRecord {
            secret: InviteSecret::generate(turn.rng),
            name,
            created_at: now,
            expires_at: now.plus(life),
            is_revoked: false,
            used: None,
            refused: Vec::new(),
        };
        // Before anything is changed.
        self.link_of(&record, addresses.clone())?;
        let number = self.directory.invites_mut().add(turn.vault()?, record)?;
        self.show_invite(turn, number, addresses)
    }

    /// An invite with its link, if it is still good.
    pub(crate) fn show_invite(
        &self,
        turn: &Turn<'_>,
        number: u64,
        addresses: Vec<String>,
    ) -> Result<ShownInvite, Fault> {
        let record = self.directory.invites().open(number, turn.now)?;
        let link = Some(self.link_of(record, addresses)?);
        Ok(ShownInvite { link, ..self.shown_invite(turn, number, record) })
    }

    /// All invites, by number.
    pub(crate) fn show_invites(&self, turn: &Turn<'_>) -> Vec<ShownInvite> {
        let all = self.directory.invites().iter();
        all.map(|(number, record)| self.shown_invite(turn, number, record)).collect()
    }

    fn shown_invite(&self, turn: &Turn<'_>, number: u64, record: &InviteRecord) -> ShownInvite {
        let view = self.view();
        ShownInvite {
            number,
            link: None,
            name: record.name.clone(),
            created_at: record.created_at,
            expires_at: record.expires_at,
            state: invite_state(record, turn.now),
            used_by: record.used.map(|(identity, _)| view.name_or_id(&identity)),
            used_at: record.used.map(|(_, at)| at),
            refused: record.refused.iter().map(|identity| view.name_or_id(identity)).collect(),
        }
    }

    fn link_of(
        &self,
        record: &InviteRecord,
        addresses: Vec<String>,
    ) -> Result<String, CommandError> {
        let invite = Invite {
            network: self.network.clone(),
            id: self.id(),
            secret: record.secret.clone(),
            expires_at: record.expires_at,
            addresses,
            name: self.name().cloned(),
        };
        Ok(invite.to_link()?.to_string())
    }

    /// An invite is good no more.
    pub(crate) fn revoke_invite(&mut self, turn: &mut Turn<'_>, number: u64) -> Result<(), Fault> {
        self.directory.invites().open(number, turn.now)?;
        Ok(self.directory.invites_mut().revoke(turn.vault()?, number)?)
    }

    /// Accepts an invite: the inviter becomes a contact, and learns of it.
    pub(crate) fn accept_invite(
        &mut self,
        turn: &mut Turn<'_>,
        invite: &Invite,
        name: Option<String>,
    ) -> Result<Contact, Fault> {
        if invite.network.tag() != self.network.tag() {
            return Err(CommandError::OtherNetwork { network: invite.network.name.clone() }.into());
        }
        if invite.id.identity == self.identity {
            return Err(DirectoryError::OwnInvite.into());
        }
        // Before the name is looked at, which by default is the one that they have.
        if let Some(contact) = self.directory.contact(&invite.id.identity) {
            let name = contact.name().to_owned();
            return Err(DirectoryError::AlreadyContact { name }.into());
        }
        if turn.now > invite.expires_at {
            return Err(CommandError::InviteExpired.into());
        }
        let name = name.or_else(|| invite.name.clone()).ok_or(CommandError::InviteWithoutName)?;
        let accepted =
            AcceptedInvite { secret: invite.secret.clone(), expires_at: invite.expires_at };
        self.add_contact_by(turn, &invite.id, &name, Some(accepted))?;
        let contact = self.show_contact(&invite.id.identity);
        Ok(contact.ok_or_else(|| self.unknown_contact(&name))?)
    }

    /// Someone who is no contact shows that they were invited: they become one, if the invite is good.
    pub(super) fn redeem_invite(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        secret: &InviteSecret,
        (suggested_name, rendezvous): (Option<&str>, &Rendezvous),
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let invites = self.directory.invites_mut();
        let number = match invites.show_secret(turn.vault()?, secret, identity, now)? {
            Worth::Good(number) => number,
            Worth::Refused(number) => {
                return self.emit(turn, Happened::InviteRefused(number, identity));
            }
            Worth::Nothing => return Ok(()),
        };
        let given = self.directory.invites().get(number).ok().and_then(|it| it.name.clone());
        let suggested = suggested_name.and_then(|name| clean_name(name).ok());
        let name = self.name_for_guest(&given.or(suggested).unwrap_or_else(|| GUEST.to_owned()));
        let id = Id { identity, secret: rendezvous.secret.clone() };
        match self.add_contact(turn, &id, &name) {
            Ok(()) => {
                self.directory.invites_mut().note_used(turn.vault()?, number, identity, now)?;
                self.emit(turn, Happened::InviteUsed(number, identity))
            }
            Err(Fault::Refused(error)) => {
                tracing::debug!(%error, "who was invited can't be added");
                Ok(())
            }
            Err(Fault::Store(error)) => Err(error),
        }
    }

    /// A name that no contact has: this one, or with a number.
    fn name_for_guest(&self, name: &str) -> String {
        let is_free = |name: &String| self.directory.identity_of(name).is_none();
        let mut names = (2_u32..).map(|number| {
            let end = format!(" {number}");
            let mut start = name.to_owned();
            while start.len() + end.len() > NAME_BYTES_MAX {
                start.pop();
            }
            format!("{start}{end}")
        });
        let name = name.to_owned();
        // There are fewer contacts than numbers.
        if is_free(&name) { name } else { names.find(is_free).unwrap_or(name) }
    }
}

//! Invites.

use martlet_protocol::control::{Contact, Invite as ShownInvite, InviteList, InviteRequest};
use martlet_protocol::invite::Invite;

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// A new invite.
#[derive(Debug)]
pub struct CreateInvite {
    /// For whom, and for how long.
    pub request: InviteRequest,
    /// Where this node may be reached.
    pub addresses: Vec<String>,
}

/// All invites.
#[derive(Debug)]
pub struct ListInvites {}

/// One that is good, with its link.
#[derive(Debug)]
pub struct ShowInvite {
    /// Its number.
    pub number: u64,
    /// Where this node may be reached.
    pub addresses: Vec<String>,
}

/// Makes an invite good no more.
#[derive(Debug)]
pub struct RevokeInvite {
    /// Its number.
    pub number: u64,
}

/// Accepts someone's invite.
#[derive(Debug)]
pub struct AcceptInvite {
    /// What their link says.
    pub invite: Box<Invite>,
    /// A name for them.
    pub name: Option<String>,
}

impl Command for CreateInvite {
    type Reply = ShownInvite;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ShownInvite, Fault> {
        engine.user_mut()?.create_invite(turn, self.request, self.addresses)
    }
}

impl Command for ListInvites {
    type Reply = InviteList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<InviteList, Fault> {
        Ok(InviteList { invites: engine.user_mut()?.show_invites(turn) })
    }
}

impl Command for ShowInvite {
    type Reply = ShownInvite;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ShownInvite, Fault> {
        engine.user_mut()?.show_invite(turn, self.number, self.addresses)
    }
}

impl Command for RevokeInvite {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.revoke_invite(turn, self.number)
    }
}

impl Command for AcceptInvite {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        engine.user_mut()?.accept_invite(turn, &self.invite, self.name)
    }
}

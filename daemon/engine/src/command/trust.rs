//! Whom the user verified.

use martlet_protocol::control::{Contact, VerifyRequest};

use super::Command;
use super::contacts::shown;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// Marks a contact as verified, by a safety number or since the user compared it.
#[derive(Debug)]
pub struct VerifyContact {
    /// The contact's name.
    pub name: String,
    /// What the contact has.
    pub request: VerifyRequest,
}

/// Marks a contact as not verified.
#[derive(Debug)]
pub struct UnverifyContact {
    /// The contact's name.
    pub name: String,
}

impl Command for VerifyContact {
    type Reply = Contact;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Contact, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        user.verify(turn, identity, self.request.code.as_deref())?;
        let safety_number = Some(user.show_safety_number(&identity));
        Ok(Contact { safety_number, ..shown(user, &identity, &self.name)? })
    }
}

impl Command for UnverifyContact {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        Ok(user.unverify(turn, identity)?)
    }
}

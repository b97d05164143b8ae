//! How the user wants contacts to see them, and how contacts want to be seen.

use martlet_protocol::control::{OwnProfile, ProfileChange};

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// The user's profile.
#[derive(Debug)]
pub struct GetProfile {}

/// Changes it.
#[derive(Debug)]
pub struct SetProfile {
    /// What changes.
    pub change: ProfileChange,
}

/// Takes all of it away.
#[derive(Debug)]
pub struct ClearProfile {}

/// The user's picture, if there is one.
#[derive(Debug)]
pub struct GetPicture {}

/// Gives the user another picture.
#[derive(Debug)]
pub struct SetPicture {
    /// A JPEG.
    pub picture: Vec<u8>,
}

/// A contact's picture, if there is one.
#[derive(Debug)]
pub struct GetContactPicture {
    /// The contact's name.
    pub name: String,
}

impl Command for GetProfile {
    type Reply = OwnProfile;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<OwnProfile, Fault> {
        Ok(engine.user_mut()?.own_profile())
    }
}

impl Command for SetProfile {
    type Reply = OwnProfile;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<OwnProfile, Fault> {
        engine.user_mut()?.change_profile(turn, self.change)
    }
}

impl Command for ClearProfile {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        Ok(engine.user_mut()?.clear_profile(turn)?)
    }
}

impl Command for GetPicture {
    type Reply = Option<Vec<u8>>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _turn: &mut Turn<'_>) -> Result<Self::Reply, Fault> {
        Ok(engine.user_mut()?.own_picture())
    }
}

impl Command for SetPicture {
    type Reply = OwnProfile;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<OwnProfile, Fault> {
        engine.user_mut()?.set_picture(turn, self.picture)
    }
}

impl Command for GetContactPicture {
    type Reply = Option<Vec<u8>>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Self::Reply, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity_of(&self.name)?;
        Ok(user.contact_picture(turn, &identity)?)
    }
}

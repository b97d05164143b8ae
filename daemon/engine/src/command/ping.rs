//! Whether a contact's device is on.

use std::time::Duration;

use super::Command;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// Asks the devices of a contact whether one is on. The reply says that they were asked.
pub struct PingContact {
    /// The contact's name.
    pub name: String,
    /// Told of the first answer, how long it took; dropped if none can come any more.
    pub asker: Box<dyn FnOnce(Duration) + Send>,
}

impl Command for PingContact {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let identity = user.reachable_identity_of(&self.name)?;
        user.ping(turn, identity, self.asker)
    }
}

impl std::fmt::Debug for PingContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PingContact(…)")
    }
}

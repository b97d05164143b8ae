//! Commands: what a user may ask of the engine, one struct each, by subject.

mod contacts;
mod doctor;
mod error;
mod events;
mod identity;
mod messages;
mod requests;
mod status;

pub use contacts::{AddContact, GetContact, ListContacts, RemoveContact, RenameContact};
pub use doctor::{GetClockDoubt, GetStorageFailure};
pub use error::CommandError;
pub use events::{EventsPage, ReadEvents};
pub use identity::{CreateUser, GetIdentity, Lock, OpenVault};
pub use messages::{GetHistory, GetInbox, GetMessage, MarkRead, SendText};
pub use requests::{AcceptRequest, DropRequest, ListRequests};
pub use status::GetStatus;

use crate::engine::Engine;
use crate::turn::{Fault, Turn};

/// One thing a user may ask.
pub trait Command: Send + 'static {
    /// What is answered.
    type Reply: Send + 'static;

    /// Does it. The answer leaves once the turn is committed. A problem must be found before
    /// anything is changed.
    ///
    /// # Errors
    /// [`Fault`].
    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Self::Reply, Fault>;
}

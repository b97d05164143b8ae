//! Commands: what a user may ask of the engine, one struct each, by subject.

mod account;
mod blocked;
mod contacts;
mod devices;
mod doctor;
mod ends;
mod events;
mod files;
mod handles;
mod identity;
mod invites;
mod linking;
mod manners;
mod messages;
mod notes;
mod ping;
mod privacy;
mod profile;
mod requests;
mod rooms;
mod root;
mod search;
mod shred;
mod status;
mod trust;

// What is public in these is public here: a new command has its place in its own file only.
pub use account::*;
pub use blocked::*;
pub use contacts::*;
pub use devices::*;
pub use doctor::*;
pub use ends::*;
pub use events::*;
pub use files::*;
pub use handles::*;
pub use identity::*;
pub use invites::*;
pub use linking::*;
pub use manners::*;
pub use messages::*;
pub use notes::*;
pub use ping::*;
pub use privacy::*;
pub use profile::*;
pub use requests::*;
pub use rooms::*;
pub use root::*;
pub use search::*;
pub use shred::*;
pub use status::*;
pub use trust::*;

use martlet_store::StoreError;

pub use crate::error::CommandError;
pub use crate::log::EventsPage;

use crate::engine::{Engine, Input, Job};
use crate::error::Fault;
use crate::turn::Turn;

/// One thing a user may ask.
pub trait Command: Send + 'static {
    /// What is answered.
    type Reply: Send + 'static;

    /// Whether it changes nothing on disk: it is done where nothing can be written, too.
    const ONLY_READS: bool = false;

    /// Does it. The answer leaves once the turn is committed. A problem must be found before
    /// anything is changed.
    ///
    /// # Errors
    /// [`Fault`].
    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Self::Reply, Fault>;
}

/// A command, and what takes its reply.
struct Call<C, F> {
    command: C,
    reply: F,
}

impl Input {
    /// A command, and what takes its reply once that is on disk.
    pub fn command<C: Command>(
        command: C,
        reply: impl FnOnce(Result<C::Reply, CommandError>) + Send + 'static,
    ) -> Self {
        Self::Command(Box::new(Call { command, reply }))
    }
}

impl<C, F> Job for Call<C, F>
where
    C: Command,
    F: FnOnce(Result<C::Reply, CommandError>) + Send + 'static,
{
    fn run(self: Box<Self>, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Self { command, reply } = *self;
        match command.run(engine, turn) {
            Ok(answer) => {
                turn.effects.reply(move |result| reply(result.map(|()| answer)));
                Ok(())
            }
            Err(Fault::Refused(error)) => {
                turn.effects.reply(move |_| reply(Err(error)));
                Ok(())
            }
            Err(Fault::Store(error)) => {
                let reason = CommandError::from(&error);
                turn.effects.reply(move |_| reply(Err(reason)));
                Err(error)
            }
        }
    }

    fn only_reads(&self) -> bool {
        C::ONLY_READS
    }

    fn refuse(self: Box<Self>, error: CommandError) {
        (self.reply)(Err(error));
    }
}

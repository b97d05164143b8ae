//! The account as a whole: taken along, ended.

use martlet_protocol::control::ExportLine;

use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;
pub use crate::user::ExportCursor;

/// A page of all that the user's vault holds of them, but for keys: the first, or what follows.
#[derive(Debug)]
pub struct ExportPage {
    /// Where to go on; `None` at the beginning.
    pub cursor: Option<ExportCursor>,
}

/// Ends the user of this node: their vault and its keys. The node goes on without one.
#[derive(Debug)]
pub struct EraseUser {}

impl Command for ExportPage {
    /// The lines, and where to go on, if that was not all.
    type Reply = (Vec<ExportLine>, Option<ExportCursor>);
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Self::Reply, Fault> {
        Ok(engine.user_mut()?.export_page(turn, self.cursor)?)
    }
}

impl Command for EraseUser {
    /// Files that look like copies of the vault's, which stay.
    type Reply = Vec<String>;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Vec<String>, Fault> {
        if !engine.has_key_file {
            return Err(CommandError::NoIdentity.into());
        }
        // No database has a part in it any more: what hinders undoes nobody else's commands.
        let erased = engine.erase_user(turn);
        erased.map_err(|error| CommandError::StorageFailed {
            reason: format!("{error}; what is begun goes on when martletd is started anew"),
        })?;
        Ok(engine.config.storage.copies())
    }
}

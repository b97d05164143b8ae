//! Notes: messages of the user's to themselves.

use martlet_protocol::control::{History, HistoryQuery, NoteRequest, SendResponse};

use super::Command;
use super::messages::to_send;
use crate::engine::Engine;
use crate::error::Fault;
use crate::turn::Turn;

/// Commits a note.
#[derive(Debug)]
pub struct WriteNote {
    /// What it says.
    pub request: NoteRequest,
}

/// A page of the notes.
#[derive(Debug)]
pub struct GetNotes {
    /// Which page.
    pub query: HistoryQuery,
}

impl Command for WriteNote {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        let user = engine.user_mut()?;
        let text = to_send(self.request.text)?;
        Ok(user.write_note(turn, &text)?)
    }
}

impl Command for GetNotes {
    type Reply = History;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<History, Fault> {
        let user = engine.user_mut()?;
        let own = user.identity;
        user.history(turn, &own, &self.query)
    }
}

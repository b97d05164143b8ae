//! Files.

use martlet_protocol::control::{FileSend, FilesQuery, SendResponse};
use martlet_protocol::file::FileName;
use martlet_protocol::file::name::media_type;
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martlet_protocol::message::{File, FileBytes, FileContent};

use super::ends::asked;
use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::limits::FILES_LISTED;
use crate::turn::Turn;

pub use crate::user::{FilesCursor, FilesPage};

/// Commits a file to a contact, and sends it.
pub struct SendFile {
    /// To whom, and how.
    pub request: FileSend,
    /// What it is, as its sender says.
    pub media_type: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// A file that is here.
#[derive(Debug)]
pub struct GetFile {
    /// The id of its message.
    pub id: String,
}

/// The files of conversations, some messages looked at.
#[derive(Debug)]
pub struct ListFiles {
    /// Which.
    pub from: FilesFrom,
}

/// Where to look for files.
#[derive(Debug)]
pub enum FilesFrom {
    /// From the newest on.
    Start(FilesQuery),
    /// Where the last page ended.
    Cursor(FilesCursor),
}

impl Command for SendFile {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        let user = engine.user_mut()?;
        let FileSend { to, name, text, expire_seconds, burn_seconds, reply_to } = self.request;
        let identity = user.written_to(&to)?;
        let bytes = FileBytes::new(self.bytes).map_err(CommandError::from)?;
        let file = File {
            name: FileName::harmless(&name),
            media_type: media_type(&self.media_type),
            content: FileContent::Here(bytes),
            duration_ms: None,
            text: text.unwrap_or_default(),
        };
        file.check().map_err(CommandError::from)?;
        let default = user.timers_in(&identity);
        let timers = asked(expire_seconds, burn_seconds, default).map_err(CommandError::from)?;
        let reply_to = match reply_to {
            Some(id) => Some(user.answered(turn, &identity, &id)?),
            None => None,
        };
        Ok(user.send_file(turn, identity, &file, timers, reply_to)?)
    }
}

impl Command for GetFile {
    type Reply = File;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<File, Fault> {
        engine.user_mut()?.file(turn, &self.id)
    }
}

impl Command for ListFiles {
    type Reply = FilesPage;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<FilesPage, Fault> {
        let user = engine.user_mut()?;
        let cursor = match self.from {
            FilesFrom::Cursor(cursor) => cursor,
            FilesFrom::Start(FilesQuery { within, limit }) => {
                let within = within.map(|name| user.conversation_called(&name)).transpose()?;
                let limit = limit.unwrap_or(FILES_LISTED);
                if !(1..=HISTORY_PAGE_MAX).contains(&limit) {
                    return Err(CommandError::PageSize { limit, max: HISTORY_PAGE_MAX }.into());
                }
                user.begin_files(within, usize::try_from(limit).unwrap_or(usize::MAX))
            }
        };
        Ok(user.go_on_with_files(turn, cursor)?)
    }
}

/// Hand-written: what people send each other is never logged.
impl std::fmt::Debug for SendFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SendFile({} bytes)", self.bytes.len())
    }
}

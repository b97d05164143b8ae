//! Files.

use martlet_protocol::control::{FileSend, FilesQuery, Message as MessageShown, SendResponse};
use martlet_protocol::file::name::media_type;
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::file::voice;
use martlet_protocol::file::{FileKey, FileName, Thumbnail};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martlet_protocol::message::{
    BlobContent, File, FileBytes, FileContent, FileError, Holder, Timers,
};
use martlet_protocol::{BlobId, IdentityId, MessageId};
use martlet_store::blobs::BlobName;

use super::ends::asked;
use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::limits::FILES_LISTED;
use crate::seam::KnownBlob;
use crate::turn::Turn;
use crate::user::User;

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

/// Sees whether a file could be sent that is to be a blob, and gives what it is sealed with. Room is kept for it until it is sent, or
/// [`FromBlobs::NotMade`](crate::FromBlobs::NotMade) is told.
pub struct PrepareBlob {
    /// To whom, and how.
    pub request: FileSend,
    /// How many bytes it has.
    pub size: u64,
}

/// What a file is sealed with.
#[derive(Debug)]
pub struct PreparedBlob {
    /// By what its files are called.
    pub name: BlobName,
    /// What opens it.
    pub key: FileKey,
}

/// Commits a file that is a blob on disk, and sends word of it.
pub struct SendBlob {
    /// To whom, and how.
    pub request: FileSend,
    /// What it is, as its sender says.
    pub media_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// What it was sealed with.
    pub prepared: PreparedBlob,
    /// Which blob that made.
    pub blob: BlobId,
    /// Who has it: this node.
    pub holders: Vec<Holder>,
    /// Of a voice memo: how long it lasts, milliseconds.
    pub voice_ms: Option<u32>,
}

/// A file that is here.
#[derive(Debug)]
pub struct FileHere {
    /// The file; its bytes, if they are in its message.
    pub file: File,
    /// Else where they are.
    pub blob: Option<KnownBlob>,
}

/// Has a file fetched that is elsewhere.
#[derive(Debug)]
pub struct AcceptFile {
    /// The id of its message.
    pub id: String,
}

/// Does not want a file that is elsewhere.
#[derive(Debug)]
pub struct RefuseFile {
    /// The id of its message.
    pub id: String,
}

/// Removes what is here of a file, and keeps its message.
#[derive(Debug)]
pub struct ForgetFile {
    /// The id of its message.
    pub id: String,
}

/// A file that is here.
#[derive(Debug)]
pub struct GetFile {
    /// The id of its message.
    pub id: String,
}

/// How a file looks, as its sender says: also of one that is not here.
#[derive(Debug)]
pub struct GetThumbnail {
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
        // It is in its message itself. What is wrong is refused all the same.
        thumbnail(&self.request)?;
        let user = engine.user_mut()?;
        let bytes = FileBytes::new(self.bytes).map_err(CommandError::from)?;
        let voice_ms = match self.request.voice {
            true => Some(voice::duration_ms(bytes.as_slice()).map_err(FileError::from)),
            false => None,
        };
        let voice_ms = voice_ms.transpose().map_err(CommandError::from)?;
        let content = FileContent::Here(bytes);
        let Checked { identity, file, timers, reply_to } =
            check(user, turn, self.request, &self.media_type, (content, voice_ms))?;
        Ok(user.send_file(turn, identity, &file, timers, reply_to)?)
    }
}

impl Command for PrepareBlob {
    type Reply = PreparedBlob;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<PreparedBlob, Fault> {
        let user = engine.user_mut()?;
        thumbnail(&self.request)?;
        // All but what is in it.
        let nothing = FileContent::Here(FileBytes::new(Vec::new()).map_err(CommandError::from)?);
        check(user, turn, self.request, "", (nothing, None))?;
        let layout = Layout::of(self.size).map_err(|_| FileError::Contradiction);
        let name = BlobName::random(turn.rng);
        user.reserve_blob(name, layout.map_err(CommandError::from)?.sealed_size())?;
        Ok(PreparedBlob { name, key: FileKey::random(turn.rng) })
    }
}

impl Command for SendBlob {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        let user = engine.user_mut()?;
        let Self { request, media_type, size, prepared, blob, holders, voice_ms } = self;
        let PreparedBlob { name, key } = prepared;
        let layout = Layout::of(size).map_err(|_| FileError::Contradiction);
        let sealed = layout.map_err(CommandError::from)?.sealed_size();
        let has_parts = user.sends_in_parts(size);
        let thumbnail = thumbnail(&request)?;
        let content = BlobContent { size, key, blob, has_parts, thumbnail, holders };
        let content = FileContent::Blob(Box::new(content));
        let Checked { identity, file, timers, reply_to } =
            check(user, turn, request, &media_type, (content, voice_ms))?;
        let known = KnownBlob { name, id: blob, size: sealed };
        user.send_blob(turn, identity, (&file, known), timers, reply_to)
    }
}

/// How a file looks, if that is said.
fn thumbnail(request: &FileSend) -> Result<Option<Thumbnail>, CommandError> {
    let said = request.thumbnail.as_deref().map(Thumbnail::from_hex);
    Ok(said.transpose().map_err(FileError::from)?)
}

/// A file that can be sent, and to whom.
struct Checked {
    identity: IdentityId,
    file: File,
    timers: Timers,
    reply_to: Option<MessageId>,
}

fn check(
    user: &User,
    turn: &mut Turn<'_>,
    request: FileSend,
    said_type: &str,
    (content, duration_ms): (FileContent, Option<u32>),
) -> Result<Checked, Fault> {
    let FileSend { to, name, text, expire_seconds, burn_seconds, reply_to, voice, thumbnail: _ } =
        request;
    let identity = user.written_to(&to)?;
    let name = FileName::harmless(&name);
    let (name, media_type) = match voice {
        true => (voice::named(name), voice::MEDIA_TYPE.to_owned()),
        false => (name, media_type(said_type)),
    };
    let file = File { name, media_type, content, duration_ms, text: text.unwrap_or_default() };
    file.check().map_err(CommandError::from)?;
    let default = user.timers_in(&identity);
    let timers = asked(expire_seconds, burn_seconds, default).map_err(CommandError::from)?;
    let reply_to = match reply_to {
        Some(id) => Some(user.answered(turn, &identity, &id)?),
        None => None,
    };
    Ok(Checked { identity, file, timers, reply_to })
}

impl Command for AcceptFile {
    type Reply = MessageShown;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<MessageShown, Fault> {
        let user = engine.user_mut()?;
        user.accept_file(turn, &self.id)?;
        user.find_message(turn, &self.id)
    }
}

impl Command for RefuseFile {
    type Reply = MessageShown;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<MessageShown, Fault> {
        let user = engine.user_mut()?;
        user.refuse_file(turn, &self.id)?;
        user.find_message(turn, &self.id)
    }
}

impl Command for ForgetFile {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.forget_file(turn, &self.id)
    }
}

impl Command for GetFile {
    type Reply = FileHere;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<FileHere, Fault> {
        let (file, blob) = engine.user_mut()?.file(turn, &self.id)?;
        Ok(FileHere { file, blob })
    }
}

impl Command for GetThumbnail {
    type Reply = Option<Thumbnail>;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Option<Thumbnail>, Fault> {
        engine.user_mut()?.thumbnail(turn, &self.id)
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
                user.begin_files(turn, within, usize::try_from(limit).unwrap_or(usize::MAX))?
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

impl std::fmt::Debug for PrepareBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrepareBlob({} bytes)", self.size)
    }
}

impl std::fmt::Debug for SendBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SendBlob({} bytes)", self.size)
    }
}

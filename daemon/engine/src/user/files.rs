//! Files: sent, listed, and given out again. What is a blob is in `blobs.rs`.

use std::fmt;

use martlet_protocol::control::{FileEntry, FileList, SendResponse};
use martlet_protocol::file::Thumbnail;
use martlet_protocol::message::{File, FileContent, Timers};
use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{FileStage, MessageRecord};

use super::User;
use crate::conversation::{ConversationRef, Place, person};
use crate::directory::room_line;
use crate::error::{CommandError, Fault};
use crate::kinds::{self, Content, Says};
use crate::limits::{
    FILES_SEARCHED_AT_ONCE, FILES_SEARCHED_BYTES_PER_BATCH_MAX, FILES_SEARCHED_PER_BATCH_MAX,
};
use crate::seam::KnownBlob;
use crate::timeline::known;
use crate::turn::Turn;

/// How far files were looked for. When all that is looked at was, those that are listed are read again: much may have happened
/// to them.
pub struct FilesCursor {
    /// Whose conversations are left, in the order of their newest messages; the last is looked at.
    left: Vec<IdentityId>,
    /// There, the position before which is to be looked.
    before: Option<u64>,
    /// Files that were found there.
    of_this: usize,
    /// Files wanted.
    max: usize,
    /// Once all were found, the newest last.
    found: Vec<Found>,
    /// What is listed, the newest first.
    files: Vec<FileEntry>,
}

struct Found {
    /// When it came.
    stored_at: UnixMillis,
    place: Place,
}

/// What one batch may still do.
pub(super) struct Budget {
    messages: usize,
    bytes: usize,
}

/// What one batch makes of a list of files.
#[derive(Debug)]
pub enum FilesPage {
    /// All is found.
    Last(FileList),
    /// There is more to be looked at.
    Next(FilesCursor),
}

impl User {
    /// Commits a file to `identity`, a contact, and sends it if their keys are known.
    pub(crate) fn send_file(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        file: &File,
        timers: Timers,
        reply_to: Option<MessageId>,
    ) -> Result<SendResponse, StoreError> {
        self.send_body(turn, identity, kinds::file::body(file), timers, reply_to)
    }

    /// The file of a message, if it is here: in the message, or as a blob.
    pub(crate) fn file(
        &self,
        turn: &mut Turn<'_>,
        id: &str,
    ) -> Result<(File, Option<KnownBlob>), Fault> {
        let (place, record, file) = self.file_of(turn, id)?;
        match &file.content {
            FileContent::Here(_) => Ok((file, None)),
            FileContent::Blob(_) => match self.timeline.file(&place) {
                Some(blob) if blob.stage == FileStage::Whole => Ok((file, Some(known(blob)))),
                Some(_) | None => {
                    let state = self.timeline.told_file(&place, record.own, &file).state;
                    Err(CommandError::FileNotHere { state }.into())
                }
            },
        }
    }

    /// How the file of a message looks, if its sender says so.
    pub(crate) fn thumbnail(
        &self,
        turn: &mut Turn<'_>,
        id: &str,
    ) -> Result<Option<Thumbnail>, Fault> {
        let (_, _, file) = self.file_of(turn, id)?;
        Ok(kinds::file::thumbnail(&file).cloned())
    }

    /// The message with this id, which is a file.
    pub(super) fn file_of(
        &self,
        turn: &mut Turn<'_>,
        id: &str,
    ) -> Result<(Place, MessageRecord, File), Fault> {
        let (place, record) = self.resolve(turn, id)?;
        match Content::of(&record) {
            Content::Says(Says::File(file)) => Ok((place, record, file)),
            Content::Says(Says::Text(_) | Says::Timers(_) | Says::Recalled)
            | Content::Does(_)
            | Content::Unknown { .. } => Err(CommandError::NoFile.into()),
        }
    }

    /// Looks for files in one conversation, or in all.
    pub(crate) fn begin_files(
        &self,
        turn: &mut Turn<'_>,
        within: Option<IdentityId>,
        max: usize,
    ) -> Result<FilesCursor, StoreError> {
        let left = match within {
            Some(identity) => vec![identity],
            None => self.with_messages(turn)?,
        };
        Ok(FilesCursor {
            left,
            before: None,
            of_this: 0,
            max,
            found: Vec::new(),
            files: Vec::new(),
        })
    }

    /// Whose conversations have messages; the one with the newest is the last.
    pub(super) fn with_messages(&self, turn: &mut Turn<'_>) -> Result<Vec<IdentityId>, StoreError> {
        let rooms = self.shown_rooms().map(|known| room_line(&known.room.id()));
        let mut all = Vec::new();
        for identity in self.directory.identities().copied().chain(rooms) {
            let conversation = ConversationRef::direct(&identity);
            let page = self.timeline.page(turn.vault()?, &conversation, None, 1)?;
            let newest = page.messages.into_iter().next();
            // One that can't be read may have others before it.
            let at = newest.map(|(_, message)| message.map(|message| message.stored_at));
            all.extend(at.map(|at| (at, identity)));
        }
        all.sort_unstable();
        Ok(all.into_iter().map(|(_, identity)| identity).collect())
    }

    /// Looks at as many messages as one batch may.
    pub(crate) fn go_on_with_files(
        &self,
        turn: &mut Turn<'_>,
        mut cursor: FilesCursor,
    ) -> Result<FilesPage, StoreError> {
        let mut budget = Budget::of_batch();
        while !budget.is_spent() && !cursor.left.is_empty() {
            self.find_files(turn, &mut cursor, &mut budget)?;
        }
        while !budget.is_spent()
            && cursor.left.is_empty()
            && cursor.files.len() < cursor.max
            && let Some(Found { place, .. }) = cursor.found.pop()
        {
            let record = self.timeline.message(turn.vault()?, &place)?;
            budget.messages = budget.messages.saturating_sub(1);
            if let Some(record) = record {
                budget.spend_bytes(&record);
                cursor.files.extend(self.file_entry(&place, &record));
            }
        }
        let is_done = cursor.found.is_empty() || cursor.files.len() >= cursor.max;
        if !cursor.left.is_empty() || !is_done {
            return Ok(FilesPage::Next(cursor));
        }
        let more = !cursor.found.is_empty();
        Ok(FilesPage::Last(FileList { files: cursor.files, more }))
    }

    /// Looks at some messages of the conversation whose turn it is.
    fn find_files(
        &self,
        turn: &mut Turn<'_>,
        cursor: &mut FilesCursor,
        budget: &mut Budget,
    ) -> Result<(), StoreError> {
        let Some(identity) = cursor.left.last() else { return Ok(()) };
        let conversation = ConversationRef::direct(identity);
        let (records, before) = (turn.vault()?, cursor.before);
        let page = self.timeline.page(records, &conversation, before, FILES_SEARCHED_AT_ONCE)?;
        let count = page.messages.len();
        cursor.before = page.messages.first().map(|(position, _)| *position);
        for (position, record) in page.messages.into_iter().rev() {
            let Some(record) = record else { continue };
            budget.spend_bytes(&record);
            let place = Place { conversation, position };
            // One file more than is wanted tells that there are more.
            if cursor.of_this <= cursor.max && self.file_entry(&place, &record).is_some() {
                cursor.of_this += 1;
                cursor.found.push(Found { stored_at: record.stored_at, place });
            }
        }
        budget.spend_messages(count);
        if !page.more || cursor.of_this > cursor.max {
            cursor.next_conversation();
        }
        Ok(())
    }

    /// What is listed of a message; `None` if it is no file, or is over.
    fn file_entry(&self, place: &Place, record: &MessageRecord) -> Option<FileEntry> {
        let Content::Says(Says::File(file)) = Content::of(record) else { return None };
        if self.timeline.is_over(place, record) {
            return None;
        }
        let view = self.view();
        let (direction, state) = view.direction_and_state(place, record);
        Some(FileEntry {
            id: record.id.to_string(),
            conversation: view.name_or_id(&person(&place.conversation)),
            room: self.room_id_of(&person(&place.conversation)),
            author: view.author_in_room(place, record),
            direction,
            sent_at: record.sent_at,
            state,
            file: self.timeline.told_file(place, record.own, &file),
        })
    }
}

impl Budget {
    pub(super) fn of_batch() -> Self {
        Self { messages: FILES_SEARCHED_PER_BATCH_MAX, bytes: FILES_SEARCHED_BYTES_PER_BATCH_MAX }
    }

    pub(super) fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// So many were looked at. Where nothing is, it costs all the same.
    pub(super) fn spend_messages(&mut self, count: usize) {
        self.messages = self.messages.saturating_sub(count.max(1));
    }

    pub(super) fn spend_bytes(&mut self, record: &MessageRecord) {
        self.bytes = self.bytes.saturating_sub(record.body.bytes());
    }
}

impl FilesCursor {
    fn next_conversation(&mut self) {
        self.left.pop();
        (self.before, self.of_this) = (None, 0);
        if self.left.is_empty() {
            self.found.sort_by_key(|it| (it.stored_at, it.place.position));
        }
    }
}

/// Hand-written: names of files are never logged.
impl fmt::Debug for FilesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesCursor")
            .field("left", &self.left.len())
            .field("found", &self.found.len())
            .finish_non_exhaustive()
    }
}

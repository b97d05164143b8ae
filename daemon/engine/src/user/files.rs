//! Files: sent, listed, and given out again. What is a blob is in `blobs.rs`.

use std::cmp::Reverse;
use std::fmt;

use martlet_protocol::control::{FileEntry, FileList, SendResponse};
use martlet_protocol::message::{File, FileContent, Timers};
use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{FileStage, MessageRecord};

use super::User;
use crate::conversation::{ConversationRef, Place, person};
use crate::directory::room_line;
use crate::error::{CommandError, Fault};
use crate::kinds::{self, Content, Says};
use crate::limits::{FILES_SEARCHED_MAX, FILES_SEARCHED_PER_BATCH_MAX, FILES_SEARCHED_TOTAL_MAX};
use crate::seam::KnownBlob;
use crate::timeline::known;
use crate::turn::Turn;

/// How far files were looked for.
pub struct FilesCursor {
    /// Whose conversations are left; the last is looked at.
    left: Vec<IdentityId>,
    /// There, the position before which is to be looked.
    before: Option<u64>,
    of_this: OfThis,
    /// Messages that were looked at.
    looked_at: usize,
    /// Files wanted.
    max: usize,
    found: Vec<Found>,
    /// Whether there may be more.
    more: bool,
}

struct Found {
    /// When it came.
    stored_at: UnixMillis,
    id: MessageId,
    /// `None` for the user.
    writer: Option<IdentityId>,
    place: Place,
    entry: FileEntry,
}

/// Of the conversation that is looked at.
#[derive(Default)]
struct OfThis {
    looked_at: usize,
    files: usize,
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
    pub(crate) fn begin_files(&self, within: Option<IdentityId>, max: usize) -> FilesCursor {
        let mut left = match within {
            Some(identity) => vec![identity],
            None => {
                let rooms = self.shown_rooms().map(|known| room_line(&known.room.id()));
                self.directory.identities().copied().chain(rooms).collect()
            }
        };
        // The last is the next: people before rooms.
        left.reverse();
        FilesCursor {
            left,
            before: None,
            of_this: OfThis::default(),
            looked_at: 0,
            max,
            found: Vec::new(),
            more: false,
        }
    }

    /// Looks at as many messages as one batch may.
    pub(crate) fn go_on_with_files(
        &self,
        turn: &mut Turn<'_>,
        mut cursor: FilesCursor,
    ) -> Result<FilesPage, StoreError> {
        let mut budget = FILES_SEARCHED_PER_BATCH_MAX;
        while budget > 0
            && let Some(identity) = cursor.left.last()
        {
            let conversation = ConversationRef::direct(identity);
            let wanted = cursor.wanted();
            let page = self.timeline.page(
                turn.vault()?,
                &conversation,
                cursor.before,
                wanted.min(budget),
            )?;
            let count = page.messages.len();
            cursor.before = page.messages.first().map(|(position, _)| *position);
            for (position, record) in page.messages.into_iter().rev() {
                if cursor.of_this.files <= cursor.max
                    && let Some(record) = record
                {
                    self.take_file(Place { conversation, position }, &record, &mut cursor);
                }
            }
            cursor.looked_at += count;
            cursor.of_this.looked_at += count;
            // Where nothing is, it costs all the same.
            budget = budget.saturating_sub(count.max(1));
            // One file more than is wanted tells that there are more.
            if !page.more || count == wanted || cursor.of_this.files > cursor.max {
                cursor.more |= page.more;
                cursor.next_conversation();
            }
        }
        if cursor.left.is_empty() {
            return Ok(FilesPage::Last(self.list_found(turn, cursor)?));
        }
        Ok(FilesPage::Next(cursor))
    }

    /// What was found, without what is gone since.
    fn list_found(&self, turn: &mut Turn<'_>, cursor: FilesCursor) -> Result<FileList, StoreError> {
        let FilesCursor { mut found, max, more, .. } = cursor;
        found.sort_by_key(|it| Reverse(it.stored_at));
        let more = more || found.len() > max;
        found.truncate(max);
        let mut files = Vec::new();
        for Found { id, writer, place, entry, .. } in found {
            let at = self.timeline.find_of(turn.vault()?, &id, writer.as_ref())?;
            if at == Some(place) {
                files.push(entry);
            }
        }
        Ok(FileList { files, more })
    }

    fn take_file(&self, place: Place, record: &MessageRecord, cursor: &mut FilesCursor) {
        let Content::Says(Says::File(file)) = Content::of(record) else { return };
        if self.timeline.is_over(&place, record) {
            return;
        }
        let view = self.view();
        let (direction, state) = view.direction_and_state(&place, record);
        cursor.of_this.files += 1;
        let entry = FileEntry {
            id: record.id.to_string(),
            conversation: view.name_or_id(&person(&place.conversation)),
            direction,
            sent_at: record.sent_at,
            state,
            file: self.timeline.told_file(&place, record.own, &file),
        };
        let author = record.author.map(|author| author.identity);
        let writer = author.unwrap_or_else(|| person(&place.conversation));
        cursor.found.push(Found {
            stored_at: record.stored_at,
            id: record.id,
            writer: (!record.own).then_some(writer),
            place,
            entry,
        });
    }
}

impl FilesCursor {
    /// Messages that may still be looked at in this conversation.
    fn wanted(&self) -> usize {
        let of_this = FILES_SEARCHED_MAX.saturating_sub(self.of_this.looked_at);
        of_this.min(FILES_SEARCHED_TOTAL_MAX.saturating_sub(self.looked_at))
    }

    fn next_conversation(&mut self) {
        self.left.pop();
        (self.before, self.of_this) = (None, OfThis::default());
        if self.wanted() == 0 {
            self.more |= !self.left.is_empty();
            self.left.clear();
        }
    }
}

/// Hand-written: names of files are never logged.
impl fmt::Debug for FilesCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesCursor")
            .field("looked_at", &self.looked_at)
            .field("found", &self.found.len())
            .finish_non_exhaustive()
    }
}

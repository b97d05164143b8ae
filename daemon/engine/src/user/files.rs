//! Files: sent in their messages, and given out again.

use martlet_protocol::control::{FileEntry, FileList, SendResponse};
use martlet_protocol::message::{File, FileContent, Timers};
use martlet_protocol::{IdentityId, MessageId};
use martlet_store::StoreError;

use super::User;
use crate::conversation::{ConversationRef, Place, person};
use crate::directory::room_line;
use crate::error::{CommandError, Fault};
use crate::kinds::{self, Content, Says};
use crate::limits::{FILES_SEARCHED_MAX, FILES_SEARCHED_TOTAL_MAX};
use crate::turn::Turn;

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

    /// The file of a message, whose bytes are here.
    pub(crate) fn file(&self, turn: &mut Turn<'_>, id: &str) -> Result<File, Fault> {
        let (_, record) = self.resolve(turn, id)?;
        match Content::of(&record) {
            Content::Says(Says::File(file)) => match &file.content {
                FileContent::Here(_) => Ok(file),
                FileContent::Blob(_) => Err(CommandError::FileElsewhere.into()),
            },
            Content::Says(Says::Text(_) | Says::Timers(_) | Says::Recalled)
            | Content::Does(_)
            | Content::Unknown { .. } => Err(CommandError::NoFile.into()),
        }
    }

    /// The newest files, of one conversation or of all.
    pub(crate) fn files(
        &self,
        turn: &mut Turn<'_>,
        within: Option<IdentityId>,
        max: usize,
    ) -> Result<FileList, StoreError> {
        let people: Vec<IdentityId> = match within {
            Some(identity) => vec![identity],
            None => {
                let rooms = self.shown_rooms().map(|known| room_line(&known.room.id()));
                self.directory.identities().copied().chain(rooms).collect()
            }
        };
        let (view, records) = (self.view(), turn.vault()?);
        let (mut found, mut left) = (Vec::new(), FILES_SEARCHED_TOTAL_MAX);
        let mut more = false;
        for identity in people {
            let conversation = ConversationRef::direct(&identity);
            let looks_at = FILES_SEARCHED_MAX.min(left);
            let (mut looked_at, mut of_this) = (0, 0);
            self.timeline.look_back(records, &conversation, looks_at, |position, record| {
                looked_at += 1;
                let place = Place { conversation, position };
                if let Content::Says(Says::File(file)) = Content::of(&record)
                    && !self.timeline.is_over(&place, &record)
                {
                    of_this += 1;
                    let (direction, state) = view.direction_and_state(&place, &record);
                    found.push((
                        record.stored_at,
                        FileEntry {
                            id: record.id.to_string(),
                            conversation: view.name_or_id(&person(&conversation)),
                            direction,
                            sent_at: record.sent_at,
                            state,
                            file: kinds::file::told(&file),
                        },
                    ));
                }
                // One more than is wanted, which tells that there are more.
                of_this <= max
            })?;
            left -= looked_at;
            more |= looked_at == looks_at;
        }
        found.sort_by_key(|(stored_at, _)| std::cmp::Reverse(*stored_at));
        more |= found.len() > max;
        found.truncate(max);
        Ok(FileList { files: found.into_iter().map(|(_, entry)| entry).collect(), more })
    }
}

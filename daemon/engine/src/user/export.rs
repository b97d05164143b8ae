//! All that the vault holds of the user, in the words of the control API, page by page. Keys and what opens anything are no
//! part of it.

use std::collections::VecDeque;

use martlet_protocol::control::{EXPORT_FORMAT, ExportLine};
use martlet_protocol::message::{Content, File, FileContent};
use martlet_protocol::{IdentityId, RoomId, control};
use martlet_store::StoreError;
use martlet_store::records::MessageRecord;

use super::User;
use super::view::shown_timers;
use crate::conversation::ConversationRef;
use crate::directory::room_line;
use crate::kinds::{self, Says};
use crate::limits::EXPORT_PAGE_MAX;
use crate::turn::Turn;

/// Where an export is.
#[derive(Debug)]
pub struct ExportCursor {
    /// What is still to come.
    parts: VecDeque<Part>,
    lines: u64,
    messages: u64,
    unreadable: u64,
}

/// A part of an export. Who is not there any more when their turn comes is left out.
#[derive(Debug)]
enum Part {
    /// An unknown person, and what they wrote.
    Request(IdentityId),
    /// A contact.
    Contact(IdentityId),
    /// A room.
    Room(RoomId),
    /// What was done to it, but for so many operations.
    Operations(RoomId, usize),
    /// What follows after a position in the conversation with someone, in a room, or in the notes.
    Messages(IdentityId, u64),
}

impl User {
    /// A page of an export, and where to go on.
    pub(crate) fn export_page(
        &self,
        turn: &mut Turn<'_>,
        cursor: Option<ExportCursor>,
    ) -> Result<(Vec<ExportLine>, Option<ExportCursor>), StoreError> {
        let mut lines = Vec::new();
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None => {
                lines = self.export_head(turn);
                self.export_begin()
            }
        };
        while lines.len() < EXPORT_PAGE_MAX {
            match cursor.parts.pop_front() {
                Some(part) => self.export_part(turn, part, &mut cursor, &mut lines)?,
                None => {
                    let ExportCursor { messages, unreadable, .. } = cursor;
                    let before = cursor.lines.saturating_add(count(&lines));
                    lines.push(ExportLine::End { lines: before, messages, unreadable });
                    return Ok((lines, None));
                }
            }
        }
        cursor.lines = cursor.lines.saturating_add(count(&lines));
        Ok((lines, Some(cursor)))
    }

    fn export_begin(&self) -> ExportCursor {
        let requests = self.directory.requests().waiting();
        let requests = requests.map(|request| Part::Request(request.record.identity));
        let contacts = self.directory.by_name();
        let contacts = contacts.flat_map(|(_, id)| [Part::Contact(*id), Part::Messages(*id, 0)]);
        let notes = [Part::Messages(self.identity, 0)];
        let mut rooms: Vec<_> = self.shown_rooms().map(|known| known.room.id()).collect();
        rooms.sort_by_key(|room| self.name_of_room(room));
        let rooms = rooms.into_iter().flat_map(|room| {
            [Part::Room(room), Part::Operations(room, 0), Part::Messages(room_line(&room), 0)]
        });
        let parts = requests.chain(contacts).chain(rooms).chain(notes).collect();
        ExportCursor { parts, lines: 0, messages: 0, unreadable: 0 }
    }

    fn export_head(&self, turn: &Turn<'_>) -> Vec<ExportLine> {
        let handles = self.directory.handles();
        let claimed = handles.claimed().or_else(|| handles.claimed_elsewhere());
        let program = concat!("martletd ", env!("CARGO_PKG_VERSION")).to_owned();
        let mut lines = vec![
            ExportLine::Export { format: EXPORT_FORMAT, at: turn.now, program },
            ExportLine::Account {
                id: self.id().to_string(),
                name: self.name().cloned(),
                settings: self.settings(),
                profile: self.own_profile(),
                handle: claimed.map(|record| record.name.clone()),
                handle_claimed_at: claimed.map(|record| record.claimed_at),
            },
        ];
        let picture = self.own_picture();
        lines.extend(picture.map(|jpeg| ExportLine::Picture { contact: None, jpeg: hex(&jpeg) }));
        let blocked = self.show_all_blocked().into_iter();
        lines.extend(blocked.map(|person| ExportLine::Blocked { person }));
        lines
    }

    fn export_part(
        &self,
        turn: &mut Turn<'_>,
        part: Part,
        cursor: &mut ExportCursor,
        lines: &mut Vec<ExportLine>,
    ) -> Result<(), StoreError> {
        match part {
            Part::Request(identity) => self.export_request(turn, &identity, lines),
            Part::Contact(identity) => self.export_contact(turn, &identity, lines),
            Part::Room(room) => self.export_room(turn, &room, lines),
            Part::Operations(room, after) => {
                self.export_operations(&room, after, cursor, lines);
                Ok(())
            }
            Part::Messages(identity, after) => {
                self.export_messages(turn, (identity, after), cursor, lines)
            }
        }
    }

    fn export_request(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        lines: &mut Vec<ExportLine>,
    ) -> Result<(), StoreError> {
        let Some(request) = self.show_request(turn, identity)? else { return Ok(()) };
        let from = request.id.clone();
        lines.push(ExportLine::Request { request });
        for (stored_at, message) in
            self.directory.requests().messages_of(turn.vault()?, identity)?
        {
            if self.timeline.has_expired(stored_at, &message) {
                continue;
            }
            let (text, file) = match message.content {
                Content::Text(text) => (text.as_str().to_owned(), None),
                Content::File(file) => (kinds::file::shown(&file, None), Some(file)),
                // They say nothing without a conversation.
                Content::Edit(_)
                | Content::Reaction(_)
                | Content::FileReceived(_)
                | Content::FileHolders(_)
                | Content::Read(_)
                | Content::Timers(_)
                | Content::Recall(_)
                | Content::Profile(_)
                | Content::Sent(_)
                | Content::ReadUpTo(_)
                | Content::Settings(_)
                | Content::Progress(_)
                | Content::RoomOp(_)
                | Content::RoomRecall(_)
                | Content::Unknown { .. } => continue,
            };
            let (from, id) = (from.clone(), message.id.to_string());
            let sent_at = message.sent_at;
            let file = file.and_then(|file| export_file(id.clone(), &file));
            lines.push(ExportLine::RequestMessage { from, id, sent_at, stored_at, text });
            lines.extend(file);
        }
        Ok(())
    }

    fn export_contact(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        lines: &mut Vec<ExportLine>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.show_contact(identity) else { return Ok(()) };
        let note = self.contact_note(turn, identity)?;
        let draft = self.draft(turn, identity)?;
        let picture = self.contact_picture(turn, identity)?;
        let picture = picture.map(|jpeg| ExportLine::Picture {
            contact: Some(contact.name.clone()),
            jpeg: hex(&jpeg),
        });
        lines.push(ExportLine::Contact {
            contact: control::Contact { note, ..contact },
            settings: self.conversation_settings(identity),
            timers: shown_timers(self.timeline.timers(&ConversationRef::direct(identity))),
            draft: draft.text.is_some().then_some(draft),
        });
        lines.extend(picture);
        Ok(())
    }

    fn export_room(
        &self,
        turn: &mut Turn<'_>,
        id: &RoomId,
        lines: &mut Vec<ExportLine>,
    ) -> Result<(), StoreError> {
        let (Ok(room), line) = (self.show_room(id), room_line(id)) else { return Ok(()) };
        let draft = self.draft(turn, &line)?;
        lines.push(ExportLine::Room {
            room: Box::new(room),
            settings: self.conversation_settings(&line),
            draft: draft.text.is_some().then_some(draft),
        });
        Ok(())
    }

    /// A page of what was done to a room; if there may be more, it comes next.
    fn export_operations(
        &self,
        id: &RoomId,
        after: usize,
        cursor: &mut ExportCursor,
        lines: &mut Vec<ExportLine>,
    ) {
        let Some(known) = self.directory.rooms().get(id) else { return };
        let (view, set) = (self.view(), known.room.set());
        let page = set.iter().skip(after).take(EXPORT_PAGE_MAX);
        lines.extend(page.map(|op| ExportLine::RoomOperation {
            room: id.to_string(),
            operation: Box::new(view.room_operation(known, op)),
        }));
        if set.len() > after + EXPORT_PAGE_MAX {
            cursor.parts.push_front(Part::Operations(*id, after + EXPORT_PAGE_MAX));
        }
    }

    fn name_of_room(&self, id: &RoomId) -> Option<String> {
        self.directory.rooms().get(id).map(|known| self.directory.room_name(known))
    }

    /// A page of the messages after a position; if there may be more, they come next.
    fn export_messages(
        &self,
        turn: &mut Turn<'_>,
        (identity, after): (IdentityId, u64),
        cursor: &mut ExportCursor,
        lines: &mut Vec<ExportLine>,
    ) -> Result<(), StoreError> {
        let conversation = ConversationRef::direct(&identity);
        let records = turn.vault()?;
        let from = after.saturating_add(1);
        let rows = self.timeline.page_from(records, &conversation, from, EXPORT_PAGE_MAX)?;
        let damaged = rows.iter().filter(|(_, message)| message.is_none()).count();
        cursor.unreadable += u64::try_from(damaged).unwrap_or_default();
        if rows.len() == EXPORT_PAGE_MAX
            && let Some((last, _)) = rows.last()
        {
            cursor.parts.push_front(Part::Messages(identity, *last));
        }
        let rows = self.not_over(conversation, rows);
        // Of these very rows: someone else's message may have the same id.
        let here = rows.iter().filter_map(|(_, record)| record.as_ref());
        let files: Vec<_> = here.map(file_of).collect();
        let (messages, mut lost) = self.rows(records, conversation, rows, Some(after), true)?;
        for (message, file) in messages.into_iter().zip(files) {
            if let Some(at) = lost.iter().position(|lost| lost.before == message.id) {
                let control::Lost { before, count } = lost.swap_remove(at);
                let conversation = message.conversation.clone();
                lines.push(ExportLine::Lost { conversation, before, count });
            }
            cursor.messages += 1;
            lines.push(ExportLine::Message { message });
            lines.extend(file);
        }
        Ok(())
    }
}

/// The file that a message of a conversation is, if it is in it; else how it looks, if that is.
fn file_of(record: &MessageRecord) -> Option<ExportLine> {
    match kinds::Content::of(record) {
        kinds::Content::Says(Says::File(file)) => export_file(record.id.to_string(), &file),
        kinds::Content::Says(Says::Text(_) | Says::Timers(_) | Says::Recalled)
        | kinds::Content::Does(_)
        | kinds::Content::Unknown { .. } => None,
    }
}

/// The file that a message is, if it is in it; else how it looks, if that is.
fn export_file(message: String, file: &File) -> Option<ExportLine> {
    let name = file.name.as_str().to_owned();
    match &file.content {
        FileContent::Here(bytes) => {
            Some(ExportLine::File { message, name, bytes: hex(bytes.as_slice()) })
        }
        FileContent::Blob(blob) => blob.thumbnail.as_ref().map(|thumbnail| ExportLine::Thumbnail {
            message,
            name,
            bytes: hex(thumbnail.as_slice()),
        }),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn count(lines: &[ExportLine]) -> u64 {
    u64::try_from(lines.len()).unwrap_or(u64::MAX)
}

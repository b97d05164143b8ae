//! Messages of before, for a device that the user linked with the wish that it has them.
//!
//! The new device asks, a page after the other, and this one answers from what it has then: so nothing of it is kept for that, and
//! each may be stopped at any time. Only a device is answered that the user said so of when they linked it, that counts still, and
//! for some days.

use martlet_protocol::message::history::{IS_LATE, IS_NEW, IS_READ, PAST_BYTES_MAX, Pages, Writer};
use martlet_protocol::message::history::{PastReaction, PastVersion};
use martlet_protocol::message::{
    self, BlobContent, DeviceMessage, File, FileContent, History, HistoryWanted, Past, Reached,
    Recall, Text, WantedLine,
};
use martlet_protocol::{DeviceId, EnvelopeId, IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{
    HistoryGivenRecord, MarksRecord, MessageRecord, State, VersionRecord,
};

use super::User;
use super::outbox::record;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::kinds::{self, Content, Says, message_of};
use crate::limits::{
    PAST_BYTES_GIVEN_MAX, PAST_ENDS_LATER, PAST_GIVEN_FOR, PAST_LOOKED_AT_MAX, PAST_SLICE_MAX,
};
use crate::timeline::Page;
use crate::turn::Turn;

impl User {
    /// A device that is linked now may ask for messages of before.
    pub(super) fn begin_past(
        &mut self,
        turn: &mut Turn<'_>,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        let given = HistoryGivenRecord {
            device,
            at: turn.now,
            is_told: false,
            number: 0,
            messages: 0,
            bytes: 0,
            sent: Vec::new(),
            asked_at: None,
        };
        self.directory.siblings_mut().past_mut().put_given(turn.vault()?, given)
    }

    /// Tells devices that they may ask, as soon as their keys are known. Those that may no more are forgotten, and what is on its way
    /// to them is sent no more.
    pub(super) fn tell_past(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (own, now) = (self.identity, turn.now);
        let given: Vec<_> = self.directory.siblings().past().all_given().cloned().collect();
        for mut given in given {
            let device = given.device;
            if !self.may_have_past(&given, now) {
                for id in &given.sent {
                    self.outbox.let_go(turn.vault()?, id)?;
                }
                self.directory.siblings_mut().past_mut().end_given(turn.vault()?, &device)?;
                continue;
            }
            if given.is_told || !self.is_active() {
                continue;
            }
            let offer = DeviceMessage::History(Box::new(History::offer()));
            for content in self.seal_to_devices(turn, &own, Some(device), &offer)? {
                given.sent.push(self.post_past(turn, content)?);
                given.is_told = true;
            }
            if given.is_told {
                self.directory.siblings_mut().past_mut().put_given(turn.vault()?, given)?;
            }
        }
        Ok(())
    }

    /// Sends something for this to another device of the user's. Until that has it, it is in the outbox: also after a restart.
    pub(super) fn post_past(
        &mut self,
        turn: &mut Turn<'_>,
        content: Vec<u8>,
    ) -> Result<EnvelopeId, StoreError> {
        let record = record(turn, self.identity, content);
        let id = record.id;
        self.post_record(turn, record)?;
        Ok(id)
    }

    /// A device could not open something of this one's: if it has asked for nothing yet, it is told once more that it may.
    pub(super) fn offer_past_again(
        &mut self,
        turn: &mut Turn<'_>,
        device: &DeviceId,
    ) -> Result<(), StoreError> {
        let given = self.directory.siblings().past().given(device);
        let Some(mut given) = given.filter(|it| it.is_told && it.number == 0).cloned() else {
            return Ok(());
        };
        for id in std::mem::take(&mut given.sent) {
            self.outbox.let_go(turn.vault()?, &id)?;
        }
        given.is_told = false;
        self.directory.siblings_mut().past_mut().put_given(turn.vault()?, given)
    }

    fn may_have_past(&self, given: &HistoryGivenRecord, now: UnixMillis) -> bool {
        let is_valid = self.keyring.identities.is_valid(&self.identity, &given.device);
        is_valid && now.since(given.at) < PAST_GIVEN_FOR
    }

    /// A device asks for messages of before; whether that is wanted.
    pub(super) fn give_past(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, device }: Author,
        wanted: &HistoryWanted,
    ) -> Result<bool, StoreError> {
        let (own, now) = (self.identity, turn.now);
        if identity != own {
            return Ok(false);
        }
        let given = self.directory.siblings().past().given(&device);
        let given = given.filter(|given| self.may_have_past(given, now) && self.is_active());
        let Some(mut given) = given.filter(|given| is_newer(wanted, given)).cloned() else {
            tracing::debug!("a device asks for messages of before, and is not answered");
            return Ok(true);
        };
        // Who asks has no use for what answered them before.
        for id in std::mem::take(&mut given.sent) {
            self.outbox.let_go(turn.vault()?, &id)?;
        }
        (given.number, given.asked_at) = (wanted.number, wanted.asked_at);
        let pages = match given.bytes < PAST_BYTES_GIVEN_MAX {
            true => self.past_pages(turn, wanted, given.at)?,
            false => Vec::new(),
        };
        for page in pages {
            given.messages += u64::try_from(page.said()).unwrap_or(u64::MAX);
            let page = DeviceMessage::History(Box::new(page));
            for content in self.seal_to_devices(turn, &own, Some(device), &page)? {
                given.bytes += u64::try_from(content.len()).unwrap_or(u64::MAX);
                given.sent.push(self.post_past(turn, content)?);
            }
        }
        self.directory.siblings_mut().past_mut().put_given(turn.vault()?, given)?;
        Ok(true)
    }

    fn past_pages(
        &self,
        turn: &mut Turn<'_>,
        wanted: &HistoryWanted,
        linked_at: UnixMillis,
    ) -> Result<Vec<History>, StoreError> {
        let (mut pages, mut left) = (Pages::default(), PAST_LOOKED_AT_MAX);
        let now = turn.now;
        // A page is in mailboxes until the first of its texts has ended. If one was lost, those that may be so again hold up the others.
        let has_time = |ends_at: Option<UnixMillis>| {
            ends_at.is_none_or(|end| match wanted.tries {
                0 => end > now,
                1 => end > now.plus(PAST_ENDS_LATER),
                2.. => false,
            })
        };
        for WantedLine { conversation: line, before } in &wanted.lines {
            if left == 0 || pages.is_full() || !pages.begin(*line, *before) {
                break;
            }
            if !self.has_past(line) {
                continue;
            }
            let conversation = ConversationRef::direct(line);
            let max = left.min(PAST_SLICE_MAX);
            let page = self.timeline.page(turn.vault()?, &conversation, *before, max)?;
            let Page { messages, more } = page;
            left -= messages.len();
            let next = messages.first().map(|(position, _)| *position).filter(|_| more);
            let mut has_room = true;
            for (position, message) in messages.into_iter().rev() {
                let place = Place { conversation, position };
                let past = match message {
                    Some(message) => self.past(turn, &place, &message, linked_at)?,
                    None => None,
                };
                if let Some((writer, past)) = past
                    && has_time(past.ends_at())
                    && !pages.say(writer, past, position)
                {
                    has_room = false;
                    break;
                }
            }
            if has_room {
                pages.end(next);
            }
        }
        Ok(pages.finish(wanted.number))
    }

    /// Whether a conversation is one of those that the user sees.
    fn has_past(&self, line: &IdentityId) -> bool {
        let rooms = self.directory.rooms();
        let is_shown = || rooms.of_line(line).is_some_and(|known| known.is_shown(&self.identity));
        *line == self.identity || self.directory.is_contact(line) || is_shown()
    }

    /// A message as it is told of; `None` if it is not: its time is over, or it burns and nobody has read it here.
    fn past(
        &self,
        turn: &mut Turn<'_>,
        place: &Place,
        record: &MessageRecord,
        linked_at: UnixMillis,
    ) -> Result<Option<(Writer, Past)>, StoreError> {
        let is_unlit = record.timers.burn_s.is_some() && record.burns_from.is_none();
        if is_unlit || self.timeline.is_over(place, record) {
            return Ok(None);
        }
        let mut message = message_of(record);
        message.content = match Content::of(record) {
            Content::Says(Says::Text(_) | Says::Timers(_)) | Content::Unknown { .. } => {
                message.content
            }
            Content::Says(Says::File(file)) => named(file),
            Content::Says(Says::Recalled) => {
                message::Content::Recall(Recall { message: record.id })
            }
            Content::Does(_) => return Ok(None),
        };
        let this = self.author();
        let writer = match record.author {
            Some(Author { identity, device }) => Writer { identity, device },
            None if record.own => Writer { identity: this.identity, device: this.device },
            None => Writer { identity: person(&place.conversation), device: DeviceId([0; 32]) },
        };
        let is_read = record.own && self.timeline.is_read_by_them(place);
        let is_new = !record.own && record.stored_at > linked_at && !self.timeline.is_read(place);
        let flags = [(record.is_late, IS_LATE), (is_read, IS_READ), (is_new, IS_NEW)];
        let marks = self.timeline.marks(turn.vault()?, place, record)?;
        let mut past = Past {
            message: message.encode(),
            writer: 0,
            stored_at: record.stored_at,
            state: state(record),
            burns_from: record.burns_from,
            flags: flags.iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum(),
            recalled_by: record.body.recalled_by(),
            told_by: record.told_by,
            versions: Vec::new(),
            reactions: reactions(&marks),
        };
        add_versions(&mut past, marks.versions);
        Ok(Some((writer, past)))
    }
}

/// Whether a request is newer than the one that was answered last. Where the other device was put back from a copy it counts again
/// from there, but later; where its clock was set back it counts on.
fn is_newer(wanted: &HistoryWanted, given: &HistoryGivenRecord) -> bool {
    wanted.number > given.number || wanted.asked_at > given.asked_at
}

/// How far an own message got, if it is not delivered.
fn state(record: &MessageRecord) -> Option<u8> {
    let reached = match record.state {
        State::Queued => Reached::QUEUED,
        State::Sent => Reached::SENT,
        State::Expired => Reached::EXPIRED,
        State::Delivered | State::Recalled => return None,
    };
    record.own.then_some(reached.0)
}

/// A file without its bytes. One that is a blob can be fetched from who has it still; of one that came in its message the words are
/// left.
fn named(file: File) -> message::Content {
    match file.content {
        FileContent::Blob(blob) => {
            // By now no mailbox has its parts.
            let content = FileContent::Blob(Box::new(BlobContent { has_parts: false, ..*blob }));
            message::Content::File(File { content, ..file })
        }
        FileContent::Here(_) => {
            let words = kinds::file::shown_elsewhere(&file);
            match Text::new(words) {
                Ok(text) => message::Content::Text(text),
                Err(_) => message::Content::File(file),
            }
        }
    }
}

fn reactions(marks: &MarksRecord) -> Vec<PastReaction> {
    let reactions = marks.reactions.iter().map(|reaction| PastReaction {
        by: reaction.by,
        at: reaction.at,
        id: reaction.id,
        emoji: reaction.emoji.clone().unwrap_or_default(),
    });
    reactions.collect()
}

/// What a message said before, as far as there is room: the original and the last ones.
fn add_versions(past: &mut Past, versions: Vec<VersionRecord>) {
    let versions = versions.into_iter();
    past.versions =
        versions.map(|VersionRecord { at, id, text }| PastVersion { at, id, text }).collect();
    if let Some(last) = past.versions.last_mut() {
        // It is in the message.
        last.text.clear();
    }
    while past.versions.len() > 1 && past.bytes() > PAST_BYTES_MAX {
        let oldest = usize::from(past.versions.len() > 2);
        past.versions.remove(oldest);
    }
}

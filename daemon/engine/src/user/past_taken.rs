//! Messages of before, on a device that was linked: asked for of the device that linked it, and put before all that came here.
//!
//! Each page is taken in one batch, with the note how far this is. So each side may be killed at any time, and it goes on. What is here
//! already is left as it is; what has ended is not put back.

use martlet_protocol::limits::{CLOCK_SKEW_MAX, TEXT_BYTES_MAX};
use martlet_protocol::message::history::{
    IS_LATE, IS_NEW, IS_READ, PastReaction, PastVersion, Slice, Writer,
};
use martlet_protocol::message::history_wanted::LINES_MAX;
use martlet_protocol::message::reaction::Emoji;
use martlet_protocol::message::{
    DeviceMessage, History, HistoryWanted, Message, Past, Reached, Recall, Timers,
};
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{
    Body, Happened, HistoryLineRecord, HistoryTakenRecord, MarksRecord, MessageRecord,
    ReactionRecord, State, VersionRecord,
};

use super::User;
use crate::conversation::{Author, ConversationRef, Place};
use crate::directory::{KnownRoom, room_line};
use crate::kinds::{self, Content, Does, Says};
use crate::limits::{
    PAST_ASKED_AGAIN_AFTER, PAST_BYTES_MAX, PAST_GIVEN_FOR, PAST_MESSAGES_MAX, PAST_POSITION_MAX,
    REACTIONS_MAX, VERSIONS_MAX,
};
use crate::turn::Turn;

/// A message of before, as it is put in its place.
struct Taken {
    record: MessageRecord,
    marks: MarksRecord,
    /// Whether the other side said that they read it.
    is_read: bool,
    /// Whether the user has not read it anywhere.
    is_new: bool,
}

impl User {
    /// Another device of the user's has messages of before for this one, or sends some; whether that is wanted.
    pub(super) fn take_past(
        &mut self,
        turn: &mut Turn<'_>,
        Author { identity, device }: Author,
        page: History,
    ) -> Result<bool, StoreError> {
        let now = turn.now;
        if identity != self.identity {
            return Ok(false);
        }
        let linked = self.keyring.linked(turn.vault()?)?;
        let Some(linked) = linked.filter(|linked| linked.device == device) else {
            tracing::debug!("messages of before of a device that did not link this one");
            return Ok(true);
        };
        let taken = self.directory.siblings().past().taken().cloned();
        match taken {
            None if page.number == 0 && now.since(linked.at) < PAST_GIVEN_FOR => {
                let taken = HistoryTakenRecord {
                    at: now,
                    number: 0,
                    asked: None,
                    heard_at: now,
                    next_page: None,
                    messages: 0,
                    bytes: 0,
                    tries: 0,
                };
                self.directory.siblings_mut().past_mut().put_taken(turn.vault()?, taken)?;
                self.ask_for_past(turn)?;
            }
            Some(taken)
                if page.number == taken.number && page.number > 0 && is_open(&taken, now) =>
            {
                self.take_page(turn, taken, page)?;
            }
            Some(_) | None => {}
        }
        Ok(true)
    }

    /// Takes a page of what was asked for last, once those before it have come.
    fn take_page(
        &mut self,
        turn: &mut Turn<'_>,
        mut taken: HistoryTakenRecord,
        page: History,
    ) -> Result<(), StoreError> {
        taken.heard_at = turn.now;
        match taken.next_page {
            Some(next) if page.page == next => {}
            // One that is lost is asked for again. What has a timer is in no page that waits.
            Some(next) if page.page > next && has_timed(&page) => return Ok(()),
            Some(next) if page.page > next => {
                let bytes = DeviceMessage::History(Box::new(page.clone())).encode();
                let past = self.directory.siblings_mut().past_mut();
                past.keep_page(turn.vault()?, page.page, bytes)?;
                return past.put_taken(turn.vault()?, taken);
            }
            Some(_) | None => return Ok(()),
        }
        let mut next = Some(page);
        while let Some(page) = next.take() {
            let number = page.page + 1;
            let is_last = number >= page.pages;
            for slice in page.slices {
                self.take_slice(turn, &mut taken, &page.writers, slice)?;
            }
            taken.next_page = Some(number).filter(|_| !is_last);
            if !is_last {
                let past = self.directory.siblings().past();
                let kept = past.take_page(turn.vault()?, number)?;
                next = kept.and_then(|bytes| match DeviceMessage::decode(&bytes) {
                    Ok(DeviceMessage::History(page)) => Some(*page),
                    Ok(_) | Err(_) => None,
                });
            }
        }
        let past = self.directory.siblings_mut().past_mut();
        if is_full(&taken) {
            past.forget_pages(turn.vault()?)?;
        }
        past.put_taken(turn.vault()?, taken)?;
        self.ask_for_past(turn)
    }

    /// Takes a part of a conversation, if it goes on where the last one ended.
    fn take_slice(
        &mut self,
        turn: &mut Turn<'_>,
        taken: &mut HistoryTakenRecord,
        writers: &[Writer],
        Slice { conversation, before, next, said }: Slice,
    ) -> Result<(), StoreError> {
        let line = self.directory.siblings().past().line(&conversation).cloned();
        let line = line.filter(|line| !line.is_done && line.before == before);
        let Some(mut line) = line else { return Ok(()) };
        let mut new = Vec::new();
        for past in said {
            taken.bytes += u64::try_from(past.bytes()).unwrap_or(u64::MAX);
            if is_full(taken) {
                break;
            }
            let Some(past) = self.past_message(turn.now, &conversation, writers, past) else {
                tracing::debug!("a message of before that breaks a bound");
                continue;
            };
            match past.is_new {
                true => new.push(past),
                false => taken.messages += u64::from(self.put_past(turn, &mut line, past)?),
            }
        }
        for past in new.into_iter().rev() {
            taken.messages += u64::from(self.put_past(turn, &mut line, past)?);
        }
        // What goes backwards comes to an end.
        let goes_on = next.is_some_and(|next| before.is_none_or(|before| next <= before));
        let is_done = !goes_on || is_full(taken) || line.position == 0;
        let line = HistoryLineRecord { before: next, is_done, ..line };
        self.directory.siblings_mut().past_mut().put_line(turn.vault()?, line)
    }

    /// Puts a message of before in its place, unless it is here, or has ended; whether it did.
    fn put_past(
        &mut self,
        turn: &mut Turn<'_>,
        line: &mut HistoryLineRecord,
        Taken { mut record, marks, is_read, is_new }: Taken,
    ) -> Result<bool, StoreError> {
        let conversation = ConversationRef::direct(&line.conversation);
        let author = record.author.map_or(line.conversation, |author| author.identity);
        let is_known = match record.own {
            true => self.timeline.has_own(turn.vault()?, &record.id)?,
            false => self.timeline.is_known(turn.vault()?, &author, &record.id)?,
        };
        if is_known || line.position == 0 || self.timeline.was_recalled(&conversation, &record) {
            return Ok(false);
        }
        self.timeline.burn_sent(&mut record);
        if self.timeline.has_ended(&record).is_some() {
            return Ok(false);
        }
        if is_new {
            let records = turn.vault()?;
            let place = self.timeline.append_past(records, conversation, &record, &marks)?;
            self.emit(turn, Happened::MessageReceived(place))?;
            self.do_early(turn, &place)?;
            return Ok(true);
        }
        let place = Place { conversation, position: line.position };
        line.position -= 1;
        self.timeline.put_past(turn.vault()?, &place, &record, &marks)?;
        if is_read {
            self.timeline.note_their_read(&place);
        }
        self.do_early(turn, &place)?;
        Ok(true)
    }

    /// Asks for more, unless an answer is still to come.
    pub(super) fn ask_for_past(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let (own, now) = (self.identity, turn.now);
        let taken = self.directory.siblings().past().taken().cloned();
        let Some(mut taken) = taken.filter(|_| self.is_active()) else { return Ok(()) };
        let linked = self.keyring.linked(turn.vault()?)?;
        let is_valid = |device: &DeviceId| self.keyring.identities.is_valid(&own, device);
        let linked = linked.filter(|linked| is_open(&taken, now) && is_valid(&linked.device));
        let Some(linked) = linked else {
            return self.directory.siblings_mut().past_mut().end_taken(turn.vault()?);
        };
        if is_full(&taken) {
            return Ok(());
        }
        let is_under_way = taken.asked.is_some_and(|id| self.outbox.end_of(&id).is_some());
        let has_come = taken.asked.is_some() && !is_under_way;
        let is_first_look = self.directory.siblings_mut().past_mut().is_first_look();
        if taken.next_page.is_some() && (has_come || is_first_look) {
            // The other device has the request, or this one was off: what answers it has its time from now on.
            taken.heard_at = now;
            taken.asked = taken.asked.filter(|_| is_under_way);
            return self.directory.siblings_mut().past_mut().put_taken(turn.vault()?, taken);
        }
        // While the request is on its way the other device may be off. Once it has it, what it answers is in its outbox.
        let is_waiting = is_under_way || now.since(taken.heard_at) < PAST_ASKED_AGAIN_AFTER;
        if taken.next_page.is_some() && is_waiting {
            return Ok(());
        }
        self.begin_lines(turn)?;
        let lines = self.directory.siblings().past().wanted(LINES_MAX);
        if lines.is_empty() {
            return Ok(());
        }
        let number = taken.number.saturating_add(1);
        let tries = if taken.next_page.is_some() { taken.tries.saturating_add(1) } else { 0 };
        let wanted = HistoryWanted { number, lines, asked_at: Some(now), tries };
        let wanted = DeviceMessage::HistoryWanted(wanted);
        for content in self.seal_to_devices(turn, &own, Some(linked.device), &wanted)? {
            let asked = Some(self.post_past(turn, content)?);
            let next_page = Some(0);
            taken = HistoryTakenRecord { number, asked, heard_at: now, next_page, tries, ..taken };
            let past = self.directory.siblings_mut().past_mut();
            past.forget_pages(turn.vault()?)?;
            past.put_taken(turn.vault()?, taken.clone())?;
        }
        Ok(())
    }

    /// Conversations that are known by now are asked for as well.
    fn begin_lines(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let past = self.directory.siblings().past();
        let rooms = self.shown_rooms().map(|known| room_line(&known.room.id()));
        let contacts = self.directory.identities().copied();
        let all = contacts.chain(rooms).chain([self.identity]);
        let new: Vec<_> = all.filter(|line| past.line(line).is_none()).collect();
        for conversation in new {
            let is_done = !self.timeline.has_room_for_past(&ConversationRef::direct(&conversation));
            let position = PAST_POSITION_MAX;
            let line = HistoryLineRecord { conversation, before: None, position, is_done };
            self.directory.siblings_mut().past_mut().put_line(turn.vault()?, line)?;
        }
        Ok(())
    }

    /// A message as another device of the user's tells of it; `None` if it breaks a bound, or can't be of that conversation.
    fn past_message(
        &self,
        now: UnixMillis,
        line: &IdentityId,
        writers: &[Writer],
        past: Past,
    ) -> Option<Taken> {
        let Writer { identity, device } = *writers.get(usize::from(past.writer))?;
        let message = Message::decode(&past.message).ok()?;
        let is_late = past.flags & IS_LATE != 0;
        let room = self.directory.rooms().of_line(line);
        let is_of_it = |who: &IdentityId| self.is_of_conversation(line, room, who);
        let is_ahead = |at: UnixMillis| at > now.plus(CLOCK_SKEW_MAX);
        if !is_of_it(&identity) || is_ahead(message.sent_at) {
            return None;
        }
        let (own, id) = (identity == self.identity, message.id);
        let author = Author { identity, device };
        let received = kinds::received(message, author, past.stored_at.min(now));
        let body = match Content::of(&received) {
            Content::Says(Says::Timers(_)) if room.is_some() => return None,
            Content::Says(_) | Content::Unknown { .. } => received.body,
            Content::Does(Does::Recall(Recall { message })) if message == id => {
                past.recalled_by.map_or(Body::Recalled, Body::RecalledBy)
            }
            Content::Does(_) => return None,
        };
        let is_recalled = body.is_recalled();
        let state = match past.state.filter(|_| own).map(Reached) {
            _ if own && is_recalled => State::Recalled,
            None | Some(Reached::DELIVERED) => State::Delivered,
            Some(Reached::QUEUED) => State::Queued,
            Some(Reached::SENT) => State::Sent,
            Some(Reached::EXPIRED) => State::Expired,
            Some(_) => return None,
        };
        let marks = match is_recalled {
            true => MarksRecord::default(),
            false => MarksRecord {
                versions: versions(&body, past.versions),
                reactions: reactions(past.reactions, |it| is_of_it(&it.by) && !is_ahead(it.at)),
                received: None,
            },
        };
        let mentions = if room.is_some() { received.mentions } else { Vec::new() };
        let record = MessageRecord {
            own,
            state,
            body,
            burns_from: past.burns_from.map(|from| from.min(now)),
            is_marked: !marks.versions.is_empty() || !marks.reactions.is_empty(),
            is_late: is_late && room.is_some(),
            mentions_user: !own && mentions.contains(&self.identity),
            mentions,
            told_by: past.told_by.filter(|who| room.is_some() && is_of_it(who)),
            ..received
        };
        let is_read = own && past.flags & IS_READ != 0;
        let is_new = !own && !is_recalled && past.flags & IS_NEW != 0;
        Some(Taken { record, marks, is_read, is_new })
    }

    /// Whether someone may have written in a conversation.
    fn is_of_conversation(
        &self,
        line: &IdentityId,
        room: Option<&KnownRoom>,
        who: &IdentityId,
    ) -> bool {
        let is_other = || room.map_or(who == line, |known| known.concerns(who));
        *who == self.identity || is_other()
    }
}

fn is_open(taken: &HistoryTakenRecord, now: UnixMillis) -> bool {
    now.since(taken.at) < PAST_GIVEN_FOR
}

pub(super) fn is_full(taken: &HistoryTakenRecord) -> bool {
    taken.messages >= PAST_MESSAGES_MAX || taken.bytes >= PAST_BYTES_MAX
}

/// Whether some of its messages end.
fn has_timed(page: &History) -> bool {
    let mut said = page.slices.iter().flat_map(|slice| &slice.said);
    said.any(|past| {
        Message::decode(&past.message).is_ok_and(|message| message.timers != Timers::OFF)
    })
}

/// What a text said before; nothing if that can't be.
fn versions(body: &Body, past: Vec<PastVersion>) -> Vec<VersionRecord> {
    let Body::Text(said) = body else { return Vec::new() };
    let last = past.len().saturating_sub(1);
    let mut versions = Vec::with_capacity(past.len().min(VERSIONS_MAX));
    for (at, PastVersion { at: when, id, text }) in past.into_iter().enumerate() {
        let text = if at == last { said.clone() } else { text };
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || at >= VERSIONS_MAX {
            return Vec::new();
        }
        versions.push(VersionRecord { at: when, id, text });
    }
    versions
}

fn reactions(
    past: Vec<PastReaction>,
    is_taken: impl Fn(&PastReaction) -> bool,
) -> Vec<ReactionRecord> {
    let mut reactions: Vec<ReactionRecord> = Vec::new();
    for reaction in past.into_iter().filter(|it| is_taken(it)) {
        let PastReaction { by, at, id, emoji } = reaction;
        let emoji = Some(emoji).filter(|emoji| !emoji.is_empty());
        let is_good = emoji.as_ref().is_none_or(|emoji| Emoji::new(emoji.as_str()).is_ok());
        let is_new = !reactions.iter().any(|known| known.by == by);
        if is_good && is_new && reactions.len() < REACTIONS_MAX {
            reactions.push(ReactionRecord { by, at, id, emoji });
        }
    }
    reactions
}

//! Unknown people: what they send waits in a request, unacknowledged, until the user decides.

use martlet_protocol::control::MessageRequest;
use martlet_protocol::message::Content;
use martlet_protocol::{Ack, DeviceId, IdentityId, Rendezvous};
use martlet_store::StoreError;
use martlet_store::records::{HELD, Happened, MESSAGES, RequestMessage};

use super::User;
use super::inbox::Came;
use crate::conversation::{ConversationRef, person};
use crate::directory::{Accepted, DirectoryError, Kept, Subject};
use crate::error::Fault;
use crate::kinds::{self, message_of};
use crate::turn::Turn;

/// Characters of a request's first message that are shown before it is accepted.
const PREVIEW_CHARS: usize = 80;

impl User {
    /// The sender of a session's key is not a contact: makes room for what they may send. `false` if
    /// nothing of theirs is wanted.
    pub(super) fn greet_stranger(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        (suggested_name, rendezvous): (Option<String>, Rendezvous),
    ) -> Result<bool, StoreError> {
        if self.directory.dropped().contains(&identity)
            || self.has_ended_elsewhere(turn, &identity)?
        {
            return Ok(false);
        }
        let suggested_name =
            suggested_name.and_then(|name| crate::directory::clean_name(&name).ok());
        let now = turn.now;
        let requests = self.directory.requests_mut();
        let pushed_out =
            requests.greet(turn.vault()?, identity, (suggested_name, rendezvous), now)?;
        if let Some(pushed_out) = pushed_out {
            self.keyring.inbound.forget_all_of(turn.vault()?, &pushed_out)?;
        }
        Ok(true)
    }

    /// Keeps what an unknown person wrote.
    pub(super) fn keep_for_request(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        device: DeviceId,
        message: &[u8],
        acks: Vec<Ack>,
    ) -> Result<(), StoreError> {
        let now = turn.now;
        let message = RequestMessage { device, stored_at: now, message: message.to_vec() };
        let requests = self.directory.requests_mut();
        let kept = requests.keep(turn.vault()?, identity, &message)?;
        match kept {
            // Signed by its sender and still malformed: there is nothing to keep.
            None | Some(Kept::NoRoom) => return Ok(()),
            Some(Kept::First(message)) => {
                self.note_request_end(turn, identity, &message, now)?;
                self.emit(turn, Happened::RequestReceived(identity))?;
            }
            Some(Kept::Another(message)) => {
                self.note_request_end(turn, identity, &message, now)?;
                if let Content::Recall(recall) = message.content {
                    let requests = self.directory.requests_mut();
                    requests.recall(turn.vault()?, &identity, &recall.message)?;
                }
            }
            Some(Kept::Known) => {}
        }
        self.directory.requests_mut().keep_acks(turn.vault()?, &identity, acks, now)
    }

    /// What came from `identity` is safe here. A contact is told so; of an unknown person the acks wait
    /// until they are a contact: else anyone could test whether the user is on.
    pub(super) fn acknowledge_to(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
        acks: Vec<Ack>,
    ) -> Result<(), StoreError> {
        if self.directory.is_contact(identity) || *identity == self.identity {
            return self.acknowledge(turn, acks);
        }
        let now = turn.now;
        self.directory.requests_mut().keep_acks(turn.vault()?, identity, acks, now)
    }

    /// Someone is a contact now: what they had sent is shown and acknowledged, and what found no room
    /// is looked for in the mailbox.
    pub(super) fn accept_stranger(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        let was_dropped = self.directory.dropped_mut().remove(turn.vault()?, &identity)?;
        let requests = self.directory.requests_mut();
        if was_dropped || requests.is_known(&identity) {
            self.timeline.join_midway(ConversationRef::direct(&identity));
        }
        let Accepted { messages, acks } = requests.take(turn.vault()?, &identity)?;
        let is_request = !messages.is_empty();
        let is_complete = !is_request && acks.is_empty() && !was_dropped;
        for RequestMessage { device, stored_at, message } in messages {
            let came = Came { at: stored_at, after: 0, session: None };
            self.take_content(turn, (identity, device), &message, came)?;
        }
        if is_request {
            self.tell_accepted(turn, &identity)?;
        }
        self.acknowledge(turn, acks)?;
        // Also when something of unknown people was left out: it may have been theirs.
        if self.directory.requests_mut().take_left_out() || !is_complete {
            self.look_again(turn)?;
        }
        Ok(())
    }

    pub(crate) fn show_requests(
        &self,
        turn: &mut Turn<'_>,
    ) -> Result<Vec<MessageRequest>, StoreError> {
        let waiting = self.directory.requests().waiting();
        let waiting: Vec<_> = waiting.map(|request| request.record.identity).collect();
        let mut shown = Vec::new();
        for identity in waiting {
            shown.extend(self.show_request(turn, &identity)?);
        }
        shown.sort_by_key(|request| request.first_at);
        Ok(shown)
    }

    /// One of them, if it is waiting.
    pub(super) fn show_request(
        &self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<Option<MessageRequest>, StoreError> {
        let requests = self.directory.requests();
        let Some(request) = requests.waiting_of(identity) else { return Ok(None) };
        let first = requests.first_message(turn.vault()?, identity)?;
        let first = first.filter(|(at, message)| !self.timeline.has_expired(*at, message));
        let preview = first.and_then(|(_, message)| match message.content {
            Content::Text(text) => Some(text.as_str().chars().take(PREVIEW_CHARS).collect()),
            Content::File(file) => {
                Some(kinds::file::shown(&file, None).chars().take(PREVIEW_CHARS).collect())
            }
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
            | Content::Unknown { .. } => None,
        });
        Ok(Some(MessageRequest {
            id: request.record.id().to_string(),
            suggested_name: request.record.suggested_name.clone(),
            first_at: request.record.first_at,
            messages: u64::try_from(request.messages).unwrap_or(u64::MAX),
            preview,
        }))
    }

    /// Discards a request and what came with it. Whatever its sender sends later is not looked at,
    /// until they are added as a contact.
    pub(crate) fn drop_request(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), Fault> {
        if !self.directory.requests().is_waiting(&identity) {
            return Err(DirectoryError::UnknownRequest.into());
        }
        let now = turn.now;
        self.directory.dropped_mut().add(turn.vault()?, identity, now)?;
        self.forget_request(turn, identity)?;
        self.look_for_left_out(turn)?;
        self.share(turn, Subject::Dropped(identity))?;
        Ok(())
    }

    /// An earlier version kept what unknown people wrote among the conversations, acknowledged, and left
    /// their counters there when a request was dropped.
    pub(super) fn move_old_requests(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let strangers = self.timeline.iter().filter(|conversation| {
            conversation.last_sent_seq == 0
                && person(&conversation.conversation) != self.identity
                && !self.directory.rooms().is_line(&person(&conversation.conversation))
                && !self.directory.is_contact(&person(&conversation.conversation))
        });
        let strangers: Vec<_> = strangers
            .map(|stranger| (person(&stranger.conversation), stranger.due.clone()))
            .collect();
        for (identity, due) in strangers {
            let scope = Some(&identity.0[..]);
            let device = self.keyring.inbound.devices_of(&identity).next();
            let device = device.or(due.first().map(|(device, _)| *device));
            let records = turn.vault()?;
            let mut old: Vec<_> = records
                .range(&MESSAGES, scope, 0..=u64::MAX, usize::MAX)?
                .into_iter()
                .filter_map(|(_, message)| Some((device?, message)))
                .collect();
            let conversation = ConversationRef::direct(&identity);
            records.for_each(&HELD, |held| {
                if held.conversation == conversation {
                    old.extend(held.messages().map(|message| (held.device, message.clone())));
                }
            })?;
            if self.directory.requests().is_known(&identity) {
                for (device, message) in old {
                    let stored_at = message.stored_at;
                    let message = message_of(&message).encode();
                    let message = RequestMessage { device, stored_at, message };
                    self.directory.requests_mut().keep(turn.vault()?, identity, &message)?;
                }
            }
            self.timeline.remove(turn.vault()?, conversation)?;
        }
        Ok(())
    }

    pub(super) fn forget_request(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        self.directory.requests_mut().remove(turn.vault()?, &identity)?;
        self.keyring.inbound.forget_all_of(turn.vault()?, &identity)
    }

    pub(super) fn look_for_left_out(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if self.directory.requests_mut().take_left_out() {
            self.look_again(turn)?;
        }
        Ok(())
    }

    /// Looks at the whole mailbox once more. What was taken before is recognized as such.
    pub(super) fn look_again(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.arrivals.last = turn.mailbox().stats()?.last_arrival;
        self.arrivals.looked_at = 0;
        self.counters.processed_arrival = 0;
        self.counters.is_dirty = true;
        Ok(())
    }
}

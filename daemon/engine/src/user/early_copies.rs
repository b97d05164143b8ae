//! What another device of the user's tells of a conversation with who is no contact here yet: it waits for the contact.

use martlet_protocol::message::{Content, ReadUpTo};
use martlet_protocol::{IdentityId, MessageId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{EarlyCopyRecord, MessageRecord, State};

use super::User;
use crate::conversation::Author;
use crate::kinds::{self, Does};
use crate::observer::Dropped;
use crate::turn::Turn;

impl User {
    /// Whether what another device tells of a conversation has to wait: for the contact, or behind what waited for it.
    pub(super) fn waits_for_contact(&self, identity: &IdentityId) -> bool {
        *identity != self.identity
            && !self.directory.rooms().is_line(identity)
            && (!self.directory.is_contact(identity)
                || self.directory.siblings().early_copies().has(identity))
    }

    /// Keeps what another device told, and did at some time, until its contact comes.
    pub(super) fn keep_early_copy(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        conversation: IdentityId,
        content: Content,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        if self.directory.shared().removed_at(&conversation).is_some_and(|removed| at <= removed) {
            tracing::debug!("of before the contact was removed");
            return Ok(());
        }
        let id = MessageId::random(turn.rng);
        let deed = self.compose(turn, 1, kinds::body_of(content), State::Delivered);
        let deed = MessageRecord { id, author: Some(author), ..deed };
        let record = EarlyCopyRecord { conversation, at, deed };
        let dropped =
            self.directory.siblings_mut().early_copies_mut().add(turn.vault()?, &record)?;
        (0..dropped).for_each(|_| turn.observer.deed_dropped(Dropped::Waited));
        self.show_early_copies_of(conversation);
        Ok(())
    }

    /// Someone is a contact: what waited for that is shown, by this batch and the next ones.
    pub(super) fn show_early_copies_of(&mut self, identity: IdentityId) {
        if self.directory.is_contact(&identity)
            && self.directory.siblings().early_copies().has(&identity)
        {
            self.unfinished.show_copies_of(identity);
        }
    }

    /// After a start, and once a day: what waits for a contact that is there is shown, and what waited too long is forgotten.
    pub(super) fn review_early_copies(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let sure = turn.sure;
        let copies = self.directory.siblings_mut().early_copies_mut();
        let forgotten = copies.forget_old(turn.vault()?, sure)?;
        (0..forgotten).for_each(|_| turn.observer.deed_dropped(Dropped::Waited));
        let waited_for: Vec<_> =
            self.directory.siblings().early_copies().conversations().copied().collect();
        waited_for.into_iter().for_each(|identity| self.show_early_copies_of(identity));
        Ok(())
    }

    /// Shows the first of what waited for a contact; whether there was something.
    pub(super) fn show_early_copy(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<bool, StoreError> {
        if !self.directory.is_contact(&identity) {
            return Ok(false);
        }
        let copies = self.directory.siblings_mut().early_copies_mut();
        let Some(deed) = copies.take_first(turn.vault()?, &identity)? else { return Ok(false) };
        let (kinds::Content::Does(does), Some(author)) = (kinds::Content::of(&deed), deed.author)
        else {
            return Ok(true);
        };
        match does {
            Does::ShowSent(sent) => self.show_sent(turn, author, &sent)?,
            Does::ReadUpTo(read) => self.show_read_up_to(turn, author, read)?,
            Does::Progress(progress) => self.show_progress(turn, author, &progress)?,
            Does::GrantSession(_)
            | Does::GrantRoomKey(_)
            | Does::RoomHello(_)
            | Does::RoomOps(_)
            | Does::RoomHistory(_)
            | Does::GivePast(_)
            | Does::TakePast(_)
            | Does::RoomOp(_)
            | Does::RecallOther(_)
            | Does::LearnIdentity(_)
            | Does::Ping(_)
            | Does::Pong(_)
            | Does::RenewOlm(_)
            | Does::Edit(..)
            | Does::React(..)
            | Does::Read(_)
            | Does::FileReceived(_)
            | Does::FileHolders(_)
            | Does::Typing(_)
            | Does::Recall(_)
            | Does::Profile(..)
            | Does::Settle(_)
            | Does::Nothing => {}
        }
        Ok(true)
    }

    /// The user has read a conversation on another device.
    pub(super) fn take_read_up_to(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        read: ReadUpTo,
    ) -> Result<(), StoreError> {
        if self.waits_for_contact(&read.conversation) {
            let (conversation, content, at) =
                (read.conversation, Content::ReadUpTo(read), turn.now);
            return self.keep_early_copy(turn, author, conversation, content, at);
        }
        self.show_read_up_to(turn, author, read)
    }
}

//! What messages do: each kind's rules are in `kinds/`, and here is what they change.

use martlet_protocol::crypto::session::SessionContext;
use martlet_store::StoreError;

use super::User;
use crate::conversation::{Author, ConversationRef};
use crate::kinds::Does;
use crate::turn::Turn;

impl User {
    /// Does what a device asks for, in a conversation, once its turn has come; `false` if nothing of it is wanted.
    pub(super) fn apply(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationRef,
        author: Author,
        does: Does,
    ) -> Result<bool, StoreError> {
        let Author { identity, device } = author;
        match does {
            Does::GrantRoomKey(key) => self.take_room_key(turn, author, *key),
            Does::RoomHello(hello) => self.take_hello(turn, author, &hello),
            Does::RoomOps(ops) => self.take_room_ops(turn, author, &ops),
            Does::RoomHistory(history) => self.take_room_history(turn, author, history),
            Does::GivePast(wanted) => self.give_past(turn, author, &wanted),
            Does::TakePast(history) => self.take_past(turn, author, *history),
            Does::GrantSession(message) => {
                let conversation = self.direct(&identity);
                let context = SessionContext { sender: identity, device, conversation };
                self.take_session(turn, context, *message)
            }
            Does::Ping(ping) => self.take_ping(turn, author, &ping),
            Does::LearnIdentity(changed) => self.take_identity_changed(turn, author, &changed),
            Does::RenewOlm(renewed) => self.take_olm_renewed(turn, author, &renewed),
            Does::Pong(pong) => Ok(self.take_pong(turn, author, &pong)),
            Does::Edit(when, edit) => {
                self.take_edit(turn, (conversation, author), when, &edit).map(|()| true)
            }
            Does::React(when, reaction) => {
                self.take_reaction(turn, (conversation, author), when, &reaction).map(|()| true)
            }
            Does::Read(read) => self.take_read(turn, author, read).map(|()| true),
            Does::FileReceived(received) => {
                self.take_file_received(turn, (conversation, author), received).map(|()| true)
            }
            Does::FileHolders(told) => {
                self.take_file_holders(turn, (conversation, author), &told).map(|()| true)
            }
            Does::Typing(typing) => self.take_typing(turn, author, typing),
            Does::Recall(recall) => {
                self.take_recall(turn, (conversation, author), recall).map(|()| true)
            }
            // It was looked at when it came, see `room_keys.rs`; elsewhere it has no meaning.
            Does::RecallOther(recall) => {
                if self.is_room(&conversation) {
                    self.take_room_recall(turn, conversation, (identity, recall))?;
                }
                Ok(true)
            }
            Does::Profile(when, profile) => {
                self.take_profile(turn, author, when, profile).map(|()| true)
            }
            Does::ShowSent(sent) if identity == self.identity => {
                self.take_sent(turn, author, &sent).map(|()| true)
            }
            Does::ReadUpTo(read) if identity == self.identity => {
                self.take_read_up_to(turn, author, read).map(|()| true)
            }
            Does::Settle(settings) if identity == self.identity => {
                self.settle(turn, settings).map(|()| true)
            }
            Does::Progress(progress) if identity == self.identity => {
                self.take_progress(turn, author, &progress).map(|()| true)
            }
            Does::ShowSent(_) | Does::ReadUpTo(_) | Does::Settle(_) | Does::Progress(_) => {
                tracing::debug!("what only the user's own devices may say");
                Ok(true)
            }
            // It was taken before its turn, see `rooms.rs`; elsewhere it has no meaning.
            Does::RoomOp(_) | Does::Nothing => Ok(true),
        }
    }
}

//! What messages do: each kind's rules are in `kinds/`, and here is what they change.

use martlet_protocol::crypto::session::SessionContext;
use martlet_store::StoreError;

use super::User;
use crate::conversation::Author;
use crate::kinds::Does;
use crate::turn::Turn;

impl User {
    /// Does what a device asks for, once its turn has come; `false` if nothing of it is wanted.
    pub(super) fn apply(
        &mut self,
        turn: &mut Turn<'_>,
        author: Author,
        does: Does,
    ) -> Result<bool, StoreError> {
        let Author { identity, device } = author;
        match does {
            Does::GrantSession(message) => {
                let conversation = self.direct(&identity);
                let context = SessionContext { sender: identity, device, conversation };
                self.take_session(turn, context, *message)
            }
            Does::Ping(ping) => self.take_ping(turn, author, &ping),
            Does::Pong(pong) => Ok(self.take_pong(turn, author, &pong)),
            Does::Nothing => Ok(true),
        }
    }
}

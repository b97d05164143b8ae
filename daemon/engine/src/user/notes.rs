//! Notes: what the user writes to themselves. They stand in a conversation like any, that of the user's own
//! identity, which nobody can have as a contact.

use martlet_protocol::control::{Delivery, SendResponse};
use martlet_protocol::message::Text;
use martlet_store::StoreError;
use martlet_store::records::{Body, State};

use super::User;
use crate::kinds::message_of;
use crate::turn::Turn;

impl User {
    /// Commits a note, and copies it to the user's other devices.
    pub(crate) fn write_note(
        &mut self,
        turn: &mut Turn<'_>,
        text: &Text,
    ) -> Result<SendResponse, StoreError> {
        let own = self.identity;
        let body = Body::Text(text.as_str().to_owned());
        // Its number is nobody's: the conversation with oneself numbers what goes to the other devices.
        let record = self.compose(turn, 1, body, State::Delivered);
        self.append(turn, own, &record)?;
        self.copy_sent(turn, own, &message_of(&record))?;
        Ok(SendResponse { id: record.id.to_string(), state: Delivery::Delivered })
    }
}

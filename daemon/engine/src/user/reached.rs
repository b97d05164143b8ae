//! How far a message got, as it is shown.

use martlet_protocol::control::{Delivery, Verified};
use martlet_store::records::State;

use super::view::{View, delivery};
use crate::conversation::{Place, person};
use crate::directory::KnownRoom;
use crate::outbox;

impl View<'_> {
    /// How far a message got.
    pub(super) fn state(&self, place: &Place, own: bool, state: State) -> Delivery {
        match (own, state) {
            (true, State::Delivered) if self.timeline.is_read_by_them(place) => Delivery::Read,
            (true, State::Queued) if self.needs_confirmation(place) => Delivery::NeedsConfirmation,
            (true, State::Queued) if self.needs_state(place) => Delivery::NeedsState,
            (true, state) => delivery(state),
            (false, _) if self.timeline.is_read(place) => Delivery::Read,
            (false, _) => Delivery::Delivered,
        }
    }

    /// Whether an own message waits for the user to confirm its contact's devices.
    fn needs_confirmation(&self, place: &Place) -> bool {
        let identity = person(&place.conversation);
        let contact = self.directory.contact(&identity);
        self.timeline.settings().strict_devices
            && contact.is_some_and(|contact| contact.verified() == Verified::Changed)
            && self.outbox.is_waiting(&outbox::Place { identity, position: place.position })
    }

    /// Whether an own message waits for a member to say what became of its room.
    fn needs_state(&self, place: &Place) -> bool {
        let identity = person(&place.conversation);
        let known = self.directory.rooms().of_line(&identity);
        known.and_then(KnownRoom::asked).is_some_and(|asked| asked.holds_messages)
            && self.outbox.is_waiting(&outbox::Place { identity, position: place.position })
    }
}

//! How far a message got, as it is shown.

use martlet_protocol::IdentityId;
use martlet_protocol::control::{Delivery, EventBody, Received, RoomPerson, Verified};
use martlet_store::records::{MessageRecord, ReceivedRecord, State};
use martlet_store::{StoreError, VaultTxn};

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

    /// That another person has a message.
    pub(super) fn reached(
        &self,
        records: &VaultTxn,
        place: &Place,
    ) -> Result<Option<EventBody>, StoreError> {
        let Some(record) = self.timeline.message(records, place)? else { return Ok(None) };
        let received = self.timeline.marks(records, place, &record)?.received;
        Ok(received.map(|received| EventBody::MessageReached {
            id: record.id.to_string(),
            conversation: self.name_or_id(&person(&place.conversation)),
            received: shown_received(&received),
        }))
    }

    /// Those whom a message in a room mentions.
    pub(super) fn mentions(&self, place: &Place, record: &MessageRecord) -> Vec<RoomPerson> {
        let known = self.directory.rooms().of_line(&person(&place.conversation));
        let Some(known) = known.filter(|_| !record.body.is_recalled()) else { return Vec::new() };
        let known = record.mentions.iter().filter(|who| known.concerns(who));
        known.map(|who| self.room_person(who)).collect()
    }
}

/// How many have a message.
pub(super) fn shown_received(received: &ReceivedRecord) -> Received {
    let count = |people: &[IdentityId]| u32::try_from(people.len()).unwrap_or(u32::MAX);
    Received { have: count(&received.have), of: count(&received.of) }
}

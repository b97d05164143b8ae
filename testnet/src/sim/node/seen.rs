//! What is seen at a simulated node: what leaves it, what comes to it, and what its user is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use martlet_engine::command::{GetContact, GetRoom, ListDevices, ReadEvents};
use martlet_engine::{FromNet, PeerKey, Stemmed, ToNet};
use martlet_protocol::control::{
    Delivery, Device, DeviceState, Event, EventBody, RoomMember, RoomRole,
};
use martlet_protocol::{Ack, Envelope, Id, IdentityId};
use martletd::host::EngineHandle;
use martletd::net::NetSink;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::super::book::{Note, Notes};
use super::super::pipe::lock;
use super::super::witness::{Brought, Item, of_ack};
use super::{Common, Sighting};
use crate::plan::NodeIndex;

/// What of the user's own leaves.
pub(super) fn left(node: NodeIndex, told: &ToNet) -> Vec<Sighting> {
    let made = |envelope: &Envelope| Sighting::Made { node, id: envelope.id().0 };
    let acked = |ack: &Ack| Sighting::AckMade { node, item: of_ack(ack), envelope: ack.envelope.0 };
    match told {
        ToNet::Publish(envelopes) => envelopes.iter().map(made).collect(),
        ToNet::PublishAcks(acks) => acks.iter().map(acked).collect(),
        ToNet::Stem(stemmed) => stemmed
            .iter()
            .map(|stemmed| match stemmed {
                Stemmed::Envelope(envelope) => made(envelope),
                Stemmed::Ack(ack) => acked(ack),
            })
            .collect(),
        ToNet::Stored(..)
        | ToNet::HasRoom(_)
        | ToNet::HasUngossiped
        | ToNet::FalseAcks(..)
        | ToNet::Interest(_)
        | ToNet::LookUp(_)
        | ToNet::Answer(..) => Vec::new(),
    }
}

pub(super) fn saw(notes: &Notes, start: Instant, sighting: Sighting) {
    lock(notes).push((start.elapsed(), Note::Saw(sighting)));
}

/// Whose the IDs are that are known in a sector.
pub(in crate::sim) type People = Arc<Mutex<HashMap<IdentityId, NodeIndex>>>;

/// Follows a node's events.
pub(super) struct Watcher {
    node: NodeIndex,
    engine: EngineHandle,
    /// The last event that was seen.
    seen: Arc<AtomicU64>,
    people: People,
    notes: Notes,
    start: Instant,
}

impl Watcher {
    pub(super) fn new(
        node: NodeIndex,
        engine: EngineHandle,
        seen: Arc<AtomicU64>,
        common: &Common,
    ) -> Self {
        let (people, notes) = (Arc::clone(&common.people), Arc::clone(&common.notes));
        Self { node, engine, seen, people, notes, start: common.start }
    }

    pub(super) async fn watch(self) {
        let mut events = self.engine.subscribe();
        // What was committed, and not seen, when the node crashed.
        let mut is_behind = true;
        loop {
            if std::mem::take(&mut is_behind) {
                loop {
                    let since = self.seen.load(Ordering::Relaxed);
                    let Ok(page) = self.engine.call(ReadEvents { since }).await else { break };
                    if page.events.is_empty() {
                        break;
                    }
                    for event in page.events {
                        self.see(event).await;
                    }
                }
            }
            match events.recv().await {
                Ok(event) => self.see((*event).clone()).await,
                Err(RecvError::Lagged(_)) => is_behind = true,
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn see(&self, event: Event) {
        if self.seen.fetch_max(event.seq, Ordering::Relaxed) >= event.seq {
            return;
        }
        let node = self.node;
        match event.body {
            // What the user writes on another device comes as theirs.
            EventBody::MessageReceived { message } | EventBody::MessageQueued { message } => {
                self.saw(Sighting::Shown { node, text: message.text });
            }
            EventBody::MessageState { id, state: Delivery::Sent, .. } => {
                self.saw(Sighting::Sent { id });
            }
            EventBody::MessageState { id, state: Delivery::Delivered, .. } => {
                self.saw(Sighting::Delivered { id });
            }
            EventBody::ContactDevices { name } => {
                if let Ok(contact) = self.engine.call(GetContact { name }).await {
                    self.look_at_devices(&contact.device_list);
                }
            }
            EventBody::DevicesChanged => {
                if let Ok(list) = self.engine.call(ListDevices {}).await {
                    self.look_at_devices(&list.devices);
                }
            }
            EventBody::RoomJoined { room, .. }
            | EventBody::RoomChanged { room, .. }
            | EventBody::RoomLeft { room, .. }
            | EventBody::RoomUndone { room, .. }
            | EventBody::RoomEquivocation { room, .. } => self.look_at_room(room).await,
            _ => {}
        }
    }

    /// How its user sees a room.
    async fn look_at_room(&self, room: String) {
        let Ok(room) = self.engine.call(GetRoom { room }).await else { return };
        let people = lock(&self.people);
        let node_of =
            |member: &RoomMember| people.get(&member.who.id.parse::<Id>().ok()?.identity).copied();
        let members = room.members.iter().filter(|member| is_in(member.role)).filter_map(node_of);
        let sighting = Sighting::Room {
            node: self.node,
            members: members.collect(),
            is_in: is_in(room.role),
            room: room.settings.name,
            digest: room.digest,
        };
        drop(people);
        self.saw(sighting);
    }

    /// Which of them its user knows to be revoked.
    fn look_at_devices(&self, devices: &[Device]) {
        for device in devices.iter().filter(|device| device.state == DeviceState::Revoked) {
            let Some(device) = device.name.clone() else { continue };
            self.saw(Sighting::KnowsRevoked { node: self.node, device });
        }
    }

    fn saw(&self, sighting: Sighting) {
        saw(&self.notes, self.start, sighting);
    }
}

fn is_in(role: RoomRole) -> bool {
    match role {
        RoomRole::Invited | RoomRole::Member | RoomRole::Moderator => true,
        RoomRole::Removed | RoomRole::Left => false,
    }
}

/// Sees what the network brings, on its way to the engine.
pub(super) struct Tap {
    pub(super) engine: EngineHandle,
    pub(super) node: NodeIndex,
    pub(super) notes: Notes,
    pub(super) start: Instant,
}

impl Tap {
    fn look(&self, event: &FromNet) {
        match event {
            FromNet::Envelopes { from, envelopes, .. } => {
                for received in envelopes {
                    let sighting = Sighting::Seen { node: self.node, id: received.id.0 };
                    saw(&self.notes, self.start, sighting);
                    self.brought(*from, received.id.0, Brought::Envelope);
                }
            }
            FromNet::Acks { from, acks } => {
                acks.iter().for_each(|ack| self.brought(*from, of_ack(ack), Brought::Ack));
            }
            FromNet::StoredBy { .. }
            | FromNet::Reconciled { .. }
            | FromNet::Outstanding { .. }
            | FromNet::Sift { .. }
            | FromNet::PeersTime { .. }
            | FromNet::OffStem(_)
            | FromNet::Found { .. } => {}
        }
    }

    fn brought(&self, from: PeerKey, item: Item, what: Brought) {
        saw(&self.notes, self.start, Sighting::Brought { node: self.node, from, item, what });
    }
}

impl NetSink for Tap {
    async fn deliver(&self, event: FromNet) {
        self.look(&event);
        self.engine.deliver(event).await;
    }

    fn try_deliver(&self, event: FromNet) -> Result<(), FromNet> {
        self.look(&event);
        self.engine.try_deliver(event)
    }

    fn passes_by(&self, from: PeerKey, stemmed: &Stemmed) {
        match stemmed {
            Stemmed::Envelope(envelope) => self.brought(from, envelope.id().0, Brought::OnStem),
            Stemmed::Ack(ack) => self.brought(from, of_ack(ack), Brought::Ack),
        }
    }
}

//! What is seen at a simulated node: what leaves it, what comes to it, and what its user is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use martlet_engine::command::{
    AcceptFile, FilesFrom, FilesPage, GetContact, GetRoom, ListDevices, ListFiles, ReadEvents,
};
use martlet_engine::{FromNet, PeerKey, Stemmed, ToNet};
use martlet_protocol::control::{
    Delivery, Device, DeviceState, Direction, Event, EventBody, FileState, FilesQuery, Message,
    MessageFile, RoomMember, RoomRole,
};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martlet_protocol::{Ack, Envelope, Id, IdentityId};
use martletd::host::EngineHandle;
use martletd::net::NetSink;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::super::book::{Note, Notes, text_of};
use super::super::pipe::lock;
use super::super::witness::{Brought, Item, of_ack};
use super::{Common, Sighting};
use crate::plan::{Accept, NodeIndex, Plan, of_file_name};

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
    /// Which files the user accepts, by their messages' numbers.
    accepted: HashMap<usize, Accept>,
    notes: Notes,
    start: Instant,
}

impl Watcher {
    pub(super) fn new(
        node: NodeIndex,
        engine: EngineHandle,
        seen: Arc<AtomicU64>,
        common: &Common,
        plan: &Plan,
    ) -> Self {
        let (people, notes) = (Arc::clone(&common.people), Arc::clone(&common.notes));
        let messages = plan.messages.iter().enumerate();
        let files = messages.filter_map(|(message, planned)| Some((message, planned.file?.accept)));
        let accepted = files.collect();
        Self { node, engine, seen, people, accepted, notes, start: common.start }
    }

    pub(super) async fn watch(self) {
        let mut events = self.engine.subscribe();
        // What was committed, and not seen, when the node crashed.
        let mut is_behind = true;
        self.accept_left().await;
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
                match &message.file {
                    Some(file) => self.see_file(&message, file).await,
                    None => self.saw(Sighting::Shown { node, text: message.text }),
                }
            }
            EventBody::FileReceived { message } => self.note_file(&message, true),
            EventBody::FileFailed { message } => self.note_file(&message, false),
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

    /// Its user is shown a file.
    async fn see_file(&self, message: &Message, file: &MessageFile) {
        let Some(number) = of_file_name(&file.name) else { return };
        self.saw(Sighting::Shown { node: self.node, text: text_of(number, 0) });
        if file.state == FileState::Complete {
            self.note_file(message, true);
        }
        self.accept((&message.id, message.direction), file).await;
    }

    /// Its user has a file that others sent, or can't have it.
    fn note_file(&self, message: &Message, is_whole: bool) {
        let number = message.file.as_ref().and_then(|file| of_file_name(&file.name));
        let Some(number) = number.filter(|_| message.direction == Direction::In) else { return };
        let (node, message) = (self.node, number);
        self.saw(match is_whole {
            true => Sighting::FileWhole { node, message },
            false => Sighting::FileFailed { node, message },
        });
    }

    async fn accept(&self, (id, direction): (&str, Direction), file: &MessageFile) {
        let accept = of_file_name(&file.name).and_then(|number| self.accepted.get(&number));
        if direction == Direction::In && accept.is_some_and(|accept| accept.takes(file.state)) {
            // Refused of who is no contact: then it stays with its sender.
            drop(self.engine.call(AcceptFile { id: id.to_owned() }).await);
        }
    }

    /// Accepts what the node was offered before it crashed, and what its user had no time for.
    async fn accept_left(&self) {
        if self.accepted.is_empty() {
            return;
        }
        let query = FilesQuery { limit: Some(HISTORY_PAGE_MAX), ..FilesQuery::default() };
        let mut from = FilesFrom::Start(query);
        loop {
            match self.engine.call(ListFiles { from }).await {
                Ok(FilesPage::Next(cursor)) => from = FilesFrom::Cursor(cursor),
                Ok(FilesPage::Last(list)) => {
                    for entry in &list.files {
                        self.accept((&entry.id, entry.direction), &entry.file).await;
                    }
                    return;
                }
                Err(_) => return,
            }
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

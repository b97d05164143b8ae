//! An engine whose disk is memory.

use std::collections::HashSet;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use martlet_engine::command::{
    Command, CreateUser, GetHistory, GetInbox, GetStatus, ListContacts, ListRequests, ReadEvents,
};
use martlet_engine::limits::{ORPHAN_ACKS_MAX, REQUEST_MESSAGES_MAX, REQUESTS_MAX};
use martlet_engine::{
    CommandError, Effects, Engine, EngineConfig, Input, MemoryDisk, Outlet, Stemmed, Storage, TICK,
    ToNet,
};
use martlet_protocol::control::{Event, HistoryQuery};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, Envelope, UnixMillis};
use martlet_store::mailbox::{Acknowledged, Inserted};
use martlet_store::vault::keyfile::KeyFile;
use rand_chacha::ChaCha20Rng;

/// Bytes of the mailbox: some runs fill it.
const MAILBOX_BYTES: u64 = 256 << 10;

pub(crate) struct Node {
    storage: Storage,
    engine: Option<Engine>,
    pub(crate) released: Released,
    /// The wall clock of its last batch.
    last: UnixMillis,
    /// Its steady clock: goes on with the wall clock, but not back.
    steady: Duration,
    /// The user's ID.
    pub(crate) id: String,
}

/// What an engine released.
#[derive(Default)]
pub(crate) struct Released {
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) acks: Vec<Ack>,
}

/// What a user is shown, as text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown(Vec<String>);

/// Checks what the engine says of itself.
#[derive(Debug)]
struct Bounds;

impl martlet_engine::Observer for Bounds {
    fn envelope(&self, _: Inserted, _: usize) {}
    fn opening(&self, _: martlet_engine::observer::Opening) {}
    fn deed_dropped(&self, _: martlet_engine::observer::Dropped) {}
    fn statements_invalid(&self, _: usize) {}
    fn ack(&self, _: Acknowledged) {}
    fn quota(&self, _: u64) {}
    fn state(&self, state: &martlet_engine::observer::State) {
        assert!(state.orphans <= ORPHAN_ACKS_MAX);
        // Own mail is kept past the quota, and a run can't write much of it.
        assert!(state.mailbox.bytes <= 32 * MAILBOX_BYTES);
    }
    fn commit_begins(&self, _: martlet_engine::observer::Database) {}
    fn commit_ended(&self, _: martlet_engine::observer::Database, succeeded: bool) {
        assert!(succeeded);
    }
}

impl Outlet for Released {
    fn release(&mut self, mut effects: Effects) {
        self.tell(std::mem::take(&mut effects.to_net));
        effects.answer();
    }

    fn tell(&mut self, to_net: Vec<ToNet>) {
        for told in to_net {
            match told {
                ToNet::Publish(mut envelopes) => self.envelopes.append(&mut envelopes),
                ToNet::PublishAcks(mut acks) => self.acks.append(&mut acks),
                // It comes out everywhere, here too.
                ToNet::Stem(stemmed) => {
                    for stemmed in stemmed {
                        match stemmed {
                            Stemmed::Envelope(envelope) => self.envelopes.push(envelope),
                            Stemmed::Ack(ack) => self.acks.push(ack),
                        }
                    }
                }
                ToNet::Stored(..)
                | ToNet::HasRoom(_)
                | ToNet::HasUngossiped
                | ToNet::FalseAcks(..)
                | ToNet::Interest(_)
                | ToNet::LookUp(_)
                | ToNet::Answer(..) => {}
            }
        }
    }
}

impl Node {
    /// A node with a new user called `name`.
    pub(crate) fn new(
        name: &str,
        network: &NetworkDescriptor,
        now: UnixMillis,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        let storage = Storage::Memory(Arc::new(MemoryDisk::default()));
        let released = Released::default();
        let id = String::new();
        let steady = Duration::ZERO;
        let mut node = Self { storage, engine: None, released, last: now, steady, id };
        node.open(network);
        let (key_file, key) = KeyFile::make(&node.storage.key_file_path(), None, rng).unwrap();
        let name = Some(name.to_owned());
        let created = node.call(CreateUser { key_file, key, name }, now, rng);
        node.id = created.expect("a new user").id;
        node
    }

    /// Opens the engine from its disk; what was only in memory is lost.
    pub(crate) fn open(&mut self, network: &NetworkDescriptor) {
        self.engine = None;
        let config = EngineConfig {
            storage: self.storage.clone(),
            network: network.clone(),
            mailbox_bytes_max: MAILBOX_BYTES,
            mailbox_peer_bytes_max: MAILBOX_BYTES,
            observer: Arc::new(Bounds),
            kept: ShardSet::NONE,
            fetches_unasked: true,
            deposits: true,
            tick: TICK,
        };
        self.engine = Some(Engine::open(config).expect("its own disk opens"));
    }

    pub(crate) fn run(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        now: UnixMillis,
        rng: &mut ChaCha20Rng,
    ) {
        let engine = self.engine.as_mut().expect("it is open");
        self.steady += now.since(self.last);
        self.last = now;
        engine.run_batch(inputs, now, self.steady, rng, &mut self.released);
        while engine.is_behind() {
            engine.run_batch([], now, self.steady, rng, &mut self.released);
        }
    }

    /// Runs a command; `None` if it was refused, for a reason a user may meet.
    pub(crate) fn call<C: Command>(
        &mut self,
        command: C,
        now: UnixMillis,
        rng: &mut ChaCha20Rng,
    ) -> Option<C::Reply> {
        let (reply, answer) = mpsc::channel();
        let input = Input::command(command, move |result| reply.send(result).unwrap_or_default());
        self.run([input], now, rng);
        match answer.try_recv().expect("every command is answered at once") {
            Ok(answer) => Some(answer),
            Err(error) => {
                let is_defect =
                    matches!(error, CommandError::StorageFailed { .. } | CommandError::Locked);
                assert!(!is_defect, "{error:?}");
                None
            }
        }
    }

    /// All that the user can see; checked on the way.
    pub(crate) fn shown(&mut self, now: UnixMillis, rng: &mut ChaCha20Rng) -> Shown {
        let mut shown = Vec::new();
        let contacts = self.call(ListContacts {}, now, rng).expect("a list").contacts;
        for contact in &contacts {
            let query = HistoryQuery { limit: Some(1000), before: None, ..HistoryQuery::default() };
            let history = GetHistory { name: contact.name.clone(), query };
            let history = self.call(history, now, rng).expect("a contact's history");
            let mut ids = HashSet::new();
            let mut texts = HashSet::new();
            for message in &history.messages {
                assert!(ids.insert(&message.id), "an id is shown twice");
                assert!(texts.insert(&message.text), "a message is shown twice");
            }
            shown.push(format!("{contact:?} {history:?}"));
        }
        let requests = self.call(ListRequests {}, now, rng).expect("a list").requests;
        assert!(requests.len() <= REQUESTS_MAX);
        for request in &requests {
            let max = u64::try_from(REQUEST_MESSAGES_MAX).unwrap();
            assert!((1..=max).contains(&request.messages), "{request:?}");
            assert!(contacts.iter().all(|contact| contact.id != request.id), "{request:?}");
        }
        shown.push(format!("{requests:?}"));
        shown.push(format!("{:?}", self.call(GetInbox {}, now, rng)));
        let events = self.call(ReadEvents { since: 0 }, now, rng).expect("events").events;
        let numbers = events.iter().map(|event: &Event| event.seq);
        assert!(numbers.zip(1..).all(|(seq, expected)| seq == expected), "{events:?}");
        shown.push(format!("{events:?}"));
        let status = self.call(GetStatus {}, now, rng).expect("a status");
        shown.push(format!("{:?} {:?} {:?}", status.outbox, status.unread, status.mailbox));
        Shown(shown)
    }
}

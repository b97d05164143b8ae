//! Engines on a simulated network: no sockets, no clock of their own, everything by a seed.
//!
//! Nodes exchange what their engines release; the network loses, repeats, delays and reorders it as
//! the seed says, and nodes crash between any two batches. Whatever happens, once nodes have synced
//! (here: handed each other their whole mailboxes), every message is in the recipient's history
//! once, in the order it was sent.

use std::collections::VecDeque;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use martlet_engine::command::{
    AcceptRequest, AddContact, Command, CreateUser, DropRequest, GetHistory, GetStatus,
    ListRequests, ReadEvents, RemoveContact, SendText,
};
use martlet_engine::{
    Answer, Effects, Engine, EngineConfig, FromNet, Input, Interest, Lookup, Outlet, PeerKey,
    Received, StampJob, Storage, TICK, Ticket, ToNet, key_file_path,
};
use martlet_protocol::control::{
    ContactAdd, Delivery, Direction, HistoryQuery, LockState, SendRequest,
};
use martlet_protocol::limits::{
    MAILBOX_COMMIT_DELAY, REQUEST_MESSAGES_MAX, SESSION_MESSAGES_MAX, STAMP_JOBS_MAX,
};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, Envelope, EnvelopeId, Header, Kind, UnixMillis, stamp};
use martlet_store::vault::keyfile::KeyFile;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A day in autumn 2026.
const START: UnixMillis = UnixMillis(1_793_500_000_000);

struct World {
    nodes: Vec<Node>,
    network: NetworkDescriptor,
    /// Whether stamps are made as soon as they are asked for.
    stamps_at_once: bool,
    now: UnixMillis,
    rng: ChaCha20Rng,
    /// Of the nodes started from now on.
    mailbox_bytes_max: u64,
}

struct Node {
    dir: tempfile::TempDir,
    peer: PeerKey,
    engine: Option<Engine>,
    released: Released,
}

/// What an engine released and the network has not carried yet.
#[derive(Default)]
struct Released {
    publish: Vec<Envelope>,
    acks: Vec<Ack>,
    stamp: VecDeque<StampJob>,
    stored: Vec<EnvelopeId>,
    interest: Option<Interest>,
    lookups: Vec<Lookup>,
    answers: Vec<(Ticket, Answer)>,
}

impl Outlet for Released {
    fn release(&mut self, mut effects: Effects) {
        self.tell(std::mem::take(&mut effects.to_net));
        self.stamp.extend(effects.stamp.drain(..));
        effects.answer();
    }

    fn tell(&mut self, to_net: Vec<ToNet>) {
        for told in to_net {
            match told {
                ToNet::Publish(mut envelopes) => self.publish.append(&mut envelopes),
                ToNet::PublishAcks(mut acks) => self.acks.append(&mut acks),
                ToNet::Stored(_, mut ids) => self.stored.append(&mut ids),
                ToNet::FalseAcks(..) => {}
                ToNet::Interest(interest) => self.interest = Some(interest),
                ToNet::LookUp(mut lookups) => self.lookups.append(&mut lookups),
                ToNet::Answer(ticket, answer) => self.answers.push((ticket, answer)),
            }
        }
    }
}

impl World {
    fn new(nodes: usize, seed: u64) -> Result<Self> {
        Self::on(nodes, seed, NetworkDescriptor::default())
    }

    fn on(nodes: usize, seed: u64, network: NetworkDescriptor) -> Result<Self> {
        let mut world = Self {
            nodes: Vec::new(),
            network,
            stamps_at_once: true,
            now: START,
            rng: ChaCha20Rng::seed_from_u64(seed),
            mailbox_bytes_max: 1 << 30,
        };
        for node in 0..nodes {
            world.nodes.push(Node {
                dir: tempfile::tempdir()?,
                peer: peer_key(node),
                engine: None,
                released: Released::default(),
            });
            world.start(node)?;
        }
        Ok(world)
    }

    /// Alice and Bob, who know each other's IDs, and nodes without a user.
    fn pair(seed: u64, nodes: usize) -> Result<Self> {
        Self::pair_on(seed, nodes, NetworkDescriptor::default())
    }

    fn pair_on(seed: u64, nodes: usize, network: NetworkDescriptor) -> Result<Self> {
        let mut world = Self::on(nodes, seed, network)?;
        let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
        world.add(0, &bob, "bob")?;
        world.add(1, &alice, "alice")?;
        Ok(world)
    }

    fn start(&mut self, node: usize) -> Result {
        self.nodes[node].engine = Some(Engine::open(EngineConfig {
            storage: Storage::Directory(self.nodes[node].dir.path().to_path_buf()),
            network: self.network.clone(),
            mailbox_bytes_max: self.mailbox_bytes_max,
            mailbox_peer_bytes_max: self.mailbox_bytes_max,
            observer: Arc::new(()),
            // With shards, no node keeps any but its user's.
            kept: ShardSet::NONE,
            tick: TICK,
        })?);
        // As the engine's thread does first of all.
        self.run(node, vec![Input::Tick]);
        Ok(())
    }

    /// Between two batches: everything in memory, and what the network had not carried, is lost.
    fn crash(&mut self, node: usize) -> Result {
        self.nodes[node].engine = None;
        self.nodes[node].released = Released::default();
        self.start(node)
    }

    fn run(&mut self, node: usize, inputs: Vec<Input>) {
        self.run_batches(node, inputs);
        while self.stamps_at_once && self.stamp(node) {}
    }

    /// Makes the stamp that was asked for first; whether there was one to make.
    fn stamp(&mut self, node: usize) -> bool {
        let Some(job) = self.nodes[node].released.stamp.pop_front() else { return false };
        self.run_batches(node, vec![job.run()]);
        true
    }

    fn run_batches(&mut self, node: usize, inputs: Vec<Input>) {
        let Node { engine, released, .. } = &mut self.nodes[node];
        if let Some(engine) = engine {
            engine.run_batch(inputs, self.now, &mut self.rng, released);
            while engine.is_behind() {
                engine.run_batch([], self.now, &mut self.rng, released);
            }
        }
    }

    fn call<C: Command>(&mut self, node: usize, command: C) -> Result<C::Reply> {
        let (reply, answer) = mpsc::channel();
        let input = Input::command(command, move |result| reply.send(result).unwrap_or_default());
        self.run(node, vec![input]);
        Ok(answer.try_recv()??)
    }

    fn init(&mut self, node: usize, name: &str) -> Result<String> {
        let path = key_file_path(self.nodes[node].dir.path());
        let (key_file, key) = KeyFile::make(&path, None, &mut self.rng)?;
        Ok(self.call(node, CreateUser { key_file, key, name: Some(name.into()) })?.id)
    }

    fn add(&mut self, node: usize, id: &str, name: &str) -> Result {
        self.call(node, AddContact { request: ContactAdd { id: id.into(), name: name.into() } })?;
        Ok(())
    }

    fn send(&mut self, node: usize, to: &str, text: &str) -> Result<String> {
        let request = SendRequest { to: to.into(), text: text.into() };
        Ok(self.call(node, SendText { request })?.id)
    }

    /// The texts of a conversation in one direction, with their states.
    fn texts(
        &mut self,
        node: usize,
        with: &str,
        direction: Direction,
    ) -> Result<Vec<(String, Delivery)>> {
        let query = HistoryQuery { limit: Some(1000), before: None };
        let history = self.call(node, GetHistory { name: with.into(), query })?;
        let messages = history.messages.into_iter().filter(|m| m.direction == direction);
        Ok(messages.map(|message| (message.text, message.state)).collect())
    }

    /// Carries what was released to everyone: each item is lost with probability `loss`, and
    /// otherwise sometimes repeated, in any order.
    fn gossip(&mut self, loss: f64) {
        for from in 0..self.nodes.len() {
            let released = &mut self.nodes[from].released;
            let publish = std::mem::take(&mut released.publish);
            let acks = std::mem::take(&mut released.acks);
            released.stored.clear();
            let peer = self.nodes[from].peer;
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                let mut inputs = Vec::new();
                for envelope in &publish {
                    for _ in 0..copies(&mut self.rng, loss) {
                        inputs.extend(brought(peer, envelope.clone()));
                    }
                }
                for ack in &acks {
                    for _ in 0..copies(&mut self.rng, loss) {
                        let acks = vec![ack.clone()];
                        inputs.push(Input::Net(FromNet::Acks { from: peer, acks }));
                    }
                }
                shuffle(&mut self.rng, &mut inputs);
                self.run(to, inputs);
            }
        }
    }

    /// Makes two mailboxes equal, as the network's sync does.
    fn sync(&mut self, a: usize, b: usize) -> Result {
        // What is in a mailbox shows to others once it is committed.
        self.now = self.now.plus(MAILBOX_COMMIT_DELAY);
        self.run(a, vec![]);
        self.run(b, vec![]);
        for (from, to) in [(a, b), (b, a)] {
            let (Some(source), Some(target)) = (&self.nodes[from].engine, &self.nodes[to].engine)
            else {
                continue;
            };
            let (source, target) = (source.mailbox().view()?, target.mailbox().view()?);
            let mut ids = Vec::new();
            for digest in source.digests()? {
                ids.extend(source.bucket_ids(digest.bucket)?);
            }
            let (lacking, acks) = target.lacking(&ids)?;
            let (mut envelopes, _) = source.fetch(&lacking, usize::MAX)?;
            let up_to_arrival = source.stats()?.last_arrival;
            drop((source, target));
            shuffle(&mut self.rng, &mut envelopes);
            let peer = self.nodes[from].peer;
            let inputs =
                envelopes.into_iter().filter_map(|envelope| brought(peer, envelope)).collect();
            self.run(to, inputs);
            let peer = self.nodes[to].peer;
            let acks = Input::Net(FromNet::Acks { from: peer, acks });
            let lacking = Vec::new();
            let reconciled = FromNet::Reconciled {
                peer,
                shards: Box::new(ShardSet::ALL),
                up_to_arrival,
                lacking,
            };
            self.run(from, vec![acks, Input::Net(reconciled)]);
        }
        Ok(())
    }

    /// What of `ids` a sync with `from` would fetch.
    fn sift(&mut self, node: usize, from: PeerKey, ids: &[EnvelopeId]) -> Result<Vec<EnvelopeId>> {
        self.ask(node, |ticket| FromNet::Sift { from, ids: ids.to_vec(), ticket })
    }

    /// Asks for envelopes, as the network does.
    fn ask(
        &mut self,
        node: usize,
        question: impl FnOnce(Ticket) -> FromNet,
    ) -> Result<Vec<EnvelopeId>> {
        let asked = Ticket(7);
        self.run(node, vec![Input::Net(question(asked))]);
        match self.nodes[node].released.answers.pop() {
            Some((ticket, Answer::Ids(ids))) if ticket == asked => Ok(ids),
            answer => Err(format!("{answer:?}").into()),
        }
    }

    /// Everyone with everyone, twice, and time for what was held back.
    fn settle(&mut self) -> Result {
        for _ in 0..2 {
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.sync(a, b)?;
                }
            }
            self.pass(Duration::from_secs(61));
        }
        Ok(())
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
        for node in 0..self.nodes.len() {
            self.run(node, vec![Input::Tick]);
        }
    }
}

/// The transport key of a node.
fn peer_key(node: usize) -> PeerKey {
    PeerKey([u8::try_from(node + 1).unwrap_or(u8::MAX); 32])
}

fn brought(from: PeerKey, envelope: Envelope) -> Option<Input> {
    let id = envelope.id();
    let header = Header::parse(&envelope.content).ok()?;
    let envelopes = vec![Received { id, envelope, header }];
    Some(Input::Net(FromNet::Envelopes { from, envelopes, ticket: None }))
}

fn copies(rng: &mut ChaCha20Rng, loss: f64) -> usize {
    if rng.random_bool(loss) { 0 } else { 1 + usize::from(rng.random_bool(0.1)) }
}

fn shuffle<T>(rng: &mut ChaCha20Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}

fn with_state(texts: &[&str], state: Delivery) -> Vec<(String, Delivery)> {
    texts.iter().map(|text| ((*text).to_owned(), state)).collect()
}

#[test]
fn a_message_is_queued_then_sent_then_delivered() -> Result {
    let mut world = World::pair(1, 3)?;
    // Nobody has anybody's keys yet.
    world.send(0, "bob", "first")?;
    assert_eq!(world.texts(0, "bob", Direction::Out)?, with_state(&["first"], Delivery::Queued));
    world.gossip(0.0);
    world.sync(0, 2)?;
    assert_eq!(world.texts(0, "bob", Direction::Out)?, with_state(&["first"], Delivery::Sent));
    world.gossip(0.0);
    world.send(0, "bob", "second")?;
    world.gossip(0.0);
    world.gossip(0.0);
    let expected = with_state(&["first", "second"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    // What was proved received is gone: what is left in the mailbox are the two bundles.
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, 2);
    Ok(())
}

/// Who brought an envelope that was known already was told so only with the next commit, which on a
/// quiet node was never: nothing had changed. And a clock set back put the commit off for as long.
/// A message was told to be sent as soon as another node had it, though nobody had its session's
/// key yet: had the sender then died, what was "sent" could never have been read.
#[test]
fn a_message_is_sent_only_once_its_sessions_key_is_held_elsewhere_too() -> Result {
    let mut world = World::pair(11, 3)?;
    world.settle()?;
    world.nodes[0].released = Released::default();
    world.send(0, "bob", "hello")?;
    let (keys, messages): (Vec<_>, Vec<_>) =
        world.nodes[0].released.publish.iter().partition(|envelope| {
            Header::parse(&envelope.content).is_ok_and(|h| h.kind == Kind::ToDevice)
        });
    let ids =
        |envelopes: Vec<&Envelope>| envelopes.into_iter().map(Envelope::id).collect::<Vec<_>>();
    let (keys, messages) = (ids(keys), ids(messages));
    assert_eq!((keys.len(), messages.len()), (1, 1));
    let from = world.nodes[2].peer;
    for (ids, state) in [(messages, Delivery::Queued), (keys, Delivery::Sent)] {
        world.run(0, vec![Input::Net(FromNet::StoredBy { from, ids })]);
        let shown = world.texts(0, "bob", Direction::Out)?;
        assert_eq!(shown, with_state(&["hello"], state));
    }
    Ok(())
}

#[test]
fn a_neighbour_is_told_what_is_stored_whatever_the_clock() -> Result {
    let mut world = World::pair(8, 3)?;
    let envelope = world.nodes[0].released.publish[0].clone();
    for _ in 0..2 {
        let brought = brought(world.nodes[0].peer, envelope.clone()).ok_or("no header")?;
        world.run(2, vec![brought]);
        assert!(world.nodes[2].released.stored.is_empty(), "not on disk yet");
        world.now = world.now.minus(Duration::from_secs(3600));
        world.run(2, vec![]);
        assert_eq!(std::mem::take(&mut world.nodes[2].released.stored), [envelope.id()]);
    }
    Ok(())
}

#[test]
fn a_mailbox_that_strangers_filled_still_takes_the_users_own_mail() -> Result {
    let mut world = World::pair(9, 2)?;
    world.settle()?;
    world.mailbox_bytes_max = 1;
    for node in 0..2 {
        world.crash(node)?;
    }
    let strangers = World::pair(10, 2)?;
    let envelope = strangers.nodes[0].released.publish[0].clone();
    let peer = world.nodes[0].peer;
    world.run(1, vec![brought(peer, envelope.clone()).ok_or("no header")?]);
    world.send(0, "bob", "hello")?;
    // The session's key is recognized by the detection key, then the message by its tag; if it came
    // before the key it was refused, and comes again with the next sync.
    world.gossip(0.0);
    world.sync(0, 1)?;
    world.gossip(0.0);
    let delivered = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, delivered);
    world.now = world.now.plus(MAILBOX_COMMIT_DELAY);
    world.run(1, vec![]);
    let bob = world.nodes[1].engine.as_ref().ok_or("not running")?;
    assert_eq!(bob.mailbox().view()?.get(&envelope.id())?, None);
    Ok(())
}

/// Sync fetched the same envelopes each time there was no room for, and came to no others. Now they
/// are remembered; but a message that came before its session's key must then still be fetched
/// again.
#[test]
fn what_was_refused_is_not_fetched_again_unless_it_is_the_users_after_all() -> Result {
    let mut world = World::pair(9, 2)?;
    world.settle()?;
    world.mailbox_bytes_max = 1;
    for node in 0..2 {
        world.crash(node)?;
    }
    let strangers = World::pair(10, 2)?;
    let foreign = strangers.nodes[0].released.publish[0].clone();
    world.nodes[0].released.publish.clear();
    world.send(0, "bob", "hello")?;
    let sent = std::mem::take(&mut world.nodes[0].released.publish);
    let has_tag = |envelope: &Envelope| {
        let header = Header::parse(&envelope.content);
        header.is_ok_and(|header| header.tag(&envelope.content).is_some())
    };
    let (messages, keys): (Vec<_>, Vec<_>) = sent.into_iter().partition(has_tag);
    assert_eq!((messages.len(), keys.len()), (1, 1));
    let (message, peer) = (&messages[0], world.nodes[0].peer);
    let held = [message.id(), foreign.id()];
    assert_eq!(world.sift(1, peer, &held)?, held, "nothing is known of them yet");
    for envelope in [message, &foreign] {
        world.run(1, vec![brought(peer, envelope.clone()).ok_or("no header")?]);
    }
    assert!(world.sift(1, peer, &held)?.is_empty());
    world.run(1, vec![brought(peer, keys[0].clone()).ok_or("no header")?]);
    assert_eq!(world.sift(1, peer, &held)?, [message.id()]);
    world.run(1, vec![brought(peer, message.clone()).ok_or("no header")?]);
    let delivered = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, delivered);
    // Whoever unlocks the vault next may be waiting for any of it.
    world.crash(1)?;
    assert_eq!(world.sift(1, peer, &[foreign.id()])?, [foreign.id()]);
    Ok(())
}

#[test]
fn a_mailbox_node_alone_carries_it_over() -> Result {
    let mut world = World::pair(2, 3)?;
    world.settle()?;
    let texts: Vec<_> = (0..300).map(|n| format!("{n}")).collect();
    assert!(texts.len() > usize::try_from(SESSION_MESSAGES_MAX)?, "more than one session");
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    world.nodes[0].released = Released::default();
    world.sync(0, 2)?;
    let states = world.texts(0, "bob", Direction::Out)?;
    assert!(states.iter().all(|(_, state)| *state == Delivery::Sent));
    world.pass(Duration::from_secs(5 * 24 * 3600));
    world.sync(1, 2)?;
    world.pass(Duration::from_secs(61));
    let received = world.texts(1, "alice", Direction::In)?;
    assert!(received.iter().map(|(text, _)| text).eq(&texts));
    world.sync(1, 2)?;
    world.sync(0, 2)?;
    let states = world.texts(0, "bob", Direction::Out)?;
    assert!(states.iter().all(|(_, state)| *state == Delivery::Delivered));
    Ok(())
}

#[test]
fn what_nobody_proved_received_expires_after_six_days() -> Result {
    let mut world = World::pair(3, 3)?;
    world.settle()?;
    world.send(0, "bob", "late")?;
    world.sync(0, 2)?;
    world.pass(Duration::from_secs(6 * 24 * 3600));
    world.pass(Duration::from_secs(61));
    assert_eq!(world.texts(0, "bob", Direction::Out)?, with_state(&["late"], Delivery::Expired));
    world.settle()?;
    assert!(world.texts(1, "alice", Direction::In)?.is_empty());
    Ok(())
}

#[test]
fn a_strangers_messages_wait_for_a_decision() -> Result {
    let mut world = World::new(2, 4)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    world.send(0, "bob", "hello, stranger")?;
    world.send(0, "bob", "are you there?")?;
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].messages, 2);
    assert_eq!(requests[0].suggested_name.as_deref(), Some("alice"));
    assert_eq!(requests[0].preview.as_deref(), Some("hello, stranger"));

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "Alice".into() })?;
    assert_eq!(world.texts(1, "Alice", Direction::In)?.len(), 2);
    world.settle()?;
    world.send(1, "Alice", "welcome")?;
    world.settle()?;
    let expected = with_state(&["welcome"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::In)?, expected);
    Ok(())
}

#[test]
fn a_dropped_request_leaves_nothing_and_may_be_made_again() -> Result {
    let mut world = World::new(2, 5)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    world.send(0, "bob", "buy this")?;
    world.settle()?;
    let id = world.call(1, ListRequests {})?.requests[0].id.clone();
    world.call(1, DropRequest { id })?;
    world.settle()?;
    assert!(world.call(1, ListRequests {})?.requests.is_empty());
    assert_eq!(world.call(1, GetStatus {})?.lock, LockState::Unlocked);
    Ok(())
}

/// What is over a request's bound is not acknowledged, so its sender is not told that it was
/// delivered; once accepted, the rest arrives.
#[test]
fn a_flood_from_a_stranger_is_bounded_and_not_lost() -> Result {
    let mut world = World::new(2, 6)?;
    world.init(0, "alice")?;
    let bob = world.init(1, "bob")?;
    world.add(0, &bob, "bob")?;
    world.settle()?;
    let texts: Vec<_> = (0..REQUEST_MESSAGES_MAX + 10).map(|n| n.to_string()).collect();
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    world.settle()?;
    let requests = world.call(1, ListRequests {})?.requests;
    assert_eq!(requests[0].messages, u64::try_from(REQUEST_MESSAGES_MAX)?);
    let delivered = |states: Vec<(String, Delivery)>| {
        states.iter().filter(|(_, state)| *state == Delivery::Delivered).count()
    };
    assert_eq!(delivered(world.texts(0, "bob", Direction::Out)?), REQUEST_MESSAGES_MAX);

    let id = requests[0].id.clone();
    world.call(1, AcceptRequest { id, name: "alice".into() })?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    let mut received: Vec<_> = received.into_iter().map(|(text, _)| text).collect();
    received.sort_by_key(|text| text.parse::<usize>().ok());
    assert_eq!(received, texts);
    world.settle()?;
    assert_eq!(delivered(world.texts(0, "bob", Direction::Out)?), texts.len());
    Ok(())
}

#[test]
fn a_contact_removed_and_added_again_is_written_to_and_read() -> Result {
    let mut world = World::pair(7, 2)?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.settle()?;
    world.call(0, RemoveContact { name: "bob".into() })?;
    let bob = world.call(1, GetStatus {})?.identity.ok_or("bob has no identity")?.id;
    world.add(0, &bob, "bob")?;
    world.send(0, "bob", "two")?;
    world.send(1, "alice", "three")?;
    world.settle()?;
    let received = world.texts(1, "alice", Direction::In)?;
    assert_eq!(received, with_state(&["one", "two"], Delivery::Delivered));
    let received = world.texts(0, "bob", Direction::In)?;
    assert_eq!(received, with_state(&["three"], Delivery::Delivered));
    Ok(())
}

fn stamped(stamp_bits: u8) -> NetworkDescriptor {
    NetworkDescriptor { stamp_bits, ..NetworkDescriptor::default() }
}

#[test]
fn an_envelope_leaves_only_with_its_stamp_and_a_restart_makes_it_again() -> Result {
    let mut world = World::pair_on(20, 3, stamped(8))?;
    world.settle()?;
    world.gossip(0.0);
    world.stamps_at_once = false;
    let texts: Vec<_> = (0..40).map(|n| format!("{n}")).collect();
    for text in &texts {
        world.send(0, "bob", text)?;
    }
    // The session's key and the messages; of the jobs no more are out than may be.
    assert_eq!(world.call(0, GetStatus {})?.stamping, 41);
    assert_eq!(world.nodes[0].released.stamp.len(), STAMP_JOBS_MAX);
    assert!(world.nodes[0].released.publish.is_empty());
    world.stamp(0);
    world.stamp(0);
    assert_eq!(world.nodes[0].released.publish.len(), 2);
    assert_eq!(world.call(0, GetStatus {})?.stamping, 39);
    for envelope in &world.nodes[0].released.publish {
        assert!(stamp::check(&envelope.id(), envelope.nonce, 8));
    }

    world.crash(0)?;
    assert_eq!(world.call(0, GetStatus {})?.stamping, 39);
    while world.stamp(0) {}
    assert_eq!(world.call(0, GetStatus {})?.stamping, 0);
    // The two that were stamped before the crash had not been gossiped, or not for sure.
    let published = world.nodes[0].released.publish.iter();
    assert!(published.filter(|e| stamp::check(&e.id(), e.nonce, 8)).count() >= 39);
    world.stamps_at_once = true;
    world.settle()?;
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let expected = with_state(&texts, Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    Ok(())
}

#[test]
fn a_stamp_that_nobody_waits_for_any_more_is_cancelled() -> Result {
    let mut world = World::pair_on(21, 2, stamped(4))?;
    world.settle()?;
    world.stamps_at_once = false;
    // Of the contact removed, of a message expired, of a vault locked.
    for number in 0..3 {
        world.send(0, "bob", "never to leave")?;
        let jobs = std::mem::take(&mut world.nodes[0].released.stamp);
        assert!(!jobs.is_empty());
        match number {
            0 => {
                world.call(0, RemoveContact { name: "bob".into() })?;
            }
            1 => world.pass(Duration::from_secs(7 * 24 * 3600)),
            _ => world.nodes[0].engine = None,
        }
        world.nodes[0].released.stamp.clear();
        world.nodes[0].released.publish.clear();
        let results = jobs.into_iter().map(StampJob::run).collect();
        world.run_batches(0, results);
        assert!(world.nodes[0].released.publish.is_empty(), "{number}");
        if number == 0 {
            assert_eq!(world.call(0, GetStatus {})?.stamping, 0);
            let bob = world.call(1, GetStatus {})?.identity.ok_or("bob has no identity")?.id;
            world.add(0, &bob, "bob")?;
        }
    }
    Ok(())
}

/// A stamp was asked for more bits than the descriptor had asked before: what was stamped for
/// fewer is stamped again, and nobody is offered the envelope with the poor stamp.
#[test]
fn more_bits_make_stamps_anew() -> Result {
    let mut world = World::pair_on(22, 3, stamped(2))?;
    world.settle()?;
    world.send(0, "bob", "hello")?;
    world.nodes[0].released = Released::default();
    world.network = stamped(12);
    world.stamps_at_once = false;
    for node in 0..3 {
        world.crash(node)?;
        assert_eq!(world.call(node, GetStatus {})?.mailbox.envelopes, 0);
    }
    // The bundle, the session's key, the message.
    assert_eq!(world.call(0, GetStatus {})?.stamping, 3);
    world.stamps_at_once = true;
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["hello"], Delivery::Delivered);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    Ok(())
}

/// Who joined another network offered its neighbours there what was addressed in the one before,
/// and was cut off by them as hostile.
#[test]
fn another_network_begins_with_an_empty_mailbox_and_what_was_not_delivered_is_sent_there() -> Result
{
    let mut world = World::pair(23, 3)?;
    world.settle()?;
    world.send(0, "bob", "delivered")?;
    world.settle()?;
    world.send(0, "bob", "one")?;
    world.send(0, "bob", "two")?;
    world.nodes[0].released = Released::default();
    world.network = NetworkDescriptor {
        name: "ship".into(),
        shard_bits: 4,
        key: Some(NetworkKey::from_bytes([7; 32])),
        ..NetworkDescriptor::default()
    };
    for node in 0..3 {
        world.crash(node)?;
    }
    for node in 0..2 {
        assert!(!world.nodes[node].released.publish.is_empty());
        for envelope in &world.nodes[node].released.publish {
            envelope.check(&envelope.id(), &world.network, world.now)?;
        }
    }
    assert_eq!(world.call(2, GetStatus {})?.mailbox.envelopes, 0);
    world.settle()?;
    world.settle()?;
    let expected = with_state(&["delivered", "one", "two"], Delivery::Delivered);
    assert_eq!(world.texts(0, "bob", Direction::Out)?, expected);
    assert_eq!(world.texts(1, "alice", Direction::In)?, expected);
    Ok(())
}

/// Loss, repetition, reordering and crashes at random, over many seeds.
#[test]
fn nothing_is_lost_repeated_or_out_of_order() -> Result {
    for seed in 100..120 {
        // Every other network asks for stamps, and they take their time.
        let stamp_bits = if seed % 2 == 0 { 0 } else { 6 };
        let network = NetworkDescriptor { stamp_bits, ..NetworkDescriptor::default() };
        let mut world = World::pair_on(seed, 3, network)?;
        world.stamps_at_once = false;
        let mut plan = ChaCha20Rng::seed_from_u64(seed);
        let mut sent = [Vec::new(), Vec::new()];
        for step in 0..120 {
            let node = plan.random_range(0..2usize);
            match plan.random_range(0..20) {
                0..10 => {
                    let text = format!("{seed} {step}");
                    world.send(node, ["bob", "alice"][node], &text)?;
                    sent[node].push(text);
                }
                10..14 => world.gossip(0.3),
                14..16 => {
                    world.stamp(node);
                    world.sync(node, 2)?;
                }
                16..18 => world.crash(plan.random_range(0..3))?,
                // Together less than a message is held back for the sake of earlier ones.
                _ => world.pass(Duration::from_millis(300)),
            }
        }
        // All that is left to stamp is in the mailboxes before anyone waits for it in vain.
        world.stamps_at_once = true;
        world.pass(MAILBOX_COMMIT_DELAY);
        world.pass(MAILBOX_COMMIT_DELAY);
        world.settle()?;
        world.settle()?;
        for (node, name) in [(0, "bob"), (1, "alice")] {
            let texts: Vec<_> = sent[node].iter().map(String::as_str).collect();
            let expected = with_state(&texts, Delivery::Delivered);
            let other = ["alice", "bob"][node];
            assert_eq!(world.texts(node, name, Direction::Out)?, expected, "seed {seed}");
            assert_eq!(world.texts(1 - node, other, Direction::In)?, expected, "seed {seed}");
            let events = world.call(node, ReadEvents { since: 0 })?.events;
            assert!(events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "seed {seed}");
        }
    }
    Ok(())
}

/// The keys of a contact in another shard are looked up until they are found; what was written to
/// them then goes to their shard, and only a node that keeps it can be said to have it.
#[test]
fn a_contact_in_another_shard_is_looked_up_and_written_to() -> Result {
    const BITS: u8 = 4;
    let mut world = World::on(2, 31, NetworkDescriptor { shard_bits: BITS, ..Default::default() })?;
    let (_, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
    let shard_of = |world: &mut World, node: usize| {
        world.run(node, vec![Input::Tick]);
        let interest = world.nodes[node].released.interest.clone();
        interest.map(|interest| interest.user).ok_or("the user's shard is not told")
    };
    let (own, theirs) = (shard_of(&mut world, 0)?, shard_of(&mut world, 1)?);
    assert_ne!(own, theirs, "choose another seed");

    world.add(0, &bob, "bob")?;
    let contacts = world.nodes[0].released.interest.clone().map(|interest| interest.contacts);
    assert_eq!(contacts, Some(ShardSet::of([theirs], BITS)));
    let asked = std::mem::take(&mut world.nodes[0].released.lookups);
    assert!(asked.len() == 1 && asked[0].shard == theirs && asked[0].tags.len() == 8, "{asked:?}");
    world.send(0, "bob", "hello")?;
    world.pass(Duration::from_secs(30));
    assert!(world.nodes[0].released.lookups.is_empty());
    world.pass(Duration::from_secs(40));
    assert_eq!(std::mem::take(&mut world.nodes[0].released.lookups).len(), 1, "asked again");

    let bundles = std::mem::take(&mut world.nodes[1].released.publish);
    let found = bundles.into_iter().filter_map(|envelope| {
        let header = Header::parse(&envelope.content).ok()?;
        let is_asked =
            header.tag(&envelope.content).is_some_and(|tag| asked[0].tags.contains(&tag));
        is_asked.then(|| Received { id: envelope.id(), envelope, header })
    });
    let envelopes: Vec<Received> = found.collect();
    let bundle = envelopes.first().ok_or("bob's bundle is not published")?.id;
    world.nodes[0].released.publish.clear();
    world.run(0, vec![Input::Net(FromNet::Found { envelopes })]);
    world.pass(MAILBOX_COMMIT_DELAY);
    let sent: Vec<Header> = world.nodes[0]
        .released
        .publish
        .iter()
        .map(|envelope| Header::parse(&envelope.content))
        .collect::<std::result::Result<_, _>>()?;
    assert!(sent.len() == 2 && sent.iter().all(|header| header.shard == theirs), "{sent:?}");
    let engine = world.nodes[0].engine.as_ref().ok_or("alice is on")?;
    assert!(engine.mailbox().view()?.get(&bundle)?.is_none(), "what was looked up is not kept");

    let peer = world.nodes[1].peer;
    for (shards, state) in [
        (ShardSet::of([own], BITS), Delivery::Queued),
        (ShardSet::of([own, theirs], BITS), Delivery::Sent),
    ] {
        let (shards, lacking) = (Box::new(shards), Vec::new());
        let event = FromNet::Reconciled { peer, shards, up_to_arrival: u64::MAX, lacking };
        world.run(0, vec![Input::Net(event)]);
        let texts = world.texts(0, "bob", Direction::Out)?;
        assert_eq!(texts, [("hello".to_owned(), state)]);
    }
    for (shard, count) in [(theirs, 2), (own, 1)] {
        let shards = ShardSet::of([shard], BITS);
        let ids = world.ask(0, |ticket| FromNet::Outstanding { shards, ticket })?;
        assert_eq!(ids.len(), count, "own envelopes of shard {}", shard.0);
    }

    // With today's bundle known, tomorrow's is looked up once it is tomorrow.
    world.pass(Duration::from_secs(2 * 3600));
    assert!(world.nodes[0].released.lookups.is_empty());
    world.pass(Duration::from_secs(24 * 3600));
    let asked = std::mem::take(&mut world.nodes[0].released.lookups);
    assert!(asked.len() == 1 && asked[0].tags.len() < 8, "{asked:?}");
    Ok(())
}

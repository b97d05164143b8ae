//! The simulated network.

pub(crate) use std::collections::VecDeque;
pub(crate) use std::sync::{Arc, mpsc};
pub(crate) use std::time::Duration;

pub(crate) use martlet_engine::command::{
    AcceptRequest, AddContact, Command, CreateUser, DropRequest, GetClockDoubt, GetHistory,
    GetIdentity, GetStatus, ListRequests, ReadEvents, RemoveContact, SendText,
};
pub(crate) use martlet_engine::limits::{
    FAILED_OPENING_COST_PER_PEER, HOLD_BACK_IDLE_MAX, MAILBOX_COMMIT_DELAY, REQUEST_MESSAGES_MAX,
    STAMP_JOBS_MAX,
};
pub(crate) use martlet_engine::{
    Answer, Effects, Engine, EngineConfig, FromNet, Input, Interest, Lookup, MemoryDisk, Observer,
    Outlet, PeerKey, Received, StampJob, Stemmed, Storage, TICK, Ticket, ToBlobs, ToNet,
    key_file_path,
};
pub(crate) use martlet_protocol::control::{
    ContactAdd, Delivery, Direction, Event, HistoryQuery, SendRequest,
};
pub(crate) use martlet_protocol::limits::SESSION_MESSAGES_MAX;
pub(crate) use martlet_protocol::network::{NetworkDescriptor, NetworkKey, Privacy};
pub(crate) use martlet_protocol::sync::ShardSet;
pub(crate) use martlet_protocol::{
    Ack, Envelope, EnvelopeId, ExpiryHour, Header, Kind, UnixMillis, stamp,
};
pub(crate) use martlet_store::limits::MAILBOX_RESERVE_BYTES;
pub(crate) use martlet_store::vault::keyfile::KeyFile;
pub(crate) use rand::RngExt;
pub(crate) use rand_chacha::ChaCha20Rng;
pub(crate) use rand_core::SeedableRng;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A day in autumn 2026.
pub(crate) const START: UnixMillis = UnixMillis(1_793_500_000_000);

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: NetworkDescriptor,
    /// Whether stamps are made as soon as they are asked for.
    pub(crate) stamps_at_once: bool,
    pub(crate) now: UnixMillis,
    /// The steady clock of all nodes.
    pub(crate) steady: Duration,
    /// Whether nodes that sync tell each other the time.
    pub(crate) tells_time: bool,
    pub(crate) rng: ChaCha20Rng,
    /// Of the nodes started from now on.
    pub(crate) mailbox_bytes_max: u64,
    /// The same of what one peer brings, if that is less.
    pub(crate) mailbox_peer_bytes_max: u64,
    /// Who counts what the nodes started from now on do.
    pub(crate) observer: Arc<dyn Observer>,
}

pub(crate) struct Node {
    pub(crate) dir: tempfile::TempDir,
    /// Where its databases are, if not in the directory.
    pub(crate) disk: Option<Arc<MemoryDisk>>,
    pub(crate) peer: PeerKey,
    /// How far its wall clock is ahead, milliseconds.
    pub(crate) ahead_ms: i64,
    pub(crate) engine: Option<Engine>,
    pub(crate) released: Released,
    /// Acks that left so far, also those the network has carried.
    pub(crate) acks_released: usize,
}

/// What an engine released and the network has not carried yet.
#[derive(Default)]
pub(crate) struct Released {
    pub(crate) publish: Vec<Envelope>,
    pub(crate) acks: Vec<Ack>,
    /// On the stem.
    pub(crate) stem: Vec<Stemmed>,
    pub(crate) stamp: VecDeque<StampJob>,
    pub(crate) stored: Vec<EnvelopeId>,
    pub(crate) has_room: Vec<PeerKey>,
    pub(crate) interest: Option<Interest>,
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) answers: Vec<(Ticket, Answer)>,
    pub(crate) events: Vec<Event>,
    pub(crate) blobs: Vec<ToBlobs>,
}

impl Outlet for Released {
    fn release(&mut self, mut effects: Effects) {
        self.tell(std::mem::take(&mut effects.to_net));
        self.stamp.extend(effects.stamp.drain(..));
        self.events.append(&mut effects.events);
        self.blobs.append(&mut effects.blobs);
        effects.answer();
    }

    fn tell(&mut self, to_net: Vec<ToNet>) {
        for told in to_net {
            match told {
                ToNet::Publish(mut envelopes) => self.publish.append(&mut envelopes),
                ToNet::PublishAcks(mut acks) => self.acks.append(&mut acks),
                ToNet::Stem(mut stemmed) => self.stem.append(&mut stemmed),
                ToNet::Stored(_, mut ids) => self.stored.append(&mut ids),
                ToNet::HasRoom(mut peers) => self.has_room.append(&mut peers),
                ToNet::FalseAcks(..) | ToNet::HasUngossiped => {}
                ToNet::Interest(interest) => self.interest = Some(interest),
                ToNet::LookUp(mut lookups) => self.lookups.append(&mut lookups),
                ToNet::Answer(ticket, answer) => self.answers.push((ticket, answer)),
            }
        }
    }
}

impl World {
    pub(crate) fn new(nodes: usize, seed: u64) -> Result<Self> {
        Self::on(nodes, seed, NetworkDescriptor::default())
    }

    pub(crate) fn on(nodes: usize, seed: u64, network: NetworkDescriptor) -> Result<Self> {
        let mut world = Self {
            nodes: Vec::new(),
            network,
            stamps_at_once: true,
            now: START,
            steady: Duration::ZERO,
            tells_time: true,
            rng: ChaCha20Rng::seed_from_u64(seed),
            mailbox_bytes_max: 1 << 30,
            mailbox_peer_bytes_max: u64::MAX,
            observer: Arc::new(()),
        };
        for node in 0..nodes {
            world.push(tempfile::tempdir()?);
            world.start(node)?;
        }
        Ok(world)
    }

    /// A node more, not started, with this data directory.
    pub(crate) fn push(&mut self, dir: tempfile::TempDir) {
        let node = self.nodes.len();
        self.nodes.push(Node {
            dir,
            disk: None,
            peer: peer_key(node),
            ahead_ms: 0,
            engine: None,
            released: Released::default(),
            acks_released: 0,
        });
    }

    /// Alice and Bob, who know each other's IDs, and nodes without a user.
    pub(crate) fn pair(seed: u64, nodes: usize) -> Result<Self> {
        Self::pair_on(seed, nodes, NetworkDescriptor::default())
    }

    pub(crate) fn pair_on(seed: u64, nodes: usize, network: NetworkDescriptor) -> Result<Self> {
        let (mut world, alice) = Self::begin_pair(seed, nodes, network)?;
        world.add(1, &alice, "alice")?;
        Ok(world)
    }

    /// The same, but Bob doesn't know Alice's ID.
    pub(crate) fn half_pair(seed: u64, nodes: usize) -> Result<Self> {
        Ok(Self::begin_pair(seed, nodes, NetworkDescriptor::default())?.0)
    }

    /// The same, and Alice's ID.
    fn begin_pair(seed: u64, nodes: usize, network: NetworkDescriptor) -> Result<(Self, String)> {
        let mut world = Self::on(nodes, seed, network)?;
        let (alice, bob) = (world.init(0, "alice")?, world.init(1, "bob")?);
        world.add(0, &bob, "bob")?;
        Ok((world, alice))
    }

    /// The ID of a node's user.
    pub(crate) fn id_of(&mut self, node: usize) -> Result<String> {
        Ok(self.call(node, GetIdentity {})?.id)
    }

    pub(crate) fn start(&mut self, node: usize) -> Result {
        self.open(node)?;
        // As the engine's thread does first of all.
        self.run(node, vec![Input::Tick]);
        Ok(())
    }

    /// Opens a node's databases, without a batch.
    pub(crate) fn open(&mut self, node: usize) -> Result {
        let Node { dir, disk, .. } = &self.nodes[node];
        let storage = match disk {
            Some(disk) => Storage::Memory(Arc::clone(disk)),
            None => Storage::Directory(dir.path().to_path_buf()),
        };
        self.nodes[node].engine = Some(Engine::open(EngineConfig {
            storage,
            network: self.network.clone(),
            mailbox_bytes_max: self.mailbox_bytes_max,
            mailbox_peer_bytes_max: self.mailbox_peer_bytes_max.min(self.mailbox_bytes_max),
            observer: Arc::clone(&self.observer),
            // With shards, no node keeps any but its user's.
            kept: ShardSet::NONE,
            fetches_unasked: true,
            deposits: true,
            tick: TICK,
        })?);
        Ok(())
    }

    /// Between two batches: everything in memory, and what the network had not carried, is lost.
    pub(crate) fn crash(&mut self, node: usize) -> Result {
        self.nodes[node].engine = None;
        self.nodes[node].released = Released::default();
        self.start(node)
    }

    pub(crate) fn run(&mut self, node: usize, inputs: Vec<Input>) {
        self.run_batches(node, inputs);
        while self.stamps_at_once && self.stamp(node) {}
    }

    /// Makes the stamp that was asked for first; whether there was one to make.
    pub(crate) fn stamp(&mut self, node: usize) -> bool {
        let Some(job) = self.nodes[node].released.stamp.pop_front() else { return false };
        self.run_batches(node, vec![Input::Stamped(job.run())]);
        true
    }

    pub(crate) fn run_batches(&mut self, node: usize, inputs: Vec<Input>) {
        let steady = self.steady;
        let Node { engine, released, ahead_ms, .. } = &mut self.nodes[node];
        let wall = UnixMillis(self.now.0.saturating_add_signed(*ahead_ms));
        if let Some(engine) = engine {
            engine.run_batch(inputs, wall, steady, &mut self.rng, released);
            while engine.is_behind() {
                engine.run_batch([], wall, steady, &mut self.rng, released);
            }
        }
    }

    pub(crate) fn call<C: Command>(&mut self, node: usize, command: C) -> Result<C::Reply> {
        let (reply, answer) = mpsc::channel();
        let input = Input::command(command, move |result| reply.send(result).unwrap_or_default());
        self.run(node, vec![input]);
        Ok(answer.try_recv()??)
    }

    pub(crate) fn init(&mut self, node: usize, name: &str) -> Result<String> {
        let path = key_file_path(self.nodes[node].dir.path());
        let (key_file, key) = KeyFile::make(&path, None, &mut self.rng)?;
        Ok(self.call(node, CreateUser { key_file, key, name: Some(name.into()) })?.id)
    }

    pub(crate) fn add(&mut self, node: usize, id: &str, name: &str) -> Result {
        self.call(node, AddContact { request: ContactAdd { id: id.into(), name: name.into() } })?;
        Ok(())
    }

    pub(crate) fn send(&mut self, node: usize, to: &str, text: &str) -> Result<String> {
        let request = SendRequest { to: to.into(), text: text.into(), ..SendRequest::default() };
        Ok(self.call(node, SendText { request })?.id)
    }

    /// The texts of a conversation in one direction, with their states.
    pub(crate) fn texts(
        &mut self,
        node: usize,
        with: &str,
        direction: Direction,
    ) -> Result<Vec<(String, Delivery)>> {
        let query = HistoryQuery { limit: Some(1000), before: None, ..HistoryQuery::default() };
        let history = self.call(node, GetHistory { name: with.into(), query })?;
        let messages = history.messages.into_iter().filter(|m| m.direction == direction);
        Ok(messages.map(|message| (message.text, message.state)).collect())
    }

    /// Carries what was released to everyone: each item is lost with probability `loss`, and
    /// otherwise sometimes repeated, in any order.
    pub(crate) fn gossip(&mut self, loss: f64) {
        for from in 0..self.nodes.len() {
            if self.rng.random_bool(loss) {
                self.lose_stem(from);
            } else {
                self.stem(from);
            }
            let released = &mut self.nodes[from].released;
            let publish = std::mem::take(&mut released.publish);
            let acks = std::mem::take(&mut released.acks);
            self.nodes[from].acks_released += acks.len();
            let released = &mut self.nodes[from].released;
            released.stored.clear();
            let peer = self.nodes[from].peer;
            for to in (0..self.nodes.len()).filter(|to| *to != from) {
                let mut inputs = Vec::new();
                for envelope in &publish {
                    if !self.takes(to, envelope) {
                        continue;
                    }
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

    /// Carries what is on the stem of a node to everyone, as the node at its end does, which is another than its
    /// beginning where there is one. So it comes back, too.
    pub(crate) fn stem(&mut self, from: usize) {
        let end = self.nodes[(from + 1) % self.nodes.len()].peer;
        for stemmed in std::mem::take(&mut self.nodes[from].released.stem) {
            self.nodes[from].acks_released += usize::from(matches!(stemmed, Stemmed::Ack(_)));
            for to in 0..self.nodes.len() {
                let brought = match &stemmed {
                    Stemmed::Envelope(envelope) if self.takes(to, envelope) => {
                        brought(end, envelope.clone())
                    }
                    Stemmed::Envelope(_) => None,
                    Stemmed::Ack(ack) => {
                        let acks = vec![ack.clone()];
                        Some(Input::Net(FromNet::Acks { from: end, acks }))
                    }
                };
                self.run(to, brought.into_iter().collect());
            }
        }
    }

    /// What is on the stem of a node is lost, and the node's network notices it.
    pub(crate) fn lose_stem(&mut self, node: usize) {
        let lost = std::mem::take(&mut self.nodes[node].released.stem);
        self.run(node, vec![Input::Net(FromNet::OffStem(lost))]);
    }

    /// Brings envelopes to a node, each in a batch of its own, and none before it may be opened at once.
    pub(crate) fn bring(&mut self, node: usize, envelopes: &[Envelope]) -> Result {
        for envelope in envelopes {
            self.elapse(FAILED_OPENING_COST_PER_PEER);
            let input = brought(PeerKey([99; 32]), envelope.clone()).ok_or("no header")?;
            self.run(node, vec![input]);
        }
        Ok(())
    }

    /// Makes two mailboxes equal, as the network's sync does.
    pub(crate) fn sync(&mut self, a: usize, b: usize) -> Result {
        // What is in a mailbox shows to others once it is committed.
        self.elapse(MAILBOX_COMMIT_DELAY);
        self.run(a, vec![]);
        self.run(b, vec![]);
        for (one, other) in [(a, b), (b, a)] {
            let time = self.nodes[one].engine.as_ref().and_then(Engine::time);
            if let Some((theirs, _)) = time.filter(|_| self.tells_time) {
                self.run(other, vec![Input::Net(FromNet::PeersTime { theirs })]);
            }
        }
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
            let partial = source.partial_acks(usize::MAX, usize::MAX)?;
            drop((source, target));
            shuffle(&mut self.rng, &mut envelopes);
            let (envelopes, refused): (Vec<_>, Vec<_>) =
                envelopes.into_iter().partition(|envelope| self.takes(to, envelope));
            let peer = self.nodes[from].peer;
            let inputs =
                envelopes.into_iter().filter_map(|envelope| brought(peer, envelope)).collect();
            self.run(to, inputs);
            let peer = self.nodes[to].peer;
            let acks = Input::Net(FromNet::Acks { from: peer, acks });
            let lacking = refused.iter().map(Envelope::id).collect();
            let reconciled = FromNet::Reconciled {
                peer,
                shards: Box::new(ShardSet::ALL),
                up_to_arrival,
                after: ExpiryHour(0),
                lacking,
            };
            self.run(from, vec![acks, Input::Net(reconciled)]);
            let acks = partial.into_iter().map(|(_, ack)| ack).collect();
            let from = self.nodes[from].peer;
            self.run(to, vec![Input::Net(FromNet::Acks { from, acks })]);
        }
        Ok(())
    }

    /// Whether the network of a node would take an envelope, by the time that the node goes by.
    fn takes(&self, node: usize, envelope: &Envelope) -> bool {
        let time = self.nodes[node].engine.as_ref().and_then(Engine::time);
        let Some((now, _)) = time else { return false };
        Header::parse(&envelope.content).is_ok_and(|header| {
            !header.expiry.is_past(now) && header.expiry <= ExpiryHour::latest_accepted(now)
        })
    }

    /// What of `ids` a sync with `from` would fetch.
    pub(crate) fn sift(
        &mut self,
        node: usize,
        from: PeerKey,
        ids: &[EnvelopeId],
    ) -> Result<Vec<EnvelopeId>> {
        self.ask(node, |ticket| FromNet::Sift { from, ids: ids.to_vec(), ticket })
    }

    /// Asks for envelopes, as the network does.
    pub(crate) fn ask(
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
    pub(crate) fn settle(&mut self) -> Result {
        for _ in 0..2 {
            (0..self.nodes.len()).for_each(|node| self.lose_stem(node));
            for a in 0..self.nodes.len() {
                for b in 0..a {
                    self.sync(a, b)?;
                }
            }
            self.pass(Duration::from_secs(61));
        }
        Ok(())
    }

    /// Time passes, unnoticed yet.
    pub(crate) fn elapse(&mut self, duration: Duration) {
        self.now = self.now.plus(duration);
        self.steady += duration;
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        self.elapse(duration);
        for node in 0..self.nodes.len() {
            self.run(node, vec![Input::Tick]);
        }
    }
}

/// The transport key of a node.
pub(crate) fn peer_key(node: usize) -> PeerKey {
    PeerKey([u8::try_from(node + 1).unwrap_or(u8::MAX); 32])
}

pub(crate) fn brought(from: PeerKey, envelope: Envelope) -> Option<Input> {
    let id = envelope.id();
    let header = Header::parse(&envelope.content).ok()?;
    let envelopes = vec![Received { id, envelope, header }];
    Some(Input::Net(FromNet::Envelopes { from, envelopes, ticket: None }))
}

pub(crate) fn copies(rng: &mut ChaCha20Rng, loss: f64) -> usize {
    if rng.random_bool(loss) { 0 } else { 1 + usize::from(rng.random_bool(0.1)) }
}

pub(crate) fn shuffle<T>(rng: &mut ChaCha20Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}

pub(crate) fn with_state(texts: &[&str], state: Delivery) -> Vec<(String, Delivery)> {
    texts.iter().map(|text| ((*text).to_owned(), state)).collect()
}

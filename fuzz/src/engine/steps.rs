//! The steps: what each does.

use std::time::Duration;

use martlet_engine::command::{
    AcceptRequest, AddContact, DropRequest, ListRequests, MarkRead, RemoveContact, RenameContact,
    ResetId, SendText,
};
use martlet_engine::{FromNet, Input, Received, Ticket};
use martlet_protocol::bundle::Bundle;
use martlet_protocol::control::{ContactAdd, SendRequest};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, AckSecret, Envelope, ExpiryHour, Header, Id, IdentityId, Shard};

use super::{PEER, World};

/// A step: what, at which node, and two arguments.
pub(crate) struct Step {
    what: u8,
    node: usize,
    first: usize,
    second: u8,
}

impl Step {
    pub(crate) fn of([what, first, second]: [u8; 3]) -> Self {
        Self { what: what >> 1, node: usize::from(what & 1), first: usize::from(first), second }
    }
}

impl World {
    pub(crate) fn take(&mut self, step: &Step) {
        let node = step.node;
        match step.what % 20 {
            0 | 1 => self.bring(step, false),
            2 => self.bring(step, true),
            3 => self.bring_all(node),
            4 => self.bring_acks(step),
            5 => self.send(step),
            6 => self.add(step),
            7 => self.remove(step),
            8 => self.decide(step),
            9 => self.stranger_greets(step),
            10 | 11 => self.stranger_writes(step),
            12 => self.pass(step),
            13 => self.reopen(node),
            14 => self.report(step),
            15 => self.ask(step),
            16 => self.find(node),
            17 => self.name(step),
            18 if step.first & 7 == 7 => self.reset_id(node),
            18 => self.run(node, Input::Tick),
            _ => {
                let Self { nodes, now, rng, .. } = self;
                nodes[node].shown(*now, rng);
            }
        }
        self.gather();
    }

    fn run(&mut self, node: usize, input: Input) {
        let Self { nodes, now, rng, .. } = self;
        nodes[node].run([input], *now, rng);
    }

    fn chosen(&self, which: usize) -> Option<Envelope> {
        // The newest first: 0 is what was released last.
        let index = self.envelopes.len().checked_sub(which + 1)?;
        self.envelopes.get(index).cloned()
    }

    /// Brings an envelope, changed somewhere if `is_mutated`, as the network does: checked.
    fn bring(&mut self, step: &Step, is_mutated: bool) {
        let Some(mut envelope) = self.chosen(step.first) else { return };
        if is_mutated {
            // The header is of more interest than the body: half of the places are in its first bytes.
            let mut content = envelope.content.to_vec();
            let len = content.len();
            let at = match step.second {
                near @ 0..128 => usize::from(near) % len,
                far => usize::from(far - 128) * len / 128,
            };
            content[at] ^= 1 << (step.first % 8);
            envelope = Envelope::new(content);
        }
        let envelopes = self.received(envelope).into_iter().collect();
        let ticket = (step.second & 1 == 1).then_some(Ticket(1));
        let event = FromNet::Envelopes { from: PEER, envelopes, ticket };
        self.run(step.node, Input::Net(event));
    }

    fn bring_all(&mut self, node: usize) {
        let all = self.envelopes.clone();
        let envelopes = all.into_iter().filter_map(|envelope| self.received(envelope)).collect();
        let event = FromNet::Envelopes { from: PEER, envelopes, ticket: Some(Ticket(2)) };
        self.run(node, Input::Net(event));
        let event = FromNet::Acks { from: PEER, acks: self.acks.clone() };
        self.run(node, Input::Net(event));
    }

    fn received(&self, envelope: Envelope) -> Option<Received> {
        let id = envelope.id();
        let header = envelope.check(&id, &self.network, self.now).ok()?;
        Some(Received { id, envelope, header })
    }

    fn bring_acks(&mut self, step: &Step) {
        let ack = match step.second % 3 {
            0 => self.acks.get(step.first % self.acks.len().max(1)).cloned(),
            // Of another's secret.
            1 => self.acks.last().cloned().map(|ack| {
                let envelope = self.chosen(step.first).map_or(ack.envelope, |one| one.id());
                Ack { envelope, ..ack }
            }),
            _ => self.chosen(step.first).map(|envelope| Ack {
                envelope: envelope.id(),
                slot: step.second,
                secret: AckSecret([step.second; 16]),
            }),
        };
        let acks = ack.into_iter().collect();
        self.run(step.node, Input::Net(FromNet::Acks { from: PEER, acks }));
    }

    fn send(&mut self, step: &Step) {
        self.texts += 1;
        let to = name_of(step.first);
        let text = format!("{} {}", self.texts, "x".repeat(step.first * usize::from(step.second)));
        let Self { nodes, now, rng, .. } = self;
        nodes[step.node].call(
            SendText { request: SendRequest { to, text, ..SendRequest::default() } },
            *now,
            rng,
        );
    }

    /// Adds the other, or a stranger, or oneself.
    fn add(&mut self, step: &Step) {
        let id = match step.first % 8 {
            0..4 => self.nodes[1 - step.node].id.clone(),
            7 => self.nodes[step.node].id.clone(),
            which => self.stranger(which).identity().to_string(),
        };
        let request = ContactAdd { id, name: name_of(step.first) };
        let Self { nodes, now, rng, .. } = self;
        nodes[step.node].call(AddContact { request }, *now, rng);
    }

    fn remove(&mut self, step: &Step) {
        let Self { nodes, now, rng, .. } = self;
        nodes[step.node].call(RemoveContact { name: name_of(step.first) }, *now, rng);
    }

    /// Accepts or drops a request.
    fn decide(&mut self, step: &Step) {
        let Self { nodes, now, rng, .. } = self;
        let node = &mut nodes[step.node];
        let requests = node.call(ListRequests {}, *now, rng).map_or(Vec::new(), |l| l.requests);
        let Some(request) = requests.get(step.first % requests.len().max(1)) else { return };
        let id = request.id.clone();
        if step.second % 2 == 0 {
            node.call(DropRequest { id }, *now, rng);
        } else {
            node.call(AcceptRequest { id, name: name_of(step.first) }, *now, rng);
        }
    }

    fn stranger(&self, which: usize) -> &super::Stranger {
        &self.strangers[which % self.strangers.len()]
    }

    /// A stranger makes a session's key for a node's user. It is not delivered by that.
    fn stranger_greets(&mut self, step: &Step) {
        let Some(bundle) = self.bundle(step.node) else { return };
        let addressing = self.addressing(&bundle.certificate().identity());
        let Self { strangers, rng, .. } = self;
        let which = step.first % strangers.len();
        let again = step.second & 1 == 1;
        self.envelopes.extend(strangers[which].key(rng, &addressing, &bundle, again));
    }

    fn stranger_writes(&mut self, step: &Step) {
        let Ok(to) = self.nodes[step.node].id.parse::<IdentityId>() else { return };
        let addressing = self.addressing(&to);
        // A message may come again in another envelope, and numbers may be any.
        let is_repeated = step.second & 0x80 != 0;
        self.texts += u32::from(!is_repeated);
        let number = self.texts;
        let seq = u64::from(step.second & 0x7f) + 1;
        let Self { strangers, .. } = self;
        let which = step.first % strangers.len();
        let text = format!("stranger {which} {number}");
        self.envelopes.extend(strangers[which].message(&addressing, number, seq, &text));
    }

    /// The newest bundle of a node's user that the network carries.
    fn bundle(&self, node: usize) -> Option<Bundle> {
        let id: Id = self.nodes[node].id.parse().ok()?;
        self.envelopes.iter().rev().find_map(|envelope| {
            let header = Header::parse(&envelope.content).ok()?;
            let today = self.now.day();
            Bundle::open(&id, today, &header, &envelope.content).ok()
        })
    }

    fn addressing(&self, identity: &IdentityId) -> Addressing {
        Addressing {
            network: self.network.tag(),
            shard: Shard::of(identity, self.network.shard_bits),
            expiry: ExpiryHour::latest(self.now),
        }
    }

    /// A user resets the secret in their ID.
    fn reset_id(&mut self, node: usize) {
        let Self { nodes, now, rng, .. } = self;
        if let Some(identity) = nodes[node].call(ResetId {}, *now, rng) {
            nodes[node].id = identity.id;
        }
    }

    /// Time passes, or the clock is set back.
    fn pass(&mut self, step: &Step) {
        let unit = [1, 60, 3600, 24 * 3600][step.first % 4];
        let by = Duration::from_secs(unit * u64::from(step.second % 32));
        self.now = match step.first % 16 {
            15 => self.now.minus(by),
            _ => self.now.plus(by),
        };
        for node in 0..self.nodes.len() {
            self.run(node, Input::Tick);
        }
    }

    /// A peer tells what it has.
    fn report(&mut self, step: &Step) {
        let ids: Vec<_> = self.chosen(step.first).iter().map(Envelope::id).collect();
        let event = if step.second & 1 == 0 {
            FromNet::StoredBy { from: PEER, ids }
        } else {
            let shards = Box::new(ShardSet::ALL);
            let up_to_arrival = u64::from(step.second);
            let after = ExpiryHour(0);
            FromNet::Reconciled { peer: PEER, shards, up_to_arrival, after, lacking: ids }
        };
        self.run(step.node, Input::Net(event));
    }

    /// The network asks.
    fn ask(&mut self, step: &Step) {
        let ticket = Ticket(3);
        let event = if step.second & 1 == 0 {
            FromNet::Outstanding { shards: ShardSet::ALL, ticket }
        } else {
            let ids = self.envelopes.iter().map(Envelope::id).collect();
            FromNet::Sift { from: PEER, ids, ticket }
        };
        self.run(step.node, Input::Net(event));
    }

    /// A look-up found everything.
    fn find(&mut self, node: usize) {
        let all = self.envelopes.clone();
        let envelopes = all.into_iter().filter_map(|envelope| self.received(envelope)).collect();
        self.run(node, Input::Net(FromNet::Found { envelopes }));
    }

    fn name(&mut self, step: &Step) {
        let (name, new_name) = (name_of(step.first), name_of(usize::from(step.second)));
        let Self { nodes, now, rng, .. } = self;
        let node = &mut nodes[step.node];
        if step.second & 0x80 == 0 {
            node.call(RenameContact { name, new_name }, *now, rng);
        } else {
            node.call(MarkRead { name }, *now, rng);
        }
    }
}

/// One of a few names, the last of which is none.
fn name_of(which: usize) -> String {
    ["ann", "ben", "cleo", ""][(which / 8) % 4].to_owned()
}

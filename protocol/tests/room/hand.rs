//! Operations made by hand, as they are documented: also such as no honest author makes.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signer, SigningKey};
use martlet_protocol::codec;
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::message::Timers;
use martlet_protocol::room::{
    AddBy, Create, Inserted, Misfit, Operation, Room, Settings, Unverified, Void,
};
use martlet_protocol::{IdentityId, OpId, UnixMillis};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

/// 2026-01-02 03:04:05.678 UTC.
pub(crate) const NOW: UnixMillis = UnixMillis(1_767_323_045_678);
const CONTEXT: &str = "martlet room op v1";

/// Someone with a device; all their randomness is ChaCha20's, with the key of one repeated byte.
pub(crate) struct Person {
    pub(crate) root: RootKey,
    pub(crate) keys: DeviceKeys,
}

impl Person {
    pub(crate) fn new(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let root = RootKey::generate(&mut rng);
        Self { keys: DeviceKeys::generate(&mut rng, &root, NOW), root }
    }

    pub(crate) fn id(&self) -> IdentityId {
        self.root.identity()
    }

    /// A second device of theirs.
    pub(crate) fn other_device(&self, seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let keys = DeviceKeys::generate(&mut rng, &self.root, NOW);
        Self { root: self.root.clone(), keys }
    }
}

/// So many people.
pub(crate) fn people<const N: usize>() -> [Person; N] {
    std::array::from_fn(|at| Person::new(u8::try_from(at + 1).unwrap()))
}

#[derive(Clone, Serialize)]
pub(crate) struct Payload {
    pub(crate) room: ByteBuf,
    pub(crate) previous: Vec<ByteBuf>,
    pub(crate) height: u32,
    pub(crate) certificate: ByteBuf,
    pub(crate) by: ByteBuf,
    pub(crate) n: u32,
    pub(crate) at: u64,
    pub(crate) action: u16,
    pub(crate) body: ByteBuf,
}

/// The bytes of a payload that a device signs.
pub(crate) fn sign(device: &DeviceKeys, context: &str, payload: &impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Signed<'a> {
        payload: &'a Bytes,
        signature: &'a Bytes,
    }
    let payload = codec::encode(payload);
    let signed = [context.as_bytes(), &[0], &payload].concat();
    let signature = SigningKey::from_bytes(&device.seed()).sign(&signed).to_bytes();
    codec::encode(&Signed { payload: Bytes::new(&payload), signature: Bytes::new(&signature) })
}

pub(crate) fn read(bytes: &[u8]) -> Operation {
    Unverified::read(bytes).unwrap().verify().unwrap()
}

/// What an operation does, by number, and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act(pub(crate) u16, pub(crate) Vec<u8>);

#[derive(Serialize)]
struct One<T> {
    value: T,
}

#[derive(Serialize)]
struct Two {
    key: u8,
    value: ByteBuf,
}

impl Act {
    fn of_person(number: u16, who: &Person) -> Self {
        Self(number, codec::encode(&One { value: who.id() }))
    }

    pub(crate) fn add(who: &Person) -> Self {
        Self::of_person(1, who)
    }

    pub(crate) fn remove(who: &Person) -> Self {
        Self::of_person(2, who)
    }

    pub(crate) fn grant(who: &Person) -> Self {
        Self::of_person(3, who)
    }

    pub(crate) fn revoke(grant: OpId) -> Self {
        Self(4, codec::encode(&One { value: grant }))
    }

    pub(crate) fn set(key: u8, value: &impl Serialize) -> Self {
        Self(5, codec::encode(&Two { key, value: codec::encode(value).into() }))
    }

    pub(crate) fn add_by_members(is_let: bool) -> Self {
        Self::set(4, &u8::from(is_let))
    }

    pub(crate) fn name(name: &str) -> Self {
        Self::set(0, &name)
    }

    pub(crate) const LEAVE: Self = Self(6, Vec::new());
    pub(crate) const CLOSE: Self = Self(7, Vec::new());
}

/// What is made by hand of one room, with the past of each, worked out in the plainest way.
pub(crate) struct Graph {
    pub(crate) create: Operation,
    pub(crate) ops: Vec<Operation>,
    pasts: BTreeMap<OpId, BTreeSet<OpId>>,
}

impl Graph {
    /// A room that this person creates, in which moderators alone add.
    pub(crate) fn new(creator: &Person) -> Self {
        Self::with(creator, AddBy::Moderators)
    }

    pub(crate) fn with(creator: &Person, add_by: AddBy) -> Self {
        let room = Room::create(&creator.keys, create(add_by), NOW).unwrap();
        let create = room.set().iter().next().unwrap().clone();
        let pasts = BTreeMap::from([(create.id(), BTreeSet::new())]);
        Self { create, ops: Vec::new(), pasts }
    }

    pub(crate) fn root(&self) -> OpId {
        self.create.id()
    }

    /// What lies in the past of an operation.
    pub(crate) fn past(&self, id: &OpId) -> &BTreeSet<OpId> {
        &self.pasts[id]
    }

    pub(crate) fn get(&self, id: &OpId) -> Option<&Operation> {
        std::iter::once(&self.create).chain(&self.ops).find(|op| op.id() == *id)
    }

    fn past_after(&self, previous: &[OpId]) -> BTreeSet<OpId> {
        let of = |id: &OpId| self.pasts[id].iter().copied().chain([*id]).collect::<Vec<_>>();
        previous.iter().flat_map(of).collect()
    }

    /// The payload of a fitting operation.
    pub(crate) fn payload(&self, who: &Person, by: OpId, previous: &[OpId], act: &Act) -> Payload {
        let past = self.past_after(previous);
        let before = past.iter().filter_map(|id| self.get(id));
        let own = before.clone().filter(|op| op.by() == by && op.device() == who.keys.device());
        let mut previous: Vec<_> = previous.iter().map(|id| ByteBuf::from(id.0.to_vec())).collect();
        previous.sort();
        previous.dedup();
        Payload {
            room: ByteBuf::from(self.create.id().0.to_vec()),
            previous,
            height: before.map(|op| op.height() + 1).max().unwrap(),
            certificate: ByteBuf::from(who.keys.certificate().as_bytes().to_vec()),
            by: ByteBuf::from(by.0.to_vec()),
            n: u32::try_from(own.count()).unwrap(),
            at: NOW.0,
            action: act.0,
            body: ByteBuf::from(act.1.clone()),
        }
    }

    /// Puts an operation in, fitting or not.
    pub(crate) fn push(&mut self, who: &Person, payload: &Payload) -> OpId {
        let op = read(&sign(&who.keys, CONTEXT, payload));
        let (id, past) = (op.id(), self.past_after(op.previous()));
        self.pasts.insert(id, past);
        self.ops.push(op);
        id
    }

    /// Puts an operation in without its past: of a room so large that this would take long.
    pub(crate) fn push_deep(&mut self, who: &Person, payload: &Payload) -> OpId {
        let op = read(&sign(&who.keys, CONTEXT, payload));
        let id = op.id();
        self.ops.push(op);
        id
    }

    /// Someone does something under a right, having seen these and what lies in their past.
    pub(crate) fn act(&mut self, who: &Person, by: OpId, seen: &[OpId], act: &Act) -> OpId {
        let payload = self.payload(who, by, seen, act);
        self.push(who, &payload)
    }

    /// The room as who gets these, in this order, has it.
    pub(crate) fn room_of<'a>(&self, ops: impl IntoIterator<Item = &'a Operation>) -> Room {
        let mut room = Room::new(self.create.clone()).unwrap();
        take(&mut room, ops);
        room
    }

    pub(crate) fn room(&self) -> Room {
        self.room_of(&self.ops)
    }

    /// Why operations don't count, in the room of all.
    pub(crate) fn void(&self, id: OpId) -> Option<Void> {
        self.room().state().void(&id)
    }

    /// Why the last operation does not fit.
    pub(crate) fn misfit(&self) -> Option<Misfit> {
        let (last, others) = self.ops.split_last().unwrap();
        self.room_of(others).insert(last.clone(), NOW).err()
    }
}

/// Gives operations to a room; what doesn't fit is left.
pub(crate) fn take<'a>(room: &mut Room, ops: impl IntoIterator<Item = &'a Operation>) {
    for op in ops {
        match room.insert(op.clone(), NOW) {
            Ok(Inserted::New(_) | Inserted::Waits | Inserted::Known) | Err(_) => {}
        }
    }
}

pub(crate) fn create(add_by: AddBy) -> Create {
    let settings = Settings {
        name: "watch".into(),
        timers: Timers { expire_s: Some(3600), burn_s: None },
        add_by,
        ..Settings::default()
    };
    Create { salt: [9; 16], settings }
}

//! A room made of any graph: each four bytes are an operation, of one of six people, after some of those before.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::room::{Action, AddBy, Create, Operation, Room, Settings};
use martlet_protocol::{OpId, codec};
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

/// Operations of one input.
const OPS_MAX: usize = 512;

static PEOPLE: LazyLock<Vec<DeviceKeys>> = LazyLock::new(|| {
    let of = |seed| {
        let root = RootKey::from_seed([seed; 32]);
        DeviceKeys::generate(&mut martlet_fuzz::rng(seed), &root, martlet_fuzz::NOW)
    };
    (1..=6).map(of).collect()
});

#[derive(Serialize)]
struct Payload {
    room: ByteBuf,
    previous: Vec<ByteBuf>,
    height: u32,
    certificate: ByteBuf,
    by: ByteBuf,
    n: u32,
    at: u64,
    action: u16,
    body: ByteBuf,
}

#[derive(Serialize)]
struct Signed<'a> {
    payload: ByteBuf,
    signature: &'a Bytes,
}

#[derive(Serialize)]
struct One<T> {
    value: T,
}

#[derive(Serialize)]
struct Set {
    key: u8,
    value: ByteBuf,
}

fuzz_target!(|bytes: &[u8]| {
    let settings = Settings { name: "x".into(), add_by: AddBy::Members, ..Settings::default() };
    let create = Create { salt: [0; 16], settings };
    let mut room = Room::create(&PEOPLE[0], create, martlet_fuzz::NOW).expect("good settings");
    let mut ops: Vec<Operation> = room.set().iter().cloned().collect();
    for step in bytes.chunks_exact(4).take(OPS_MAX) {
        let op = operation(&ops, step);
        // Of those that don't fit, some stay for others to rest on.
        if room.insert(op.clone(), martlet_fuzz::NOW).is_ok() || step[3] & 0x80 != 0 {
            ops.push(op);
        }
    }
    let mut backwards = Room::new(ops[0].clone()).expect("a creation");
    for op in ops.iter().rev() {
        let _ = backwards.insert(op.clone(), martlet_fuzz::NOW);
    }
    // What waited for too long in one of them may be missing there.
    for op in &ops {
        let _ = backwards.insert(op.clone(), martlet_fuzz::NOW);
    }
    assert_eq!(room.set().digest(), backwards.set().digest());
    assert_eq!(room.state(), backwards.state());
    // What one may do is done, and counts.
    for keys in PEOPLE.iter() {
        for action in
            [Action::Remove(PEOPLE[1].certificate().identity()), Action::Close, Action::Leave]
        {
            let Ok(op) = room.sign(keys, action, martlet_fuzz::NOW) else { continue };
            let mut next = room.clone();
            next.insert(op.clone(), martlet_fuzz::NOW).expect("it fits");
            assert_eq!(next.state().void(&op.id()), None);
        }
    }
});

/// Of somebody, after one to three others, by what is nearest to a right, if the input wants it.
fn operation(ops: &[Operation], step: &[u8]) -> Operation {
    let back = |steps: u8| &ops[ops.len() - 1 - usize::from(steps) % ops.len()];
    let (who, act) = (usize::from(step[0] & 7) % PEOPLE.len(), step[0] >> 3);
    let mut previous = vec![back(step[1] & 15).id()];
    if step[1] & 0x10 != 0 {
        previous.push(back(step[1] >> 5).id());
    }
    previous.push(back(step[2] & 31).id());
    let author = PEOPLE[who].certificate().identity();
    let brought_in = |op: &&Operation| match op.action() {
        Action::Create(_) => op.author() == author,
        Action::Add(who) | Action::Grant(who) => *who == author,
        _ => false,
    };
    let by = ops.iter().rev().find(brought_in).unwrap_or_else(|| back(step[3])).id();
    if step[2] & 0x20 != 0 {
        previous.push(by);
    }
    previous.sort();
    previous.dedup();
    let past = past(ops, &previous);
    let device = PEOPLE[who].device();
    let in_past = ops.iter().filter(|op| past.contains(&op.id()));
    let own = in_past.clone().filter(|op| op.by() == by && op.device() == device).count();
    let other = PEOPLE[usize::from(step[3] & 7) % PEOPLE.len()].certificate().identity();
    let person = || codec::encode(&One { value: other });
    let set = |key, value| codec::encode(&Set { key, value: ByteBuf::from(vec![value]) });
    let (action, body) = match act {
        0..=5 => (1, person()),
        6..=12 => (2, person()),
        13..=20 => (3, person()),
        21..=24 => (4, codec::encode(&One { value: back(step[3]).id() })),
        25 => (5, set(4, 0)),
        26 => (5, set(4, 1)),
        27 => (5, set(1, step[3])),
        28 => (6, Vec::new()),
        29 => (7, Vec::new()),
        _ => (u16::from(act), vec![step[3]]),
    };
    let bytes = |id: &OpId| ByteBuf::from(id.0.to_vec());
    let payload = Payload {
        room: bytes(&ops[0].id()),
        previous: previous.iter().map(bytes).collect(),
        height: in_past.map(|op| op.height() + 1).max().unwrap_or(0),
        certificate: ByteBuf::from(PEOPLE[who].certificate().as_bytes().to_vec()),
        by: bytes(&by),
        n: u32::try_from(own).expect("few"),
        at: 0,
        action,
        body: body.into(),
    };
    let payload = ByteBuf::from(codec::encode(&payload));
    let bytes = codec::encode(&Signed { payload, signature: Bytes::new(&[0; 64]) });
    Operation::from_record(&bytes).expect("a good encoding")
}

fn past(ops: &[Operation], previous: &[OpId]) -> std::collections::BTreeSet<OpId> {
    let mut past: std::collections::BTreeSet<_> = previous.iter().copied().collect();
    for op in ops.iter().rev().filter(|op| op.height() > 0) {
        if past.contains(&op.id()) {
            past.extend(op.previous());
        }
    }
    past
}

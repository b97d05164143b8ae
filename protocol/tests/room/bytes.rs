//! The bytes of operations: golden vectors, and everything that must be refused.

use martlet_protocol::codec;
use martlet_protocol::limits::ROOM_OP_BYTES_MAX;
use martlet_protocol::message::Timers;
use martlet_protocol::room::{
    Action, AddBy, Create, Denied, OpError, Room, Setting, Settings, Unverified,
};
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

use crate::hand::{Act, Graph, NOW, Payload, Person, create, people, read, sign};
use crate::vectors;

const CONTEXT: &str = "martlet room op v1";

#[test]
fn vectors() {
    let [ada, bob] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let mut last = root;
    let acts = [
        ("add", Act::add(&bob)),
        ("remove", Act::remove(&bob)),
        ("grant", Act::grant(&bob)),
        ("set_name", Act::name("bridge")),
        ("set_history", Act::set(1, &50u8)),
        ("set_expire", Act::set(2, &Some(3600u32))),
        ("set_burn", Act::set(3, &None::<u32>)),
        ("set_add_by", Act::add_by_members(true)),
        ("set_strict", Act::set(5, &true)),
        ("set_members", Act::set(6, &128u16)),
        ("unknown", Act(500, vec![1, 2, 3])),
        ("leave", Act::LEAVE),
    ];
    let mut entries = vec![("create", graph.create.as_bytes().to_vec())];
    for (name, act) in acts {
        last = graph.act(&ada, root, &[last], &act);
        entries.push((name, graph.ops.last().unwrap().as_bytes().to_vec()));
    }
    let grant = graph.ops[2].id();
    let revoke = graph.act(&ada, root, &[grant], &Act::revoke(grant));
    entries.push(("revoke", graph.get(&revoke).unwrap().as_bytes().to_vec()));
    let mut both = [revoke, graph.ops[4].id()];
    both.sort();
    let close = graph.act(&ada, root, &both, &Act::CLOSE);
    entries.push(("close", graph.get(&close).unwrap().as_bytes().to_vec()));
    let room = graph.room();
    assert_eq!(room.set().len(), 15);
    entries.push(("room", root.0.to_vec()));
    entries.push(("digest", room.set().digest().to_vec()));
    vectors::check(
        "room.txt",
        "A room. Ada and Bob are drawn from ChaCha20 with the keys 01 … 01 and 02 … 02, root and device, 32 bytes each.
        create: by Ada at 1767323045678 ms, the salt of bytes 09, the name 'watch', expire 3600 s. Then operations of hers, each
        after the one before: about Bob; settings; number 500 with the body 010203; that she leaves. revoke: after grant. close:
        after revoke and set_history. room: its id. digest: of all.",
        &entries,
    );
}

/// What the library writes is what the documentation says.
#[test]
fn made_by_hand_as_documented_it_is_the_same() {
    #[derive(Serialize)]
    struct Body<'a> {
        version: u8,
        name: &'a str,
        salt: &'a Bytes,
        history: u8,
        expire: Option<u32>,
        burn: Option<u32>,
        add_by: u8,
        strict: bool,
        members: u16,
    }
    let [ada, bob] = people();
    let body = Body {
        version: 1,
        name: "watch",
        salt: Bytes::new(&[9; 16]),
        history: 0,
        expire: Some(3600),
        burn: None,
        add_by: 0,
        strict: false,
        members: 64,
    };
    let graph = Graph::new(&ada);
    let creation = creation(&ada, 0, codec::encode(&body));
    assert_eq!(sign(&ada.keys, CONTEXT, &creation), graph.create.as_bytes());
    let room = Room::new(graph.create.clone()).unwrap();
    let granted = room.sign(&ada.keys, Action::Grant(bob.id()), NOW).unwrap();
    let payload = graph.payload(&ada, graph.root(), &[graph.root()], &Act::grant(&bob));
    assert_eq!(granted.as_bytes(), sign(&ada.keys, CONTEXT, &payload));
    assert_eq!(graph.root().0, *blake3::hash(graph.create.as_bytes()).as_bytes());
    assert_eq!(room.id().conversation().0, graph.root().0);
}

fn creation(who: &Person, action: u16, body: Vec<u8>) -> Payload {
    Payload {
        room: ByteBuf::from(vec![0; 32]),
        previous: Vec::new(),
        height: 0,
        certificate: ByteBuf::from(who.keys.certificate().as_bytes().to_vec()),
        by: ByteBuf::from(vec![0; 32]),
        n: 0,
        at: NOW.0,
        action,
        body: body.into(),
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let [ada, bob] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    graph.act(&ada, root, &[root], &Act::grant(&bob));
    for op in [&graph.create, &graph.ops[0]] {
        let bytes = op.as_bytes();
        assert_eq!(read(bytes), *op);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << (at % 8);
            let is_read = Unverified::read(&changed).is_ok_and(|it| it.verify().is_ok());
            assert!(!is_read, "byte {at}");
            assert!(Unverified::read(&bytes[..at]).is_err(), "cut to {at}");
        }
        assert!(Unverified::read(&[bytes, &[0]].concat()).is_err());
    }
    assert!(matches!(
        Unverified::read(&[0; ROOM_OP_BYTES_MAX + 1]),
        Err(OpError::Codec(codec::CodecError::TooLong { .. }))
    ));
}

#[test]
fn signed_by_another_or_for_another_purpose_it_is_refused() {
    let [ada, bob] = people();
    let graph = Graph::new(&ada);
    let payload = graph.payload(&ada, graph.root(), &[graph.root()], &Act::grant(&bob));
    let verify = |bytes: &[u8]| Unverified::read(bytes).unwrap().verify();
    assert!(verify(&sign(&ada.keys, CONTEXT, &payload)).is_ok());
    for bytes in [
        sign(&bob.keys, CONTEXT, &payload),
        sign(&ada.keys, "martlet bundle v2", &payload),
        sign(&ada.keys, "", &payload),
    ] {
        assert!(matches!(verify(&bytes), Err(OpError::Signature)));
    }
    let other = Payload { certificate: ByteBuf::from(vec![1, 2, 3]), ..payload };
    assert!(matches!(verify(&sign(&ada.keys, CONTEXT, &other)), Err(OpError::Certificate(_))));
}

#[test]
fn what_no_operation_is_is_refused() {
    let [ada, bob] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    let adds: Vec<_> =
        (0..9).map(|at| graph.act(&ada, root, &[root], &Act::name(&at.to_string()))).collect();
    let good = graph.payload(&ada, root, &[root], &Act::grant(&bob));
    let refused = |change: &dyn Fn(&mut Payload)| {
        let mut payload = good.clone();
        change(&mut payload);
        Unverified::read(&sign(&ada.keys, CONTEXT, &payload)).map(drop)
    };
    assert!(refused(&|_| {}).is_ok());
    let ids = |count: usize| -> Vec<_> {
        let mut ids: Vec<_> = adds[..count].iter().map(|id| id.0.to_vec()).collect();
        ids.sort();
        ids.into_iter().map(ByteBuf::from).collect()
    };
    assert!(refused(&|payload| payload.previous = ids(8)).is_ok());
    let codec = |change: &dyn Fn(&mut Payload)| {
        let found = refused(change);
        assert!(matches!(found, Err(OpError::Codec(_))), "{found:?}");
    };
    codec(&|payload| payload.previous = ids(9));
    codec(&|payload| payload.previous = ids(2).into_iter().rev().collect());
    codec(&|payload| payload.previous = [ids(1), ids(1)].concat());
    codec(&|payload| payload.previous = vec![ByteBuf::from(vec![1; 31])]);
    codec(&|payload| payload.body = ByteBuf::new());
    codec(&|payload| payload.body.push(0));
    codec(&|payload| (payload.action, payload.body) = (6, ByteBuf::from(vec![0xa0])));
    codec(&|payload| payload.body = ByteBuf::from(vec![7; 3000]));
    let shape = |change: &dyn Fn(&mut Payload)| {
        assert!(matches!(refused(change), Err(OpError::Shape)));
    };
    shape(&|payload| payload.previous.clear());
    shape(&|payload| payload.room = ByteBuf::from(vec![0; 32]));
    shape(&|payload| payload.by = ByteBuf::from(vec![0; 32]));
    shape(&|payload| payload.height = 4097);
    // An identity that is no key: a small one, for which anyone can sign.
    let mut weak = good.clone();
    weak.body =
        Act(1, codec::encode(&std::collections::BTreeMap::from([(0u8, small_key())]))).1.into();
    let read = Unverified::read(&sign(&ada.keys, CONTEXT, &weak)).unwrap().verify();
    assert!(matches!(read, Err(OpError::Key(_))));
    // One field more.
    #[derive(Serialize)]
    struct Longer {
        room: ByteBuf,
        previous: Vec<ByteBuf>,
        height: u32,
        certificate: ByteBuf,
        by: ByteBuf,
        n: u32,
        at: u64,
        action: u16,
        body: ByteBuf,
        more: u8,
    }
    let Payload { room, previous, height, certificate, by, n, at, action, body } = good;
    let longer = Longer { room, previous, height, certificate, by, n, at, action, body, more: 1 };
    let longer = sign(&ada.keys, CONTEXT, &longer);
    assert!(matches!(Unverified::read(&longer), Err(OpError::Codec(_))));
}

fn small_key() -> ByteBuf {
    let mut key = vec![0; 32];
    key[0] = 1;
    ByteBuf::from(key)
}

#[test]
fn a_creation_has_no_past_and_settings_within_bounds() {
    let [ada] = people();
    let good = Payload {
        certificate: ByteBuf::from(ada.keys.certificate().as_bytes().to_vec()),
        ..creation(&ada, 0, Vec::new())
    };
    let bytes = Graph::new(&ada).create.as_bytes().to_vec();
    let body = codec::decode::<(ByteBuf, ByteBuf)>(&bytes, 4096);
    assert!(body.is_err(), "a map is no list");
    let version = |version: u8| {
        let body = codec::encode(&std::collections::BTreeMap::from([(0u8, version), (1, 7)]));
        Unverified::read(&sign(&ada.keys, CONTEXT, &Payload { body: body.into(), ..good.clone() }))
    };
    assert!(matches!(version(2), Err(OpError::Version { found: 2 })));
    assert!(matches!(version(1), Err(OpError::Codec(_))));
    let with = |change: &dyn Fn(&mut Settings)| {
        let mut create = create(AddBy::Moderators);
        change(&mut create.settings);
        Room::create(&ada.keys, create, NOW).map(drop)
    };
    assert!(with(&|settings| settings.name = "é".repeat(32)).is_ok());
    let all = Settings {
        name: "x".repeat(64),
        history: 200,
        timers: Timers { expire_s: Some(518_400), burn_s: Some(518_400) },
        add_by: AddBy::Members,
        strict: true,
        members_max: 256,
    };
    let longest = Room::create(&ada.keys, Create { salt: [9; 16], settings: all.clone() }, NOW);
    let longest = longest.unwrap().set().iter().next().unwrap().clone();
    assert_eq!(read(longest.as_bytes()), longest);
    assert_eq!(Room::new(longest).unwrap().state().settings(), &all);
    let changes: [&dyn Fn(&mut Settings); 8] = [
        &|settings| settings.name = "x".repeat(10_240),
        &|settings| settings.name = "x".repeat(65),
        &|settings| settings.name.clear(),
        &|settings| settings.name = "a\nb".into(),
        &|settings| settings.history = 201,
        &|settings| settings.timers.expire_s = Some(0),
        &|settings| settings.timers.burn_s = Some(518_401),
        &|settings| settings.members_max = 257,
    ];
    for change in changes {
        assert!(matches!(with(change), Err(Denied::Value)));
    }
}

#[test]
fn a_record_is_read_without_verifying_and_is_the_same() {
    let [ada, bob] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    graph.act(&ada, root, &[root], &Act::grant(&bob));
    for op in [&graph.create, &graph.ops[0]] {
        let kept = martlet_protocol::room::Operation::from_record(op.as_bytes()).unwrap();
        assert_eq!(kept, *op);
    }
}

#[test]
fn a_setting_that_is_not_known_keeps_its_bytes() {
    let [ada] = people();
    let mut graph = Graph::new(&ada);
    let root = graph.root();
    graph.act(&ada, root, &[root], &Act::set(1, &201u8));
    let action = graph.ops[0].action();
    let value = codec::encode(&201u8);
    assert_eq!(action, &Action::Set(Setting::Unknown { key: 1, value }));
}

proptest! {
    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Unverified::read(&bytes).is_err());
    }
}

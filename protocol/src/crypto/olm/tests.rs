#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

const ROUTE: Route = Route {
    sender: (IdentityId([1; 32]), DeviceId([2; 32])),
    recipient: (IdentityId([3; 32]), DeviceId([4; 32])),
};
const BACK: Route = Route { sender: ROUTE.recipient, recipient: ROUTE.sender };

struct Pair {
    ada: OlmSecret,
    bob: OlmSecret,
    key: OlmSecret,
}

fn pair() -> Pair {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let mut secret = || OlmSecret::generate(&mut rng);
    Pair { ada: secret(), bob: secret(), key: secret() }
}

fn again(session: &OlmSession) -> OlmSession {
    OlmSession::from_record(&session.to_record()).unwrap()
}

/// Sends a message, with both sides as they are on disk.
fn pass(from: &mut OlmSession, to: &mut OlmSession, route: &Route, text: &[u8]) {
    let payload = from.encrypt(route, &Plain::of(text.to_vec())).unwrap().into_bytes();
    (*from, *to) = (again(from), again(to));
    let plain = to.decrypt(route, &Incoming::decode(&payload).unwrap()).unwrap();
    assert_eq!(plain, Plain::of(text.to_vec()));
    *to = again(to);
}

#[test]
fn two_devices_talk_and_their_records_do_too() {
    let Pair { ada, bob, key } = pair();
    let mut there = OlmSession::begin(&ada, &bob.public(), &key.public()).unwrap();
    there = again(&there);
    let keys = vec![ada.public(), bob.public(), key.public(), ada.public(), bob.public()];
    let first = Plain { message: b"one".to_vec(), one_time_keys: keys };
    let payload = there.encrypt(&ROUTE, &first).unwrap().into_bytes();
    let incoming = Incoming::decode(&payload).unwrap();
    let begins = incoming.begins().unwrap();
    assert_eq!(begins.session, there.id());
    assert_eq!(begins.identity, ada.public().to_bytes());
    assert_eq!(begins.key, key.public().to_bytes());
    let (mut here, plain) = OlmSession::accept(&bob, &key, &ROUTE, &incoming).unwrap();
    assert_eq!(plain, first);
    assert_eq!(here.id(), there.id());
    assert!(here.is_answered() && !there.is_answered());
    pass(&mut there, &mut here, &ROUTE, b"two, still beginning it");
    for round in 0..3u8 {
        pass(&mut here, &mut there, &BACK, &[round]);
        pass(&mut there, &mut here, &ROUTE, &[round, 1]);
    }
    assert!(there.is_answered());
    assert!(matches!(here.decrypt(&ROUTE, &incoming), Err(OlmError::KeyGone)));
}

/// What the network may do: five chains, of each of which 40 messages are overtaken.
#[test]
fn the_longest_record_is_within_its_bound() {
    let Pair { ada, bob, key } = pair();
    let mut there = OlmSession::begin(&ada, &bob.public(), &key.public()).unwrap();
    let first = there.encrypt(&ROUTE, &Plain::of(vec![0])).unwrap().into_bytes();
    let (mut here, _) =
        OlmSession::accept(&bob, &key, &ROUTE, &Incoming::decode(&first).unwrap()).unwrap();
    let young = here.to_record().len();
    for _ in 0..6 {
        let mut last = Vec::new();
        for _ in 0..60 {
            last = there.encrypt(&ROUTE, &Plain::of(vec![0; 400])).unwrap().into_bytes();
        }
        here.decrypt(&ROUTE, &Incoming::decode(&last).unwrap()).unwrap();
        pass(&mut here, &mut there, &BACK, b"back");
    }
    let old = here.to_record().len();
    println!("a session's record: {young} bytes, at its longest {old}");
    assert!(old > 10_000, "{old}");
    assert!(old * 2 < crate::limits::OLM_SESSION_BYTES_MAX, "{old}");
    assert!(OlmSession::from_record(&here.to_record()).is_ok());
}

#[test]
fn a_message_passed_on_is_refused() {
    let Pair { ada, bob, key } = pair();
    let mut there = OlmSession::begin(&ada, &bob.public(), &key.public()).unwrap();
    let payload = there.encrypt(&ROUTE, &Plain::of(vec![1])).unwrap().into_bytes();
    let incoming = Incoming::decode(&payload).unwrap();
    let eve = (IdentityId([9; 32]), DeviceId([9; 32]));
    for route in [
        Route { sender: eve, ..ROUTE },
        Route { sender: (ROUTE.sender.0, eve.1), ..ROUTE },
        Route { sender: (eve.0, ROUTE.sender.1), ..ROUTE },
        Route { recipient: eve, ..ROUTE },
        BACK,
    ] {
        let refused = OlmSession::accept(&bob, &key, &route, &incoming);
        assert!(matches!(refused, Err(OlmError::Binding)));
    }
    assert!(OlmSession::accept(&bob, &key, &ROUTE, &incoming).is_ok());
}

#[test]
fn another_key_than_it_was_begun_with_opens_nothing() {
    let Pair { ada, bob, key } = pair();
    let mut there = OlmSession::begin(&ada, &bob.public(), &key.public()).unwrap();
    let incoming = there.encrypt(&ROUTE, &Plain::of(vec![1])).unwrap().into_bytes();
    let incoming = Incoming::decode(&incoming).unwrap();
    assert!(matches!(OlmSession::accept(&bob, &bob, &ROUTE, &incoming), Err(OlmError::NoKey)));
    let refused = OlmSession::accept(&ada, &key, &ROUTE, &incoming);
    assert!(matches!(refused, Err(OlmError::Decrypt)));
}

/// With such a key the secret is the same for everyone.
#[test]
fn keys_of_small_order_are_refused_wherever_they_come() {
    let key = pair().key;
    let mut one = [0; 32];
    one[0] = 1;
    // Of order 8, from RFC 7748's security considerations.
    let of_order_8 = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ];
    for none in [[0; 32], one, of_order_8] {
        assert!(matches!(OlmKey::from_bytes(none), Err(OlmError::Key)));
        let encoded = codec::encode(&serde_bytes::ByteArray::new(none));
        assert!(codec::decode::<OlmKey>(&encoded, 64).is_err());
        let inner = Inner {
            binding: ROUTE.binding(),
            message: Vec::new(),
            one_time_keys: [key.public().to_bytes(), none].concat(),
        };
        let refused = Plain::decode(&codec::encode(&inner), &ROUTE);
        assert!(matches!(refused, Err(OlmError::Key)));
    }
}

#[test]
fn what_is_no_message_is_refused() {
    let Pair { ada, bob, key } = pair();
    let mut there = OlmSession::begin(&ada, &bob.public(), &key.public()).unwrap();
    let payload = there.encrypt(&ROUTE, &Plain::of(vec![7; 40])).unwrap().into_bytes();
    assert!(Incoming::decode(&payload).is_ok());
    for at in 0..payload.len() {
        assert!(Incoming::decode(&payload[..at]).is_err(), "cut to {at}");
        let mut changed = payload.clone();
        changed[at] ^= 1 << (at % 8);
        let Ok(incoming) = Incoming::decode(&changed) else { continue };
        // A byte of what is not authenticated, the version of the frame around it, opens nothing else.
        if let Ok((_, plain)) = OlmSession::accept(&bob, &key, &ROUTE, &incoming) {
            assert_eq!(plain, Plain::of(vec![7; 40]), "byte {at}");
        }
    }
    let frame = |kind, message: &[u8]| codec::encode(&Frame { kind, message: message.to_vec() });
    assert!(matches!(Incoming::decode(&frame(2, &payload)), Err(OlmError::Message(_))));
    assert!(matches!(Incoming::decode(&frame(0, &[])), Err(OlmError::Message(_))));
    assert!(matches!(Incoming::decode(&frame(1, &[3])), Err(OlmError::Message(_))));
    assert!(Incoming::decode(&[frame(0, &payload), vec![0]].concat()).is_err());

    let inner = |one_time_keys| {
        codec::encode(&Inner { binding: ROUTE.binding(), message: vec![1], one_time_keys })
    };
    let six = key.public().to_bytes().repeat(6);
    assert!(Plain::decode(&inner(six[..160].to_vec()), &ROUTE).is_ok());
    for keys in [six.clone(), six[..33].to_vec(), vec![1]] {
        let refused = Plain::decode(&inner(keys), &ROUTE);
        assert!(matches!(refused, Err(OlmError::OneTimeKeys)));
    }
}

//! Olm's messages in to-device envelopes.

use martlet_protocol::Header;
use martlet_protocol::crypto::olm::{self, Incoming, OlmKeys, OlmSecret, OlmSession, Plain, Route};
use martlet_protocol::crypto::seal;
use serde::Serialize;
use serde_bytes::Bytes;

use crate::people::{Person, addressing, rng};
use crate::vectors;

/// What a session of Ada's began with: Olm draws its keys itself, so no test makes it again.
const BEGUN: &str = include_str!("../vectors/olm_begun.hex");

fn route(from: &Person, to: &Person) -> Route {
    Route {
        sender: (from.identity(), from.device.device()),
        recipient: (to.identity(), to.device.device()),
    }
}

fn identity_key(of: &Person) -> OlmSecret {
    OlmSecret::of_device(&of.device.seed())
}

fn keys(of: &Person) -> OlmKeys {
    OlmKeys { identity: identity_key(of).public(), fallback: of.prekey.olm_fallback().public() }
}

fn begun() -> Vec<u8> {
    let hex = BEGUN.trim();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn vectors() {
    let bob = Person::new(2);
    vectors::check(
        "olm.txt",
        "Olm. Ada and Bob are drawn as in bundle.txt, from ChaCha20 with the keys 01 … 01 and 02 … 02. identity_key,
        fallback_key: Bob's, private; identity_public, fallback_public: public. begun: the payload by which a device of Ada's
        began a session with Bob's and said \"hello\". Olm draws its keys from the system, so that it was made once.",
        &[
            ("identity_key", martlet_protocol::codec::encode(&identity_key(&bob))),
            ("fallback_key", martlet_protocol::codec::encode(&bob.prekey.olm_fallback())),
            ("identity_public", keys(&bob).identity.to_bytes().to_vec()),
            ("fallback_public", keys(&bob).fallback.to_bytes().to_vec()),
            ("begun", begun()),
        ],
    );
}

#[test]
fn a_session_that_an_older_build_began_is_accepted() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let incoming = Incoming::decode(&begun()).unwrap();
    let begins = incoming.begins().unwrap();
    assert_eq!(begins.identity, keys(&ada).identity.to_bytes());
    let key = bob.prekey.prepare().olm_fallback(&begins.key).unwrap();
    let (_, plain) =
        OlmSession::accept(&identity_key(&bob), &key, &route(&ada, &bob), &incoming).unwrap();
    assert_eq!(plain, Plain::of(b"hello".to_vec()));
}

/// What is encrypted, as its documentation gives it.
#[derive(Serialize)]
struct Inner<'a> {
    binding: &'a Bytes,
    message: &'a Bytes,
}

/// The bytes that a payload adds to what it carries: by them a key's envelope keeps its rung of 1 KiB.
#[test]
fn what_olm_adds_is_known() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let (to, back) = (route(&ada, &bob), route(&bob, &ada));
    let message = [7; 400];
    let inner = martlet_protocol::codec::encode(&Inner {
        binding: Bytes::new(&[0; 16]),
        message: Bytes::new(&message),
    });
    assert_eq!(inner.len(), 400 + 23);
    let mut there =
        OlmSession::begin(&identity_key(&ada), &keys(&bob).identity, &keys(&bob).fallback).unwrap();
    let first = there.encrypt(&to, &Plain::of(message.to_vec())).unwrap().into_bytes();
    let incoming = Incoming::decode(&first).unwrap();
    let (mut here, _) =
        OlmSession::accept(&identity_key(&bob), &bob.prekey.olm_fallback(), &to, &incoming)
            .unwrap();
    let answer = here.encrypt(&back, &Plain::of(message.to_vec())).unwrap().into_bytes();
    let one_time_keys = vec![keys(&bob).identity; 5];
    let keyed = Plain { message: message.to_vec(), one_time_keys };
    let keyed = here.encrypt(&back, &keyed).unwrap().into_bytes();
    println!(
        "of 400 bytes: begins {}, goes on {}, with keys {}",
        first.len(),
        answer.len(),
        keyed.len()
    );
    assert_eq!(first.len() - answer.len(), 106);
    assert!(first.len() <= 400 + 195, "{}", first.len());
}

#[test]
fn once_is_a_session_that_is_begun() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let to = route(&ada, &bob);
    let payload = olm::once(&identity_key(&ada), &to, &keys(&bob), b"hello".to_vec()).unwrap();
    let incoming = Incoming::decode(&payload).unwrap();
    let (_, plain) =
        OlmSession::accept(&identity_key(&bob), &bob.prekey.olm_fallback(), &to, &incoming)
            .unwrap();
    assert_eq!(plain, Plain::of(b"hello".to_vec()));
    if std::env::var_os("MARTLET_PRINT_OLM").is_some() {
        println!("BEGUN {}", vectors::hex(&payload));
    }
}

fn key_of_a_session(name: &str) -> Vec<u8> {
    crate::message::session_key(Some(name), None).encode()
}

fn sealed(from: &Person, to: &Person, payload: &[u8]) -> Vec<u8> {
    let conversation = from.conversation_with(to);
    let identity = to.identity();
    let to = [to.recipient()];
    seal::seal(&mut rng(3), &addressing(), &from.device, &identity, &to, &conversation, payload)
        .unwrap()
}

/// A session's key stays on its rung of 1 KiB: where Olm begins a session, goes on with one, or gives one-time keys; with the
/// longest name.
#[test]
fn the_key_of_a_session_keeps_its_rung() {
    let (ada, bob) = (Person::new(1), Person::new(2));
    let to = route(&ada, &bob);
    let body_of = |payload: &[u8]| {
        let content = sealed(&ada, &bob, payload);
        content.len() - Header::parse(&content).unwrap().len
    };
    let mut there =
        OlmSession::begin(&identity_key(&ada), &keys(&bob).identity, &keys(&bob).fallback).unwrap();
    let mut rungs = Vec::new();
    for name in ["", "Ada", "Ada Augusta King of Lovelace", &"x".repeat(64)] {
        let key = key_of_a_session(name);
        let begun = there.encrypt(&to, &Plain::of(key.clone())).unwrap().into_bytes();
        let (mut here, _) = OlmSession::accept(
            &identity_key(&bob),
            &bob.prekey.olm_fallback(),
            &to,
            &Incoming::decode(&begun).unwrap(),
        )
        .unwrap();
        let on = here.encrypt(&to, &Plain::of(key.clone())).unwrap().into_bytes();
        let one_time_keys = vec![keys(&bob).identity; 5];
        let keyed = Plain { message: key.clone(), one_time_keys };
        let keyed = here.encrypt(&to, &keyed).unwrap().into_bytes();
        let [plain, begun, on, keyed] =
            [key, begun, on, keyed].map(|payload| (payload.len(), body_of(&payload)));
        println!(
            "name of {}: without {plain:?}, begins {begun:?}, goes on {on:?}, keys {keyed:?}",
            name.len()
        );
        rungs.push([plain.1, begun.1, on.1, keyed.1]);
    }
    assert!(rungs.iter().all(|rungs| *rungs == [1024; 4]), "{rungs:?}");
}

#[test]
#[ignore = "measures: cargo test -- --ignored --nocapture how_long_a_key_takes"]
fn how_long_a_key_takes() {
    const ROUNDS: usize = 200;
    let (ada, bob) = (Person::new(1), Person::new(2));
    let to = route(&ada, &bob);
    let key = key_of_a_session("Ada");
    let timed = |what: &str, act: &mut dyn FnMut()| {
        let mut took: Vec<_> = (0..ROUNDS)
            .map(|_| {
                let begun = std::time::Instant::now();
                act();
                begun.elapsed()
            })
            .collect();
        took.sort();
        println!("{what}: {:?} at least, {:?} in the middle", took[0], took[took.len() / 2]);
    };
    let payload = olm::once(&identity_key(&ada), &to, &keys(&bob), key.clone()).unwrap();
    let incoming = Incoming::decode(&payload).unwrap();
    let accept = || {
        OlmSession::accept(&identity_key(&bob), &bob.prekey.olm_fallback(), &to, &incoming).unwrap()
    };
    let mut session =
        OlmSession::begin(&identity_key(&ada), &keys(&bob).identity, &keys(&bob).fallback).unwrap();
    timed("the envelope", &mut || drop(sealed(&ada, &bob, &payload)));
    timed("Olm, a session begun", &mut || {
        drop(olm::once(&identity_key(&ada), &to, &keys(&bob), key.clone()).unwrap());
    });
    timed("Olm, gone on with, from its record and back", &mut || {
        session = OlmSession::from_record(&session.to_record()).unwrap();
        drop(session.encrypt(&to, &Plain::of(key.clone())).unwrap());
    });
    timed("Olm, accepted", &mut || drop(accept()));
}

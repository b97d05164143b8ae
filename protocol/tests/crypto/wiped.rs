//! What keys leave in memory. A program whose allocator wipes what is freed, like the daemon, does not need them to
//! wipe themselves; this crate does not know what program it is in.

use std::hint::black_box;

use martlet_protocol::crypto::body::BaseKey;
use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret};
use martlet_protocol::crypto::session::SessionSecret;
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::message::Payload;
use martlet_protocol::network::NetworkKey;
use martlet_protocol::{AckSecret, RendezvousSecret, UnixMillis};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::contains;
use super::place::Place;

/// What is where three values were in the heap, once they are dropped. The allocator overwrites the first 16 bytes.
fn left_by<T>(value: impl Fn() -> T) -> Vec<u8> {
    let values = Box::new([value(), value(), value()]);
    black_box(&values);
    let place = Place::of(&*values);
    drop(values);
    place.now()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

#[test]
fn a_dropped_key_is_not_in_memory() {
    let mut key = [0; 32];
    rng().fill_bytes(&mut key);
    let json = serde_json::to_string(&key).unwrap();
    let session_secret = || serde_json::from_str::<SessionSecret>(&json).unwrap();
    let root = RootKey::from_seed([1; 32]);
    // What is not wiped is found.
    assert!(contains(&left_by(|| key), &key));
    let left = [
        ("root key", left_by(|| RootKey::from_seed(key))),
        ("device's key", left_by(|| DeviceKeys::generate(&mut rng(), &root, UnixMillis(0)))),
        ("prekey", left_by(|| PrekeySecret::generate(&mut rng()))),
        ("prepared prekey", left_by(|| PrekeySecret::generate(&mut rng()).prepare())),
        ("detection key", left_by(|| DetectionSecret::generate(&mut rng()))),
        ("base key", left_by(|| BaseKey(key))),
        ("secret of a session", left_by(session_secret)),
        ("network's key", left_by(|| NetworkKey::from_bytes(key))),
        ("secret of an ID", left_by(|| RendezvousSecret(key[..15].try_into().unwrap()))),
        ("secret of an ack", left_by(|| AckSecret(key[..16].try_into().unwrap()))),
    ];
    let in_memory = |left: &[u8]| contains(left, &key[..15]) || contains(left, &key[16..]);
    let left: Vec<_> =
        left.iter().filter(|(_, left)| in_memory(left)).map(|(name, _)| name).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_dropped_payload_is_not_in_memory() {
    let text = "what nobody here understands".repeat(4).into_bytes();
    let payload = black_box(Payload(text.clone()));
    let place = Place::of(payload.0.as_slice());
    drop(payload);
    assert!(!contains(&place.now(), &text[16..]));
}

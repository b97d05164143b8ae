//! What keys leave in memory, in a program whose allocator does not wipe what is freed.

use std::hint::black_box;

use martlet_store::records::Seed;
use martlet_store::vault::keyfile::MasterKey;

use super::place::Place;

const KEY: [u8; 32] = *b"thirty-two bytes that are secret";

/// Of what is found, the allocator overwrites the first 16 bytes.
#[test]
fn what_is_not_wiped_is_found() {
    let plain = black_box(Box::new(KEY));
    let place = Place::of(&*plain);
    drop(plain);
    assert_eq!(place.now()[16..], KEY[16..]);
}

#[test]
fn a_dropped_master_key_is_not_in_memory() {
    let master = black_box(MasterKey::from_bytes(&KEY));
    let place = Place::of(master.as_bytes());
    drop(master);
    assert_eq!(place.now()[16..], [0; 16]);
}

#[test]
fn a_dropped_seed_is_not_in_memory() {
    let seed = black_box(Box::new(Seed(KEY)));
    let place = Place::of(&*seed);
    drop(seed);
    assert_eq!(place.now()[16..], [0; 16]);
}

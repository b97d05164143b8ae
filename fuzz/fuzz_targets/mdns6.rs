//! A packet of mDNS, as the daemon reads it from anyone on the local network: its file is compiled in here, since the rest of
//! the daemon is no library of decoders.
#![no_main]

// What the reader takes of libp2p is addresses and peer ids, which libp2p has from this crate.
extern crate self as libp2p;

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
pub use multiaddr::{self, Multiaddr, PeerId};

use limits::ADDRESSES_PER_PEER_MAX;
use packet::Packet;

/// The daemon's, of which the reader needs one.
mod limits {
    /// As in `daemon/src/limits.rs`.
    pub(crate) const ADDRESSES_PER_PEER_MAX: usize = 16;
}

#[path = "../../daemon/src/net/mdns6/packet.rs"]
mod packet;

fuzz_target!(|bytes: &[u8]| {
    let found = match packet::parse(bytes) {
        None => return,
        Some(Packet::Query) => {
            assert_eq!(packet::query().as_deref().and_then(packet::parse), Some(Packet::Query));
            return;
        }
        Some(Packet::Answer(found)) => found,
    };
    assert!(!found.is_empty());
    for one in found {
        assert!(one.addresses.len() <= ADDRESSES_PER_PEER_MAX);
        // What was read is said and read again, but for addresses too long for a record.
        let said = packet::answer(one.peer, "fuzz", &one.addresses, one.ttl);
        let Some(Packet::Answer(again)) = said.as_deref().and_then(packet::parse) else {
            assert!(one.addresses.iter().all(|address| address.to_string().len() > 100));
            continue;
        };
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].peer, one.peer);
        assert!(again[0].addresses.iter().all(|address| one.addresses.contains(address)));
        assert!(again[0].ttl <= Duration::from_secs(u64::from(u32::MAX)));
    }
});

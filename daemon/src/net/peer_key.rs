//! The engine's name of a peer and libp2p's: both are the Ed25519 public key of the peer's transport.

use libp2p::PeerId;
use martlet_engine::PeerKey;

/// A libp2p peer id of an Ed25519 key is `identity multihash ‖ length 36 ‖ protobuf of the key`
/// (libp2p's specification of peer ids); this is all before the key.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The key of a peer. Others than of Ed25519 can't connect; such an id gets a key that is nobody's.
#[must_use]
pub fn key_of(peer: &PeerId) -> PeerKey {
    let bytes = peer.to_bytes();
    match bytes.strip_prefix(&PREFIX).map(<[u8; 32]>::try_from) {
        Some(Ok(key)) => PeerKey(key),
        Some(Err(_)) | None => PeerKey(*blake3::hash(&bytes).as_bytes()),
    }
}

/// The peer with a key; `None` never happens.
#[must_use]
pub fn peer_of(key: &PeerKey) -> Option<PeerId> {
    PeerId::from_bytes(&[&PREFIX[..], &key.0].concat()).ok()
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    #[test]
    fn a_peer_is_found_by_its_key() {
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        assert_eq!(peer_of(&key_of(&peer)), Some(peer));
        // An id that is a hash is of a larger key, which no transport here speaks.
        let hashed = PeerId::from_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat());
        assert!(hashed.is_ok_and(|peer| peer_of(&key_of(&peer)) != Some(peer)));
    }
}

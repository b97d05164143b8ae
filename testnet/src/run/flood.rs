//! A hostile node that gossips envelopes which every node must take, and which are for nobody.

use std::time::Duration;

use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Envelope, ExpiryHour, Header, Kind, Shard, UnixMillis, stamp};
use rand::Rng;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::peer::{PeerError, RawPeer};

/// Sizes that a body may have.
const BODY_BYTES_MIN: usize = 512;
const BODY_BYTES_MAX: usize = 32 * 1024;
/// Wait before it comes again when it was cut off, as another peer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A flood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloodOptions {
    /// A multiaddress of the victim, with its peer id.
    pub address: String,
    /// The network's name.
    pub network: String,
    /// Zero bits asked of a stamp: the attacker pays for them like anyone.
    pub stamp_bits: u8,
    /// How fast.
    pub envelopes_per_s: u32,
    /// How large each is; rounded up to a size that bodies have.
    pub bytes: usize,
    /// For how long.
    pub lasts: Duration,
}

impl FloodOptions {
    /// The arguments with which `martlet-testnet` does it.
    pub(super) fn args(&self) -> Vec<String> {
        let Self { address, network, stamp_bits, envelopes_per_s, bytes, lasts } = self;
        vec![
            "flood".to_owned(),
            format!("--address={address}"),
            format!("--network={network}"),
            format!("--stamp-bits={stamp_bits}"),
            format!("--envelopes-per-s={envelopes_per_s}"),
            format!("--bytes={bytes}"),
            format!("--seconds={}", lasts.as_secs_f64()),
        ]
    }
}

/// Floods until the time is over. Cut off, it comes again, as another peer.
///
/// # Errors
/// When it can't make a peer at all.
pub async fn flood(options: &FloodOptions) -> Result<(), PeerError> {
    let network = NetworkDescriptor {
        name: options.network.clone(),
        stamp_bits: options.stamp_bits,
        ..NetworkDescriptor::default()
    };
    let until = Instant::now() + options.lasts;
    let flooding = async {
        loop {
            match RawPeer::connect(&network, &options.address).await {
                Ok(peer) => match pour(&peer, &network, options).await {
                    // It is the victim's right to cut it off.
                    Ok(()) | Err(_) => {}
                },
                Err(error @ (PeerError::Setup(_) | PeerError::Address { .. })) => {
                    return Err(error);
                }
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    tokio::time::timeout_at(until, flooding).await.unwrap_or(Ok(()))
}

async fn pour(
    peer: &RawPeer,
    network: &NetworkDescriptor,
    options: &FloodOptions,
) -> Result<(), PeerError> {
    let pause = Duration::from_secs(1) / options.envelopes_per_s.max(1);
    let mut tick = interval(pause.max(Duration::from_micros(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while peer.is_connected().await? {
        tick.tick().await;
        peer.publish_envelope(envelope(network, options.bytes).encode()).await?;
    }
    Ok(())
}

/// A good envelope with a random body, stamped.
fn envelope(network: &NetworkDescriptor, bytes: usize) -> Envelope {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = since.unwrap_or_default().as_millis();
    let expiry = ExpiryHour::latest(UnixMillis(u64::try_from(now).unwrap_or(u64::MAX)));
    let prefix = Header::encode_prefix(Kind::Conversation, network.tag(), Shard(0), expiry, 1);
    // A tag, and what its ack would have to hash to.
    let mut random = vec![0; 32 + body_bytes(bytes)];
    rand::rng().fill_bytes(&mut random);
    let mut envelope = Envelope::new([prefix.to_vec(), random].concat());
    if let Some(nonce) = stamp::make(&envelope.id(), network.stamp_bits, 0, u64::MAX) {
        envelope.nonce = nonce;
    }
    envelope
}

fn body_bytes(bytes: usize) -> usize {
    bytes.clamp(BODY_BYTES_MIN, BODY_BYTES_MAX).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_floods_with_is_taken_by_every_node() {
        let network = NetworkDescriptor { stamp_bits: 6, ..NetworkDescriptor::default() };
        for (bytes, body) in [(1, 512), (1000, 1024), (60_000, 32 * 1024)] {
            assert_eq!(body_bytes(bytes), body);
            let envelope = envelope(&network, bytes);
            assert!(Header::parse(&envelope.content).is_ok());
            assert!(stamp::check(&envelope.id(), envelope.nonce, 6));
        }
    }
}
